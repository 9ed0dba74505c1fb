"""What a transformers model is called with, derived from its forward's parameters and its config.

A parameter gets a tensor if the forward requires it, if it is the model's main input, or if it
brings in a modality that the config describes. Grids of patches and other values that decide
shapes are no inputs but constants, which :class:`Constants` adds. Nothing here knows a model by
name but the two tables at the end.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import torch
from netkin import Spec
from torch import nn

TOKENS = 128
TEXTS = {
    *("input_ids", "decoder_input_ids", "qformer_input_ids", "protein_input_ids", "entity_ids"),
    *("input_shape_ids", "input_pronunciation_ids", "audio_input_ids", "context_input_ids"),
}
MODALITIES = {
    *("pixel_values", "input_features", "input_values", "flattened_patches", "visual_embeds"),
    *("decoder_input_ids", "decoder_input_values", "bbox", "visual_feats", "visual_pos", "image"),
    *("input_features_mask", "feature_attention_mask", "mm_token_type_ids", "entity_ids"),
    *("input_ids", "qformer_input_ids"),
}
GRID = 16  # patches along each side of an image that is given as patches


class Constants(nn.Module):
    """Calls a model with constants besides the inputs."""

    def __init__(self, model: nn.Module, values: dict[str, Any]) -> None:
        super().__init__()
        self.model = model
        self.values = values

    def forward(self, **inputs: Any) -> Any:
        """The model's own output."""
        made = {k: torch.tensor(v) if isinstance(v, list) else v for k, v in self.values.items()}
        return self.model(**inputs, **made)


def with_constants(model: nn.Module) -> nn.Module:
    """The model itself, or wrapped if its forward takes constants that decide shapes."""
    values = {k: v for k, v in CONSTANTS.items() if k in _needed(model)}
    values |= _exceptions(MODEL_CONSTANTS, model)
    return Constants(model, values) if values else model


def inputs_for(module: nn.Module) -> dict[str, Any]:
    """Keyword arguments: a :class:`netkin.Spec` for each tensor."""
    model = module.model if isinstance(module, Constants) else module
    constants = module.values if isinstance(module, Constants) else {}
    exceptional = _exceptions(MODEL_INPUTS, model)
    if "entity_ids" in _needed(model):
        exceptional = _entities(model)
    made = {
        name: _input(name, model)
        for name in _needed(model)
        if name not in constants and name not in exceptional
    }
    chosen = made | {name: make(model) for name, make in exceptional.items()}
    return {name: value for name, value in chosen.items() if value is not None}


def _needed(model: nn.Module) -> list[str]:
    """Parameters to fill, in the forward's order."""
    parameters = inspect.signature(model.forward).parameters
    main = model.main_input_name
    mains = {main} if isinstance(main, str) else set(main)
    return [
        name
        for name, parameter in parameters.items()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
        and (
            parameter.default is inspect.Parameter.empty
            or name in mains
            or (name in MODALITIES and _described(name, model.config))
            or (name in CONSTANTS and _described("pixel_values", model.config))
        )
    ]


def _described(name: str, config: Any) -> bool:
    """Whether the config says that the model has the modality of this parameter."""
    if name.startswith("decoder_input"):
        return bool(getattr(config, "is_encoder_decoder", False))
    return True


def _input(name: str, model: nn.Module) -> Spec | None:
    if name in TEXTS:
        return _choices(model)
    rule = _RULES.get(name)
    if rule is None:
        raise NotImplementedError(f"no rule for the input {name!r}")
    return rule(model)


def ids(*shape: int) -> Spec:
    """Integers of any meaning."""
    return Spec(shape, "int64")


def floats(*shape: int) -> Spec:
    """Real numbers of any meaning."""
    return Spec(shape, "float32")


def setting(config: Any, names: tuple[str, ...], default: Any) -> Any:
    """The first of these settings that the config or one of its parts has."""
    parts = ("vision_config", "audio_config", "encoder", "encoder_config", "audio_encoder")
    parts += ("speech_encoder", "audio_encoder_config", "backbone_config", "text_config")
    for holder in (config, *(getattr(config, part, None) for part in parts)):
        for name in names if holder is not None else ():
            value = holder.get(name) if isinstance(holder, dict) else getattr(holder, name, None)
            if value is not None:
                return value
    return default


def _tokens(config: Any) -> int:
    try:
        text = config.get_text_config()
    except ValueError:  # several texts: none of them is the model's own
        text = config
    positions = getattr(text, "max_position_embeddings", None) or TOKENS
    return min(TOKENS, positions) if isinstance(positions, int) and positions > 0 else TOKENS


