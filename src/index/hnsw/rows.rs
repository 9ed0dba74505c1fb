//! Distinct vectors in one flat array, and the arithmetic over them that a walk repeats.
//!
//! Rows are filled up with zeros to whole blocks, so that no loop has a rest. Sums go in one fixed
//! order: a graph is walked alike on every machine.

/// Components that are multiplied at once.
pub(super) const BLOCK: usize = 16;
/// Rows that are compared at once: their loads from memory overlap.
const ROWS_AT_ONCE: usize = 4;

type Block = [f32; BLOCK];

/// Vectors, each filled up to whole blocks.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    dim: usize,
    blocks: usize,
    values: Vec<Block>, // [rows, blocks]
}

impl Rows {
    pub(super) fn with_capacity(dim: usize, rows: usize) -> Self {
        let blocks = dim.div_ceil(BLOCK);
        Self {
            dim,
            blocks,
            values: Vec::with_capacity(rows * blocks),
        }
    }

    pub(super) fn push(&mut self, vector: &[f32]) {
        debug_assert_eq!(vector.len(), self.dim);
        self.values.extend(filled_up(vector));
    }

    pub(super) fn dim(&self) -> usize {
        self.dim
    }

    pub(super) fn len(&self) -> usize {
        self.values.len().checked_div(self.blocks).unwrap_or(0)
    }

    /// The row without what fills it up.
    pub(super) fn vector(&self, row: usize) -> &[f32] {
        &self.row(row).as_flattened()[..self.dim]
    }

    #[inline(always)]
    fn row(&self, row: usize) -> &[Block] {
        &self.values[row * self.blocks..][..self.blocks]
    }

    #[inline(always)]
    pub(super) fn product(&self, query: &[Block], row: usize) -> f32 {
        let mut sums = [0.0; BLOCK];
        for (a, b) in query.iter().zip(self.row(row)) {
            add_products(&mut sums, a, b);
        }
        total(sums)
    }

    /// Products of the query with each of `rows`, appended to `products`.
    #[inline(always)]
    pub(super) fn products(&self, query: &[Block], rows: &[u32], products: &mut Vec<f32>) {
        let (fours, rest) = rows.as_chunks::<ROWS_AT_ONCE>();
        for four in fours {
            products.extend(self.four_products(query, four));
        }
        for row in rest {
            products.push(self.product(query, *row as usize));
        }
    }

    #[inline(always)]
    fn four_products(&self, query: &[Block], rows: &[u32; ROWS_AT_ONCE]) -> [f32; ROWS_AT_ONCE] {
        let [a, b, c, d] = rows.map(|row| self.row(row as usize));
        let mut sums = [[0.0; BLOCK]; ROWS_AT_ONCE];
        for ((((query, a), b), c), d) in query.iter().zip(a).zip(b).zip(c).zip(d) {
            add_products(&mut sums[0], query, a);
            add_products(&mut sums[1], query, b);
            add_products(&mut sums[2], query, c);
            add_products(&mut sums[3], query, d);
        }
        sums.map(total)
    }
}

/// The blocks of a vector, the last one filled up with zeros.
pub(super) fn filled_up(vector: &[f32]) -> impl Iterator<Item = Block> {
    vector.chunks(BLOCK).map(|part| {
        let mut block = [0.0; BLOCK];
        block[..part.len()].copy_from_slice(part);
        block
    })
}

#[inline(always)]
fn add_products(sums: &mut Block, a: &Block, b: &Block) {
    for lane in 0..BLOCK {
        sums[lane] += a[lane] * b[lane];
    }
}

/// Halves are added to each other, which takes four steps and not fifteen.
#[inline(always)]
pub(super) fn total(sums: Block) -> f32 {
    let mut eight = [0.0; 8];
    for lane in 0..8 {
        eight[lane] = sums[lane] + sums[lane + 8];
    }
    let mut four = [0.0; 4];
    for lane in 0..4 {
        four[lane] = eight[lane] + eight[lane + 4];
    }
    (four[0] + four[2]) + (four[1] + four[3])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedding::dot;
    use crate::random::Random;

    #[test]
    fn products_are_those_of_the_vectors_in_every_width() {
        let mut random = Random::new(5);
        for dim in [1, 15, 16, 17, 128, 390] {
            let mut vector = || -> Vec<f32> { (0..dim).map(|_| random.signed() as f32).collect() };
            let query = vector();
            let vectors: Vec<Vec<f32>> = (0..7).map(|_| vector()).collect();
            let mut rows = Rows::with_capacity(dim, 7);
            vectors.iter().for_each(|vector| rows.push(vector));
            let blocks: Vec<Block> = filled_up(&query).collect();
            let mut products = Vec::new();
            rows.products(&blocks, &[0, 1, 2, 3, 4, 5, 6], &mut products);
            for (row, product) in products.into_iter().enumerate() {
                assert_eq!(rows.vector(row), vectors[row]);
                assert_eq!(product, rows.product(&blocks, row));
                assert!((product - dot(&query, &vectors[row])).abs() < 1e-4);
            }
        }
    }
}
