"""Every architecture of keras.applications, through Keras's torch backend.

Pictures have their channels first where the architecture allows it, as torch has them. Keras writes
batch norm as arithmetic on this backend, and so it stands in the graphs.

Run from the repository's root: ``python -m corpus.builders.keras``.
"""

from __future__ import annotations

import inspect
import os
from functools import partial

import torch

os.environ["KERAS_BACKEND"] = "torch"

import keras
from keras import applications

from corpus.builders.run import Candidate, Entry, run

PACKAGE = "keras"
CHANNELS_LAST_ONLY = ("ConvNeXt", "DenseNet")
SIDES = {
    "EfficientNetB": (224, 240, 260, 300, 380, 456, 528, 600),
    "InceptionResNetV2": 299,
    "InceptionV3": 299,
    "NASNetLarge": 331,
    "Xception": 299,
}


def candidates() -> list[Candidate]:
    """One candidate for each architecture."""
    names = [name for name, value in vars(applications).items() if inspect.isfunction(value)]
    return [_candidate(name) for name in sorted(names)]


def _candidate(name: str) -> Candidate:
    module = getattr(applications, name).__module__.rsplit(".", 1)[-1]
    entry = Entry(
        name=name,
        package=PACKAGE,
        package_version=keras.__version__,
        module=module,
        task="image-classification",
        licence="Apache-2.0",
        framework="keras",
    )
    side = _side(name)
    last = name.startswith(CHANNELS_LAST_ONLY)
    shape = (1, side, side, 3) if last else (1, 3, side, side)
    return Candidate(entry, partial(_build, name, last), lambda _: (shape,))


def _side(name: str) -> int:
    sides = SIDES.get(name, 224)
    if name.startswith("EfficientNetB"):
        sides = SIDES["EfficientNetB"]
    return sides[int(name[-1])] if isinstance(sides, tuple) else sides


def _build(name: str, last: bool) -> torch.nn.Module:
    keras.config.set_image_data_format("channels_last" if last else "channels_first")
    model: torch.nn.Module = getattr(applications, name)(weights=None)
    return model


if __name__ == "__main__":
    run(PACKAGE, candidates())
