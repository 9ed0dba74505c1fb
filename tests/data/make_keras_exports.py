"""Exports the Keras twins of some entries of `export_catalogue.py` with tf2onnx.

A twin has its counterpart's family and depth, but Keras pads, normalises and sometimes strides in its
own way, so it is near kin rather than the same architecture. Needs keras, tensorflow and tf2onnx, which
rarely live beside torch, hence a script of its own. Beside the ONNX files each archive holds
`config.json`, the Keras description of the model.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import onnx
import tensorflow
import tf2onnx

from export_archive import facts, read_manifest, strip_weights, write_archive, write_copies, write_manifest

MANIFEST = "keras.json"
PACKAGES = ("keras", "tensorflow-cpu", "tf2onnx", "onnx")
OPSETS = (13, 17)
# Keras application: its counterpart in the catalogue, or the family alone.
TWINS = {
    "ResNet50": "resnet50",
    "MobileNetV2": "mobilenet_v2",
    "MobileNetV3Small": "mobilenet_v3_small",
    "EfficientNetB0": "tf_efficientnet_b0",
    "EfficientNetV2S": "efficientnet_v2_s",
    "DenseNet121": "densenet121",
    "Xception": "legacy_xception",
    "ConvNeXtTiny": "convnext_tiny",
    "InceptionV3": "inception_v3",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="make these Keras applications, again if need be")
    parser.add_argument("--copies", type=Path, metavar="DIR", help="also write the unpacked files here")
    options = parser.parse_args()
    manifest = read_manifest(MANIFEST)
    for application, twin in TWINS.items():
        name = f"keras_{application.lower()}"
        if options.only and application not in options.only or name in manifest["models"] and not options.only:
            continue
        started = time.monotonic()
        files, record = export_application(application, twin)
        record["archive_bytes"] = write_archive(name, files)
        manifest["models"][name] = record
        write_manifest(manifest, PACKAGES, MANIFEST)
        write_copies(options.copies, name, files)
        print(f"{name}: {record['archive_bytes']} bytes, {time.monotonic() - started:.0f} s", flush=True)


def export_application(application: str, twin: str) -> tuple[dict[str, bytes], dict[str, Any]]:
    keras.utils.set_random_seed(0)
    model = getattr(keras.applications, application)(weights=None)
    make_tensors_distinct(model)
    size = model.input_shape[1:]
    record: dict[str, Any] = {
        "package": "keras", "model": application, "twin_of": twin, "inputs": [{"shape": [1, *size]}],
        "parameters": model.count_params(), "routes": {},
    }
    files = {"config.json": model.to_json().encode()}
    signature = [tensorflow.TensorSpec((None, *size), tensorflow.float32, name="input")]
    call = tensorflow.function(lambda pixels: model(pixels, training=False))
    for opset in OPSETS:
        exported, _ = tf2onnx.convert.from_function(call, input_signature=signature, opset=opset)
        route = f"tf{opset}"
        if foreign := foreign_operators(exported):
            record["routes"][route] = {"failed": f"tf2onnx left TensorFlow operators: {', '.join(foreign)}"}
            continue
        strip_weights(exported)
        record["routes"][route] = facts(exported)
        files[f"{route}.onnx"] = exported.SerializeToString(deterministic=True)
    return files, record


def foreign_operators(model: onnx.ModelProto) -> list[str]:
    """tf2onnx only warns about what it cannot convert, and copies it under TensorFlow's name."""
    return sorted({node.op_type for node in model.graph.node if not onnx.defs.has(node.op_type, node.domain)})


def make_tensors_distinct(model: keras.Model) -> None:
    """Gives each vector a value of its own, as training would; see `make_exports.py`."""
    for position, variable in enumerate(model.weights, start=1):
        if len(variable.shape) == 1:
            variable.assign(keras.ops.full(variable.shape, 0.5 + position / 4096))


if __name__ == "__main__":
    main()
