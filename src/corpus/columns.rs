//! A block of raw graphs as columns: all operators, then all edges, then all attributes, so that
//! like stands beside like and compresses well.
//!
//! Attributes and shapes of whole nodes are interned, since layers repeat. Module paths and names
//! are dropped. Reading trusts nothing: every length is checked against the bytes that are left.

use crate::graph::{Edge, Shape};
use crate::import::{Dialect, Map, RawGraph, RawNode, RawValue};
use std::collections::HashMap;

/// Nesting of attribute values beyond which a block is refused.
const MOST_DEPTH: usize = 64;
/// Bytes of encoded attributes that one block may repeat by interning.
const MOST_REPEATED_BYTES: usize = 256 << 20;
/// Integers from 0 up to this one take a single byte.
const SMALL_INTS: i64 = 200;

mod tag {
    pub(super) const NONE: u8 = 0;
    pub(super) const FALSE: u8 = 1;
    pub(super) const TRUE: u8 = 2;
    pub(super) const INT: u8 = 3;
    pub(super) const FLOAT: u8 = 4;
    pub(super) const TEXT: u8 = 5;
    pub(super) const LIST: u8 = 6;
    pub(super) const MAP: u8 = 7;
    pub(super) const OPERAND: u8 = 8;
    pub(super) const WEIGHT: u8 = 9;
    pub(super) const CONSTANT: u8 = 10;
    pub(super) const CONSTANT_VALUES: u8 = 11;
    pub(super) const SLICE: u8 = 12;
    pub(super) const ELLIPSIS: u8 = 13;
    pub(super) const OTHER: u8 = 14;
    pub(super) const SMALL: u8 = 32;
}

/// What a damaged block says; the caller adds which block.
pub(super) type Problem = &'static str;

/// Encodes graphs; edges must point backwards.
pub(super) fn encode(graphs: &[RawGraph]) -> Result<Vec<u8>, Problem> {
    let mut writer = Writer::default();
    for graph in graphs {
        writer.graph(graph)?;
    }
    let mut bytes = Vec::new();
    put(&mut bytes, graphs.len() as u64);
    for column in writer.columns() {
        put(&mut bytes, column.len() as u64);
        bytes.extend_from_slice(column);
    }
    Ok(bytes)
}

/// The graphs that [`encode`] wrote, decoded one at a time: a block's graphs together take twenty
/// times its bytes. Behind the first problem nothing more comes.
pub(super) fn decode(bytes: &[u8]) -> Result<Graphs<'_>, Problem> {
    let mut block = Reader(bytes);
    let count = block.get()?;
    let [
        strings,
        attributes,
        shapes,
        headers,
        operators,
        edges,
        attribute_ids,
        shape_ids,
        parameters,
    ] = block.columns()?;
    let decoder = Decoder {
        strings: read_strings(strings)?,
        attributes: Interned::new(attributes),
        shapes: Interned::new(shapes),
        headers,
        operators,
        edges,
        attribute_ids,
        shape_ids,
        parameters,
        repeated_left: MOST_REPEATED_BYTES,
    };
    Ok(Graphs {
        decoder,
        left: count,
    })
}

/// The graphs of a block that are still to be decoded.
pub(super) struct Graphs<'a> {
    decoder: Decoder<'a>,
    left: u64,
}

impl Graphs<'_> {
    /// How many are left, by what the block states.
    pub(super) fn left(&self) -> u64 {
        self.left
    }
}

impl Iterator for Graphs<'_> {
    type Item = Result<RawGraph, Problem>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let graph = self.decoder.graph();
        if graph.is_err() {
            self.left = 0;
        }
        Some(graph)
    }
}

#[derive(Default)]
struct Writer {
    string_ids: HashMap<Box<str>, u64>,
    attribute_known: HashMap<Vec<u8>, u64>,
    shape_known: HashMap<Vec<u8>, u64>,
    strings: Vec<u8>,
    attributes: Vec<u8>,
    shapes: Vec<u8>,
    headers: Vec<u8>,
    operators: Vec<u8>,
    edges: Vec<u8>,
    attribute_ids: Vec<u8>,
    shape_ids: Vec<u8>,
    parameters: Vec<u8>,
}

