//! Cells of NAS spaces as queries and candidates; how relevant they are follows from how many
//! edits lie between them, by [`nas::edit`].

use super::Labelled;
use super::metrics::Grade;
use super::protocol::{Config, Outcome, Ranker, collected, judged, ranked, spearman};
use crate::corpus::Kind;
use crate::graph::Digest;
use crate::import::nas::{self, edit::Places, space};
use crate::import::{Limits, canonical};
use crate::random::Random;
use rayon::prelude::*;
use std::collections::BTreeSet;

/// Queries of each space.
const QUERIES: usize = 100;
/// Chains of edits that start at each query of a space too large to be written down whole.
const CHAINS: usize = 5;
/// Edits of one chain.
const LINKS: usize = 5;

/// Families of each space that are drawn to learn from.
const FAMILIES: usize = 300;
/// Members of a family besides the cell that was drawn: each a chain of so many edits.
const FAMILY_LINKS: [usize; 6] = [1, 1, 1, 2, 2, 2];

/// Cells of one space of which the first are the queries; all are candidates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// The space, as in `nas:<space>:<cell>`.
    pub space: &'static str,
    /// Queries among the cells.
    pub queries: usize,
    /// The cells, as in `nas:<space>:<cell>`.
    pub cells: Vec<String>,
}

/// A pool of each space: all of NAS-Bench-201, and cells drawn from the others with what a few
/// edits make of them. The same seed gives the same cells.
pub fn pools(seed: u64) -> Vec<Pool> {
    let mut random = Random::new(seed);
    let mut whole: Vec<String> = space::nasbench201().collect();
    for place in 0..QUERIES {
        let other = place + random.below(whole.len() - place);
        whole.swap(place, other);
    }
    let sampled = space::nasbench101_sample(QUERIES, seed);
    let drawn: Vec<_> = (0..QUERIES)
        .map(|_| space::Genotype::draw(&mut random))
        .collect();
    let pool = |space, cells| Pool {
        space,
        queries: QUERIES,
        cells,
    };
    let codes = chains(&sampled, |code| code.edited(&mut random));
    let codes = codes.iter().map(space::Code::text).collect();
    let genotypes = chains(&drawn, |genotype| genotype.edited(&mut random));
    let genotypes = genotypes.iter().map(space::Genotype::text).collect();
    vec![
        pool("nasbench101", codes),
        pool("nasbench201", whole),
        pool("darts", genotypes),
    ]
}

/// The cells, and behind them what chains of edits make of each.
fn chains<T: Copy>(cells: &[T], mut edited: impl FnMut(T) -> T) -> Vec<T> {
    let mut all = cells.to_vec();
    for cell in cells {
        for _ in 0..CHAINS {
            let mut link = *cell;
            for _ in 0..LINKS {
                link = edited(link);
                all.push(link);
            }
        }
    }
    all
}

/// Networks of cells to learn from: families of a cell that was drawn and of what one or two edits
/// make of it. None has the design of a query of `pools(seed)`.
pub fn families(seed: u64, limits: &Limits) -> Vec<Labelled> {
    let asked: BTreeSet<Digest> = pools(seed)
        .into_iter()
        .flat_map(|pool| pool.asked().labelled(limits))
        .map(|(_, query)| query.digest)
        .collect();
    let mut networks: Vec<Labelled> = family_pools(!seed)
        .iter()
        .flat_map(|pool| pool.family_members(limits))
        .collect();
    networks.retain(|network| !asked.contains(&network.digest));
    networks
}

/// The cells of each space's families, one family behind the other.
fn family_pools(seed: u64) -> [Pool; 3] {
    let mut random = Random::new(seed);
    let codes = space::nasbench101_sample(FAMILIES, seed);
    let codes = members(codes, |code| code.edited(&mut random));
    let whole: Vec<String> = space::nasbench201().collect();
    let numbers: Vec<usize> = (0..FAMILIES).map(|_| random.below(whole.len())).collect();
    let numbers = members(numbers, |cell| space::nasbench201_edited(cell, &mut random));
    let genotypes: Vec<_> = (0..FAMILIES)
        .map(|_| space::Genotype::draw(&mut random))
        .collect();
    let genotypes = members(genotypes, |genotype| genotype.edited(&mut random));
    let pool = |space, cells| Pool {
        space,
        queries: 0,
        cells,
    };
    [
        pool("nasbench101", codes.iter().map(space::Code::text).collect()),
        pool(
            "nasbench201",
            numbers.iter().map(|cell| whole[*cell].clone()).collect(),
        ),
        pool(
            "darts",
            genotypes.iter().map(space::Genotype::text).collect(),
        ),
    ]
}

