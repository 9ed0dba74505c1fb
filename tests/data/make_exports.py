"""Exports every architecture of `export_catalogue.py` through every route and packs the results.

Run with `--help` for the options. A run resumes: entries already in the manifest are skipped, and one
failed route never stops the others. Weights are stripped before anything is written: a tensor of more
than 64 elements keeps its name, type and dimensions and loses its values.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import os
import random
import re
import signal
import sys
import time
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import GraphProto, ModelProto
from torch import Tensor, nn

from export_archive import (
    LARGEST_KEPT_TENSOR,
    facts,
    read_archive,
    read_manifest,
    strip_weights,
    write_archive,
    write_copies,
    write_manifest,
)
from export_catalogue import Entry, catalogue

ROUTE_LIMIT_S = 300
TRACE = "trace.json"
PACKAGES = ("torch", "torchvision", "timm", "transformers", "onnx", "onnxscript", "onnx-ir")


@dataclass
class Exported:
    """One route's result: the file without weights, and what is worth knowing about how it was made."""

    model: ModelProto
    notes: dict[str, Any]


def main() -> None:
    options = parse_arguments()
    prepare_torch()
    entries = [entry for entry in catalogue() if not options.only or entry.name in options.only]
    manifest = read_manifest()
    for position, entry in enumerate(entries, start=1):
        if entry.name in manifest["models"] and not options.only and not options.trace:
            continue
        started = time.monotonic()
        try:
            files, record = add_trace(entry, manifest) if options.trace else export_entry(entry)
        except Exception as error:
            print(f"[{position}/{len(entries)}] {entry.name}: not built: {reason(error)}", flush=True)
            continue
        if files:
            size = write_archive(entry.name, files)
            record["archive_bytes"] = size
            manifest["models"][entry.name] = record
            write_manifest(manifest, PACKAGES)
            write_copies(options.copies, entry.name, files)
        report(position, len(entries), entry.name, record, time.monotonic() - started)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="make these entries, again if need be")
    parser.add_argument("--trace", action="store_true", help="only add the torch trace to existing archives")
    parser.add_argument("--copies", type=Path, metavar="DIR", help="also write the unpacked files here")
    return parser.parse_args()


def prepare_torch() -> None:
    """Quiet exporters, and no fused encoder layer: neither exporter knows that operator."""
    torch.backends.mha.set_fastpath_enabled(False)
    warnings.filterwarnings("ignore")
    for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir", "transformers", "timm"):
        logging.getLogger(name).setLevel(logging.ERROR)


def report(position: int, total: int, name: str, record: dict[str, Any], seconds: float) -> None:
    failed = [route for route, result in record.get("routes", {}).items() if "failed" in result]
    worked = len(record.get("routes", {})) - len(failed)
    line = f"[{position}/{total}] {name}: {worked} routes, {record.get('archive_bytes', 0)} bytes, {seconds:.0f} s"
    print(line + (f", failed: {', '.join(failed)}" if failed else ""), flush=True)


# One entry


def export_entry(entry: Entry) -> tuple[dict[str, bytes], dict[str, Any]]:
    module, inputs = build(entry)
    record = describe(entry, module, inputs)
    files: dict[str, bytes] = {}
    results: dict[str, ModelProto] = {}
    program = once(lambda: torch.export.export(module, inputs, strict=False))
    opened = once(lambda: torch.export.export(module, inputs, strict=False))  # called with attention opened
    routes: dict[str, Callable[[], Exported]] = {
        "ts11": lambda: torchscript_oldest(module, inputs),
        "ts17": lambda: whole_or_opened(module, lambda: Exported(torchscript(module, inputs, 17), {})),
        "bn": lambda: whole_or_opened(module, lambda: Exported(torchscript_unfolded(module, inputs), {})),
        "dynamic": lambda: whole_or_opened(module, lambda: torchscript_dynamic(module, inputs, entry)),
        "shuffled": lambda: shuffled(results.get("ts17"), entry),
        "dyn18": lambda: dynamo_whole_or_opened(module, program, opened, inputs, 18),
        "dyn20": lambda: dynamo_whole_or_opened(module, program, opened, inputs, 20),
        "dyn23": lambda: dynamo_whole_or_opened(module, program, opened, inputs, 23),
    }
    for route, run in routes.items():
        try:
            with quiet(), time_limit(ROUTE_LIMIT_S), torch.no_grad():
                exported = run()
            strip_weights(exported.model)
            results[route] = exported.model
            files[f"{route}.onnx"] = exported.model.SerializeToString(deterministic=True)
            record["routes"][route] = {**facts(exported.model), **exported.notes}
        except Exception as error:
            record["routes"][route] = {"failed": reason(error)}
    trace = trace_module(entry, module, inputs, record)
    return files | trace, record


