//! Cuts where few values are alive: at the waists of the dataflow.
//!
//! Between two blocks of a network fewer values are still to be read than inside either of them:
//! one in a residual network, one and the encoder's memory in a decoder. `regions` cuts there, first
//! where the fewest values are alive and then inside whatever is still larger than [`LARGEST`] or
//! repeats itself in depth; reads from far away, such as the skips of a U-Net, keep nothing alive.
//! What has no branch at all falls into single operators, which `units` and `pairs` join into
//! layers: a convolution and its activation, a norm and its product.
//!
//! No step looks at the numbering of nodes, and no function calls itself: hostile graphs are deep.

mod pairs;
mod parts;
mod regions;
mod role;
mod units;

use super::identity::Identity;
use super::order::Ordered;
use super::{Cut, Splitter};
use crate::graph::{Architecture, Node, Operator, OperatorGroup};

/// Nodes of the largest motif that is not cut further. The largest blocks that a reader knows by
/// name have about forty: an attention block with rotary positions, a cell of several branches.
const LARGEST: usize = 48;

/// Cuts where fewer values are alive than on either side.
#[derive(Clone, Copy, Debug, Default)]
pub struct Waists;

impl Splitter for Waists {
    fn name(&self) -> &'static str {
        "waists"
    }

    fn split(&self, architecture: &Architecture) -> Cut {
        let ordered = Ordered::new(architecture);
        let sequences = regions::sequences(architecture, &ordered);
        let mut identity = Identity::new(architecture, &ordered.labels);
        let motifs = units::joined(architecture, &mut identity, sequences);
        Cut::of_parts(architecture, &ordered, &motifs)
    }
}

/// Whether an operator has weights or multiplies computed values: what a layer is built around.
fn is_product(node: &Node) -> bool {
    matches!(
        node.operator.group(),
        OperatorGroup::Learned | OperatorGroup::Product
    )
}

fn pools_everything(operator: &Operator) -> bool {
    use Operator::{GlobalAvgPool, GlobalMaxPool, ReduceMean};
    matches!(operator, GlobalAvgPool | GlobalMaxPool | ReduceMean)
}
