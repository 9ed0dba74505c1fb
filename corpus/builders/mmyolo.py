"""Every distinct model among the configs of mmyolo, up to the output of its head.

Run from the repository's root: ``python -m corpus.builders.mmyolo``.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import nn

from corpus.builders import openmmlab
from corpus.builders.run import Candidate, Entry, run

openmmlab.prepare()

import mmyolo  # noqa: E402
import mmyolo.models  # noqa: E402

from corpus.builders.openmmlab_detectors import Detector  # noqa: E402


def candidates() -> list[Candidate]:
    """One candidate for each distinct model."""
    return [_candidate(config) for config in openmmlab.configs("mmyolo")]


def _candidate(config: openmmlab.Config) -> Candidate:
    entry = Entry(
        name=config.name,
        package="mmyolo",
        package_version=mmyolo.__version__,
        module=config.module,
        task=_task(config),
        licence="GPL-3.0",
    )
    return Candidate(entry, partial(_build, config), partial(_inputs, config))


def _build(config: openmmlab.Config) -> nn.Module:
    return Detector(openmmlab.build("mmyolo", config))


def _inputs(config: openmmlab.Config, _model: nn.Module) -> tuple[Any, ...]:
    sizes = openmmlab.pipeline_sizes(config)
    side = min(sizes[0]) if sizes else 640
    return ((1, 3, side, side),)


def _task(config: openmmlab.Config) -> str:
    if "-ins" in config.name or "mask" in config.name:
        return "instance-segmentation"
    if "-r_" in config.name:
        return "oriented-object-detection"
    return "pose-estimation" if "pose" in config.name else "object-detection"


if __name__ == "__main__":
    run("mmyolo", candidates())
