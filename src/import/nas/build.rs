//! Builds the networks around cells: adds operators, keeps shapes and parameter counts, and drops
//! what no output reads.

use crate::graph::{Edge, Shape};
use crate::import::{Dialect, Map, RawGraph, RawNode, RawValue};

/// A feature map: the node that makes it, its channels and its side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Value {
    node: u32,
    pub(super) channels: u64,
    side: u64,
}

/// A convolution followed by batch norm.
#[derive(Clone, Copy)]
pub(super) struct Conv {
    pub(super) kernel: (u64, u64),
    pub(super) stride: (u64, u64),
    pub(super) dilation: u64,
    pub(super) depthwise: bool,
    pub(super) batch_norm: bool,
    pub(super) out: u64,
}

impl Conv {
    /// A square convolution with stride 1 and batch norm.
    pub(super) fn square(side: u64, out: u64) -> Self {
        Self {
            kernel: (side, side),
            stride: (1, 1),
            dilation: 1,
            depthwise: false,
            batch_norm: true,
            out,
        }
    }

    pub(super) fn stride(self, step: u64) -> Self {
        Self {
            stride: (step, step),
            ..self
        }
    }
}

pub(super) struct Builder {
    nodes: Vec<RawNode>,
}

impl Builder {
    /// A builder with one image input of `side` × `side` pixels.
    pub(super) fn new(side: u64) -> (Self, Value) {
        let mut builder = Self { nodes: Vec::new() };
        let image = builder.add("input", &[], Map::default(), 3, side, 0);
        (builder, image)
    }

    fn add(
        &mut self,
        op: &str,
        inputs: &[Value],
        attributes: Map,
        channels: u64,
        side: u64,
        parameters: u64,
    ) -> Value {
        let node = self.nodes.len() as u32;
        let shape = match side {
            0 => Shape::known(&[1, channels]),
            side => Shape::known(&[1, channels, side, side]),
        };
        self.nodes.push(RawNode {
            op: op.into(),
            inputs: inputs
                .iter()
                .map(|input| Some(Edge::first(input.node)))
                .collect(),
            attributes,
            shapes: vec![Some(shape)],
            parameters,
            ..RawNode::default()
        });
        Value {
            node,
            channels,
            side,
        }
    }

    pub(super) fn conv(&mut self, input: Value, conv: Conv) -> Value {
        let groups = if conv.depthwise { input.channels } else { 1 };
        let mut attributes = vec![
            ("kernel".into(), pair(conv.kernel)),
            ("stride".into(), pair(conv.stride)),
            ("in_channels".into(), int(input.channels)),
            ("out_channels".into(), int(conv.out)),
        ];
        if conv.dilation != 1 {
            attributes.push(("dilation".into(), pair((conv.dilation, conv.dilation))));
        }
        if conv.depthwise {
            attributes.push(("groups".into(), int(groups)));
            attributes.push(("grouping".into(), word("depthwise")));
        }
        let window = conv.kernel.0 * conv.kernel.1;
        let norm = if conv.batch_norm { 2 * conv.out } else { 0 };
        let parameters = conv.out * (input.channels / groups) * window + norm;
        let side = input.side.div_ceil(conv.stride.0.max(conv.stride.1));
        self.add(
            "conv",
            &[input],
            Map(attributes),
            conv.out,
            side,
            parameters,
        )
    }

    /// Pooling that keeps the side, or divides it by `stride`.
    pub(super) fn pool(&mut self, op: &str, input: Value, kernel: u64, stride: u64) -> Value {
        let attributes = Map(vec![
            ("kernel".into(), pair((kernel, kernel))),
            ("stride".into(), pair((stride, stride))),
        ]);
        let side = input.side.div_ceil(stride);
        self.add(op, &[input], attributes, input.channels, side, 0)
    }

    pub(super) fn relu(&mut self, input: Value) -> Value {
        self.add(
            "relu",
            &[input],
            Map::default(),
            input.channels,
            input.side,
            0,
        )
    }

