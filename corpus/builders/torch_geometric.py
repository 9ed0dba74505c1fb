"""Graph networks of torch-geometric on one small graph of symbolic edges.

``published`` are the package's own models in the configurations of its pretrained weights, its
examples or their papers. ``composed`` are node classifiers that stack one of its convolutions, and
its configurable networks under every norm and jumping connection. Neighbour search and triplet
enumeration need compiled operators; stand-ins keep them as single nodes.

Run from the repository's root: ``python -m corpus.builders.torch_geometric``.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
import torch_geometric
from netkin import Spec
from torch_geometric import nn as geometric
from torch_geometric.data import Data
from torch_geometric.nn.models import dimenet, gnnff, schnet, visnet

from corpus.builders.run import Candidate, Entry, run
from corpus.builders.whole import recorded_whole

PACKAGE = "torch-geometric"
NODES, EDGES, TRIPLETS = 32, 128, 512
FEATURES, HIDDEN, CLASSES, EDGE_FEATURES, RELATIONS = 128, 64, 16, 8, 4
NODE_TASK = "node-classification"
MOLECULE_TASK = "molecular-property-prediction"

X = Spec((NODES, FEATURES))
EDGE_INDEX = Spec((2, EDGES), "int64")
EDGE_WEIGHT = Spec((EDGES,))
EDGE_ATTR = Spec((EDGES, EDGE_FEATURES))
EDGE_TYPE = Spec((EDGES,), "int64")
BATCH = Spec((NODES,), "int64")
ATOMS = {"z": Spec((NODES,), "int64"), "pos": Spec((NODES, 3)), "batch": BATCH}

Inputs = dict[str, Any]
Row = tuple[str, str, str, Callable[[], torch.nn.Module], Inputs]  # name, module, task, …


def _radius_graph(pos: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
    return torch.zeros((2, EDGES), dtype=torch.int64, device=pos.device)


def _triplets(edge_index: torch.Tensor, num_nodes: int) -> tuple[torch.Tensor, ...]:
    def indices(count: int) -> torch.Tensor:
        return torch.zeros(count, dtype=torch.int64, device=edge_index.device)

    return (*(indices(EDGES) for _ in range(2)), *(indices(TRIPLETS) for _ in range(5)))


for _module in (dimenet, gnnff, schnet, visnet):
    _module.radius_graph = recorded_whole(_radius_graph, "radius_graph")
dimenet.triplets = recorded_whole(_triplets, "triplets")
gnnff.triplets = recorded_whole(_triplets, "triplets")


class _Stack(torch.nn.Module):
    """A node classifier of one kind of convolution."""

    def __init__(self, layer: Callable[[int, int], torch.nn.Module], depth: int) -> None:
        super().__init__()
        widths = [FEATURES, *[HIDDEN] * (depth - 1), CLASSES]
        pairs = itertools.pairwise(widths)
        self.layers = torch.nn.ModuleList(layer(*pair) for pair in pairs)

    def forward(self, x: torch.Tensor, **edges: torch.Tensor) -> torch.Tensor:
        for index, layer in enumerate(self.layers):
            x = layer(x, **edges)
            x = x if index == len(self.layers) - 1 else torch.relu(x)
        return x


class _Residual(torch.nn.Module):
    """Linear layers around convolutions that keep the width, and may see the first features."""

    def __init__(
        self, layer: Callable[[], torch.nn.Module], depth: int, initial: bool = False
    ) -> None:
        super().__init__()
        self.enter = torch.nn.Linear(FEATURES, HIDDEN)
        self.layers = torch.nn.ModuleList(layer() for _ in range(depth))
        self.leave = torch.nn.Linear(HIDDEN, CLASSES)
        self.initial = initial

    def forward(self, x: torch.Tensor, edge_index: torch.Tensor, **more: Any) -> torch.Tensor:
        x = first = torch.relu(self.enter(x))
        for layer in self.layers:
            operands = (x, first, edge_index) if self.initial else (x, edge_index)
            x = torch.relu(layer(*operands, **more))
        return self.leave(x)


class _FromParts(torch.nn.Module):
    """A model whose forward takes a graph with its tensors for attributes."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, **parts: Any) -> Any:
        return self.model(Data(**parts))


def _mlp(inner: int, outer: int) -> torch.nn.Module:
    return torch.nn.Sequential(
        torch.nn.Linear(inner, outer), torch.nn.ReLU(), torch.nn.Linear(outer, outer)
    )


