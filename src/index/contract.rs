//! What every index in memory must do, asked of each of them by the same tests.

use super::segmented::SegmentedConfig;
use super::{Error, ExactIndex, HnswConfig, HnswIndex, Index, Neighbour, Segmented};
use crate::embedding::Embedding;
use crate::random::Random;
use proptest::prelude::*;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Families of ten around a centre, at all degrees of likeness.
pub(super) fn clustered(count: usize, dim: usize, seed: u64) -> Vec<Embedding> {
    let mut random = Random::new(seed);
    let mut embeddings = Vec::with_capacity(count);
    while embeddings.len() < count {
        let centre: Vec<f64> = (0..dim).map(|_| random.signed()).collect();
        let spread = 0.1 + 0.9 * random.unit();
        for _ in 0..10.min(count - embeddings.len()) {
            let member = centre.iter().map(|value| value + spread * random.signed());
            let member = member.map(|value| value as f32).collect();
            embeddings.push(Embedding::normalised(member).unwrap());
        }
    }
    embeddings
}

/// Builds one kind of index.
type Build = fn(usize, &[Embedding]) -> Box<dyn Index>;

fn exact(dim: usize, all: &[Embedding]) -> Box<dyn Index> {
    Box::new(ExactIndex::build(dim, all).unwrap())
}

fn hnsw(dim: usize, all: &[Embedding]) -> Box<dyn Index> {
    Box::new(HnswIndex::build(dim, all, &quick()).unwrap())
}

fn walked_hnsw(dim: usize, all: &[Embedding]) -> Box<dyn Index> {
    Box::new(HnswIndex::build(dim, all, &quick()).unwrap().walking())
}

fn segmented(dim: usize, all: &[Embedding]) -> Box<dyn Index> {
    Box::new(Segmented::build(dim, all, config_of_small_graphs()).unwrap())
}

/// Few vectors need no long search for links.
fn quick() -> HnswConfig {
    HnswConfig {
        ef_construction: 48,
        ..HnswConfig::default()
    }
}

fn config_of_small_graphs() -> SegmentedConfig {
    SegmentedConfig {
        exact_below: 30,
        hnsw: quick(),
        ..SegmentedConfig::default()
    }
}

/// What a sorted scan answers.
fn sorted(
    all: &BTreeMap<usize, Embedding>,
    query: &Embedding,
    k: usize,
    keep: &dyn Fn(usize) -> bool,
) -> Vec<Neighbour> {
    let kept = all.iter().filter(|(position, _)| keep(**position));
    let neighbours = kept.map(|(position, embedding)| Neighbour {
        position: *position,
        similarity: query.similarity(embedding),
    });
    let mut neighbours: Vec<Neighbour> = neighbours.collect();
    neighbours.sort_by_key(|neighbour| (Reverse(neighbour.similarity), neighbour.position));
    neighbours.truncate(k);
    neighbours
}

fn by_position(all: &[Embedding]) -> BTreeMap<usize, Embedding> {
    all.iter().cloned().enumerate().collect()
}

fn positions(found: &[Neighbour]) -> Vec<usize> {
    found.iter().map(|hit| hit.position).collect()
}

/// Share of `truth` that is in `found`; as near is as good.
fn recall(found: &[Neighbour], truth: &[Neighbour]) -> f64 {
    let Some(worst) = truth.last() else {
        return 1.0;
    };
    let near = found
        .iter()
        .filter(|hit| hit.similarity >= worst.similarity);
    near.count() as f64 / truth.len() as f64
}

/// Answers must be in order, true, without repetition and as many as there can be.
fn assert_honest(
    found: &[Neighbour],
    truth_at_most: &[Neighbour],
    all: &BTreeMap<usize, Embedding>,
    query: &Embedding,
) {
    assert_eq!(found.len(), truth_at_most.len());
    assert!(found.is_sorted_by_key(|hit| (Reverse(hit.similarity), hit.position)));
    for hit in found {
        assert_eq!(hit.similarity, query.similarity(&all[&hit.position]));
    }
    let mut seen = positions(found);
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), found.len());
}

fn finds_what_a_sorted_scan_finds(build: Build, least_recall: f64) {
    let vectors = clustered(600, 24, 2);
    let all = by_position(&vectors);
    let index = build(24, &vectors);
    for k in [1, 10, 100] {
        let mut sum = 0.0;
        let queries: Vec<&Embedding> = vectors.iter().step_by(30).collect();
        for query in &queries {
            let found = index.search(query, k, &|_| true);
            let truth = sorted(&all, query, k, &|_| true);
            assert_honest(&found, &truth, &all, query);
            sum += recall(&found, &truth);
        }
        let mean = sum / queries.len() as f64;
        assert!(mean >= least_recall, "recall at {k} is {mean}");
    }
}

