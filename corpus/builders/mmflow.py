"""Every distinct model among the configs of mmflow, up to the flow at every level.

Run from the repository's root: ``python -m corpus.builders.mmflow``.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import Tensor, nn

from corpus.builders import openmmlab
from corpus.builders.run import Candidate, Entry, run

openmmlab.prepare()

import mmflow  # noqa: E402
import mmflow.models  # noqa: E402

IMAGE_PAIR = (1, 6, 384, 512)


class Estimator(nn.Module):
    """A flow estimator without the scaling of its flow to the images."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Any:
        """The flow at every level or iteration."""
        return self.model(images, None, mode="tensor")


def candidates() -> list[Candidate]:
    """One candidate for each distinct model."""
    return [_candidate(config) for config in openmmlab.configs("mmflow")]


def _candidate(config: openmmlab.Config) -> Candidate:
    entry = Entry(
        name=config.name,
        package="mmflow",
        package_version=mmflow.__version__,
        module=config.module,
        task="optical-flow",
        licence="Apache-2.0",
    )
    return Candidate(entry, partial(_build, config), lambda _: (IMAGE_PAIR,))


def _build(config: openmmlab.Config) -> nn.Module:
    return Estimator(openmmlab.build("mmflow", config))


if __name__ == "__main__":
    run("mmflow", candidates())
