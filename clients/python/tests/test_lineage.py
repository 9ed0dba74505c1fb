"""Dataflow through writes and views: a traced graph, replayed, gives what the module gives."""

import random

import pytest

torch = pytest.importorskip("torch")

from torch import nn

import netkin
from replay import replay


class Program(nn.Module):
    """A forward given as a function."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *inputs):
        return self.function(*inputs)


def check(function, *shapes):
    """Trace on shapes, replay on numbers, compare with the real thing; returns the graph."""
    graph = netkin.trace(Program(function), *shapes)
    inputs = [torch.randn(shape) for shape in shapes]
    expected = function(*(tensor.clone() for tensor in inputs))
    expected = list(expected) if isinstance(expected, (tuple, list)) else [expected]
    for wanted, got in zip(expected, replay(graph, *inputs), strict=True):
        torch.testing.assert_close(got, wanted)
    return graph


def ops(graph):
    return [node.op for node in graph.nodes]


def test_setitem_reaches_the_tensor():
    def forward(x, y):
        x[..., :2] = y
        return x * 2

    assert ops(check(forward, (2, 4), (2, 2))) == ["input", "input", "__setitem__", "mul"]


def test_method_on_a_view_reaches_its_base():
    def forward(x):
        x[:, 0].add_(1)
        return x * 2

    assert ops(check(forward, (2, 4)))[1:] == ["__getitem__", "add_", "__setitem__", "mul"]


def test_augmented_assignment_to_a_view_is_stored_once():
    def forward(x):
        x[:, 1] += 3
        return x * 2

    assert ops(check(forward, (2, 4)))[1:] == ["__getitem__", "add_", "__setitem__", "mul"]


def test_write_to_the_base_reaches_a_view_taken_earlier():
    def forward(x):
        row = x[0]
        x.mul_(2)
        return row + 1

    check(forward, (2, 4))


def test_write_through_one_view_reaches_an_overlapping_one():
    def forward(x):
        left, right = x[:, :3], x[:, 1:]
        left.mul_(5)
        return right.exp(), left

    check(forward, (2, 4))


def test_write_to_one_chunk_leaves_its_sibling_alone():
    def forward(x):
        left, right = x.chunk(2, 1)
        torch.relu_(left)
        return left * 2, right * 3

    assert ops(check(forward, (2, 4))) == ["input", "chunk", "relu_", "mul", "mul"]


def test_write_to_one_chunk_reaches_the_whole():
    def forward(x):
        left, _ = x.chunk(2, 1)
        left.relu_()
        return x * 3

    assert "as_strided_scatter" in ops(check(forward, (2, 4)))


def test_write_through_reshapes_and_transposes():
    def forward(x):
        flat = x.view(-1)
        turned = x.transpose(0, 1)
        flat[3:7].sigmoid_()
        turned[1].neg_()
        return x.clone(), flat.clone(), turned + 1

    check(forward, (3, 4))


def test_write_into_a_fresh_constant():
    def forward(x):
        out = torch.zeros(2, 4)
        out[:, :2] = x
        out[:, 3].copy_(x[:, 0])
        return out

    check(forward, (2, 2))


def test_view_of_a_constant_that_a_later_write_misses_stays_constant():
    def forward(x):
        out = torch.zeros(2, 4)
        rest = out[:, 2:]
        out[:, :2].copy_(x)
        return rest + x, out

    graph = netkin.trace(Program(forward), (2, 2))
    added = next(node for node in graph.nodes if node.op == "add")
    assert added.attributes["args"] == [{"c": [2, 2]}, {"t": 0}]


def test_overwritten_input_is_no_operand_any_more():
    def forward(x, y):
        x.zero_()
        return x + y

    graph = netkin.trace(Program(forward), (2,), (2,))
    assert graph.nodes[-1].attributes["args"] == [{"c": [2]}, {"t": 0}]


def test_detached_data_shares_lineage():
    def forward(x):
        x.data.add_(1)
        return x.detach().mul_(2) + x

    check(forward, (3,))


def test_out_argument_is_a_write():
    def forward(x):
        torch.add(x, 1, out=x)
        return x * 2

    check(forward, (3,))


def test_inplace_flag_of_a_functional_is_a_write():
    def forward(x):
        y = x * 2
        nn.functional.relu(y, inplace=True)
        return y

    assert ops(check(forward, (3,)))[1:] == ["mul", "relu"]


def test_constant_written_by_constants_keeps_its_values():
    def forward(x):
        c = torch.zeros(3)
        c[1] = 5
        return x + c

    graph = check(forward, (3,))
    assert graph.nodes[1].attributes["args"][1] == {"c": [3], "v": [0.0, 5.0, 0.0]}


def test_bias_expanded_to_an_input_is_not_dataflow():
    class Shift(nn.Module):
        def __init__(self):
            super().__init__()
            self.bias = nn.Parameter(torch.zeros(4))

        def forward(self, x):
            return x + self.bias.expand_as(x)

    graph = netkin.trace(Shift(), (2, 4))
    assert ops(graph) == ["input", "add"]
    assert graph.nodes[1].attributes["args"] == [{"t": 0}, {"w": [2, 4]}]
    assert graph.nodes[1].parameters == 4


VIEWS = [
    lambda x, r: x[r.randrange(x.shape[0])].unsqueeze(0),
    lambda x, r: x[..., r.randrange(x.shape[-1]) :],
    lambda x, r: x.transpose(0, -1),
    lambda x, r: x.chunk(2, r.choice([0, -1]))[0],
    lambda x, r: x.unsqueeze(0).squeeze(0),
    lambda x, r: x.detach(),
    lambda x, r: x.unflatten(0, (1, -1)).flatten(0, 1),
    lambda x, r: x[::2],
]
WRITES = [
    lambda x, r: x.mul_(2),
    lambda x, r: x.add_(x.mean()),
    lambda x, r: x[0].neg_(),
    lambda x, r: x.__setitem__((Ellipsis, 0), x.sum()),
    lambda x, r: torch.relu_(x),
    lambda x, r: x.copy_(x.flip(0)),
]


@pytest.mark.parametrize("seed", range(200))
def test_random_programs_of_views_and_writes(seed):
    def forward(x):
        random_source = random.Random(seed)
        seen = [x * 1]
        for _ in range(12):
            tensor = random_source.choice(seen)
            action = random_source.choice(["view", "view", "write", "new"])
            if action == "view":
                seen.append(random_source.choice(VIEWS)(tensor, random_source))
            elif action == "write":
                random_source.choice(WRITES)(tensor, random_source)
            else:
                seen.append(tensor + 0.25)
        return [x * 1, *(tensor * 1 for tensor in seen)]

    check(forward, (3, 4))
