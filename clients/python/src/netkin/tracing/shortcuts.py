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


def _elementwise(x: Any, y: Any, *rest: Any, **named: Any) -> Tensor | None:
    """Of dense real tensors of one dtype, or of one such tensor and a Python number."""
    if rest or named or not all(_is_plain(operand) for operand in (x, y)):
        return None
    tensors = [operand for operand in (x, y) if isinstance(operand, Tensor)]
    if len(tensors) == 1:
        return torch.empty_like(tensors[0])
    if tensors[0].dtype != tensors[1].dtype:
        return None
    shape = _broadcast(tensors[0].shape, tensors[1].shape)
    return torch.empty(shape, dtype=tensors[0].dtype, device="meta") if shape else None


def _unary(x: Tensor, *rest: Any, **named: Any) -> Tensor | None:
    """Of one dense real tensor, out of place."""
    if rest or any(value not in (None, False) for value in named.values()):
        return None
    return torch.empty_like(x) if isinstance(x, Tensor) and _is_plain(x) else None


def _power(x: Tensor, exponent: Any, **named: Any) -> Tensor | None:
    return _unary(x) if isinstance(exponent, (int, float)) and not named else None


def _is_plain(operand: Any) -> bool:
    if isinstance(operand, Tensor):
        dense = operand.is_meta and operand.is_floating_point() and operand.is_contiguous()
        return dense and operand.dim() > 0
    return isinstance(operand, (int, float)) and not isinstance(operand, bool)


def _broadcast(x: torch.Size, y: torch.Size) -> tuple[int, ...] | None:
    """The common shape of two operands, or None where they do not fit."""
    longer, shorter = (x, y) if len(x) >= len(y) else (y, x)
    padded = (1,) * (len(longer) - len(shorter)) + tuple(shorter)
    pairs = list(zip(longer, padded, strict=True))
    if any(a != b and 1 not in (a, b) for a, b in pairs):
        return None
    return tuple(b if a == 1 else a for a, b in pairs)


_ELEMENTWISE = {
    *("add", "sub", "mul", "div", "true_divide", "__add__", "__sub__", "__mul__", "__truediv__"),
    *("__radd__", "__rsub__", "__rmul__", "__rtruediv__"),
}
_UNARY = {"silu", "neg", "__neg__", "rsqrt", "sigmoid", "tanh", "exp", "sin", "cos"}

_RULES: dict[str, Callable[..., Tensor | None]] = {
    "batch_norm": _batch_norm,
    "gelu": _gelu,
    "layer_norm": _layer_norm,
    "linear": _linear,
    "scaled_dot_product_attention": _attention,
    **dict.fromkeys(("pow", "__pow__"), _power),
    **dict.fromkeys(_ELEMENTWISE, _elementwise),
    **dict.fromkeys(_UNARY, _unary),
}
