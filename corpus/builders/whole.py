"""Records a Python function as one node, named after the compiled operator that it replaces."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.overrides import handle_torch_function, has_torch_function


def recorded_whole(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The function, which a trace sees as one operator ``name`` and not as what it calls.

    For recurrences that are written as a loop over positions and run as one kernel elsewhere.
    The function need only return tensors of the right shapes.
    """

    @functools.wraps(function)
    def whole(*args: Any, **kwargs: Any) -> Any:
        tensors = tuple(_tensors((*args, *kwargs.values())))
        if has_torch_function(tensors):
            return handle_torch_function(whole, tensors, *args, **kwargs)
        return function(*args, **kwargs)

    whole.__name__ = name
    return whole


def _tensors(values: Any) -> Iterator[torch.Tensor]:
    for value in values:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _tensors(value)
