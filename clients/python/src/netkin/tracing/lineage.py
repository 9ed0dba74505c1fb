"""Which node computed the values that a tensor shows now.

Torch lets many tensors look at one memory, and a write through any of them changes the others.
So lineage belongs to memories and regions of them, never to tensor objects. A stale view is made
fresh only when it is read: the writes it missed are put into the memory's first tensor with
``__setitem__`` or ``as_strided_scatter``, and the view is taken again from there.

The one invariant: after ``read(tensor)`` the answer is the node output whose value equals what
the tensor would hold if the program had run for real, or None when no input can reach it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

import torch

from netkin.raw_graph import Node, Ref
from netkin.tracing.arguments import dtype_name

MAX_COMPARED_ELEMENTS = 1 << 26
NEVER_READ = -1


class Origin(Enum):
    """What the values of a memory depend on."""

    INPUT = "input"
    WEIGHT = "weight"
    CONSTANT = "constant"


class Region(NamedTuple):
    """The elements of a memory that a tensor shows."""

    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: str

    def geometry(self) -> list[Any]:
        """Size, stride and offset as ``as_strided`` takes them."""
        return [list(self.size), list(self.stride), self.offset]


@dataclass
class View:
    """A region's value, the writes it has seen, and the view operator that first reached it."""

    ref: Ref | None
    writes_seen: int
    source: Region | None = None
    taken_by: Ref | None = None


class Write(NamedTuple):
    """One in-place write: the region and its new value (None: a value no input reaches)."""

    region: Region
    ref: Ref | None


@dataclass
class Memory:
    """One storage: where its values come from and every region seen so far, the first as root."""

    origin: Origin
    holder: torch.Tensor  # keeps the storage alive, so that its key is never given away again
    owners: frozenset[str] = frozenset()
    root: Region | None = None
    views: dict[Region, View] = field(default_factory=dict)
    writes: list[Write] = field(default_factory=list)
    initially: Origin = Origin.CONSTANT  # what the elements are that no write has reached

    def view_of_root(self) -> View:
        """A view that no recorded operator took and that has seen no write."""
        return View(None, NEVER_READ, self.root)


