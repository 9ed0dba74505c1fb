//! Which families a ranker misses, and what it finds in their place.

use super::Labelled;
use super::metrics::{Grade, RELEVANT, average_precision};
use super::protocol::{Config, Queries, Ranker, ranked};
use super::report::Confusion;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// The rank at which lists are cut.
const CUT: usize = 20;

/// What one query lost, and the families of the irrelevant in its list.
struct Missed<'a> {
    family: &'a str,
    precision: f64,
    instead: Vec<&'a str>,
}

/// The held-out families, those first that take most from the MAP@20 of all queries.
pub fn confusions(entries: &[Labelled], ranker: &dyn Ranker, config: &Config) -> Vec<Confusion> {
    let asked: Vec<usize> = (0..entries.len())
        .filter(|at| Queries::HeldOutFamilies.asks(&entries[*at], config))
        .collect();
    let missed: Vec<Option<Missed<'_>>> = asked
        .par_iter()
        .map(|query| missed(entries, ranker, *query))
        .collect();
    let missed: Vec<Missed<'_>> = missed.into_iter().flatten().collect();
    let mut families: BTreeMap<&str, Vec<&Missed<'_>>> = BTreeMap::new();
    for one in &missed {
        families.entry(one.family).or_default().push(one);
    }
    let mut confusions: Vec<Confusion> = families
        .into_iter()
        .map(|(family, of_family)| confusion(family, &of_family, missed.len()))
        .collect();
    confusions.sort_by(|a, b| b.lost.total_cmp(&a.lost));
    confusions
}

/// None when there is nothing relevant to find.
fn missed<'a>(entries: &'a [Labelled], ranker: &dyn Ranker, query: usize) -> Option<Missed<'a>> {
    let asked = &entries[query];
    let is_stranger = |other: &usize| entries[*other].digest != asked.digest;
    let strangers: Vec<usize> = (0..entries.len()).filter(is_stranger).collect();
    let ranked = ranked(query, ranker, &strangers).into_iter();
    let found: Vec<(&Labelled, Grade)> = ranked
        .map(|at| {
            let found = &entries[at];
            (found, Queries::HeldOutFamilies.grade(asked, found))
        })
        .collect();
    let grades: Vec<Grade> = found.iter().map(|(_, grade)| *grade).collect();
    let first = found.iter().take(CUT);
    let is_answerable = grades.iter().any(|grade| *grade >= RELEVANT);
    is_answerable.then(|| Missed {
        family: &asked.family,
        precision: average_precision(&grades, CUT),
        instead: first
            .filter(|(_, grade)| *grade < RELEVANT)
            .map(|(found, _)| found.family.as_str())
            .collect(),
    })
}

fn confusion(family: &str, missed: &[&Missed<'_>], all: usize) -> Confusion {
    let precision: f64 = missed.iter().map(|one| one.precision).sum();
    let mut instead: BTreeMap<&str, usize> = BTreeMap::new();
    for other in missed.iter().flat_map(|one| &one.instead) {
        *instead.entry(other).or_default() += 1;
    }
    let total: usize = instead.values().sum();
    let mut instead: Vec<(String, f64)> = instead
        .into_iter()
        .map(|(family, count)| (family.to_owned(), count as f64 / total as f64))
        .collect();
    instead.sort_by(|a, b| b.1.total_cmp(&a.1));
    Confusion {
        family: family.into(),
        queries: missed.len(),
        map: precision / missed.len() as f64,
        lost: (missed.len() as f64 - precision) / all as f64,
        instead,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::baselines::testing::{Fixed, zoo};

    #[test]
    fn losses_add_up_and_name_what_came_instead() {
        let entries = zoo(3, 30);
        let config = Config {
            held_out: 1.0,
            ..Config::default()
        };
        // Everyone is shown the first family before all others.
        let scores = entries.iter().enumerate();
        let scores = scores.map(|(at, _)| if at < 30 { 2.0 } else { 1.0 / at as f32 });
        let found = confusions(&entries, &Fixed(scores.collect()), &config);
        let by_name: BTreeMap<&str, &Confusion> =
            found.iter().map(|one| (one.family.as_str(), one)).collect();
        assert_eq!(by_name["family0"].map, 1.0);
        assert!(by_name["family0"].instead.is_empty());
        assert_eq!(by_name["family2"].map, 0.0);
        assert_eq!(by_name["family2"].instead, [("family0".to_owned(), 1.0)]);
        let lost: f64 = found.iter().map(|one| one.lost).sum();
        assert!((lost - 2.0 / 3.0).abs() < 1e-9, "{lost}");
    }
}
