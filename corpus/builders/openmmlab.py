"""What the builders of the OpenMMLab packages share: imports, operators, configs.

The packages are used with ``mmcv-lite``, which has the Python side of mmcv's operators and not the
compiled one. :func:`prepare` lets the operators run on shapes alone; the tracer records each of
them as one node under its own name. It must be called before a package is imported.
"""

from __future__ import annotations

import collections
import collections.abc
import contextlib
import importlib
import importlib.abc
import importlib.machinery
import json
import re
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy
import torch
from torch import Tensor

MMCV_VERSION = "2.0.1"  # the latest that every package accepts
MMDET_VERSION = "3.0.0"
ABSENT = (  # for data, metrics and drawing; and what needs an older transformers, or is not shipped
    *("numba", "xtcocotools", "open3d", "nuscenes", "lyft_dataset_sdk", "trimesh", "plyfile"),
    *("lpips", "av", "controlnet_aux", "facexlib", "imgaug", "mediapipe", "resize_right"),
    *(
        "face_alignment",
        "pyclipper",
        "skimage",
        "onnx_graphsurgeon",
        "diffusers",
        "lap",
        "xformers",
    ),
    *("mmaction.models.localizers.drn", "mmaction.models.multimodal"),
    *("mmagic.models.editors.animatediff", "mmagic.models.editors.fastcomposer"),
    "mmpretrain.models.multimodal",
)
WEIGHTS = ("init_cfg", "pretrained", "checkpoint", "checkpoint_file", "spynet_pretrained")


class RecordedFunction(torch.autograd.Function):
    """An autograd function that a trace records whole, under its own name."""

    @classmethod
    def apply(cls, *arguments: Any) -> Any:
        """Run ``forward``, by way of the trace if one is active."""
        operator = _operator(cls)
        if not torch._C._is_torch_function_mode_enabled():
            return operator(*arguments)
        tensors = [argument for argument in arguments if isinstance(argument, Tensor)]
        return torch.overrides.handle_torch_function(operator, tensors, *arguments)


@cache
def _operator(function: type[Any]) -> Callable[..., Any]:
    def run_forward(*arguments: Any) -> Any:
        return function.forward(_Context(), *arguments)

    name = function.__name__.removesuffix("Function").replace("RoI", "Roi")
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    run_forward.__name__ = words.lower()
    return run_forward


class _Context(types.SimpleNamespace):
    """What ``forward`` notes for a gradient that nobody asks for."""

    needs_input_grad = (False,) * 32

    def save_for_backward(self, *_tensors: Any) -> None:
        """Keep nothing."""

    def mark_non_differentiable(self, *_tensors: Any) -> None:
        """Keep nothing."""


class _Kernels(types.ModuleType):
    """Stands for mmcv's compiled module: every kernel exists and leaves its output as it is."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *_arguments, **_options: None


class _Absent(types.ModuleType):
    """Stands for a module that no forward needs, whatever is asked of it."""

    __path__: ClassVar[list[str]] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (_Placeholder,), {})


class _Placeholder:
    """Any class or function of an absent module; as a decorator it changes nothing."""

    def __new__(cls, *arguments: Any, **_options: Any) -> Any:
        decorates = len(arguments) == 1 and isinstance(arguments[0], types.FunctionType)
        return arguments[0] if decorates else super().__new__(cls)

    def __init__(self, *_arguments: Any, **_options: Any) -> None:
        """Accept anything."""

    def __call__(self, function: Any = None, *_arguments: Any, **_options: Any) -> Any:
        return function


class _AbsentFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the modules in ``ABSENT`` and whatever lies below them."""

    def find_spec(self, name: str, _path: Any, _target: Any = None) -> Any:
        """A spec for an absent module."""
        covered = any(name == absent or name.startswith(f"{absent}.") for absent in ABSENT)
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if covered else None

    def create_module(self, spec: Any) -> types.ModuleType:
        """The module itself."""
        return _Absent(spec.name)

    def exec_module(self, _module: types.ModuleType) -> None:
        """Nothing to run."""


