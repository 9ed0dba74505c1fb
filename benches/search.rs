//! Exact search in 12,000 vectors of 256 components, against a plain loop that only adds up.

#![allow(missing_docs)]

use criterion::{Criterion, criterion_group, criterion_main};
use netkin::embedding::{Embedding, dot};
use netkin::index::{ExactIndex, Index};
use netkin::random::Random;
use std::hint::black_box;

const VECTORS: usize = 12_000;
const DIM: usize = 256;

fn search(criterion: &mut Criterion) {
    let mut random = Random::new(1);
    let embeddings: Vec<Embedding> = (0..VECTORS)
        .map(|_| {
            let values = (0..DIM).map(|_| random.signed() as f32).collect();
            Embedding::normalised(values).expect("random values are not all zero")
        })
        .collect();
    let index = ExactIndex::build(DIM, &embeddings).expect("one dim");
    let flat: Vec<f32> = embeddings
        .iter()
        .flat_map(|embedding| embedding.as_slice().to_vec())
        .collect();
    let query = &embeddings[77];
    criterion.bench_function("exact index, k 10", |bencher| {
        bencher.iter(|| black_box(index.search(query, 10, &|_| true)));
    });
    criterion.bench_function("exact index, k 10, one in a hundred kept", |bencher| {
        bencher.iter(|| black_box(index.search(query, 10, &|position| position % 100 == 0)));
    });
    criterion.bench_function("plain loop of dot products", |bencher| {
        bencher.iter(|| {
            flat.chunks_exact(DIM)
                .map(|vector| dot(query.as_slice(), vector))
                .fold(f32::MIN, f32::max)
        });
    });
}

criterion_group!(benches, search);
criterion_main!(benches);
