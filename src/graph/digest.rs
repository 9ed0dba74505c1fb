//! Structural digests: equal digests mean the same design.
//!
//! Each node is hashed twice, once with everything that flows into it (in topological order) and
//! once with everything it flows into (in reverse), so the label of a node covers its whole past
//! and future, not a few hops. The digest is the hash of the sorted labels: node order and names
//! cannot matter. Like Weisfeiler-Lehman it cannot tell certain regular graphs apart when they
//! unfold to the same trees; two operators that share one operand count as two, so sharing of
//! *results* is seen through the number of labels.

use super::{Architecture, Attributes, Node, Operator};
use blake3::Hasher;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// A 128-bit structural hash, written as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 16]);

/// The two digests of an architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Digests {
    /// Over operators, all attributes and dataflow.
    pub exact: Digest,
    /// The same, widths ignored: channels, features, head width, group count.
    pub coarse: Digest,
}

#[derive(Clone, Copy)]
enum Detail {
    Exact,
    Coarse,
}

type Label = [u8; 16];

/// Changes whenever the definition of a digest does, so that old and new never compare equal.
const DOMAIN: &[u8] = b"netkin digest 1";

pub(super) fn digests(architecture: &Architecture) -> Digests {
    Digests {
        exact: digest(architecture, Detail::Exact),
        coarse: digest(architecture, Detail::Coarse),
    }
}

fn digest(architecture: &Architecture, detail: Detail) -> Digest {
    let nodes = architecture.nodes();
    let own: Vec<Label> = nodes.iter().map(|node| own_label(node, detail)).collect();
    let past = past_labels(nodes, &own);
    let future = future_labels(nodes, &own);
    let mut labels: Vec<(Label, Label)> = past.into_iter().zip(future).collect();
    labels.sort_unstable();
    let mut hasher = Hasher::new();
    hasher.update(DOMAIN);
    for (past, future) in &labels {
        hasher.update(past);
        hasher.update(future);
    }
    Digest(truncated(&hasher))
}

fn own_label(node: &Node, detail: Detail) -> Label {
    let mut hasher = Hasher::new();
    match &node.operator {
        Operator::Unknown { domain, name } => {
            text(&mut hasher, domain);
            text(&mut hasher, name);
        }
        known => text(&mut hasher, known.name()),
    }
    attributes(&mut hasher, &node.attributes, detail);
    truncated(&hasher)
}

fn attributes(hasher: &mut Hasher, attributes: &Attributes, detail: Detail) {
    for (key, value) in attributes.iter() {
        if matches!(detail, Detail::Coarse) && key.is_width() {
            continue;
        }
        text(hasher, key.name());
        text(hasher, &value.to_string());
    }
}

/// Length first, so that no two sequences of texts hash alike.
fn text(hasher: &mut Hasher, text: &str) {
    hasher.update(&(text.len() as u64).to_le_bytes());
    hasher.update(text.as_bytes());
}

/// Label of each node with everything that flows into it.
fn past_labels(nodes: &[Node], own: &[Label]) -> Vec<Label> {
    let mut past: Vec<Label> = Vec::with_capacity(nodes.len());
    for (node, own) in nodes.iter().zip(own) {
        let mut operands: Vec<(Label, u16)> = node
            .inputs
            .iter()
            .map(|edge| (past[edge.node as usize], edge.port))
            .collect();
        if node.operator.is_commutative() {
            operands.sort_unstable();
        }
        past.push(combined(own, &operands));
    }
    past
}

/// Label of each node with everything it flows into, and at which operand.
fn future_labels(nodes: &[Node], own: &[Label]) -> Vec<Label> {
    let mut readers: Vec<Vec<(Label, u16)>> = vec![Vec::new(); nodes.len()];
    let mut future = vec![Label::default(); nodes.len()];
    for (index, node) in nodes.iter().enumerate().rev() {
        readers[index].sort_unstable();
        future[index] = combined(&own[index], &readers[index]);
        for (position, edge) in node.inputs.iter().enumerate() {
            let place = if node.operator.is_commutative() {
                0
            } else {
                position as u16
            };
            readers[edge.node as usize].push((future[index], place));
        }
    }
    future
}

fn combined(own: &Label, neighbours: &[(Label, u16)]) -> Label {
    let mut hasher = Hasher::new();
    hasher.update(own);
    for (label, place) in neighbours {
        hasher.update(label);
        hasher.update(&place.to_le_bytes());
    }
    truncated(&hasher)
}

fn truncated(hasher: &Hasher) -> Label {
    let mut label = Label::default();
    label.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    label
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const REFUSAL: &str = "a digest is 32 hexadecimal digits";
        if text.len() != 32 || !text.is_ascii() {
            return Err(REFUSAL);
        }
        let mut bytes = [0; 16];
        for (place, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * place..2 * place + 2], 16).map_err(|_| REFUSAL)?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Edge, Key, NodeIndex};

    fn node(operator: Operator, width: i64, inputs: &[NodeIndex]) -> Node {
        Node {
            operator,
            attributes: Attributes::default().with(Key::OutChannels, width),
            inputs: inputs.iter().copied().map(Edge::first).collect(),
            shape: None,
            flops: 0,
        }
    }

    fn digests_of(nodes: Vec<Node>) -> Digests {
        Architecture::new(None, 0, nodes, vec![]).unwrap().digests()
    }

    #[test]
    fn the_order_of_nodes_and_of_a_sum_does_not_matter() {
        use Operator::{Add, Conv, Input, Linear};
        let one = digests_of(vec![
            node(Input, 0, &[]),
            node(Conv, 8, &[0]),
            node(Linear, 8, &[0]),
            node(Add, 0, &[1, 2]),
        ]);
        let other = digests_of(vec![
            node(Input, 0, &[]),
            node(Linear, 8, &[0]),
            node(Conv, 8, &[0]),
            node(Add, 0, &[1, 2]),
        ]);
        assert_eq!(one, other);
    }

    #[test]
    fn the_order_of_a_difference_matters() {
        use Operator::{Conv, Input, Linear, Sub};
        let build = |operands: &[NodeIndex]| {
            digests_of(vec![
                node(Input, 0, &[]),
                node(Conv, 8, &[0]),
                node(Linear, 8, &[0]),
                node(Sub, 0, operands),
            ])
        };
        assert_ne!(build(&[1, 2]).exact, build(&[2, 1]).exact);
    }

    #[test]
    fn widths_change_only_the_exact_digest() {
        use Operator::{Conv, Input};
        let narrow = digests_of(vec![node(Input, 0, &[]), node(Conv, 8, &[0])]);
        let wide = digests_of(vec![node(Input, 0, &[]), node(Conv, 16, &[0])]);
        assert_ne!(narrow.exact, wide.exact);
        assert_eq!(narrow.coarse, wide.coarse);
    }

    #[test]
    fn one_more_layer_changes_both_digests() {
        use Operator::{Conv, Input};
        let shallow = digests_of(vec![node(Input, 0, &[]), node(Conv, 8, &[0])]);
        let deep = digests_of(vec![
            node(Input, 0, &[]),
            node(Conv, 8, &[0]),
            node(Conv, 8, &[1]),
        ]);
        assert_ne!(shallow.exact, deep.exact);
        assert_ne!(shallow.coarse, deep.coarse);
    }

    #[test]
    fn a_digest_survives_text() {
        let digest = Digest([7; 16]);
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert!("07".parse::<Digest>().is_err());
        assert!("é".repeat(16).parse::<Digest>().is_err());
    }
}
