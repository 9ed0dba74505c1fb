//! Why a model cannot be loaded or cannot encode.

/// What went wrong, and where.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The vector came out without a direction.
    #[error("the architecture has no embedding under this model: {0}")]
    NoDirection(#[from] crate::embedding::Error),
    /// The config is not JSON, or lacks a field.
    #[error("config.json of the model cannot be read: {0}")]
    Config(#[source] serde_json::Error),
    /// The config states something impossible.
    #[error("config.json of the model: `{field}` {problem}")]
    Setting {
        /// The field at fault.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The weights are not safetensors.
    #[error("the weights of the model are corrupt: {0}")]
    Weights(String),
    /// A tensor that should be there is not.
    #[error("the weights of the model lack the tensor `{0}`")]
    MissingTensor(String),
    /// A tensor that nothing would read.
    #[error("the weights of the model hold the tensor `{0}`, which its encoder does not have")]
    ExtraTensor(String),
    /// A tensor of another shape than the config states.
    #[error("tensor `{tensor}` has shape {found:?}, but config.json asks for {expected:?}")]
    Shape {
        /// Its name.
        tensor: String,
        /// Its shape in the file.
        found: Vec<usize>,
        /// The shape that follows from the config.
        expected: Vec<usize>,
    },
    /// A tensor of the wrong number format.
    #[error("tensor `{tensor}` holds {found}, but {needed} are needed")]
    Format {
        /// Its name.
        tensor: String,
        /// What it holds.
        found: String,
        /// What it should hold.
        needed: &'static str,
    },
    /// A weight that is not a number.
    #[error("tensor `{0}` holds a weight that is not finite")]
    NotFinite(String),
}
