"""Every distinct model among the configs of mmocr: detectors and recognisers of text.

Detectors are traced to the output of their heads, recognisers to the scores of every character.
Run from the repository's root: ``python -m corpus.builders.mmocr``.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import Tensor, nn

from corpus.builders import openmmlab
from corpus.builders.run import Candidate, Entry, run

openmmlab.prepare()

import mmocr  # noqa: E402
import mmocr.models  # noqa: E402

from corpus.builders.openmmlab_detectors import Detector  # noqa: E402

SCENE = (1, 3, 640, 640)
LINE = (1, 3, 32, 100)
LINES = {
    "ABINet": (1, 3, 32, 128),
    "ASTER": (1, 3, 64, 256),
    "CRNN": (1, 1, 32, 100),
    "MASTER": (1, 3, 48, 160),
    "NRTR": (1, 3, 32, 128),
    "RobustScanner": (1, 3, 48, 160),
    "SARNet": (1, 3, 48, 160),
    "SVTR": (1, 3, 64, 256),
}
TASKS = {"kie": "key-information-extraction", "textdet": "text-detection"}


class Reader(nn.Module):
    """A recogniser or detector of text up to its raw output."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Any:
        """Scores, as the decoder or the head returns them."""
        from mmocr.structures import TextRecogDataSample

        about = {"valid_ratio": 1.0, "img_shape": tuple(images.shape[-2:])}
        return self.model(images, [TextRecogDataSample(metainfo=about)], mode="tensor")


def candidates() -> list[Candidate]:
    """One candidate for each distinct model."""
    return [_candidate(config) for config in openmmlab.configs("mmocr")]


def _candidate(config: openmmlab.Config) -> Candidate:
    theme = config.folder.split("/")[0]
    entry = Entry(
        name=config.name,
        package="mmocr",
        package_version=mmocr.__version__,
        module=config.module,
        task=TASKS.get(theme, "text-recognition"),
        licence="Apache-2.0",
    )
    shape = SCENE if theme == "textdet" else LINES.get(config.model["type"], LINE)
    return Candidate(entry, partial(_build, config), lambda _: (shape,))


def _build(config: openmmlab.Config) -> nn.Module:
    model = openmmlab.build("mmocr", config)
    wrapped = getattr(model, "wrapped_model", None)
    return Reader(model) if wrapped is None else Detector(wrapped)


if __name__ == "__main__":
    run("mmocr", candidates())