def _sides(config: Any) -> tuple[int, int]:
    size = setting(config, ("image_size", "img_size", "input_size", "vision_image_size"), 224)
    if isinstance(size, dict):
        size = (size.get("height", 224), size.get("width", 224))
    if isinstance(size, (list, tuple)):
        return (int(size[-2]), int(size[-1])) if len(size) > 1 else (int(size[0]), int(size[0]))
    return int(size), int(size)


def _channels(config: Any) -> int:
    value = setting(config, ("num_channels", "in_channels", "in_chans", "channels"), 3)
    return value if isinstance(value, int) and value in (1, 2, 3, 4) else 3


def _image(model: nn.Module) -> Spec:
    parameters = inspect.signature(model.forward).parameters
    config = model.config
    if "grid_thw" in parameters or "image_grid_thw" in parameters:
        return _patches(model)
    image = (_channels(config), *_sides(config))
    if "pixel_attention_mask" in parameters and "spatial_shapes" not in parameters:
        return floats(1, 1, *image)  # a list of images for each text
    return floats(1, *image)


def _video(model: nn.Module) -> Spec:
    frames = setting(model.config, ("num_frames", "frames_per_clip", "tubelet_frames"), 16)
    return floats(1, frames, _channels(model.config), *_sides(model.config))


def _patches(model: nn.Module) -> Spec:
    """An image as the flat patches that models of any resolution take."""
    config = model.config
    side = setting(config, ("patch_size", "spatial_patch_size"), 14)
    frames = setting(config, ("temporal_patch_size",), 1)
    return floats(GRID * GRID, _channels(config) * frames * side * side)


def _hidden(model: nn.Module) -> Spec:
    config = model.config
    if "grid_thw" in inspect.signature(model.forward).parameters:
        return _patches(model)
    width = setting(config, ("hidden_size", "d_model", "embed_dim"), None)
    if isinstance(width, int):
        return floats(1, TOKENS, width)
    return floats(1, _channels(config), *_sides(config))


def _spectrogram(model: nn.Module) -> Spec:
    """Mel features: channels first with Whisper's thirty seconds, or time first."""
    config = model.config
    names = ("num_mel_bins", "n_mels", "input_feat_per_channel", "feature_size", "input_dim")
    bins = setting(config, (*names, "feature_projection_input_dim", "num_mel_channels"), 80)
    positions = setting(config, ("max_source_positions",), None)
    if isinstance(positions, int) and positions == 1500:
        return floats(1, bins, 3000)
    return floats(1, 512, bins)


def _wave(model: nn.Module) -> Spec:
    config = model.config
    bins = getattr(config, "num_mel_bins", None)
    if bins is not None and getattr(config, "max_length", None):
        return floats(1, config.max_length, bins)
    channels = setting(config, ("audio_channels",), None)
    rate = setting(config, ("sampling_rate", "sample_rate"), 16000)
    if "padding_mask" in inspect.signature(model.forward).parameters or channels:
        return floats(1, channels or 1, rate)
    return floats(1, rate)


def _past(model: nn.Module) -> Spec:
    config = model.config
    length = getattr(config, "context_length", None) or 512
    lags = getattr(config, "lags_sequence", None)
    if lags:
        return floats(1, length + max(lags))
    return floats(1, length, getattr(config, "num_input_channels", 1))


def _past_times(model: nn.Module) -> Spec:
    config = model.config
    return floats(1, config.context_length + max(config.lags_sequence), _time_features(config))


def _time_features(config: Any) -> int:
    return int(getattr(config, "num_time_features", 0) or 0)


def _boxes(model: nn.Module) -> Spec:
    return ids(1, _tokens(model.config), 4)


def _frames_mask(model: nn.Module) -> Spec:
    shape = _spectrogram(model).shape
    return ids(1, max(shape[1:]) if shape[2] == 3000 else shape[1])


def _choices(model: nn.Module) -> Spec:
    choices = (2,) if type(model).__name__.endswith("ForMultipleChoice") else ()
    return ids(1, *choices, _tokens(model.config))


