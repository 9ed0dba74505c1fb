"""The designs of vit-pytorch, one or more of each, at the sizes of the package's own examples.

Most examples have round numbers that nobody trained, so they are ``composed``; those with a
paper's sizes are ``published``. Run from the repository's root:
``python -m corpus.builders.vit_pytorch``.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any

import torch

from corpus.builders.run import Candidate, Entry, run

IMAGE = (1, 3, 256, 256)
SMALL_IMAGE = (1, 3, 224, 224)
VIDEO = (1, 3, 16, 128, 128)

_BLOCKS = {"num_classes": 1000, "dim": 1024, "depth": 6, "heads": 16, "mlp_dim": 2048}
_COARSE = {"image_size": 256, "patch_size": 32, **_BLOCKS}
_FINE = {"image_size": 256, "patch_size": 16, **_BLOCKS, "heads": 8}
_CLIP = {
    **{"image_size": 128, "frames": 16, "image_patch_size": 16, "frame_patch_size": 2},
    **_BLOCKS,
    "heads": 8,
}
_CCT = {
    **{"img_size": 224, "kernel_size": 7, "stride": 2, "padding": 3, "pooling_kernel_size": 3},
    **{"pooling_stride": 2, "pooling_padding": 1, "num_classes": 1000},
}
_CROSS = {
    **{"image_size": 256, "num_classes": 1000, "depth": 4, "sm_dim": 192, "sm_patch_size": 16},
    **{"sm_enc_depth": 2, "sm_enc_heads": 8, "sm_enc_mlp_dim": 2048, "lg_dim": 384},
    **{"lg_patch_size": 64, "lg_enc_depth": 3, "lg_enc_heads": 8, "lg_enc_mlp_dim": 2048},
    **{"cross_attn_depth": 2, "cross_attn_heads": 8},
}
_LEVIT = {"image_size": 224, "num_classes": 1000, "stages": 3, "dim": (256, 384, 512)}
_JET = {
    **{"image_size": 224, "patch_size": 16, "num_classes": 1000, "dim": 512, "depth": 6},
    **{"heads": 8, "dim_head": 64, "mlp_dim": 3072, "window_size": 7},
}
_JET_MIXED = [("LA", "FA"), ("LA", "FA"), ("WA", "FA"), ("LA", "FA"), ("LA", "FA"), ("WA", "FA")]
_MOBILE = [16, 32, 48, 48, 64, 64, 80, 80, 96, 96, 384]
_STAGES = {"num_classes": 1000, "dim": (64, 128, 256, 512), "depth": (2, 2, 8, 2)}


@dataclass(frozen=True)
class Example:
    """A class of one module, its settings and its input."""

    module: str
    kind: str
    settings: dict[str, Any]
    shape: tuple[int, ...] = IMAGE
    published: bool = False
    suffix: str = ""

    @property
    def name(self) -> str:
        """Module and class, and what tells examples of one class apart."""
        return f"{self.module}.{self.kind}{self.suffix}"


EXAMPLES = [
    Example("vit", "ViT", _COARSE),
    Example("simple_vit", "SimpleViT", _COARSE),
    Example("distill", "DistillableViT", {**_COARSE, "heads": 8}),
    Example("deepvit", "DeepViT", _COARSE),
    Example("cait", "CaiT", {**_COARSE, "depth": 12, "cls_depth": 2}),
    Example("xcit", "XCiT", {**_COARSE, "depth": 12, "cls_depth": 2, "local_patch_kernel_size": 3}),
    Example(
        "t2t",
        "T2TViT",
        {"image_size": 224, "num_classes": 1000, "dim": 512, "depth": 5, "heads": 8}
        | {"mlp_dim": 512, "t2t_layers": ((7, 4), (3, 2), (3, 2))},
        SMALL_IMAGE,
    ),
    *(
        Example("cct", f"cct_{depth}", {**_CCT, "n_conv_layers": convolutions}, SMALL_IMAGE, True)
        for depth, convolutions in ((7, 1), (14, 1))
    ),
    *(
        Example("cct", f"cct_{depth}", {**_CCT, "n_conv_layers": 2}, SMALL_IMAGE, suffix="_2")
        for depth in (2, 4, 6, 8, 14, 16)
    ),
    Example(
        "cct_3d",
        "CCT",
        {**_CCT, "num_frames": 8, "embedding_dim": 384, "n_conv_layers": 2, "num_layers": 14}
        | {"frame_kernel_size": 3, "num_heads": 6, "mlp_ratio": 3.0},
        (1, 3, 8, 224, 224),
    ),
    Example("cross_vit", "CrossViT", _CROSS),
    Example(
        "pit",
        "PiT",
        {**_COARSE, "image_size": 224, "patch_size": 14, "dim": 256, "depth": (3, 3, 3)},
        SMALL_IMAGE,
    ),
    Example(
        "levit", "LeViT", {**_LEVIT, "depth": 4, "heads": (4, 6, 8), "mlp_mult": 2}, SMALL_IMAGE
    ),
    Example("cvt", "CvT", {"num_classes": 1000}, SMALL_IMAGE, True),
    Example("twins_svt", "TwinsSVT", {"num_classes": 1000}, SMALL_IMAGE, True),
    Example("regionvit", "RegionViT", {**_STAGES, "window_size": 7}, SMALL_IMAGE),
    Example(
        "crossformer",
        "CrossFormer",
        {**_STAGES, "global_window_size": (8, 4, 2, 1), "local_window_size": 7},
        SMALL_IMAGE,
    ),
    Example(
        "scalable_vit",
        "ScalableViT",
        {"num_classes": 1000, "dim": 64, "heads": (2, 4, 8, 16), "depth": (2, 2, 20, 2)}
        | {"ssa_dim_key": (40, 40, 40, 32), "reduction_factor": (8, 4, 2, 1)}
        | {"window_size": (64, 32, None, None)},
    ),
    Example(
        "sep_vit",
        "SepViT",
        {"num_classes": 1000, "dim": 32, "dim_head": 32, "heads": (1, 2, 4, 8)}
        | {"depth": (1, 2, 6, 2), "window_size": 7},
        SMALL_IMAGE,
    ),
    *(
        Example(
            module,
            "MaxViT",
            {"num_classes": 1000, "dim_conv_stem": 64, "dim": 96, "dim_head": 32}
            | {"depth": (2, 2, 5, 2), "window_size": 7},
            SMALL_IMAGE,
        )
        for module in ("max_vit", "max_vit_with_registers")
    ),
    Example(
        "nest",
        "NesT",
        {"image_size": 224, "patch_size": 4, "dim": 96, "heads": 3, "num_hierarchies": 3}
        | {"block_repeats": (2, 2, 8), "num_classes": 1000},
        SMALL_IMAGE,
        True,
    ),
    Example(
        "mobile_vit",
        "MobileViT",
        {"image_size": (256, 256), "dims": [96, 120, 144], "channels": _MOBILE}
        | {"num_classes": 1000},
        IMAGE,
        True,
    ),
    Example("ats_vit", "ViT", {**_FINE, "max_tokens_per_depth": (256, 128, 64, 32, 16, 8)}),
    Example(
        "vit_with_patch_merger",
        "ViT",
        {**_FINE, "depth": 12, "patch_merge_layer": 6, "patch_merge_num_tokens": 8},
    ),
    Example("vit_for_small_dataset", "ViT", _FINE),
    Example("vit_3d", "ViT", _CLIP, VIDEO),
    Example("simple_vit_3d", "SimpleViT", _CLIP, VIDEO),
    *(
        Example(
            "vivit",
            "ViViT",
            {key: value for key, value in _CLIP.items() if key != "depth"}
            | {"spatial_depth": 6, "temporal_depth": 6, "variant": variant},
            VIDEO,
            suffix=f"_{variant}",
        )
        for variant in ("factorized_encoder", "factorized_self_attention")
    ),
    Example("parallel_vit", "ViT", {**_FINE, "num_parallel_branches": 2}),
    Example("learnable_memory_vit", "ViT", _FINE),
    Example("jet_vit", "JetViT", {**_JET, "attn_layers": [("WA", "LA")] * 6}, SMALL_IMAGE),
    Example("jet_vit", "JetViT", {**_JET, "attn_layers": _JET_MIXED}, SMALL_IMAGE, suffix="_mixed"),
    Example("vit_5", "ViT", {**_FINE, "dim": 512, "mlp_dim": 1024, "num_registers": 4}),
    Example("rvt", "RvT", _COARSE),
    Example("normalized_vit", "nViT", {**_FINE, "dim": 512}),
    Example("vit_with_patch_dropout", "ViT", _COARSE),
    Example("vit_with_keel_post_ln", "ViT", _COARSE),
    Example("vit_with_decorr", "ViT", _COARSE),
    Example("jumbo_vit", "JumboViT", {**_FINE, "num_jumbo_cls": 1, "jumbo_cls_k": 3}),
    Example(
        "look_vit",
        "LookViT",
        {"image_size": 256, "patch_size": 32, "highres_patch_size": 16, "num_classes": 1000}
        | {"dim": 512},
    ),
    Example("simple_uvit", "SimpleUViT", {**_FINE, "dim": 512}),
    Example("simple_flash_attn_vit", "SimpleViT", _COARSE),
    Example("simple_vit_with_fft", "SimpleViT", {**_COARSE, "freq_patch_size": 8}),
    *(
        Example(f"simple_vit_{variant}", "SimpleViT", _COARSE)
        for variant in (
            *("orthog_residual_update", "with_patch_dropout", "with_qk_norm"),
            *("with_register_tokens", "with_relative_proj_pos_bias", "with_specialized_cls"),
            "with_value_residual",
        )
    ),
    Example("simple_vit_attn_residual", "SimpleViTAttnResidual", _COARSE),
    Example("simple_vit_with_sparse_gating", "SimpleViTWithSparseGating", _COARSE),
    Example(
        "simple_vit_with_hyper_connections", "SimpleViT", {**_COARSE, "num_residual_streams": 4}
    ),
    *(
        Example(
            module, kind, {"seq_len": 256, "patch_size": 16, **_BLOCKS, "heads": 8}, (1, 3, 256)
        )
        for module, kind in (("vit_1d", "ViT"), ("simple_vit_1d", "SimpleViT"))
    ),
]


def candidates() -> list[Candidate]:
    """One candidate for each example."""
    return [_candidate(example) for example in EXAMPLES]


def _candidate(example: Example) -> Candidate:
    video = len(example.shape) == 5
    entry = Entry(
        name=example.name,
        package="vit_pytorch",
        package_version=version("vit-pytorch"),
        module=example.module,
        task="video-classification" if video else "image-classification",
        kind="published" if example.published else "composed",
    )
    return Candidate(entry, partial(_build, example), lambda _: (example.shape,))


def _build(example: Example) -> torch.nn.Module:
    module = importlib.import_module(f"vit_pytorch.{example.module}")
    model: torch.nn.Module = getattr(module, example.kind)(**example.settings)
    return model


if __name__ == "__main__":
    run("vit_pytorch", candidates())