def build(entry: Entry) -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(seed_of(entry))
    module = entry.build().eval()
    make_tensors_distinct(module)
    return module, entry.inputs()


def seed_of(entry: Entry) -> int:
    return zlib.crc32(entry.name.encode())


@torch.no_grad()
def make_tensors_distinct(module: nn.Module) -> None:
    """Gives each small or constant tensor a value of its own, as training would.

    Fresh norm layers all hold ones and zeros: exporters would share one initialiser between them, or
    simplify the layer away, and the file would not look like that of a trained model.
    """
    floating = [t for t in (*module.parameters(), *module.buffers()) if t.is_floating_point()]
    for position, tensor in enumerate(floating, start=1):
        if tensor.dim() <= 1 and tensor.numel() > 0 or tensor.numel() <= LARGEST_KEPT_TENSOR:
            tensor.fill_(0.5 + position / 4096)
        elif bool((tensor == tensor.flatten()[0]).all()):
            tensor.normal_(std=0.02)


def describe(entry: Entry, module: nn.Module, inputs: tuple[Tensor, ...]) -> dict[str, Any]:
    return {
        "kind": entry.kind,
        "package": entry.package,
        "model": entry.model,
        "config": entry.config,
        "inputs": [{"shape": list(t.shape), "type": str(t.dtype).removeprefix("torch.")} for t in inputs],
        "parameters": sum(p.numel() for p in module.parameters()),
        "routes": {},
    }


def reason(error: Exception) -> str:
    """The error's most telling line, without paths, colours and advice."""
    text = re.sub(r"\x1b\[\d+m", "", str(error))
    _, _, summary = text.rpartition("## Exception summary")
    lines = [line.strip() for line in summary.splitlines() if line.strip()] or [""]
    found = lines[0] if lines[0].startswith("<class") else f"{type(error).__name__}: {lines[0]}"
    return re.sub(r"(?<![\w.])/[\w./-]+", "…", found)[:300]


def once(make: Callable[[], Any]) -> Callable[[], Any]:
    """Calls `make` at most once; a failure is remembered too."""
    answer: list[Any] = []

    def get() -> Any:
        if not answer:
            try:
                answer.append(make())
            except Exception as error:
                answer.append(error)
        if isinstance(answer[0], Exception):
            raise answer[0]
        return answer[0]

    return get


@contextmanager
def quiet() -> Iterator[None]:
    """Closes both output streams below Python: the exporters print whole graphs when they fail."""
    sys.stdout.flush()
    kept = os.dup(1), os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        for stream, copy in enumerate(kept, start=1):
            os.dup2(copy, stream)
            os.close(copy)
        os.close(nowhere)


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    def expire(*_: Any) -> None:
        raise TimeoutError(f"no result within {seconds} s")

    signal.signal(signal.SIGALRM, expire)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


# Routes


def torchscript(module: nn.Module, inputs: tuple[Tensor, ...], opset: int, **options: Any) -> ModelProto:
    target = io.BytesIO()
    torch.onnx.export(module, inputs, target, dynamo=False, opset_version=opset,
                      input_names=input_names(inputs), **options)
    return onnx.load_from_string(target.getvalue())


def torchscript_oldest(module: nn.Module, inputs: tuple[Tensor, ...]) -> Exported:
    """The lowest opset from 11 up that works; whole attention, which needs 14, is opened before that."""
    opened = any(has_whole_attention(part) for part in module.modules())
    notes = {"attention": "opened"} if opened else {}
    for opset in (11, 12, 13):
        try:
            with opened_attention(module, opened):
                return Exported(torchscript(module, inputs, opset), notes)
        except TimeoutError:
            raise
        except Exception:
            continue
    return Exported(torchscript(module, inputs, 14), {})


