//! What every architecture must satisfy before anything else may trust it.

use super::{Edge, Node, NodeIndex};

/// Why a list of nodes is no architecture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing to compare.
    #[error("the graph has no operators; export the whole model, not an empty or constant one")]
    Empty,
    /// More nodes than an index can name.
    #[error("the graph has {0} nodes, more than an architecture can hold")]
    TooMany(usize),
    /// An edge that starts nowhere.
    #[error("{consumer} reads node {missing}, which does not exist")]
    Missing {
        /// The reader: `node 3` or `output 0`.
        consumer: String,
        /// The index it names.
        missing: NodeIndex,
    },
    /// An edge against the order.
    #[error(
        "node {consumer} reads node {producer}, which does not come before it; the graph has a cycle or is not sorted"
    )]
    Order {
        /// The reader.
        consumer: NodeIndex,
        /// The node it reads.
        producer: NodeIndex,
    },
}

pub(super) fn validate(nodes: &[Node], outputs: &[Edge]) -> Result<(), Error> {
    if nodes.is_empty() {
        return Err(Error::Empty);
    }
    let count = NodeIndex::try_from(nodes.len()).map_err(|_| Error::TooMany(nodes.len()))?;
    for (consumer, node) in (0..count).zip(nodes) {
        for edge in &node.inputs {
            check_input(consumer, edge.node, count)?;
        }
    }
    match outputs
        .iter()
        .enumerate()
        .find(|(_, edge)| edge.node >= count)
    {
        Some((position, edge)) => Err(Error::Missing {
            consumer: format!("output {position}"),
            missing: edge.node,
        }),
        None => Ok(()),
    }
}

fn check_input(consumer: NodeIndex, producer: NodeIndex, count: NodeIndex) -> Result<(), Error> {
    if producer >= count {
        return Err(Error::Missing {
            consumer: format!("node {consumer}"),
            missing: producer,
        });
    }
    if producer >= consumer {
        return Err(Error::Order { consumer, producer });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Architecture, Attributes, Operator};

    fn node(inputs: &[NodeIndex]) -> Node {
        Node {
            operator: Operator::Add,
            attributes: Attributes::default(),
            inputs: inputs.iter().copied().map(Edge::first).collect(),
            shape: None,
            flops: 0,
        }
    }

    fn build(nodes: Vec<Node>, outputs: Vec<Edge>) -> Result<Architecture, Error> {
        Architecture::new(None, 0, nodes, outputs)
    }

    #[test]
    fn an_empty_graph_is_refused() {
        assert_eq!(build(vec![], vec![]), Err(Error::Empty));
    }

    #[test]
    fn an_edge_from_nowhere_is_named() {
        let error = build(vec![node(&[]), node(&[7])], vec![]).unwrap_err();
        assert_eq!(
            error,
            Error::Missing {
                consumer: "node 1".into(),
                missing: 7
            }
        );
        let error = build(vec![node(&[])], vec![Edge::first(1)]).unwrap_err();
        assert_eq!(
            error,
            Error::Missing {
                consumer: "output 0".into(),
                missing: 1
            }
        );
    }

    #[test]
    fn a_cycle_or_a_backward_edge_is_refused() {
        let error = build(vec![node(&[1]), node(&[0])], vec![]).unwrap_err();
        assert_eq!(
            error,
            Error::Order {
                consumer: 0,
                producer: 1
            }
        );
    }
}
