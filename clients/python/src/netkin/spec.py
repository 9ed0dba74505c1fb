"""``Spec`` describes a model input by shape and dtype where no tensor is at hand."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Spec:
    """A tensor-shaped input: its shape and the name of its dtype.

    A bare tuple of integers given to :func:`netkin.trace` means ``Spec(shape)``; write a ``Spec``
    for integer inputs such as token ids, and for shapes inside lists, dicts or keyword arguments.

    >>> Spec((1, 128), "int64")
    Spec(shape=(1, 128), dtype='int64')
    """

    shape: tuple[int, ...]
    dtype: str = "float32"
