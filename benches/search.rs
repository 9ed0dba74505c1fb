//! Exact search in 12,000 clustered vectors, as a corpus of families gives them: the index, which
//! passes over most vectors by a bound from eight bits, against scans in full precision.

#![allow(missing_docs)]

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use netkin::embedding::{Embedding, dot};
use netkin::index::{ExactIndex, Index};
use netkin::random::Random;
use std::hint::black_box;

const VECTORS: usize = 12_000;
const FAMILIES: usize = 300;
const K: usize = 10;

/// Members around the centre of their family, family by family, at similarities from .5 to .99.
fn clustered(dim: usize) -> Vec<Embedding> {
    let mut random = Random::new(1);
    let mut embeddings = Vec::with_capacity(VECTORS);
    for _ in 0..FAMILIES {
        let centre: Vec<f64> = (0..dim).map(|_| random.signed()).collect();
        let spread = 0.1 + 0.9 * random.unit();
        for _ in 0..VECTORS / FAMILIES {
            let member = centre.iter().map(|value| value + spread * random.signed());
            let member = member.map(|value| value as f32).collect();
            embeddings.push(Embedding::normalised(member).expect("random values are not all zero"));
        }
    }
    embeddings
}

/// The `k` best of a scan in full precision, by sorting everything.
fn sorted(flat: &[f32], dim: usize, query: &Embedding) -> Vec<usize> {
    let mut scored: Vec<(f32, usize)> = flat
        .chunks_exact(dim)
        .map(|vector| dot(query.as_slice(), vector))
        .zip(0..)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    scored
        .iter()
        .take(K)
        .map(|(_, position)| *position)
        .collect()
}

fn search(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("12,000 vectors, k 10");
    for dim in [256, 384, 512] {
        let embeddings = clustered(dim);
        let index = ExactIndex::build(dim, &embeddings).expect("one dim");
        let flat: Vec<f32> = embeddings
            .iter()
            .flat_map(|embedding| embedding.as_slice().to_vec())
            .collect();
        for query in embeddings.iter().step_by(97) {
            let found = index.search(query, K, &|_| true);
            let found: Vec<usize> = found.iter().map(|hit| hit.position).collect();
            assert_eq!(found, sorted(&flat, dim, query), "the index is not exact");
        }
        let mut queries = embeddings.iter().step_by(97).cycle();
        let mut next = || queries.next().expect("a cycle has no end").clone();
        group.bench_function(BenchmarkId::new("index", dim), |bencher| {
            bencher.iter_batched(
                &mut next,
                |query| black_box(index.search(&query, K, &|_| true)),
                BatchSize::SmallInput,
            );
        });
        group.bench_function(BenchmarkId::new("index, one in 100 kept", dim), |bencher| {
            let keep = |position: usize| position.is_multiple_of(100);
            bencher.iter_batched(
                &mut next,
                |query| black_box(index.search(&query, K, &keep)),
                BatchSize::SmallInput,
            );
        });
        group.bench_function(
            BenchmarkId::new("full precision, best one", dim),
            |bencher| {
                bencher.iter_batched(
                    &mut next,
                    |query| {
                        flat.chunks_exact(dim)
                            .map(|vector| dot(query.as_slice(), vector))
                            .fold(f32::MIN, f32::max)
                    },
                    BatchSize::SmallInput,
                );
            },
        );
    }
    group.finish();
}

criterion_group!(benches, search);
criterion_main!(benches);
