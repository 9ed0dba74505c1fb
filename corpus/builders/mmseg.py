"""Every distinct model among the configs of mmsegmentation, up to the scores of every pixel.

Run from the repository's root: ``python -m corpus.builders.mmseg``.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import Tensor, nn

from corpus.builders import openmmlab
from corpus.builders.run import Candidate, Entry, run

openmmlab.prepare()

import mmseg  # noqa: E402
import mmseg.models  # noqa: E402


class Segmenter(nn.Module):
    """A segmenter without its auxiliary heads, which only training uses."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Any:
        """Scores of every class at every pixel."""
        size = tuple(images.shape[-2:])
        about = dict.fromkeys(("img_shape", "ori_shape", "pad_shape", "batch_input_shape"), size)
        return self.model.encode_decode(images, [about])


def candidates() -> list[Candidate]:
    """One candidate for each distinct model."""
    return [_candidate(config) for config in openmmlab.configs("mmseg")]


def _candidate(config: openmmlab.Config) -> Candidate:
    estimates_depth = config.model["type"] == "DepthEstimator"
    entry = Entry(
        name=config.name,
        package="mmsegmentation",
        package_version=mmseg.__version__,
        module=config.module,
        task="depth-estimation" if estimates_depth else "semantic-segmentation",
        licence="Apache-2.0",
    )
    size = (config.model.get("data_preprocessor") or {}).get("size") or (512, 512)
    return Candidate(entry, partial(_build, config), lambda _: ((1, 3, *size),))


def _build(config: openmmlab.Config) -> nn.Module:
    return Segmenter(openmmlab.build("mmseg", config))


if __name__ == "__main__":
    run("mmsegmentation", candidates())
