"""The raw graph without PyTorch: what the JSON looks like and what is refused."""

import json
import re
from pathlib import Path

import pytest

import netkin
from netkin import InvalidGraph, Node, RawGraph, Ref


def two_nodes() -> RawGraph:
    nodes = [
        Node("input", shapes=[[1, 8]]),
        Node("chunk", [Ref(0)], {"args": [{"t": 0}, 2, 1]}, [[1, 4], [1, 4]], module="split"),
        Node("mul", [Ref(1), Ref(1, 1)], {"args": [{"t": 0}, {"t": 1}]}, [[1, 4]]),
    ]
    return RawGraph(nodes, [Ref(2), Ref(1, 1)], name="gate", parameters=0)


def test_document_has_the_format_of_version_one():
    assert two_nodes().to_dict() == {
        "format": "netkin-graph",
        "version": 1,
        "dialect": "torch",
        "name": "gate",
        "parameters": 0,
        "nodes": [
            {"op": "input", "shapes": [[1, 8]]},
            {
                "op": "chunk",
                "inputs": [0],
                "attributes": {"args": [{"t": 0}, 2, 1]},
                "shapes": [[1, 4], [1, 4]],
                "module": "split",
            },
            {
                "op": "mul",
                "inputs": [1, [1, 1]],
                "attributes": {"args": [{"t": 0}, {"t": 1}]},
                "shapes": [[1, 4]],
            },
        ],
        "outputs": [2, [1, 1]],
    }


def test_saved_file_holds_the_same_document(tmp_path: Path):
    path = tmp_path / "gate.json"
    two_nodes().save(path)
    assert json.loads(path.read_text()) == two_nodes().to_dict()


def test_edges_name_the_output_that_is_read():
    assert list(two_nodes().edges()) == [(Ref(0), 1), (Ref(1), 2), (Ref(1, 1), 2)]


def test_forward_reference_is_refused():
    with pytest.raises(InvalidGraph, match=r"node 0 \(relu\) reads node 0"):
        RawGraph([Node("relu", [Ref(0)])], [Ref(0)])


def test_missing_output_is_refused():
    with pytest.raises(InvalidGraph, match="an output reads node 3"):
        RawGraph([Node("input")], [Ref(3)])


def test_infinite_attribute_is_refused_rather_than_written_as_bad_json():
    graph = RawGraph([Node("input", attributes={"args": [float("inf")]})], [Ref(0)])
    with pytest.raises(ValueError, match="JSON"):
        graph.to_json()


def test_version_agrees_with_the_project_file():
    project = (Path(__file__).parent.parent / "pyproject.toml").read_text()
    stated = re.search(r'^version = "(.*)"$', project, re.MULTILINE)
    assert stated is not None
    assert stated[1] == netkin.__version__