/// Each cell, and behind it what edits make of it.
fn members<T: Copy>(cells: Vec<T>, mut edited: impl FnMut(T) -> T) -> Vec<T> {
    let mut all = Vec::new();
    for cell in cells {
        all.push(cell);
        for links in FAMILY_LINKS {
            all.push((0..links).fold(cell, |link, _| edited(link)));
        }
    }
    all
}

/// Asks `queries` for the cells of their own space among `candidates`, cells and real architectures
/// alike: what is published for NAS spaces judges so.
pub fn evaluate_spaces(
    entries: &[Labelled],
    queries: &[usize],
    candidates: &[usize],
    ranker: &dyn Ranker,
    config: &Config,
) -> Outcome {
    let results = queries.par_iter().map(|query| {
        let asked = &entries[*query];
        let others = candidates.iter().copied();
        let others = others.filter(|other| entries[*other].digest != asked.digest);
        let others: Vec<usize> = others.collect();
        let order = ranked(*query, ranker, &others);
        let is_kin = |other: &usize| entries[*other].package == asked.package;
        let grades: Vec<Grade> = order.iter().map(|at| 3 * Grade::from(is_kin(at))).collect();
        judged(asked, &grades, config)
    });
    collected(results.collect())
}

impl Pool {
    /// Its queries alone.
    fn asked(mut self) -> Self {
        self.cells.truncate(self.queries);
        self
    }

    /// Its networks, each of the family at whose place it stands.
    fn family_members(&self, limits: &Limits) -> Vec<Labelled> {
        let networks = self.labelled(limits).into_iter();
        networks
            .map(|(place, network)| Labelled {
                family: format!("{}/{}", self.space, place / (1 + FAMILY_LINKS.len())),
                ..network
            })
            .collect()
    }

    /// The networks of the cells that have one, each design once, with the place of each in
    /// `cells`; the queries come first, as they do there.
    pub fn labelled(&self, limits: &Limits) -> Vec<(usize, Labelled)> {
        let networks: Vec<Option<Labelled>> = self
            .cells
            .par_iter()
            .enumerate()
            .map(|(place, cell)| self.network(place, cell, limits))
            .collect();
        let mut seen: BTreeSet<Digest> = BTreeSet::new();
        let networks = networks.into_iter().enumerate();
        networks
            .filter_map(|(place, network)| Some((place, network?)))
            .filter(|(_, network)| seen.insert(network.digest))
            .collect()
    }

    /// None of a cell in which nothing flows.
    fn network(&self, place: usize, cell: &str, limits: &Limits) -> Option<Labelled> {
        let raw = nas::read(&format!("nas:{}:{cell}", self.space), limits).ok()?;
        let architecture = canonical::canonicalise(&raw, limits).ok()?;
        let digests = architecture.digests();
        let id = format!("{}/{place}", self.space);
        Some(Labelled {
            package: self.space.into(),
            module: self.space.into(),
            kind: Kind::Composed,
            // Every cell is its own unit of resampling.
            family: id.clone(),
            coarse_family: self.space.into(),
            id,
            digest: digests.exact,
            coarse_digest: digests.coarse,
            architecture,
        })
    }

    /// Edits from each query to each cell: `[queries][cells]`.
    ///
    /// # Errors
    /// When a cell is none of the space's.
    pub fn distances(&self) -> Result<Vec<Vec<u32>>, String> {
        let cells = self.cells.par_iter();
        let cells: Vec<Places> = cells
            .map(|cell| Places::read(self.space, cell))
            .collect::<Result<_, _>>()?;
        let queries = cells[..self.queries].par_iter();
        let distances =
            queries.map(|query| cells.iter().map(|cell| query.distance(cell)).collect());
        Ok(distances.collect())
    }
}

/// Grade of a cell at some distance: 3 for one edit, 2 for two, 1 for three.
pub fn grade(distance: u32) -> Grade {
    4u8.saturating_sub(u8::try_from(distance.max(1)).unwrap_or(u8::MAX))
}