def whole_or_opened(
    module: nn.Module, run: Callable[[], Exported], run_opened: Callable[[], Exported] | None = None
) -> Exported:
    """Opens attention for an exporter that refuses it whole.

    TorchScript sees a flag that a module hands to whole attention as a tensor; the newer exporter takes
    only four dimensions.
    """
    try:
        return run()
    except TimeoutError:
        raise
    except Exception:
        if not any(has_whole_attention(part) for part in module.modules()):
            raise
    with opened_attention(module, True):
        exported = (run_opened or run)()
    return Exported(exported.model, {**exported.notes, "attention": "opened"})


def has_whole_attention(part: nn.Module) -> bool:
    config = getattr(part, "config", None)
    return (
        isinstance(part, nn.MultiheadAttention)
        or bool(getattr(part, "fused_attn", False))
        or getattr(config, "_attn_implementation", None) == "sdpa"
    )


@contextmanager
def opened_attention(module: nn.Module, wanted: bool) -> Iterator[None]:
    """Makes torch, timm and transformers compute attention from products and softmax for a while."""
    undo: list[Callable[[], None]] = []
    for part in module.modules() if wanted else ():
        if isinstance(part, nn.MultiheadAttention):
            undo.append(lambda part=part: delattr(part, "forward"))
            part.forward = with_weights(part.forward)
        if hasattr(part, "fused_attn"):
            undo.append(lambda part=part, old=part.fused_attn: setattr(part, "fused_attn", old))
            part.fused_attn = False
        config = getattr(part, "config", None)
        if getattr(config, "_attn_implementation", None) == "sdpa":
            undo.append(lambda config=config: setattr(config, "_attn_implementation", "sdpa"))
            config._attn_implementation = "eager"
    try:
        yield
    finally:
        for step in undo:
            step()


def with_weights(forward: Callable[..., Any]) -> Callable[..., Any]:
    """torch's own attention stays whole unless someone asks for its weights. Right only without a mask."""

    def call(*inputs: Any, **options: Any) -> Any:
        return forward(*inputs, **{**options, "need_weights": True, "is_causal": False})

    return call


def torchscript_unfolded(module: nn.Module, inputs: tuple[Tensor, ...]) -> ModelProto:
    return torchscript(module, inputs, 17, training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False)


def torchscript_dynamic(module: nn.Module, inputs: tuple[Tensor, ...], entry: Entry) -> Exported:
    """All free axes of the entry, or the batch alone where the model fixes its resolution."""
    axes = [{0: "batch", **(entry.free_axes[i] if i < len(entry.free_axes) else {})} for i in range(len(inputs))]
    try:
        return dynamic_over(module, inputs, axes)
    except TimeoutError:
        raise
    except Exception:
        return dynamic_over(module, inputs, [{0: "batch"}] * len(inputs))


def dynamic_over(module: nn.Module, inputs: tuple[Tensor, ...], axes: list[dict[int, str]]) -> Exported:
    model = torchscript(module, inputs, 17, dynamic_axes=dict(zip(input_names(inputs), axes)))
    return Exported(model, {"axes": sorted({name for group in axes for name in group.values()})})


def dynamo(program: torch.export.ExportedProgram, inputs: tuple[Tensor, ...], opset: int) -> ModelProto:
    exported = torch.onnx.export(program, (), dynamo=True, opset_version=opset, input_names=input_names(inputs),
                                 verbose=False)
    model = exported.model_proto
    found = facts(model)["opset"]
    if found != opset:
        raise RuntimeError(f"asked for opset {opset}, got {found}")
    return model


def dynamo_whole_or_opened(
    module: nn.Module,
    program: Callable[[], torch.export.ExportedProgram],
    opened: Callable[[], torch.export.ExportedProgram],
    inputs: tuple[Tensor, ...],
    opset: int,
) -> Exported:
    return whole_or_opened(
        module,
        lambda: Exported(dynamo(program(), inputs, opset), {}),
        lambda: Exported(dynamo(opened(), inputs, opset), {}),
    )


def input_names(inputs: tuple[Tensor, ...]) -> list[str]:
    return ["input"] if len(inputs) == 1 else [f"input_{i}" for i in range(len(inputs))]


# The shuffled route


