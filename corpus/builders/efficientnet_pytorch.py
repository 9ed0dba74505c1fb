"""Every architecture of efficientnet-pytorch, at its own resolution.

Run from the repository's root: ``python -m corpus.builders.efficientnet_pytorch``.
"""

from __future__ import annotations

from functools import partial

import efficientnet_pytorch
from efficientnet_pytorch.model import VALID_MODELS, EfficientNet

from corpus.builders.run import Candidate, Entry, run

PACKAGE = "efficientnet-pytorch"


def candidates() -> list[Candidate]:
    """One candidate for each name the package accepts."""
    return [_candidate(name) for name in VALID_MODELS]


def _candidate(name: str) -> Candidate:
    entry = Entry(
        name=name,
        package=PACKAGE,
        package_version=efficientnet_pytorch.__version__,
        module="model",
        task="image-classification",
        paper="1905.11946",
        licence="Apache-2.0",
    )
    side = EfficientNet.get_image_size(name) or 224
    return Candidate(entry, partial(EfficientNet.from_name, name), lambda _: ((1, 3, side, side),))


if __name__ == "__main__":
    run(PACKAGE, candidates())
