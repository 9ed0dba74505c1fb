"""Image restoration networks of spandrel, in the configurations that their authors released.

spandrel reads a configuration off a checkpoint, so it holds no list of them; ``MODELS`` does,
after the papers' and repositories' released checkpoints. Super-resolution is traced from 64 × 64
pixels, other restoration from 256 × 256. ``spandrel-extra-arches`` is listed in the same file as a
package of its own, because spandrel keeps it apart for its licences.

Run from the repository's root: ``python -m corpus.builders.spandrel``.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from functools import partial
from importlib.metadata import version
from typing import Any

import torch

from corpus.builders.run import Candidate, Entry, run

PACKAGE = "spandrel"
EXTRA = "spandrel-extra-arches"

Options = dict[str, Any]

SUPER_RESOLUTION = "image-super-resolution"
DENOISING = "image-denoising"
DEBLURRING = "image-deblurring"
RESTORATION = "image-restoration"

SIX = {"depths": [6] * 6, "num_heads": [6] * 6}
SHUFFLE = {"upsampler": "pixelshuffle"}
DIRECT = {"upsampler": "pixelshuffledirect"}
GRL_WIDE: Options = {
    "window_size": 32,
    "stripe_size": [64, 64],
    "stripe_groups": [None, None],
    "stripe_shift": True,
    "mlp_ratio": 2,
    "anchor_window_down_factor": 4,
}
GRL: dict[str, Options] = {
    "base": GRL_WIDE
    | {
        "embed_dim": 180,
        "depths": [4, 4, 8, 8, 8, 4, 4],
        "num_heads_window": [3] * 7,
        "num_heads_stripe": [3] * 7,
        "local_connection": True,
    },
    "small": GRL_WIDE
    | {
        "embed_dim": 128,
        "depths": [4] * 4,
        "num_heads_window": [2] * 4,
        "num_heads_stripe": [2] * 4,
    },
    "tiny": GRL_WIDE
    | {
        "embed_dim": 64,
        "depths": [4] * 4,
        "num_heads_window": [2] * 4,
        "num_heads_stripe": [2] * 4,
    },
}
SWIN = {"window_size": 8, "mlp_ratio": 2.0}
SWIN_MEDIUM = SWIN | SIX | {"embed_dim": 180}
SWIN_LIGHT = SWIN | {"embed_dim": 60, "depths": [6] * 4, "num_heads": [6] * 4}
UFORMER_DEPTHS = {"t": [2] * 9, "s": [2] * 9, "b": [1, 2, 8, 8, 2, 8, 8, 2, 1]}
UFORMER_WIDTHS = {"t": 16, "s": 32, "b": 32}
SEEMORE = {"num_experts": 3, "lr_space": "exp", "recursive": 2}

# For each scale: name without the scale, module, class, options with the scale's keyword first.
SCALED: list[tuple[str, str, str, str, tuple[int, ...], Options]] = [
    (
        *("atd", "ATD", "ATD", "upscale", (2, 3, 4)),
        SIX
        | SHUFFLE
        | {
            "embed_dim": 210,
            "window_size": 16,
            "num_tokens": 128,
            "reducted_dim": 20,
        },
    ),
    (
        *("atd_light", "ATD", "ATD", "upscale", (2, 3, 4)),
        DIRECT
        | {
            "embed_dim": 48,
            "depths": [6] * 4,
            "num_heads": [4] * 4,
            "window_size": 16,
            "category_size": 128,
            "reducted_dim": 8,
            "convffn_kernel_size": 7,
            "mlp_ratio": 1,
        },
    ),
    ("craft", "CRAFT", "CRAFT", "upscale", (2, 3, 4), {}),
    (
        *("dat_light", "DAT", "DAT", "upscale", (2, 3, 4)),
        DIRECT
        | {
            "embed_dim": 60,
            "split_size": [8, 32],
            "depth": [18],
            "num_heads": [6],
            "expansion_factor": 2.0,
        },
    ),
    (
        *("dat_s", "DAT", "DAT", "upscale", (2, 3, 4)),
        {
            "split_size": [8, 16],
            "depth": [6] * 6,
            "num_heads": [6] * 6,
            "expansion_factor": 2.0,
        },
    ),
    (
        *("dat", "DAT", "DAT", "upscale", (2, 3, 4)),
        {"split_size": [8, 32], "depth": [6] * 6, "num_heads": [6] * 6},
    ),
    (
        *("dat_2", "DAT", "DAT", "upscale", (2, 3, 4)),
        {
            "split_size": [8, 32],
            "depth": [6] * 6,
            "num_heads": [6] * 6,
            "expansion_factor": 2.0,
        },
    ),
    ("dctlsa", "DCTLSA", "DCTLSA", "upscale", (2, 3, 4), {}),
    ("ditn_real", "DITN", "DITN", "upscale", (4,), {}),
    (
        *("drct", "DRCT", "DRCT", "upscale", (2, 3, 4)),
        SIX | SHUFFLE | {"mlp_ratio": 2},
    ),
    (
        *("drct_l", "DRCT", "DRCT", "upscale", (2, 3, 4)),
        SHUFFLE | {"depths": [6] * 12, "num_heads": [6] * 12, "mlp_ratio": 2},
    ),
    ("esrgan", "ESRGAN", "ESRGAN", "scale", (4,), {}),
    ("esrgan_plus", "ESRGAN", "ESRGAN", "scale", (4,), {"plus": True}),
    ("bsrgan", "ESRGAN", "ESRGAN", "scale", (2,), {}),
    ("realesrgan_anime_6b", "ESRGAN", "ESRGAN", "scale", (4,), {"num_blocks": 6}),
    (
        *("realesrgan", "ESRGAN", "ESRGAN", "scale", (2,)),
        {"in_nc": 12, "scale": 4, "shuffle_factor": 2},
    ),
    ("realesr_animevideov3", "Compact", "Compact", "upscale", (4,), {}),
    ("realesr_animevideo_xs", "Compact", "Compact", "upscale", (2, 4), {}),
    ("realesr_general_v3", "Compact", "Compact", "upscale", (4,), {"num_conv": 32}),
    ("fdat", "FDAT", "FDAT", "scale", (4,), {}),
    ("grl_base", "GRL", "GRL", "upscale", (2, 3, 4), GRL["base"] | SHUFFLE),
    ("grl_small", "GRL", "GRL", "upscale", (2, 3, 4), GRL["small"] | SHUFFLE),
    ("grl_tiny", "GRL", "GRL", "upscale", (2, 3, 4), GRL["tiny"] | DIRECT),
    (
        *("hat_s", "HAT", "HAT", "upscale", (2, 3, 4)),
        SIX
        | SHUFFLE
        | {
            "embed_dim": 144,
            "window_size": 16,
            "compress_ratio": 24,
            "squeeze_factor": 24,
            "mlp_ratio": 2,
        },
    ),
    (
        *("hat", "HAT", "HAT", "upscale", (2, 3, 4)),
        SIX | SHUFFLE | {"embed_dim": 180, "window_size": 16, "mlp_ratio": 2},
    ),
    (
        *("hat_l", "HAT", "HAT", "upscale", (2, 3, 4)),
        SHUFFLE
        | {
            "embed_dim": 180,
            "depths": [6] * 12,
            "num_heads": [6] * 12,
            "window_size": 16,
            "mlp_ratio": 2,
        },
    ),
    ("mmrealsr", "MMRealSR", "MMRealSR", "scale", (4,), {"num_in_ch": 3, "num_out_ch": 3}),
    ("moesr", "MoESR", "MoESR", "scale", (4,), {}),
    ("mosr", "MoSR", "MoSR", "upscale", (2, 3, 4), {}),
    ("mosr_t", "MoSR", "MoSR", "upscale", (2, 3, 4), {"n_block": 5, "dim": 48}),
    ("omnisr", "OmniSR", "OmniSR", "up_scale", (2, 3, 4), {"block_num": 1, "res_num": 5}),
    ("plksr", "PLKSR", "PLKSR", "upscaling_factor", (2, 3, 4), {"ccm_type": "DCCM"}),
    (
        *("plksr_tiny", "PLKSR", "PLKSR", "upscaling_factor", (2, 3, 4)),
        {"ccm_type": "DCCM", "n_blocks": 12, "kernel_size": 13},
    ),
    ("realplksr", "PLKSR", "RealPLKSR", "upscaling_factor", (2, 4), {}),
    ("realplksr_dysample", "PLKSR", "RealPLKSR", "upscaling_factor", (4,), {"dysample": True}),
    ("rcan", "RCAN", "RCAN", "scale", (2, 3, 4, 8), {}),
    (
        *("rgt", "RGT", "RGT", "upscale", (2, 3, 4)),
        {"depth": [6] * 8, "num_heads": [6] * 8, "mlp_ratio": 2, "split_size": [8, 32]},
    ),
    (
        *("rgt_s", "RGT", "RGT", "upscale", (2, 3, 4)),
        {"depth": [6] * 6, "num_heads": [6] * 6, "mlp_ratio": 2, "split_size": [8, 32]},
    ),
    ("safmn", "SAFMN", "SAFMN", "upscaling_factor", (2, 3, 4), {"dim": 36}),
    ("safmn_l", "SAFMN", "SAFMN", "upscaling_factor", (2, 3, 4), {"dim": 128, "n_blocks": 16}),
    ("span_ch48", "SPAN", "SPAN", "upscale", (2, 4), {"num_in_ch": 3, "num_out_ch": 3}),
    (
        *("span_ch52", "SPAN", "SPAN", "upscale", (2, 4)),
        {"num_in_ch": 3, "num_out_ch": 3, "feature_channels": 52},
    ),
    (
        *("seemore_t", "SeemoRe", "SeemoRe", "scale", (2, 3, 4)),
        SEEMORE | {"embedding_dim": 36},
    ),
    (
        *("seemore_b", "SeemoRe", "SeemoRe", "scale", (2, 3, 4)),
        SEEMORE | {"embedding_dim": 48, "num_layers": 8},
    ),
    (
        *("seemore_l", "SeemoRe", "SeemoRe", "scale", (2, 3, 4)),
        SEEMORE | {"embedding_dim": 48, "num_layers": 16},
    ),
    ("swift_srgan", "SwiftSRGAN", "SwiftSRGAN", "upscale_factor", (2, 4), {}),
    ("swin2sr_classical", "Swin2SR", "Swin2SR", "upscale", (2, 4), SWIN_MEDIUM | SHUFFLE),
    ("swin2sr_lightweight", "Swin2SR", "Swin2SR", "upscale", (2,), SWIN_LIGHT | DIRECT),
    (
        *("swin2sr_compressed", "Swin2SR", "Swin2SR", "upscale", (4,)),
        SWIN_MEDIUM | {"upsampler": "pixelshuffle_aux", "img_size": 48},
    ),
    (
        *("swin2sr_realworld", "Swin2SR", "Swin2SR", "upscale", (4,)),
        SWIN_MEDIUM | {"upsampler": "nearest+conv"},
    ),
    ("swinir_classical", "SwinIR", "SwinIR", "upscale", (2, 3, 4, 8), SWIN_MEDIUM | SHUFFLE),
    ("swinir_lightweight", "SwinIR", "SwinIR", "upscale", (2, 3, 4), SWIN_LIGHT | DIRECT),
    (
        *("swinir_real_m", "SwinIR", "SwinIR", "upscale", (2, 4)),
        SWIN_MEDIUM | {"upsampler": "nearest+conv"},
    ),
    (
        *("swinir_real_l", "SwinIR", "SwinIR", "upscale", (4,)),
        SWIN
        | {
            "embed_dim": 240,
            "depths": [6] * 9,
            "num_heads": [8] * 9,
            "resi_connection": "3conv",
            "upsampler": "nearest+conv",
        },
    ),
    ("real_cugan", "RealCUGAN", "UpCunet{}x", "", (2, 3, 4), {}),
    ("real_cugan_pro", "RealCUGAN", "UpCunet{}x", "", (2, 3), {"pro": True}),
    ("real_cugan_fast", "RealCUGAN", "UpCunet{}x_fast", "", (2,), {}),
]
EXTRA_SCALED: list[tuple[str, str, str, str, tuple[int, ...], Options]] = [
    (
        *("srformer", "SRFormer", "SRFormer", "upscale", (2, 3, 4)),
        SIX | SHUFFLE | {"embed_dim": 180, "window_size": 24, "img_size": 48, "mlp_ratio": 2},
    ),
    (
        *("srformer_light", "SRFormer", "SRFormer", "upscale", (2, 3, 4)),
        DIRECT
        | {
            "embed_dim": 60,
            "depths": [6] * 4,
            "num_heads": [6] * 4,
            "window_size": 16,
            "mlp_ratio": 2,
        },
    ),
]

# Networks that keep the resolution: name, module, class, task, input shapes, options.
COLOUR = ((1, 3, 256, 256),)
GREY = ((1, 1, 256, 256),)
NAFNET_SIDD = {
    "middle_blk_num": 12,
    "enc_blk_nums": [2, 2, 4, 8],
    "dec_blk_nums": [2, 2, 2, 2],
}
NAFNET_GOPRO = {"enc_blk_nums": [1, 1, 1, 28], "dec_blk_nums": [1, 1, 1, 1]}
PLAIN: list[tuple[str, str, str, str, tuple[Any, ...], Options]] = [
    ("dncnn_15", "DnCNN", "DnCNN", DENOISING, GREY, {"act_mode": "R"}),
    ("dncnn3", "DnCNN", "DnCNN", DENOISING, GREY, {"act_mode": "R", "nb": 20}),
    (
        *("dncnn_color_blind", "DnCNN", "DnCNN", DENOISING, COLOUR),
        {"in_nc": 3, "out_nc": 3, "act_mode": "R", "nb": 20},
    ),
    ("drunet_gray", "DRUNet", "DRUNet", DENOISING, ((1, 2, 256, 256),), {"in_nc": 2}),
    ("drunet_color", "DRUNet", "DRUNet", DENOISING, ((1, 4, 256, 256),), {"in_nc": 4, "out_nc": 3}),
    ("fbcnn_color", "FBCNN", "FBCNN", RESTORATION, COLOUR, {}),
    ("fbcnn_gray", "FBCNN", "FBCNN", RESTORATION, GREY, {"in_nc": 1, "out_nc": 1}),
    ("fftformer", "FFTformer", "FFTformer", DEBLURRING, COLOUR, {}),
    ("gfpgan_v1.3", "GFPGAN", "GFPGAN", "face-restoration", ((1, 3, 512, 512),), {}),
    ("grl_base_color", "GRL", "GRL", DENOISING, ((1, 3, 64, 64),), GRL["base"]),
    ("grl_small_color", "GRL", "GRL", DENOISING, ((1, 3, 64, 64),), GRL["small"]),
    ("grl_tiny_color", "GRL", "GRL", DENOISING, ((1, 3, 64, 64),), GRL["tiny"]),
    (
        *("grl_base_gray", "GRL", "GRL", DENOISING, ((1, 1, 64, 64),)),
        GRL["base"] | {"in_channels": 1, "out_channels": 1},
    ),
    (
        *("grl_small_gray", "GRL", "GRL", DENOISING, ((1, 1, 64, 64),)),
        GRL["small"] | {"in_channels": 1, "out_channels": 1},
    ),
    (
        *("grl_tiny_gray", "GRL", "GRL", DENOISING, ((1, 1, 64, 64),)),
        GRL["tiny"] | {"in_channels": 1, "out_channels": 1},
    ),
    ("hvi_cidnet", "HVICIDNet", "HVICIDNet", "low-light-enhancement", COLOUR, {}),
    ("kbnet_s", "KBNet", "KBNet_s", DENOISING, COLOUR, {}),
    ("kbnet_l", "KBNet", "KBNet_l", "image-deraining", COLOUR, {}),
    ("lama", "LaMa", "LaMa", "image-inpainting", ((1, 3, 256, 256), (1, 1, 256, 256)), {}),
    *(
        (f"mixdehazenet_{size}", "MixDehazeNet", "MixDehazeNet", "image-dehazing", COLOUR, depths)
        for size, depths in (
            ("t", {"depths": [1, 1, 2, 1, 1]}),
            ("s", {"depths": [2, 2, 4, 2, 2]}),
            ("b", {"depths": [4, 4, 8, 4, 4]}),
            ("l", {"depths": [8, 8, 16, 8, 8]}),
        )
    ),
    ("nafnet_sidd_width32", "NAFNet", "NAFNet", DENOISING, COLOUR, NAFNET_SIDD | {"width": 32}),
    ("nafnet_sidd_width64", "NAFNet", "NAFNet", DENOISING, COLOUR, NAFNET_SIDD | {"width": 64}),
    ("nafnet_gopro_width32", "NAFNet", "NAFNet", DEBLURRING, COLOUR, NAFNET_GOPRO | {"width": 32}),
    ("nafnet_gopro_width64", "NAFNet", "NAFNet", DEBLURRING, COLOUR, NAFNET_GOPRO | {"width": 64}),
    (
        *("restoreformer", "RestoreFormer", "RestoreFormer"),
        *("face-restoration", ((1, 3, 512, 512),), {}),
    ),
    (
        *("retinexformer_lol", "RetinexFormer", "RetinexFormer"),
        *("low-light-enhancement", COLOUR, {"stage": 1, "num_blocks": [1, 2, 2]}),
    ),
    ("scunet_color", "SCUNet", "SCUNet", DENOISING, COLOUR, {}),
    ("scunet_gray", "SCUNet", "SCUNet", DENOISING, GREY, {"in_nc": 1}),
    (
        *("swin2sr_jpeg", "Swin2SR", "Swin2SR", RESTORATION, ((1, 1, 126, 126),)),
        SWIN_MEDIUM | {"in_chans": 1, "window_size": 7, "img_size": 126, "upscale": 1},
    ),
    (
        *("swinir_gray_denoising", "SwinIR", "SwinIR", DENOISING, ((1, 1, 128, 128),)),
        SWIN_MEDIUM | {"in_chans": 1, "img_size": 128},
    ),
    (
        *("swinir_color_denoising", "SwinIR", "SwinIR", DENOISING, ((1, 3, 128, 128),)),
        SWIN_MEDIUM | {"img_size": 128},
    ),
    (
        *("swinir_gray_jpeg", "SwinIR", "SwinIR", RESTORATION, ((1, 1, 126, 126),)),
        SWIN_MEDIUM | {"in_chans": 1, "window_size": 7, "img_size": 126, "img_range": 255.0},
    ),
    (
        *("swinir_color_jpeg", "SwinIR", "SwinIR", RESTORATION, ((1, 3, 126, 126),)),
        SWIN_MEDIUM | {"window_size": 7, "img_size": 126, "img_range": 255.0},
    ),
    *(
        (
            *(f"uformer_{size}", "Uformer", "Uformer", DENOISING, COLOUR),
            {
                "embed_dim": UFORMER_WIDTHS[size],
                "depths": UFORMER_DEPTHS[size],
                "modulator": True,
            },
        )
        for size in UFORMER_DEPTHS
    ),
]
EXTRA_PLAIN: list[tuple[str, str, str, str, tuple[Any, ...], Options]] = [
    ("codeformer", "CodeFormer", "CodeFormer", "face-restoration", ((1, 3, 512, 512),), {}),
    ("ddcolor", "DDColor", "DDColor", "image-colorization", COLOUR, {"num_output_channels": 2}),
    (
        *("ddcolor_tiny", "DDColor", "DDColor", "image-colorization", COLOUR),
        {"num_output_channels": 2, "encoder_name": "convnext-t"},
    ),
    (
        *("femasr_x4", "FeMaSR", "FeMaSR", SUPER_RESOLUTION, ((1, 3, 64, 64),)),
        {"LQ_stage": True, "scale_factor": 4},
    ),
    (
        *("femasr_x2", "FeMaSR", "FeMaSR", SUPER_RESOLUTION, ((1, 3, 64, 64),)),
        {"LQ_stage": True, "scale_factor": 2},
    ),
    ("m3snet_32", "M3SNet", "M3SNet", DEBLURRING, COLOUR, {}),
    ("m3snet_64", "M3SNet", "M3SNet", DEBLURRING, COLOUR, {"width": 64}),
    ("mat", "MAT", "MAT", "image-inpainting", ((1, 3, 512, 512), (1, 1, 512, 512)), {}),
    ("mirnet_v2", "MIRNet2", "MIRNet2", DENOISING, COLOUR, {}),
    (
        *("mirnet_v2_defocus", "MIRNet2", "MIRNet2", DEBLURRING, ((1, 6, 256, 256),)),
        {"inp_channels": 6, "task": "defocus_deblurring"},
    ),
    (
        *("mprnet_deblurring", "MPRNet", "MPRNet", DEBLURRING, COLOUR),
        {"n_feat": 96, "scale_unetfeats": 48, "scale_orsnetfeats": 32},
    ),
    (
        *("mprnet_denoising", "MPRNet", "MPRNet", DENOISING, COLOUR),
        {"n_feat": 80, "scale_unetfeats": 48, "scale_orsnetfeats": 32},
    ),
    ("mprnet_deraining", "MPRNet", "MPRNet", "image-deraining", COLOUR, {}),
    ("restormer", "Restormer", "Restormer", DEBLURRING, COLOUR, {}),
    (
        *("restormer_denoising", "Restormer", "Restormer", DENOISING, COLOUR),
        {"LayerNorm_type": "BiasFree"},
    ),
    (
        *("restormer_gray", "Restormer", "Restormer", DENOISING, GREY),
        {"LayerNorm_type": "BiasFree", "inp_channels": 1, "out_channels": 1},
    ),
    (
        *("restormer_dual_pixel", "Restormer", "Restormer", DEBLURRING, ((1, 6, 256, 256),)),
        {"inp_channels": 6, "dual_pixel_task": True},
    ),
]


class _Called(torch.nn.Module):
    """Calls a network's method of another name."""

    def __init__(self, network: torch.nn.Module, method: str) -> None:
        super().__init__()
        self.network = network
        self.method = method

    def forward(self, *inputs: torch.Tensor) -> Any:
        return getattr(self.network, self.method)(*inputs)


