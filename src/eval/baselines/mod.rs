//! Rankers that cost nothing to learn; every claim is tested against the best of them.
//!
//! Each is a [`Ranker`] over the same entries, in their order.

mod lexical;
mod lsa;

pub use lexical::{Bm25, TfIdf};
pub use lsa::latent_vectors;

use super::Labelled;
use super::protocol::Ranker;
use crate::embedding::{Embedding, dot};
use crate::graph::Operator;
use crate::model::{Encoder, Error};
use crate::random::{self, Random};
use rayon::prelude::*;

/// Cosine between vectors, one an entry.
pub struct Vectors(Vec<Vec<f32>>);

impl Vectors {
    /// Ranks by vectors that are unit length or zero.
    pub fn new(vectors: Vec<Vec<f32>>) -> Self {
        Self(vectors)
    }

    /// Ranks by what `encoder` makes of each entry.
    ///
    /// # Errors
    /// When an entry has no embedding.
    pub fn encoded(entries: &[Labelled], encoder: &dyn Encoder) -> Result<Self, Error> {
        let encode = |entry: &Labelled| -> Result<Vec<f32>, Error> {
            let embedding = encoder.encode(&entry.architecture)?;
            Ok(embedding.as_slice().to_vec())
        };
        Ok(Self(
            entries.par_iter().map(encode).collect::<Result<_, _>>()?,
        ))
    }

    /// Ranks by how often each operator occurs.
    pub fn operator_histogram(entries: &[Labelled]) -> Self {
        Self(entries.iter().map(histogram).collect())
    }
}

impl Ranker for Vectors {
    fn scores(&self, query: usize, candidates: &[usize]) -> Vec<f32> {
        let asked = &self.0[query];
        let others = candidates.iter();
        others.map(|other| dot(asked, &self.0[*other])).collect()
    }
}

fn histogram(entry: &Labelled) -> Vec<f32> {
    let mut counts = vec![0f32; Operator::ALL.len() + 1];
    for node in entry.architecture.nodes() {
        let place = Operator::ALL
            .iter()
            .position(|operator| *operator == node.operator)
            .unwrap_or(Operator::ALL.len());
        counts[place] += 1.0;
    }
    normalised(counts)
}

/// Length one, or zero when there is nothing.
pub(crate) fn normalised(vector: Vec<f32>) -> Vec<f32> {
    let dim = vector.len();
    Embedding::normalised(vector).map_or_else(
        |_| vec![0.0; dim],
        |embedding| embedding.as_slice().to_vec(),
    )
}

/// Scores at random, by this seed: the floor that labels alone give.
pub struct Chance(pub u64);

impl Ranker for Chance {
    fn scores(&self, query: usize, candidates: &[usize]) -> Vec<f32> {
        let mut random = Random::new(random::sequence(self.0, [query as u64]));
        candidates.iter().map(|_| random.unit() as f32).collect()
    }
}

/// Nearness of parameter and operator counts alone.
pub struct Size(Vec<[f32; 2]>);

impl Size {
    /// Ranks `entries` by size.
    pub fn new(entries: &[Labelled]) -> Self {
        let size = |entry: &Labelled| {
            let operators = entry.architecture.operator_count();
            [
                (entry.architecture.parameters as f32).ln_1p(),
                (operators as f32).ln_1p(),
            ]
        };
        Self(entries.iter().map(size).collect())
    }
}

impl Ranker for Size {
    fn scores(&self, query: usize, candidates: &[usize]) -> Vec<f32> {
        let [parameters, operators] = self.0[query];
        let sizes = candidates.iter().map(|other| self.0[*other]);
        sizes
            .map(|[p, o]| -((p - parameters).powi(2) + (o - operators).powi(2)))
            .collect()
    }
}

#[cfg(test)]
pub(crate) mod testing {
    //! A small zoo of synthetic families for tests of fitting and evaluation.

    use super::*;
    use crate::corpus::Kind;
    use crate::graph::{Architecture, Attributes, Edge, Key, Node};