fn never_gives_fewer_than_a_filter_accepts(build: Build, least_recall: f64) {
    let vectors = clustered(600, 24, 3);
    let all = by_position(&vectors);
    let index = build(24, &vectors);
    let filters: [&dyn Fn(usize) -> bool; 6] = [
        &|position| position % 2 == 0,
        &|position| position % 97 == 5,
        &|position| position == 534,
        &|position| position < 10, // one family, far from most queries
        &|position| position >= 300,
        &|_| false,
    ];
    for keep in filters {
        let mut sum = 0.0;
        for query in vectors.iter().step_by(30) {
            let found = index.search(query, 10, keep);
            let truth = sorted(&all, query, 10, keep);
            assert!(found.iter().all(|hit| keep(hit.position)));
            assert_honest(&found, &truth, &all, query);
            sum += recall(&found, &truth) / 20.0;
        }
        assert!(sum >= least_recall - 1e-9, "recall under a filter is {sum}");
    }
}

fn answers_odd_questions(build: Build) {
    let vectors = clustered(200, 8, 4);
    let mut index = build(8, &vectors);
    let query = &vectors[3];
    assert!(index.search(query, 0, &|_| true).is_empty());
    assert_eq!(index.search(query, 1_000, &|_| true).len(), 200);
    assert_eq!(index.search(query, usize::MAX, &|_| true).len(), 200);
    assert!(!index.remove(200) && !index.remove(usize::MAX));
    for position in 0..200 {
        assert!(index.remove(position) && !index.remove(position));
        assert_eq!(index.len(), 199 - position);
    }
    assert!(index.is_empty());
    assert!(index.search(query, 5, &|_| true).is_empty());
    assert_eq!(index.insert(query), Ok(200));
    assert_eq!(positions(&index.search(query, 5, &|_| true)), [200]);
    let mut none = build(8, &[]);
    assert!(none.is_empty() && none.search(query, 5, &|_| true).is_empty());
    assert_eq!(none.insert(query), Ok(0));
    assert_eq!(positions(&none.search(query, 5, &|_| true)), [0]);
}

fn refuses_a_vector_of_another_model(build: Build) {
    let mut index = build(8, &clustered(3, 8, 5));
    let error = Error::Dim {
        position: 3,
        found: 9,
        expected: 8,
    };
    assert_eq!(index.insert(&clustered(1, 9, 5)[0]), Err(error));
    assert_eq!(index.len(), 3);
}

fn finds_an_insert_at_once_and_a_removed_never(build: Build) {
    let vectors = clustered(600, 16, 6);
    let mut index = build(16, &vectors[..500]);
    for (position, embedding) in vectors.iter().enumerate().skip(500) {
        assert_eq!(index.insert(embedding), Ok(position));
        assert_eq!(
            positions(&index.search(embedding, 1, &|_| true)),
            [position]
        );
    }
    for position in (0..600).step_by(7) {
        assert!(index.remove(position));
        let found = index.search(&vectors[position], 600, &|_| true);
        assert!(found.len() == index.len());
        assert!(
            found
                .iter()
                .all(|hit| hit.position % 7 != 0 || hit.position > position)
        );
    }
}

fn gives_ties_to_the_smaller_position(build: Build) {
    let mut vectors = clustered(300, 16, 7);
    for position in [290, 5, 100, 44] {
        vectors[position] = vectors[299].clone();
    }
    let mut index = build(16, &vectors);
    index.insert(&vectors[299]).unwrap();
    let query = &vectors[299];
    assert_eq!(positions(&index.search(query, 3, &|_| true)), [5, 44, 100]);
    assert!(index.remove(44));
    let found = index.search(query, 4, &|position| position != 100);
    assert_eq!(positions(&found), [5, 290, 299, 300]);
}

/// Ten thousand copies of one vector hide nobody.
fn copies_hide_no_other(build: Build) {
    let others = clustered(300, 16, 8);
    let mut vectors = vec![others[0].clone(); 10_000];
    vectors.extend(others.iter().cloned());
    let index = build(16, &vectors);
    for (place, other) in others.iter().enumerate().skip(1) {
        let found = index.search(other, 1, &|_| true);
        assert_eq!(positions(&found), [10_000 + place]);
    }
    let copies = index.search(&others[0], 20, &|_| true);
    assert_eq!(positions(&copies), (0..20).collect::<Vec<_>>());
    let first_other = index.search(&others[0], 1, &|position| position > 10_000);
    assert_eq!(first_other.len(), 1);
}

/// No vector is among the nearest of very many others.
fn has_no_hubs(build: Build) {
    let vectors = clustered(600, 24, 10);
    let index = build(24, &vectors);
    let mut lists = vec![0; vectors.len()];
    for query in vectors.iter().step_by(2) {
        for hit in index.search(query, 20, &|_| true) {
            lists[hit.position] += 1;
        }
    }
    // One in a hundred of all lists is the bound for real entries; chance alone gives these more.
    let most = lists.into_iter().max().unwrap();
    assert!(most <= 60, "one vector is in {most} of 300 lists");
}