impl Writer {
    fn columns(&self) -> [&[u8]; 9] {
        [
            &self.strings,
            &self.attributes,
            &self.shapes,
            &self.headers,
            &self.operators,
            &self.edges,
            &self.attribute_ids,
            &self.shape_ids,
            &self.parameters,
        ]
    }

    fn graph(&mut self, graph: &RawGraph) -> Result<(), Problem> {
        let producer = match &graph.producer {
            Some(producer) => self.string(producer) + 1,
            None => 0,
        };
        let count = graph.nodes.len();
        put(&mut self.headers, dialect_code(graph.dialect));
        put(&mut self.headers, producer);
        put_option(&mut self.headers, graph.parameters);
        put(&mut self.headers, count as u64);
        put(&mut self.headers, graph.outputs.len() as u64);
        for output in &graph.outputs {
            put_edge(&mut self.headers, Some(*output), count)?;
        }
        for (index, node) in graph.nodes.iter().enumerate() {
            self.node(index, node, graph.dialect)?;
        }
        Ok(())
    }

    fn node(&mut self, index: usize, node: &RawNode, dialect: Dialect) -> Result<(), Problem> {
        let op = self.string(&node.op);
        put(&mut self.operators, op);
        if dialect == Dialect::Onnx {
            let domain = self.string(&node.domain);
            put(&mut self.operators, domain);
        }
        put(&mut self.edges, node.inputs.len() as u64);
        for input in &node.inputs {
            put_edge(&mut self.edges, *input, index)?;
        }
        let mut attributes = Vec::new();
        self.map(&mut attributes, &node.attributes);
        intern(
            &mut self.attribute_known,
            attributes,
            &mut self.attributes,
            &mut self.attribute_ids,
        );
        let mut shapes = Vec::new();
        put(&mut shapes, node.shapes.len() as u64);
        for shape in &node.shapes {
            put_optional_shape(&mut shapes, shape.as_ref());
        }
        intern(
            &mut self.shape_known,
            shapes,
            &mut self.shapes,
            &mut self.shape_ids,
        );
        put_parameters(&mut self.parameters, node.parameters, &node.attributes);
        Ok(())
    }

    fn string(&mut self, text: &str) -> u64 {
        if let Some(id) = self.string_ids.get(text) {
            return *id;
        }
        let id = self.string_ids.len() as u64;
        self.string_ids.insert(text.into(), id);
        put(&mut self.strings, text.len() as u64);
        self.strings.extend_from_slice(text.as_bytes());
        id
    }

    fn text(&mut self, out: &mut Vec<u8>, text: &str) {
        let id = self.string(text);
        put(out, id);
    }

    fn map(&mut self, out: &mut Vec<u8>, map: &Map) {
        put(out, map.0.len() as u64);
        for (name, value) in &map.0 {
            self.text(out, name);
            self.value(out, value);
        }
    }

    fn value(&mut self, out: &mut Vec<u8>, value: &RawValue) {
        match value {
            RawValue::None => out.push(tag::NONE),
            RawValue::Bool(false) => out.push(tag::FALSE),
            RawValue::Bool(true) => out.push(tag::TRUE),
            RawValue::Int(value) if (0..SMALL_INTS).contains(value) => {
                out.push(tag::SMALL + *value as u8);
            }
            RawValue::Int(value) => {
                out.push(tag::INT);
                put(out, zigzag(*value));
            }
            RawValue::Float(value) => {
                out.push(tag::FLOAT);
                out.extend_from_slice(&value.to_le_bytes());
            }
            RawValue::Text(text) => {
                out.push(tag::TEXT);
                self.text(out, text);
            }
            RawValue::List(items) => {
                out.push(tag::LIST);
                put(out, items.len() as u64);
                for item in items {
                    self.value(out, item);
                }
            }
            RawValue::Map(map) => {
                out.push(tag::MAP);
                self.map(out, map);
            }
            RawValue::Operand(operand) => {
                out.push(tag::OPERAND);
                put(out, u64::from(*operand));
            }
            RawValue::Weight(shape) => {
                out.push(tag::WEIGHT);
                put_shape(out, shape);
            }
            RawValue::Constant { shape, values } => {
                out.push(match values {
                    Some(_) => tag::CONSTANT_VALUES,
                    None => tag::CONSTANT,
                });
                put_shape(out, shape);
                if let Some(values) = values {
                    put(out, values.len() as u64);
                    for value in values {
                        out.extend_from_slice(&value.to_le_bytes());
                    }
                }
            }
            RawValue::Slice(bounds) => {
                out.push(tag::SLICE);
                for bound in bounds.iter() {
                    self.value(out, bound);
                }
            }
            RawValue::Ellipsis => out.push(tag::ELLIPSIS),
            RawValue::Other(name) => {
                out.push(tag::OTHER);
                self.text(out, name);
            }
        }
    }
}

