//! The weights while they are learned: seeded, in the order of their names.

use crate::model::Shapes;
use crate::random::{self, Random};
use candle_core::{Device, Result, Tensor, Var};
use std::collections::BTreeMap;

/// Weights by name.
#[derive(Clone)]
pub(super) struct Parameters(BTreeMap<String, Var>);

impl Parameters {
    /// Weights at random from `seed`, whatever the order in which they are asked for.
    pub(super) fn seeded(shapes: &Shapes, seed: u64, device: &Device) -> Result<Self> {
        let weights = shapes.iter().map(|(name, shape)| {
            let values = initial(name, shape, seed);
            let tensor = Tensor::from_vec(values, shape.as_slice(), device)?;
            Ok((name.clone(), Var::from_tensor(&tensor)?))
        });
        Ok(Self(weights.collect::<Result<_>>()?))
    }

    /// Sets the weight called `name`, where there is one.
    pub(super) fn set(&self, name: &str, values: &[f32]) -> Result<()> {
        let Some(weight) = self.0.get(name) else {
            return Ok(());
        };
        weight.set(&Tensor::from_slice(values, weight.dims(), weight.device())?)
    }

    /// The weight called `name`; every caller names one of the shapes.
    pub(super) fn get(&self, name: &str) -> Result<&Tensor> {
        let weight = self.0.get(name).map(Var::as_tensor);
        weight.ok_or_else(|| candle_core::Error::Msg(format!("there is no weight `{name}`")))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &Var)> {
        self.0.iter()
    }

    /// The values of the weights that are called as `wanted` says.
    pub(super) fn values(
        &self,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<BTreeMap<String, Vec<f32>>> {
        let weights = self.0.iter().filter(|(name, _)| wanted(name));
        let values = weights.map(|(name, weight)| {
            let values = weight.as_tensor().flatten_all()?.to_vec1()?;
            Ok((name.clone(), values))
        });
        values.collect()
    }
}

/// Uniform with the variance that keeps lengths; gains are one and biases zero.
fn initial(name: &str, shape: &[usize], seed: u64) -> Vec<f32> {
    let count = shape.iter().product();
    let part = name.rsplit('.').next().unwrap_or(name);
    let reach = match part {
        "gain" => return vec![1.0; count],
        "bias" | "classes" => return vec![0.0; count],
        "buckets" => 1.0,
        _ => (3.0 / shape.last().copied().unwrap_or(1) as f64).sqrt(),
    };
    let mut random = Random::new(random::sequence(seed, [random::text(name)]));
    (0..count)
        .map(|_| (reach * random.signed()) as f32)
        .collect()
}
