"""Quantises small architectures of `export_catalogue.py` with onnxruntime and packs the results.

Each archive `quantised_<name>.tar.zst` holds the float export and one file for each way of writing a
quantised model. Weights are stripped as everywhere. Needs onnxruntime besides what `make_exports.py`
needs; a run takes about a minute.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import onnx
import torch
from onnx import ModelProto
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static
from torch import nn

from export_archive import facts, strip_weights, write_archive, write_manifest
from export_catalogue import catalogue
from make_exports import build, input_names, prepare_torch, quiet, torchscript

NAMES = ("resnet18", "mobilenet_v2", "vit_tiny_patch16_224", "bert", "lstm_classifier")
CALIBRATION_BATCHES = 4
PACKAGES = ("torch", "torchvision", "timm", "transformers", "onnx", "onnxruntime")


class Batches(CalibrationDataReader):
    """Random inputs of the model's own shapes, enough to give every value a range."""

    def __init__(self, make: Callable[[], tuple[Any, ...]]) -> None:
        batches = [make() for _ in range(CALIBRATION_BATCHES)]
        self.rest = [dict(zip(input_names(b), (t.numpy() for t in b))) for b in batches]

    def get_next(self) -> dict[str, numpy.ndarray] | None:
        return self.rest.pop() if self.rest else None


def main() -> None:
    prepare_torch()
    logging.getLogger().setLevel(logging.ERROR)
    manifest: dict[str, Any] = {"models": {}}
    for entry in catalogue():
        if entry.name in NAMES:
            files, record = quantised(entry)
            record["archive_bytes"] = write_archive(f"quantised_{entry.name}", files)
            manifest["models"][entry.name] = record
            print(f"{entry.name}: {record}", flush=True)
    write_manifest(manifest, PACKAGES, "quantised.json")


def quantised(entry: Any) -> tuple[dict[str, bytes], dict[str, Any]]:
    module, inputs = build(entry)
    give_shifts_both_signs(module)
    with quiet():
        plain = torchscript(module, inputs, 17)
    ways = {"dynamic": dynamic}
    # A recurrent layer can only be quantised dynamically.
    if not any(node.op_type == "LSTM" for node in plain.graph.node):
        ways |= {
            "qdq": static(quant_format=QuantFormat.QDQ),
            "qoperator": static(quant_format=QuantFormat.QOperator),
            # What runtimes for x86 are fastest with.
            "unsigned": static(quant_format=QuantFormat.QDQ, activation_type=QuantType.QUInt8, per_channel=True),
        }
    files, record = {}, {"routes": {}}
    for way, make in {"float": lambda model, *_: model, **ways}.items():
        model = ModelProto()
        model.CopyFrom(plain)
        model = make(model, entry.inputs)
        strip_weights(model)
        files[f"{way}.onnx"] = model.SerializeToString(deterministic=True)
        record["routes"][way] = facts(model)
    return files, record


@torch.no_grad()
def give_shifts_both_signs(module: nn.Module) -> None:
    """As training would: were all results of a layer positive or all negative, its range would tell nothing."""
    for name, tensor in module.state_dict().items():
        if name.endswith(("bias", "running_mean")):
            tensor.normal_(std=0.1)


def written(make: Callable[[str], None]) -> ModelProto:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "quantised.onnx"
        with quiet():
            make(str(path))
        return onnx.load(path)


def dynamic(model: ModelProto, _: Callable[[], tuple[Any, ...]]) -> ModelProto:
    """Weights in eight bits, activations quantised while running."""
    return written(lambda path: quantize_dynamic(model, path))


def static(**options: Any) -> Callable[..., ModelProto]:
    """Ranges known beforehand; onnxruntime then drops each ReLU that a zero point already clips."""

    def make(model: ModelProto, inputs: Callable[[], tuple[Any, ...]]) -> ModelProto:
        return written(lambda path: quantize_static(model, path, Batches(inputs), **options))

    return make


if __name__ == "__main__":
    main()
