"""Every model class of transformers at its default configuration, and published sizes.

Defaults are what a configuration has when nothing is set; they follow the checkpoint that the
class was first published with. Sizes of well-known families are in ``transformers_sizes.tsv``,
one row each, with the paper or model card that states them. Re-parameterised networks have a second
entry, ``<name>-deployed``: see ``transformers_deployed``.

Run from the repository's root: ``python -m corpus.builders.transformers``.
"""

from __future__ import annotations

import csv
import importlib
import json
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
import transformers
from netkin import skeleton
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel, utils
from transformers.models.auto import modeling_auto

from corpus.builders.run import Candidate, Entry, run
from corpus.builders.transformers_deployed import defines_branches, deploy, has_branches
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

# PP-LCNetV3 as PaddleOCR has it for recognition, with strides that fit a line of text. The
# recogniser's configuration falls back on the detector's, which leaves the head no height.
LINE_BACKBONE: dict[str, Any] = {
    "model_type": "pp_lcnet_v3",
    "scale": 0.95,
    "divisor": 16,
    "block_configs": [
        [[3, 16, 32, 1, False]],
        [[3, 32, 64, 1, False], [3, 64, 64, 1, False]],
        [[3, 64, 128, (2, 1), False], [3, 128, 128, 1, False]],
        [[3, 128, 256, (1, 2), False], *([[5, 256, 256, 1, False]] * 4)],
        [
            *([5, 256, 512, (2, 1), True], [5, 512, 512, 1, True]),
            *([5, 512, 512, (2, 1), False], [5, 512, 512, 1, False]),
        ],
    ],
}

# PP-LCNetV4 as PaddleOCR has it for the small detector, whose configuration falls back on the
# recogniser's. The neck takes what the stages give.
SMALL_DETECTOR: dict[str, Any] = {
    "backbone_config": {
        "model_type": "pp_lcnet_v4",
        "stem_channels": [3, 24, 48],
        "out_features": ["stage1", "stage2", "stage3", "stage4"],
        "block_configs": [
            [[3, 48, 48, 1, True], [3, 48, 48, 1, False]],
            [[3, 48, 96, 2, False], [3, 96, 96, 1, True], [3, 96, 96, 1, False]],
            [
                [3, 96, 192, 2, False],
                *([[3, 192, 192, 1, True], [3, 192, 192, 1, False]] * 2),
            ],
            [[3, 192, 384, 2, False], [3, 384, 384, 1, True], [3, 384, 384, 1, False]],
        ],
    },
    "layer_list_out_channels": [48, 96, 192, 384],
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
    "pp_ocrv5_mobile_rec": {"backbone_config": LINE_BACKBONE},
    "pp_ocrv6_small_det": SMALL_DETECTOR,
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
    """The first class of every model, the published sizes, all other classes, deployed forms."""
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
    trained = [
        *(_candidate(kind, kind.__name__, task_of, {}) for kind in ordered),
        *sizes,
        *(_candidate(kind, kind.__name__, task_of, {}) for kind in others),
    ]
    return [*trained, *_deployed(trained)]


def _deployed(trained: list[Candidate]) -> Iterator[Candidate]:
    """The deployed forms of those candidates whose parallel branches are one convolution then.

    Only models that have a part from a folder with such layers are built, because building all
    takes long. One that cannot be built has that failure under its own name.
    """
    folders = _folders_with_branches()
    for candidate in trained:
        kind, settings = candidate.build.args
        try:
            parts = list(_parts(_config(kind, settings)))
            if folders.isdisjoint(type(part).__module__.split(".")[2] for part in parts):
                continue
            with skeleton():
                model = candidate.build()
        except Exception:
            continue
        if has_branches(model):
            entry = replace(candidate.entry, name=f"{candidate.entry.name}-deployed")
            build = partial(_build_deployed, kind, settings)
            yield replace(candidate, entry=entry, build=build)


def _folders_with_branches() -> set[str]:
    """Model folders, such as ``rt_detr``, that define a layer which has a deployed form."""
    return {
        name.split(".")[2]
        for name, module in sys.modules.items()
        if name.startswith("transformers.models.") and defines_branches(list(vars(module)))
    }


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
        config = _config(kind, settings)
        for part in _parts(config):
            part.use_cache = False
        for token in ("image_token_id", "audio_token_id"):
            if getattr(config, token, 0) is None:
                setattr(config, token, 0)
        return with_constants(kind(config))


def _build_deployed(kind: type[PreTrainedModel], settings: dict[str, Any]) -> nn.Module:
    return deploy(_build(kind, settings))


def _config(kind: type[PreTrainedModel], settings: dict[str, Any]) -> PretrainedConfig:
    required = REQUIRED.get(kind.config_class.model_type, {})
    return kind.config_class(**(required | _nested(settings)))


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
