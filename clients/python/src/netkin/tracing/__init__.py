"""Tracing PyTorch modules: :func:`trace` runs a forward on shapes alone and writes down what ran.

``weightless`` runs torch code without data, ``lineage`` knows which node computed a tensor,
``recorder`` turns calls into nodes, ``arguments`` writes them as JSON. This file joins the four
and undoes everything it changed, whatever happens.
"""

from __future__ import annotations

import contextlib
import threading
import types
from collections.abc import Iterator
from typing import Any

import torch
from torch.nn.modules import module as torch_module

from netkin.errors import TraceError, UnsupportedInput
from netkin.raw_graph import Node, RawGraph, Ref
from netkin.spec import Spec
from netkin.tracing.arguments import map_tensors, tensors_in, tensors_in_output
from netkin.tracing.recorder import Recorder
from netkin.tracing.weightless import Weightless, to_meta
from netkin.version import __version__

# In-place methods that initialise weights; on a tensor without data they have nothing to do.
_INITIALISING = {
    *("add_", "clamp_", "copy_", "div_", "erfinv_", "fill_", "mul_", "normal_", "sub_"),
    *("uniform_", "zero_", "__setitem__"),
}

_active = threading.local()


def trace(
    module: torch.nn.Module, *inputs: Any, name: str | None = None, **kwargs: Any
) -> RawGraph:
    """Record the operators that ``module(*inputs, **kwargs)`` calls, without running them.

    The forward runs in evaluation mode on meta tensors, which have shapes and no data, so it costs
    neither the model's memory nor its time. The module keeps its weights, buffers, training flags
    and other attributes (but lists and dicts that the forward itself grows stay grown). Values are
    unknown during the trace: where the forward branches on a value that depends on its inputs,
    that value counts as 0 or False, and a boolean mask selects everything.

    Args:
        module: what to trace, with real weights or built under :func:`skeleton`.
        *inputs: the forward's arguments. A tensor (real or meta) stands for its shape and dtype,
            a tuple, list or ``torch.Size`` of integers for a float32 tensor of that shape, and a
            :class:`netkin.Spec` for any other tensor. Anything else is passed on unchanged.
        name: the graph's name; by default the module's class name.
        **kwargs: the forward's keyword arguments. Tuples of integers stay tuples here; write a
            ``Spec`` for a tensor.

    Returns:
        The raw graph, without nodes from which no output can be reached.

    Raises:
        UnsupportedInput: an argument cannot stand for an input, or nothing does.
        TraceError: the forward failed, or no tensor that it returned depends on an input.

    Threads may trace at the same time if they trace different modules. A trace cannot start inside
    another trace of the same thread, and code that a forward runs in threads of its own is not
    seen. ``skeleton()`` may be active around a trace.

    >>> graph = trace(torch.nn.Sequential(torch.nn.Linear(4, 2), torch.nn.ReLU()), (1, 4))
    >>> [(node.op, node.shapes, node.module) for node in graph.nodes]
    [('input', [[1, 4]], ''), ('linear', [[1, 2]], '0'), ('relu', [[1, 2]], '1')]
    >>> graph.parameters
    10
    """
    _check_module(module)
    if getattr(_active, "tracing", False):
        raise TraceError("a trace is already running in this thread; start the next one after it")
    arguments = [_input(value, shape_allowed=True) for value in inputs]
    keywords = {key: _input(value, shape_allowed=False) for key, value in kwargs.items()}
    recorder = Recorder(module)
    for tensor in tensors_in((arguments, keywords)):
        recorder.add_input(tensor)
    if not recorder.nodes:
        raise UnsupportedInput(
            "nothing to trace from: give at least one tensor, shape or netkin.Spec as an input"
        )
    with _surroundings(module, recorder):
        returned = _forward(module, recorder, arguments, keywords)
    outputs = [recorder.output(tensor) for tensor in tensors_in_output(returned)]
    reached = list(dict.fromkeys(ref for ref in outputs if ref is not None))
    if not reached:
        raise TraceError(
            f"nothing that {type(module).__name__} returned depends on its inputs; "
            "return tensors from forward, and compute them with torch functions"
        )
    nodes, reached = _reachable(recorder.nodes, reached)
    return RawGraph(
        nodes,
        reached,
        name=name if name is not None else type(module).__name__,
        producer=f"netkin-python/{__version__} torch/{torch.__version__.split('+')[0]}",
        parameters=sum(parameter.numel() for parameter in module.parameters()),
    )


