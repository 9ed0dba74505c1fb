"""Every forecasting network of neuralforecast at its defaults, for three horizons.

A horizon of 24 is forecast from 96 steps, 96 from 96 and 192 from 336, the settings of the
long-horizon benchmarks; networks of several series see seven, as those of the ETT data.

Run from the repository's root: ``python -m corpus.builders.neuralforecast``.
"""

from __future__ import annotations

import inspect
from functools import partial
from importlib.metadata import version
from typing import Any

import torch
from netkin import Spec
from neuralforecast import models

from corpus.builders.run import Candidate, Entry, run

PACKAGE = "neuralforecast"
HORIZONS = ((24, 96), (96, 96), (192, 336))
BENCHMARK = (96, 96)  # the setting that most papers report
SERIES = 7
# A wrapper of others, one that fetches a language model, one whose periods are found in values, and
# one that needs compiled kernels.
UNTRACEABLE = {"HINT", "TimeLLM", "TimesNet", "xLSTM"}


class _Windows(torch.nn.Module):
    """A network whose forward takes its windows as one dictionary."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, **windows: Any) -> Any:
        absent = dict.fromkeys(("futr_exog", "hist_exog", "stat_exog"))
        return self.network(absent | windows)


def candidates() -> list[Candidate]:
    """One candidate for each network and horizon."""
    names = [name for name in models.__all__ if name not in UNTRACEABLE]
    return [_candidate(name, *setting) for name in names for setting in HORIZONS]


def _candidate(name: str, horizon: int, history: int) -> Candidate:
    cls = getattr(models, name)
    entry = Entry(
        name=f"{name.lower()}_{history}_{horizon}",
        package=PACKAGE,
        package_version=version(PACKAGE),
        module=cls.__module__.removeprefix("neuralforecast.models."),
        task="time-series-forecasting",
        licence="Apache-2.0",
        kind="published" if (horizon, history) == BENCHMARK else "composed",
    )
    series = SERIES if cls.MULTIVARIATE else 1
    window = Spec((1, history, series))
    inputs = {"insample_y": window, "insample_mask": window}
    return Candidate(entry, partial(_build, cls, horizon, history), lambda _: inputs)


def _build(cls: Any, horizon: int, history: int) -> torch.nn.Module:
    options: dict[str, Any] = {"h": horizon, "input_size": history}
    if "n_series" in inspect.signature(cls.__init__).parameters and cls.MULTIVARIATE:
        options["n_series"] = SERIES
    return _Windows(cls(**options))


if __name__ == "__main__":
    run(PACKAGE, candidates())
