//! One model, one architecture: how often all exporters agree, as a number that must not fall.

use crate::fixtures::{Export, archive, models};
use netkin::embedding::Embedding;
use netkin::eval::agreement;
use rayon::prelude::*;

/// Exports whose exact digest is that of the torch trace, out of 848. `docs/agreement.json` has
/// 832: four fewer are tolerated, so that a rule that helps many models may cost a few, and no more,
/// so that nobody loses a family unnoticed. Raise it with every rule that helps.
const FLOOR: usize = 828;

/// All routes of all models: fewer would make the rate easier to reach.
const EXPORTS: usize = 848;

#[test]
fn exporters_agree_as_often_as_they_did() {
    let exports: Vec<agreement::Export> = models().par_iter().flat_map(exports_of).collect();
    let result = agreement::agreement(&exports, &[]);
    assert_eq!(result.total.exports, EXPORTS);
    let offenders = result.disagreements.iter().map(|one| {
        let difference: Vec<&str> = one.difference.iter().take(4).map(String::as_str).collect();
        format!(
            "{} as {}: {}\n",
            one.model,
            one.route,
            difference.join(", ")
        )
    });
    let offenders: String = offenders.collect();
    let same = result.total.same_exact;
    assert!(
        same >= FLOOR,
        "only {same} agree; these do not:\n{offenders}"
    );
}

fn exports_of(model: &String) -> Vec<agreement::Export> {
    let routes = archive(model).into_iter();
    routes
        .map(|(route, bytes)| agreement::Export {
            model: model.clone(),
            kind: String::new(),
            architecture: Export::read(format!("{model} as {route}"), bytes).architecture,
            route,
            // Recall is measured elsewhere, with a model.
            embedding: Embedding::normalised(vec![1.0]).unwrap(),
        })
        .collect()
}
