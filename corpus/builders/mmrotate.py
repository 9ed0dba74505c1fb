"""Every distinct model among the configs of mmrotate, up to the output of its heads.

Run from the repository's root: ``python -m corpus.builders.mmrotate``.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import nn

from corpus.builders import openmmlab
from corpus.builders.run import Candidate, Entry, run

openmmlab.prepare()

import mmrotate  # noqa: E402
import mmrotate.models  # noqa: E402

from corpus.builders.openmmlab_detectors import Detector  # noqa: E402


def candidates() -> list[Candidate]:
    """One candidate for each distinct model."""
    return [_candidate(config) for config in openmmlab.configs("mmrotate")]


def _candidate(config: openmmlab.Config) -> Candidate:
    entry = Entry(
        name=config.name,
        package="mmrotate",
        package_version=mmrotate.__version__,
        module=config.module,
        task="oriented-object-detection",
        licence="Apache-2.0",
    )
    return Candidate(entry, partial(_build, config), partial(_inputs, config))


def _build(config: openmmlab.Config) -> nn.Module:
    return Detector(openmmlab.build("mmrotate", config))


def _inputs(config: openmmlab.Config, _model: nn.Module) -> tuple[Any, ...]:
    sizes = openmmlab.pipeline_sizes(config)
    side = min(sizes[0]) if sizes else 1024
    return ((1, 3, side, side),)


if __name__ == "__main__":
    run("mmrotate", candidates())
