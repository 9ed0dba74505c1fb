//! Softmax attention: product, optional scale and bias, softmax, product.
//!
//! What is added to the scores is an attribute, not a subgraph: exporters build masks in dozens of
//! ways (see `mask`). Queries, keys and values that are parts of one projection read
//! the projection itself.

use super::mask::{self, Bias};
use crate::graph::{Attributes, Key, Operator};
use crate::import::canonical::lower::heads_of;
use crate::import::canonical::work::{Operand, Work};

/// The place of the mask among the operands of the whole operator.
const MASK: usize = 3;

/// Steps from the softmax to either product.
const REACH: usize = 8;

pub(super) fn fuse(work: &mut Work) {
    for node in 0..work.nodes.len() {
        if work.is(node, &Operator::MatMul) {
            fuse_product(work, node);
        } else if work.is(node, &Operator::Attention) {
            settle_bias(work, node);
        }
    }
}

fn fuse_product(work: &mut Work, node: usize) {
    for (weights, values) in [(0, 1), (1, 0)] {
        let Some(softmax) = softmax_below(work, node, weights) else {
            continue;
        };
        let Some((scores, bias)) = scores_below(work, softmax) else {
            continue;
        };
        let mut attributes = Attributes::default();
        if let Some(heads) = heads(work, scores, node, values) {
            attributes.set(Key::Heads, heads);
        }
        if let Some(word) = bias.word() {
            attributes.set(Key::Bias, word);
        }
        let quantised = |node: usize| work.nodes[node].attributes.get(Key::Quantised).cloned();
        if let (Some(word), Some(_)) = (quantised(scores), quantised(node)) {
            attributes.set(Key::Quantised, word);
        }
        let operands = vec![
            unscaled(work, scores, 0),
            unscaled(work, scores, 1),
            work.operand(node, values),
        ];
        let node = &mut work.nodes[node];
        node.operator = Operator::Attention;
        node.attributes = attributes;
        node.operands = operands;
        return;
    }
}

/// Heads are a dimension of the query, and of the values if the query's shape is unknown; where
/// they are merged with the batch, the width of the projection tells how many there were.
fn heads(work: &Work, scores: usize, node: usize, values: usize) -> Option<u64> {
    let (query, value) = (work.operand(scores, 0), work.operand(node, values));
    let shape = query.shape().or(value.shape())?;
    if shape.rank() != 3 {
        return heads_of(shape);
    }
    let mut projection = work.producer(node, values)?;
    while work.is(projection, &Operator::Slice) {
        projection = work.producer(projection, 0)?;
    }
    let width = work.nodes[projection].attributes.int(Key::InChannels)?;
    u64::try_from(width).ok()?.checked_div(shape.dim(-1)?)
}

/// The softmax below `position`; guards against not-a-number stand between in some exports.
fn softmax_below(work: &Work, node: usize, position: usize) -> Option<usize> {
    let mut below = work.producer(node, position)?;
    for _ in 0..REACH {
        match work.nodes[below].operator {
            Operator::Softmax => return Some(below),
            Operator::Where => below = last_data(work, below)?,
            Operator::Scale => below = work.producer(below, 0)?,
            _ => return None,
        }
    }
    None
}

fn last_data(work: &Work, node: usize) -> Option<usize> {
    work.data_positions(node)
        .last()
        .and_then(|place| work.producer(node, *place))
}

/// The product of queries and keys below the softmax, and what was added to it.
fn scores_below(work: &Work, softmax: usize) -> Option<(usize, Bias)> {
    let mut bias = Bias::Nothing;
    let mut below = work.producer(softmax, 0)?;
    for _ in 0..REACH {
        let node = &work.nodes[below];
        match node.operator {
            Operator::MatMul => return Some((below, bias)),
            Operator::Scale | Operator::Clip => below = work.producer(below, 0)?,
            Operator::Mul if work.data_positions(below).len() == 1 => {
                below = first_data(work, below)?
            }
            Operator::Add | Operator::Where | Operator::Sub => {
                let product = product_side(work, below)?;
                bias = bias.max(added(work, below, product));
                below = product;
            }
            // Sums written back into a part of the scores.
            Operator::Scatter => {
                bias = Bias::Data;
                below = last_data(work, below)?;
            }
            _ => return None,
        }
    }
    None
}