PLAIN: Inputs = {"edge_index": EDGE_INDEX}
WEIGHTED: Inputs = PLAIN | {"edge_weight": EDGE_WEIGHT}
ATTRIBUTED: Inputs = PLAIN | {"edge_attr": EDGE_ATTR}
TYPED: Inputs = PLAIN | {"edge_type": EDGE_TYPE}
DEGREES = torch.ones(8, dtype=torch.long)
PNA: dict[str, Any] = {
    "aggregators": ["mean", "min", "max", "std"],
    "scalers": ["identity", "amplification", "attenuation"],
    "deg": DEGREES,
}


def _attention(kind: Any, heads: int, inner: int, outer: int, **options: Any) -> Any:
    return kind(inner, outer, heads=heads, concat=False, **options)


# Convolutions that go from one width to another, and what they need besides features.
CONVOLUTIONS: dict[str, tuple[Callable[[int, int], Any], Inputs]] = {
    "gcn": (geometric.GCNConv, WEIGHTED),
    "cheb": (partial(geometric.ChebConv, K=3), PLAIN),
    "sage": (geometric.SAGEConv, PLAIN),
    "sage_max": (partial(geometric.SAGEConv, aggr="max"), PLAIN),
    "graphconv": (geometric.GraphConv, WEIGHTED),
    "resgated": (geometric.ResGatedGraphConv, PLAIN),
    "gat": (partial(_attention, geometric.GATConv, 8), PLAIN),
    "gat_edges": (
        partial(_attention, geometric.GATConv, 8, edge_dim=EDGE_FEATURES),
        ATTRIBUTED,
    ),
    "gatv2": (partial(_attention, geometric.GATv2Conv, 8), PLAIN),
    "gatv2_edges": (
        partial(_attention, geometric.GATv2Conv, 8, edge_dim=EDGE_FEATURES),
        ATTRIBUTED,
    ),
    "transformer": (partial(_attention, geometric.TransformerConv, 4), PLAIN),
    "transformer_edges": (
        partial(_attention, geometric.TransformerConv, 4, edge_dim=EDGE_FEATURES),
        ATTRIBUTED,
    ),
    "tag": (geometric.TAGConv, PLAIN),
    "gin": (lambda inner, outer: geometric.GINConv(_mlp(inner, outer)), PLAIN),
    "gine": (
        lambda inner, outer: geometric.GINEConv(_mlp(inner, outer), edge_dim=EDGE_FEATURES),
        ATTRIBUTED,
    ),
    "arma": (partial(geometric.ARMAConv, num_stacks=3, num_layers=2), PLAIN),
    "sgc": (partial(geometric.SGConv, K=2), PLAIN),
    "ssgc": (partial(geometric.SSGConv, alpha=0.1, K=16), PLAIN),
    "mf": (geometric.MFConv, PLAIN),
    "rgcn": (partial(geometric.RGCNConv, num_relations=RELATIONS, num_bases=4), TYPED),
    "fast_rgcn": (partial(geometric.FastRGCNConv, num_relations=RELATIONS, num_bases=4), TYPED),
    "rgat": (partial(geometric.RGATConv, num_relations=RELATIONS), TYPED),
    "gmm": (
        partial(geometric.GMMConv, dim=EDGE_FEATURES, kernel_size=25),
        ATTRIBUTED,
    ),
    "nnconv": (
        lambda inner, outer: geometric.NNConv(
            inner, outer, _mlp(EDGE_FEATURES, inner * outer), aggr="mean"
        ),
        ATTRIBUTED,
    ),
    "edgeconv": (lambda inner, outer: geometric.EdgeConv(_mlp(2 * inner, outer)), PLAIN),
    "feast": (partial(geometric.FeaStConv, heads=8), PLAIN),
    "hypergraph": (
        geometric.HypergraphConv,
        {"hyperedge_index": EDGE_INDEX},
    ),
    "leconv": (geometric.LEConv, PLAIN),
    "pna": (partial(geometric.PNAConv, **PNA), PLAIN),
    "pna_towers": (
        partial(geometric.PNAConv, **PNA, edge_dim=EDGE_FEATURES, towers=4),
        ATTRIBUTED,
    ),
    "gen": (geometric.GENConv, PLAIN),
    "gen_power": (partial(geometric.GENConv, aggr="powermean"), PLAIN),
    "film": (partial(geometric.FiLMConv, num_relations=RELATIONS), TYPED),
    "supergat": (partial(_attention, geometric.SuperGATConv, 8), PLAIN),
    "egc": (partial(geometric.EGConv, aggregators=["symnorm"], num_heads=8), PLAIN),
    "egc_multi": (
        partial(geometric.EGConv, aggregators=["sum", "symnorm", "std"], num_heads=8),
        PLAIN,
    ),
    "pdn": (
        partial(geometric.PDNConv, edge_dim=EDGE_FEATURES, hidden_channels=HIDDEN),
        ATTRIBUTED,
    ),
    "general": (partial(geometric.GeneralConv, attention=True, heads=4), PLAIN),
    "dir_sage": (
        lambda inner, outer: geometric.DirGNNConv(geometric.SAGEConv(inner, outer)),
        PLAIN,
    ),
}
# Convolutions that keep their width: without and with the first features beside the present ones.
WIDTH_KEEPING: dict[str, tuple[Callable[[], Any], bool, Inputs]] = {
    "gated": (partial(geometric.GatedGraphConv, HIDDEN, 2), False, PLAIN),
    "agnn": (geometric.AGNNConv, False, PLAIN),
    "appnp": (partial(geometric.APPNP, 10, 0.1), False, PLAIN),
    "lg": (geometric.LGConv, False, PLAIN),
    "cgcnn": (partial(geometric.CGConv, HIDDEN, EDGE_FEATURES), False, ATTRIBUTED),
    "antisymmetric": (partial(geometric.AntiSymmetricConv, HIDDEN), False, PLAIN),
    "gcn2": (partial(geometric.GCN2Conv, HIDDEN, 0.1, 0.5, 1), True, PLAIN),
    "fagcn": (partial(geometric.FAConv, HIDDEN), True, PLAIN),
}
DEPTHS = (2, 3, 4, 6, 8)

