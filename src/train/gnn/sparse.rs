//! Products with a fixed sparse matrix: what gathers neighbours and pools rows.
//!
//! On the processor one fused operator, several times faster than candle's gather, scale and
//! scatter one after another; elsewhere those.

use candle_core::{CpuStorage, CustomOp1, Device, Error, Layout, Result, Shape, Tensor};
use rayon::prelude::*;
use std::sync::Arc;

/// Rows of the result that one task works out.
const ROWS: usize = 64;

/// A fixed sparse matrix.
pub(super) struct Sparse {
    pub(super) rows: usize,
    pub(super) targets: Tensor, // [entries]
    pub(super) sources: Tensor, // [entries]
    pub(super) weights: Tensor, // [entries, 1]
    product: Product,
}

impl Sparse {
    /// Row by row the columns, named as in `sources`, which ascend, and their weights.
    pub(super) fn new(
        rows: impl Iterator<Item = Vec<(u32, f32)>>,
        sources: &[u32],
        device: &Device,
    ) -> Result<Self> {
        let (mut targets, mut columns, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        let mut count = 0;
        for row in rows {
            for (source, weight) in row {
                targets.push(count);
                columns.push(place(sources, source));
                weights.push(weight);
            }
            count += 1;
        }
        let entries = targets.len();
        Ok(Self {
            rows: count as usize,
            product: Product::new(count as usize, sources.len(), &targets, &columns, &weights),
            targets: Tensor::from_vec(targets, entries, device)?,
            sources: Tensor::from_vec(columns, entries, device)?,
            weights: Tensor::from_vec(weights, (entries, 1), device)?,
        })
    }

    /// The product with `columns`, `[columns, dim]`.
    pub(super) fn times(&self, columns: &Tensor) -> Result<Tensor> {
        if columns.device().is_cpu() {
            return columns.apply_op1(self.product.clone());
        }
        let entries = columns.index_select(&self.sources, 0)?;
        self.sum(&entries.broadcast_mul(&self.weights)?)
    }

    /// The sum of each row's `entries`, `[entries, dim]`.
    pub(super) fn sum(&self, entries: &Tensor) -> Result<Tensor> {
        let (dtype, device) = (entries.dtype(), entries.device());
        let zeros = Tensor::zeros((self.rows, entries.dim(1)?), dtype, device)?;
        zeros.index_add(&self.targets, entries, 0)
    }
}

/// Where `row` stands in `rows`, which ascend.
pub(super) fn place(rows: &[u32], row: u32) -> u32 {
    rows.binary_search(&row).unwrap_or_default() as u32
}

/// The matrix and its transpose, each row by row.
#[derive(Clone)]
struct Product {
    forward: Arc<Entries>,
    backward: Arc<Entries>,
}

struct Entries {
    /// Where the entries of each row begin, and the end.
    begins: Vec<usize>,
    entries: Vec<(u32, f32)>,
}

impl Product {
    fn new(rows: usize, columns: usize, targets: &[u32], sources: &[u32], weights: &[f32]) -> Self {
        Self {
            forward: Arc::new(Entries::new(rows, targets, sources, weights)),
            backward: Arc::new(Entries::new(columns, sources, targets, weights)),
        }
    }

    fn transposed(&self) -> Self {
        Self {
            forward: Arc::clone(&self.backward),
            backward: Arc::clone(&self.forward),
        }
    }
}

impl Entries {
    fn new(rows: usize, targets: &[u32], sources: &[u32], weights: &[f32]) -> Self {
        let mut begins = vec![0; rows + 1];
        for target in targets {
            begins[*target as usize + 1] += 1;
        }
        for row in 0..rows {
            begins[row + 1] += begins[row];
        }
        let mut next = begins.clone();
        let mut entries = vec![(0, 0.0); targets.len()];
        for ((target, source), weight) in targets.iter().zip(sources).zip(weights) {
            let place = &mut next[*target as usize];
            entries[*place] = (*source, *weight);
            *place += 1;
        }
        Self { begins, entries }
    }

    /// Entry by entry in a fixed order, so that the number of threads changes no bit.
    fn times(&self, columns: &[f32], dim: usize) -> Vec<f32> {
        let mut product = vec![0f32; (self.begins.len() - 1) * dim];
        let blocks = product.par_chunks_mut(ROWS * dim.max(1)).enumerate();
        blocks.for_each(|(block, rows)| {
            for (offset, target) in rows.chunks_exact_mut(dim).enumerate() {
                let row = block * ROWS + offset;
                for (source, weight) in &self.entries[self.begins[row]..self.begins[row + 1]] {
                    let column = &columns[*source as usize * dim..][..dim];
                    for (target, value) in target.iter_mut().zip(column) {
                        *target += weight * value;
                    }
                }
            }
        });
        product
    }
}

impl CustomOp1 for Product {
    fn name(&self) -> &'static str {
        "sparse-product"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (_, dim) = layout.shape().dims2()?;
        let values = storage.as_slice::<f32>()?;
        let Some((from, to)) = layout.contiguous_offsets() else {
            return Err(Error::RequiresContiguous {
                op: "sparse-product",
            });
        };
        let product = self.forward.times(&values[from..to], dim);
        let shape = Shape::from((self.forward.begins.len() - 1, dim));
        Ok((CpuStorage::F32(product), shape))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let gradient = gradient.contiguous()?;
        gradient.apply_op1_no_bwd(&self.transposed()).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Var;

    fn sparse() -> Sparse {
        let rows = [
            vec![(10, 0.5), (30, 2.0)],
            vec![],
            vec![(20, 1.0), (10, -1.0), (10, 3.0)],
        ];
        Sparse::new(rows.into_iter(), &[10, 20, 30], &Device::Cpu).unwrap()
    }

    #[test]
    fn the_fused_product_is_gather_scale_and_scatter_with_the_same_gradients() {
        let sparse = sparse();
        let columns = Tensor::new(&[[1f32, 2.0], [3.0, 4.0], [5.0, 6.0]], &Device::Cpu).unwrap();
        let weighed = Tensor::new(&[[1f32, -1.0], [2.0, 5.0], [0.5, 3.0]], &Device::Cpu).unwrap();
        let both = |times: &dyn Fn(&Tensor) -> Tensor| {
            let columns = Var::from_tensor(&columns).unwrap();
            let product = times(columns.as_tensor());
            let loss = (&product * &weighed).unwrap().sum_all().unwrap();
            let gradients = loss.backward().unwrap();
            let gradient = gradients.get(&columns).unwrap().to_vec2::<f32>().unwrap();
            (product.to_vec2::<f32>().unwrap(), gradient)
        };
        let fused = both(&|columns| sparse.times(columns).unwrap());
        let plain = both(&|columns| {
            let entries = columns.index_select(&sparse.sources, 0).unwrap();
            let entries = entries.broadcast_mul(&sparse.weights).unwrap();
            sparse.sum(&entries).unwrap()
        });
        assert_eq!(fused, plain);
        assert_eq!(fused.0, [[10.5, 13.0], [0.0, 0.0], [5.0, 8.0]]);
    }
}
