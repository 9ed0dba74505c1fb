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

#[cfg(test)]
mod tests {
    use crate::import::canonical::testing::{onnx, operators, torch};

    fn of_x(lines: &str) -> String {
        operators(&onnx(&format!("x = input -> 1x8x6x6\n{lines}")))
    }

    #[test]
    fn equal_operators_without_weights_are_one() {
        assert_eq!(
            of_x("a = Relu(x)\nb = Relu(x)\ny = Concat(a, b) axis=1"),
            "relu concat"
        );
        let chain = "a = Relu(x)\nb = Relu(x)\nc = Tanh(a)\nd = Tanh(b)\ny = Concat(c, d) axis=1";
        assert_eq!(of_x(chain), "relu tanh concat");
    }

    #[test]
    fn layers_with_weights_are_never_one() {
        let convolutions =
            "a = Conv(x, w:4x8x3x3)\nb = Conv(x, w:4x8x3x3)\ny = Concat(a, b) axis=1";
        assert_eq!(of_x(convolutions), "conv conv concat");
        let learned = "a = Mul(x, w:1x8x1x1)\nb = Mul(x, w:1x8x1x1)\ny = Concat(a, b) axis=1";
        assert_eq!(of_x(learned), "mul mul concat");
    }

    #[test]
    fn equal_operators_with_other_attributes_are_two() {
        let pools = "a = MaxPool(x) kernel_shape=[3,3]\nb = MaxPool(x) kernel_shape=[2,2]\ny = Concat(a, b) axis=1";
        assert_eq!(of_x(pools), "max_pool max_pool concat");
    }

    #[test]
    fn two_draws_of_random_values_are_two() {
        let draws = "x = input -> 1x8\na = rand_like(x) -> 1x8\nb = rand_like(x) -> 1x8\ny = add(a, b) -> 1x8";
        assert_eq!(operators(&torch(draws)), "random random add");
    }
}