/// Asks the queries of a pool, whose networks stand in `entries` from `first` on: the usual
/// metrics, and the rank correlation of similarity with nearness by edits over all cells.
pub fn evaluate(
    entries: &[Labelled],
    first: usize,
    places: &[usize],
    distances: &[Vec<u32>],
    ranker: &dyn Ranker,
    config: &Config,
) -> Outcome {
    let asked: Vec<usize> = (0..places.len())
        .filter(|at| places[*at] < distances.len())
        .collect();
    let results: Vec<_> = asked
        .par_iter()
        .map(|at| {
            let query = first + at;
            let from_here = &distances[places[*at]];
            let distance = |candidate: usize| from_here[places[candidate - first]];
            let others = (first..first + places.len()).filter(|other| *other != query);
            let others: Vec<usize> = others.collect();
            let order = ranked(query, ranker, &others);
            let grades: Vec<Grade> = order.iter().map(|other| grade(distance(*other))).collect();
            let mut result = judged(&entries[query], &grades, config)?;
            let scores = ranker.scores(query, &others).into_iter().map(f64::from);
            let nearness = others.iter().map(|other| -f64::from(distance(*other)));
            let pairs: Vec<(f64, f64)> = scores.zip(nearness).collect();
            result.metrics.insert("spearman".into(), spearman(&pairs)?);
            Some(result)
        })
        .collect();
    collected(results)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::protocol::estimate;

    /// Knows the distances: nothing can do better.
    struct Oracle<'a>(usize, &'a [usize], &'a [Vec<u32>]);

    impl Ranker for Oracle<'_> {
        fn scores(&self, query: usize, candidates: &[usize]) -> Vec<f32> {
            let Self(first, places, distances) = self;
            let from = &distances[places[query - first]];
            let others = candidates.iter();
            others
                .map(|other| -(from[places[other - first]] as f32))
                .collect()
        }
    }

    #[test]
    fn pools_are_the_same_each_time_and_one_edit_away_is_most_relevant() {
        let pools = pools(1);
        assert_eq!(pools, super::pools(1));
        assert_eq!([0, 1, 2, 3, 4, 400].map(grade), [3, 3, 2, 1, 0, 0]);
        for pool in pools {
            let distances = Pool {
                queries: 2,
                ..pool.clone()
            };
            let distances = distances.distances().unwrap();
            assert_eq!(distances[0][0], 0, "{}", pool.space);
            assert!(distances[1].contains(&1), "{}", pool.space);
        }
    }

    #[test]
    fn families_are_a_few_edits_wide_and_hold_no_query() {
        let networks = families(1, &Limits::default());
        let asked = pools(1)
            .into_iter()
            .flat_map(|pool| pool.asked().labelled(&Limits::default()));
        let asked: BTreeSet<Digest> = asked.map(|(_, query)| query.digest).collect();
        assert!(!networks.iter().any(|one| asked.contains(&one.digest)));
        for pool in family_pools(!1) {
            let family = Pool {
                queries: 1,
                cells: pool.cells[..=FAMILY_LINKS.len()].to_vec(),
                ..pool
            };
            let distances = &family.distances().unwrap()[0];
            assert!(distances.iter().all(|edits| *edits <= 4), "{distances:?}");
            assert!(distances.iter().any(|edits| *edits > 0), "{distances:?}");
        }
    }

    #[test]
    fn kin_of_a_cell_are_the_cells_of_its_space() {
        let pool = &pools(2)[0];
        let pool = Pool {
            cells: pool.cells[..4].to_vec(),
            ..pool.clone()
        };
        let cells = pool.labelled(&Limits::default());
        let mut entries: Vec<Labelled> = cells.into_iter().map(|(_, network)| network).collect();
        entries.extend(crate::eval::baselines::testing::zoo(1, 2));
        let candidates: Vec<usize> = (0..entries.len()).collect();
        let map = |scores: Vec<f32>| {
            let ranker = crate::eval::baselines::testing::Fixed(scores);
            let config = Config::default();
            let outcome = evaluate_spaces(&entries, &[0], &candidates, &ranker, &config);
            estimate(&outcome, "map@20", &config).unwrap().mean
        };
        assert!((map(vec![0.0, 0.9, 0.9, 0.9, 0.1, 0.1]) - 1.0).abs() < 1e-9);
        assert!(map(vec![0.0, 0.1, 0.1, 0.1, 0.9, 0.9]) < 0.5);
    }

    #[test]
    fn who_knows_the_distances_earns_everything() {
        let pool = &pools(2)[0];
        let pool = Pool {
            queries: 3,
            cells: [&pool.cells[..3], &pool.cells[100..140]].concat(),
            ..pool.clone()
        };
        let (places, entries): (Vec<usize>, Vec<Labelled>) =
            pool.labelled(&Limits::default()).into_iter().unzip();
        let distances = pool.distances().unwrap();
        let oracle = Oracle(0, &places, &distances);
        let config = Config::default();
        let outcome = evaluate(&entries, 0, &places, &distances, &oracle, &config);
        assert!(!outcome.queries.is_empty());
        for metric in ["map@20", "ndcg@20", "spearman"] {
            let mean = estimate(&outcome, metric, &config).unwrap().mean;
            assert!((mean - 1.0).abs() < 1e-9, "{metric} {mean}");
        }
    }
}
