"""The raw graph: a model without weights, as the ``netkin-graph`` JSON format describes it.

Only the data structure and its JSON form live here; what an operator means is the server's
business. The one invariant: nodes stand in topological order, so every reference points backwards.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from netkin.errors import InvalidGraph

FORMAT = "netkin-graph"
FORMAT_VERSION = 1


class Ref(NamedTuple):
    """One output of one node.

    >>> Ref(4).to_json_value(), Ref(4, 1).to_json_value()
    (4, [4, 1])
    """

    node: int
    output: int = 0

    def to_json_value(self) -> int | list[int]:
        """The short form ``i`` for a first output, the pair ``[i, output]`` for any other."""
        return self.node if self.output == 0 else [self.node, self.output]


@dataclass
class Node:
    """One operator call: its name in the dialect, operands, attributes and output shapes."""

    op: str
    inputs: list[Ref] = field(default_factory=list)
    attributes: dict[str, Any] = field(default_factory=dict)
    shapes: list[list[int]] = field(default_factory=list)
    parameters: int = 0
    module: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of this node; fields that say nothing are left out.

        >>> Node("relu", [Ref(0)], shapes=[[1, 8]]).to_dict()
        {'op': 'relu', 'inputs': [0], 'shapes': [[1, 8]]}
        """
        optional = {
            "inputs": [ref.to_json_value() for ref in self.inputs],
            "attributes": self.attributes,
            "shapes": self.shapes,
            "parameters": self.parameters,
            "module": self.module,
        }
        return {"op": self.op} | {key: value for key, value in optional.items() if value}


@dataclass
class RawGraph:
    """A whole model: nodes in topological order and the references that it returns.

    Raises :class:`InvalidGraph` when a reference does not point to an earlier node.

    >>> graph = RawGraph([Node("input"), Node("relu", [Ref(0)])], [Ref(1)], name="tiny")
    >>> graph.to_dict()["outputs"]
    [1]
    >>> RawGraph([Node("relu", [Ref(1)]), Node("input")], [Ref(0)])
    Traceback (most recent call last):
        ...
    netkin.errors.InvalidGraph: node 0 (relu) reads node 1, which is not an earlier node
    """

    nodes: list[Node]
    outputs: list[Ref]
    name: str = ""
    dialect: str = "torch"
    producer: str = ""
    parameters: int | None = None

    def __post_init__(self) -> None:
        for index, node in enumerate(self.nodes):
            for ref in node.inputs:
                if not 0 <= ref.node < index:
                    raise InvalidGraph(
                        f"node {index} ({node.op}) reads node {ref.node}, "
                        "which is not an earlier node"
                    )
        for ref in self.outputs:
            if not 0 <= ref.node < len(self.nodes):
                raise InvalidGraph(f"an output reads node {ref.node}, which does not exist")

    def edges(self) -> Iterator[tuple[Ref, int]]:
        """Every dataflow edge as (what is read, index of the node that reads it)."""
        for index, node in enumerate(self.nodes):
            for ref in node.inputs:
                yield ref, index

    def to_dict(self) -> dict[str, Any]:
        """The document of the ``netkin-graph`` format, ready for ``json.dump``."""
        optional = {
            "producer": self.producer or None,
            "name": self.name or None,
            "parameters": self.parameters,
        }
        return {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "dialect": self.dialect,
            **{key: value for key, value in optional.items() if value is not None},
            "nodes": [node.to_dict() for node in self.nodes],
            "outputs": [ref.to_json_value() for ref in self.outputs],
        }

    def to_json(self) -> str:
        """The document as one line of JSON."""
        return json.dumps(self.to_dict(), separators=(",", ":"), allow_nan=False)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the document to ``path``, replacing what is there."""
        Path(path).write_text(self.to_json() + "\n", encoding="utf-8")
