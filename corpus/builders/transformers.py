"""Every model class of transformers at its default configuration, and published sizes.

Defaults are what a configuration has when nothing is set; they follow the checkpoint that the
class was first published with. Sizes of well-known families are in ``transformers_sizes.tsv``,
one row each, with the paper or model card that states them.

Run from the repository's root: ``python -m corpus.builders.transformers``.
"""

from __future__ import annotations

import csv
import importlib
import json
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel, utils
from transformers.models.auto import modeling_auto

from corpus.builders.run import Candidate, Entry, run
from corpus.builders.transformers_inputs import inputs_for, with_constants
from corpus.builders.whole import recorded_whole

SIZES = Path(__file__).parent / "transformers_sizes.tsv"
MODELS = Path(transformers.models.__file__).parent


def _scan(x: torch.Tensor, *_: Any, **options: Any) -> Any:
    """Shapes of a state space scan."""
    wants_state = options.get("return_last_state") or options.get("return_final_states")
    return (torch.empty_like(x), None) if wants_state else torch.empty_like(x)


def _delta_rule(_q: torch.Tensor, _k: torch.Tensor, v: torch.Tensor, *_: Any, **__: Any) -> Any:
    """Shapes of linear attention that corrects its state."""
    return torch.empty_like(v), None


def _wkv(_decay: Any, _first: Any, key: torch.Tensor, *_: Any, state: Any = None, **__: Any) -> Any:
    """Shapes of RWKV's attention."""
    return torch.empty_like(key), state


# Loops over positions: the kernels that run in their place, and what shapes they return.
SCANS: dict[str, tuple[str, Callable[..., Any]]] = {
    "mamba_selective_scan": ("selective_scan_fn", _scan),
    "mamba2_chunk_scan": ("mamba_chunk_scan_combined", _scan),
    "torch_chunk_gated_delta_rule": ("chunk_gated_delta_rule", _delta_rule),
    "chunk_kimi_delta_attention": ("chunk_kda", _delta_rule),
    "rwkv_linear_attention": ("rwkv_linear_attention", _wkv),
}

# What a configuration leaves open and its model cannot do without, by model type.
REQUIRED: dict[str, dict[str, Any]] = {
    "autoformer": {"prediction_length": 24},
    "informer": {"prediction_length": 24},
    "time_series_transformer": {"prediction_length": 24},
    "chameleon": {"vocabulary_map": {"<image>": 4, "IMGIMGA": 5}},
    "emu3": {"vocabulary_map": {"<image>": 4, "<|extra_200|>": 6, "<|visual token 000000|>": 5}},
    "esm": {"vocab_size": 33, "mask_token_id": 32, "pad_token_id": 1},
    "hunyuan_v1_dense": {"head_dim": 128},
    "hunyuan_v1_moe": {"head_dim": 128},
    "ministral": {"head_dim": 128},
    "nemotron": {"num_key_value_heads": 8},
    "gemma3": {"vision_config": {"image_size": 896, "patch_size": 14}},
    "dots1": {"n_routed_experts": 128, "num_experts_per_tok": 6, "n_shared_experts": 2},
    "deepseek_v2": {"num_experts_per_tok": 6, "n_routed_experts": 64, "n_shared_experts": 2},
}

