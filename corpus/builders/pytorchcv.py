"""Every architecture that pytorchcv's model provider names, at the size it is published for.

Pose estimators and key point detectors return their heat maps, not the peaks picked from them.
Run from the repository's root: ``python -m corpus.builders.pytorchcv``.
"""

from __future__ import annotations

import inspect
import re
from functools import partial
from importlib import metadata
from typing import Any

import torch
from netkin import Spec
from pytorchcv import model_provider
from torch import Tensor

from corpus.builders.run import Candidate, Entry, run

AUDIO = (Spec((1, 64, 200)), Spec((1,), "int64"))
FLOW_PAIR = ((1, 3, 240, 432), (1, 3, 240, 432))
INPUTS: dict[str, tuple[Any, ...]] = {
    "jasper": AUDIO,
    "jasperdr": AUDIO,
    "quartznet": AUDIO,
    "ntsnet_cub": ((1, 3, 448, 448),),
    "nvpattexp": ((1, 8, 16, 29), Spec((1,), "int64")),
    "pfpcnet": ((1, 1, 320, 240),),
    "prnet": ((1, 3, 256, 256),),
    "propainter": (
        *((1, 7, 3, 240, 432), (1, 7, 1, 240, 432), (1, 7, 1, 240, 432), (1, 4, 4, 240, 432)),
        5,  # of the seven frames are neighbours, the rest are references
    ),
    "propainter_rfc": ((1, 5, 2, 240, 432), (1, 5, 1, 240, 432)),
    "propainter_ip": ((5, 3, 240, 432), (5, 1, 240, 432), (4, 4, 240, 432), "nearest"),
    "raft": FLOW_PAIR,
    "superpointnet": ((1, 1, 480, 640),),
    "visemenet": ((33, 8, 195), (33, 76)),  # one window more than its second stage looks back on
    "voca": ((1, 1, 16, 29), Spec((1,), "int64")),
}
TASKS = {
    "alphapose_coco": "pose-estimation",
    "centernet": "object-detection",
    "ibppose_coco": "pose-estimation",
    "lffd": "face-detection",
    "lwopenpose_cmupan": "pose-estimation",
    "nvpattexp": "speech-driven-animation",
    "pfpcnet": "face-reconstruction",
    "prnet": "face-reconstruction",
    "propainter": "video-inpainting",
    "propainter_ip": "video-inpainting",
    "propainter_rfc": "video-inpainting",
    "raft": "optical-flow",
    "simplepose_coco": "pose-estimation",
    "simpleposemobile_coco": "pose-estimation",
    "superpointnet": "keypoint-detection",
    "visemenet": "speech-driven-animation",
    "voca": "speech-driven-animation",
}
TASKS |= dict.fromkeys(("jasper", "jasperdr", "quartznet"), "speech-recognition")
SEGMENTATION_DATASETS = ("_voc", "_coco", "_ade20k", "_cityscapes", "_celebamaskhq")


class DenseSuperPoint(torch.nn.Module):
    """SuperPoint up to its two maps, without the search for points in them."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.features = model.features
        self.detector = model.detector.detector
        self.descriptor = model.descriptor.head

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Scores and descriptors of every cell."""
        features = self.features(images)
        return self.detector(features), torch.nn.functional.normalize(self.descriptor(features))


def candidates() -> list[Candidate]:
    """One candidate for each name of ``pytorchcv.model_provider``."""
    return [_candidate(name) for name in sorted(model_provider._models)]


def _candidate(name: str) -> Candidate:
    builder = model_provider._models[name]
    module = builder.__module__.rsplit(".", 1)[-1]
    entry = Entry(
        name=name,
        package="pytorchcv",
        package_version=metadata.version("pytorchcv"),
        module=module,
        task=_task(name, module),
        paper=_arxiv_id(inspect.getdoc(builder) or ""),
    )
    return Candidate(entry, partial(_build, builder), partial(_inputs, module))


def _task(name: str, module: str) -> str:
    segments = name.endswith(SEGMENTATION_DATASETS)
    return TASKS.get(module, "semantic-segmentation" if segments else "image-classification")


def _build(builder: Any) -> torch.nn.Module:
    listens = builder.__module__.endswith(("jasper", "jasperdr", "quartznet"))
    options = {"from_audio": False} if listens else {}
    model: torch.nn.Module = builder(pretrained=False, **options)
    if hasattr(model, "descriptor"):
        return DenseSuperPoint(model)
    if hasattr(model, "return_heatmap"):
        model.return_heatmap = True
    return model


def _inputs(module: str, model: torch.nn.Module) -> tuple[Any, ...]:
    if module in INPUTS:
        return INPUTS[module]
    size = getattr(model, "in_size", (224, 224))
    images = (1, getattr(model, "in_channels", 3), *size)
    if module.startswith("msdnet"):
        return (images, False)  # all of its exits, not the last alone
    return (images,)


def _arxiv_id(description: str) -> str:
    """The arXiv paper that a builder's first lines name."""
    found = re.search(r"arxiv\.org/(?:abs|pdf)/(\d{4}\.\d{4,5})", description)
    return found[1] if found else ""


if __name__ == "__main__":
    run("pytorchcv", candidates())
