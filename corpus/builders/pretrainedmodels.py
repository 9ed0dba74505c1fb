"""Every architecture of pretrainedmodels, at the input size of its published weights.

Run from the repository's root: ``python -m corpus.builders.pretrainedmodels``.
"""

from __future__ import annotations

from functools import partial

import pretrainedmodels
import torch

from corpus.builders.run import Candidate, Entry, run

PACKAGE = "pretrainedmodels"


def candidates() -> list[Candidate]:
    """One candidate for each of ``pretrainedmodels.model_names``."""
    return [_candidate(name) for name in pretrainedmodels.model_names]


def _candidate(name: str) -> Candidate:
    module = getattr(pretrainedmodels, name).__module__.rsplit(".", 1)[-1]
    entry = Entry(
        name=name,
        package=PACKAGE,
        package_version=pretrainedmodels.__version__,
        module=module,
        task="image-classification",
        licence="BSD-3-Clause",
    )
    weights = pretrainedmodels.pretrained_settings[name].get("imagenet")
    settings = weights or next(iter(pretrainedmodels.pretrained_settings[name].values()))
    return Candidate(
        entry,
        partial(_build, name, settings["num_classes"]),
        lambda _: ((1, *settings["input_size"]),),
    )


def _build(name: str, classes: int) -> torch.nn.Module:
    model: torch.nn.Module = getattr(pretrainedmodels, name)(num_classes=classes, pretrained=None)
    return model


if __name__ == "__main__":
    run(PACKAGE, candidates())