# The order decides: a class that several mappings name has the task of the first.
TASKS = {
    "CAUSAL_LM": "text-generation",
    "MASKED_LM": "masked-language-modelling",
    "SEQ_TO_SEQ_CAUSAL_LM": "text-to-text-generation",
    "SPEECH_SEQ_2_SEQ": "speech-recognition",
    "CTC": "speech-recognition",
    "RNNT": "speech-recognition",
    "TDT": "speech-recognition",
    "IMAGE_CLASSIFICATION": "image-classification",
    "SEMANTIC_SEGMENTATION": "semantic-segmentation",
    "INSTANCE_SEGMENTATION": "instance-segmentation",
    "UNIVERSAL_SEGMENTATION": "panoptic-segmentation",
    "IMAGE_SEGMENTATION": "panoptic-segmentation",
    "VIDEO_CLASSIFICATION": "video-classification",
    "OBJECT_DETECTION": "object-detection",
    "ZERO_SHOT_OBJECT_DETECTION": "zero-shot-object-detection",
    "ZERO_SHOT_IMAGE_CLASSIFICATION": "zero-shot-image-classification",
    "DEPTH_ESTIMATION": "depth-estimation",
    "MASK_GENERATION": "mask-generation",
    "KEYPOINT_DETECTION": "keypoint-detection",
    "KEYPOINT_MATCHING": "keypoint-matching",
    "POSE_ESTIMATION": "pose-estimation",
    "IMAGE_TO_IMAGE": "image-to-image",
    "IMAGE_MATTING": "image-matting",
    "NORMAL_ESTIMATION": "normal-estimation",
    "POINTMAP_ESTIMATION": "pointmap-estimation",
    "TEXT_RECOGNITION": "text-recognition",
    "TABLE_RECOGNITION": "table-recognition",
    "MASKED_IMAGE_MODELING": "masked-image-modelling",
    "CAUSAL_IMAGE_MODELING": "image-generation",
    "AUDIO_CLASSIFICATION": "audio-classification",
    "AUDIO_FRAME_CLASSIFICATION": "audio-frame-classification",
    "AUDIO_XVECTOR": "speaker-verification",
    "TEXT_TO_SPECTROGRAM": "text-to-speech",
    "TEXT_TO_WAVEFORM": "text-to-speech",
    "TIME_SERIES_PREDICTION": "time-series-forecasting",
    "TIME_SERIES_CLASSIFICATION": "time-series-classification",
    "TIME_SERIES_REGRESSION": "time-series-regression",
    "VISUAL_QUESTION_ANSWERING": "visual-question-answering",
    "DOCUMENT_QUESTION_ANSWERING": "document-question-answering",
    "TABLE_QUESTION_ANSWERING": "table-question-answering",
    "IMAGE_TEXT_TO_TEXT": "image-text-to-text",
    "MULTIMODAL_LM": "multimodal-generation",
    "SEQUENCE_CLASSIFICATION": "text-classification",
    "TOKEN_CLASSIFICATION": "token-classification",
    "QUESTION_ANSWERING": "question-answering",
    "MULTIPLE_CHOICE": "multiple-choice",
    "NEXT_SENTENCE_PREDICTION": "next-sentence-prediction",
    "RETRIEVAL": "retrieval",
    "DECISION": "decision-making",
    "BACKBONE": "image-features",
    "PRETRAINING": "pretraining",
}
# Heads that add a layer or two to a model: traced last.
SMALL_HEADS = (
    *("ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering"),
    *("ForMultipleChoice", "ForNextSentencePrediction"),
)
TASKS_BY_INPUT = {
    "pixel_values": "image-features",
    "pixel_values_videos": "video-features",
    "input_values": "audio-features",
    "input_features": "audio-features",
    "past_values": "time-series-forecasting",
    "spectrogram": "vocoding",
}


def candidates() -> list[Candidate]:
    """The first class of every model, then the published sizes, then all other classes."""
    classes = list(_classes())
    task_of = _tasks()
    first: dict[Any, type[PreTrainedModel]] = {}
    for kind in classes:
        first.setdefault(kind.config_class, kind)
    leading = set(first.values())
    ordered = [kind for kind in classes if kind in leading]
    others = [kind for kind in classes if kind not in leading]
    others.sort(key=lambda kind: kind.__name__.endswith(SMALL_HEADS))
    sizes = list(_sizes(task_of))
    return [
        *(_candidate(kind, kind.__name__, task_of, {}) for kind in ordered),
        *sizes,
        *(_candidate(kind, kind.__name__, task_of, {}) for kind in others),
    ]


