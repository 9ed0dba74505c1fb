"""What a trace records, refuses and leaves untouched."""

import dataclasses
import threading

import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as functional
from torch import nn
from torch.nn.modules import module as torch_module

import netkin
from netkin import Spec, TraceError, UnsupportedInput


class Forward(nn.Module):
    """A module whose forward is a function, with the given submodules."""

    def __init__(self, function, **children):
        super().__init__()
        self.function = function
        for name, child in children.items():
            setattr(self, name, child)

    def forward(self, *inputs, **kwargs):
        return self.function(*inputs, **kwargs)


def traced(function, *inputs, **kwargs):
    return netkin.trace(Forward(function), *inputs, **kwargs)


def ops(graph):
    return [node.op for node in graph.nodes]


def test_documented_example_of_the_format():
    model = nn.Sequential()
    model.add_module("conv1", nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False))
    graph = netkin.trace(model, (1, 3, 224, 224), name="stem").to_dict()
    assert graph["nodes"] == [
        {"op": "input", "shapes": [[1, 3, 224, 224]]},
        {
            "op": "conv2d",
            "inputs": [0],
            "attributes": {
                "args": [{"t": 0}, {"w": [64, 3, 7, 7]}, None, [2, 2], [3, 3], [1, 1], 1]
            },
            "shapes": [[1, 64, 112, 112]],
            "parameters": 9408,
            "module": "conv1",
        },
    ]
    assert graph["outputs"] == [1]
    assert graph["parameters"] == 9408
    assert graph["name"] == "stem"


def test_real_weights_and_a_skeleton_give_the_same_graph():
    def build():
        return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2))

    with netkin.skeleton():
        skeleton = build()
    shape = (1, 3, 32, 32)
    assert netkin.trace(build(), shape).to_json() == netkin.trace(skeleton, shape).to_json()


def test_real_meta_shape_and_spec_inputs_give_the_same_graph():
    model = nn.Linear(4, 2)
    inputs = [(1, 4), [1, 4], torch.Size([1, 4]), torch.randn(1, 4), Spec((1, 4))]
    inputs.append(torch.empty(1, 4, device="meta"))
    assert len({netkin.trace(model, given).to_json() for given in inputs}) == 1


def test_integer_inputs_come_as_spec():
    graph = netkin.trace(nn.Embedding(10, 4), Spec((1, 7), "int64"))
    assert ops(graph) == ["input", "embedding"]
    assert graph.nodes[1].shapes == [[1, 7, 4]]


def test_nested_and_keyword_inputs_are_traced():
    def forward(pair, scale, mask=None):
        return pair[0] * scale + mask["m"]

    pair = [Spec((2,)), torch.zeros(2)]
    graph = traced(forward, pair, 3, mask={"m": Spec((2,))})
    assert ops(graph) == ["input", "input", "input", "mul", "add"]


@pytest.mark.parametrize(
    ("function", "shape", "op"),
    [
        (lambda x: functional.max_pool2d(x, 2), (1, 3, 8, 8), "max_pool2d"),
        (lambda x: functional.interpolate(x, scale_factor=2), (1, 3, 8, 8), "interpolate"),
        (lambda x: torch.einsum("bchw->bhwc", x), (1, 3, 8, 8), "einsum"),
        (lambda x: functional.adaptive_avg_pool2d(x, 1), (1, 3, 8, 8), "adaptive_avg_pool2d"),
        (lambda x: x.mT, (1, 3, 8, 8), "mT"),
        (lambda x: torch.ops.aten.relu.default(x), (3,), "relu"),
        (lambda x: 1 - x, (3,), "__rsub__"),
    ],
)
def test_operator_is_captured_whole_under_its_name(function, shape, op):
    assert ops(traced(function, shape)) == ["input", op]


def test_recurrent_layer_is_one_node_with_three_outputs():
    graph = netkin.trace(nn.LSTM(4, 8, batch_first=True), (1, 5, 4))
    assert ops(graph) == ["input", "lstm"]
    assert graph.nodes[1].shapes == [[1, 5, 8], [1, 1, 8], [1, 1, 8]]
    assert graph.nodes[1].parameters == graph.parameters
    assert [ref.to_json_value() for ref in graph.outputs] == [1, [1, 1], [1, 2]]


def test_attention_module_is_one_node():
    attention = nn.MultiheadAttention(8, 2, batch_first=True)
    graph = netkin.trace(attention, *[(1, 5, 8)] * 3)
    assert ops(graph).count("multi_head_attention_forward") == 1
    assert graph.parameters == sum(node.parameters for node in graph.nodes)


def test_shared_weights_are_counted_once():
    layer = nn.Linear(4, 4)
    graph = netkin.trace(nn.Sequential(layer, layer), (1, 4))
    assert [node.parameters for node in graph.nodes] == [0, 20, 0]
    assert graph.parameters == 20
    assert [node.module for node in graph.nodes[1:]] == ["0", "0"]