/// Writes 0 and the item when it is new, or else its number plus 1.
fn intern(
    known: &mut HashMap<Vec<u8>, u64>,
    item: Vec<u8>,
    table: &mut Vec<u8>,
    ids: &mut Vec<u8>,
) {
    if let Some(id) = known.get(&item) {
        put(ids, id + 1);
        return;
    }
    put(ids, 0);
    put(table, item.len() as u64);
    table.extend_from_slice(&item);
    let id = known.len() as u64;
    known.insert(item, id);
}

fn dialect_code(dialect: Dialect) -> u64 {
    match dialect {
        Dialect::Torch => 0,
        Dialect::Onnx => 1,
        Dialect::Keras => 2,
        Dialect::Nas => 3,
    }
}

fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

fn put_option(out: &mut Vec<u8>, value: Option<u64>) {
    out.push(u8::from(value.is_some()));
    if let Some(value) = value {
        put(out, value);
    }
}

/// 0 for an operand left out; otherwise how far back the producer lies, doubled, plus 1 when the
/// output follows because it is not the first.
fn put_edge(out: &mut Vec<u8>, edge: Option<Edge>, reader: usize) -> Result<(), Problem> {
    let Some(edge) = edge else {
        put(out, 0);
        return Ok(());
    };
    let back = (reader as u64)
        .checked_sub(u64::from(edge.node))
        .filter(|back| *back > 0)
        .ok_or("an edge does not point backwards")?;
    put(out, 2 * back + u64::from(edge.port != 0));
    if edge.port != 0 {
        put(out, u64::from(edge.port));
    }
    Ok(())
}

fn put_shape(out: &mut Vec<u8>, shape: &Shape) {
    put_optional_shape(out, Some(shape));
}

/// Rank plus 1, then each dimension plus 1; 0 stands for unknown.
fn put_optional_shape(out: &mut Vec<u8>, shape: Option<&Shape>) {
    let Some(shape) = shape else {
        return put(out, 0);
    };
    put(out, shape.0.len() as u64 + 1);
    for dim in &shape.0 {
        // A dimension of 2^64 - 1 cannot be stored and reads as unknown.
        put(out, dim.and_then(|dim| dim.checked_add(1)).unwrap_or(0));
    }
}

/// 1 when the count follows from the weights in the attributes, else 0 for none or the count plus 2.
fn put_parameters(out: &mut Vec<u8>, parameters: u64, attributes: &Map) {
    let code = match parameters {
        0 => 0,
        some if some == weight_elements_of(attributes) => 1,
        some => some.saturating_add(2),
    };
    put(out, code);
}

fn weight_elements_of(map: &Map) -> u64 {
    map.0.iter().fold(0, |total: u64, (_, value)| {
        total.saturating_add(weight_elements(value))
    })
}

fn weight_elements(value: &RawValue) -> u64 {
    match value {
        RawValue::Weight(shape) => shape.elements().unwrap_or(0),
        RawValue::List(items) => items.iter().fold(0, |total: u64, item| {
            total.saturating_add(weight_elements(item))
        }),
        RawValue::Map(map) => weight_elements_of(map),
        _ => 0,
    }
}