    /// A batch norm that no convolution can absorb, with its scale and shift.
    pub(super) fn batch_norm(&mut self, input: Value) -> Value {
        let channels = input.channels;
        self.add(
            "batch_norm",
            &[input],
            Map::default(),
            channels,
            input.side,
            2 * channels,
        )
    }

    /// The sum of values of one shape; one value is itself.
    pub(super) fn sum(&mut self, mut values: Vec<Value>) -> Option<Value> {
        let first = *values.first()?;
        if values.len() == 1 {
            return Some(first);
        }
        values.sort_by_key(|value| value.node);
        Some(self.add(
            "add",
            &values,
            Map::default(),
            first.channels,
            first.side,
            0,
        ))
    }

    /// The channels of all values in their order; one value is itself.
    pub(super) fn concat(&mut self, values: &[Value]) -> Option<Value> {
        let first = *values.first()?;
        if values.len() == 1 {
            return Some(first);
        }
        let channels = values.iter().map(|value| value.channels).sum();
        Some(self.add("concat", values, Map::default(), channels, first.side, 0))
    }

    /// The part of a value named `part`, with `channels` channels.
    pub(super) fn slice(&mut self, input: Value, part: &str, channels: u64) -> Value {
        let attributes = Map(vec![("part".into(), word(part))]);
        self.add("slice", &[input], attributes, channels, input.side, 0)
    }

    /// Global pooling and a classifier of ten classes, then the graph without unread nodes.
    pub(super) fn classify(mut self, input: Value, name: &str, bias: bool) -> RawGraph {
        let pooled = self.add(
            "global_avg_pool",
            &[input],
            Map::default(),
            input.channels,
            0,
            0,
        );
        let attributes = Map(vec![
            ("in_channels".into(), int(input.channels)),
            ("out_channels".into(), int(10)),
        ]);
        let parameters = 10 * input.channels + if bias { 10 } else { 0 };
        let output = self.add("linear", &[pooled], attributes, 10, 0, parameters);
        self.swept(output, name)
    }

    fn swept(self, output: Value, name: &str) -> RawGraph {
        let mut read = vec![false; self.nodes.len()];
        read[output.node as usize] = true;
        for (index, node) in self.nodes.iter().enumerate().rev() {
            if read[index] {
                for edge in node.inputs.iter().flatten() {
                    read[edge.node as usize] = true;
                }
            }
        }
        let mut places = vec![0; self.nodes.len()];
        let mut nodes: Vec<RawNode> = Vec::new();
        for (index, mut node) in self.nodes.into_iter().enumerate() {
            if !read[index] {
                continue;
            }
            places[index] = nodes.len() as u32;
            for edge in node.inputs.iter_mut().flatten() {
                edge.node = places[edge.node as usize];
            }
            nodes.push(node);
        }
        RawGraph {
            dialect: Dialect::Nas,
            producer: None,
            name: Some(name.into()),
            parameters: Some(nodes.iter().map(|node| node.parameters).sum()),
            nodes,
            outputs: vec![Edge::first(places[output.node as usize])],
        }
    }
}

fn int(value: u64) -> RawValue {
    RawValue::Int(value as i64)
}

fn pair((rows, columns): (u64, u64)) -> RawValue {
    RawValue::List(vec![int(rows), int(columns)])
}

fn word(text: &str) -> RawValue {
    RawValue::Text(text.into())
}

/// Every order of `0..count`; small counts only.
pub(super) fn orders(count: usize) -> Vec<Vec<usize>> {
    let mut orders = vec![Vec::new()];
    for next in 0..count {
        orders = orders
            .iter()
            .flat_map(|order: &Vec<usize>| {
                (0..=order.len()).map(move |place| {
                    let mut longer = order.clone();
                    longer.insert(place, next);
                    longer
                })
            })
            .collect();
    }
    orders
}