# Configurable networks, under every norm and jumping connection.
NETWORKS: dict[str, tuple[Any, dict[str, Any]]] = {
    "GCN": (geometric.GCN, {}),
    "GraphSAGE": (geometric.GraphSAGE, {}),
    "GIN": (geometric.GIN, {}),
    "GAT": (geometric.GAT, {"heads": 8}),
    "GATv2": (geometric.GAT, {"heads": 8, "v2": True}),
    "PNA": (geometric.PNA, PNA),
    "EdgeCNN": (geometric.EdgeCNN, {}),
}
JUMPS = (None, "last", "cat", "max", "lstm")
NORMS = (None, "batch_norm", "layer_norm", "graph_norm")


def _published() -> Iterator[Row]:
    dimenet_options: dict[str, Any] = {
        "hidden_channels": 128,
        "out_channels": 1,
        "num_spherical": 7,
        "num_radial": 6,
    }
    yield "schnet_qm9", "schnet", MOLECULE_TASK, geometric.SchNet, ATOMS
    yield (
        *("dimenet_qm9", "dimenet", MOLECULE_TASK),
        partial(geometric.DimeNet, num_blocks=6, num_bilinear=8, **dimenet_options),
        ATOMS,
    )
    yield (
        *("dimenet_plus_plus_qm9", "dimenet", MOLECULE_TASK),
        partial(
            geometric.DimeNetPlusPlus,
            num_blocks=4,
            int_emb_size=64,
            basis_emb_size=8,
            out_emb_channels=256,
            **dimenet_options,
        ),
        ATOMS,
    )
    yield "visnet", "visnet", MOLECULE_TASK, geometric.ViSNet, ATOMS
    yield (
        *("visnet_qm9", "visnet", MOLECULE_TASK),
        partial(geometric.ViSNet, lmax=2, num_layers=9, hidden_channels=512, num_rbf=64),
        ATOMS,
    )
    yield (
        *("gnnff", "gnnff", MOLECULE_TASK, partial(geometric.GNNFF, 64, 64, 5)),
        ATOMS,
    )
    yield (
        *("attentive_fp", "attentive_fp", MOLECULE_TASK),
        partial(geometric.AttentiveFP, 39, 200, 1, 10, 2, 2),
        {
            "x": Spec((NODES, 39)),
            "edge_index": EDGE_INDEX,
            "edge_attr": Spec((EDGES, 10)),
            "batch": BATCH,
        },
    )
    yield (
        *("neural_fingerprint", "neural_fingerprint", MOLECULE_TASK),
        partial(geometric.models.NeuralFingerprint, FEATURES, HIDDEN, 1, 3),
        {"x": X, "edge_index": EDGE_INDEX, "batch": BATCH},
    )
    yield (
        *("gpse", "gpse", "graph-representation-learning"),
        lambda: _FromParts(geometric.GPSE()),
        {
            "x": Spec((NODES, 20)),
            "edge_index": EDGE_INDEX,
            "batch": BATCH,
        },
    )
    cora = Spec((NODES, 1433))
    for name, network in (
        ("gcn_cora", partial(geometric.GCN, 1433, 16, 2, 7)),
        ("gat_cora", partial(geometric.GAT, 1433, 64, 2, 7, heads=8, act="elu")),
        ("graphsage_cora", partial(geometric.GraphSAGE, 1433, 64, 2, 7)),
        ("gin_mutag", partial(geometric.GIN, 1433, 32, 5, 7)),
    ):
        yield name, "basic_gnn", NODE_TASK, network, {"x": cora, "edge_index": EDGE_INDEX}
    yield (
        *("linkx", "linkx", NODE_TASK),
        partial(geometric.LINKX, NODES, FEATURES, 32, CLASSES, 1, 1, 1),
        {"x": X, "edge_index": EDGE_INDEX},
    )
    for layers in (2, 3):
        yield (
            *(f"lightgcn_{layers}", "lightgcn", "recommendation"),
            partial(geometric.LightGCN, NODES, 64, layers),
            {"edge_index": EDGE_INDEX, "edge_label_index": EDGE_INDEX},
        )
    yield (
        *("pmlp", "pmlp", NODE_TASK, partial(geometric.models.PMLP, 1433, 16, 7, 2)),
        {"x": cora, "edge_index": EDGE_INDEX},
    )
    yield (
        *("rect_l", "rect", NODE_TASK, partial(geometric.models.RECT_L, 200, 200)),
        {"x": Spec((NODES, 200)), "edge_index": EDGE_INDEX, "edge_weight": EDGE_WEIGHT},
    )
    for kind in ("SGFormer", "Polynormer"):
        yield (
            *(kind.lower(), kind.lower(), NODE_TASK),
            partial(getattr(geometric.models, kind), FEATURES, HIDDEN, CLASSES),
            {"x": X, "edge_index": EDGE_INDEX, "batch": BATCH},
        )
    yield (
        *("signed_gcn", "signed_gcn", "link-prediction"),
        partial(geometric.SignedGCN, 64, 64, 2),
        {
            "x": Spec((NODES, 64)),
            "pos_edge_index": EDGE_INDEX,
            "neg_edge_index": EDGE_INDEX,
        },
    )