/// A cursor over untrusted bytes.
#[derive(Clone, Copy)]
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Result<u8, Problem> {
        let (first, rest) = self.0.split_first().ok_or("a column ends early")?;
        self.0 = rest;
        Ok(*first)
    }

    fn get(&mut self) -> Result<u64, Problem> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err("a number is longer than 64 bits")
    }

    fn take(&mut self, len: u64) -> Result<&'a [u8], Problem> {
        let len = usize::try_from(len).map_err(|_| "a length is impossible")?;
        let (taken, rest) = self.0.split_at_checked(len).ok_or("a column ends early")?;
        self.0 = rest;
        Ok(taken)
    }

    fn column(&mut self) -> Result<Reader<'a>, Problem> {
        let len = self.get()?;
        self.take(len).map(Reader)
    }

    fn columns(&mut self) -> Result<[Reader<'a>; 9], Problem> {
        let mut columns = [Reader(&[]); 9];
        for column in &mut columns {
            *column = self.column()?;
        }
        Ok(columns)
    }

    fn float(&mut self) -> Result<f64, Problem> {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(self.take(8)?);
        Ok(f64::from_le_bytes(bytes))
    }

    fn edge(&mut self, reader: usize) -> Result<Option<Edge>, Problem> {
        let code = self.get()?;
        if code == 0 {
            return Ok(None);
        }
        let node = (reader as u64)
            .checked_sub(code / 2)
            .filter(|node| *node < reader as u64)
            .and_then(|node| u32::try_from(node).ok())
            .ok_or("an edge starts nowhere")?;
        let port = match code % 2 {
            0 => 0,
            _ => u16::try_from(self.get()?).map_err(|_| "an output number is too large")?,
        };
        Ok(Some(Edge { node, port }))
    }

    fn optional_shape(&mut self) -> Result<Option<Shape>, Problem> {
        let Some(rank) = self.get()?.checked_sub(1) else {
            return Ok(None);
        };
        let mut dims = Vec::new();
        for _ in 0..rank {
            dims.push(self.get()?.checked_sub(1));
        }
        Ok(Some(Shape(dims)))
    }

    fn shape(&mut self) -> Result<Shape, Problem> {
        self.optional_shape()?.ok_or("a weight has no shape")
    }
}

fn read_strings(mut column: Reader<'_>) -> Result<Vec<&str>, Problem> {
    let mut strings = Vec::new();
    while !column.0.is_empty() {
        let text = column.column()?;
        strings.push(std::str::from_utf8(text.0).map_err(|_| "a text is no UTF-8")?);
    }
    Ok(strings)
}

/// A table that grows as its column of numbers asks for new items.
struct Interned<'a> {
    table: Reader<'a>,
    known: Vec<Reader<'a>>,
}

impl<'a> Interned<'a> {
    fn new(table: Reader<'a>) -> Self {
        let known = Vec::new();
        Self { table, known }
    }

    fn next(&mut self, ids: &mut Reader<'_>) -> Result<Reader<'a>, Problem> {
        match ids.get()? {
            0 => {
                let item = self.table.column()?;
                self.known.push(item);
                Ok(item)
            }
            id => usize::try_from(id - 1)
                .ok()
                .and_then(|id| self.known.get(id).copied())
                .ok_or("a number names nothing in its table"),
        }
    }
}

struct Decoder<'a> {
    strings: Vec<&'a str>,
    attributes: Interned<'a>,
    shapes: Interned<'a>,
    headers: Reader<'a>,
    operators: Reader<'a>,
    edges: Reader<'a>,
    attribute_ids: Reader<'a>,
    shape_ids: Reader<'a>,
    parameters: Reader<'a>,
    repeated_left: usize,
}

