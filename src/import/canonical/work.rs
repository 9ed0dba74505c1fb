//! The graph while it is being rewritten.
//!
//! Layout never appears as a node: an operand carries the shape in which it arrives, so a rule
//! sees a convolution next to its norm even when a reshape stood between them. Nodes stay in
//! topological order: a rule rewrites the last node of its pattern in place, or lets a node be
//! bypassed; what nobody reads any more falls away in [`Work::sweep`].

use crate::graph::{self, Architecture, Attributes, Cost, Edge, Node, NodeIndex, Operator, Shape};
use std::rc::Rc;

/// A value that does not depend on the model's inputs.
#[derive(Clone, Debug, Default)]
pub(super) struct Static {
    pub(super) shape: Option<Shape>,
    /// Row-major values when known; a single unknown element is not a number.
    pub(super) values: Option<Rc<[f64]>>,
}

impl Static {
    pub(super) fn scalar(value: f64) -> Self {
        Self {
            shape: Some(Shape::default()),
            values: Some(Rc::from([value])),
        }
    }

    /// Its only value, when it has one element; not a number when that is unknown.
    pub(super) fn as_scalar(&self) -> Option<f64> {
        if let Some(values) = &self.values {
            return (values.len() == 1).then(|| values[0]);
        }
        (self.shape.as_ref()?.elements()? == 1).then_some(f64::NAN)
    }

    /// True for one value per channel: at most one dimension is larger than 1.
    pub(super) fn is_vector(&self) -> bool {
        match &self.shape {
            Some(shape) => shape.0.iter().filter(|dim| **dim != Some(1)).count() <= 1,
            None => false,
        }
    }
}

/// What a node reads.
#[derive(Clone, Debug)]
pub(super) enum Operand {
    /// A computed value, and the shape in which it arrives.
    Data(Edge, Option<Shape>),
    /// A weight or constant.
    Static(Static),
    /// An optional operand left out.
    Absent,
}

impl Operand {
    pub(super) fn shape(&self) -> Option<&Shape> {
        match self {
            Self::Data(_, shape) => shape.as_ref(),
            Self::Static(value) => value.shape.as_ref(),
            Self::Absent => None,
        }
    }

    pub(super) fn as_static(&self) -> Option<&Static> {
        match self {
            Self::Static(value) => Some(value),
            Self::Data(..) | Self::Absent => None,
        }
    }

    pub(super) fn is_data(&self) -> bool {
        matches!(self, Self::Data(..))
    }
}

/// One operator being rewritten.
#[derive(Clone, Debug)]
pub(super) struct WorkNode {
    pub(super) operator: Operator,
    pub(super) attributes: Attributes,
    pub(super) operands: Vec<Operand>,
    /// Shape of the first output.
    pub(super) shape: Option<Shape>,
    /// For [`Operator::Scale`]: y = factor x + shift; for [`Operator::Clip`]: its bounds.
    pub(super) scale: (f64, f64),
}

/// The graph being rewritten.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub(super) nodes: Vec<WorkNode>,
    pub(super) outputs: Vec<Edge>,
    /// Where the value of a bypassed node comes from instead.
    forward: Vec<Option<Edge>>,
}

/// For each node, the nodes that read it, once per operand; an output reads as `usize::MAX`.
pub(super) type Readers = Vec<Vec<usize>>;

impl Work {
    pub(super) fn push(&mut self, node: WorkNode) -> Edge {
        self.nodes.push(node);
        self.forward.push(None);
        Edge::first((self.nodes.len() - 1) as NodeIndex)
    }

    fn resolved(&self, mut edge: Edge) -> Edge {
        while let Some(next) = self.forward[edge.node as usize] {
            edge = next;
        }
        edge
    }

    /// The operand as it stands after every bypass so far.
    pub(super) fn operand(&self, node: usize, position: usize) -> Operand {
        match self.nodes[node].operands.get(position) {
            Some(Operand::Data(edge, shape)) => Operand::Data(self.resolved(*edge), shape.clone()),
            Some(other) => other.clone(),
            None => Operand::Absent,
        }
    }

    /// The node that computes operand `position` of `node`.
    pub(super) fn producer(&self, node: usize, position: usize) -> Option<usize> {
        match self.nodes[node].operands.get(position)? {
            Operand::Data(edge, _) => Some(self.resolved(*edge).node as usize),
            Operand::Static(_) | Operand::Absent => None,
        }
    }

