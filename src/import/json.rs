//! Reads and writes `netkin-graph` version 1, the JSON form of a raw graph (docs/netkin-graph.md).
//!
//! Unknown fields are ignored; unknown versions, repeated keys and anything beyond [`Limits`] are
//! refused, naming the node and the field. Interprets no operator: that is `canonical`'s work.
//! Reading never recurses deeper than `Limits::depth`, nor takes more than `Limits::memory_bytes`.

mod parse;
mod write;

pub use write::{part, write};

use super::{Dialect, Limits, Map, RawGraph, RawNode, RawValue};
use crate::graph::{Edge, Shape};
use parse::Json;

/// The version this module reads and writes.
const VERSION: i64 = 1;

/// Why bytes are no raw graph.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No JSON, or JSON that breaks a bound while being read.
    #[error("the raw graph is no usable JSON: {0}")]
    Syntax(String),
    /// JSON of something else.
    #[error(
        "this JSON is no netkin graph: `format` must be \"netkin-graph\"; write the file with the netkin Python client"
    )]
    Format,
    /// A version this program does not know.
    #[error(
        "netkin-graph version {0} is not supported, only version 1; upgrade netkin, or export again with a client that writes version 1"
    )]
    Version(String),
    /// More of something than the limits allow.
    #[error("{place} has {found} {what}, more than the limit of {limit}")]
    TooLarge {
        /// Where: `the graph`, `node 3`.
        place: String,
        /// What is counted.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many may be.
        limit: usize,
    },
    /// A field that is missing or malformed.
    #[error("{place}: `{field}` {problem}")]
    Field {
        /// Where: `the graph`, `node 3`.
        place: String,
        /// The field at fault.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// Reads one raw graph.
///
/// # Errors
/// When the bytes are no JSON, no netkin graph of version 1, break a limit, or name nodes that do
/// not come before their reader.
pub fn read(bytes: &[u8], limits: &Limits) -> Result<RawGraph, Error> {
    let mut fields = match parse::parse(bytes, limits)? {
        Json::Map(fields) => Fields(fields),
        _ => return Err(Error::Format),
    };
    check_header(&mut fields)?;
    let graph = Place::graph(limits);
    let dialect = dialect(&graph, fields.take("dialect"))?;
    let nodes = match fields.take("nodes") {
        Json::List(nodes) => nodes,
        _ => return Err(graph.wrong("nodes", "must be a list of nodes")),
    };
    graph.bound("nodes", nodes.len(), limits.nodes)?;
    let count = nodes.len();
    let outputs = match fields.take("outputs") {
        Json::List(outputs) => outputs,
        _ => return Err(graph.wrong("outputs", "must be a list of node indices")),
    };
    graph.bound("outputs", outputs.len(), limits.operands)?;
    Ok(RawGraph {
        dialect,
        producer: graph
            .text("producer", fields.take("producer"))?
            .map(String::from),
        name: graph.text("name", fields.take("name"))?.map(String::from),
        parameters: graph.count("parameters", &fields.take("parameters"))?,
        nodes: nodes
            .into_iter()
            .enumerate()
            .map(|(index, node)| read_node(index, node, dialect, limits))
            .collect::<Result<_, _>>()?,
        outputs: outputs
            .iter()
            .map(|output| graph.edge("outputs", output, count))
            .collect::<Result<_, _>>()?,
    })
}

fn check_header(fields: &mut Fields) -> Result<(), Error> {
    match fields.take("format") {
        Json::Text(format) if &*format == "netkin-graph" => {}
        _ => return Err(Error::Format),
    }
    match fields.take("version") {
        Json::Int(VERSION) => Ok(()),
        Json::Int(other) => Err(Error::Version(other.to_string())),
        Json::Text(other) => Err(Error::Version(format!("{:?}", shortened(&other)))),
        _ => Err(Error::Version("(none)".into())),
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

fn dialect(graph: &Place<'_>, value: Json) -> Result<Dialect, Error> {
    let name = match &value {
        Json::Text(name) => &**name,
        _ => "",
    };
    match name {
        "torch" => Ok(Dialect::Torch),
        "onnx" => Ok(Dialect::Onnx),
        "keras" => Ok(Dialect::Keras),
        "nas" => Ok(Dialect::Nas),
        _ => Err(graph.wrong("dialect", "must be one of torch, onnx, keras and nas")),
    }
}

fn read_node(
    index: usize,
    node: Json,
    dialect: Dialect,
    limits: &Limits,
) -> Result<RawNode, Error> {
    let place = Place {
        node: Some(index),
        limits,
    };
    let Json::Map(fields) = node else {
        return Err(place.wrong("nodes", "must hold objects"));
    };
    let mut fields = Fields(fields);
    let name = place
        .text("op", fields.take("op"))?
        .filter(|op| !op.is_empty())
        .ok_or_else(|| place.wrong("op", "is missing; every node needs an operator name"))?;
    let (domain, op) = match name.rsplit_once("::") {
        Some((domain, op)) if dialect == Dialect::Onnx => (domain.into(), op.into()),
        _ => ("".into(), name),
    };
    let inputs = read_inputs(&place, index, fields.take("inputs"))?;
    let values = Values {
        place,
        dialect,
        operands: inputs.len(),
    };
    Ok(RawNode {
        op,
        domain,
        attributes: values.attributes(fields.take("attributes"))?,
        shapes: read_shapes(&place, fields.take("shapes"))?,
        parameters: place
            .count("parameters", &fields.take("parameters"))?
            .unwrap_or(0),
        module: place.text("module", fields.take("module"))?,
        inputs,
    })
}

fn read_inputs(place: &Place<'_>, index: usize, value: Json) -> Result<Vec<Option<Edge>>, Error> {
    let items = match value {
        Json::Null => return Ok(Vec::new()),
        Json::List(items) => items,
        _ => return Err(place.wrong("inputs", "must be a list of node indices")),
    };
    place.bound("inputs", items.len(), place.limits.operands)?;
    items
        .iter()
        .map(|item| match item {
            Json::Null => Ok(None),
            item => place.edge("inputs", item, index).map(Some),
        })
        .collect()
}

fn read_shapes(place: &Place<'_>, value: Json) -> Result<Vec<Option<Shape>>, Error> {
    let items = match value {
        Json::Null => return Ok(Vec::new()),
        Json::List(items) => items,
        _ => return Err(place.wrong("shapes", "must be a list of shapes")),
    };
    place.bound("outputs", items.len(), place.limits.operands)?;
    items
        .iter()
        .map(|item| match item {
            Json::Null => Ok(None),
            item => place.shape("shapes", item).map(Some),
        })
        .collect()
}

/// The fields of an object; taking one leaves null, as if it had been left out.
struct Fields(Vec<(Box<str>, Json)>);

impl Fields {
    fn take(&mut self, name: &str) -> Json {
        self.0
            .iter_mut()
            .find(|(present, _)| &**present == name)
            .map_or(Json::Null, |(_, value)| {
                std::mem::replace(value, Json::Null)
            })
    }
}

/// Where a value stands, for errors, and the limits it obeys.
#[derive(Clone, Copy)]
struct Place<'a> {
    node: Option<usize>,
    limits: &'a Limits,
}

impl<'a> Place<'a> {
    fn graph(limits: &'a Limits) -> Self {
        Self { node: None, limits }
    }

    fn name(&self) -> String {
        match self.node {
            Some(index) => format!("node {index}"),
            None => "the graph".into(),
        }
    }

    fn wrong(&self, field: &str, problem: impl Into<String>) -> Error {
        Error::Field {
            place: self.name(),
            field: shortened(field),
            problem: problem.into(),
        }
    }

    fn bound(&self, what: &'static str, found: usize, limit: usize) -> Result<(), Error> {
        if found <= limit {
            return Ok(());
        }
        Err(Error::TooLarge {
            place: self.name(),
            what,
            found,
            limit,
        })
    }

    /// A text or nothing.
    fn text(&self, field: &str, value: Json) -> Result<Option<Box<str>>, Error> {
        match value {
            Json::Null => Ok(None),
            Json::Text(text) if text.len() <= self.limits.name_bytes => Ok(Some(text)),
            Json::Text(text) => Err(self.wrong(
                field,
                format!(
                    "is a text of {} bytes, more than the limit of {}",
                    text.len(),
                    self.limits.name_bytes
                ),
            )),
            _ => Err(self.wrong(field, "must be a text")),
        }
    }

    /// A number of things or nothing.
    fn count(&self, field: &str, value: &Json) -> Result<Option<u64>, Error> {
        match value {
            Json::Null => Ok(None),
            value => match value.natural() {
                Some(count) => Ok(Some(count)),
                None => Err(self.wrong(field, "must be a whole number of at least 0")),
            },
        }
    }

    /// A node index or a pair of node index and output; the index must be below `before`.
    fn edge(&self, field: &str, value: &Json, before: usize) -> Result<Edge, Error> {
        let (node, port) = match value {
            Json::List(pair) => match &pair[..] {
                [node, port] => (node.natural(), port.natural()),
                _ => (None, None),
            },
            node => (node.natural(), Some(0)),
        };
        let (Some(node), Some(port)) = (node, port) else {
            return Err(self.wrong(
                field,
                "must hold node indices i or pairs [i, output] of whole numbers",
            ));
        };
        if node >= before as u64 {
            let problem = match self.node {
                Some(_) => format!(
                    "names node {node}, which does not come before it; sort the nodes topologically"
                ),
                None => format!("names node {node}, but there are only {before} nodes"),
            };
            return Err(self.wrong(field, problem));
        }
        match (u32::try_from(node), u16::try_from(port)) {
            (Ok(node), Ok(port)) => Ok(Edge { node, port }),
            _ => Err(self.wrong(field, format!("names output {port}, more than 65535"))),
        }
    }

    fn shape(&self, field: &str, value: &Json) -> Result<Shape, Error> {
        let Json::List(dims) = value else {
            return Err(self.wrong(field, "must hold shapes: lists of dimensions, or null"));
        };
        self.bound("dimensions in one shape", dims.len(), self.limits.rank)?;
        dims.iter()
            .map(|dim| match dim {
                Json::Null => Ok(None),
                dim => dim.natural().map(Some).ok_or_else(|| {
                    self.wrong(
                        field,
                        "has a dimension that is negative or no whole number; write null for an unknown one",
                    )
                }),
            })
            .collect::<Result<_, _>>()
            .map(Shape)
    }
}

/// Attribute values of one node.
struct Values<'a> {
    place: Place<'a>,
    dialect: Dialect,
    operands: usize,
}

impl Values<'_> {
    fn attributes(&self, value: Json) -> Result<Map, Error> {
        match value {
            Json::Null => Ok(Map::default()),
            Json::Map(fields) => {
                let limit = self.place.limits.attributes;
                self.place.bound("attributes", fields.len(), limit)?;
                self.map("attributes", fields)
            }
            _ => Err(self.place.wrong("attributes", "must be an object")),
        }
    }

    fn map(&self, field: &str, fields: Vec<(Box<str>, Json)>) -> Result<Map, Error> {
        self.bound_list(fields.len())?;
        fields
            .into_iter()
            .map(|(name, value)| {
                if name.len() > self.place.limits.name_bytes {
                    return Err(self.place.wrong(field, "has a name beyond the limit"));
                }
                let value = self.value(&name, value)?;
                Ok((name, value))
            })
            .collect::<Result<_, _>>()
            .map(Map)
    }

    /// Recursion is bounded: the parser refused anything deeper than `Limits::depth`.
    fn value(&self, field: &str, value: Json) -> Result<RawValue, Error> {
        Ok(match value {
            Json::Null => RawValue::None,
            Json::Bool(value) => RawValue::Bool(value),
            Json::Int(value) => RawValue::Int(value),
            Json::Float(value) => RawValue::Float(value),
            Json::Text(text) => {
                let text = self.place.text(field, Json::Text(text))?;
                RawValue::Text(text.unwrap_or_default())
            }
            Json::List(items) => {
                self.bound_list(items.len())?;
                RawValue::List(
                    items
                        .into_iter()
                        .map(|item| self.value(field, item))
                        .collect::<Result<_, _>>()?,
                )
            }
            Json::Map(fields) => self.object(field, fields)?,
        })
    }

    fn bound_list(&self, found: usize) -> Result<(), Error> {
        let limit = self.place.limits.list;
        self.place.bound("elements in one list", found, limit)
    }

    /// An object that marks one of torch's values, or plain named values.
    fn object(&self, field: &str, mut fields: Vec<(Box<str>, Json)>) -> Result<RawValue, Error> {
        if !matches!(self.dialect, Dialect::Torch | Dialect::Onnx) {
            return self.map(field, fields).map(RawValue::Map);
        }
        let marked = match &fields[..] {
            [(mark, _)] => is_mark(mark),
            [(one, _), (other, _)] => {
                (&**one == "c" || &**other == "c") && (&**one == "v" || &**other == "v")
            }
            _ => false,
        };
        if !marked {
            return self.map(field, fields).map(RawValue::Map);
        }
        if fields.len() == 2 {
            fields.sort_by(|one, other| one.0.cmp(&other.0));
        }
        let kept = (fields.len() == 2).then(|| fields.pop()).flatten();
        match (fields.pop(), kept) {
            (Some((_, shape)), Some((_, values))) => self.constant(field, &shape, Some(&values)),
            (Some((mark, value)), None) => self.marked(field, &mark, value),
            (None, _) => Ok(RawValue::Map(Map::default())),
        }
    }

    fn marked(&self, field: &str, mark: &str, value: Json) -> Result<RawValue, Error> {
        match mark {
            "t" => match value.natural() {
                Some(operand) if operand < self.operands as u64 => {
                    Ok(RawValue::Operand(operand as u32))
                }
                _ => Err(self.place.wrong(
                    field,
                    format!(
                        "has a tensor {{\"t\": k}} whose k is none of its {} inputs",
                        self.operands
                    ),
                )),
            },
            "w" => self.place.shape(field, &value).map(RawValue::Weight),
            "c" => self.constant(field, &value, None),
            "slice" => match value {
                Json::List(bounds) => {
                    let bounds: [Json; 3] = bounds.try_into().map_err(|_| self.bad_slice(field))?;
                    let [start, stop, step] = bounds;
                    Ok(RawValue::Slice(Box::new([
                        self.value(field, start)?,
                        self.value(field, stop)?,
                        self.value(field, step)?,
                    ])))
                }
                _ => Err(self.bad_slice(field)),
            },
            "ellipsis" => Ok(RawValue::Ellipsis),
            _ => match self.place.text(field, value)? {
                Some(name) => Ok(RawValue::Other(name)),
                None => Err(self
                    .place
                    .wrong(field, format!("has a `{mark}` without a name"))),
            },
        }
    }

    fn bad_slice(&self, field: &str) -> Error {
        self.place
            .wrong(field, "has a slice that is no list [start, stop, step]")
    }

    fn constant(
        &self,
        field: &str,
        shape: &Json,
        values: Option<&Json>,
    ) -> Result<RawValue, Error> {
        let shape = self.place.shape(field, shape)?;
        let values = match values {
            None | Some(Json::Null) => None,
            Some(Json::List(values)) => {
                self.bound_list(values.len())?;
                let numbers: Option<Vec<f64>> = values.iter().map(Json::number).collect();
                Some(numbers.ok_or_else(|| self.bad_constant(field))?)
            }
            Some(_) => return Err(self.bad_constant(field)),
        };
        Ok(RawValue::Constant { shape, values })
    }

    fn bad_constant(&self, field: &str) -> Error {
        self.place
            .wrong(field, "has a constant whose `v` is no flat list of numbers")
    }
}

fn is_mark(name: &str) -> bool {
    matches!(
        name,
        "t" | "w" | "c" | "slice" | "ellipsis" | "dtype" | "object"
    )
}

#[cfg(test)]
mod tests;
