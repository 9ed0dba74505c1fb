//! The macro network of a motif GNN in candle's own operators, node by node as PyTorch Geometric
//! does it: without the folding that makes netkin's encoder and training fast.

use candle_core::safetensors::SliceSafetensors;
use candle_core::{D, DType, Device, Result, Tensor};
use netkin::model::motif_gnn::{Digraph, EPSILON};
use std::collections::HashMap;

/// Weights by name, in single precision.
pub(crate) struct Network {
    weights: HashMap<String, Tensor>,
    rounds: usize,
}

/// Edges from one side to the other, with what each node's mean is divided by.
struct Edges {
    sources: Tensor, // [edges]
    targets: Tensor, // [edges]
    shares: Tensor,  // [edges, 1]
}

/// A macro graph as tensors.
pub(crate) struct Graph {
    motifs: Tensor, // [nodes, motif_dim]
    before: Edges,
    after: Edges,
    pools: Vec<Tensor>, // [2, nodes], one a round, round 0 included
}

impl Network {
    /// The network in the bytes of `model.safetensors`.
    pub(crate) fn read(bytes: &[u8], rounds: usize) -> Result<Self> {
        let stored = SliceSafetensors::new(bytes)?;
        // candle has no type for the table's hashes.
        let names = stored.tensors().into_iter().map(|(name, _)| name);
        let names = names.filter(|name| name != "table.hashes");
        let weights = names.map(|name| {
            let weight = stored.load(&name, &Device::Cpu)?.to_dtype(DType::F32)?;
            Ok((name, weight))
        });
        Ok(Self {
            weights: weights.collect::<Result<_>>()?,
            rounds,
        })
    }

    /// `graph`, whose motifs stand in these rows of the table.
    pub(crate) fn graph(&self, graph: &Digraph, rows: &[u32]) -> Result<Graph> {
        let rows = Tensor::from_slice(rows, rows.len(), &Device::Cpu)?;
        let motifs = self.weights["table.vectors"].index_select(&rows, 0)?;
        let pairs = graph.inputs.iter().zip(0u32..);
        let pairs: Vec<(u32, u32)> = pairs
            .flat_map(|(inputs, node)| inputs.iter().map(move |input| (*input, node)))
            .collect();
        let turned: Vec<(u32, u32)> = pairs.iter().map(|(from, to)| (*to, *from)).collect();
        Ok(Graph {
            motifs,
            before: Edges::new(&pairs, graph.colours.len())?,
            after: Edges::new(&turned, graph.colours.len())?,
            pools: pools(graph, self.rounds)?,
        })
    }

    /// What is read out of `graph`, at length one.
    pub(crate) fn structure(&self, graph: &Graph) -> Result<Vec<f32>> {
        let mut state = unit_mean_square(&self.sent(&graph.motifs, "macro.input")?)?;
        let mut pooled = vec![graph.pools[0].matmul(&state)?.flatten_all()?];
        for round in 0..self.rounds {
            let sent = |part: &str| self.sent(&state, &format!("macro.{round}.{part}"));
            let part = |part: &str| &self.weights[&format!("macro.{round}.{part}")];
            let message = (sent("own")? + graph.before.mean(&sent("before")?)?)?;
            let message = (message + graph.after.mean(&sent("after")?)?)?;
            let message = message.broadcast_add(part("bias"))?;
            let heard = unit_mean_square(&message)?.broadcast_mul(part("gain"))?;
            state = (&state + heard.relu()?)?;
            pooled.push(graph.pools[round + 1].matmul(&state)?.flatten_all()?);
        }
        let pooled = Tensor::cat(&pooled, 0)?.unsqueeze(0)?;
        let vector = self.sent(&pooled, "macro.readout")?;
        let length = vector.sqr()?.sum_all()?.sqrt()?;
        vector.broadcast_div(&length)?.flatten_all()?.to_vec1()
    }

    fn sent(&self, state: &Tensor, weight: &str) -> Result<Tensor> {
        state.matmul(&self.weights[weight].t()?)
    }
}

impl Edges {
    fn new(pairs: &[(u32, u32)], nodes: usize) -> Result<Self> {
        let mut counts = vec![0f32; nodes];
        pairs.iter().for_each(|(_, to)| counts[*to as usize] += 1.0);
        let column = |of: &dyn Fn(&(u32, u32)) -> u32| {
            Tensor::from_iter(pairs.iter().map(of).collect::<Vec<_>>(), &Device::Cpu)
        };
        let shares = pairs.iter().map(|(_, to)| 1.0 / counts[*to as usize]);
        let shares = shares.collect::<Vec<f32>>();
        Ok(Self {
            sources: column(&|pair| pair.0)?,
            targets: column(&|pair| pair.1)?,
            shares: Tensor::from_vec(shares, (pairs.len(), 1), &Device::Cpu)?,
        })
    }

    /// The mean over each node's sources.
    fn mean(&self, state: &Tensor) -> Result<Tensor> {
        let read = state.index_select(&self.sources, 0)?;
        let read = read.broadcast_mul(&self.shares)?;
        state.zeros_like()?.index_add(&self.targets, &read, 0)
    }
}

fn unit_mean_square(rows: &Tensor) -> Result<Tensor> {
    let mean = rows.sqr()?.mean_keepdim(D::Minus1)?;
    rows.broadcast_div(&(mean + f64::from(EPSILON))?.sqrt()?)
}

/// What each node weighs in the pools of each round: nodes whose surroundings are alike so far
/// share one weight, as one of a set and by the logarithm of how many they are.
fn pools(graph: &Digraph, rounds: usize) -> Result<Vec<Tensor>> {
    let nodes = graph.colours.len();
    let mut readers = vec![Vec::new(); nodes];
    for (node, inputs) in graph.inputs.iter().enumerate() {
        inputs
            .iter()
            .for_each(|input| readers[*input as usize].push(node as u32));
    }
    let mut colours = numbered(&graph.colours);
    let mut pools = vec![pool(&colours)?];
    for _ in 0..rounds {
        let around = |nodes: &[u32]| {
            let mut around: Vec<usize> = nodes.iter().map(|at| colours[*at as usize]).collect();
            around.sort_unstable();
            around
        };
        let next: Vec<_> = (0..nodes)
            .map(|node| {
                let (inputs, readers) = (&graph.inputs[node], &readers[node]);
                (colours[node], around(inputs), around(readers))
            })
            .collect();
        colours = numbered(&next);
        pools.push(pool(&colours)?);
    }
    Ok(pools)
}

/// A number for each distinct item.
fn numbered<T: std::hash::Hash + Eq>(items: &[T]) -> Vec<usize> {
    let mut numbers = HashMap::new();
    let mut number = |item| {
        let next = numbers.len();
        *numbers.entry(item).or_insert(next)
    };
    items.iter().map(&mut number).collect()
}

fn pool(colours: &[usize]) -> Result<Tensor> {
    let mut counts: HashMap<usize, f32> = HashMap::new();
    for colour in colours {
        *counts.entry(*colour).or_default() += 1.0;
    }
    let total: f32 = counts.values().map(|count| count.ln_1p()).sum();
    let alike = colours
        .iter()
        .map(|colour| 1.0 / (counts.len() as f32 * counts[colour]));
    let logarithms = colours
        .iter()
        .map(|colour| counts[colour].ln_1p() / (total * counts[colour]));
    let weights: Vec<f32> = alike.chain(logarithms).collect();
    Tensor::from_vec(weights, (2, colours.len()), &Device::Cpu)
}
