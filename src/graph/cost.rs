//! Floating-point operations of one operator.
//!
//! A multiply-accumulate counts as two. Products (convolution, linear, matrix product, attention,
//! recurrent layers) are counted in full; every other operator counts one per output element.

use super::{Key, Node, Operator, Shape};

/// What a node costs, given the shapes of its operands and output.
#[derive(Clone, Copy, Debug)]
pub struct Cost<'a> {
    /// Shapes in which the dataflow operands arrive.
    pub operands: &'a [Option<Shape>],
    /// Shape of the first output.
    pub output: Option<&'a Shape>,
}

/// Floating-point operations of `node`; 0 when a shape that decides them is unknown.
pub fn node_flops(node: &Node, cost: Cost<'_>) -> u64 {
    counted(node, cost).unwrap_or(0)
}

fn counted(node: &Node, cost: Cost<'_>) -> Option<u64> {
    let elements = cost.output.and_then(Shape::elements);
    match node.operator {
        Operator::Input => Some(0),
        Operator::Conv | Operator::DeformConv => elements?
            .checked_mul(2)?
            .checked_mul(multiplies_per_output(node)?),
        Operator::ConvTranspose => {
            let read = cost.operands.first()?.as_ref()?.elements()?;
            read.checked_mul(2)?
                .checked_mul(transposed_multiplies_per_input(node)?)
        }
        Operator::Linear => elements?
            .checked_mul(2)?
            .checked_mul(width(node, Key::InChannels)?),
        Operator::MatMul => {
            let inner = cost.operands.first()?.as_ref()?.dim(-1)?;
            elements?.checked_mul(2)?.checked_mul(inner)
        }
        Operator::Attention => attention(cost),
        Operator::Lstm => recurrent(node, elements?, 4),
        Operator::Gru => recurrent(node, elements?, 3),
        Operator::Rnn => recurrent(node, elements?, 1),
        _ => elements,
    }
}

fn width(node: &Node, key: Key) -> Option<u64> {
    u64::try_from(node.attributes.int(key)?).ok()
}

fn window(node: &Node) -> Option<u64> {
    match node.attributes.get(Key::Kernel)? {
        super::Value::Ints(sides) => sides.iter().try_fold(1u64, |product, side| {
            product.checked_mul(u64::try_from(*side).ok()?)
        }),
        super::Value::Int(_) | super::Value::Word(_) => None,
    }
}

fn multiplies_per_output(node: &Node) -> Option<u64> {
    let groups = width(node, Key::Groups).unwrap_or(1).max(1);
    window(node)?.checked_mul(width(node, Key::InChannels)? / groups)
}

fn transposed_multiplies_per_input(node: &Node) -> Option<u64> {
    let groups = width(node, Key::Groups).unwrap_or(1).max(1);
    window(node)?.checked_mul(width(node, Key::OutChannels)? / groups)
}

/// Two products, queries with keys and scores with values: [.., queries, d] and [.., keys, d].
fn attention(cost: Cost<'_>) -> Option<u64> {
    let [query, key, value, ..] = cost.operands else {
        return None;
    };
    let scores = query
        .as_ref()?
        .elements()?
        .checked_mul(key.as_ref()?.dim(-2)?)?;
    let value_ratio = value.as_ref()?.dim(-1)?;
    let query_width = query.as_ref()?.dim(-1)?.max(1);
    let weighted = (scores / query_width).checked_mul(value_ratio)?;
    scores.checked_add(weighted)?.checked_mul(2)
}

/// `gates` products with the input and with the state, for every step.
fn recurrent(node: &Node, elements: u64, gates: u64) -> Option<u64> {
    let read = width(node, Key::InChannels)?.checked_add(width(node, Key::Hidden)?)?;
    elements.checked_mul(2 * gates)?.checked_mul(read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Attributes;

    fn flops(
        operator: Operator,
        attributes: Attributes,
        operands: &[&[u64]],
        output: &[u64],
    ) -> u64 {
        let node = Node {
            operator,
            attributes,
            inputs: vec![],
            shape: None,
            flops: 0,
        };
        let operands: Vec<_> = operands
            .iter()
            .map(|dims| Some(Shape::known(dims)))
            .collect();
        node_flops(
            &node,
            Cost {
                operands: &operands,
                output: Some(&Shape::known(output)),
            },
        )
    }

    #[test]
    fn a_grouped_convolution_costs_its_share() {
        let dense = Attributes::default()
            .with(Key::Kernel, vec![3, 3])
            .with(Key::InChannels, 8i64);
        let grouped = dense.clone().with(Key::Groups, 4i64);
        let output = [1, 16, 10, 10];
        assert_eq!(
            flops(Operator::Conv, dense, &[&[1, 8, 10, 10]], &output),
            2 * 1600 * 72
        );
        assert_eq!(
            flops(Operator::Conv, grouped, &[&[1, 8, 10, 10]], &output),
            2 * 1600 * 18
        );
    }

    #[test]
    fn attention_costs_two_products() {
        let shapes: [&[u64]; 3] = [&[1, 2, 5, 4], &[1, 2, 7, 4], &[1, 2, 7, 4]];
        let cost = flops(
            Operator::Attention,
            Attributes::default(),
            &shapes,
            &[1, 2, 5, 4],
        );
        assert_eq!(cost, 2 * (2 * 5 * 7 * 4) * 2);
    }

    #[test]
    fn an_unknown_or_overflowing_shape_costs_nothing_rather_than_panicking() {
        let attributes = Attributes::default().with(Key::InChannels, i64::MAX);
        assert_eq!(flops(Operator::Linear, attributes, &[], &[u64::MAX]), 0);
        assert_eq!(flops(Operator::Conv, Attributes::default(), &[], &[1]), 0);
    }
}
