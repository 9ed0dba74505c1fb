//! Equal operators without weights over equal operands are one: some exporters share them.

use crate::graph::{Attributes, Edge, Operator};
use crate::import::canonical::work::{Operand, Work};
use std::collections::HashMap;

type Shared = (Operator, Attributes, Vec<Edge>, [u64; 2]);

pub(super) fn merge(work: &mut Work) {
    let mut seen: HashMap<Shared, usize> = HashMap::new();
    for node in 0..work.nodes.len() {
        let Some(key) = shared_key(work, node) else {
            continue;
        };
        match seen.get(&key) {
            Some(first) => work.replace(node, *first),
            None => {
                seen.insert(key, node);
            }
        }
    }
}

fn shared_key(work: &Work, node: usize) -> Option<Shared> {
    let this = &work.nodes[node];
    let weightless = !this.operator.is_learned()
        && !matches!(
            this.operator,
            Operator::Input | Operator::Random | Operator::BatchNorm | Operator::Unknown { .. }
        );
    if !weightless || !this.operands.iter().all(Operand::is_data) {
        return None;
    }
    let edges = (0..this.operands.len())
        .filter_map(|place| work.edge(node, place))
        .collect();
    let scale = [this.scale.0.to_bits(), this.scale.1.to_bits()];
    Some((this.operator.clone(), this.attributes.clone(), edges, scale))
}
