"""Every network of braindecode, at the signal it states or at BCI competition IV 2a's.

Run from the repository's root: ``python -m corpus.builders.braindecode``.
"""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any

import braindecode
import numpy as np
import torch
from braindecode import models
from braindecode.models.util import models_mandatory_parameters

from corpus.builders.run import Candidate, Entry, run

PACKAGE = "braindecode"
CHANNELS = 22
SIGNAL: dict[str, Any] = {
    "n_chans": CHANNELS,
    "n_outputs": 4,
    "n_times": 1000,
    "sfreq": 250.0,
    "input_window_seconds": 4.0,
}
FEWER_CHANNELS = {"EEGDINO": 19}
TASKS = {
    "SleepStagerBlanco2020": "sleep-staging",
    "SleepStagerChambon2018": "sleep-staging",
    "DeepSleepNet": "sleep-staging",
    "AttnSleep": "sleep-staging",
    "USleep": "sleep-staging",
    "MetaNeuromotorHand": "emg-decoding",
    "EMG2QwertyNet": "emg-decoding",
    "VEMG2Pose": "emg-decoding",
    "NeuroPose": "emg-decoding",
    "SensingDynamics": "emg-decoding",
}


def candidates() -> list[Candidate]:
    """One candidate for each network."""
    return [_candidate(*row) for row in models_mandatory_parameters]


def _candidate(name: str, needed: list[str], stated: Any) -> Candidate:
    cls = getattr(models, name)
    entry = Entry(
        name=name,
        package=PACKAGE,
        package_version=braindecode.__version__,
        module=cls.__module__.removeprefix("braindecode.models."),
        task=TASKS.get(name, "eeg-decoding"),
    )
    return Candidate(entry, partial(_build, cls, needed, stated), _inputs)


def _build(cls: Any, needed: list[str], stated: Any) -> torch.nn.Module:
    fewer = FEWER_CHANNELS.get(cls.__name__)
    own = {"n_chans": fewer} if fewer else {}
    signal = _signal(own | (stated() if callable(stated) else stated or {}))
    accepted = inspect.signature(cls.__init__).parameters
    network: torch.nn.Module = cls(**{k: signal[k] for k in needed if k in accepted})
    network.traced_shape = (1, signal["n_chans"], signal["n_times"])
    return network


def _signal(stated: dict[str, Any]) -> dict[str, Any]:
    """The stated signal, completed by the default one."""
    signal = SIGNAL | stated
    if "chs_info" in stated and "n_chans" not in stated:
        signal["n_chans"] = len(stated["chs_info"])
    if "chs_info" not in stated:
        places = np.random.default_rng(0).random((signal["n_chans"], 12))
        signal["chs_info"] = [
            {"ch_name": f"C{index}", "kind": "eeg", "loc": place}
            for index, place in enumerate(places)
        ]
    return signal


def _inputs(network: torch.nn.Module) -> tuple[Any, ...]:
    return (network.traced_shape,)


if __name__ == "__main__":
    run(PACKAGE, candidates())
