//! Adam (Kingma and Ba, 2015) with clipped gradients, and moments that can be saved.
//!
//! candle's own keeps its moments to itself, so a training could not go on where it stopped.

use candle_core::backprop::GradStore;
use candle_core::{Result, Tensor, Var};
use std::collections::BTreeMap;

const FIRST_DECAY: f64 = 0.9;
const SECOND_DECAY: f64 = 0.999;
const EPSILON: f64 = 1e-8;
/// Gradients are scaled down to this length, all weights together.
const LONGEST: f64 = 1.0;

/// Running means of gradients and of their squares, by the name of the weight.
#[derive(Clone, Default)]
pub(super) struct Adam {
    pub(super) steps: usize,
    pub(super) first: BTreeMap<String, Tensor>,
    pub(super) second: BTreeMap<String, Tensor>,
}

impl Adam {
    /// Moves every weight that has a gradient.
    pub(super) fn step<'a>(
        &mut self,
        weights: impl Iterator<Item = (&'a String, &'a Var)>,
        gradients: &GradStore,
        rate: f64,
    ) -> Result<()> {
        let weights: Vec<(&String, &Var, &Tensor)> = weights
            .filter_map(|(name, weight)| Some((name, weight, gradients.get(weight)?)))
            .collect();
        let clipped = clip(weights.iter().map(|(_, _, gradient)| *gradient))?;
        self.steps += 1;
        let corrected = |decay: f64| 1.0 - decay.powf(self.steps as f64);
        let (first_scale, second_scale) = (corrected(FIRST_DECAY), corrected(SECOND_DECAY));
        for (name, weight, gradient) in weights {
            let gradient = (gradient * clipped)?;
            let first = decayed(&mut self.first, name, &gradient, FIRST_DECAY)?;
            let second = decayed(&mut self.second, name, &gradient.sqr()?, SECOND_DECAY)?;
            let spread = ((second / second_scale)?.sqrt()? + EPSILON)?;
            let change = ((first / first_scale)? / spread)?;
            weight.set(&(weight.as_tensor() - (change * rate)?)?.detach())?;
        }
        Ok(())
    }
}

/// What gradients are multiplied by.
fn clip<'a>(gradients: impl Iterator<Item = &'a Tensor>) -> Result<f64> {
    let mut squares = 0.0;
    for gradient in gradients {
        squares += f64::from(gradient.sqr()?.sum_all()?.to_scalar::<f32>()?);
    }
    Ok((LONGEST / squares.sqrt().max(1e-12)).min(1.0))
}

fn decayed(
    means: &mut BTreeMap<String, Tensor>,
    name: &str,
    value: &Tensor,
    decay: f64,
) -> Result<Tensor> {
    let fresh = (value * (1.0 - decay))?;
    let mean = match means.get(name) {
        Some(mean) => ((mean * decay)? + fresh)?,
        None => fresh,
    };
    let mean = mean.detach();
    means.insert(name.to_owned(), mean.clone());
    Ok(mean)
}
