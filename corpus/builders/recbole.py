"""Recommenders of RecBole at their default settings, on the fields of its own example data set.

General recommenders score a user and an item, sequential ones a history of fifty items, and
context-aware ones every field that MovieLens 100K has. What is traced is ``predict``. Left out are
models that learn nothing, need a knowledge graph or fit by other means than gradients, and those
that propagate over the whole graph of users and items, which depends on no input, make a graph of
each history outside of torch, or look at values.

Run from the repository's root: ``python -m corpus.builders.recbole``.
"""

from __future__ import annotations

import functools
import sys
import tempfile
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
import scipy.sparse
import torch
from netkin import Spec, trace

from corpus.builders.run import Candidate, Entry, run

for _name, _kind in (("bool", bool), ("int", int), ("float", float), ("complex", complex)):
    setattr(np, f"{_name}_", getattr(np, f"{_name}_", _kind))
np.object, np.str, np.long, np.unicode_ = object, str, int, np.str_
scipy.sparse.dok_matrix._update = lambda matrix, values: matrix._dict.update(values)

from recbole.config import Config  # noqa: E402
from recbole.data import create_dataset  # noqa: E402
from recbole.data.interaction import Interaction  # noqa: E402
from recbole.utils import FeatureType, get_model  # noqa: E402

PACKAGE = "recbole"
DATA_SET = "ml-100k"
MODELS = {
    "general_recommender": (
        *("BPR", "CDAE", "ConvNCF", "DMF", "DiffRec", "ENMF", "FISM", "LDiffRec"),
        *("LINE", "MacridVAE", "MultiDAE", "MultiVAE", "NAIS"),
        *("NNCF", "NeuMF", "RaCT", "RecVAE", "SimpleX"),
    ),
    "sequential_recommender": (
        *("BERT4Rec", "CORE", "Caser", "DIN", "FDSA", "FEARec", "FOSSIL", "FPMC"),
        *("GRU4Rec", "GRU4RecF", "HGN", "HRM", "LightSANs", "NARM"),
        *("NPE", "NextItNet", "RepeatNet", "S3Rec", "SASRec", "SASRecF"),
        *("SINE", "STAMP", "TransRec"),
    ),
    "context_aware_recommender": (
        *("AFM", "AutoInt", "DCN", "DCNV2", "DSSM", "DeepFM", "EulerNet", "FFM", "FM", "FNN"),
        *("FiGNN", "FwFM", "KD_DAGFM", "LR", "NFM", "PNN", "WideDeep", "xDeepFM"),
    ),
}
TASKS = {
    "general_recommender": "recommendation",
    "sequential_recommender": "sequential-recommendation",
    "context_aware_recommender": "click-through-prediction",
}


class _Observed(Interaction):
    """An interaction that knows which of its fields were read."""

    def __init__(self, fields: dict[str, torch.Tensor]) -> None:
        super().__init__(fields)
        self.read: set[str] = set()

    def __getitem__(self, field: Any) -> Any:
        self.read.add(field)
        return super().__getitem__(field)


class _Predictor(torch.nn.Module):
    """A recommender from the fields of an interaction to its score."""

    def __init__(self, model: Any, fields: dict[str, Spec]) -> None:
        super().__init__()
        self.model = model
        self.fields = fields
        self.read: list[str] = []

    def forward(self, **fields: torch.Tensor) -> Any:
        interaction = _Observed(fields)
        score = self.model.predict(interaction)
        self.read.extend(interaction.read)
        return score


def candidates() -> list[Candidate]:
    """One candidate for each model."""
    return [_candidate(kind, name) for kind, names in MODELS.items() for name in names]


def _candidate(kind: str, name: str) -> Candidate:
    entry = Entry(
        name=name.lower(),
        package=PACKAGE,
        package_version=version(PACKAGE),
        module=f"{kind}.{name.lower()}",
        task=TASKS[kind],
        licence="MIT",
    )
    return Candidate(entry, partial(_build, name, kind), _inputs)


def _inputs(model: Any) -> dict[str, Spec]:
    """The fields that the model reads, found by a first trace."""
    trace(model, **model.fields)
    return {name: spec for name, spec in model.fields.items() if name in model.read}


@functools.cache
def _folder() -> str:
    return tempfile.mkdtemp()


def _build(name: str, kind: str) -> torch.nn.Module:
    sys.argv = sys.argv[:1]  # the configuration would read the builder's own options
    settings: dict[str, Any] = {"use_gpu": False, "checkpoint_dir": _folder()}
    if kind != "general_recommender":
        settings["load_col"] = None
    if kind != "context_aware_recommender":
        settings["train_neg_sample_args"] = None
    if name in ("BPR", "NeuMF", "CDAE"):
        settings.pop("train_neg_sample_args")
    config = Config(model=name, dataset=DATA_SET, config_dict=settings)
    with _WithData():
        dataset = create_dataset(config).build()[0]
    return _Predictor(get_model(name)(config, dataset), _fields(config, dataset))


class _WithData:
    """Steps out of the weightless mode, since a data set is data and no weight."""

    def __enter__(self) -> None:
        self.modes = []
        while torch.overrides._len_torch_function_stack():
            self.modes.append(torch.overrides._pop_mode())

    def __exit__(self, *_: object) -> None:
        for mode in reversed(self.modes):
            torch.overrides._push_mode(mode)


def _fields(config: Any, dataset: Any) -> dict[str, Spec]:
    """One interaction with every field of the data set."""
    length = config["MAX_ITEM_LIST_LENGTH"] or 50
    fields = {}
    for name, kind in dataset.field2type.items():
        if kind == FeatureType.TOKEN:
            fields[name] = Spec((1,), "int64")
        elif kind == FeatureType.FLOAT:
            fields[name] = Spec((1,))
        elif kind == FeatureType.TOKEN_SEQ:
            fields[name] = Spec((1, dataset.field2seqlen.get(name, length)), "int64")
        else:
            fields[name] = Spec((1, dataset.field2seqlen.get(name, length)))
    return fields


if __name__ == "__main__":
    run(PACKAGE, candidates())