impl Decoder<'_> {
    fn graph(&mut self) -> Result<RawGraph, Problem> {
        let dialect = match self.headers.get()? {
            0 => Dialect::Torch,
            1 => Dialect::Onnx,
            2 => Dialect::Keras,
            3 => Dialect::Nas,
            _ => return Err("a dialect is unknown"),
        };
        let producer = match self.headers.get()? {
            0 => None,
            id => Some(text(&self.strings, id - 1)?.to_owned()),
        };
        let parameters = match self.headers.byte()? {
            0 => None,
            _ => Some(self.headers.get()?),
        };
        let count = usize::try_from(self.headers.get()?).map_err(|_| "a length is impossible")?;
        let mut outputs = Vec::new();
        for _ in 0..self.headers.get()? {
            outputs.push(self.headers.edge(count)?.ok_or("an output is left out")?);
        }
        let mut nodes = Vec::new();
        for index in 0..count {
            nodes.push(self.node(index, dialect)?);
        }
        Ok(RawGraph {
            dialect,
            producer,
            name: None,
            parameters,
            nodes,
            outputs,
        })
    }

    fn node(&mut self, index: usize, dialect: Dialect) -> Result<RawNode, Problem> {
        let op = text(&self.strings, self.operators.get()?)?.into();
        let domain = match dialect {
            Dialect::Onnx => text(&self.strings, self.operators.get()?)?.into(),
            Dialect::Torch | Dialect::Keras | Dialect::Nas => "".into(),
        };
        let mut inputs = Vec::new();
        for _ in 0..self.edges.get()? {
            inputs.push(self.edges.edge(index)?);
        }
        let mut attributes = self.attributes.next(&mut self.attribute_ids)?;
        self.spend(attributes.0.len())?;
        let attributes = read_map(&self.strings, &mut attributes, 0)?;
        let mut encoded = self.shapes.next(&mut self.shape_ids)?;
        self.spend(encoded.0.len())?;
        let mut shapes = Vec::new();
        for _ in 0..encoded.get()? {
            shapes.push(encoded.optional_shape()?);
        }
        let parameters = match self.parameters.get()? {
            0 => 0,
            1 => weight_elements_of(&attributes),
            code => code - 2,
        };
        Ok(RawNode {
            op,
            domain,
            inputs,
            attributes,
            shapes,
            parameters,
            module: None,
        })
    }

    fn spend(&mut self, bytes: usize) -> Result<(), Problem> {
        self.repeated_left = self
            .repeated_left
            .checked_sub(bytes)
            .ok_or("it unfolds to more than 256 MiB of attributes")?;
        Ok(())
    }
}

fn text<'a>(strings: &[&'a str], id: u64) -> Result<&'a str, Problem> {
    usize::try_from(id)
        .ok()
        .and_then(|id| strings.get(id).copied())
        .ok_or("a number names no text")
}

fn read_map(strings: &[&str], bytes: &mut Reader<'_>, depth: usize) -> Result<Map, Problem> {
    let mut entries = Vec::new();
    for _ in 0..bytes.get()? {
        let name = text(strings, bytes.get()?)?.into();
        entries.push((name, read_value(strings, bytes, depth + 1)?));
    }
    Ok(Map(entries))
}

fn read_value(strings: &[&str], bytes: &mut Reader<'_>, depth: usize) -> Result<RawValue, Problem> {
    if depth > MOST_DEPTH {
        return Err("attributes are nested too deeply");
    }
    Ok(match bytes.byte()? {
        tag::NONE => RawValue::None,
        tag::FALSE => RawValue::Bool(false),
        tag::TRUE => RawValue::Bool(true),
        tag::INT => {
            let code = bytes.get()?;
            RawValue::Int((code >> 1) as i64 ^ -((code & 1) as i64))
        }
        tag::FLOAT => RawValue::Float(bytes.float()?),
        tag::TEXT => RawValue::Text(text(strings, bytes.get()?)?.into()),
        tag::LIST => {
            let mut items = Vec::new();
            for _ in 0..bytes.get()? {
                items.push(read_value(strings, bytes, depth + 1)?);
            }
            RawValue::List(items)
        }
        tag::MAP => RawValue::Map(read_map(strings, bytes, depth + 1)?),
        tag::OPERAND => RawValue::Operand(
            u32::try_from(bytes.get()?).map_err(|_| "an operand number is too large")?,
        ),
        tag::WEIGHT => RawValue::Weight(bytes.shape()?),
        tag::CONSTANT => RawValue::Constant {
            shape: bytes.shape()?,
            values: None,
        },
        tag::CONSTANT_VALUES => {
            let shape = bytes.shape()?;
            let mut values = Vec::new();
            for _ in 0..bytes.get()? {
                values.push(bytes.float()?);
            }
            RawValue::Constant {
                shape,
                values: Some(values),
            }
        }
        tag::SLICE => RawValue::Slice(Box::new([
            read_value(strings, bytes, depth + 1)?,
            read_value(strings, bytes, depth + 1)?,
            read_value(strings, bytes, depth + 1)?,
        ])),
        tag::ELLIPSIS => RawValue::Ellipsis,
        tag::OTHER => RawValue::Other(text(strings, bytes.get()?)?.into()),
        small if (tag::SMALL..tag::SMALL + SMALL_INTS as u8).contains(&small) => {
            RawValue::Int(i64::from(small - tag::SMALL))
        }
        _ => return Err("an attribute has an unknown tag"),
    })
}