@contextlib.contextmanager
def skeleton() -> Iterator[None]:
    """Within this context modules are built without allocating their weights.

    Large tensors become meta tensors and ``torch.nn.init`` does nothing; small constants keep
    their values. The modules can be traced, not run. Random numbers drawn inside do not disturb
    the global generator. Applies to the current thread and may be nested.

    >>> with skeleton():
    ...     layer = torch.nn.Linear(100_000, 100_000)
    >>> layer.weight.device
    device(type='meta')
    """
    with torch.random.fork_rng(devices=[]), _Skeleton():
        torch.manual_seed(0)
        yield


class _Skeleton(Weightless):
    """Construction without initialisation; steps aside while a trace runs."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if getattr(_active, "tracing", False):
            return func(*args, **(kwargs or {}))
        if getattr(func, "__module__", None) == "torch.nn.init":
            return next(tensors_in((args, kwargs)))
        without_data = args and isinstance(args[0], torch.Tensor) and args[0].is_meta
        if without_data and getattr(func, "__name__", "") in _INITIALISING:
            return args[0]
        return super().__torch_function__(func, types, args, kwargs)


def _check_module(module: Any) -> None:
    if not isinstance(module, torch.nn.Module):
        raise UnsupportedInput(
            f"trace needs a torch.nn.Module, not {type(module).__name__}; "
            "wrap a function in a module that calls it from forward"
        )
    if isinstance(module, torch.jit.ScriptModule):
        raise UnsupportedInput(
            "a scripted module hides its operators; trace the module it was made from"
        )
    for path, parameter in module.named_parameters():
        if torch.nn.parameter.is_lazy(parameter):
            raise UnsupportedInput(
                f"parameter {path!r} has no shape yet; run the module once before tracing it"
            )


def _input(value: Any, shape_allowed: bool) -> Any:
    """An argument with every tensor, shape and Spec in it replaced by a meta tensor."""
    if isinstance(value, torch.Tensor) and value.layout != torch.strided:
        raise UnsupportedInput(
            f"an input has layout {value.layout}; only dense tensors can be traced"
        )
    if isinstance(value, Spec):
        return _from_spec(value)
    if isinstance(value, torch.Size) or (shape_allowed and _is_shape(value)):
        return torch.empty(tuple(value), device="meta")
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
        return type(value)(_input(item, shape_allowed=False) for item in value)
    if isinstance(value, dict):
        return {key: _input(item, shape_allowed=False) for key, item in value.items()}
    return map_tensors(lambda tensor: to_meta(tensor.detach()), value)


def _is_shape(value: Any) -> bool:
    if not isinstance(value, (tuple, list)) or not value:
        return False
    return all(isinstance(extent, int) and not isinstance(extent, bool) for extent in value)


def _from_spec(spec: Spec) -> torch.Tensor:
    dtype = getattr(torch, spec.dtype, None)
    if not isinstance(dtype, torch.dtype):
        raise UnsupportedInput(
            f"torch has no dtype {spec.dtype!r}; write for example 'float32' or 'int64'"
        )
    return torch.empty(spec.shape, dtype=dtype, device="meta")


@contextlib.contextmanager
def _surroundings(module: torch.nn.Module, recorder: Recorder) -> Iterator[None]:
    """Everything that a trace changes outside itself, and its undoing."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices=[]))
        torch.manual_seed(0)
        # Inference tensors keep no version counters, and those show the in-place writes.
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.no_grad())
        stack.enter_context(_evaluation_mode(module))
        stack.enter_context(_without_fast_path())
        stack.enter_context(_following_modules(module, recorder))
        _active.tracing = True
        stack.callback(setattr, _active, "tracing", False)
        yield