def prepare() -> None:
    """Make the packages importable with ``mmcv-lite`` and their operators traceable."""
    sys.meta_path.insert(0, _AbsentFinder())
    numpy.bool8 = numpy.bool_  # its name until numpy 2
    collections.Sequence = collections.abc.Sequence  # its place until Python 3.10
    sys.modules["mmcv._ext"] = _Kernels("mmcv._ext")
    own, torch.autograd.Function = torch.autograd.Function, RecordedFunction
    try:
        mmcv = importlib.import_module("mmcv")
        importlib.import_module("mmcv.ops")
    finally:
        torch.autograd.Function = own
    mmcv.__version__ = MMCV_VERSION
    importlib.import_module("mmdet").__version__ = MMDET_VERSION


@dataclass(frozen=True)
class Config:
    """A config file of a package and the model that it describes."""

    name: str
    folder: str  # usually called after a design
    path: Path
    content: Any  # mmengine's Config

    @property
    def model(self) -> dict[str, Any]:
        """The model's description, to build from."""
        return self.content.model

    @property
    def module(self) -> str:
        """What makes up the model: ``folder.Model.Backbone``, or the head's class for the model's.

        Folders are called after designs or after backbones, so that none of the three says enough.
        """
        model = self.model
        head = model.get("decode_head", model)
        whole = head[-1] if isinstance(head, list) else head
        backbone = (model.get("detector") or model.get("student") or model).get("backbone") or {}
        inner = backbone.get("backbone")  # a backbone inside a wrapper
        kinds = [whole, backbone, *([inner] if isinstance(inner, dict) else [])]
        return ".".join([self.folder, *(class_name(kind) for kind in kinds if "type" in kind)])


def class_name(description: dict[str, Any]) -> str:
    """The class that a part of a model names, without its registry."""
    kind = description["type"]
    return str(kind if isinstance(kind, str) else kind.__name__).rsplit(".", 1)[-1]


def configs(package: str) -> Iterator[Config]:
    """The configs that a package ships, one for each distinct model, first name first."""
    from mmengine.config import Config as File
    from mmengine.utils import get_installed_path

    root = Path(get_installed_path(package)) / ".mim" / "configs"
    seen, names = set[str](), set[str]()
    for path in sorted(root.rglob("*.py")):
        if "_base_" in path.parts or path.name.startswith("_base_"):
            continue
        with contextlib.suppress(Exception):  # a base that another package lacks
            content = File.fromfile(path)
            if not isinstance(content.get("model"), dict):
                continue
            _forget_weights(content.model)
            described = json.dumps(content.model.to_dict(), sort_keys=True, default=str)
            if described not in seen:
                seen.add(described)
                folder = str(path.parent.relative_to(root))
                name = path.stem if path.stem not in names else f"{folder}/{path.stem}"
                names.add(name)
                yield Config(name, folder, path, content)


def pipeline_sizes(config: Config) -> list[tuple[int, int]]:
    """Heights and widths that the steps of the test pipeline name, in their order."""
    found = []
    for step in _steps(config.content.get("test_pipeline") or []):
        for key, transposed in (("crop_size", False), ("scale", True), ("img_scale", True)):
            size = step.get(key)
            if isinstance(size, int):
                found.append((size, size))
            elif isinstance(size, (tuple, list)) and all(isinstance(s, int) for s in size):
                found.append((size[-1], size[0]) if transposed else (size[0], size[-1]))
    return found


def _steps(steps: Any) -> Iterator[dict[str, Any]]:
    for step in steps if isinstance(steps, (tuple, list)) else []:
        if isinstance(step, dict):
            yield step
            yield from _steps(step.get("transforms"))
        else:
            yield from _steps(step)


def build(package: str, config: Config) -> torch.nn.Module:
    """The model of a config, by the package's own registry."""
    return build_part(package, config.model)


def build_part(package: str, description: dict[str, Any]) -> torch.nn.Module:
    """A part of a model, by the package's own registry."""
    from mmengine.registry import MODELS, init_default_scope

    init_default_scope(package)
    model: torch.nn.Module = MODELS.build(description)
    return model.eval()  # some modules prepare constants for evaluation only when told of it


def _forget_weights(value: Any) -> None:
    """Drop what names weights to start from."""
    if isinstance(value, dict):
        for key in WEIGHTS:
            if key in value:
                value[key] = None
        for item in value.values():
            _forget_weights(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _forget_weights(item)
