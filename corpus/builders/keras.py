"""Every architecture of keras.applications, through Keras's torch backend.

Pictures have their channels first where the architecture allows it, as torch has them. Keras writes
batch norm as arithmetic on this backend, and so it stands in the graphs.

Run from the repository's root: ``python -m corpus.builders.keras``.
"""

from __future__ import annotations

import inspect
import os
from functools import partial
from typing import Any

import torch

os.environ["KERAS_BACKEND"] = "torch"

import keras
from keras import applications

from corpus.builders.run import Candidate, Entry, run

PACKAGE = "keras"
CHANNELS_LAST_ONLY = ("ConvNeXt", "DenseNet", "NASNet")
SIDE = 224  # where an architecture takes any
UNAVAILABLE = {"NASNetMobile"}  # Keras does not build it on torch


def candidates() -> list[Candidate]:
    """One candidate for each architecture."""
    names = [name for name, value in vars(applications).items() if inspect.isfunction(value)]
    return [_candidate(name) for name in sorted(set(names) - UNAVAILABLE)]


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
    return Candidate(entry, partial(_build, name), _input)


def _input(model: torch.nn.Module) -> tuple[Any, ...]:
    return ((1, *(extent or SIDE for extent in model.input_shape[1:])),)


def _build(name: str) -> torch.nn.Module:
    last = name.startswith(CHANNELS_LAST_ONLY)
    keras.config.set_image_data_format("channels_last" if last else "channels_first")
    model: torch.nn.Module = getattr(applications, name)(weights=None)
    return model


if __name__ == "__main__":
    run(PACKAGE, candidates())
