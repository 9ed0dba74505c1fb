"""Every distinct model among the configs of mmpose, up to the output of its head.

Run from the repository's root: ``python -m corpus.builders.mmpose``.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from torch import Tensor, nn

from corpus.builders import openmmlab
from corpus.builders.run import Candidate, Entry, run

openmmlab.prepare()

import mmpose  # noqa: E402
import mmpose.models  # noqa: E402

JOINTS = 17


class Estimator(nn.Module):
    """A pose estimator up to its heat maps, coordinate scores or regressions."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: Tensor) -> Any:
        """What the head predicts."""
        return self.model(inputs, None, mode="tensor")


def candidates() -> list[Candidate]:
    """One candidate for each distinct model, but for distillers, whose students have their own."""
    return [
        _candidate(config)
        for config in openmmlab.configs("mmpose")
        if config.model["type"] != "DWPoseDistiller"
    ]


def _candidate(config: openmmlab.Config) -> Candidate:
    lifts = config.model["type"] == "PoseLifter"
    entry = Entry(
        name=config.name,
        package="mmpose",
        package_version=mmpose.__version__,
        module=config.module,
        task="pose-lifting" if lifts else "pose-estimation",
        licence="Apache-2.0",
    )
    shape = _lifter_shape(config) if lifts else (1, 3, *_image_size(config))
    return Candidate(entry, partial(_build, config), lambda _: (shape,))


def _build(config: openmmlab.Config) -> nn.Module:
    return Estimator(openmmlab.build("mmpose", config))


def _image_size(config: openmmlab.Config) -> tuple[int, int]:
    codec = config.content.get("codec") or {}
    codec = codec[-1] if isinstance(codec, list) else codec
    size = codec.get("input_size") or config.content.get("input_size") or (192, 256)
    size = (size, size) if isinstance(size, int) else size
    return size[1], size[0]


def _lifter_shape(config: openmmlab.Config) -> tuple[int, ...]:
    """Sequences of joints: flat vectors for convolutions, points for transformers."""
    backbone = config.model["backbone"]
    if backbone["type"] == "DSTFormer":
        return (1, backbone["seq_len"], JOINTS, backbone.get("in_channels", 3))
    frames = math.prod(backbone["kernel_sizes"])  # exactly what one prediction looks at
    return (1, backbone["in_channels"], frames)


if __name__ == "__main__":
    run("mmpose", candidates())
