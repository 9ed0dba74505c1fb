//! The model card: what a release is, what it was fitted on, how to make it again.

use crate::model::{Config, MotifGnn};
use crate::train;

const NOT_EVALUATED: &str = "Not evaluated yet: run `netkin-train eval`.";

/// The card of a fitted model, in Markdown. `metrics` is the table that an evaluation wrote.
pub fn model_card(model: &Config, fit: &train::Config, metrics: Option<&str>) -> String {
    let metrics = metrics.unwrap_or(NOT_EVALUATED);
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

/// The card of a trained motif GNN, in Markdown. `metrics` is the table that an evaluation wrote.
pub fn motif_gnn_card(
    model: &MotifGnn,
    training: &train::gnn::Config,
    metrics: Option<&str>,
) -> String {
    let config = model.config();
    let network = &config.network;
    let beside = config.token_sets.as_ref().map_or_else(
        || "The network stands alone.".to_owned(),
        |of| {
            format!(
                "Beside it stand token sets, fitted first, in {} components; their share of a similarity is {}.",
                of.dim, of.share
            )
        },
    );
    format!(
        "# Model {version}\n\n\
         A graph network over the operators of each motif ({motif_dim} components), then one over the macro graph of \
         motifs ({hidden} components), {rounds} rounds each, read out in {outputs} components. {beside}\n\n\
         - Trained on: the training families of the corpus, each design once\n\
         - Stage 1: {motif_steps} steps, motifs against contexts\n\
         - Stage 2: {graph_steps} steps, families against each other\n\
         - Known motifs: {known}\n\
         - Data hash: `{data}`\n\
         - Seed: {seed}\n\n\
         Every setting: `training.json`.\n\n\
         ## Metrics\n\n{metrics}\n",
        metrics = metrics.unwrap_or(NOT_EVALUATED),
        version = config.version,
        motif_dim = network.motif_dim,
        hidden = network.hidden,
        rounds = network.rounds,
        outputs = network.outputs,
        motif_steps = training.motif.steps,
        graph_steps = training.graph.steps,
        known = model.known_motifs(),
        data = config.data_hash,
        seed = config.seed,
    )
}
