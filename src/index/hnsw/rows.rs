//! Vectors in one flat array.

/// Vectors of one number of components.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    dim: usize,
    values: Vec<f32>, // [rows, dim]
}

impl Rows {
    pub(super) fn with_capacity(dim: usize, rows: usize) -> Self {
        Self {
            dim,
            values: Vec::with_capacity(rows * dim),
        }
    }

    pub(super) fn push(&mut self, vector: &[f32]) {
        debug_assert_eq!(vector.len(), self.dim);
        self.values.extend_from_slice(vector);
    }

    pub(super) fn dim(&self) -> usize {
        self.dim
    }

    pub(super) fn len(&self) -> usize {
        self.values.len().checked_div(self.dim).unwrap_or(0)
    }

    #[inline(always)]
    pub(super) fn vector(&self, row: usize) -> &[f32] {
        &self.values[row * self.dim..][..self.dim]
    }
}