fn gives_the_same_answers_when_built_again(build: Build) {
    let vectors = clustered(500, 16, 11);
    let (one, other) = (build(16, &vectors), build(16, &vectors));
    for query in vectors.iter().step_by(9) {
        let again = one.search(query, 20, &|_| true);
        assert_eq!(one.search(query, 20, &|_| true), again);
        assert_eq!(other.search(query, 20, &|_| true), again);
    }
}

macro_rules! contract {
    ($name:ident, $build:expr, $recall:expr) => {
        mod $name {
            use super::*;

            #[test]
            fn finds_what_a_sorted_scan_finds() {
                super::finds_what_a_sorted_scan_finds($build, $recall);
            }

            #[test]
            fn never_gives_fewer_than_a_filter_accepts() {
                super::never_gives_fewer_than_a_filter_accepts($build, $recall);
            }

            #[test]
            fn answers_odd_questions() {
                super::answers_odd_questions($build);
            }

            #[test]
            fn refuses_a_vector_of_another_model() {
                super::refuses_a_vector_of_another_model($build);
            }

            #[test]
            fn finds_an_insert_at_once_and_a_removed_never() {
                super::finds_an_insert_at_once_and_a_removed_never($build);
            }

            #[test]
            fn gives_ties_to_the_smaller_position() {
                super::gives_ties_to_the_smaller_position($build);
            }

            #[test]
            fn copies_hide_no_other() {
                super::copies_hide_no_other($build);
            }

            #[test]
            fn has_no_hubs() {
                super::has_no_hubs($build);
            }

            #[test]
            fn gives_the_same_answers_when_built_again() {
                super::gives_the_same_answers_when_built_again($build);
            }
        }
    };
}

contract!(of_exact, exact, 1.0);
contract!(of_hnsw, hnsw, 0.99);
contract!(of_walked_hnsw, walked_hnsw, 0.99);
contract!(of_segmented, segmented, 0.99);

/// Nearly equal vectors are nodes of their own and crowd each other's lists: a graph then misses
/// more of them than elsewhere, but none of the others.
#[test]
fn near_copies_hide_no_other() {
    let others = clustered(300, 16, 8);
    let mut random = Random::new(9);
    let near_copies = (0..2_000).map(|_| {
        let moved = others[0].as_slice().iter();
        let moved = moved.map(|value| value + 1e-4 * random.signed() as f32);
        Embedding::normalised(moved.collect()).unwrap()
    });
    let vectors: Vec<Embedding> = near_copies.chain(others.iter().cloned()).collect();
    let config = HnswConfig {
        minimum_recall: 0.9,
        ..HnswConfig::default()
    };
    let index = HnswIndex::build(16, &vectors, &config).unwrap().walking();
    for (place, other) in others.iter().enumerate().skip(1) {
        let found = index.search(other, 1, &|_| true);
        assert_eq!(positions(&found), [2_000 + place]);
    }
}

/// What may happen to a live index.
#[derive(Clone, Debug)]
enum Event {
    Insert(usize),
    Remove(usize),
    Search {
        query: usize,
        k: usize,
        every: usize,
    },
    Snapshot,
    Adopt,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..60usize).prop_map(Event::Insert),
        3 => (0..120usize).prop_map(Event::Remove),
        4 => (0..60usize, 0..20usize, 1..5usize)
            .prop_map(|(query, k, every)| Event::Search { query, k, every }),
        1 => Just(Event::Snapshot),
        1 => Just(Event::Adopt),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// With so few vectors a graph, too, finds all; so its answers must be those of the model.
    #[test]
    fn a_live_index_behaves_like_a_sorted_map(events in prop::collection::vec(event(), 1..150)) {
        let pool = clustered(60, 6, 12);
        let mut index = Segmented::new(6, config_of_small_graphs()).unwrap();
        let mut model = BTreeMap::new();
        let (mut next, mut rebuilt) = (0, None);
        for event in events {
            match event {
                Event::Insert(which) => {
                    prop_assert_eq!(index.insert(&pool[which]), Ok(next));
                    model.insert(next, pool[which].clone());
                    next += 1;
                }
                Event::Remove(position) => {
                    prop_assert_eq!(index.remove(position), model.remove(&position).is_some());
                }
                Event::Search { query, k, every } => {
                    let keep = |position: usize| position.is_multiple_of(every);
                    let found = index.search(&pool[query], k, &keep);
                    prop_assert_eq!(found, sorted(&model, &pool[query], k, &keep));
                }
                Event::Snapshot => rebuilt = Some(index.clone().rebuild().unwrap()),
                Event::Adopt => rebuilt.take().into_iter().for_each(|new| index.adopt(new)),
            }
            prop_assert_eq!(index.len(), model.len());
        }
    }
}