def candidates(package: str) -> list[Candidate]:
    """One candidate for each released configuration."""
    own = package == PACKAGE
    listed = list(_scaled(SCALED if own else EXTRA_SCALED)) + (PLAIN if own else EXTRA_PLAIN)
    return [_candidate(package, *model) for model in listed]


def _scaled(
    rows: list[tuple[str, str, str, str, tuple[int, ...], Options]],
) -> Iterator[tuple[str, str, str, str, tuple[Any, ...], Options]]:
    for name, module, kind, keyword, scales, options in rows:
        for scale in scales:
            scaled = {keyword: scale} | options if keyword else options
            shape = ((1, 3, 64, 64),)
            yield f"{name}_x{scale}", module, kind.format(scale), SUPER_RESOLUTION, shape, scaled


def _candidate(
    package: str,
    name: str,
    module: str,
    kind: str,
    task: str,
    shapes: tuple[Any, ...],
    options: Options,
) -> Candidate:
    entry = Entry(
        name=name,
        package=package,
        package_version=version(package),
        module=module,
        task=task,
    )
    path = f"{package.replace('-', '_')}.architectures.{module}"
    return Candidate(entry, partial(_build, path, kind, options), lambda _: shapes)


def _build(path: str, kind: str, options: Options) -> torch.nn.Module:
    if kind == "SPAN":
        importlib.import_module(f"{path}.__arch.span").Conv3XC.update_params = _keep_parameters
    network: torch.nn.Module = getattr(importlib.import_module(path), kind)(**options)
    return _Called(network, "test") if kind == "FeMaSR" else network


def _keep_parameters(_: torch.nn.Module) -> None:
    """In place of SPAN's folding of branches into one convolution: shapes need no folding."""


if __name__ == "__main__":
    run(PACKAGE, candidates(PACKAGE))
    run(EXTRA, candidates(EXTRA))
