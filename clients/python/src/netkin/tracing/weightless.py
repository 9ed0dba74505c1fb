"""A torch function mode under which large tensors have shapes and no data.

A small tensor that does not depend on a model's inputs keeps its real values on the CPU, so that
code which computes sizes or indices from it still works; everything else lives on the meta device.
Nothing here records anything. The one invariant: no call ever sees tensors of two devices.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from netkin.tracing.arguments import map_tensors, tensors_in
from netkin.tracing.shortcuts import shortcut

MAX_FILLED_ELEMENTS = 1 << 16  # zeros, ones and full up to this size keep their values
MAX_UNFILLED_ELEMENTS = 1 << 14  # empty and random tensors: parameters in the making
MAX_PROBE_ELEMENTS = 1 << 26

_FILLED = {"zeros", "ones", "full"}
_UNFILLED = {"empty", "rand", "randn"}
_OTHER_FACTORIES = {
    *("arange", "as_tensor", "empty_strided", "eye", "from_numpy", "hamming_window"),
    *("hann_window", "linspace", "logspace", "normal", "randint", "randperm", "range"),
    *("scalar_tensor", "tensor", "tril_indices", "triu_indices"),
}
FACTORIES = {
    getattr(torch, name) for name in _FILLED | _UNFILLED | _OTHER_FACTORIES if hasattr(torch, name)
}

_LIKE_FILLED: dict[str, int | None] = {
    **dict.fromkeys(("zeros_like", "empty_like", "new_zeros", "new_empty"), 0),
    **dict.fromkeys(("ones_like", "new_ones"), 1),
    **dict.fromkeys(("full_like", "new_full"), None),  # the fill value is an argument
}
VALUE_FREE = {*_LIKE_FILLED, "new_tensor", "rand_like", "randn_like", "randint_like"}

_SCALARS: dict[str, Callable[[torch.Tensor], Any]] = {
    "__bool__": lambda tensor: False,
    "is_nonzero": lambda tensor: False,
    "__int__": lambda tensor: 0,
    "__index__": lambda tensor: 0,
    "__float__": lambda tensor: 0.0,
    "item": lambda tensor: torch.zeros((), dtype=tensor.dtype).item(),
    "tolist": lambda tensor: torch.zeros(tensor.shape, dtype=tensor.dtype).tolist(),
    "numpy": lambda tensor: torch.zeros(tensor.shape, dtype=tensor.dtype).numpy(),
    "__array__": lambda tensor: torch.zeros(tensor.shape, dtype=tensor.dtype).numpy(),
}
_MOVES = {"to", "cuda", "cpu", "type_as"}
_IN_PLACE_DUNDERS = {
    *("__iadd__", "__isub__", "__imul__", "__itruediv__", "__idiv__", "__ifloordiv__"),
    *("__imod__", "__ipow__", "__iand__", "__ior__", "__ixor__", "__imatmul__"),
    *("__ilshift__", "__irshift__", "__setitem__"),
}


@dataclass(frozen=True)
class Call:
    """One call of a torch function, as the mode received it."""

    function: Callable[..., Any]
    name: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)

    def tensors(self) -> list[torch.Tensor]:
        """Every tensor among the arguments, in writing order."""
        return list(tensors_in((self.args, self.kwargs)))

    def with_tensors(self, change: Callable[[torch.Tensor], Any]) -> Call:
        """The same call with every tensor changed."""
        return replace(
            self, args=map_tensors(change, self.args), kwargs=map_tensors(change, self.kwargs)
        )

    def run(self) -> Any:
        """Call the function."""
        return self.function(*self.args, **self.kwargs)

    def looks_in_place(self) -> bool:
        """Whether the name says that the first tensor is written."""
        if "out" in self.kwargs or self.name in _IN_PLACE_DUNDERS:
            return True
        return self.name.endswith("_") and not self.name.endswith("__")


@dataclass(frozen=True)
class Outcome:
    """What a call returned and which of its tensors it wrote.

    ``stand_ins`` are meta tensors that took the place of real constants: (constant, stand-in).
    """

    result: Any
    written: list[torch.Tensor]
    stand_ins: list[tuple[torch.Tensor, torch.Tensor]] = field(default_factory=list)


class Weightless(TorchFunctionMode):
    """Runs torch code without allocating anything large; see the module's first lines."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Answer one call of a torch function; torch calls this, nobody else does."""
        call = Call(func, operator_name(func), args, dict(kwargs or {}))
        if getattr(func, "__name__", "") == "__get__":
            # Modules must believe that they run on an ordinary device.
            if call.name == "device":
                return torch.device("cpu")
            if call.name == "is_meta":
                return False
        if func in FACTORIES:
            made_from = _tensor_made_from(call)
            if made_from is None:
                return self.created(_create(call))
            call = made_from
        return self.perform(call)

    def created(self, tensor: Any) -> Any:
        """Called with every tensor that a factory made."""
        return tensor

    def perform(self, call: Call) -> Any:
        """Run a call that is not a factory."""
        moved = without_device(call)
        return moved if isinstance(moved, torch.Tensor) else execute(moved).result