def shuffled(original: ModelProto | None, entry: Entry) -> Exported:
    if original is None:
        raise ValueError("there is no ts17 export to shuffle")
    return Exported(shuffle(original, seed_of(entry)), {})


def shuffle(original: ModelProto, seed: int) -> ModelProto:
    """The same model under meaningless names, its nodes in another valid order, its parameters as inputs."""
    chance = random.Random(seed)
    model = ModelProto()
    model.CopyFrom(original)
    model.producer_name, model.producer_version = "", ""
    graph = model.graph
    declare_parameters_as_inputs(graph)
    shuffle_nodes(graph, chance)
    parameters = list(graph.initializer)
    chance.shuffle(parameters)
    del graph.initializer[:]
    graph.initializer.extend(parameters)
    rename(graph, ShortNames(chance))
    return model


def declare_parameters_as_inputs(graph: GraphProto) -> None:
    for tensor in graph.initializer:
        graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims)))


def shuffle_nodes(graph: GraphProto, chance: random.Random) -> None:
    nodes = list(graph.node)
    producer = {name: i for i, node in enumerate(nodes) for name in node.output if name}
    needs = [{producer[name] for name in reads(node) if name in producer} for node in nodes]
    users: dict[int, list[int]] = {}
    for user, needed in enumerate(needs):
        for i in needed:
            users.setdefault(i, []).append(user)
    waiting = [len(needed) for needed in needs]
    ready = [i for i, count in enumerate(waiting) if count == 0]
    order = []
    while ready:
        i = ready.pop(chance.randrange(len(ready)))
        order.append(i)
        for user in users.get(i, ()):
            waiting[user] -= 1
            if waiting[user] == 0:
                ready.append(user)
    del graph.node[:]
    graph.node.extend(nodes[i] for i in order)
    for node in graph.node:
        for body in bodies(node):
            shuffle_nodes(body, chance)


def reads(node: onnx.NodeProto) -> Iterator[str]:
    """Every name a node reads, its bodies' outer names included."""
    yield from (name for name in node.input if name)
    for body in bodies(node):
        for inner in body.node:
            yield from reads(inner)
        yield from (output.name for output in body.output)


def bodies(node: onnx.NodeProto) -> Iterator[GraphProto]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


class ShortNames(dict[str, str]):
    """Hands out a new meaningless name for each old one; the empty name, an absent input, stays."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__({"": ""})
        self.chance = chance
        self.taken: set[str] = set()

    def __missing__(self, old: str) -> str:
        while (name := f"{self.chance.choice('abcdefgh')}{self.chance.randrange(10**5)}") in self.taken:
            pass
        self.taken.add(name)
        self[old] = name
        return name


def rename(graph: GraphProto, names: ShortNames) -> None:
    graph.name = "g"
    del graph.value_info[:]
    for value in (*graph.input, *graph.output, *graph.initializer):
        value.name = names[value.name]
    for node in graph.node:
        node.ClearField("name")
        node.input[:] = [names[name] for name in node.input]
        node.output[:] = [names[name] for name in node.output]
        for body in bodies(node):
            rename(body, names)


# The torch trace


def trace_module(
    entry: Entry, module: nn.Module, inputs: tuple[Tensor, ...], record: dict[str, Any]
) -> dict[str, bytes]:
    """The trace of the same module, or nothing where the `netkin` client is not installed."""
    try:
        import netkin
    except ImportError:
        return {}
    try:
        with time_limit(ROUTE_LIMIT_S):
            graph = netkin.trace(module, *inputs, name=entry.name).to_dict()
        record["trace"] = {"producer": graph.get("producer", ""), "nodes": len(graph["nodes"])}
        return {TRACE: json.dumps(graph, separators=(",", ":"), ensure_ascii=False).encode()}
    except Exception as error:
        record["trace"] = {"failed": reason(error)}
        return {}


def add_trace(entry: Entry, manifest: dict[str, Any]) -> tuple[dict[str, bytes], dict[str, Any]]:
    record = manifest["models"].get(entry.name)
    if record is None:
        return {}, {"routes": {}}
    module, inputs = build(entry)
    return read_archive(entry.name) | trace_module(entry, module, inputs, record), record


if __name__ == "__main__":
    main()
