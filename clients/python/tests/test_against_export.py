"""Edges held against an independent trace: ``torch.export`` of the same models.

Both graphs are reduced to their compute operators, in order of execution, with an edge wherever
data goes from one to the next through anything else. The two reductions must be equal.
"""

import pytest

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")
torchvision = pytest.importorskip("torchvision")

import netkin

KINDS = {
    "conv": "conv1d conv2d conv3d",
    "linear": "linear",
    "matmul": "matmul bmm mm __matmul__ baddbmm",
    "attention": "scaled_dot_product_attention",
    "norm": "layer_norm batch_norm group_norm _native_batch_norm_legit_no_training rms_norm",
    "activation": "relu relu6 gelu silu hardswish hardsigmoid hardtanh sigmoid elu mish softmax",
    "pool": "max_pool2d avg_pool2d adaptive_avg_pool2d",
    "mean": "mean",
    "add": "add",
    "mul": "mul",
    "cat": "cat concat",
    "roll": "roll",
}
KIND_OF = {name: kind for kind, names in KINDS.items() for name in names.split()}

MODELS = [
    "timm/resnet18",
    "timm/mobilenetv3_small_050",
    "timm/efficientnet_b0",
    "timm/densenet121",
    "timm/regnety_002",
    "timm/vit_tiny_patch16_224",
    "timm/swin_tiny_patch4_window7_224",
    "timm/convnext_atto",
    "timm/ghostnet_050",
    "timm/hrnet_w18_small",
    "timm/repvgg_a0",
    "timm/res2net50_14w_8s",
    "timm/inception_v3",
    "timm/levit_128s",
    "torchvision/shufflenet_v2_x0_5",
    "torchvision/googlenet",
    "torchvision/swin_v2_t",
]


def kind(name):
    """The kind of compute operator that a name in either dialect means, or None."""
    plain = name.strip("_") if name.startswith("__") else name.rstrip("_")
    plain = {"iadd": "add", "imul": "mul", "radd": "add", "rmul": "mul"}.get(plain, plain)
    return KIND_OF.get(plain, KIND_OF.get(name))


def reduced(operators):
    """Kinds in order, and edges between their positions; operators are (name, sources) pairs."""
    kinds, edges, carried = [], set(), []
    for name, sources in operators:
        reaching = set().union(*(carried[source] for source in sources))
        label = kind(name)
        if label is not None:
            edges |= {(source, len(kinds)) for source in reaching}
            reaching = {len(kinds)}
            kinds.append(label)
        carried.append(reaching)
    return kinds, edges


def ours(model, shape):
    graph = netkin.trace(model, shape)
    return [(node.op, [ref.node for ref in node.inputs]) for node in graph.nodes]


def exported(model, shape):
    """The operators of the exported program that depend on its input, in order."""
    program = torch.export.export(model.eval(), (torch.zeros(shape),), strict=False)
    inputs = set(program.graph_signature.user_inputs)
    number, operators = {}, []
    for node in program.graph.nodes:
        if node.op == "placeholder" and node.name in inputs:
            number[node] = len(operators)
            operators.append(("input", []))
        elif node.op == "call_function" and not takes_shape_only(node):
            sources = [number[source] for source in node.all_input_nodes if source in number]
            if sources:
                number[node] = len(operators)
                operators.append((str(node.target).removeprefix("aten.").split(".")[0], sources))
    returned = [number[source] for source in program.graph.output_node().all_input_nodes]
    return alive(operators, returned)


def takes_shape_only(node):
    """``x.new_zeros(...)`` mentions x and holds nothing of it: no dataflow, export or not."""
    return ".new_" in str(node.target) or "_like" in str(node.target)


def alive(operators, returned):
    """Only operators from which an output can be reached, as the tracer keeps them."""
    needed = set(returned)
    for index in range(len(operators) - 1, -1, -1):
        if index in needed:
            needed.update(operators[index][1])
    kept = [i for i in range(len(operators)) if i in needed]
    number = {old: new for new, old in enumerate(kept)}
    return [(operators[i][0], [number[s] for s in operators[i][1]]) for i in kept]


@pytest.mark.parametrize("name", MODELS)
def test_edges_between_compute_operators_are_those_of_torch_export(name):
    package, model_name = name.split("/")
    create = timm.create_model if package == "timm" else torchvision.models.get_model
    model = create(model_name).eval()
    size = getattr(model, "default_cfg", {}).get("input_size", (3, 224, 224))
    kinds, edges = reduced(ours(model, (1, *size)))
    wanted_kinds, wanted_edges = reduced(exported(model, (1, *size)))
    assert kinds == wanted_kinds
    assert edges == wanted_edges
