"""The macro network of a motif GNN in PyTorch Geometric, timed on the same weights and graphs.

Reads ``graphs.json`` and ``model.safetensors`` from the folder it is given and prints one JSON
object: versions, milliseconds of each graph alone and of all in one batch, and every vector.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import torch
import torch_geometric
from safetensors.torch import load_file
from torch import Tensor, nn
from torch_geometric.data import Batch, Data
from torch_geometric.nn import SimpleConv

EPSILON = 1e-5


def unit_mean_square(vectors: Tensor) -> Tensor:
    """Each row scaled so that the mean of its squares is about one."""
    return vectors / (vectors.square().mean(dim=-1, keepdim=True) + EPSILON).sqrt()


class Round(nn.Module):
    """One round of directed message passing."""

    def __init__(self, weights: dict[str, Tensor], name: str) -> None:
        super().__init__()
        self.mean = SimpleConv(aggr="mean")
        parts = ("own", "before", "after", "bias", "gain")
        self.own, self.before, self.after, self.bias, self.gain = (
            weights[f"{name}.{part}"] for part in parts
        )

    def forward(self, state: Tensor, edges: Tensor) -> Tensor:
        """The state of every node after the round, ``[nodes, dim]``."""
        message = state @ self.own.T + self.bias
        message = message + self.mean(state @ self.before.T, edges)
        message = message + self.mean(state @ self.after.T, edges.flip(0))
        return state + torch.relu(self.gain * unit_mean_square(message))


class Macro(nn.Module):
    """From motif vectors and the dataflow between them to one vector a graph."""

    def __init__(self, weights: dict[str, Tensor], rounds: int) -> None:
        super().__init__()
        self.input = weights["macro.input"]
        self.readout = weights["macro.readout"]
        self.rounds = nn.ModuleList(Round(weights, f"macro.{place}") for place in range(rounds))

    def forward(self, data: Data | Batch) -> Tensor:
        """The vector of every graph, ``[graphs, outputs]``."""
        state = unit_mean_square(data.x @ self.input.T)
        graphs = 1 if data.batch is None else data.num_graphs
        batch = torch.zeros(len(state), dtype=torch.long) if data.batch is None else data.batch
        pooled = [self.pool(state, data.pools[:, 0], batch, graphs)]
        for place, layer in enumerate(self.rounds):
            state = layer(state, data.edge_index)
            pooled.append(self.pool(state, data.pools[:, place + 1], batch, graphs))
        vectors = torch.cat(pooled, dim=-1) @ self.readout.T
        return nn.functional.normalize(vectors, dim=-1)

    @staticmethod
    def pool(state: Tensor, weights: Tensor, batch: Tensor, graphs: int) -> Tensor:
        """Both weighted means of every graph, ``[graphs, 2 * dim]``."""
        sums = state.new_zeros(graphs, 2 * state.shape[1])
        weighted = torch.cat([weights[:, :1] * state, weights[:, 1:] * state], dim=-1)
        return sums.index_add_(0, batch, weighted)


def pool_weights(motifs: list[str], inputs: list[list[int]], rounds: int) -> Tensor:
    """What each node weighs in the pools of each round, ``[nodes, rounds + 1, 2]``.

    Nodes whose surroundings are alike so far share one weight: as one of a set, and by the
    logarithm of how many they are.
    """
    readers: list[list[int]] = [[] for _ in inputs]
    for node, sources in enumerate(inputs):
        for source in sources:
            readers[source].append(node)
    colours: list[Any] = list(motifs)
    weights = []
    for _ in range(rounds + 1):
        counts = Counter(colours)
        logarithms = {colour: torch.tensor(count).log1p() for colour, count in counts.items()}
        total = sum(logarithms.values())
        share = [(1 / len(counts), float(logarithms[colour] / total)) for colour in colours]
        each = [
            [part / counts[c] for part in parts] for c, parts in zip(colours, share, strict=True)
        ]
        weights.append(each)
        around = [
            (
                colours[node],
                tuple(sorted(colours[other] for other in inputs[node])),
                tuple(sorted(colours[other] for other in readers[node])),
            )
            for node in range(len(inputs))
        ]
        names = {colour: place for place, colour in enumerate(sorted(set(around)))}
        colours = [names[colour] for colour in around]
    return torch.tensor(weights).transpose(0, 1).contiguous()


def data_of(graph: dict[str, Any], table: dict[str, Tensor], rounds: int) -> Data:
    """A macro graph as PyTorch Geometric holds it."""
    inputs = graph["inputs"]
    pairs = [(source, node) for node, sources in enumerate(inputs) for source in sources]
    edges = torch.tensor(pairs, dtype=torch.long).reshape(-1, 2).T.contiguous()
    return Data(
        x=torch.stack([table[motif] for motif in graph["motifs"]]),
        edge_index=edges,
        pools=pool_weights(graph["motifs"], inputs, rounds),
    )


def main(folder: Path) -> None:
    """Times every graph in ``folder`` and prints the result."""
    torch.set_num_threads(1)
    description = json.loads((folder / "graphs.json").read_text())
    rounds = description["rounds"]
    stored = load_file(folder / "model.safetensors")
    weights = {name: tensor.float() for name, tensor in stored.items() if name != "table.hashes"}
    hashes = [str(value % 2**64) for value in stored["table.hashes"].tolist()]
    table = dict(zip(hashes, weights["table.vectors"], strict=True))
    graphs = [data_of(graph, table, rounds) for graph in description["graphs"]]
    network = Macro(weights, rounds).eval()
    vectors, alone = [], []
    with torch.inference_mode():
        for graph in graphs:
            network(graph)
            started = time.perf_counter()
            vectors.append(network(graph)[0].tolist())
            alone.append(1e3 * (time.perf_counter() - started))
        batch = Batch.from_data_list(graphs)
        network(batch)
        started = time.perf_counter()
        network(batch)
        together = 1e3 * (time.perf_counter() - started)
    versions = f"torch {torch.__version__}, torch_geometric {torch_geometric.__version__}"
    print(
        json.dumps({"versions": versions, "alone": alone, "together": together, "vectors": vectors})
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
