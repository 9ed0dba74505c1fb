"""The codecs of descript-audio-codec, one for each sampling rate it was released for.

Run from the repository's root: ``python -m corpus.builders.descript_audio_codec``.
"""

from __future__ import annotations

from functools import partial
from importlib.metadata import version
from typing import Any

import dac
import torch

from corpus.builders.run import Candidate, Entry, run

PACKAGE = "descript-audio-codec"
ROWS: list[tuple[str, dict[str, Any]]] = [
    ("dac_44khz", {}),
    ("dac_24khz", {"encoder_rates": [2, 4, 5, 8], "decoder_rates": [8, 5, 4, 2]}),
    ("dac_16khz", {"encoder_rates": [2, 4, 5, 8], "decoder_rates": [8, 5, 4, 2]}),
    ("dac_44khz_16kbps", {"latent_dim": 128, "n_codebooks": 18}),
]
CODEBOOKS = {"dac_24khz": 32, "dac_16khz": 12}


def candidates() -> list[Candidate]:
    """One candidate for each released codec."""
    return [_candidate(name, options) for name, options in ROWS]


def _candidate(name: str, options: dict[str, Any]) -> Candidate:
    entry = Entry(
        name=name,
        package=PACKAGE,
        package_version=version(PACKAGE),
        module="model.dac",
        task="audio-autoencoding",
        paper="2306.06546",
        licence="MIT",
    )
    options = {"n_codebooks": CODEBOOKS.get(name, 9)} | options
    return Candidate(entry, partial(_Codec, options), lambda _: ((1, 1, 1 << 15),))


class _Codec(torch.nn.Module):
    """A codec from samples to samples, with all codebooks."""

    def __init__(self, options: dict[str, Any]) -> None:
        super().__init__()
        self.codec = dac.DAC(**options)

    def forward(self, wave: torch.Tensor) -> torch.Tensor:
        decoded: torch.Tensor = self.codec(wave)["audio"]
        return decoded


if __name__ == "__main__":
    run(PACKAGE, candidates())
