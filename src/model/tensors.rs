//! Safetensors as models use them: half-precision floats, and whole numbers for keys.
//!
//! Whatever does not fit is refused by the name of the tensor.

use super::Error;
use half::f16;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::collections::{BTreeMap, BTreeSet};

/// Shapes by name.
pub type Shapes = BTreeMap<String, Vec<usize>>;

/// The tensors of a file.
pub(super) struct Tensors<'a>(SafeTensors<'a>);

impl<'a> Tensors<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Error> {
        let tensors = SafeTensors::deserialize(bytes);
        tensors
            .map(Self)
            .map_err(|error| Error::Weights(error.to_string()))
    }

    /// Refuses the first tensor that is lacking, or that is none of `names`.
    pub(super) fn has_only<'b>(&self, names: impl Iterator<Item = &'b str>) -> Result<(), Error> {
        let wanted: BTreeSet<&str> = names.collect();
        let found: BTreeSet<&str> = self.0.names().into_iter().collect();
        if let Some(missing) = wanted.difference(&found).next() {
            return Err(Error::MissingTensor((*missing).into()));
        }
        match found.difference(&wanted).next() {
            Some(extra) => Err(Error::ExtraTensor((*extra).into())),
            None => Ok(()),
        }
    }

    /// Number of rows of a tensor.
    pub(super) fn rows(&self, name: &str) -> Result<usize, Error> {
        Ok(self.get(name)?.shape().first().copied().unwrap_or(1))
    }

    /// Finite half-precision floats of this shape.
    pub(super) fn half(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, Error> {
        let (pairs, _) = self.bytes(name, shape, Dtype::F16)?.as_chunks::<2>();
        let weights: Vec<f32> = pairs
            .iter()
            .map(|bytes| f16::from_le_bytes(*bytes).to_f32())
            .collect();
        if weights.iter().any(|weight| !weight.is_finite()) {
            return Err(Error::NotFinite(name.into()));
        }
        Ok(weights)
    }

    /// One dimension of whole numbers.
    pub(super) fn integers(&self, name: &str) -> Result<Vec<u64>, Error> {
        let shape = [self.rows(name)?];
        let (words, _) = self.bytes(name, &shape, Dtype::U64)?.as_chunks::<8>();
        Ok(words.iter().copied().map(u64::from_le_bytes).collect())
    }

    fn get(&self, name: &str) -> Result<TensorView<'a>, Error> {
        let missing = |_| Error::MissingTensor(name.into());
        self.0.tensor(name).map_err(missing)
    }

    fn bytes(&self, name: &str, shape: &[usize], dtype: Dtype) -> Result<&'a [u8], Error> {
        let tensor = self.get(name)?;
        if tensor.shape() != shape {
            return Err(Error::Shape {
                tensor: name.into(),
                found: tensor.shape().to_vec(),
                expected: shape.to_vec(),
            });
        }
        if tensor.dtype() != dtype {
            return Err(Error::Format {
                tensor: name.into(),
                found: format!("{:?}", tensor.dtype()),
                needed: match dtype {
                    Dtype::F16 => "half-precision floats (F16)",
                    _ => "whole numbers (U64)",
                },
            });
        }
        Ok(tensor.data())
    }
}

/// What half precision makes of weights.
pub(super) fn rounded(weights: &[f32]) -> Vec<f32> {
    let weights = weights.iter();
    weights
        .map(|weight| f16::from_f32(*weight).to_f32())
        .collect()
}

/// The bytes of a file with these tensors: floats in half precision, then whole numbers.
pub(super) fn write(
    shapes: &Shapes,
    floats: &BTreeMap<&str, &[f32]>,
    integers: &[(&str, &[u64])],
) -> Result<Vec<u8>, Error> {
    let corrupt = |error: safetensors::SafeTensorError| Error::Weights(error.to_string());
    let mut tensors: Vec<(&str, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
    for (name, shape) in shapes {
        let values = floats.get(name.as_str());
        let values = values.ok_or_else(|| Error::MissingTensor(name.clone()))?;
        let bytes = values
            .iter()
            .map(|value| f16::from_f32(*value).to_le_bytes());
        tensors.push((name, Dtype::F16, shape.clone(), bytes.flatten().collect()));
    }
    for (name, values) in integers {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes());
        tensors.push((name, Dtype::U64, vec![values.len()], bytes.collect()));
    }
    let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
        let view = TensorView::new(*dtype, shape.clone(), bytes).map_err(corrupt)?;
        Ok((*name, view))
    });
    let views = views.collect::<Result<Vec<_>, Error>>()?;
    safetensors::serialize(views, None).map_err(corrupt)
}
