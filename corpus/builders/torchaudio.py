"""Every architecture that torchaudio's pipelines and model factories publish.

Speech is traced from two seconds at 16 kHz. torchaudio's compiled library must be absent where it
does not fit the torch that traces: an empty package ``torchaudio.lib`` in its place is enough.

Run from the repository's root: ``python -m corpus.builders.torchaudio``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torchaudio
from netkin import Spec
from torchaudio import models, pipelines

from corpus.builders.run import Candidate, Entry, run

PACKAGE = "torchaudio"
SPEECH = ((1, 32_000),)
RECOGNITION = "speech-recognition"
FEATURES = "speech-features"
SYNTHESIS = "speech-synthesis"
SEPARATION = "source-separation"
STEREO = ((1, 2, 44_100 * 4),)

Build = Callable[[], torch.nn.Module]


class _WithLengths(torch.nn.Module):
    """A model that is told how long each of its inputs is."""

    def __init__(self, model: torch.nn.Module, *lengths: int) -> None:
        super().__init__()
        self.model = model
        self.lengths = lengths

    def forward(self, *inputs: torch.Tensor) -> Any:
        kind = torch.int32 if isinstance(self.model, models.RNNT) else torch.int64
        lengths = (torch.tensor([length], dtype=kind) for length in self.lengths)
        return self.model(*(x for pair in zip(inputs, lengths, strict=True) for x in pair))


def candidates() -> list[Candidate]:
    """One candidate for each pipeline, then those factories that no pipeline uses."""
    return [*_pipelines(), *_factories()]


def _pipelines() -> list[Candidate]:
    found = []
    for name in dir(pipelines):
        bundle = getattr(pipelines, name)
        if isinstance(bundle, pipelines.Wav2Vec2Bundle):
            recognises = isinstance(bundle, pipelines.Wav2Vec2ASRBundle)
            build = partial(_speech_model, bundle)
            task = RECOGNITION if recognises else FEATURES
            found.append(_candidate(name.lower(), "wav2vec2.model", task, build, SPEECH))
    return found


def _speech_model(bundle: Any) -> torch.nn.Module:
    if bundle._model_type == "WavLM":
        return models.wavlm_model(**bundle._params)
    return models.wav2vec2_model(**bundle._params)


def _factories() -> list[Candidate]:
    sources = ["drums", "bass", "other", "vocals"]
    rows: list[tuple[str, str, str, Build, tuple[Any, ...]]] = [
        *(
            (
                name,
                "wav2vec2.model",
                "speech-pretraining",
                factory,
                (*SPEECH, Spec((1, 99), "int64")),
            )
            for name, factory in (
                ("hubert_pretrain_base", partial(models.hubert_pretrain_base, num_classes=100)),
                ("hubert_pretrain_large", models.hubert_pretrain_large),
                ("hubert_pretrain_xlarge", models.hubert_pretrain_xlarge),
            )
        ),
        (
            "conv_tasnet_base",
            "conv_tasnet",
            SEPARATION,
            models.conv_tasnet_base,
            ((1, 1, 32_000),),
        ),
        ("hdemucs_low", "_hdemucs", SEPARATION, partial(models.hdemucs_low, sources), STEREO),
        ("hdemucs_medium", "_hdemucs", SEPARATION, partial(models.hdemucs_medium, sources), STEREO),
        ("hdemucs_high", "_hdemucs", SEPARATION, partial(models.hdemucs_high, sources), STEREO),
        (
            "squim_objective_base",
            "squim.objective",
            "speech-quality-assessment",
            models.squim_objective_base,
            SPEECH,
        ),
        (
            "squim_subjective_base",
            "squim.subjective",
            "speech-quality-assessment",
            models.squim_subjective_base,
            (*SPEECH, *SPEECH),
        ),
        (
            "emformer_rnnt_base",
            "rnnt",
            RECOGNITION,
            lambda: _WithLengths(models.emformer_rnnt_base(num_symbols=4097), 132, 16),
            (Spec((1, 132, 80)), Spec((1, 16), "int32")),
        ),
        (
            "emformer",
            "emformer",
            RECOGNITION,
            lambda: _WithLengths(models.Emformer(512, 8, 2048, 20, 4, right_context_length=1), 129),
            (Spec((1, 129, 512)),),
        ),
        (
            "conformer",
            "conformer",
            RECOGNITION,
            lambda: _WithLengths(models.Conformer(80, 4, 128, 4, 31), 128),
            (Spec((1, 128, 80)),),
        ),
        (
            "deepspeech",
            "deepspeech",
            RECOGNITION,
            partial(models.DeepSpeech, 80),
            ((1, 1, 128, 80),),
        ),
        ("wav2letter", "wav2letter", RECOGNITION, models.Wav2Letter, ((1, 1, 32_000),)),
        (
            "wav2letter_mfcc",
            "wav2letter",
            RECOGNITION,
            partial(models.Wav2Letter, 40, "mfcc", 13),
            ((1, 13, 200),),
        ),
        (
            "tacotron2",
            "tacotron2",
            SYNTHESIS,
            lambda: _WithLengths(models.Tacotron2(), 24, 32),
            (Spec((1, 24), "int64"), Spec((1, 80, 32))),
        ),
        (
            "wavernn",
            "wavernn",
            "vocoding",
            partial(
                models.WaveRNN,
                upsample_scales=[5, 5, 11],
                n_classes=256,
                hop_length=275,
                n_rnn=512,
                n_fc=512,
            ),
            ((1, 1, (16 - 5 + 1) * 275), (1, 1, 128, 16)),
        ),
    ]
    return [_candidate(*row) for row in rows]


def _candidate(
    name: str, module: str, task: str, build: Build, inputs: tuple[Any, ...]
) -> Candidate:
    entry = Entry(
        name=name,
        package=PACKAGE,
        package_version=torchaudio.__version__.split("+")[0],
        module=module,
        task=task,
        licence="BSD-2-Clause",
    )
    return Candidate(entry, build, lambda _: inputs)


if __name__ == "__main__":
    run(PACKAGE, candidates())
