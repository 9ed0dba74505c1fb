//! Writes ONNX files for tests: a protobuf writer and shorthands for the messages.

use super::{Error, read, read_from};
use crate::import::canonical::canonicalise;
use crate::import::{Limits, RawGraph, RawNode};

/// A message under construction.
#[derive(Clone, Default)]
pub(super) struct Proto(pub(super) Vec<u8>);

impl Proto {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn raw_varint(mut self, mut value: u64) -> Self {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
        self
    }

    fn tag(self, number: u32, wire: u64) -> Self {
        self.raw_varint(u64::from(number) << 3 | wire)
    }

    pub(super) fn int(self, number: u32, value: i64) -> Self {
        self.tag(number, 0).raw_varint(value as u64)
    }

    pub(super) fn float(mut self, number: u32, value: f32) -> Self {
        self = self.tag(number, 5);
        self.0.extend(value.to_le_bytes());
        self
    }

    pub(super) fn bytes(mut self, number: u32, bytes: &[u8]) -> Self {
        self = self.tag(number, 2).raw_varint(bytes.len() as u64);
        self.0.extend(bytes);
        self
    }

    pub(super) fn text(self, number: u32, text: &str) -> Self {
        self.bytes(number, text.as_bytes())
    }

    pub(super) fn message(self, number: u32, message: Proto) -> Self {
        self.bytes(number, &message.0)
    }

    pub(super) fn messages(self, number: u32, messages: impl IntoIterator<Item = Proto>) -> Self {
        messages
            .into_iter()
            .fold(self, |all, message| all.message(number, message))
    }

    pub(super) fn texts(self, number: u32, texts: &[&str]) -> Self {
        texts.iter().fold(self, |all, text| all.text(number, text))
    }

    pub(super) fn packed(self, number: u32, values: &[i64]) -> Self {
        let values = values
            .iter()
            .fold(Proto::new(), |all, value| all.raw_varint(*value as u64));
        self.message(number, values)
    }
}

pub(super) fn node(op: &str, inputs: &[&str], outputs: &[&str]) -> Proto {
    Proto::new().texts(1, inputs).texts(2, outputs).text(4, op)
}

pub(super) fn graph(nodes: &[Proto], inputs: &[&str], outputs: &[&str]) -> Proto {
    let value = |name: &&str| Proto::new().text(1, name);
    Proto::new()
        .messages(1, nodes.iter().cloned())
        .messages(11, inputs.iter().map(value))
        .messages(12, outputs.iter().map(value))
}

pub(super) fn model(graph: Proto) -> Proto {
    let opset = Proto::new().int(2, 17);
    Proto::new().int(1, 8).message(7, graph).message(8, opset)
}

/// A model of one chain of nodes from `x` to `y`.
pub(super) fn chain(nodes: &[Proto]) -> Proto {
    model(graph(nodes, &["x"], &["y"]))
}

pub(super) fn tensor(name: &str, kind: i64, dims: &[i64]) -> Proto {
    let dims = dims.iter().fold(Proto::new(), |all, dim| all.int(1, *dim));
    dims.int(2, kind).text(8, name)
}

/// An attribute that holds a graph.
pub(super) fn body(name: &str, graph: Proto) -> Proto {
    Proto::new().text(1, name).message(6, graph).int(20, 5)
}

pub(super) fn function(name: &str, inputs: &[&str], outputs: &[&str], nodes: &[Proto]) -> Proto {
    Proto::new()
        .text(1, name)
        .texts(4, inputs)
        .texts(5, outputs)
        .messages(7, nodes.iter().cloned())
        .text(10, "local")
}

pub(super) fn call(name: &str, inputs: &[&str], outputs: &[&str]) -> Proto {
    node(name, inputs, outputs).text(7, "local")
}

/// Imports with the default limits; what can be imported is canonicalised as well.
pub(super) fn import(bytes: &[u8]) -> Result<RawGraph, Error> {
    import_within(bytes, &Limits::default())
}

pub(super) fn import_within(bytes: &[u8], limits: &Limits) -> Result<RawGraph, Error> {
    let raw = read(bytes, limits);
    let streamed = read_from(Dribble(bytes), limits);
    match (&raw, &streamed) {
        // Numbers that are no numbers are equal when they print so.
        (Ok(raw), Ok(streamed)) => assert_eq!(format!("{raw:?}"), format!("{streamed:?}")),
        // The stream may stumble first over something else.
        (Err(_), Err(_)) => {}
        _ => panic!("one reader accepts the file: {raw:?} {streamed:?}"),
    }
    let raw = raw?;
    assert!(raw.nodes.len() <= limits.nodes);
    // It may have no architecture. It may not panic.
    if let Ok(architecture) = canonicalise(&raw, limits) {
        architecture.digests();
    }
    Ok(raw)
}

pub(super) fn ops(raw: &RawGraph) -> Vec<&str> {
    raw.nodes.iter().map(|node| &*node.op).collect()
}

/// The only node with this operator.
pub(super) fn only<'r>(raw: &'r RawGraph, op: &str) -> &'r RawNode {
    let mut found = raw.nodes.iter().filter(|node| &*node.op == op);
    let node = found.next().expect("the operator is there");
    assert!(found.next().is_none(), "`{op}` is there twice");
    node
}

/// A reader that gives a few bytes at a time.
struct Dribble<'a>(&'a [u8]);

impl std::io::Read for Dribble<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let most = buffer.len().min(1 + self.0.len() % 1_009);
        self.0.read(&mut buffer[..most])
    }
}