@contextlib.contextmanager
def _evaluation_mode(module: torch.nn.Module) -> Iterator[None]:
    """Evaluation mode inside; afterwards every attribute is again what it was before.

    Forwards may store tensors on their modules, and here those would be meta tensors. The flag is
    set directly, because a module's own train() may do more than that.
    """
    before = [(child, _attributes(child)) for child in module.modules()]
    try:
        for child, _ in before:
            child.training = False
        yield
    finally:
        for child, attributes in before:
            _restore(child, attributes)


_Attributes = dict[str, tuple[Any, dict[str, Any] | None]]


def _attributes(child: torch.nn.Module) -> _Attributes:
    """Every attribute, and the content of those that hold parameters, buffers and children."""
    return {
        name: (value, dict(value) if name in ("_parameters", "_buffers", "_modules") else None)
        for name, value in vars(child).items()
    }


def _restore(child: torch.nn.Module, attributes: _Attributes) -> None:
    for name in set(vars(child)) - set(attributes):
        del vars(child)[name]
    for name, (value, content) in attributes.items():
        vars(child)[name] = value
        if content is not None:
            value.clear()
            value.update(content)


@contextlib.contextmanager
def _without_fast_path() -> Iterator[None]:
    """The fused transformer kernels would hide the operators inside them."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


@contextlib.contextmanager
def _following_modules(module: torch.nn.Module, recorder: Recorder) -> Iterator[None]:
    """Tells the recorder which module runs. Global hooks see other threads too: ignore those."""
    paths = {id(child): path for path, child in reversed(list(module.named_modules()))}
    thread = threading.get_ident()
    running = [""]

    def enter(child: torch.nn.Module, _arguments: Any) -> None:
        if threading.get_ident() == thread:
            running.append(paths.get(id(child), running[-1]))
            recorder.enter_module(running[-1])

    def leave(_child: torch.nn.Module, _arguments: Any, _result: Any) -> None:
        if threading.get_ident() == thread and len(running) > 1:
            running.pop()
            recorder.enter_module(running[-1])

    before = torch_module.register_module_forward_pre_hook(enter)
    after = torch_module.register_module_forward_hook(leave, always_call=True)
    try:
        yield
    finally:
        before.remove()
        after.remove()


def _forward(
    module: torch.nn.Module, recorder: Recorder, arguments: list[Any], keywords: dict[str, Any]
) -> Any:
    try:
        with recorder:
            return module(*arguments, **keywords)
    except TraceError:
        raise
    except Exception as error:
        path, kind = _where(module, error.__traceback__)
        place = f"module {path!r} ({kind})" if path else kind
        raise TraceError(
            f"forward failed in {place}: {type(error).__name__}: {error}. "
            "Check the input shapes and dtypes; code that needs real values cannot be traced",
            path,
        ) from error


def _where(module: torch.nn.Module, traceback: types.TracebackType | None) -> tuple[str, str]:
    """Path and class of the innermost submodule whose method was running."""
    paths = {id(child): path for path, child in module.named_modules()}
    found = ("", type(module).__name__)
    while traceback is not None:
        running = traceback.tb_frame.f_locals.get("self")
        if id(running) in paths:
            found = (paths[id(running)], type(running).__name__)
        traceback = traceback.tb_next
    return found


def _reachable(nodes: list[Node], outputs: list[Ref]) -> tuple[list[Node], list[Ref]]:
    """The nodes from which an output can be reached, and all inputs, renumbered."""
    needed = {ref.node for ref in outputs}
    for index in range(len(nodes) - 1, -1, -1):
        if index in needed:
            needed.update(ref.node for ref in nodes[index].inputs)
    kept = [i for i, node in enumerate(nodes) if i in needed or node.op == "input"]
    number = {old: new for new, old in enumerate(kept)}
    for index in kept:
        nodes[index].inputs = [Ref(number[r.node], r.output) for r in nodes[index].inputs]
    return [nodes[index] for index in kept], [Ref(number[r.node], r.output) for r in outputs]
