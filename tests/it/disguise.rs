//! The same graph in other clothes: nodes in another order, other names, sums turned around.

use netkin::graph::{Edge, Node, NodeIndex};
use netkin::import::{RawGraph, RawNode};
use netkin::random::{Random, mix, text};

/// Some order in which every index comes after those that it needs.
fn order(needs: &[Vec<usize>], random: &mut Random) -> Vec<usize> {
    let mut readers = vec![Vec::new(); needs.len()];
    let mut waiting = vec![0; needs.len()];
    for (index, needs) in needs.iter().enumerate() {
        waiting[index] = needs.len();
        for need in needs {
            readers[*need].push(index);
        }
    }
    let mut ready: Vec<usize> = (0..needs.len()).filter(|i| waiting[*i] == 0).collect();
    let mut order = Vec::with_capacity(needs.len());
    while !ready.is_empty() {
        let next = ready.swap_remove(random.below(ready.len()));
        order.push(next);
        for reader in &readers[next] {
            waiting[*reader] -= 1;
            if waiting[*reader] == 0 {
                ready.push(*reader);
            }
        }
    }
    order
}

fn places(order: &[usize]) -> Vec<NodeIndex> {
    let mut places = vec![0; order.len()];
    for (new, old) in order.iter().enumerate() {
        places[*old] = new as NodeIndex;
    }
    places
}

fn moved(edge: Edge, places: &[NodeIndex]) -> Edge {
    Edge {
        node: places[edge.node as usize],
        port: edge.port,
    }
}

/// The same nodes in another topological order.
pub(crate) fn renumbered(nodes: &[Node], seed: u64) -> Vec<Node> {
    let needs = nodes.iter().map(|node| {
        let inputs = node.inputs.iter();
        inputs.map(|edge| edge.node as usize).collect()
    });
    let order = order(&needs.collect::<Vec<_>>(), &mut Random::new(seed));
    let places = places(&order);
    let copy = |old: &usize| {
        let mut node = nodes[*old].clone();
        for edge in &mut node.inputs {
            *edge = moved(*edge, &places);
        }
        node
    };
    order.iter().map(copy).collect()
}

/// The same raw graph with its nodes in another topological order and no names.
pub(crate) fn reordered(raw: &RawGraph, seed: u64) -> RawGraph {
    let needs = raw.nodes.iter().map(|node| {
        let inputs = node.inputs.iter().flatten();
        inputs.map(|edge| edge.node as usize).collect()
    });
    let order = order(&needs.collect::<Vec<_>>(), &mut Random::new(seed));
    let places = places(&order);
    let copy = |old: &usize| RawNode {
        inputs: raw.nodes[*old]
            .inputs
            .iter()
            .map(|edge| edge.map(|edge| moved(edge, &places)))
            .collect(),
        module: None,
        ..raw.nodes[*old].clone()
    };
    RawGraph {
        producer: None,
        name: None,
        nodes: order.iter().map(copy).collect(),
        outputs: raw.outputs.iter().map(|e| moved(*e, &places)).collect(),
        ..raw.clone()
    }
}

/// The same ONNX graph with the operands of some sums and products turned around.
pub(crate) fn turned(raw: &RawGraph, seed: u64) -> RawGraph {
    let mut random = Random::new(seed);
    let mut raw = raw.clone();
    for node in &mut raw.nodes {
        let commutes = matches!(&*node.op, "Add" | "Mul") && node.inputs.len() == 2;
        if commutes && random.below(2) == 0 {
            node.inputs.swap(0, 1);
        }
    }
    raw
}

/// The same ONNX file with the fields of its graph in any order (so nodes are unsorted), other
/// names for every value and node, and no producer.
pub(crate) fn disguised(model: &[u8], seed: u64) -> Vec<u8> {
    let fields = fields(model).into_iter();
    let fields = fields.filter(|field| !matches!(field.number, 2 | 3));
    let changed = fields.map(|field| match (field.number, field.payload) {
        (7, Some(graph)) => framed(7, &shuffled(&renamed_graph(graph, seed), seed)),
        _ => field.whole.to_vec(),
    });
    changed.collect::<Vec<_>>().concat()
}

fn shuffled(message: &[u8], seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut fields: Vec<&[u8]> = fields(message).iter().map(|field| field.whole).collect();
    for last in (1..fields.len()).rev() {
        fields.swap(last, random.below(last + 1));
    }
    fields.concat()
}

fn renamed_graph(graph: &[u8], seed: u64) -> Vec<u8> {
    rewritten(graph, |number, payload| match number {
        1 => Some(renamed_node(payload, seed)),
        2 => Some(name(payload, seed)),
        5 => Some(with_name(payload, 8, seed)),
        11..=13 => Some(with_name(payload, 1, seed)),
        _ => None,
    })
}

fn renamed_node(node: &[u8], seed: u64) -> Vec<u8> {
    rewritten(node, |number, payload| match number {
        1..=3 => Some(name(payload, seed)),
        5 => Some(rewritten(payload, |number, body| {
            matches!(number, 6 | 11).then(|| renamed_graph(body, seed))
        })),
        _ => None,
    })
}

fn with_name(message: &[u8], field: u64, seed: u64) -> Vec<u8> {
    rewritten(message, |number, payload| {
        (number == field).then(|| name(payload, seed))
    })
}

/// The empty name stays: it is an operand left out.
fn name(old: &[u8], seed: u64) -> Vec<u8> {
    if old.is_empty() {
        return vec![];
    }
    let old = String::from_utf8_lossy(old);
    format!("v{:x}", mix(seed ^ text(&old))).into_bytes()
}

/// One field of a protobuf message; `payload` when it has a length.
struct Field<'a> {
    number: u64,
    whole: &'a [u8],
    payload: Option<&'a [u8]>,
}

fn fields(message: &[u8]) -> Vec<Field<'_>> {
    let mut fields = Vec::new();
    let mut rest = message;
    while !rest.is_empty() {
        let start = rest;
        let tag = varint(&mut rest);
        let mut payload = None;
        match tag & 7 {
            0 => drop(varint(&mut rest)),
            1 => rest = &rest[8..],
            2 => {
                let len = varint(&mut rest) as usize;
                payload = Some(&rest[..len]);
                rest = &rest[len..];
            }
            _ => rest = &rest[4..],
        }
        fields.push(Field {
            number: tag >> 3,
            whole: &start[..start.len() - rest.len()],
            payload,
        });
    }
    fields
}

fn varint(rest: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..70).step_by(7) {
        let byte = rest[0];
        *rest = &rest[1..];
        value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        if byte < 0x80 {
            break;
        }
    }
    value
}

/// The message with those payloads replaced for which `change` has another.
fn rewritten(message: &[u8], change: impl Fn(u64, &[u8]) -> Option<Vec<u8>>) -> Vec<u8> {
    let changed = fields(message).into_iter().map(|field| {
        let other = field
            .payload
            .and_then(|payload| change(field.number, payload));
        other.map_or_else(
            || field.whole.to_vec(),
            |payload| framed(field.number, &payload),
        )
    });
    changed.collect::<Vec<_>>().concat()
}

fn framed(number: u64, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(payload.len() + 6);
    for mut value in [number << 3 | 2, payload.len() as u64] {
        while value >= 0x80 {
            bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        bytes.push(value as u8);
    }
    bytes.extend_from_slice(payload);
    bytes
}
