"""Click-through models of deepctr-torch at their defaults, on the columns of two public data sets.

Models of plain fields see Criteo's 26 categorical and 13 numerical columns, models of behaviour
sequences see a user, an item and fifty earlier items, and models of several tasks predict two.

Run from the repository's root: ``python -m corpus.builders.deepctr_torch``.
"""

from __future__ import annotations

from functools import partial
from importlib.metadata import version
from typing import Any

import torch
from deepctr_torch import inputs as columns
from deepctr_torch import models

from corpus.builders.run import Candidate, Entry, run

PACKAGE = "deepctr-torch"
VOCABULARY, WIDTH, HISTORY = 1_000, 8, 50
CATEGORIES = 26
CATEGORIES_ONLY = ("AFM", "CCPM")
FIELDS = ("AFM", "AFN", "AutoInt", "CCPM", "DCN", "DCNMix", "DIFM", "DeepFM", "FiBiNET", "IFM")
MORE_FIELDS = ("MLR", "NFM", "ONN", "PNN", "WDL", "xDeepFM")
TASKS = ("ESMM", "MMOE", "PLE", "SharedBottom")
SEQUENCES = ("DIN", "DIEN")
VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    "PNN": {"outer": {"use_inner": False, "use_outter": True}},
    "DCN": {"matrix": {"cross_parameterization": "matrix"}},
    "FiBiNET": {"each": {"bilinear_type": "each"}, "all": {"bilinear_type": "all"}},
    "DIEN": {
        "agru": {"gru_type": "AGRU"},
        "augru": {"gru_type": "AUGRU"},
        "aigru": {"gru_type": "AIGRU"},
    },
    "AutoInt": {"deep": {"att_layer_num": 5, "dnn_hidden_units": ()}},
    "CCPM": {},
}


def candidates() -> list[Candidate]:
    """One candidate for each model, and for each of its variants."""
    found = []
    for name in (*FIELDS, *MORE_FIELDS, *TASKS, *SEQUENCES):
        found.append(_candidate(name, name, {}))
        for variant, options in VARIANTS.get(name, {}).items():
            found.append(_candidate(f"{name}_{variant}", name, options))
    return found


def _candidate(name: str, kind: str, options: dict[str, Any]) -> Candidate:
    entry = Entry(
        name=name.lower(),
        package=PACKAGE,
        package_version=version(PACKAGE),
        module=_class(kind).__module__.removeprefix("deepctr_torch.models."),
        task="click-through-prediction",
        licence="Apache-2.0",
    )
    return Candidate(entry, partial(_build, kind, options), _inputs)


def _class(kind: str) -> Any:
    from deepctr_torch.models.xdeepfm import xDeepFM

    return xDeepFM if kind == "xDeepFM" else getattr(models, kind)


def _build(kind: str, options: dict[str, Any]) -> torch.nn.Module:
    cls = _class(kind)
    model: torch.nn.Module
    if kind in SEQUENCES:
        model = cls(_behaviour_columns(), ["item"], **options)
    elif kind in TASKS:
        tasks = {"task_types": ["binary", "binary"], "task_names": ["click", "purchase"]}
        model = cls(_field_columns(), **tasks, **options)
    elif kind == "PNN":
        model = cls(_field_columns(), **options)
    else:
        fields = _field_columns()
        crossed = fields[:CATEGORIES] if kind in CATEGORIES_ONLY else fields
        model = cls(fields, crossed, **options)
    return model


def _field_columns() -> list[Any]:
    sparse = [
        columns.SparseFeat(f"C{i}", VOCABULARY, embedding_dim=WIDTH) for i in range(CATEGORIES)
    ]
    return [*sparse, *(columns.DenseFeat(f"I{i}", 1) for i in range(13))]


def _behaviour_columns() -> list[Any]:
    item = partial(columns.SparseFeat, embedding_name="item", vocabulary_size=VOCABULARY)
    return [
        columns.SparseFeat("user", VOCABULARY, embedding_dim=WIDTH),
        item("item", embedding_dim=WIDTH),
        columns.DenseFeat("price", 1),
        columns.VarLenSparseFeat(
            item("hist_item", embedding_dim=WIDTH), maxlen=HISTORY, length_name="seq_length"
        ),
    ]


def _inputs(model: Any) -> tuple[Any, ...]:
    width = max(end for _, end in model.feature_index.values())
    batch = 2 if type(model).__name__ == "DCNMix" else 1  # it drops every extent of one
    return ((batch, width),)


if __name__ == "__main__":
    run(PACKAGE, candidates())