def operator_name(function: Callable[..., Any]) -> str:
    """The dialect's name of a torch function: ``conv2d``, ``__add__``, ``T`` for a property.

    >>> operator_name(torch.nn.functional.max_pool2d), operator_name(torch.Tensor.T.__get__)
    ('max_pool2d', 'T')
    """
    name = getattr(function, "__name__", None) or type(function).__name__
    if name in ("__get__", "__set__"):
        return str(getattr(getattr(function, "__self__", None), "__name__", name))
    return str(name).split(".")[0]  # torch.ops overloads are called "relu.default"


def without_device(call: Call) -> Call | torch.Tensor:
    """The call with every wish for a device removed; a mere move gives its tensor back."""
    kwargs = {key: value for key, value in call.kwargs.items() if key != "device"}
    call = replace(call, kwargs=kwargs)
    if call.name not in _MOVES or not (call.args and isinstance(call.args[0], torch.Tensor)):
        return call
    tensor = call.args[0]
    dtype = tensor.dtype
    for wish in [*call.args[1:], *kwargs.values()]:
        if isinstance(wish, torch.dtype):
            dtype = wish
        elif isinstance(wish, torch.Tensor):
            dtype = wish.dtype
    if dtype == tensor.dtype:
        return tensor
    return Call(torch.Tensor.to, "to", (tensor, dtype))


def execute(call: Call) -> Outcome:
    """Run a call on whatever mixture of meta tensors and small constants it was given."""
    tensors = call.tensors()
    if not any(tensor.is_meta for tensor in tensors):
        return _run_watching(call, [(tensor, tensor) for tensor in tensors])
    if call.name in _SCALARS:
        return Outcome(_SCALARS[call.name](tensors[0]), [])
    if call.name in VALUE_FREE:
        return Outcome(_create_like(call), [])
    made = shortcut(call.name, call.args, call.kwargs)
    if made is not None:
        return Outcome(made, [])
    try:
        return _run_on_meta(call, keep_scalars=True)
    except RuntimeError as first_error:
        for attempt in (_run_on_meta, _run_on_probes):
            try:
                return attempt(call)
            except Exception:  # the first attempt's error speaks of what the caller wrote
                continue
        raise first_error from None


def to_meta(tensor: torch.Tensor) -> torch.Tensor:
    """A meta tensor of the same shape, strides and dtype."""
    return torch.empty_strided(tensor.size(), tensor.stride(), dtype=tensor.dtype, device="meta")


def _tensor_made_from(call: Call) -> Call | None:
    """``torch.tensor(x)`` of a tensor is a copy of it or a change of its dtype."""
    if call.name not in ("tensor", "as_tensor"):
        return None
    if not (call.args and isinstance(call.args[0], torch.Tensor)):
        return None
    dtype = call.kwargs.get("dtype") or call.args[0].dtype
    if call.name == "as_tensor" or dtype != call.args[0].dtype:
        return Call(torch.Tensor.to, "to", (call.args[0], dtype))
    return Call(torch.Tensor.clone, "clone", (call.args[0],))


def _create(call: Call) -> Any:
    """Make a tensor: on the CPU while it is small, on the meta device otherwise."""
    call = call.with_tensors(lambda tensor: 0 if tensor.is_meta else tensor)
    if call.name == "from_numpy":
        return call.run()
    kwargs = {key: value for key, value in call.kwargs.items() if key != "pin_memory"}
    if call.name in _FILLED | _UNFILLED and _requested_elements(call) > _limit(call.name):
        kwargs.pop("generator", None)
        return replace(call, kwargs=kwargs | {"device": "meta"}).run()
    kwargs["device"] = "cpu"
    if call.name != "empty":
        return replace(call, kwargs=kwargs).run()
    # Uninitialised memory would make two traces of one model differ.
    kwargs.pop("memory_format", None)
    return replace(call, function=torch.zeros, kwargs=kwargs).run()


