//! Refines a projection by gradient steps: supervised contrastive learning (Khosla et al., 2020) on
//! families, and classification of coarse families.
//!
//! It starts from the closed form of `wccn`, so that training can only add to it. Members of one
//! family attract each other and repel everything else of their batch; families weigh the same,
//! however many members they have.

use super::Error;
use super::batches::Batches;
use super::loss::{contrast, cross_entropy, half_cosine, lengths, numbered};
use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::optim::{AdamW, Optimizer, ParamsAdamW};
use serde::{Deserialize, Serialize};

/// Settings of the refinement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Refinement {
    /// Gradient steps; with none the closed form stays as it is.
    pub steps: usize,
    /// Families in a batch.
    pub families: usize,
    /// Members of each family in a batch, at most.
    pub members: usize,
    /// What similarities are divided by: the smaller, the more the nearest count.
    pub temperature: f64,
    /// Rate of the first step; it falls to zero along half a cosine.
    pub learning_rate: f64,
    /// Weight of the classification of coarse families beside the contrast.
    pub classification: f64,
}

impl Default for Refinement {
    fn default() -> Self {
        Self {
            steps: 1_500,
            families: 64,
            members: 4,
            temperature: 0.05,
            learning_rate: 3e-3,
            classification: 0.3,
        }
    }
}

/// What is learned from, example by example.
pub(super) struct Examples<'a> {
    pub(super) families: &'a [&'a str],
    pub(super) coarse_families: &'a [&'a str],
    pub(super) vectors: &'a [Vec<f64>],
}

/// `projection`, `[dim, components]` row by row, after `settings.steps` steps.
///
/// # Errors
/// When the arithmetic fails; a loss that is no number is one.
pub(super) fn refine(
    examples: &Examples<'_>,
    projection: Vec<f32>,
    settings: &Refinement,
    seed: u64,
) -> std::result::Result<Vec<f32>, Error> {
    let components = examples.vectors.first().map_or(0, Vec::len);
    if settings.steps == 0 || components == 0 {
        return Ok(projection);
    }
    let mut training = Training::new(examples, &projection, settings)?;
    let mut batches = Batches::new(examples.families, settings.families, settings.members, seed);
    for step in 0..settings.steps {
        let batch = batches.next();
        let loss = training.step(
            &batch,
            settings.learning_rate * half_cosine(step, settings.steps),
        )?;
        if !loss.is_finite() {
            return Err(Error::Diverged { step });
        }
        if step % 100 == 0 {
            tracing::info!(step, steps = settings.steps, loss, "refining");
        }
    }
    Ok(training.projection()?)
}

/// Weights, what they learn from, and the optimiser.
struct Training<'a> {
    vectors: Tensor,
    families: &'a [&'a str],
    coarse: Vec<u32>,
    projection: Var,
    classes: Var,
    optimiser: AdamW,
    settings: &'a Refinement,
}

impl<'a> Training<'a> {
    fn new(
        examples: &'a Examples<'a>,
        projection: &[f32],
        settings: &'a Refinement,
    ) -> Result<Self> {
        let device = Device::Cpu;
        let (count, components) = (examples.vectors.len(), examples.vectors[0].len());
        let dim = projection.len() / components;
        let flat: Vec<f32> = examples
            .vectors
            .iter()
            .flatten()
            .map(|v| *v as f32)
            .collect();
        let vectors = Tensor::from_vec(flat, (count, components), &device)?;
        let projection = Tensor::from_slice(projection, (dim, components), &device)?;
        let length = lengths(&vectors.matmul(&projection.t()?)?)?.mean_all()?;
        let projection = Var::from_tensor(&projection.broadcast_div(&length)?)?;
        let (coarse, classes) = numbered(examples.coarse_families);
        let classes = Var::zeros((classes, dim), DType::F32, &device)?;
        let optimiser = AdamW::new(
            vec![projection.clone(), classes.clone()],
            ParamsAdamW {
                lr: settings.learning_rate,
                weight_decay: 0.0,
                ..ParamsAdamW::default()
            },
        )?;
        Ok(Self {
            vectors,
            families: examples.families,
            coarse,
            projection,
            classes,
            optimiser,
            settings,
        })
    }

