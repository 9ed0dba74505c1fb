"""Strips exported files of their weights, and packs and lists them under `exports/`.

Knows ONNX files but no framework, so that the torch and the Keras makers share it. A tensor of more
than `LARGEST_KEPT_TENSOR` elements keeps its name, type and dimensions and loses its values; smaller
ones keep them, because shape arithmetic, scales and epsilons are part of the architecture.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

from onnx import AttributeProto, ModelProto, TensorProto

LARGEST_KEPT_TENSOR = 64
EXPORTS = Path(__file__).parent / "exports"
MANIFEST = "manifest.json"


def facts(model: ModelProto) -> dict[str, Any]:
    opset = next(o.version for o in model.opset_import if o.domain in ("", "ai.onnx"))
    return {"opset": opset, "producer": f"{model.producer_name} {model.producer_version}".strip(),
            "nodes": len(model.graph.node)}


# Weights


def strip_weights(model: ModelProto) -> None:
    """Drops the values of large tensors, and all documentation and metadata."""
    del model.metadata_props[:]
    model.ClearField("doc_string")
    for graph in (model.graph, *model.functions):
        strip_graph(graph)


def strip_graph(graph: Any) -> None:
    graph.ClearField("doc_string")
    del graph.metadata_props[:]
    for tensor in getattr(graph, "initializer", ()):
        strip_tensor(tensor)
    for value in (*getattr(graph, "input", ()), *getattr(graph, "output", ()), *graph.value_info):
        if not isinstance(value, str):
            value.ClearField("doc_string")
            del value.metadata_props[:]
    for node in graph.node:
        node.ClearField("doc_string")
        del node.metadata_props[:]
        for attribute in node.attribute:
            strip_attribute(attribute)


def strip_attribute(attribute: AttributeProto) -> None:
    attribute.ClearField("doc_string")
    for tensor in (attribute.t, *attribute.tensors) if attribute.HasField("t") else attribute.tensors:
        strip_tensor(tensor)
    for graph in (attribute.g, *attribute.graphs) if attribute.HasField("g") else attribute.graphs:
        strip_graph(graph)


def strip_tensor(tensor: TensorProto) -> None:
    tensor.ClearField("doc_string")
    del tensor.metadata_props[:]
    if elements(tensor) <= LARGEST_KEPT_TENSOR:
        return
    for values in ("raw_data", "float_data", "int32_data", "int64_data", "double_data", "uint64_data",
                   "string_data"):
        tensor.ClearField(values)


def elements(tensor: TensorProto) -> int:
    count = 1
    for dimension in tensor.dims:
        count *= dimension
    return count


# Files


def read_manifest(name: str = MANIFEST) -> dict[str, Any]:
    path = EXPORTS / name
    return json.loads(path.read_text()) if path.exists() else {"models": {}}


def write_manifest(manifest: dict[str, Any], packages: tuple[str, ...], name: str = MANIFEST) -> None:
    whole = {
        "versions": {"python": sys.version.split()[0], **{p: metadata.version(p) for p in packages}},
        "largest_kept_tensor": LARGEST_KEPT_TENSOR,
        "models": dict(sorted(manifest["models"].items())),
    }
    text = json.dumps(whole, indent=1, ensure_ascii=False) + "\n"
    (EXPORTS / name).write_text(text)


def archive_path(name: str) -> Path:
    return EXPORTS / f"{name}.tar.zst"


def write_archive(name: str, files: dict[str, bytes]) -> int:
    """One archive an entry, so that its routes, which share most names, share one compression window."""
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "exports.tar"
        with tarfile.open(plain, "w", format=tarfile.USTAR_FORMAT) as tar:
            for file, content in sorted(files.items()):
                member = tarfile.TarInfo(file)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        command = ["zstd", "-19", "--ultra", "--long=24", "-q", "-f", str(plain), "-o", str(archive_path(name))]
        subprocess.run(command, check=True)
    return archive_path(name).stat().st_size


def read_archive(name: str) -> dict[str, bytes]:
    packed = subprocess.run(["zstd", "-dcq", str(archive_path(name))], check=True, capture_output=True)
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar.getmembers()}


def write_copies(folder: Path | None, name: str, files: dict[str, bytes]) -> None:
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in files.items():
        (folder / f"{name}.{file}").write_bytes(content)
