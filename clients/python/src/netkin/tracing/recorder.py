"""Records the torch functions that a forward calls as the nodes of a raw graph.

Thin on purpose: no operator is renamed, merged or dropped, so that the server's rules can improve
without a new client. The module's own tensors are replaced by meta twins before any call sees
them, so a module with real weights is neither copied nor changed.
"""

from __future__ import annotations

from typing import Any

import torch

from netkin.raw_graph import Node, Ref
from netkin.tracing.arguments import constant_to_json_value, tensors_in, to_json_value
from netkin.tracing.lineage import Lineage, Origin, Region, region_of, storage_key
from netkin.tracing.weightless import (
    MAX_FILLED_ELEMENTS,
    VALUE_FREE,
    Call,
    Outcome,
    Weightless,
    execute,
    to_meta,
    without_device,
)

_OVERWRITES = {"zero_", "fill_", "normal_", "uniform_", "random_", "bernoulli_", "exponential_"}


class Recorder(Weightless):
    """The mode that is active while a forward runs; ``nodes`` grows with every call."""

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.nodes: list[Node] = []
        self._lineage = Lineage(self.nodes)
        self._twins: dict[int, torch.Tensor] = {}
        self._sizes = {name: p.numel() for name, p in module.named_parameters()}
        self._counted: set[str] = set()
        for name, parameter in module.named_parameters():
            self._adopt(parameter, frozenset([name]), keep_values=False)
        for _, buffer in module.named_buffers():
            small = buffer.numel() <= MAX_FILLED_ELEMENTS
            self._adopt(buffer, frozenset(), keep_values=small and buffer.device.type == "cpu")

    def enter_module(self, path: str) -> None:
        """Say which module's code runs from now on."""
        self._lineage.module_path = path

    def add_input(self, tensor: torch.Tensor) -> None:
        """Note a model input."""
        self.nodes.append(Node("input", shapes=[list(tensor.shape)]))
        self._lineage.define(tensor, Ref(len(self.nodes) - 1), [])

    def output(self, tensor: torch.Tensor) -> Ref | None:
        """Where a returned tensor comes from; None when no input reaches it."""
        return self._lineage.read(self._twin_or_self(tensor))

    def created(self, tensor: Any) -> Any:
        """A factory's tensor is a constant, and writing to it is the forward's own business."""
        for made in tensors_in(tensor):
            self._lineage.declare(made, Origin.CONSTANT)
        return tensor

    def perform(self, call: Call) -> Any:
        """Run a call and record it if an input reaches it."""
        moved = without_device(call)
        if isinstance(moved, torch.Tensor):
            return moved
        call = moved.with_tensors(self._twin_or_self)
        operands = call.tensors()
        if not operands:
            return self.created(call.run())
        if call.looks_in_place() and self._is_foreign(operands[0]):
            self._twin(operands[0])
            call = call.with_tensors(self._twin_or_self)
        if _writes_own_view(call):
            return None
        outcome = execute(call)
        for constant, stand_in in outcome.stand_ins:
            memory = self._lineage.memory_of(constant)
            origin = memory.origin if memory else Origin.CONSTANT
            self._lineage.declare(stand_in, origin, memory.owners if memory else frozenset())
        self._record(call, outcome)
        return outcome.result

    def _adopt(self, tensor: torch.Tensor, owners: frozenset[str], keep_values: bool) -> None:
        self._lineage.declare(tensor, Origin.WEIGHT, owners)
        if not keep_values and not tensor.is_meta:
            self._twin(tensor)

    def _is_foreign(self, tensor: torch.Tensor) -> bool:
        """Whether a real tensor existed before the trace, so that writing would change it."""
        if tensor.is_meta:
            return False
        memory = self._lineage.memory_of(tensor)
        return memory is None or memory.origin is Origin.WEIGHT

    def _twin(self, tensor: torch.Tensor) -> torch.Tensor:
        """A meta tensor that stands for a real one, and for all its views, from now on."""
        key = storage_key(tensor)
        if key is None:
            return tensor
        if key not in self._twins:
            twin = to_meta(_whole(tensor))
            memory = self._lineage.memory_of(tensor)
            origin = memory.origin if memory else Origin.CONSTANT
            self._lineage.declare(twin, origin, memory.owners if memory else frozenset())
            self._lineage.declare(tensor, origin)  # keeps the real storage, and so its key, alive
            self._twins[key] = twin
        return self._twin_or_self(tensor)

    def _twin_or_self(self, tensor: torch.Tensor) -> torch.Tensor:
        if tensor.is_meta or not self._twins:
            return tensor
        key = storage_key(tensor)
        twin = self._twins.get(key) if key is not None else None
        if twin is None:
            return tensor if tensor.device.type == "cpu" else self._twin(tensor)
        if twin.dtype != tensor.dtype:
            return to_meta(tensor)
        if region_of(twin) == region_of(tensor):
            return twin
        return twin.as_strided(tensor.size(), tensor.stride(), tensor.storage_offset())

    def _record(self, call: Call, outcome: Outcome) -> None:
        results = list(tensors_in(outcome.result))
        if call.name in VALUE_FREE or not self._reaches_input(call):
            self._declare_results(call, results, outcome.written)
            return
        written = [t if t.is_meta else self._twin(t) for t in outcome.written]
        if call.name in _OVERWRITES:
            for tensor in written:
                self._lineage.write(tensor, None)
            return
        self._append(call, results, written)

    def _reaches_input(self, call: Call) -> bool:
        for tensor in call.tensors():
            memory = self._lineage.memory_of(tensor)
            if memory is not None and memory.origin is Origin.INPUT:
                return True
        return False

    def _declare_results(
        self, call: Call, results: list[torch.Tensor], written: list[torch.Tensor]
    ) -> None:
        memories = [self._lineage.memory_of(tensor) for tensor in call.tensors()]
        weights = [m for m in memories if m is not None and m.origin is Origin.WEIGHT]
        if call.name in VALUE_FREE:
            weights = []
        owners = frozenset[str]().union(*(memory.owners for memory in weights))
        for tensor in results:
            self._lineage.declare(tensor, Origin.WEIGHT if weights else Origin.CONSTANT, owners)
        for tensor in written if weights else []:
            self._lineage.mix_in_weights(tensor, owners)

    def _append(self, call: Call, results: list[torch.Tensor], written: list[torch.Tensor]) -> None:
        operands = call.tensors()
        node = Node(call.name, module=self._lineage.module_path)
        node.attributes = self._attributes(call, node.inputs)
        if not node.inputs:
            self._declare_results(call, results, written)
            for tensor in written:
                self._lineage.write(tensor, None)
            return
        index = len(self.nodes)
        # A write returns its target, but for __setitem__ and a few others that return nothing.
        outputs = results or written
        node.shapes = [list(tensor.shape) for tensor in outputs]
        self.nodes.append(node)
        targets = {_place(tensor) for tensor in written}
        reached = False
        for position, tensor in enumerate(outputs):
            ref = Ref(index, position)
            twin = self._twin_or_self(tensor)
            if _place(twin) in targets:
                self._lineage.write(twin, ref)
                targets.discard(_place(twin))
                reached = True
            else:
                reached |= self._lineage.define(twin, ref, operands)
        if reached:
            node.parameters = self._count_parameters(operands)
        else:
            self.nodes.pop()

    def _attributes(self, call: Call, inputs: list[Ref]) -> dict[str, Any]:
        def write_tensor(tensor: torch.Tensor) -> dict[str, Any]:
            ref = self._lineage.read(tensor)
            if ref is not None:
                inputs.append(ref)
                return {"t": len(inputs) - 1}
            memory = self._lineage.memory_of(tensor)
            if memory is not None and Origin.WEIGHT in (memory.origin, memory.initially):
                return {"w": list(tensor.shape)}
            return constant_to_json_value(tensor)

        attributes: dict[str, Any] = {"args": to_json_value(call.args, write_tensor)}
        if call.kwargs:
            attributes["kwargs"] = to_json_value(call.kwargs, write_tensor)
        return attributes

    def _count_parameters(self, operands: list[torch.Tensor]) -> int:
        """Parameters that no earlier node used."""
        memories = (self._lineage.memory_of(tensor) for tensor in operands)
        owners = set[str]().union(*(memory.owners for memory in memories if memory is not None))
        fresh = owners - self._counted
        self._counted |= fresh
        return sum(self._sizes[name] for name in fresh)


def _whole(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor itself or the one that it is a view of, if that shows the whole storage."""
    base = tensor._base if tensor._base is not None else tensor
    elements = tensor.untyped_storage().nbytes() // tensor.element_size()
    shows_all = base.dtype == tensor.dtype and base.numel() == elements
    return base if shows_all else tensor.as_strided([elements], [1], 0)


def _place(tensor: torch.Tensor) -> tuple[int | None, Region]:
    return storage_key(tensor), region_of(tensor)


def _writes_own_view(call: Call) -> bool:
    """``x[:, 0] += 1`` ends by storing the changed view where it already is: nothing to do."""
    if call.name != "__setitem__" or not isinstance(call.args[2], torch.Tensor):
        return False
    target, index, value = call.args
    if storage_key(target) != storage_key(value) or any(True for _ in tensors_in(index)):
        return False
    return _place(target[index]) == _place(value)
