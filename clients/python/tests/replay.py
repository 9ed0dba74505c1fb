"""Runs a raw graph for real: an independent reading of the torch dialect, for tests only.

Every node gets copies of its operands, so no value is shared and a graph that forgot a write
through a view gives a wrong answer.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as functional

from netkin import Node, RawGraph
from netkin.tracing.arguments import tensors_in


def replay(graph: RawGraph, *inputs: torch.Tensor) -> list[torch.Tensor]:
    """The graph's outputs for these inputs; graphs with weights cannot be replayed."""
    given = iter(inputs)
    values: list[list[torch.Tensor]] = []
    for node in graph.nodes:
        if node.op == "input":
            values.append([next(given)])
            continue
        operands = [values[ref.node][ref.output].clone() for ref in node.inputs]
        values.append(_run(node, operands))
    return [values[ref.node][ref.output] for ref in graph.outputs]


def _run(node: Node, operands: list[torch.Tensor]) -> list[torch.Tensor]:
    args = _read(node.attributes["args"], operands)
    kwargs = _read(node.attributes.get("kwargs", {}), operands)
    if isinstance(args[0], torch.Tensor) and _is_property(node.op):
        return [getattr(args[0], node.op)]
    result = _call(node.op, args, kwargs)
    return [args[0]] if result is None else [t.clone() for t in tensors_in(result)]


def _is_property(op: str) -> bool:
    return not callable(getattr(torch.Tensor, op, len))


def _call(op: str, args: Any, kwargs: Any) -> Any:
    for place in (torch.Tensor, functional, torch):
        try:
            return getattr(place, op)(*args, **kwargs)
        except (AttributeError, TypeError):
            continue
    raise LookupError(f"torch has no {op} that takes these arguments")


def _read(value: Any, operands: list[torch.Tensor]) -> Any:
    if isinstance(value, list):
        return tuple(_read(item, operands) for item in value)
    if not isinstance(value, dict):
        return value
    if "t" in value:
        return operands[value["t"]]
    if "c" in value:
        return torch.tensor(value["v"]).reshape(value["c"])
    if "slice" in value:
        return slice(*value["slice"])
    if "ellipsis" in value:
        return Ellipsis
    if "dtype" in value:
        return getattr(torch, value["dtype"])
    return {key: _read(item, operands) for key, item in value.items()}
