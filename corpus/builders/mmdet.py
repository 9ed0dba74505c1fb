"""Every distinct model among the configs of mmdetection, up to the output of its heads.

Of two-stage detectors the first proposals go on to the second stage in place of the best ones, as
in the builder of torchvision. Run from the repository's root: ``python -m corpus.builders.mmdet``.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import nn

from corpus.builders import openmmlab
from corpus.builders.run import Candidate, Entry, run

openmmlab.prepare()

import mmdet  # noqa: E402
import mmdet.models  # noqa: E402

from corpus.builders.openmmlab_detectors import Detector, Reidentifier, proposals_for  # noqa: E402

TASKS = {
    "BaseReID": "person-reidentification",
    "ImageClassifier": "image-classification",
    "PanopticFPN": "panoptic-segmentation",
    "RPN": "region-proposal",
}
REIDENTIFIED = (1, 3, 256, 128)


def candidates() -> list[Candidate]:
    """One candidate for each distinct model."""
    return [_candidate(config) for config in openmmlab.configs("mmdet")]


def _candidate(config: openmmlab.Config) -> Candidate:
    entry = Entry(
        name=config.name,
        package="mmdet",
        package_version=mmdet.version.__version__,
        module=config.module,
        task=_task(config),
        licence="Apache-2.0",
    )
    return Candidate(entry, partial(_build, config), partial(_inputs, config))


def _task(config: openmmlab.Config) -> str:
    if config.folder.startswith(
        ("bytetrack", "deepsort", "ocsort", "qdtrack", "strongsort", "sort")
    ):
        return "object-tracking"
    model = openmmlab.class_name(config.model)
    if model in TASKS:
        return TASKS[model]
    if "panoptic" in config.name:
        return "panoptic-segmentation"
    described = str(config.model.to_dict())
    masks = "mask_head" in described or "num_stuff" in described or "Mask" in model
    return "instance-segmentation" if masks else "object-detection"


def _build(config: openmmlab.Config) -> nn.Module:
    model = openmmlab.build("mmdet", config)
    if config.model["type"] in ("BaseReID", "mmpretrain.ImageClassifier", "ImageClassifier"):
        return Reidentifier(model)
    return Detector(getattr(model, "detector", getattr(model, "student", model)))


def _inputs(config: openmmlab.Config, model: nn.Module) -> tuple[Any, ...]:
    if config.model["type"] == "BaseReID":
        return (REIDENTIFIED,)
    sizes = openmmlab.pipeline_sizes(config)
    side = min(sizes[0]) if sizes else 800
    return ((1, 3, side, side), *proposals_for(model))


if __name__ == "__main__":
    run("mmdet", candidates())