def _composed() -> Iterator[Row]:
    for name, (layer, edges) in CONVOLUTIONS.items():
        for depth in DEPTHS:
            build = partial(_Stack, layer, depth)
            yield f"stack_{name}_{depth}", f"conv.{name}", NODE_TASK, build, {"x": X} | edges
    for name, (keeping, initial, edges) in WIDTH_KEEPING.items():
        for depth in DEPTHS:
            build = partial(_Residual, keeping, depth, initial)
            yield f"stack_{name}_{depth}", f"conv.{name}", NODE_TASK, build, {"x": X} | edges
    for name, (network, options) in NETWORKS.items():
        for depth in (2, 3, 4, 5):
            for norm in NORMS:
                for jump in JUMPS:
                    build = partial(
                        network, FEATURES, HIDDEN, depth, CLASSES, norm=norm, jk=jump, **options
                    )
                    dressed = f"{name}_{depth}_{norm or 'plain'}_{jump or 'direct'}"
                    yield dressed, "basic_gnn", NODE_TASK, build, {"x": X} | PLAIN


def candidates() -> list[Candidate]:
    """One candidate for each published model, then the composed ones."""
    return [
        *(_candidate(*row, kind="published") for row in _published()),
        *(_candidate(*row, kind="composed") for row in _composed()),
    ]


def _candidate(
    name: str,
    module: str,
    task: str,
    build: Callable[[], torch.nn.Module],
    inputs: Inputs,
    kind: str,
) -> Candidate:
    entry = Entry(
        name=name,
        package=PACKAGE,
        package_version=torch_geometric.__version__,
        module=module,
        task=task,
        kind=kind,
    )
    return Candidate(entry, build, lambda _: inputs)


if __name__ == "__main__":
    run(PACKAGE, candidates())