    /// One step; the loss before it.
    fn step(&mut self, batch: &[usize], rate: f64) -> Result<f64> {
        let loss = self.loss(batch)?;
        self.optimiser.set_learning_rate(rate);
        self.optimiser.backward_step(&loss)?;
        Ok(f64::from(loss.to_scalar::<f32>()?))
    }

    fn loss(&self, batch: &[usize]) -> Result<Tensor> {
        let places: Vec<u32> = batch.iter().map(|place| *place as u32).collect();
        let places = Tensor::from_vec(places, batch.len(), &Device::Cpu)?;
        let vectors = self.vectors.index_select(&places, 0)?;
        let projected = vectors.matmul(&self.projection.t()?)?;
        let embeddings = projected.broadcast_div(&lengths(&projected)?)?;
        let families: Vec<&str> = batch.iter().map(|place| self.families[*place]).collect();
        let contrast = contrast(&embeddings, &families, self.settings.temperature)?;
        if self.settings.classification == 0.0 {
            return Ok(contrast);
        }
        let coarse: Vec<u32> = batch.iter().map(|place| self.coarse[*place]).collect();
        let logits = (embeddings.matmul(&self.classes.t()?)? / self.settings.temperature)?;
        contrast + (cross_entropy(&logits, &coarse)? * self.settings.classification)?
    }

    fn projection(&self) -> Result<Vec<f32>> {
        self.projection.as_tensor().flatten_all()?.to_vec1()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// Two families that the first component tells apart, and noise in the second.
    fn examples() -> (Vec<&'static str>, Vec<Vec<f64>>) {
        let mut random = Random::new(3);
        let families = ["a", "b", "a", "b", "a", "b", "a", "b"];
        let vectors = families.iter().map(|family| {
            let side = if *family == "a" { 0.2 } else { -0.2 };
            vec![side, random.signed()]
        });
        let vectors = vectors.collect();
        (families.to_vec(), vectors)
    }

    fn settings() -> Refinement {
        Refinement {
            steps: 200,
            learning_rate: 0.05,
            temperature: 0.5,
            classification: 0.5,
            ..Refinement::default()
        }
    }

    fn refined(settings: &Refinement) -> Vec<f32> {
        let (families, vectors) = examples();
        let examples = Examples {
            families: &families,
            coarse_families: &families,
            vectors: &vectors,
        };
        refine(&examples, vec![1.0, 0.0, 0.0, 1.0], settings, 7).unwrap()
    }

    #[test]
    fn what_tells_families_apart_grows_and_noise_shrinks() {
        let weights = refined(&settings());
        let length = |column: usize| weights[column].hypot(weights[2 + column]);
        assert!(length(0) > 4.0 * length(1), "{weights:?}");
    }

    #[test]
    fn the_same_seed_gives_the_same_weights() {
        assert_eq!(refined(&settings()), refined(&settings()));
    }

    #[test]
    fn without_steps_nothing_changes() {
        let none = Refinement {
            steps: 0,
            ..settings()
        };
        assert_eq!(refined(&none), [1.0, 0.0, 0.0, 1.0]);
    }

    #[test]
    fn every_weight_has_a_gradient() {
        let (families, vectors) = examples();
        let examples = Examples {
            families: &families,
            coarse_families: &families,
            vectors: &vectors,
        };
        let settings = settings();
        let training = Training::new(&examples, &[1.0, 0.5, 0.5, 1.0], &settings).unwrap();
        let gradients = training.loss(&[0, 1, 2, 3]).unwrap().backward().unwrap();
        for weights in [&training.projection, &training.classes] {
            let gradient = gradients.get(weights).expect("every variable has one");
            let size = gradient.abs().unwrap().sum_all().unwrap();
            assert!(size.to_scalar::<f32>().unwrap() > 0.0);
        }
    }
}