_RULES: dict[str, Callable[[nn.Module], Spec | None]] = {
    "pixel_values": _image,
    "pixel_values_videos": _video,
    "input_features": _spectrogram,
    "input_features_mask": _frames_mask,
    "feature_attention_mask": _frames_mask,
    "mm_token_type_ids": lambda model: ids(1, _tokens(model.config)),
    "input_values": _wave,
    "decoder_input_values": lambda model: floats(1, TOKENS, model.config.num_mel_bins),
    "hidden_states": _hidden,
    "inputs_embeds": _hidden,
    "flattened_patches": lambda model: floats(
        1, 512, 2 + 3 * setting(model.config, ("patch_size",), 16) ** 2
    ),
    "bbox": _boxes,
    "image": lambda model: floats(1, 3, 224, 224),
    "visual_embeds": lambda model: floats(1, 36, model.config.visual_embedding_dim),
    "visual_feats": lambda model: floats(1, 36, model.config.visual_feat_dim),
    "visual_pos": lambda model: floats(1, 36, model.config.visual_pos_dim),
    "past_values": _past,
    "past_time_features": _past_times,
    "past_observed_mask": lambda model: Spec(_past(model).shape, "float32"),
    "spectrogram": lambda model: floats(1, 200, model.config.model_in_dim),
    "attention_mask": lambda model: ids(1, _tokens(model.config)),
    "bool_masked_pos": lambda model: Spec((1, math.prod(_sides(model.config)) // 256), "bool"),
}

CONSTANTS: dict[str, Any] = {
    "grid_thw": [[1, GRID, GRID]],
    "image_grid_thw": [[1, GRID, GRID]],
}


def _nothing(_: nn.Module) -> None:
    """For a parameter that the general rule would fill and this model does without."""


def _pair(model: nn.Module) -> Spec:
    return floats(1, 2, _channels(model.config), 480, 640)


def _codebooks(model: nn.Module) -> Spec:
    return ids(1, TOKENS, setting(model.config, ("num_codebooks", "num_channels"), 8))


def _mono(model: nn.Module) -> Spec:
    return floats(1, 1, setting(model.config, ("sampling_rate", "sample_rate"), 16000))


def _codes(model: nn.Module) -> Spec:
    """Tokens of all codebooks as rows of one batch."""
    return ids(setting(model.config, ("num_codebooks",), None) or _decoder_codebooks(model), TOKENS)


def _decoder_codebooks(model: nn.Module) -> int:
    return int(model.config.decoder.num_codebooks)


def _images(model: nn.Module) -> Spec:
    """A list of one image for each text."""
    return floats(1, 1, _channels(model.config), *_sides(model.config))


def _tiles(model: nn.Module) -> Spec:
    """An image of one tile's size: itself and two tiles that hold its padded enlargement."""
    return floats(1, 3, _channels(model.config), *_sides(model.config))


def _entities(model: nn.Module) -> dict[str, Callable[[nn.Module], Spec | None]]:
    choices = (2,) if type(model).__name__.endswith("ForMultipleChoice") else ()
    spans = "SpanClassification" in type(model).__name__
    mentions = getattr(model.config, "max_mention_length", 30)
    return {
        "entity_ids": lambda _: ids(1, *choices, 4),
        "entity_position_ids": lambda _: ids(1, *choices, 4, mentions),
        **({f"entity_{end}_positions": lambda _: ids(1, 4) for end in ("start", "end") if spans}),
    }


def _frames(width_names: tuple[str, ...]) -> Callable[[nn.Module], Spec]:
    return lambda model: floats(1, 512, setting(model.config, width_names, 160))


def _mllama_image(model: nn.Module) -> Spec:
    tiles = setting(model.config, ("max_num_tiles",), 4)
    return floats(1, 1, tiles, _channels(model.config), *_sides(model.config))


def _square(side: int) -> Callable[[nn.Module], Spec]:
    return lambda model: floats(1, _channels(model.config), side, side)


def _photo(_: nn.Module) -> Spec:
    return floats(1, 3, 800, 800)


def _line_of_text(_: nn.Module) -> Spec:
    return floats(1, 3, 48, 320)


# Detectors whose configurations leave the image's size open.
PHOTOGRAPHED = (
    *("ConditionalDetr", "DabDetr", "DeformableDetr", "Detr", "TableTransformer"),
    *("GroundingDino", "MMGroundingDino"),
)
# Recognisers, whose image processors make every line 48 pixels high.
READERS = ("PPOCRV5MobileRec", "PPOCRV5ServerRec", "PPOCRV6SmallRec", "PPOCRV6TinyRec")

# Exceptions, by the start of the class name.
MODEL_INPUTS: dict[str, dict[str, Callable[[nn.Module], Spec | None]]] = {
    "Aria": {"pixel_values": _square(980), "pixel_mask": lambda m: Spec((1, 980, 980), "bool")},
    **{
        start: {
            "future_values": lambda model: floats(1, model.config.prediction_length),
            "future_time_features": lambda model: floats(
                1, model.config.prediction_length, _time_features(model.config)
            ),
        }
        for start in ("Autoformer", "Informer", "TimeSeriesTransformer")
    },
    **{
        start: {
            "encoder_hidden_states": lambda m: floats(1, 257, m.config.encoder_hidden_size),
        }
        for start in ("InstructBlipQFormer", "InstructBlipVideoQFormer")
    },
    "BarkFine": {"input_ids": lambda model: ids(1, TOKENS, model.config.n_codes_total)},
    "ClapAudio": {"input_features": lambda _: floats(1, 1, 1001, 64)},
    "ClapModel": {"input_features": lambda _: floats(1, 1, 1001, 64)},
    "CsmBackbone": {"input_ids": _codebooks},
    "GlmAsr": {"input_features": lambda _: floats(1, 128, 3000)},
    "GraniteSpeechCTC": {"hidden_states": _frames(("input_dim",))},
    "GraniteSpeechPlusCTC": {"hidden_states": _frames(("input_dim",))},
    "Idefics": {"pixel_values": _images},
    "Idefics2": {},
    "Idefics3": {},
    "InstructBlipModel": {"decoder_input_ids": lambda _: ids(1, TOKENS)},
    "InstructBlipForConditionalGeneration": {"decoder_input_ids": lambda _: ids(1, TOKENS)},
    "InstructBlipVideo": {
        "pixel_values": lambda model: floats(1, 4, 3, *_sides(model.config)),
        "decoder_input_ids": lambda _: ids(1, TOKENS),
    },
    "InstructBlipVideoVision": {"pixel_values": _image},
    "InklingAudio": {"audio_input_ids": lambda _: ids(1, TOKENS, 80)},
    "KyutaiSpeechToText": {"input_ids": lambda _: ids(1, TOKENS, 33)},
    "LlavaNext": {"pixel_values": _tiles},
    "LlavaOnevision": {"pixel_values": _tiles},
    "MllamaForConditional": {"pixel_values": _mllama_image},
    "MllamaModel": {"pixel_values": _mllama_image},
    "MllamaVision": {"pixel_values": _mllama_image},
    "MusicgenFor": {"decoder_input_ids": _codes},
    "MusicgenForCausalLM": {"input_ids": _codes},
    "MusicgenModel": {"input_ids": _codes},
    "MusicgenMelodyFor": {"decoder_input_ids": _codes, "input_features": _nothing},
    "MusicgenMelodyForCausalLM": {"input_ids": _codes},
    "MusicgenMelodyModel": {"input_ids": _codes},
    "Pop2Piano": {
        "input_ids": _nothing,
        "input_features": lambda m: floats(1, 128, m.config.d_model),
    },
    "CsmFor": {"input_ids": _codebooks},
    "Dac": {"input_values": _mono},
    "DepthPro": {"pixel_values": _square(1536)},
    "Dia": {
        "decoder_input_ids": lambda model: ids(1, TOKENS, model.config.decoder_config.num_channels)
    },
    "EfficientLoFTR": {"pixel_values": _pair},
    "SuperGlue": {"pixel_values": _pair},
    "LightGlue": {"pixel_values": _pair},
    **{
        f"{name}": {"pixel_values": _square(448)}
        for name in ("LightOnOcr", "Mistral3", "MistralLarge4")
    },
    "SuperPoint": {"pixel_values": lambda _: floats(1, 3, 480, 640)},
    "FunAsrNano": {"input_features": lambda _: floats(1, 512, 560)},
    "Fuyu": {"pixel_values": _nothing, "image_patches": lambda _: floats(1, 300, 2700)},
    "Xcodec": {"input_values": _mono},
    "NeuCodec": {"input_values": _mono},
    "DeepseekVLHybrid": {"high_res_pixel_values": _square(1024)},
    **{start: {"pixel_values": _photo} for start in PHOTOGRAPHED},
    **{start: {"pixel_values": _line_of_text} for start in READERS},
}

_ONE_TILE = {"aspect_ratio_ids": [[1]], "aspect_ratio_mask": [[[1, 0, 0, 0]]]}

MODEL_CONSTANTS: dict[str, dict[str, Any]] = {
    "BarkFine": {"codebook_idx": 1},
    "LightOnOcr": {"image_sizes": [[448, 448]]},
    "LlavaNext": {"image_sizes": [[336, 336]]},
    "LlavaOnevision": {"image_sizes": [[384, 384]]},
    "Mistral3": {"image_sizes": [[448, 448]]},
    "MistralLarge4": {"image_sizes": [[448, 448]]},
    "MllamaForConditional": _ONE_TILE,
    "MllamaModel": _ONE_TILE,
    "MllamaVision": _ONE_TILE,
}


def _exceptions(table: dict[str, dict[str, Any]], model: nn.Module) -> dict[str, Any]:
    """The row for the longest start of the class name."""
    name = type(model).__name__
    fitting = [start for start in table if name.startswith(start)]
    return table[max(fitting, key=len)] if fitting else {}