/// What `node` adds to the scores that `product` leads to.
fn added(work: &Work, node: usize, product: usize) -> Bias {
    let places = work.data_positions(node).into_iter();
    let producers = places.filter_map(|place| work.producer(node, place));
    let others = producers.filter(|producer| *producer != product);
    let computed = others.map(|other| mask::bias(work, other)).max();
    computed.unwrap_or(Bias::Static)
}

fn first_data(work: &Work, node: usize) -> Option<usize> {
    work.data_positions(node)
        .first()
        .and_then(|place| work.producer(node, *place))
}

/// Of the operands of a sum, the one that leads to a product soonest.
fn product_side(work: &Work, node: usize) -> Option<usize> {
    let candidates: Vec<usize> = work
        .data_positions(node)
        .iter()
        .filter_map(|place| work.producer(node, *place))
        .collect();
    candidates
        .iter()
        .copied()
        .find(|candidate| leads_to_product(work, *candidate))
        .or(candidates.first().copied())
}

fn leads_to_product(work: &Work, mut node: usize) -> bool {
    for _ in 0..REACH {
        match work.nodes[node].operator {
            Operator::MatMul => return true,
            Operator::Scale | Operator::Add | Operator::Where | Operator::Clip | Operator::Mul => {
                match first_data(work, node) {
                    Some(below) => node = below,
                    None => return false,
                }
            }
            _ => return false,
        }
    }
    false
}

fn unscaled(work: &Work, node: usize, position: usize) -> Operand {
    let mut operand = work.operand(node, position);
    while let Operand::Data(edge, _) = &operand {
        let below = edge.node as usize;
        let scaled = work.is(below, &Operator::Scale) && work.nodes[below].scale.0 > 0.0;
        if !scaled {
            break;
        }
        let shape = operand.shape().cloned();
        operand = match work.operand(below, 0) {
            Operand::Data(edge, _) => Operand::Data(edge, shape),
            other => other,
        };
    }
    operand
}

/// A mask operand becomes an attribute; the subgraph that computes it goes.
fn settle_bias(work: &mut Work, node: usize) {
    if let Some(mask) = work.producer(node, MASK) {
        let bias = mask::bias(work, mask);
        if let Some(word) = bias.word() {
            work.nodes[node].attributes.set(Key::Bias, word);
        }
    }
    work.nodes[node].operands.truncate(MASK);
    let operands = [0, 1, 2].map(|place| unscaled(work, node, place));
    work.nodes[node].operands = operands.to_vec();
}

