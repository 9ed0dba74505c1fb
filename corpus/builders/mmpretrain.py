"""Every distinct model among the configs of mmpretrain: classifiers and self-supervised learners.

Classifiers are traced to their scores, self-supervised learners through backbone and neck.
Run from the repository's root: ``python -m corpus.builders.mmpretrain``.
"""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from corpus.builders import openmmlab
from corpus.builders.run import Candidate, Entry, run

openmmlab.prepare()

import mmpretrain  # noqa: E402
import mmpretrain.models  # noqa: E402

LENET = (1, 1, 32, 32)
MASKED = ("MAE", "MILAN", "MFF", "MixMIM", "iTPN")  # their necks must know what was masked


LEARNERS = (
    *("BEiT", "BYOL", "BarlowTwins", "CAE", "DenseCL", "EVA", "MAE", "MFF", "MILAN", "MaskFeat"),
    *("MixMIM", "MoCo", "MoCoV3", "SimCLR", "SimMIM", "SimSiam", "SparK", "SwAV", "iTPN"),
)


class Classifier(nn.Module):
    """A classifier up to its head's scores."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Any:
        """Class scores."""
        return self.model(images, mode="tensor")


class Learner(nn.Module):
    """A self-supervised learner: its backbone, its neck and what predicts after it."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.backbone = model.backbone
        self.neck = model.neck if model.with_neck else None
        self.predictor = getattr(model.head, "predictor", None) if model.with_head else None
        self.masks = type(model).__name__ in MASKED
        self.takes_mask = "mask" in inspect.signature(self.backbone.forward).parameters

    def forward(self, images: Tensor) -> Any:
        """Embeddings, or the reconstruction of a masked image."""
        if self.masks:
            latent, *_, order = self.backbone(images)
            return self.neck(latent, order)
        features = self.backbone(images, None) if self.takes_mask else self.backbone(images)
        if self.neck is not None:
            features = self.neck(features)
        if self.predictor is not None:
            features = self.predictor(features)
        return features


def candidates() -> list[Candidate]:
    """One candidate for each distinct model, but for those that read text: they need tokenisers."""
    kinds = ("ImageClassifier", *LEARNERS)
    return [
        _candidate(config)
        for config in openmmlab.configs("mmpretrain")
        if config.model["type"] in kinds
    ]


def _candidate(config: openmmlab.Config) -> Candidate:
    classifies = config.model["type"] == "ImageClassifier"
    entry = Entry(
        name=config.name,
        package="mmpretrain",
        package_version=mmpretrain.__version__,
        module=config.module,
        task="image-classification" if classifies else "image-features",
        licence="Apache-2.0",
    )
    sizes = openmmlab.pipeline_sizes(config)
    size = sizes[-1] if sizes else (224, 224)
    if "cifar" in config.name:
        size = (32, 32)
    shape = LENET if config.folder == "lenet" else (1, 3, *size)
    return Candidate(entry, partial(_build, config), lambda _: (shape,))


def _build(config: openmmlab.Config) -> nn.Module:
    model: torch.nn.Module = openmmlab.build("mmpretrain", config)
    return Classifier(model) if config.model["type"] == "ImageClassifier" else Learner(model)


if __name__ == "__main__":
    run("mmpretrain", candidates())
