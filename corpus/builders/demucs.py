"""Music separation networks of demucs, as its papers and checkpoints set them.

Run from the repository's root: ``python -m corpus.builders.demucs``.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import demucs
import torch
from demucs import hdemucs, htdemucs
from demucs.demucs import Demucs
from demucs.hdemucs import HDemucs
from demucs.htdemucs import HTDemucs

from corpus.builders.run import Candidate, Entry, run

PACKAGE = "demucs"
SOURCES = ["drums", "bass", "other", "vocals"]
SIX_SOURCES = [*SOURCES, "guitar", "piano"]

# Name, class, sources, options.
ROWS: list[tuple[str, Any, list[str], dict[str, Any]]] = [
    ("demucs_v3", Demucs, SOURCES, {}),
    ("demucs_v2", Demucs, SOURCES, {"dconv_mode": 0, "lstm_layers": 2, "gelu": False}),
    (
        *("demucs_v2_48", Demucs, SOURCES),
        {"dconv_mode": 0, "lstm_layers": 2, "gelu": False, "channels": 48},
    ),
    ("hdemucs_mmi", HDemucs, SOURCES, {}),
    ("hdemucs_mdx", HDemucs, SOURCES, {"hybrid_old": True}),
    ("hdemucs_frequency", HDemucs, SOURCES, {"hybrid": False}),
    ("htdemucs", HTDemucs, SOURCES, {"bottom_channels": 512}),
    ("htdemucs_6s", HTDemucs, SIX_SOURCES, {}),
    ("htdemucs_deep", HTDemucs, SOURCES, {"t_layers": 7, "bottom_channels": 512}),
]


def _pad(
    x: torch.Tensor, paddings: tuple[int, int], mode: str = "constant", value: float = 0.0
) -> Any:
    """The package's padding without its comparison of values, which a trace does not have."""
    return torch.nn.functional.pad(x, paddings, mode, value if mode == "constant" else None)


hdemucs.pad1d = htdemucs.pad1d = _pad


def candidates() -> list[Candidate]:
    """One candidate for each released network."""
    return [_candidate(*row) for row in ROWS]


def _candidate(name: str, cls: Any, sources: list[str], options: dict[str, Any]) -> Candidate:
    entry = Entry(
        name=name,
        package=PACKAGE,
        package_version=demucs.__version__,
        module=cls.__module__.removeprefix("demucs."),
        task="source-separation",
        licence="MIT",
    )
    return Candidate(entry, partial(cls, sources, **options), lambda _: ((1, 2, 44_100 * 6),))


if __name__ == "__main__":
    run(PACKAGE, candidates())