class Lineage:
    """The memories of one trace; appends the nodes that stale views need to ``nodes``."""

    def __init__(self, nodes: list[Node]) -> None:
        self.module_path = ""
        self._nodes = nodes
        self._memories: dict[int, Memory] = {}
        self._taken_again: dict[tuple[int, Ref], int] = {}

    def memory_of(self, tensor: torch.Tensor) -> Memory | None:
        """The memory that a tensor shows, or None when the trace has not met it."""
        key = storage_key(tensor)
        return None if key is None else self._memories.get(key)

    def declare(
        self, tensor: torch.Tensor, origin: Origin, owners: frozenset[str] = frozenset()
    ) -> None:
        """Note a tensor that no input reaches, unless its memory is known already."""
        key = storage_key(tensor)
        if key is not None and key not in self._memories:
            self._memories[key] = Memory(origin, tensor, owners, initially=origin)

    def mix_in_weights(self, tensor: torch.Tensor, owners: frozenset[str]) -> None:
        """Note that weights were written into a tensor that no input reaches."""
        memory = self.memory_of(tensor)
        if memory is not None and memory.origin is not Origin.INPUT:
            memory.origin = memory.initially = Origin.WEIGHT
            memory.owners |= owners

    def read(self, tensor: torch.Tensor) -> Ref | None:
        """The node output that holds the tensor's present values; None if no input reaches it."""
        memory = self.memory_of(tensor)
        if memory is None or memory.origin is not Origin.INPUT:
            return None
        return self._fresh(memory, region_of(tensor))

    def define(self, tensor: torch.Tensor, ref: Ref, operands: list[torch.Tensor]) -> bool:
        """Note that a node's output is this tensor. False if no input reaches the tensor."""
        key = storage_key(tensor)
        if key is None:
            return True
        region = region_of(tensor)
        memory = self._memories.get(key)
        if memory is None:
            views = {region: View(ref, 0)}
            self._memories[key] = Memory(
                Origin.INPUT, tensor, root=region, views=views, initially=Origin.INPUT
            )
            return True
        if memory.origin is not Origin.INPUT:
            return False  # a view of a constant, such as bias.expand_as(x)
        seen = len(memory.writes)
        known = memory.views.get(region)
        if known is not None:
            known.ref, known.writes_seen = ref, seen  # an identity: same values, newer node
            return True
        source = next((region_of(t) for t in operands if storage_key(t) == key), memory.root)
        memory.views[region] = View(ref, seen, source, ref)
        return True

    def write(self, tensor: torch.Tensor, ref: Ref | None) -> None:
        """Note that a tensor's elements were overwritten in place."""
        key = storage_key(tensor)
        if key is None:
            return
        memory = self._memories.setdefault(key, Memory(Origin.CONSTANT, tensor))
        if ref is None and memory.origin is not Origin.INPUT:
            return
        region = region_of(tensor)
        if memory.origin is not Origin.INPUT:
            base = tensor._base if tensor._base is not None else tensor
            memory.root = region_of(base)
            memory.views[memory.root] = View(None, 0)
            memory.origin = Origin.INPUT
        memory.writes.append(Write(region, ref))
        view = memory.views.setdefault(region, memory.view_of_root())
        view.ref, view.writes_seen = ref, len(memory.writes)

    def _fresh(self, memory: Memory, region: Region) -> Ref | None:
        view = memory.views.setdefault(region, memory.view_of_root())
        missed = [
            write
            for write in memory.writes[max(view.writes_seen, 0) :]
            if overlap(write.region, region, memory.holder)
        ]
        never_read = view.writes_seen == NEVER_READ and memory.initially is Origin.INPUT
        view.writes_seen = len(memory.writes)
        if missed and missed[-1].region == region:
            view.ref = missed[-1].ref
        elif region == memory.root:
            for write in missed:
                view.ref = self._put_back(memory, region, view.ref, write)
        elif missed or never_read:
            self._take_again(memory, region, view)
        return view.ref

    def _put_back(self, memory: Memory, root: Region, base: Ref | None, write: Write) -> Ref | None:
        """The root's value after a write through a part of it."""
        if write.region == root:
            return write.ref
        if base is None and write.ref is None:
            return None
        inputs: list[Ref] = []
        target = _operand(base, root, memory, inputs)
        source = _operand(write.ref, write.region, memory, inputs)
        index = self._index_of(memory, write.region)
        if index is not None:
            return self._append("__setitem__", [target, index, source], inputs, root)
        args = [target, source, *write.region.geometry()]
        return self._append("as_strided_scatter", args, inputs, root)

    def _index_of(self, memory: Memory, region: Region) -> Any:
        """The index under which a part was taken from the root, if that is how it was taken."""
        view = memory.views[region]
        if view.taken_by is None or view.source != memory.root:
            return None
        taken_by = self._nodes[view.taken_by.node]
        plain = taken_by.op == "__getitem__" and len(taken_by.inputs) == 1
        return taken_by.attributes["args"][1] if plain else None

    def _take_again(self, memory: Memory, region: Region, view: View) -> None:
        """Repeat the view on its source's present value."""
        source = memory.root if view.taken_by is None else view.source
        assert source is not None, "a memory that an input reaches has a root"
        base = self._fresh(memory, source)
        if base is None:
            view.ref = None
        elif view.taken_by is None:
            args = [{"t": 0}, *region.geometry()]
            view.ref = self._append("as_strided", args, [base], region)
        else:
            view.ref = view.taken_by = self._repeat(view.taken_by, base)

    def _repeat(self, taken_by: Ref, base: Ref) -> Ref:
        """The same view operator on another base; once for all of its outputs."""
        again = self._taken_again.get((taken_by.node, base))
        if again is None:
            old = self._nodes[taken_by.node]
            inputs = [base, *old.inputs[1:]]
            self._nodes.append(
                Node(old.op, inputs, old.attributes, old.shapes, module=self.module_path)
            )
            again = self._taken_again[taken_by.node, base] = len(self._nodes) - 1
        return Ref(again, taken_by.output)

    def _append(self, op: str, args: list[Any], inputs: list[Ref], region: Region) -> Ref:
        shapes = [list(region.size)]
        self._nodes.append(Node(op, inputs, {"args": args}, shapes, module=self.module_path))
        return Ref(len(self._nodes) - 1)


def storage_key(tensor: torch.Tensor) -> int | None:
    """A number for the memory under a tensor; None for tensors without plain memory."""
    try:
        return int(tensor.untyped_storage()._cdata)
    except (NotImplementedError, RuntimeError):
        return None


def region_of(tensor: torch.Tensor) -> Region:
    """The region that a strided tensor shows; strides of single elements say nothing."""
    stride = tuple(
        step if extent > 1 else 0
        for extent, step in zip(tensor.shape, tensor.stride(), strict=True)
    )
    size, dtype = tuple(tensor.shape), dtype_name(tensor.dtype)
    return Region(int(tensor.storage_offset()), size, stride, dtype)


def overlap(a: Region, b: Region, holder: torch.Tensor) -> bool:
    """Whether two regions of a memory share an element; exact, by painting one of them."""
    if a == b or a.dtype != b.dtype:
        return True
    elements = holder.untyped_storage().nbytes() // holder.element_size()
    if elements > MAX_COMPARED_ELEMENTS or a.dtype != dtype_name(holder.dtype):
        return True
    painted = torch.zeros(elements, dtype=torch.bool)
    painted.as_strided(a.size, a.stride, a.offset).fill_(True)
    return bool(painted.as_strided(b.size, b.stride, b.offset).any())


def _operand(ref: Ref | None, region: Region, memory: Memory, inputs: list[Ref]) -> dict[str, Any]:
    if ref is None:
        return {"w" if memory.initially is Origin.WEIGHT else "c": list(region.size)}
    inputs.append(ref)
    return {"t": len(inputs) - 1}
