//! The model card: what a release is, what it was fitted on, how to make it again.

use crate::model::Config;
use crate::train;

/// The card of a fitted model, in Markdown. `metrics` is the table that an evaluation wrote.
pub fn model_card(model: &Config, fit: &train::Config, metrics: Option<&str>) -> String {
    let metrics = metrics.unwrap_or("Not evaluated yet: run `netkin-train eval`.");
    format!(
        "# Model {version}\n\n\
         Token sets of an architecture, hashed to {hashed} components, whitened within families \
         (shrinkage {shrinkage}) and reduced to {dim}, then refined by {steps} steps of supervised contrastive \
         learning.\n\n\
         - Fitted on: the training families of the corpus, each design once\n\
         - Data hash: `{data}`\n\
         - Seed: {seed}\n\
         - Group weights: {groups:?}, counts {counts}, widths {widths}\n\n\
         ## Metrics\n\n{metrics}\n",
        version = model.version,
        hashed = model.hashing.dim,
        shrinkage = fit.shrinkage,
        steps = fit.refinement.steps,
        dim = model.dim,
        data = model.data_hash,
        seed = model.seed,
        groups = model.hashing.groups,
        counts = model.hashing.counts,
        widths = model.hashing.widths,
    )
}