def _limit(factory: str) -> int:
    return MAX_FILLED_ELEMENTS if factory in _FILLED else MAX_UNFILLED_ELEMENTS


def _requested_elements(call: Call) -> int:
    size = call.kwargs.get("size", call.args)
    if len(size) and isinstance(size[0], (tuple, list)):
        size = size[0]
    return math.prod(int(extent) for extent in size if isinstance(extent, int))


def _create_like(call: Call) -> Any:
    """``zeros_like(x)`` and its kin need the shape of x only, so their values are known."""
    made = call.with_tensors(lambda t: t if t.is_meta or _is_extent(t) else to_meta(t)).run()
    if call.name not in _LIKE_FILLED or made.numel() > MAX_FILLED_ELEMENTS:
        return made
    fill: float | None = _LIKE_FILLED[call.name]
    if fill is None:
        given = call.kwargs.get("fill_value", call.args[-1])
        fill = given if isinstance(given, (int, float)) else 0
    return torch.full(made.shape, fill, dtype=made.dtype)


def _is_extent(tensor: torch.Tensor) -> bool:
    """Whether the tensor is a known integer, which may stand in a shape."""
    return tensor.dim() == 0 and not tensor.is_floating_point() and not tensor.is_complex()


def _run_on_meta(call: Call, keep_scalars: bool = False) -> Outcome:
    """Run on the meta device; constants of no dimensions may stay real, torch mixes them."""
    pairs: list[tuple[torch.Tensor, torch.Tensor]] = []

    def move(tensor: torch.Tensor) -> torch.Tensor:
        stays = tensor.is_meta or (keep_scalars and tensor.dim() == 0)
        used = tensor if stays else to_meta(tensor)
        pairs.append((tensor, used))
        return used

    return _run_watching(call.with_tensors(move), pairs)


def _run_on_probes(call: Call) -> Outcome:
    """Run for real on zeros (masks: all true) where the meta device cannot tell a shape.

    So a boolean mask selects everything, and ``nonzero`` finds everything.
    """
    if sum(tensor.numel() for tensor in call.tensors()) > MAX_PROBE_ELEMENTS:
        raise RuntimeError(f"{call.name} needs values of tensors too large to make up")
    pairs: list[tuple[torch.Tensor, torch.Tensor]] = []

    def probe(tensor: torch.Tensor) -> torch.Tensor:
        if not tensor.is_meta:
            used = tensor.clone()
        elif tensor.dtype == torch.bool:
            used = torch.ones(tensor.shape, dtype=torch.bool)
        else:
            used = torch.zeros(tensor.shape, dtype=tensor.dtype)
        pairs.append((tensor, used))
        return used

    outcome = _run_watching(call.with_tensors(probe), pairs)
    originals = {id(original) for original, _ in pairs}
    result = map_tensors(lambda t: t if id(t) in originals else to_meta(t), outcome.result)
    return Outcome(result, outcome.written)


def _run_watching(call: Call, pairs: list[tuple[torch.Tensor, torch.Tensor]]) -> Outcome:
    """Run and notice writes by torch's own version counters; pairs are (original, used)."""
    before = [_version(used) for _, used in pairs]
    result = call.run()
    bumped = [
        (original, used)
        for (original, used), version in zip(pairs, before, strict=True)
        if _version(used) != version
    ]
    if not bumped and call.looks_in_place() and pairs and pairs[0][1].is_inference():
        bumped = pairs[:1]
    returned = {id(tensor) for tensor in tensors_in(result)}
    back = {id(used): original for original, used in pairs}
    return Outcome(
        map_tensors(lambda tensor: back.get(id(tensor), tensor), result),
        _targets(bumped, returned),
        [(original, used) for original, used in pairs if original is not used],
    )


def _targets(
    bumped: list[tuple[torch.Tensor, torch.Tensor]], returned: set[int]
) -> list[torch.Tensor]:
    """Views share a version counter, so of several candidates the returned one was written."""
    chosen: dict[int, torch.Tensor] = {}
    for original, used in sorted(bumped, key=lambda pair: id(pair[1]) not in returned):
        chosen.setdefault(used.untyped_storage()._cdata, original)
    return list(chosen.values())


def _version(tensor: torch.Tensor) -> int:
    return -1 if tensor.is_inference() else tensor._version
