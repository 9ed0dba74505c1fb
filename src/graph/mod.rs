//! The canonical graph: what every format becomes, and what everything above works on.
//!
//! An [`Architecture`] is a directed acyclic graph of operators without weights. Nodes are in
//! topological order by construction, so every input of a node has a smaller index. Nothing
//! here knows files, tensors or HTTP.

mod attribute;
mod cost;
mod digest;
mod operator;
mod shape;
#[cfg(test)]
pub(crate) mod testing;
mod validate;

pub use attribute::{Attributes, Key, Value};
pub use cost::{Cost, node_flops};
pub use digest::{Digest, Digests};
pub use operator::{Operator, OperatorGroup};
pub use shape::Shape;
pub use validate::Error;

use serde::{Deserialize, Serialize};

/// Index of a node in its architecture.
pub type NodeIndex = u32;

/// One output of one node: the source end of a dataflow edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "(NodeIndex, u16)", from = "(NodeIndex, u16)")]
pub struct Edge {
    /// The node that produces the value.
    pub node: NodeIndex,
    /// Which of its outputs; 0 for almost every operator.
    pub port: u16,
}

impl Edge {
    /// The first output of `node`.
    pub fn first(node: NodeIndex) -> Self {
        Self { node, port: 0 }
    }
}

impl From<(NodeIndex, u16)> for Edge {
    fn from((node, port): (NodeIndex, u16)) -> Self {
        Self { node, port }
    }
}

impl From<Edge> for (NodeIndex, u16) {
    fn from(edge: Edge) -> Self {
        (edge.node, edge.port)
    }
}

/// One operator of an architecture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// What it computes.
    pub operator: Operator,
    /// How: kernel, stride, channels and so on. Never batch size or input resolution.
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    pub attributes: Attributes,
    /// Dataflow operands, in the operator's order. Weights are not operands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<Edge>,
    /// Shape of the first output, when known. Informative: no part of the digests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<Shape>,
    /// Multiply-accumulates and additions, two per multiply-accumulate; 0 when unknown.
    #[serde(default)]
    pub flops: u64,
}

/// A neural network as a graph of operators, free of weights, names and export habits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Architecture {
    /// The model's own name, when its file states one. No part of the digests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Trainable parameters as the source counts them.
    pub parameters: u64,
    nodes: Vec<Node>,
    outputs: Vec<Edge>,
}

impl Architecture {
    /// Builds an architecture from nodes in topological order.
    ///
    /// # Errors
    /// When there is no node, an input or output names a missing node, or an input does not come
    /// before its consumer.
    pub fn new(
        name: Option<String>,
        parameters: u64,
        nodes: Vec<Node>,
        outputs: Vec<Edge>,
    ) -> Result<Self, Error> {
        validate::validate(&nodes, &outputs)?;
        Ok(Self {
            name,
            parameters,
            nodes,
            outputs,
        })
    }

    /// The operators, in topological order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The values the model returns.
    pub fn outputs(&self) -> &[Edge] {
        &self.outputs
    }

    /// Number of dataflow edges between operators.
    pub fn edge_count(&self) -> usize {
        self.nodes.iter().map(|node| node.inputs.len()).sum()
    }

    /// Number of operators, model inputs left out.
    pub fn operator_count(&self) -> usize {
        self.nodes
            .iter()
            .filter(|node| node.operator != Operator::Input)
            .count()
    }

    /// Total floating-point operations for the input shapes the model was exported with.
    pub fn flops(&self) -> u64 {
        self.nodes
            .iter()
            .fold(0, |total, node| total.saturating_add(node.flops))
    }

    /// For each node, the nodes that read it (once per edge), in ascending order.
    pub fn consumers(&self) -> Vec<Vec<NodeIndex>> {
        let mut consumers = vec![Vec::new(); self.nodes.len()];
        for (index, node) in self.nodes.iter().enumerate() {
            for edge in &node.inputs {
                consumers[edge.node as usize].push(index as NodeIndex);
            }
        }
        consumers
    }

    /// Both structural digests.
    pub fn digests(&self) -> Digests {
        digest::digests(self)
    }
}