def test_weight_derived_values_are_weights():
    class Standardised(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(4, 4))

        def forward(self, x):
            return functional.linear(x, (self.weight - self.weight.mean()).T.contiguous())

    graph = netkin.trace(Standardised(), (1, 4))
    assert graph.nodes[1].attributes["args"][:2] == [{"t": 0}, {"w": [4, 4]}]
    assert graph.nodes[1].parameters == 16


def test_weights_written_into_other_weights_are_counted():
    class Position(nn.Module):
        def __init__(self):
            super().__init__()
            self.time = nn.Parameter(torch.zeros(4, 1))
            self.space = nn.Parameter(torch.zeros(4))

        def forward(self, x):
            position = self.time.repeat(1, 4)
            position.add_(self.space)
            grid = torch.zeros(4, 4)
            grid[:] = position
            return x + grid

    graph = netkin.trace(Position(), (4, 4))
    assert graph.nodes[1].attributes["args"] == [{"t": 0}, {"w": [4, 4]}]
    assert graph.nodes[1].parameters == graph.parameters == 8


def test_small_constants_carry_their_values():
    graph = traced(lambda x: x + torch.arange(3) * 2, (3,))
    assert graph.nodes[1].attributes["args"] == [{"t": 0}, {"c": [3], "v": [0, 2, 4]}]


def test_values_made_from_shapes_are_constants():
    graph = traced(lambda x: x * torch.ones_like(x[:1]).mean() + x.new_zeros(2), (2,))
    assert ops(graph) == ["input", "mul", "add"]
    assert graph.nodes[2].attributes["args"][1] == {"c": [2], "v": [0.0, 0.0]}


def test_arguments_follow_the_notation_of_the_format():
    def forward(x):
        y = x[..., 1:2].to(torch.float64)
        return y.masked_fill(x > 0, float("-inf"))

    graph = traced(forward, (2, 1))
    attributes = [node.attributes for node in graph.nodes]
    assert attributes[1]["args"] == [{"t": 0}, [{"ellipsis": True}, {"slice": [1, 2, None]}]]
    assert attributes[2]["args"] == [{"t": 0}, {"dtype": "float64"}]
    assert attributes[4]["args"] == [{"t": 0}, {"t": 1}, "-inf"]


def test_chunk_outputs_are_told_apart():
    def forward(x):
        gate, value = x.chunk(2, -1)
        return gate.sigmoid() * value

    nodes = traced(forward, (1, 8)).to_dict()["nodes"]
    assert nodes[3]["inputs"] == [2, [1, 1]]


@dataclasses.dataclass
class Answer:
    logits: object
    hidden: object = None


@pytest.mark.parametrize(
    "wrap",
    [
        lambda a, b: {"a": a, "b": [b]},
        lambda a, b: (a, None, "text", (b,)),
        lambda a, b: Answer(a, Answer(b)),
    ],
)
def test_outputs_are_found_in_any_container(wrap):
    graph = traced(lambda x: wrap(x + 1, x * 2), (2,))
    assert [graph.nodes[ref.node].op for ref in graph.outputs] == ["add", "mul"]


def test_nodes_without_a_path_to_an_output_are_left_out():
    def forward(x):
        x.exp()
        return x + 1

    assert ops(traced(forward, (2,))) == ["input", "add"]


def test_unused_input_is_kept():
    assert ops(traced(lambda x, y: y + 1, (2,), (3,))) == ["input", "input", "add"]


def test_boolean_mask_selects_everything():
    graph = traced(lambda x: x[x > 0] * 2, (2, 3))
    assert graph.nodes[-1].shapes == [[6]]


def test_branches_on_values_take_the_false_side():
    def forward(x):
        return x + 1 if x.sum() > 0 else x * 2

    assert ops(traced(forward, (2,)))[-1] == "mul"


def test_module_keeps_weights_buffers_flags_and_attributes():
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm1d(4)
            self.register_buffer("calls", torch.zeros(1))
            self.plain = torch.zeros(2)

        def forward(self, x):
            self.calls += 1
            self.calls[0] = 7
            self.plain.add_(1)
            self.norm.running_mean.mul_(3)
            return self.norm(x) + self.calls + self.plain.sum()

    model = Counting()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    netkin.trace(model, (2, 4))
    assert model.training
    assert model.norm.training
    assert torch.equal(model.plain, torch.zeros(2))
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key])
        assert value.device.type == "cpu"


def surroundings():
    return (
        len(torch_module._global_forward_hooks),
        len(torch_module._global_forward_pre_hooks),
        torch.backends.mha.get_fastpath_enabled(),
        torch.is_grad_enabled(),
        torch.overrides._get_current_function_mode_stack(),
        torch.get_rng_state().tolist(),
    )


def test_failure_restores_everything_and_names_the_module():
    model = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.Linear(5, 5)))
    before = surroundings()
    with pytest.raises(TraceError, match=r"module '1\.0' \(Linear\)") as caught:
        netkin.trace(model, (1, 4))
    assert caught.value.module_path == "1.0"
    assert surroundings() == before
    assert all(child.training for child in model.modules())
    netkin.trace(nn.Linear(4, 4), (1, 4))