    /// The edge of operand `position`.
    pub(super) fn edge(&self, node: usize, position: usize) -> Option<Edge> {
        match self.nodes[node].operands.get(position)? {
            Operand::Data(edge, _) => Some(self.resolved(*edge)),
            Operand::Static(_) | Operand::Absent => None,
        }
    }

    /// The positions of the computed operands.
    pub(super) fn data_positions(&self, node: usize) -> Vec<usize> {
        let operands = &self.nodes[node].operands;
        (0..operands.len())
            .filter(|position| operands[*position].is_data())
            .collect()
    }

    pub(super) fn is(&self, node: usize, operator: &Operator) -> bool {
        self.nodes[node].operator == *operator
    }

    /// Lets readers of `node` read its operand `position` instead.
    pub(super) fn bypass(&mut self, node: usize, position: usize) {
        if let Some(edge) = self.edge(node, position) {
            self.forward[node] = Some(edge);
        }
    }

    /// Lets readers of `node` read `other`, which comes before it and computes the same.
    pub(super) fn replace(&mut self, node: usize, other: usize) {
        self.forward[node] = Some(Edge::first(other as NodeIndex));
    }

    pub(super) fn is_bypassed(&self, node: usize) -> bool {
        self.forward[node].is_some()
    }

    /// Who reads what, after every bypass so far. Bypassed nodes read nothing.
    pub(super) fn readers(&self) -> Readers {
        let mut readers = vec![Vec::new(); self.nodes.len()];
        for (index, node) in self.nodes.iter().enumerate() {
            if self.is_bypassed(index) {
                continue;
            }
            for operand in &node.operands {
                if let Operand::Data(edge, _) = operand {
                    readers[self.resolved(*edge).node as usize].push(index);
                }
            }
        }
        for edge in &self.outputs {
            readers[self.resolved(*edge).node as usize].push(usize::MAX);
        }
        readers
    }

    /// Makes every bypass final and drops nodes that no output needs.
    pub(super) fn sweep(&mut self) {
        let mut needed = vec![false; self.nodes.len()];
        let mut open: Vec<usize> = self
            .outputs
            .iter()
            .map(|edge| self.resolved(*edge).node as usize)
            .collect();
        while let Some(index) = open.pop() {
            if std::mem::replace(&mut needed[index], true) {
                continue;
            }
            open.extend(
                (0..self.nodes[index].operands.len()).filter_map(|at| self.producer(index, at)),
            );
        }
        self.keep(&needed);
    }

    fn keep(&mut self, needed: &[bool]) {
        let mut place = vec![0; needed.len()];
        let mut next: NodeIndex = 0;
        for (index, needed) in needed.iter().enumerate() {
            place[index] = next;
            next += NodeIndex::from(*needed);
        }
        let moved = |edge: Edge| Edge {
            node: place[edge.node as usize],
            port: edge.port,
        };
        let outputs = self
            .outputs
            .iter()
            .map(|edge| moved(self.resolved(*edge)))
            .collect();
        let mut nodes = std::mem::take(&mut self.nodes);
        let mut is_needed = needed.iter();
        nodes.retain(|_| is_needed.next().copied().unwrap_or(false));
        for operand in nodes.iter_mut().flat_map(|node| &mut node.operands) {
            if let Operand::Data(edge, _) = operand {
                *edge = moved(self.resolved(*edge));
            }
        }
        *self = Self {
            forward: vec![None; nodes.len()],
            nodes,
            outputs,
        };
    }

    pub(super) fn finish(
        mut self,
        name: Option<String>,
        parameters: u64,
    ) -> Result<Architecture, graph::Error> {
        self.sweep();
        let nodes = self.nodes.into_iter().map(finished).collect();
        Architecture::new(name, parameters, nodes, self.outputs)
    }
}

fn finished(node: WorkNode) -> Node {
    let (edges, shapes): (Vec<Edge>, Vec<Option<Shape>>) = node
        .operands
        .into_iter()
        .filter_map(|operand| match operand {
            Operand::Data(edge, shape) => Some((edge, shape)),
            Operand::Static(_) | Operand::Absent => None,
        })
        .unzip();
    let mut finished = Node {
        operator: node.operator,
        attributes: node.attributes,
        inputs: edges,
        shape: node.shape,
        flops: 0,
    };
    finished.flops = graph::node_flops(
        &finished,
        Cost {
            operands: &shapes,
            output: finished.shape.as_ref(),
        },
    );
    finished
}