/// Queries, keys and values that are slices of one value read that value.
pub(super) fn absorb_projections(work: &mut Work) {
    for node in 0..work.nodes.len() {
        if !work.is(node, &Operator::Attention) {
            continue;
        }
        for place in 0..work.nodes[node].operands.len() {
            let mut operand = work.operand(node, place);
            let shape = operand.shape().cloned();
            while let Operand::Data(edge, _) = &operand {
                let below = edge.node as usize;
                if !work.is(below, &Operator::Slice) {
                    break;
                }
                operand = work.operand(below, 0);
            }
            if let Operand::Data(edge, _) = operand {
                work.nodes[node].operands[place] = Operand::Data(edge, shape);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::import::canonical::testing::{only, onnx, operators, shown, torch};

    const HEADS: &str = "q = input -> 1x4x16x8\nk = input -> 1x4x8x16\nv = input -> 1x4x16x8";

    fn of_heads(lines: &str) -> crate::graph::Architecture {
        onnx(&format!("{HEADS}\n{lines}"))
    }

    #[test]
    fn product_scale_softmax_product_are_attention() {
        let plain = of_heads("s = MatMul(q, k)\nd = Div(s, 2.8)\np = Softmax(d)\ny = MatMul(p, v)");
        assert_eq!(operators(&plain), "attention");
        assert_eq!(shown(&plain, "attention"), "attention heads=4");
    }

    #[test]
    fn a_scale_of_the_operands_changes_nothing() {
        let plain = of_heads("s = MatMul(q, k)\np = Softmax(s)\ny = MatMul(p, v)");
        let scaled = of_heads(
            "a = Mul(q, 0.6)\nb = Mul(k, 0.6)\ns = MatMul(a, b)\np = Softmax(s)\ny = MatMul(p, v)",
        );
        assert_eq!(scaled.digests(), plain.digests());
    }

    #[test]
    fn what_is_added_to_the_scores_is_named() {
        let with = |bias: &str| {
            let lines = format!("s = MatMul(q, k)\n{bias}\np = Softmax(a)\ny = MatMul(p, v)");
            shown(&of_heads(&lines), "attention")
        };
        assert_eq!(with("a = Add(s, w:16x16)"), "attention heads=4 bias=static");
        let learned = "m = input -> 1x1x16x16\nl = MatMul(m, w:16x16)\na = Add(s, l)";
        assert_eq!(with(learned), "attention heads=4 bias=data");
    }

    #[test]
    fn guards_against_not_a_number_vanish() {
        let guarded = of_heads(
            "s = MatMul(q, k)
            p = Softmax(s)
            n = IsNaN(p)
            w = Where(n, 0, p)
            y = MatMul(w, v)",
        );
        assert_eq!(operators(&guarded), "attention");
    }

    #[test]
    fn queries_may_be_learned() {
        let learned = onnx(
            "k = input -> 1x4x8x16
            v = input -> 1x4x16x8
            s = MatMul(w:1x4x20x8, k)
            p = Softmax(s)
            y = MatMul(p, v)",
        );
        assert_eq!(operators(&learned), "attention");
        assert_eq!(shown(&learned, "attention"), "attention heads=4");
    }

    #[test]
    fn torch_has_the_whole_operator() {
        let whole = torch(
            "q = input -> 1x4x16x8
            k = input -> 1x4x16x8
            v = input -> 1x4x16x8
            y = scaled_dot_product_attention(q, k, v) -> 1x4x16x8",
        );
        let opened = of_heads("s = MatMul(q, k)\np = Softmax(s)\ny = MatMul(p, v)");
        assert_eq!(whole.digests(), opened.digests());
    }

    #[test]
    fn another_squashing_than_softmax_is_no_attention() {
        let gated = of_heads("s = MatMul(q, k)\np = Sigmoid(s)\ny = MatMul(p, v)");
        assert_eq!(operators(&gated), "matmul sigmoid matmul");
    }

    #[test]
    fn softmax_of_something_that_is_no_product_is_no_attention() {
        let pooled = of_heads("a = Relu(q)\np = Softmax(a)\ny = MatMul(p, k)");
        assert_eq!(operators(&pooled), "relu softmax matmul");
    }

    #[test]
    fn a_product_with_a_weight_after_softmax_is_no_attention() {
        let mixed = of_heads("s = MatMul(q, k)\np = Softmax(s)\ny = MatMul(p, w:16x8)");
        assert_eq!(operators(&mixed), "matmul softmax linear");
    }

    #[test]
    fn attention_maps_that_are_returned_stay() {
        let both = of_heads("s = MatMul(q, k)\np = Softmax(s)\ny = MatMul(p, v)\nreturn y, p");
        assert_eq!(operators(&both), "matmul softmax attention");
    }

    #[test]
    fn parts_of_one_projection_are_read_from_it() {
        let split = onnx(
            "x = input -> 1x16x32
            a = MatMul(x, w:32x96)
            r = Reshape(a, [1, 16, 3, 4, 8])
            t = Transpose(r) perm=[2,0,3,1,4]
            q = Gather(t, 0)
            k = Gather(t, 1)
            v = Gather(t, 2)
            u = Transpose(k) perm=[0,1,3,2]
            s = MatMul(q, u)
            p = Softmax(s)
            y = MatMul(p, v)",
        );
        assert_eq!(operators(&split), "linear attention");
        let inputs: Vec<_> = only(&split, "attention")
            .inputs
            .iter()
            .map(|edge| edge.node)
            .collect();
        assert_eq!(inputs, [1, 1, 1]);
        assert_eq!(shown(&split, "attention"), "attention heads=4");
    }
}
