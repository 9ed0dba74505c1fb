"""Speech enhancement and separation networks of asteroid, as its recipes and checkpoints set them.

Left out are those that newer versions of torch cannot build or that cast to CPU tensors: DCCRN,
FaSNet and X-UMX.

Run from the repository's root: ``python -m corpus.builders.asteroid``.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import asteroid
from asteroid import models

from corpus.builders.run import Candidate, Entry, run

PACKAGE = "asteroid"
SEPARATION = "speech-separation"
ENHANCEMENT = "speech-enhancement"
MUSIC = "source-separation"

Row = tuple[str, str, str, dict[str, Any]]  # name, class, task, options

LARGE_KERNEL = {"kernel_size": 16, "stride": 8, "n_filters": 64, "chunk_size": 100}
SHORT_KERNEL = {"kernel_size": 2, "stride": 1, "n_filters": 64, "chunk_size": 250}
ROWS: list[Row] = [
    ("convtasnet_2spk_8k", "ConvTasNet", SEPARATION, {"n_src": 2}),
    ("convtasnet_3spk_8k", "ConvTasNet", SEPARATION, {"n_src": 3}),
    (
        *("convtasnet_2spk_16k", "ConvTasNet", SEPARATION),
        {"n_src": 2, "kernel_size": 32, "stride": 16, "sample_rate": 16_000},
    ),
    ("convtasnet_enh_8k", "ConvTasNet", ENHANCEMENT, {"n_src": 1}),
    (
        *("convtasnet_enh_16k", "ConvTasNet", ENHANCEMENT),
        {"n_src": 1, "kernel_size": 32, "stride": 16, "sample_rate": 16_000},
    ),
    (
        *("convtasnet_causal", "ConvTasNet", SEPARATION),
        {"n_src": 2, "causal": True, "norm_type": "cLN"},
    ),
    (
        *("convtasnet_damp", "ConvTasNet", MUSIC),
        {
            "n_src": 2,
            "n_blocks": 10,
            "n_repeats": 4,
            "bn_chan": 256,
            "skip_chan": 256,
            "kernel_size": 20,
            "n_filters": 256,
            "stride": 10,
            "sample_rate": 16_000,
        },
    ),
    (
        *("convtasnet_stft", "ConvTasNet", SEPARATION),
        {"n_src": 2, "fb_name": "stft", "kernel_size": 256, "stride": 64, "n_filters": 512},
    ),
    (
        *("convtasnet_analytic", "ConvTasNet", SEPARATION),
        {"n_src": 2, "fb_name": "analytic_free"},
    ),
    ("dprnntasnet_ks16", "DPRNNTasNet", SEPARATION, {"n_src": 2} | LARGE_KERNEL),
    ("dprnntasnet_ks2", "DPRNNTasNet", SEPARATION, {"n_src": 2} | SHORT_KERNEL),
    ("dprnntasnet_enh", "DPRNNTasNet", ENHANCEMENT, {"n_src": 1} | SHORT_KERNEL),
    ("dptnet_ks16", "DPTNet", SEPARATION, {"n_src": 2}),
    ("dptnet_ks2", "DPTNet", SEPARATION, {"n_src": 2, "kernel_size": 2, "stride": 1}),
    ("lstmtasnet", "LSTMTasNet", SEPARATION, {"n_src": 2}),
    (
        *("lstmtasnet_causal", "LSTMTasNet", SEPARATION),
        {"n_src": 2, "bidirectional": False},
    ),
    ("sudormrf_1.0x", "SuDORMRFNet", SEPARATION, {"n_src": 2}),
    (
        *("sudormrf_0.5x", "SuDORMRFNet", SEPARATION),
        {"n_src": 2, "num_blocks": 8},
    ),
    (
        *("sudormrf_0.25x", "SuDORMRFNet", SEPARATION),
        {"n_src": 2, "num_blocks": 4},
    ),
    ("sudormrf_improved_1.0x", "SuDORMRFImprovedNet", SEPARATION, {"n_src": 2}),
    (
        *("sudormrf_improved_0.5x", "SuDORMRFImprovedNet", SEPARATION),
        {"n_src": 2, "num_blocks": 8},
    ),
    ("dcunet_10", "DCUNet", ENHANCEMENT, {"architecture": "DCUNet-10", "fix_length_mode": "pad"}),
    ("dcunet_16", "DCUNet", ENHANCEMENT, {"architecture": "DCUNet-16", "fix_length_mode": "pad"}),
    ("dcunet_20", "DCUNet", ENHANCEMENT, {"architecture": "DCUNet-20", "fix_length_mode": "pad"}),
    (
        "dcunet_large_20",
        "DCUNet",
        ENHANCEMENT,
        {"architecture": "Large-DCUNet-20", "fix_length_mode": "pad"},
    ),
    ("demask", "DeMask", ENHANCEMENT, {}),
]


def candidates() -> list[Candidate]:
    """One candidate for each recipe."""
    return [_candidate(*row) for row in ROWS]


def _candidate(name: str, kind: str, task: str, options: dict[str, Any]) -> Candidate:
    cls = getattr(models, kind)
    entry = Entry(
        name=name,
        package=PACKAGE,
        package_version=asteroid.__version__,
        module=cls.__module__.removeprefix("asteroid.models."),
        task=task,
        licence="MIT",
    )
    return Candidate(entry, partial(cls, **options), lambda _: ((1, 1, 16_000),))


if __name__ == "__main__":
    run(PACKAGE, candidates())