    /// Gives every query the same scores, one an entry.
    pub(crate) struct Fixed(pub(crate) Vec<f32>);

    impl Ranker for Fixed {
        fn scores(&self, _: usize, candidates: &[usize]) -> Vec<f32> {
            candidates.iter().map(|other| self.0[*other]).collect()
        }
    }

    fn node(operator: Operator, attributes: Attributes, inputs: &[u32]) -> Node {
        Node {
            operator,
            attributes,
            inputs: inputs.iter().copied().map(Edge::first).collect(),
            shape: None,
            flops: 0,
        }
    }

    /// A stack of blocks; the family decides the block, the member depth, width and one habit.
    fn member(family: u64, member: u64) -> Architecture {
        let mut block = Random::new(family);
        let chain: Vec<(Operator, i64)> = (0..4)
            .map(|_| {
                let place = 1 + block.below(Operator::ALL.len() - 1);
                (Operator::ALL[place].clone(), 1 + 2 * block.below(3) as i64)
            })
            .collect();
        let mut nodes = vec![node(Operator::Input, Attributes::default(), &[])];
        for _ in 0..2 + member {
            let start = nodes.len() as u32 - 1;
            for (operator, kernel) in &chain {
                let attributes = Attributes::default()
                    .with(Key::Kernel, vec![*kernel, *kernel])
                    .with(Key::OutChannels, 8 * (1 + member as i64));
                nodes.push(node(
                    operator.clone(),
                    attributes,
                    &[nodes.len() as u32 - 1],
                ));
            }
            let end = nodes.len() as u32 - 1;
            nodes.push(node(Operator::Add, Attributes::default(), &[start, end]));
        }
        let habit = [Operator::Relu, Operator::Gelu, Operator::Silu][member as usize % 3].clone();
        let last = nodes.len() as u32 - 1;
        nodes.push(node(habit, Attributes::default(), &[last]));
        Architecture::new(None, 100 * member, nodes, vec![Edge::first(last + 1)]).unwrap()
    }

    /// `families` families of `members` members each.
    pub(crate) fn zoo(families: u64, members: u64) -> Vec<Labelled> {
        let mut entries = Vec::new();
        for family in 0..families {
            for place in 0..members {
                let architecture = member(family, place);
                let digests = architecture.digests();
                entries.push(Labelled {
                    id: format!("family{family}-{place}"),
                    package: "zoo".into(),
                    module: format!("family{family}"),
                    kind: Kind::Published,
                    family: format!("family{family}"),
                    coarse_family: format!("coarse{}", family % 3),
                    digest: digests.exact,
                    coarse_digest: digests.coarse,
                    architecture,
                });
            }
        }
        entries
    }
}

#[cfg(test)]
mod tests {
    use super::testing::zoo;
    use super::*;
    use crate::eval::protocol::{Config, Queries, estimate, evaluate};

    #[test]
    fn every_baseline_beats_chance_on_an_easy_zoo() {
        let entries = zoo(12, 5);
        let config = Config {
            held_out: 0.5,
            ..Config::default()
        };
        let train: Vec<usize> = (0..entries.len()).collect();
        let map = |ranker: &dyn Ranker| {
            let outcome = evaluate(&entries, ranker, &Queries::HeldOutFamilies, &config);
            estimate(&outcome, "map@20", &config).unwrap().mean
        };
        let chance = map(&Chance(1));
        let bags = lexical::bags(&entries);
        for score in [
            map(&Vectors::operator_histogram(&entries)),
            map(&Bm25::new(&bags, &train)),
            map(&TfIdf::new(&bags, &train)),
            map(&TfIdf::of_neighbourhoods(&bags, &train)),
            map(&Vectors::new(latent_vectors(&bags, &train, 16, 1))),
        ] {
            assert!(score > chance + 0.3, "{score} against {chance}");
        }
        // Motifs are all or nothing: fewer of the family share one.
        assert!(map(&TfIdf::of_motifs(&entries, &train)) > chance + 0.1);
        assert!(map(&Size::new(&entries)) >= 0.0);
    }
}

pub use lexical::{Bag, bags};
