//! What the engine answers: the objects of the command line's JSON and of HTTP alike.
//!
//! They carry their OpenAPI schema because both print them unchanged; a field renamed here is
//! renamed for every script that reads it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// What netkin understood of a query.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct QuerySummary {
    /// The model's own name, or the name of the stored entry.
    pub name: Option<String>,
    /// The format it was read from; `corpus` or `stored` for an entry, `vector` for an embedding.
    pub format: String,
    /// Number of operators, model inputs left out.
    pub operators: usize,
    /// Number of dataflow edges.
    pub edges: usize,
    /// Trainable parameters.
    pub parameters: u64,
    /// Structural digest over operators, attributes and dataflow; empty for a vector.
    pub digest: String,
    /// The same, widths ignored.
    pub coarse_digest: String,
}

impl QuerySummary {
    /// Nothing is known of what a vector was made from.
    pub(super) fn of_vector() -> Self {
        Self {
            name: None,
            format: "vector".to_owned(),
            operators: 0,
            edges: 0,
            parameters: 0,
            digest: String::new(),
            coarse_digest: String::new(),
        }
    }
}

/// How an entry relates to the query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// Equal structural digests: the same design.
    Duplicate,
    /// Equal coarse digests: the same design at another width.
    SameStructure,
    /// The query's family, and very similar.
    Variant,
    /// Near, and no more than that.
    Relative,
}

/// One entry of the corpus near the query.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Hit {
    /// 1 for the nearest.
    pub rank: usize,
    /// Id of the entry.
    pub id: String,
    /// The collection it belongs to; `public` is the shipped corpus.
    pub collection: String,
    /// Its name.
    pub name: String,
    /// Its family; empty where nobody named one.
    pub family: String,
    /// Its coarse family; empty where nobody named one.
    pub coarse_family: String,
    /// The package it comes from; empty where nobody named one.
    pub source: String,
    /// Cosine similarity of the embeddings, at most 1.
    pub similarity: f32,
    /// How it relates to the query.
    pub relation: Relation,
}

/// The nearest entries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SearchAnswer {
    /// What was understood of the query.
    pub query: QuerySummary,
    /// The version of the model that made the answer.
    pub model_version: String,
    /// Nearest first.
    pub hits: Vec<Hit>,
    /// Time spent on the answer, in milliseconds.
    pub took_ms: f64,
}

/// A model as a vector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Embedded {
    /// What was understood of the model.
    pub query: QuerySummary,
    /// The version of the model that made the vector: vectors of other versions cannot be compared with it.
    pub model_version: String,
    /// Its components; together they have length one.
    pub vector: Vec<f32>,
}

/// A stored entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EntrySummary {
    /// Its id: what `id:` and the routes take.
    pub id: String,
    /// The collection it belongs to; `public` is the shipped corpus.
    pub collection: String,
    /// Its name.
    pub name: String,
    /// Its family; empty where nobody named one.
    pub family: String,
    /// Its coarse family; empty where nobody named one.
    pub coarse_family: String,
    /// The package it comes from; empty where nobody named one.
    pub source: String,
    /// What it was made for; empty where nobody said.
    pub task: String,
    /// True for a published model of the corpus, false for a composed or an added one.
    pub published: bool,
    /// Number of operators.
    pub operators: u64,
    /// Trainable parameters.
    pub parameters: u64,
    /// Floating-point operations; 0 when unknown.
    pub flops: u64,
    /// Structural digest.
    pub digest: String,
    /// The same, widths ignored.
    pub coarse_digest: String,
    /// What its owner noted besides; entries of the corpus have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
    /// When it was added, in UTC; entries of the corpus have no such time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// When its description was last changed, in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated: Option<String>,
}

/// How often one operator occurs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Operators {
    /// Name of the operator.
    pub operator: String,
    /// Number of occurrences.
    pub count: usize,
}

/// How often one motif, a recurring part of a model, occurs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Motifs {
    /// Its operators in order, after the name of the block where it is a known one.
    pub name: String,
    /// Number of operators in it.
    pub operators: usize,
    /// Number of occurrences.
    pub count: usize,
    /// Hash of its structure, widths ignored, in hexadecimal: equal in every model that has it.
    pub hash: String,
}

/// What netkin sees in a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Description {
    /// Size and digests.
    pub query: QuerySummary,
    /// Floating-point operations for the input shapes it was exported with; 0 when unknown.
    pub flops: u64,
    /// Number of operators on the longest path.
    pub depth: usize,
    /// Operators, most frequent first.
    pub operators: Vec<Operators>,
    /// Motifs, most frequent first.
    pub motifs: Vec<Motifs>,
    /// Operators outside the vocabulary: kept and hashed, but not understood.
    pub unknown_operators: Vec<String>,
}

/// Up to what detail two architectures are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Equality {
    /// The same design.
    Exact,
    /// The same design at another width.
    Coarse,
    /// Different designs.
    None,
}

/// An operator that one side has more often than the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Difference {
    /// The operator with the attributes that decide it, widths left out.
    pub operator: String,
    /// Occurrences in the first.
    pub in_a: usize,
    /// Occurrences in the second.
    pub in_b: usize,
}

/// Two architectures side by side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Comparison {
    /// The first.
    pub a: QuerySummary,
    /// The second.
    pub b: QuerySummary,
    /// The version of the model that measured the similarity.
    pub model_version: String,
    /// Up to what detail they are equal.
    pub equal: Equality,
    /// Cosine similarity of the embeddings, at most 1.
    pub similarity: f32,
    /// Operators that both have, each counted as often as both have it.
    pub shared_operators: usize,
    /// Operators whose counts differ, largest difference first.
    pub differing: Vec<Difference>,
}

/// A model that could make the answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ModelSummary {
    /// Its folder; the setting `engine.model` pins it by this name.
    pub folder: String,
    /// The version that its answers name; none when its config cannot be read.
    pub version: Option<String>,
    /// The kind of encoder.
    pub encoder: Option<String>,
    /// Components of its embeddings.
    pub dim: Option<usize>,
    /// What it is doing.
    #[serde(flatten)]
    pub state: ModelState,
}

/// What a model is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum ModelState {
    /// It makes the answers.
    Serving {
        /// Since when, in UTC.
        since: String,
    },
    /// It is read and the corpus embedded with it; answers come from another model meanwhile.
    Loading {
        /// Entries that have their embedding.
        done: usize,
        /// All entries.
        total: usize,
    },
    /// It cannot be used, and is not tried again until its files change.
    Failed {
        /// Why.
        problem: String,
    },
    /// It is there; a newer one, or the one that is pinned, makes the answers.
    Available,
}
