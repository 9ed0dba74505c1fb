"""Every distinct model among the configs of mmaction2: recognisers, detectors, localisers of acts.

Run from the repository's root: ``python -m corpus.builders.mmaction``.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import Tensor, nn

from corpus.builders import openmmlab
from corpus.builders.run import Candidate, Entry, run

openmmlab.prepare()

import mmaction  # noqa: E402
import mmaction.models  # noqa: E402

from corpus.builders.openmmlab_detectors import Detector, proposals_for  # noqa: E402

TASKS = {
    "detection": "action-detection",
    "localization": "action-localization",
    "recognition_audio": "audio-classification",
    "skeleton": "skeleton-action-recognition",
}
SKELETONS = (1, 1, 2, 100, 17, 3)  # clips, people, frames, joints
LOCALISERS = {"BMN": (1, 400, 100), "TEM": (1, 400, 100), "PEM": (100, 32), "TCANet": (1, 700, 100)}
SPECTROGRAM = (1, 1, 1, 128, 80)


class Recogniser(nn.Module):
    """A recogniser up to its scores."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, clips: Tensor) -> Any:
        """Scores of every clip."""
        return self.model(clips, mode="tensor", stage="head")


class Localiser(nn.Module):
    """A localiser up to its confidences."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, features: Tensor) -> Any:
        """Confidences of every moment or proposal."""
        return self.model._forward(features)


def candidates() -> list[Candidate]:
    """One candidate for each distinct model, but for those that read text: they need tokenisers."""
    return [
        _candidate(config)
        for config in openmmlab.configs("mmaction")
        if not config.folder.startswith(("multimodal", "retrieval"))
    ]


def _candidate(config: openmmlab.Config) -> Candidate:
    entry = Entry(
        name=config.name,
        package="mmaction2",
        package_version=mmaction.__version__,
        module=config.module,
        task=TASKS.get(config.folder.split("/")[0], "video-classification"),
        licence="Apache-2.0",
    )
    return Candidate(entry, partial(_build, config), partial(_inputs, config))


def _build(config: openmmlab.Config) -> nn.Module:
    model = openmmlab.build("mmaction", config)
    if config.model["type"] == "FastRCNN":
        return Detector(model)
    return Localiser(model) if config.model["type"] in LOCALISERS else Recogniser(model)


def _inputs(config: openmmlab.Config, model: nn.Module) -> tuple[Any, ...]:
    kind = config.model["type"]
    if kind == "RecognizerGCN":
        return (SKELETONS,)
    if kind == "RecognizerAudio":
        return (SPECTROGRAM,)
    if kind in LOCALISERS:
        return (LOCALISERS[kind],)
    frames, segments = _clip(config)
    side = _side(config)
    if kind == "FastRCNN":
        return ((1, 3, frames, 256, 256), *proposals_for(model))
    if kind == "Recognizer2D":
        return ((1, segments, 3, side, side),)
    joints = config.model["backbone"].get("in_channels", 3)
    return ((1, 1, joints, frames, side, side),)


def _clip(config: openmmlab.Config) -> tuple[int, int]:
    """Frames in a clip and clips in a sample, as the training pipeline takes them."""
    for step in config.content.get("train_pipeline") or []:
        if "clip_len" in step:
            length = step["clip_len"]
            return (length if isinstance(length, int) else 8), step.get("num_clips", 1)
    segments = config.model["backbone"].get("num_segments", 8)
    return config.model["backbone"].get("num_frames", 8), segments


def _side(config: openmmlab.Config) -> int:
    for step in reversed(config.content.get("train_pipeline") or []):
        if step.get("type") == "Resize" and not step.get("keep_ratio", True):
            return int(step["scale"][-1])
    return int(config.model["backbone"].get("input_resolution", 224))


if __name__ == "__main__":
    run("mmaction2", candidates())