def _classes() -> Iterator[type[PreTrainedModel]]:
    """Every class of every modelling module that is a model and not only a base."""
    for path in sorted(MODELS.glob("*/modeling_*.py")):
        name = f"transformers.models.{path.parent.name}.{path.stem}"
        try:
            module = importlib.import_module(name)
        except ImportError as error:
            print(f"left out {path.stem}: {error}")
            continue
        for loop in SCANS.keys() & vars(module).keys():
            kernel, shapes = SCANS[loop]
            setattr(module, loop, recorded_whole(shapes, kernel))
        for public in getattr(module, "__all__", ()):
            kind = getattr(module, public, None)
            if not isinstance(kind, type) or not issubclass(kind, PreTrainedModel):
                continue
            if kind.__module__ == name and _has_forward(kind) and kind.config_class is not None:
                yield kind


def _has_forward(kind: type[PreTrainedModel]) -> bool:
    return kind.forward is not nn.Module.forward


def _tasks() -> dict[str, str]:
    """Class name to task, as the package's own mappings have it."""
    tasks: dict[str, str] = {}
    for key, task in TASKS.items():
        mapping = getattr(modeling_auto, f"MODEL_FOR_{key}_MAPPING_NAMES", {})
        for names in mapping.values():
            for name in [names] if isinstance(names, str) else names:
                tasks.setdefault(name, task)
    return tasks


def _candidate(
    kind: type[PreTrainedModel],
    name: str,
    task_of: dict[str, str],
    settings: dict[str, Any],
    paper: str = "",
) -> Candidate:
    main = kind.main_input_name
    by_input = TASKS_BY_INPUT.get(main if isinstance(main, str) else main[0], "text-features")
    entry = Entry(
        name=name,
        package="transformers",
        package_version=transformers.__version__,
        module=kind.__module__.split(".")[2],
        task=task_of.get(kind.__name__, by_input),
        paper=paper,
    )
    return Candidate(entry, partial(_build, kind, settings), inputs_for)


def _sizes(task_of: dict[str, str]) -> Iterator[Candidate]:
    with SIZES.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            kind = getattr(transformers, row["class"])
            settings = dict(_setting(text) for text in row["settings"].split())
            source = row["source"]
            paper = source.removeprefix("arxiv:") if source.startswith("arxiv:") else ""
            yield _candidate(kind, row["name"], task_of, settings, paper)


def _setting(text: str) -> tuple[str, Any]:
    key, value = text.split("=", 1)
    try:
        return key, json.loads(value)
    except json.JSONDecodeError:
        return key, value


def _build(kind: type[PreTrainedModel], settings: dict[str, Any]) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        required = REQUIRED.get(kind.config_class.model_type, {})
        config = kind.config_class(**(required | _nested(settings)))
        for part in _parts(config):
            part.use_cache = False
        for token in ("image_token_id", "audio_token_id"):
            if getattr(config, token, 0) is None:
                setattr(config, token, 0)
        return with_constants(kind(config))


def _parts(config: PretrainedConfig) -> Iterator[PretrainedConfig]:
    """The configuration and those inside it."""
    yield config
    for part in vars(config).values():
        if isinstance(part, PretrainedConfig):
            yield from _parts(part)


def _nested(settings: dict[str, Any]) -> dict[str, Any]:
    """``{"a.b": 1}`` as ``{"a": {"b": 1}}``."""
    nested: dict[str, Any] = {}
    for key, value in settings.items():
        *path, last = key.split(".")
        place = nested
        for step in path:
            place = place.setdefault(step, {})
        place[last] = value
    return nested


def _accept_any_count(*_: Any, **__: Any) -> None:
    """In place of the check that there are as many placeholder tokens as image features.

    Masks select everything in a trace, so the counts that it compares mean nothing.
    """


if __name__ == "__main__":
    transformers.logging.set_verbosity_error()
    utils.torch_compilable_check = _accept_any_count
    PreTrainedModel.initialize_weights = lambda _: None  # type: ignore[method-assign]
    torch.distributions.Distribution.set_default_validate_args(False)
    run("transformers", candidates())
