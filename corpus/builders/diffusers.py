"""Denoisers, autoencoders and control networks of diffusers, in released configurations.

diffusers holds classes whose defaults are one released configuration and keeps all others in the
checkpoints; they are listed here after the papers and model cards. Latents are traced at 64 × 64
or smaller and videos at few frames: size is no part of a design.

Run from the repository's root: ``python -m corpus.builders.diffusers``.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from functools import partial
from typing import Any

import diffusers
import torch
from netkin import Spec

from corpus.builders.run import Candidate, Entry, run

PACKAGE = "diffusers"
TEXT_TOKENS = 77
IMAGE_TOKENS = 256

Options = dict[str, Any]
Row = tuple[str, str, str, Options, Options]  # name, class, task, options, inputs

TEXT_TO_IMAGE = "text-to-image"
TEXT_TO_VIDEO = "text-to-video"
CLASS_TO_IMAGE = "class-conditional-image-generation"
IMAGE = "image-generation"
TEXT_TO_AUDIO = "text-to-audio"
AUTOENCODING = "image-autoencoding"
VIDEO_AUTOENCODING = "video-autoencoding"
AUDIO_AUTOENCODING = "audio-autoencoding"

LATENT = Spec((1, 4, 64, 64))
STEP = Spec((1,), "int64")
TIME = Spec((1,))


def _text(width: int, tokens: int = TEXT_TOKENS) -> Spec:
    return Spec((1, tokens, width))


# U-Nets of two dimensions.

SDXL_UNET: Options = {
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "attention_head_dim": [5, 10, 20],
    "transformer_layers_per_block": [1, 2, 10],
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
    "sample_size": 128,
}
SDXL_INPUTS: Options = {
    "sample": LATENT,
    "timestep": STEP,
    "encoder_hidden_states": _text(2048),
    "added_cond_kwargs": {"text_embeds": Spec((1, 1280)), "time_ids": Spec((1, 6))},
}
REFINER_UNET: Options = SDXL_UNET | {
    "block_out_channels": (384, 768, 1536, 1536),
    "down_block_types": (
        "DownBlock2D",
        "CrossAttnDownBlock2D",
        "CrossAttnDownBlock2D",
        "DownBlock2D",
    ),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "attention_head_dim": [6, 12, 24, 24],
    "transformer_layers_per_block": 4,
    "cross_attention_dim": 1280,
    "projection_class_embeddings_input_dim": 2560,
}
SD1: Options = {"cross_attention_dim": 768, "sample_size": 64}
SD2: Options = {
    "cross_attention_dim": 1024,
    "attention_head_dim": [5, 10, 20, 20],
    "use_linear_projection": True,
    "sample_size": 64,
}
SLIM: Options = SD1 | {
    "layers_per_block": 1,
    "down_block_types": (
        "CrossAttnDownBlock2D",
        "CrossAttnDownBlock2D",
        "CrossAttnDownBlock2D",
        "DownBlock2D",
    ),
}
KANDINSKY_UNET: Options = {
    "in_channels": 4,
    "out_channels": 8,
    "attention_head_dim": 64,
    "block_out_channels": (384, 768, 1152, 1536),
    "cross_attention_dim": 768,
    "down_block_types": ("ResnetDownsampleBlock2D", *["SimpleCrossAttnDownBlock2D"] * 3),
    "up_block_types": (*["SimpleCrossAttnUpBlock2D"] * 3, "ResnetUpsampleBlock2D"),
    "mid_block_type": "UNetMidBlock2DSimpleCrossAttn",
    "layers_per_block": 3,
    "resnet_time_scale_shift": "scale_shift",
    "sample_size": 64,
}
KANDINSKY_2_2: Options = KANDINSKY_UNET | {
    "addition_embed_type": "image",
    "encoder_hid_dim": 1280,
    "encoder_hid_dim_type": "image_proj",
}
KANDINSKY_2_1: Options = KANDINSKY_UNET | {
    "addition_embed_type": "text_image",
    "encoder_hid_dim": 1024,
    "encoder_hid_dim_type": "text_image_proj",
}
IMAGE_EMBEDS: Options = {
    "timestep": STEP,
    "encoder_hidden_states": None,
    "added_cond_kwargs": {"image_embeds": Spec((1, 1280))},
}
TEXT_IMAGE_EMBEDS: Options = {
    "timestep": STEP,
    "encoder_hidden_states": _text(1024),
    "added_cond_kwargs": {"image_embeds": Spec((1, 768)), "text_embeds": Spec((1, 768))},
}
UPSCALER: Options = {
    "in_channels": 7,
    "block_out_channels": (256, 512, 512, 1024),
    "cross_attention_dim": 1024,
    "down_block_types": ("DownBlock2D", *["CrossAttnDownBlock2D"] * 3),
    "up_block_types": (*["CrossAttnUpBlock2D"] * 3, "UpBlock2D"),
    "num_class_embeds": 1000,
    "only_cross_attention": (True, True, True, False),
    "use_linear_projection": True,
    "sample_size": 128,
}


def _conditional(options: Options) -> Options:
    shape = (1, options.get("in_channels", 4), 64, 64)
    width = options["cross_attention_dim"]
    return {"sample": Spec(shape), "timestep": STEP, "encoder_hidden_states": _text(width)}


def _unets() -> Iterator[Row]:
    kind = "UNet2DConditionModel"
    plain: dict[str, Options] = {
        "stable-diffusion-v1": SD1,
        "stable-diffusion-v1-inpainting": SD1 | {"in_channels": 9},
        "instruct-pix2pix": SD1 | {"in_channels": 8},
        "stable-diffusion-v2": SD2,
        "stable-diffusion-v2-inpainting": SD2 | {"in_channels": 9},
        "stable-diffusion-v2-depth": SD2 | {"in_channels": 5},
        "latent-diffusion-text2im-large": {"cross_attention_dim": 1280, "sample_size": 32},
        "bk-sdm-base": SLIM | {"up_block_types": ("UpBlock2D", *["CrossAttnUpBlock2D"] * 3)},
        "bk-sdm-small": SLIM
        | {
            "up_block_types": ("UpBlock2D", *["CrossAttnUpBlock2D"] * 3),
            "mid_block_type": None,
        },
        "bk-sdm-tiny": SD1
        | {
            "layers_per_block": 1,
            "block_out_channels": (320, 640, 1280),
            "down_block_types": ["CrossAttnDownBlock2D"] * 3,
            "up_block_types": ["CrossAttnUpBlock2D"] * 3,
            "mid_block_type": None,
        },
    }
    for name, options in plain.items():
        yield name, kind, TEXT_TO_IMAGE, options, _conditional(options)
    yield (
        *("lcm-dreamshaper", kind, TEXT_TO_IMAGE, SD1 | {"time_cond_proj_dim": 256}),
        _conditional(SD1) | {"timestep_cond": Spec((1, 256))},
    )
    unclip = {"class_embed_type": "projection", "projection_class_embeddings_input_dim": 2048}
    yield (
        *("stable-diffusion-v2-unclip", kind, TEXT_TO_IMAGE, SD2 | unclip),
        _conditional(SD2) | {"class_labels": Spec((1, 2048))},
    )
    yield (
        *("stable-diffusion-x4-upscaler", kind, "image-super-resolution", UPSCALER),
        _conditional(UPSCALER) | {"class_labels": STEP},
    )
    yield "stable-diffusion-xl", kind, TEXT_TO_IMAGE, SDXL_UNET, SDXL_INPUTS
    yield (
        *("stable-diffusion-xl-inpainting", kind, TEXT_TO_IMAGE),
        SDXL_UNET | {"in_channels": 9},
        SDXL_INPUTS | {"sample": Spec((1, 9, 64, 64))},
    )
    yield (
        *("stable-diffusion-xl-refiner", kind, TEXT_TO_IMAGE, REFINER_UNET),
        {
            "sample": LATENT,
            "timestep": STEP,
            "encoder_hidden_states": _text(1280),
            "added_cond_kwargs": {"text_embeds": Spec((1, 1280)), "time_ids": Spec((1, 5))},
        },
    )
    yield (
        *("kandinsky-2-2-decoder", kind, TEXT_TO_IMAGE, KANDINSKY_2_2),
        {"sample": LATENT} | IMAGE_EMBEDS,
    )
    yield (
        *("kandinsky-2-2-decoder-inpaint", kind, TEXT_TO_IMAGE),
        KANDINSKY_2_2 | {"in_channels": 9},
        {"sample": Spec((1, 9, 64, 64))} | IMAGE_EMBEDS,
    )
    yield (
        *("kandinsky-2-1", kind, TEXT_TO_IMAGE, KANDINSKY_2_1),
        {"sample": LATENT} | TEXT_IMAGE_EMBEDS,
    )
    yield (
        *("kandinsky-2-1-inpaint", kind, TEXT_TO_IMAGE, KANDINSKY_2_1 | {"in_channels": 9}),
        {"sample": Spec((1, 9, 64, 64))} | TEXT_IMAGE_EMBEDS,
    )
    yield (
        *("kandinsky-3", "Kandinsky3UNet", TEXT_TO_IMAGE, {}),
        {
            "sample": LATENT,
            "timestep": STEP,
            "encoder_hidden_states": _text(4096),
            "encoder_attention_mask": Spec((1, TEXT_TOKENS)),
        },
    )
    yield from _unconditional_unets()


def _unconditional_unets() -> Iterator[Row]:
    ddpm: Options = {"downsample_padding": 0, "norm_eps": 1e-6, "attention_head_dim": None}
    large: Options = ddpm | {
        "sample_size": 256,
        "block_out_channels": (128, 128, 256, 256, 512, 512),
        "down_block_types": (*["DownBlock2D"] * 4, "AttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "AttnUpBlock2D", *["UpBlock2D"] * 4),
    }
    cifar: Options = ddpm | {
        "sample_size": 32,
        "block_out_channels": (128, 256, 256, 256),
        "down_block_types": ("DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
    }
    ldm: Options = {
        "sample_size": 64,
        "attention_head_dim": 32,
        "block_out_channels": (224, 448, 672, 896),
        "down_block_types": ("DownBlock2D", *["AttnDownBlock2D"] * 3),
        "up_block_types": (*["AttnUpBlock2D"] * 3, "UpBlock2D"),
    }
    ncsnpp: Options = {
        "sample_size": 256,
        "block_out_channels": (128, 128, 256, 256, 256, 256, 256),
        "down_block_types": (
            *["SkipDownBlock2D"] * 4,
            "AttnSkipDownBlock2D",
            *["SkipDownBlock2D"] * 2,
        ),
        "up_block_types": (*["SkipUpBlock2D"] * 2, "AttnSkipUpBlock2D", *["SkipUpBlock2D"] * 4),
        "time_embedding_type": "fourier",
        "freq_shift": 0,
        "flip_sin_to_cos": True,
        "mid_block_scale_factor": 1.41421356237,
        "attention_head_dim": None,
    }
    consistency: Options = {
        "attention_head_dim": 64,
        "resnet_time_scale_shift": "scale_shift",
        "upsample_type": "resnet",
        "downsample_type": "resnet",
    }
    imagenet64: Options = consistency | {
        "sample_size": 64,
        "block_out_channels": (192, 384, 576, 768),
        "layers_per_block": 3,
        "num_class_embeds": 1000,
        "down_block_types": ("ResnetDownsampleBlock2D", *["AttnDownBlock2D"] * 3),
        "up_block_types": (*["AttnUpBlock2D"] * 3, "ResnetUpsampleBlock2D"),
    }
    lsun256: Options = consistency | {
        "sample_size": 256,
        "block_out_channels": (256, 256, 512, 512, 1024, 1024),
        "down_block_types": (*["ResnetDownsampleBlock2D"] * 3, *["AttnDownBlock2D"] * 3),
        "up_block_types": (*["AttnUpBlock2D"] * 3, *["ResnetUpsampleBlock2D"] * 3),
    }
    for name, options in (
        ("ddpm-cifar10-32", cifar),
        ("ddpm-256", large),
        ("latent-diffusion-celebahq", ldm),
        ("ncsnpp-256", ncsnpp),
        ("consistency-lsun-256", lsun256),
    ):
        side = options["sample_size"]
        inputs: Options = {"sample": Spec((1, 3, side, side)), "timestep": STEP}
        yield name, "UNet2DModel", IMAGE, options, inputs
    yield (
        *("consistency-imagenet-64", "UNet2DModel", CLASS_TO_IMAGE, imagenet64),
        {"sample": Spec((1, 3, 64, 64)), "timestep": STEP, "class_labels": STEP},
    )


def _video_unets() -> Iterator[Row]:
    clip = Spec((1, 4, 4, 32, 32))
    text = _text(1024)
    yield (
        *("modelscope-text-to-video", "UNet3DConditionModel", TEXT_TO_VIDEO),
        {"cross_attention_dim": 1024, "attention_head_dim": 64},
        {"sample": clip, "timestep": STEP, "encoder_hidden_states": text},
    )
    yield (
        *("i2vgen-xl", "I2VGenXLUNet", "image-to-video", {}),
        {
            "sample": clip,
            "timestep": STEP,
            "fps": STEP,
            "image_latents": clip,
            "image_embeddings": Spec((1, 1024)),
            "encoder_hidden_states": text,
        },
    )
    yield (
        *("animatediff", "UNetMotionModel", TEXT_TO_VIDEO, {"cross_attention_dim": 768}),
        {"sample": clip, "timestep": STEP, "encoder_hidden_states": Spec((4, TEXT_TOKENS, 768))},
    )
    yield (
        *("stable-video-diffusion", "UNetSpatioTemporalConditionModel", "image-to-video"),
        {"num_attention_heads": (5, 10, 20, 20), "sample_size": 96},
        {
            "sample": Spec((1, 4, 8, 32, 32)),
            "timestep": STEP,
            "encoder_hidden_states": _text(1024, 1),
            "added_time_ids": Spec((1, 3)),
        },
    )
    yield (
        *("sparse-control", "SparseControlNetModel", TEXT_TO_VIDEO, {}),
        {
            "sample": clip,
            "timestep": STEP,
            "encoder_hidden_states": Spec((4, TEXT_TOKENS, 768)),
            "controlnet_cond": Spec((1, 4, 4, 32, 32)),
            "conditioning_mask": Spec((1, 1, 4, 32, 32)),
        },
    )


def _controls() -> Iterator[Row]:
    picture = Spec((1, 3, 512, 512))
    task = "controlled-text-to-image"
    sd2 = {"attention_head_dim": [5, 10, 20, 20], "use_linear_projection": True}
    for name, options in (
        ("controlnet-v1", {"cross_attention_dim": 768}),
        ("controlnet-v2", sd2 | {"cross_attention_dim": 1024}),
    ):
        inputs = _conditional(options) | {"controlnet_cond": picture}
        yield name, "ControlNetModel", task, options, inputs
    full = {k: v for k, v in SDXL_UNET.items() if k not in ("up_block_types", "sample_size")}
    small = full | {
        "down_block_types": ("DownBlock2D",) * 3,
        "transformer_layers_per_block": 1,
        "mid_block_type": "UNetMidBlock2D",
    }
    mid = full | {"transformer_layers_per_block": [1, 1, 1]}
    for name, options in (("xl", full), ("xl-mid", mid), ("xl-small", small)):
        inputs = SDXL_INPUTS | {"controlnet_cond": picture}
        yield f"controlnet-{name}", "ControlNetModel", task, options, inputs
    yield (
        *("controlnet-xs", "UNetControlNetXSModel", task, {}),
        _conditional({"cross_attention_dim": 1024}) | {"controlnet_cond": picture},
    )
    for name, options, shape in (
        ("t2i-adapter-full", {"channels": [320, 640, 1280, 1280]}, (1, 3, 512, 512)),
        (
            "t2i-adapter-light",
            {"adapter_type": "light_adapter", "channels": [320, 640, 1280], "num_res_blocks": 4},
            (1, 3, 512, 512),
        ),
        (
            "t2i-adapter-full-xl",
            {
                "adapter_type": "full_adapter_xl",
                "channels": [320, 640, 1280, 1280],
                "downscale_factor": 16,
            },
            (1, 3, 1024, 1024),
        ),
    ):
        yield name, "T2IAdapter", task, options, {"x": Spec(shape)}
    yield (
        *("flux-controlnet-canny", "FluxControlNetModel", task),
        {"num_layers": 5, "num_single_layers": 0, "guidance_embeds": True},
        _flux_inputs(64, 4096) | {"controlnet_cond": Spec((1, IMAGE_TOKENS, 64))},
    )
    yield (
        *("sd3-controlnet", "SD3ControlNetModel", task),
        {
            "num_layers": 12,
            "num_attention_heads": 24,
            "caption_projection_dim": 1536,
            "pos_embed_max_size": 192,
        },
        _sd3_inputs() | {"controlnet_cond": Spec((1, 16, 64, 64))},
    )
    yield (
        *("sana-controlnet", "SanaControlNetModel", task, {}),
        {
            "hidden_states": Spec((1, 32, 32, 32)),
            "encoder_hidden_states": _text(2304),
            "timestep": TIME,
            "controlnet_cond": Spec((1, 32, 32, 32)),
        },
    )
    yield (
        *("qwen-image-controlnet", "QwenImageControlNetModel", task, {"num_layers": 5}),
        {
            "hidden_states": Spec((1, IMAGE_TOKENS, 64)),
            "controlnet_cond": Spec((1, IMAGE_TOKENS, 64)),
            "encoder_hidden_states": _text(3584),
            "encoder_hidden_states_mask": Spec((1, TEXT_TOKENS), "int64"),
            "timestep": TIME,
            "img_shapes": [(1, 16, 16)],
        },
    )


# Transformers.


def _flux_inputs(channels: int, width: int, **more: Any) -> Options:
    return {
        "hidden_states": Spec((1, IMAGE_TOKENS, channels)),
        "encoder_hidden_states": _text(width),
        "pooled_projections": Spec((1, 768)),
        "timestep": TIME,
        "img_ids": Spec((IMAGE_TOKENS, 3)),
        "txt_ids": Spec((TEXT_TOKENS, 3)),
        "guidance": TIME,
    } | more


def _sd3_inputs() -> Options:
    return {
        "hidden_states": Spec((1, 16, 64, 64)),
        "encoder_hidden_states": _text(4096),
        "pooled_projections": Spec((1, 2048)),
        "timestep": STEP,
    }


def _dits() -> Iterator[Row]:
    """The twelve sizes of the paper; ``XL/2`` is the released one."""
    sizes = {"s": (12, 6, 64), "b": (12, 12, 64), "l": (24, 16, 64), "xl": (28, 16, 72)}
    for size, (layers, heads, width) in sizes.items():
        for patch in (2, 4, 8):
            options: Options = {
                "num_layers": layers,
                "num_attention_heads": heads,
                "attention_head_dim": width,
                "patch_size": patch,
                "out_channels": 8,
            }
            inputs: Options = {
                "hidden_states": Spec((1, 4, 32, 32)),
                "timestep": STEP,
                "class_labels": STEP,
            }
            yield f"dit-{size}-{patch}", "DiTTransformer2DModel", CLASS_TO_IMAGE, options, inputs


def _image_transformers() -> Iterator[Row]:
    for side in (256, 512, 1024):
        latent = side // 8
        plain = side < 1024
        resolution: Options = (
            {} if plain else {"resolution": Spec((1, 2)), "aspect_ratio": Spec((1, 1))}
        )
        conditions: Options = {"resolution": None, "aspect_ratio": None} | resolution
        yield (
            *(f"pixart-alpha-{side}", "PixArtTransformer2DModel", TEXT_TO_IMAGE),
            {"sample_size": latent, "caption_channels": 4096},
            {
                "hidden_states": Spec((1, 4, latent, latent)),
                "encoder_hidden_states": _text(4096),
                "timestep": STEP,
                "added_cond_kwargs": conditions,
            },
        )
    yield (
        *("pixart-sigma-1024", "PixArtTransformer2DModel", TEXT_TO_IMAGE),
        {"caption_channels": 4096, "use_additional_conditions": False},
        {
            "hidden_states": Spec((1, 4, 128, 128)),
            "encoder_hidden_states": _text(4096),
            "timestep": STEP,
            "added_cond_kwargs": {"resolution": None, "aspect_ratio": None},
        },
    )
    stable: dict[str, Options] = {
        "stable-diffusion-3-medium": {
            "num_layers": 24,
            "num_attention_heads": 24,
            "caption_projection_dim": 1536,
            "pos_embed_max_size": 192,
        },
        "stable-diffusion-3.5-medium": {
            "num_layers": 24,
            "num_attention_heads": 24,
            "caption_projection_dim": 1536,
            "pos_embed_max_size": 384,
            "dual_attention_layers": tuple(range(13)),
            "qk_norm": "rms_norm",
        },
        "stable-diffusion-3.5-large": {
            "num_layers": 38,
            "num_attention_heads": 38,
            "caption_projection_dim": 2432,
            "pos_embed_max_size": 192,
            "qk_norm": "rms_norm",
        },
    }
    for name, options in stable.items():
        yield name, "SD3Transformer2DModel", TEXT_TO_IMAGE, options, _sd3_inputs()
    flux: dict[str, Options] = {
        "flux.1-dev": {"guidance_embeds": True},
        "flux.1-schnell": {},
        "flux.1-fill-dev": {"guidance_embeds": True, "in_channels": 384, "out_channels": 64},
        "flux.1-canny-dev": {"guidance_embeds": True, "in_channels": 128, "out_channels": 64},
        "flex.1-alpha": {"guidance_embeds": True, "num_layers": 8},
    }
    for name, options in flux.items():
        inputs = _flux_inputs(options.get("in_channels", 64), 4096)
        yield name, "FluxTransformer2DModel", TEXT_TO_IMAGE, options, inputs
    sana: dict[str, Options] = {
        "sana-1600m": {},
        "sana-600m": {
            "num_attention_heads": 36,
            "num_layers": 28,
            "num_cross_attention_heads": 16,
            "cross_attention_head_dim": 72,
            "cross_attention_dim": 1152,
        },
        "sana-1.5-4800m": {"num_layers": 60, "qk_norm": "rms_norm_across_heads"},
        "sana-1.5-1600m": {"qk_norm": "rms_norm_across_heads"},
        "sana-sprint-1600m": {"qk_norm": "rms_norm_across_heads", "guidance_embeds": True},
    }
    for name, options in sana.items():
        inputs = {
            "hidden_states": Spec((1, 32, 32, 32)),
            "encoder_hidden_states": _text(2304),
            "timestep": TIME,
        } | ({"guidance": TIME} if "guidance_embeds" in options else {})
        yield name, "SanaTransformer2DModel", TEXT_TO_IMAGE, options, inputs
    yield (
        *("hunyuan-dit-v1.2", "HunyuanDiT2DModel", TEXT_TO_IMAGE),
        {
            "in_channels": 4,
            "patch_size": 2,
            "sample_size": 128,
            "hidden_size": 1408,
            "num_layers": 40,
            "mlp_ratio": 4.3637,
            "use_style_cond_and_image_meta_size": False,
        },
        {
            "hidden_states": Spec((1, 4, 64, 64)),
            "timestep": TIME,
            "encoder_hidden_states": _text(1024),
            "text_embedding_mask": Spec((1, 77), "int64"),
            "encoder_hidden_states_t5": _text(2048, 256),
            "text_embedding_mask_t5": Spec((1, 256), "int64"),
            "image_rotary_emb": (Spec((1024, 88)), Spec((1024, 88))),
        },
    )
    for name, layers in (("auraflow-v0.1", {}),):
        inputs = {
            "hidden_states": LATENT,
            "encoder_hidden_states": _text(2048),
            "timestep": TIME,
        }
        yield name, "AuraFlowTransformer2DModel", TEXT_TO_IMAGE, layers, inputs
    yield (
        *("lumina-next-t2i", "LuminaNextDiT2DModel", TEXT_TO_IMAGE),
        {"num_layers": 24, "num_kv_heads": 8},
        {
            "hidden_states": LATENT,
            "timestep": TIME,
            "encoder_hidden_states": _text(2048),
            "encoder_mask": Spec((1, TEXT_TOKENS), "bool"),
            "image_rotary_emb": Spec((384, 384, 36), "complex64"),
            "cross_attention_kwargs": {},
        },
    )
    meta: Options = dict.fromkeys(("original_size", "target_size", "crop_coords"), Spec((1, 2)))
    for name, kind in (
        ("cogview3-plus", "CogView3PlusTransformer2DModel"),
        ("cogview4", "CogView4Transformer2DModel"),
    ):
        inputs = {
            "hidden_states": Spec((1, 16, 64, 64)),
            "encoder_hidden_states": _text(4096),
            "timestep": STEP,
        } | meta
        yield name, kind, TEXT_TO_IMAGE, {}, inputs
    yield (
        *("lumina-image-2.0", "Lumina2Transformer2DModel", TEXT_TO_IMAGE),
        {"cap_feat_dim": 2304},
        {
            "hidden_states": Spec((1, 16, 32, 32)),
            "timestep": TIME,
            "encoder_hidden_states": _text(2304),
            "encoder_attention_mask": torch.ones(1, TEXT_TOKENS, dtype=torch.bool),
        },
    )
    yield (
        *("qwen-image", "QwenImageTransformer2DModel", TEXT_TO_IMAGE, {}),
        {
            "hidden_states": Spec((1, IMAGE_TOKENS, 64)),
            "encoder_hidden_states": _text(3584),
            "encoder_hidden_states_mask": Spec((1, TEXT_TOKENS), "int64"),
            "timestep": TIME,
            "img_shapes": [(1, 16, 16)],
        },
    )
    yield (
        *("hidream-i1", "HiDreamImageTransformer2DModel", TEXT_TO_IMAGE),
        {
            "patch_size": 2,
            "in_channels": 16,
            "out_channels": 16,
            "num_layers": 16,
            "num_single_layers": 32,
            "attention_head_dim": 128,
            "num_attention_heads": 20,
            "caption_channels": [4096, 4096],
            "text_emb_dim": 2048,
            "num_routed_experts": 4,
            "num_activated_experts": 2,
            "axes_dims_rope": (64, 32, 32),
            "max_resolution": (128, 128),
            "llama_layers": [*range(32), *[31] * 16],
        },
        {
            "hidden_states": Spec((1, 16, 64, 64)),
            "timesteps": TIME,
            "encoder_hidden_states_t5": _text(4096, 128),
            "encoder_hidden_states_llama3": Spec((32, 1, 128, 4096)),
            "pooled_embeds": Spec((1, 2048)),
        },
    )
    yield (
        *("omnigen-v1", "OmniGenTransformer2DModel", TEXT_TO_IMAGE),
        {"rope_scaling": {"long_factor": [1.0] * 48, "short_factor": [1.0] * 48, "type": "su"}},
        {
            "hidden_states": LATENT,
            "timestep": TIME,
            "input_ids": Spec((1, TEXT_TOKENS), "int64"),
            "input_img_latents": [],
            "input_image_sizes": {},
            "attention_mask": Spec((1, TEXT_TOKENS + 1025, TEXT_TOKENS + 1025), "bool"),
            "position_ids": Spec((1, TEXT_TOKENS + 1025), "int64"),
        },
    )
    priors: dict[str, tuple[Options, int, int]] = {
        "kandinsky-2-1-prior": ({}, 768, 768),
        "unclip-prior": ({}, 768, 768),
        "kandinsky-2-2-prior": ({"embedding_dim": 1280}, 1280, 1280),
    }
    for name, (options, width, text_width) in priors.items():
        inputs = {
            "hidden_states": Spec((1, width)),
            "timestep": STEP,
            "proj_embedding": Spec((1, width)),
            "encoder_hidden_states": _text(text_width),
            "attention_mask": Spec((1, TEXT_TOKENS)),
        }
        yield name, "PriorTransformer", TEXT_TO_IMAGE, options, inputs
    yield (
        *("amused", "UVit2DModel", TEXT_TO_IMAGE, {}),
        {
            "input_ids": Spec((1, 16, 16), "int64"),
            "encoder_hidden_states": _text(768),
            "pooled_text_emb": Spec((1, 768)),
            "micro_conds": Spec((1, 5)),
        },
    )
    tokens: Options = {
        "hidden_states": Spec((1, IMAGE_TOKENS, 64)),
        "timestep": TIME,
        "img_ids": Spec((IMAGE_TOKENS, 3)),
        "txt_ids": Spec((TEXT_TOKENS, 3)),
    }
    yield (
        *("chroma", "ChromaTransformer2DModel", TEXT_TO_IMAGE, {}),
        tokens
        | {
            "encoder_hidden_states": _text(4096),
            "attention_mask": Spec((1, TEXT_TOKENS + IMAGE_TOKENS)),
        },
    )
    yield (
        *("bria-3.2", "BriaTransformer2DModel", TEXT_TO_IMAGE),
        {"num_layers": 8, "num_single_layers": 28},
        tokens | {"encoder_hidden_states": _text(4096)},
    )
    yield (
        *("longcat-image", "LongCatImageTransformer2DModel", TEXT_TO_IMAGE, {}),
        tokens | {"encoder_hidden_states": _text(3584)},
    )
    yield (
        *("ovis-image", "OvisImageTransformer2DModel", TEXT_TO_IMAGE, {}),
        tokens | {"encoder_hidden_states": _text(2048)},
    )
    yield (
        *("flux.2-dev", "Flux2Transformer2DModel", TEXT_TO_IMAGE, {}),
        {
            "hidden_states": Spec((1, IMAGE_TOKENS, 128)),
            "encoder_hidden_states": _text(15360),
            "timestep": TIME,
            "img_ids": Spec((IMAGE_TOKENS, 4)),
            "txt_ids": Spec((TEXT_TOKENS, 4)),
            "guidance": TIME,
        },
    )
    yield (
        *("prx", "PRXTransformer2DModel", TEXT_TO_IMAGE, {}),
        {
            "hidden_states": Spec((1, 16, 64, 64)),
            "timestep": TIME,
            "encoder_hidden_states": _text(2304),
        },
    )
    yield (
        *("z-image", "ZImageTransformer2DModel", TEXT_TO_IMAGE, {}),
        {
            "x": [Spec((16, 1, 32, 32))],
            "t": TIME,
            "cap_feats": [Spec((TEXT_TOKENS, 2560))],
        },
    )
    yield (
        *("hunyuan-image-2.1", "HunyuanImageTransformer2DModel", TEXT_TO_IMAGE, {}),
        {
            "hidden_states": Spec((1, 64, 32, 32)),
            "timestep": TIME,
            "encoder_hidden_states": _text(3584),
            "encoder_attention_mask": Spec((1, TEXT_TOKENS), "int64"),
        },
    )
    yield (
        *("nucleus-image", "NucleusMoEImageTransformer2DModel", TEXT_TO_IMAGE, {}),
        {
            "hidden_states": Spec((1, IMAGE_TOKENS, 64)),
            "img_shapes": [(1, 16, 16)],
            "encoder_hidden_states": _text(3584),
            "timestep": TIME,
        },
    )
    yield (
        *("krea-2", "Krea2Transformer2DModel", TEXT_TO_IMAGE, {}),
        {
            "hidden_states": Spec((1, IMAGE_TOKENS, 64)),
            "encoder_hidden_states": Spec((1, TEXT_TOKENS, 12, 2560)),
            "timestep": TIME,
            "position_ids": Spec((TEXT_TOKENS + IMAGE_TOKENS, 3), "int64"),
        },
    )
    yield (
        *("ernie-image", "ErnieImageTransformer2DModel", TEXT_TO_IMAGE, {}),
        {
            "hidden_states": Spec((1, 128, 32, 32)),
            "timestep": TIME,
            "text_bth": _text(2560),
            "text_lens": Spec((1,), "int64"),
        },
    )


def _video_transformers() -> Iterator[Row]:
    clip = Spec((1, 16, 4, 32, 32))
    wide = _text(4096)
    cogvideo: dict[str, Options] = {
        "cogvideox-2b": {},
        "cogvideox-5b": {
            "num_attention_heads": 48,
            "num_layers": 42,
            "use_rotary_positional_embeddings": True,
        },
        "cogvideox-5b-i2v": {
            "num_attention_heads": 48,
            "num_layers": 42,
            "use_rotary_positional_embeddings": True,
            "use_learned_positional_embeddings": True,
            "in_channels": 32,
        },
    }
    for name, options in cogvideo.items():
        rotary = options.get("use_rotary_positional_embeddings", False)
        frames = 13
        tokens = frames * 30 * 45
        shape = (1, frames, options.get("in_channels", 16), 60, 90)
        inputs: Options = {
            "hidden_states": Spec(shape),
            "encoder_hidden_states": _text(4096, 226),
            "timestep": STEP,
        }
        if rotary:
            inputs["image_rotary_emb"] = (Spec((tokens, 64)), Spec((tokens, 64)))
        yield name, "CogVideoXTransformer3DModel", TEXT_TO_VIDEO, options, inputs
    wan_small: Options = {"num_attention_heads": 12, "num_layers": 30, "ffn_dim": 8960}
    image_fed: Options = {"in_channels": 36, "image_dim": 1280, "added_kv_proj_dim": 5120}
    wan: dict[str, Options] = {
        "wan2.1-t2v-14b": {},
        "wan2.1-t2v-1.3b": wan_small,
        "wan2.1-i2v-14b": image_fed,
        "wan2.2-ti2v-5b": {
            "num_attention_heads": 24,
            "num_layers": 30,
            "ffn_dim": 14336,
            "in_channels": 48,
            "out_channels": 48,
        },
        "wan2.2-i2v-a14b": {"in_channels": 36},
    }
    for name, options in wan.items():
        channels = options.get("in_channels", 16)
        inputs = {
            "hidden_states": Spec((1, channels, 4, 32, 32)),
            "timestep": STEP,
            "encoder_hidden_states": wide,
        }
        if "image_dim" in options:
            inputs["encoder_hidden_states_image"] = Spec((1, 257, 1280))
        yield name, "WanTransformer3DModel", TEXT_TO_VIDEO, options, inputs
    for name, options in (
        ("wan2.1-vace-14b", {}),
        ("wan2.1-vace-1.3b", wan_small | {"vace_layers": list(range(0, 30, 2))}),
    ):
        inputs = {
            "hidden_states": clip,
            "timestep": STEP,
            "encoder_hidden_states": wide,
            "control_hidden_states": Spec((1, 96, 4, 32, 32)),
        }
        yield name, "WanVACETransformer3DModel", TEXT_TO_VIDEO, options, inputs
    skyreels: dict[str, Options] = {
        "skyreels-v2-t2v-1.3b": wan_small | {"num_attention_heads": 12},
        "skyreels-v2-t2v-14b": {"num_attention_heads": 40, "num_layers": 40, "ffn_dim": 13824},
    }
    for name, options in skyreels.items():
        inputs = {"hidden_states": clip, "timestep": STEP, "encoder_hidden_states": wide}
        yield name, "SkyReelsV2Transformer3DModel", TEXT_TO_VIDEO, options, inputs
    ltx: dict[str, Options] = {
        "ltx-video-2b": {},
        "ltx-video-13b": {
            "attention_head_dim": 128,
            "num_layers": 48,
            "cross_attention_dim": 4096,
        },
    }
    for name, options in ltx.items():
        inputs = {
            "hidden_states": Spec((1, 4 * 16 * 16, 128)),
            "encoder_hidden_states": wide,
            "timestep": STEP,
            "encoder_attention_mask": Spec((1, TEXT_TOKENS), "int64"),
            "num_frames": 4,
            "height": 16,
            "width": 16,
        }
        yield name, "LTXVideoTransformer3DModel", TEXT_TO_VIDEO, options, inputs
    hunyuan: Options = {
        "timestep": STEP,
        "encoder_hidden_states": wide,
        "encoder_attention_mask": Spec((1, TEXT_TOKENS), "int64"),
        "pooled_projections": Spec((1, 768)),
        "guidance": TIME,
    }
    yield (
        *("hunyuan-video", "HunyuanVideoTransformer3DModel", TEXT_TO_VIDEO),
        {"guidance_embeds": True},
        hunyuan | {"hidden_states": clip},
    )
    yield (
        *("hunyuan-video-i2v", "HunyuanVideoTransformer3DModel", "image-to-video"),
        {
            "in_channels": 33,
            "guidance_embeds": False,
            "image_condition_type": "latent_concat",
        },
        hunyuan | {"hidden_states": Spec((1, 33, 4, 32, 32))},
    )
    yield (
        *("hunyuan-video-1.5", "HunyuanVideo15Transformer3DModel", TEXT_TO_VIDEO, {}),
        {
            "hidden_states": Spec((1, 65, 4, 16, 16)),
            "timestep": STEP,
            "encoder_hidden_states": _text(3584),
            "encoder_attention_mask": torch.ones(1, TEXT_TOKENS, dtype=torch.int64),
            "encoder_hidden_states_2": _text(1472),
            "encoder_attention_mask_2": torch.ones(1, TEXT_TOKENS, dtype=torch.int64),
            "image_embeds": Spec((1, 729, 1152)),
        },
    )
    yield (
        *("mochi-1", "MochiTransformer3DModel", TEXT_TO_VIDEO, {}),
        {
            "hidden_states": Spec((1, 12, 4, 32, 32)),
            "encoder_hidden_states": _text(4096, 256),
            "timestep": STEP,
            "encoder_attention_mask": Spec((1, 256), "bool"),
        },
    )
    yield (
        *("allegro", "AllegroTransformer3DModel", TEXT_TO_VIDEO, {}),
        {
            "hidden_states": Spec((1, 4, 4, 32, 32)),
            "encoder_hidden_states": _text(4096, 512),
            "timestep": STEP,
            "image_rotary_emb": (
                tuple(Spec((1, 1024, 32)) for _ in range(3)),
                tuple(Spec((1, 1024), "int64") for _ in range(3)),
            ),
        },
    )
    yield (
        *("latte-1", "LatteTransformer3DModel", TEXT_TO_VIDEO),
        {
            "attention_head_dim": 72,
            "in_channels": 4,
            "out_channels": 8,
            "num_layers": 28,
            "patch_size": 2,
            "sample_size": 64,
            "activation_fn": "gelu-approximate",
            "num_embeds_ada_norm": 1000,
            "norm_type": "ada_norm_single",
            "norm_elementwise_affine": False,
            "norm_eps": 1e-6,
            "attention_bias": True,
            "caption_channels": 4096,
            "cross_attention_dim": 1152,
        },
        {
            "hidden_states": Spec((1, 4, 16, 64, 64)),
            "timestep": STEP,
            "encoder_hidden_states": wide,
        },
    )
    for name, options in (
        ("cosmos-1.0-7b", {}),
        ("cosmos-1.0-14b", {"num_attention_heads": 40, "num_layers": 36}),
    ):
        inputs = {
            "hidden_states": clip,
            "timestep": STEP,
            "encoder_hidden_states": _text(1024),
            "padding_mask": Spec((1, 1, 256, 256)),
            "fps": 24,
        }
        yield name, "CosmosTransformer3DModel", TEXT_TO_VIDEO, options, inputs
    yield (
        *("sana-video-2b", "SanaVideoTransformer3DModel", TEXT_TO_VIDEO, {}),
        {
            "hidden_states": Spec((1, 16, 4, 30, 30)),
            "encoder_hidden_states": _text(2304),
            "timestep": STEP,
        },
    )
    yield (
        *("kandinsky-5-lite", "Kandinsky5Transformer3DModel", TEXT_TO_VIDEO),
        {"in_visual_dim": 16, "out_visual_dim": 16, "model_dim": 1792, "ff_dim": 7168},
        {
            "hidden_states": Spec((1, 4, 32, 32, 16)),
            "encoder_hidden_states": _text(3584),
            "timestep": TIME,
            "pooled_projections": Spec((1, 768)),
            "visual_rope_pos": [torch.arange(4), torch.arange(16), torch.arange(16)],
            "text_rope_pos": torch.arange(TEXT_TOKENS),
        },
    )
    yield (
        *("motif-video", "MotifVideoTransformer3DModel", TEXT_TO_VIDEO, {}),
        {
            "hidden_states": Spec((1, 33, 4, 32, 32)),
            "timestep": STEP,
            "encoder_hidden_states": wide,
        },
    )


def _audio() -> Iterator[Row]:
    yield (
        *("stable-audio-open", "StableAudioDiTModel", TEXT_TO_AUDIO, {}),
        {
            "hidden_states": Spec((1, 64, 1024)),
            "timestep": TIME,
            "encoder_hidden_states": _text(768),
            "global_hidden_states": Spec((1, 1, 1536)),
            "rotary_embedding": (Spec((1025, 32)), Spec((1025, 32))),
        },
    )
    yield (
        *("stable-audio-3", "StableAudio3DiTModel", TEXT_TO_AUDIO, {}),
        {
            "hidden_states": Spec((1, 256, 256)),
            "timestep": TIME,
            "encoder_hidden_states": _text(768),
            "global_hidden_states": Spec((1, 768)),
        },
    )
    yield (
        *("ace-step-1.5", "AceStepTransformer1DModel", TEXT_TO_AUDIO, {}),
        {
            "hidden_states": Spec((1, 256, 64)),
            "timestep": TIME,
            "timestep_r": TIME,
            "encoder_hidden_states": _text(2048),
            "context_latents": Spec((1, 256, 128)),
        },
    )
    yield (
        *("longcat-audio-dit", "LongCatAudioDiTTransformer", TEXT_TO_AUDIO, {}),
        {
            "hidden_states": Spec((1, 256, 64)),
            "encoder_hidden_states": _text(768),
            "encoder_attention_mask": Spec((1, TEXT_TOKENS), "bool"),
            "timestep": TIME,
            "latent_cond": Spec((1, 256, 64)),
        },
    )
    yield (
        *("minimax-music-3", "MiniMaxMusic3Transformer1DModel", TEXT_TO_AUDIO, {}),
        {
            "hidden_states": Spec((1, 128, 256)),
            "timestep": TIME,
            "encoder_hidden_states": Spec((1, 256, 2048)),
        },
    )
    yield (
        *("spectrogram-diffusion", "T5FilmDecoder", "music-synthesis", {}),
        {
            "encodings_and_masks": [
                (Spec((1, 2048, 768)), Spec((1, 2048), "int64")),
                (Spec((1, 256, 768)), Spec((1, 256), "int64")),
            ],
            "decoder_input_tokens": Spec((1, 256, 128)),
            "decoder_noise_time": TIME,
        },
    )


# Autoencoders.


def _kl(channels: tuple[int, ...], **more: Any) -> Options:
    return {
        "block_out_channels": channels,
        "layers_per_block": 2,
        "down_block_types": ("DownEncoderBlock2D",) * len(channels),
        "up_block_types": ("UpDecoderBlock2D",) * len(channels),
    } | more


def _autoencoders() -> Iterator[Row]:
    picture: Options = {"sample": Spec((1, 3, 256, 256))}
    no_quantisation: Options = {"use_quant_conv": False, "use_post_quant_conv": False}
    kl: dict[str, Options] = {
        "stable-diffusion-vae": _kl((128, 256, 512, 512)),
        "stable-diffusion-x4-upscaler-vae": _kl((128, 256, 512)),
        "flux.1-vae": _kl((128, 256, 512, 512), latent_channels=16, **no_quantisation),
        "kl-f16": _kl((128, 128, 256, 256, 512), latent_channels=16),
    }
    for name, options in kl.items():
        yield name, "AutoencoderKL", AUTOENCODING, options, picture
    vq: dict[str, Options] = {
        "latent-diffusion-vq-f4": _kl((128, 256, 512), latent_channels=3, num_vq_embeddings=8192),
        "kandinsky-2-movq": _kl(
            (128, 256, 256, 512),
            down_block_types=(*["DownEncoderBlock2D"] * 3, "AttnDownEncoderBlock2D"),
            up_block_types=("AttnUpDecoderBlock2D", *["UpDecoderBlock2D"] * 3),
            latent_channels=4,
            num_vq_embeddings=16384,
            vq_embed_dim=4,
            norm_type="spatial",
        ),
        "amused-vqvae": _kl(
            (128, 256, 256, 512, 768),
            latent_channels=64,
            num_vq_embeddings=8192,
            mid_block_add_attention=False,
        ),
    }
    for name, options in vq.items():
        yield name, "VQModel", AUTOENCODING, options, picture
    for name, up, layers in (
        ("asymmetric-vae-x1.5", (192, 384, 768, 768), 3),
        ("asymmetric-vae-x2", (256, 512, 1024, 1024), 5),
    ):
        options = {
            "down_block_types": ("DownEncoderBlock2D",) * 4,
            "down_block_out_channels": (128, 256, 512, 512),
            "layers_per_down_block": 2,
            "up_block_types": ("UpDecoderBlock2D",) * 4,
            "up_block_out_channels": up,
            "layers_per_up_block": layers,
        }
        yield name, "AsymmetricAutoencoderKL", AUTOENCODING, options, picture
    for name, kind, options in (
        ("taesd", "AutoencoderTiny", {}),
        ("taesd3", "AutoencoderTiny", {"latent_channels": 16}),
        ("dc-ae-f32c32-sana", "AutoencoderDC", {}),
        ("consistency-decoder", "ConsistencyDecoderVAE", {}),
        ("rae", "AutoencoderRAE", {}),
        ("flux.2-vae", "AutoencoderKLFlux2", {}),
        ("kandinsky-vae", "AutoencoderKLKVAE", {}),
        (
            "hunyuan-image-2.1-vae",
            "AutoencoderKLHunyuanImage",
            {
                "in_channels": 3,
                "out_channels": 3,
                "latent_channels": 64,
                "block_out_channels": (128, 256, 512, 512, 1024, 1024),
                "layers_per_block": 2,
                "spatial_compression_ratio": 32,
                "sample_size": 384,
            },
        ),
    ):
        yield name, kind, AUTOENCODING, options, picture
    clip: Options = {"sample": Spec((1, 3, 9, 128, 128))}
    for name, kind, options in (
        ("cogvideox-vae", "AutoencoderKLCogVideoX", {}),
        ("cosmos-vae", "AutoencoderKLCosmos", {}),
        ("hunyuan-video-vae", "AutoencoderKLHunyuanVideo", {}),
        ("hunyuan-video-1.5-vae", "AutoencoderKLHunyuanVideo15", {}),
        ("hunyuan-image-refiner-vae", "AutoencoderKLHunyuanImageRefiner", {}),
        ("ltx-video-vae", "AutoencoderKLLTXVideo", {}),
        ("ltx-2-vae", "AutoencoderKLLTX2Video", {}),
        ("easyanimate-magvit-vae", "AutoencoderKLMagvit", {}),
        ("qwen-image-vae", "AutoencoderKLQwenImage", {}),
        ("wan2.1-vae", "AutoencoderKLWan", {}),
        (
            "wan2.2-vae",
            "AutoencoderKLWan",
            {
                "base_dim": 160,
                "decoder_base_dim": 256,
                "z_dim": 48,
                "is_residual": True,
                "in_channels": 12,
                "out_channels": 12,
                "patch_size": 2,
                "scale_factor_spatial": 16,
                "latents_mean": [0.0] * 48,
                "latents_std": [1.0] * 48,
            },
        ),
        ("kandinsky-video-vae", "AutoencoderKLKVAEVideo", {}),
    ):
        yield name, kind, VIDEO_AUTOENCODING, options, clip
    yield (
        *("stable-video-diffusion-vae", "AutoencoderKLTemporalDecoder", VIDEO_AUTOENCODING),
        {
            "block_out_channels": (128, 256, 512, 512),
            "layers_per_block": 2,
            "down_block_types": ("DownEncoderBlock2D",) * 4,
        },
        {"sample": Spec((4, 3, 128, 128)), "num_frames": 4},
    )
    yield (
        *("mochi-1-vae", "AutoencoderKLMochi", VIDEO_AUTOENCODING, {}),
        {"sample": Spec((1, 3, 13, 128, 128))},
    )
    yield (
        *("allegro-vae", "AutoencoderKLAllegro", VIDEO_AUTOENCODING, {}),
        {"sample": Spec((1, 3, 8, 128, 128))},
    )
    yield (
        *("vidtok", "AutoencoderVidTok", VIDEO_AUTOENCODING, {}),
        {"sample": Spec((1, 3, 16, 128, 128))},
    )
    for name, kind, channels in (
        ("stable-audio-vae", "AutoencoderOobleck", 2),
        ("longcat-audio-vae", "LongCatAudioDiTVae", 1),
        ("cosmos-3-audio-vae", "Cosmos3AVAEAudioTokenizer", 2),
        ("kandinsky-audio-vae", "AutoencoderKLKVAEAudio", 1),
        ("minimax-h3-audio-vae", "AutoencoderKLMiniMaxH3Audio", 1),
        ("same", "AutoencoderSAME", 2),
    ):
        wave = {"sample": Spec((1, channels, 65536))}
        yield name, kind, AUDIO_AUTOENCODING, {}, wave
    yield (
        *("mmaudio-vocoder", "MMAudioVocoder", "vocoding", {}),
        {"mel": Spec((1, 128, 64))},
    )
    yield (
        *("minimax-music-3-vocoder", "MiniMaxMusic3Vocoder", "vocoding", {}),
        {"latents": Spec((1, 128, 64))},
    )


def candidates() -> list[Candidate]:
    """One candidate for each released configuration."""
    groups = (
        *(_unets(), _video_unets(), _controls(), _dits(), _image_transformers()),
        *(_video_transformers(), _audio(), _autoencoders()),
    )
    return [_candidate(*row) for group in groups for row in group]


def _candidate(name: str, kind: str, task: str, options: Options, inputs: Options) -> Candidate:
    cls = getattr(diffusers, kind)
    entry = Entry(
        name=name,
        package=PACKAGE,
        package_version=diffusers.__version__,
        module=cls.__module__.removeprefix("diffusers.models."),
        task=task,
    )
    return Candidate(entry, partial(_build, cls, options), lambda _: inputs)


def _build(cls: Any, options: Options) -> torch.nn.Module:
    return _TensorsOnly(cls(**options))


class _TensorsOnly(torch.nn.Module):
    """A model whose answer is a tuple and no dataclass."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model
        self.plain = "return_dict" in inspect.signature(model.forward).parameters

    def forward(self, **inputs: Any) -> Any:
        return self.model(**inputs, **({"return_dict": False} if self.plain else {}))


if __name__ == "__main__":
    run(PACKAGE, candidates())
