"""Tensors inside nested Python values: find them, replace them, write them as JSON.

Knows the shapes that arguments and results of torch functions take, and nothing of dataflow.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch

MAX_CONSTANT_VALUES = 16
MAX_OUTPUT_DEPTH = 8


def tensors_in(value: Any) -> Iterator[torch.Tensor]:
    """The tensors in a call's arguments or result, in writing order."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from tensors_in(item)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from tensors_in(item)
    elif isinstance(value, slice):
        yield from tensors_in((value.start, value.stop, value.step))


def map_tensors(change: Callable[[torch.Tensor], Any], value: Any) -> Any:
    """The same nested value with ``change`` applied to every tensor in it."""
    if isinstance(value, torch.Tensor):
        return change(value)
    if isinstance(value, torch.Size) or not isinstance(value, (tuple, list, dict, slice)):
        return value
    if isinstance(value, dict):
        return {key: map_tensors(change, item) for key, item in value.items()}
    if isinstance(value, slice):
        parts = (value.start, value.stop, value.step)
        return slice(*(map_tensors(change, part) for part in parts))
    items = [map_tensors(change, item) for item in value]
    if isinstance(value, list) or type(value) is tuple:
        return type(value)(items)
    if hasattr(value, "_fields"):  # a namedtuple takes its fields one by one
        return type(value)(*items)
    return type(value)(items)  # torch.return_types


def tensors_in_output(value: Any, depth: int = 0) -> Iterator[torch.Tensor]:
    """The tensors in whatever a forward returned: containers, dataclasses, plain objects."""
    if isinstance(value, torch.Tensor):
        yield value
    elif depth >= MAX_OUTPUT_DEPTH or isinstance(value, (type, torch.nn.Module, str, bytes)):
        return
    else:
        for item in _parts(value):
            yield from tensors_in_output(item, depth + 1)


def _parts(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    if isinstance(value, (tuple, list)):
        return list(value)
    if dataclasses.is_dataclass(value):
        return [getattr(value, field.name) for field in dataclasses.fields(value)]
    return list(vars(value).values()) if hasattr(value, "__dict__") else []


def to_json_value(value: Any, write_tensor: Callable[[torch.Tensor], Any]) -> Any:
    """An argument in the notation of the torch dialect; tensors are left to ``write_tensor``."""
    if isinstance(value, torch.Tensor):
        return write_tensor(value)
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return finite_or_name(float(value))
    if isinstance(value, (tuple, list)):
        return [to_json_value(item, write_tensor) for item in value]
    if isinstance(value, dict):
        return {str(key): to_json_value(item, write_tensor) for key, item in value.items()}
    if isinstance(value, slice):
        parts = (value.start, value.stop, value.step)
        return {"slice": [to_json_value(part, write_tensor) for part in parts]}
    if value is Ellipsis:
        return {"ellipsis": True}
    if isinstance(value, torch.dtype):
        return {"dtype": dtype_name(value)}
    return {"object": type(value).__name__}


def constant_to_json_value(tensor: torch.Tensor) -> dict[str, Any]:
    """A constant tensor: its shape, and its values when they are few and known."""
    written: dict[str, Any] = {"c": list(tensor.shape)}
    known = tensor.device.type == "cpu" and tensor.layout == torch.strided
    if known and tensor.numel() <= MAX_CONSTANT_VALUES and not tensor.is_complex():
        values = tensor.detach().reshape(-1).tolist()
        written["v"] = [finite_or_name(v) if isinstance(v, float) else v for v in values]
    return written


def finite_or_name(value: float) -> float | str:
    """The float itself, or the name of a value that JSON cannot write.

    >>> finite_or_name(0.5), finite_or_name(float("-inf"))
    (0.5, '-inf')
    """
    return value if math.isfinite(value) else str(value)


def dtype_name(dtype: torch.dtype) -> str:
    """``float32`` for ``torch.float32``."""
    return str(dtype).removeprefix("torch.")
