"""The two codecs of encodec.

Run from the repository's root: ``python -m corpus.builders.encodec``.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import encodec
import torch
from encodec import EncodecModel

from corpus.builders.run import Candidate, Entry, run

PACKAGE = "encodec"


class _Codec(torch.nn.Module):
    """A codec from samples to samples, through its codes but without the bit stream."""

    def __init__(self, codec: Any) -> None:
        super().__init__()
        self.codec = codec

    def forward(self, wave: torch.Tensor) -> torch.Tensor:
        latent = self.codec.encoder(wave)
        coded = self.codec.quantizer(latent, self.codec.frame_rate, self.codec.bandwidth)
        decoded: torch.Tensor = self.codec.decoder(coded.quantized)
        return decoded


def candidates() -> list[Candidate]:
    """One candidate for each codec."""
    return [
        _candidate("encodec_24khz", EncodecModel.encodec_model_24khz, 1, 6.0),
        _candidate("encodec_48khz", EncodecModel.encodec_model_48khz, 2, 6.0),
    ]


def _candidate(name: str, factory: Any, channels: int, bandwidth: float) -> Candidate:
    entry = Entry(
        name=name,
        package=PACKAGE,
        package_version=encodec.__version__,
        module="model",
        task="audio-autoencoding",
        paper="2210.13438",
        licence="MIT",
    )
    return Candidate(entry, partial(_build, factory, bandwidth), lambda _: ((1, channels, 24_000),))


def _build(factory: Any, bandwidth: float) -> torch.nn.Module:
    codec = factory(pretrained=False)
    codec.set_target_bandwidth(bandwidth)
    return _Codec(codec)


if __name__ == "__main__":
    run(PACKAGE, candidates())
