"""Every pair of an image and a text tower that open_clip has a configuration for.

Run from the repository's root: ``python -m corpus.builders.open_clip``.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import open_clip
import torch
import transformers
from netkin import Spec
from open_clip import hf_model

from corpus.builders.run import Candidate, Entry, run

_ROBERTA = {"max_position_embeddings": 514, "type_vocab_size": 1}
_MT5 = {"vocab_size": 250112, "feed_forward_proj": "gated-gelu"}
_NLLB = {"vocab_size": 256206, "d_model": 1024, "encoder_ffn_dim": 4096, "decoder_ffn_dim": 4096}

# Text towers that a configuration only names, with the sizes of their model cards.
TEXT_TOWERS: dict[str, transformers.PretrainedConfig] = {
    "roberta-base": transformers.RobertaConfig(vocab_size=50265, **_ROBERTA),
    "xlm-roberta-base": transformers.XLMRobertaConfig(vocab_size=250002, **_ROBERTA),
    "xlm-roberta-large": transformers.XLMRobertaConfig(
        vocab_size=250002,
        hidden_size=1024,
        num_hidden_layers=24,
        num_attention_heads=16,
        intermediate_size=4096,
        **_ROBERTA,
    ),
    "google/mt5-base": transformers.MT5Config(
        d_model=768, num_layers=12, num_heads=12, d_ff=2048, **_MT5
    ),
    "google/mt5-xl": transformers.MT5Config(
        d_model=2048, num_layers=24, num_heads=32, d_ff=5120, **_MT5
    ),
    "facebook/nllb-200-distilled-600M": transformers.M2M100Config(**_NLLB),
    "facebook/nllb-200-distilled-1.3B": transformers.M2M100Config(
        **(_NLLB | {"encoder_ffn_dim": 8192, "decoder_ffn_dim": 8192}),
        encoder_layers=24,
        decoder_layers=24,
    ),
}


def candidates() -> list[Candidate]:
    """One candidate for each name of ``open_clip.list_models()``."""
    return [_candidate(name) for name in open_clip.list_models()]


def _candidate(name: str) -> Candidate:
    generates = "multimodal_cfg" in open_clip.get_model_config(name)
    entry = Entry(
        name=name,
        package="open_clip",
        package_version=open_clip.__version__,
        module="coca_model" if generates else "model",
        task="image-captioning" if generates else "zero-shot-image-classification",
    )
    return Candidate(entry, partial(_build, name), partial(_inputs, name))


def _build(name: str) -> torch.nn.Module:
    return open_clip.create_model(name, pretrained_text=False, load_weights=False)


def _inputs(name: str, model: torch.nn.Module) -> dict[str, Any]:
    config = open_clip.get_model_config(name)
    size = model.visual.image_size
    height, width = size if isinstance(size, (tuple, list)) else (size, size)
    length = config["text_cfg"].get("context_length", 77)
    return {
        "image": Spec((1, 3, height, width), "float32"),
        "text": Spec((1, length), "int64"),
    }


class _Configurations:
    """In place of the one that asks a model hub."""

    @staticmethod
    def from_pretrained(name: str, **_: Any) -> transformers.PretrainedConfig:
        """The configuration of a text tower."""
        return TEXT_TOWERS[name]


if __name__ == "__main__":
    hf_model.AutoConfig = _Configurations
    run("open_clip", candidates())