def test_skeleton_restores_everything_after_a_failure():
    before = surroundings()
    with pytest.raises(ZeroDivisionError), netkin.skeleton():
        nn.Linear(1000, 1000)
        raise ZeroDivisionError
    assert surroundings() == before
    assert nn.Linear(1000, 1000).weight.device.type == "cpu"
    assert nn.Linear(4, 4).weight.abs().sum() > 0


def test_trace_works_inside_skeleton():
    with netkin.skeleton():
        graph = netkin.trace(nn.Linear(1000, 1000), (1, 1000))
    assert ops(graph) == ["input", "linear"]


def test_skeleton_keeps_small_constants():
    with netkin.skeleton():
        steps = torch.linspace(0, 1, 3).tolist()
        index = torch.arange(4).reshape(2, 2).flip(0)
    assert steps == [0.0, 0.5, 1.0]
    assert index.tolist() == [[2, 3], [0, 1]]


def test_trace_inside_a_trace_is_refused():
    inner = nn.Linear(2, 2)
    with pytest.raises(TraceError, match="already running"):
        traced(lambda x: netkin.trace(inner, (1, 2)), (1, 2))


def test_threads_trace_different_modules_at_once():
    results = {}

    def work(depth):
        model = nn.Sequential(*(nn.Linear(8, 8) for _ in range(depth)))
        results[depth] = [netkin.trace(model, (1, 8)) for _ in range(10)]

    threads = [threading.Thread(target=work, args=(depth,)) for depth in (3, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for depth, graphs in results.items():
        for graph in graphs:
            assert [node.module for node in graph.nodes[1:]] == [str(i) for i in range(depth)]


def test_inference_mode_outside_changes_nothing():
    def forward(x):
        x[:, 0].add_(1)
        return x * 2

    with torch.inference_mode():
        graph = traced(forward, (2, 4))
    assert ops(graph)[1:] == ["__getitem__", "add_", "__setitem__", "mul"]


@pytest.mark.parametrize(
    ("module", "inputs", "sentence"),
    [
        (lambda: len, [(1,)], "wrap a function in a module"),
        (lambda: nn.LazyLinear(3), [(1, 4)], "run the module once"),
        (lambda: nn.Linear(1, 1), [], "give at least one tensor"),
        (lambda: nn.Linear(1, 1), [Spec((1,), "float")], None),
        (lambda: nn.Linear(1, 1), [Spec((1,), "int31")], "no dtype 'int31'"),
        (lambda: nn.Linear(1, 1), [torch.eye(2).to_sparse()], "only dense tensors"),
    ],
)
def test_wrong_arguments_are_refused_with_advice(module, inputs, sentence):
    if sentence is None:
        netkin.trace(module(), *inputs)
        return
    with pytest.raises(UnsupportedInput, match=sentence):
        netkin.trace(module(), *inputs)


def test_output_that_ignores_the_input_is_an_error():
    with pytest.raises(TraceError, match="depends on its inputs"):
        traced(lambda x: torch.zeros(3), (2,))


def test_same_module_gives_the_same_bytes():
    def forward(x):
        return x * torch.rand(3) + torch.empty(2).sum()

    assert traced(forward, (3,)).to_json() == traced(forward, (3,)).to_json()


def test_shape_may_hold_a_tensor_of_known_value():
    def forward(x):
        rows = torch.div(x.shape[0], 2, rounding_mode="trunc")
        return x.new_zeros((rows, 3)) + x[:1]

    assert traced(forward, (4, 3)).nodes[-1].shapes == [[2, 3]]


@pytest.mark.parametrize(
    ("function", "shapes"),
    [
        (lambda x: functional.gelu(x), [(2, 3)]),
        (lambda x, w: functional.layer_norm(x, (3,), w), [(2, 3), (3,)]),
        (lambda x, m, v: functional.batch_norm(x, m, v), [(2, 3, 4), (3,), (3,)]),
        (lambda x, w, b: functional.linear(x, w, b), [(2, 5, 3), (4, 3), (4,)]),
        (lambda *qkv: functional.scaled_dot_product_attention(*qkv), [(1, 2, 5, 4)] * 3),
        (lambda x, y: x + y, [(2, 1, 4), (3, 1)]),
        (lambda x, y: x * y, [(3,), (2, 3)]),
        (lambda x: 1 - x, [(2, 3)]),
        (lambda x: x / 2, [(2, 3)]),
        (lambda x: x.pow(2), [(2, 3)]),
        (lambda x: functional.silu(x), [(2, 3)]),
        (lambda x: torch.add(x, x, alpha=2), [(2, 3)]),
        (lambda x: x.mT + x.mT, [(2, 3)]),
    ],
)
def test_shortcuts_agree_with_torch(function, shapes):
    given = [torch.empty(shape, device="meta") for shape in shapes]
    graph = traced(function, *shapes)
    assert graph.nodes[-1].shapes == [list(function(*given).shape)]


def test_mismatched_weights_are_still_torch_errors():
    with pytest.raises(TraceError, match="normalized_shape"):
        netkin.trace(nn.LayerNorm(5), (2, 3))
