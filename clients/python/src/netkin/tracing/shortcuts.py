"""Results of the commonest operators, made without torch's meta kernels.

Those kernels are written in Python and take about a millisecond a call, which was two thirds of a
trace. A rule here answers only where the operands fit together beyond doubt; anything else is left
to torch, so that its errors stay its own. Values, and therefore lineage, are untouched.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def shortcut(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor | None:
    """The result of a call on meta tensors, or None when torch must be asked."""
    rule = _RULES.get(name)
    return rule(*args, **kwargs) if rule is not None and args else None


def _gelu(x: Tensor, *_: Any, **__: Any) -> Tensor | None:
    return torch.empty_like(x) if x.is_meta and x.is_floating_point() else None


def _layer_norm(x: Tensor, normalized_shape: Any, *rest: Any, **named: Any) -> Tensor | None:
    fits = x.is_meta and tuple(x.shape[-len(normalized_shape) :]) == tuple(normalized_shape)
    parameters = [t for t in (*rest, *named.values()) if isinstance(t, Tensor)]
    fits &= all(tuple(t.shape) == tuple(normalized_shape) for t in parameters)
    if not fits or any(t.dtype != x.dtype for t in parameters):
        return None
    return torch.empty(x.shape, dtype=x.dtype, device="meta")


def _batch_norm(x: Tensor, *rest: Any, **named: Any) -> Tensor | None:
    """In evaluation only: in training the running statistics are written."""
    training = rest[4] if len(rest) > 4 else named.get("training", False)
    statistics = [t for t in (*rest, *named.values()) if isinstance(t, Tensor)]
    fits = x.is_meta and x.dim() > 1 and not training and len(statistics) >= 2
    fits = fits and all(tuple(t.shape) == (x.shape[1],) for t in statistics)
    return torch.empty_like(x) if fits else None


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor | None:
    fits = x.is_meta and x.dim() > 0 and weight.dim() == 2 and x.shape[-1] == weight.shape[1]
    fits = fits and x.dtype == weight.dtype
    fits = fits and (bias is None or tuple(bias.shape) == (weight.shape[0],))
    if not fits:
        return None
    return torch.empty((*x.shape[:-1], weight.shape[0]), dtype=x.dtype, device="meta")


def _attention(query: Tensor, key: Tensor, value: Tensor, *_: Any, **named: Any) -> Tensor | None:
    batches = query.shape[:-2] == key.shape[:-2] == value.shape[:-2]
    fits = query.is_meta and query.dim() == 4 and batches and not named.get("enable_gqa")
    fits = fits and query.dtype == key.dtype == value.dtype
    if not fits or query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        return None
    shape = (*query.shape[:-1], value.shape[-1])
    return torch.empty(shape, dtype=query.dtype, device="meta")


_RULES: dict[str, Callable[..., Tensor | None]] = {
    "batch_norm": _batch_norm,
    "gelu": _gelu,
    "layer_norm": _layer_norm,
    "linear": _linear,
    "scaled_dot_product_attention": _attention,
}
