//! Tensor shapes whose dimensions may be unknown.

use serde::{Deserialize, Serialize};

/// Dimensions of a tensor, outermost first; `None` is a dimension nobody stated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Shape(pub Vec<Option<u64>>);

impl Shape {
    /// A shape with every dimension known.
    pub fn known(dims: &[u64]) -> Self {
        Self(dims.iter().copied().map(Some).collect())
    }

    /// Number of dimensions.
    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// Dimension `axis`; negative axes count from the end. `None` when unknown or out of range.
    pub fn dim(&self, axis: i64) -> Option<u64> {
        self.0.get(self.axis(axis)?).copied().flatten()
    }

    /// `axis` as an index from the front, when it is in range.
    pub fn axis(&self, axis: i64) -> Option<usize> {
        let rank = self.0.len() as i64;
        let front = if axis < 0 {
            axis.checked_add(rank)?
        } else {
            axis
        };
        (0..rank).contains(&front).then_some(front as usize)
    }

    /// Number of elements, when every dimension is known and the product fits.
    pub fn elements(&self) -> Option<u64> {
        self.0
            .iter()
            .try_fold(1u64, |product, dim| product.checked_mul((*dim)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negative_axes_count_from_the_end() {
        let shape = Shape::known(&[2, 3, 5]);
        assert_eq!(shape.dim(-1), Some(5));
        assert_eq!(shape.dim(1), Some(3));
        assert_eq!(shape.dim(-4), None);
        assert_eq!(shape.dim(i64::MIN), None);
    }

    #[test]
    fn elements_of_a_huge_shape_are_unknown_rather_than_wrapped() {
        assert_eq!(Shape::known(&[u64::MAX, 2]).elements(), None);
        assert_eq!(Shape(vec![Some(2), None]).elements(), None);
        assert_eq!(Shape::known(&[]).elements(), Some(1));
    }
}
