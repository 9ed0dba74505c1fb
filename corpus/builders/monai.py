"""Medical imaging networks of MONAI, at its defaults and as its tutorials and papers set them.

Volumes are traced at 96³ or the size that a network is built for, planes at 256².

Run from the repository's root: ``python -m corpus.builders.monai``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import monai
import torch
from monai.networks import nets
from netkin import Spec

from corpus.builders.run import Candidate, Entry, run

PACKAGE = "monai"
VOLUME = (1, 1, 96, 96, 96)
PLANE = (1, 1, 256, 256)
SEGMENTATION = "medical-image-segmentation"
CLASSIFICATION = "medical-image-classification"
REGISTRATION = "medical-image-registration"
GENERATION = "medical-image-generation"
AUTOENCODING = "medical-image-autoencoding"

Row = tuple[str, str, Callable[[], torch.nn.Module], Any]  # name, task, build, inputs

FIVE_LEVELS: dict[str, Any] = {"channels": (16, 32, 64, 128, 256), "strides": (2, 2, 2, 2)}


def _segmentation() -> Iterator[Row]:
    for dimensions, shape in ((3, VOLUME), (2, PLANE)):
        ends = {"spatial_dims": dimensions, "in_channels": 1, "out_channels": 2}
        suffix = f"{dimensions}d"
        networks: dict[str, Any] = {
            "unet": partial(nets.UNet, **FIVE_LEVELS, **ends),
            "unet_residual": partial(nets.UNet, num_res_units=2, **FIVE_LEVELS, **ends),
            "basic_unet": partial(nets.BasicUNet, **ends),
            "basic_unet_plus_plus": partial(nets.BasicUNetPlusPlus, **ends),
            "attention_unet": partial(nets.AttentionUnet, **FIVE_LEVELS, **ends),
            "vnet": partial(nets.VNet, **ends),
            "segresnet": partial(nets.SegResNet, **ends),
            "segresnet_16": partial(nets.SegResNet, init_filters=16, **ends),
            "segresnet_32": partial(nets.SegResNet, init_filters=32, **ends),
            "segresnet_ds": partial(nets.SegResNetDS, **ends),
            "segresnet_ds_auto3dseg": partial(
                nets.SegResNetDS, blocks_down=(1, 2, 2, 4, 4), norm="INSTANCE", dsdepth=4, **ends
            ),
            "segresnet_ds2": partial(nets.SegResNetDS2, **ends),
            "segresnet_vae": partial(nets.SegResNetVAE, shape[2:], **ends),
            "highresnet": partial(nets.HighResNet, **ends),
            "ahnet": partial(nets.AHNet, **ends),
        }
        for depth in (5, 6):
            networks[f"dynunet_{depth}"] = partial(
                nets.DynUNet,
                kernel_size=[3] * depth,
                strides=[1, *[2] * (depth - 1)],
                upsample_kernel_size=[2] * (depth - 1),
                **ends,
            )
            networks[f"dynunet_residual_{depth}"] = partial(
                networks[f"dynunet_{depth}"], res_block=True
            )
        for name, build in networks.items():
            yield f"{name}_{suffix}", SEGMENTATION, build, (shape,)
        for size in ("S", "B", "M", "L"):
            for kernel in (3, 5):
                build = partial(getattr(nets, f"MedNeXt{size}"), kernel_size=kernel, **ends)
                yield f"mednext_{size.lower()}_{kernel}_{suffix}", SEGMENTATION, build, (shape,)
        for feature_size in (24, 48):
            for second in (False, True):
                build = partial(
                    nets.SwinUNETR,
                    1,
                    2,
                    feature_size=feature_size,
                    spatial_dims=dimensions,
                    use_v2=second,
                )
                version = "_v2" if second else ""
                name = f"swin_unetr{version}_{feature_size}_{suffix}"
                yield name, SEGMENTATION, build, (shape,)
        for feature_size in (16, 32):
            build = partial(
                nets.UNETR, 1, 2, shape[2:], feature_size=feature_size, spatial_dims=dimensions
            )
            yield f"unetr_{feature_size}_{suffix}", SEGMENTATION, build, (shape,)
    yield (
        *("daf3d", SEGMENTATION),
        partial(nets.DAF3D, in_channels=1, out_channels=2),
        ((1, 1, 64, 128, 128),),
    )
    yield "quicknat", SEGMENTATION, nets.Quicknat, (PLANE,)
    for squeeze in ("CSE", "SSE", "CSSE"):
        build = partial(nets.Quicknat, se_block=squeeze)
        yield f"quicknat_{squeeze.lower()}", SEGMENTATION, build, (PLANE,)
    for backbone in (
        *(f"efficientnet-b{size}" for size in range(8)),
        *(f"resnet{depth}" for depth in (10, 18, 34, 50, 101, 152)),
    ):
        name = backbone.replace("-", "_")
        build = partial(nets.FlexibleUNet, 3, 2, backbone)
        yield f"flexible_unet_{name}", SEGMENTATION, build, ((1, 3, 256, 256),)
    for mode, side in (("fast", 256), ("original", 270)):
        mode_value = getattr(nets.HoVerNet.Mode, mode.upper())
        yield (
            *(f"hovernet_{mode}", "nucleus-segmentation"),
            partial(nets.HoVerNet, mode=mode_value, out_classes=5),
            ((1, 3, side, side),),
        )


def _classification() -> Iterator[Row]:
    for dimensions, shape in ((3, VOLUME), (2, PLANE)):
        suffix = f"{dimensions}d"
        for depth in ("121", "169", "201", "264"):
            build = partial(getattr(nets, f"DenseNet{depth}"), dimensions, 1, 2)
            yield f"densenet{depth}_{suffix}", CLASSIFICATION, build, (shape,)
        for name in ("SENet154", "SEResNet50", "SEResNet101", "SEResNet152"):
            build = partial(
                getattr(nets, name), spatial_dims=dimensions, in_channels=1, num_classes=2
            )
            yield f"{name.lower()}_{suffix}", CLASSIFICATION, build, (shape,)
        for name in ("SEResNext50", "SEResNext101"):
            build = partial(
                getattr(nets, name), spatial_dims=dimensions, in_channels=1, num_classes=2
            )
            yield f"{name.lower()}_{suffix}", CLASSIFICATION, build, (shape,)
        for size in range(9):
            build = partial(
                nets.EfficientNetBN,
                f"efficientnet-b{size}",
                pretrained=False,
                spatial_dims=dimensions,
                in_channels=1,
                num_classes=2,
            )
            yield f"efficientnet_b{size}_{suffix}", CLASSIFICATION, build, (shape,)
        for depth in (10, 18, 34, 50, 101, 152, 200):
            build = partial(
                getattr(nets, f"resnet{depth}"),
                spatial_dims=dimensions,
                n_input_channels=1,
                num_classes=2,
            )
            yield f"resnet{depth}_{suffix}", CLASSIFICATION, build, (shape,)
        build = partial(nets.ViT, 1, shape[2:], 16, classification=True, spatial_dims=dimensions)
        yield f"vit_{suffix}", CLASSIFICATION, build, (shape,)
        yield (
            *(f"vit_autoenc_{suffix}", AUTOENCODING),
            partial(nets.ViTAutoEnc, 1, shape[2:], 16, spatial_dims=dimensions),
            (shape,),
        )
    for mode in ("mean", "max", "att", "att_trans", "att_trans_pyramid"):
        build = partial(nets.MILModel, 2, mode, pretrained=False)
        yield f"mil_{mode}", "histopathology-classification", build, ((1, 8, 3, 224, 224),)


def _registration() -> Iterator[Row]:
    pair = (1, 2, 96, 96, 96)
    yield (
        *("reg_unet", REGISTRATION),
        partial(nets.RegUNet, 3, 2, 32, 3),
        (pair,),
    )
    yield (
        *("local_net", REGISTRATION),
        partial(nets.LocalNet, 3, 2, 32, extract_levels=(0, 1, 2, 3)),
        (pair,),
    )
    yield (
        *("global_net", REGISTRATION),
        partial(nets.GlobalNet, [96, 96, 96], 3, 2, 16, 4),
        (pair,),
    )
    yield "voxel_morph", REGISTRATION, nets.VoxelMorph, (VOLUME, VOLUME)


def _generation() -> Iterator[Row]:
    step = Spec((1,), "int64")
    for dimensions, shape in ((3, (1, 1, 32, 32, 32)), (2, (1, 1, 64, 64))):
        ends: dict[str, Any] = {
            "spatial_dims": dimensions,
            "in_channels": 1,
            "out_channels": 1,
        }
        suffix = f"{dimensions}d"
        yield (
            *(f"diffusion_unet_{suffix}", GENERATION),
            partial(nets.DiffusionModelUNet, **ends),
            {"x": Spec(shape), "timesteps": step},
        )
        yield (
            *(f"diffusion_unet_tutorial_{suffix}", GENERATION),
            partial(
                nets.DiffusionModelUNet,
                num_res_blocks=1,
                channels=(128, 256, 256),
                attention_levels=(False, True, True),
                num_head_channels=256,
                **ends,
            ),
            {"x": Spec(shape), "timesteps": step},
        )
        yield (
            *(f"spade_diffusion_unet_{suffix}", GENERATION),
            partial(nets.SPADEDiffusionModelUNet, label_nc=3, **ends),
            {"x": Spec(shape), "timesteps": step, "seg": Spec((1, 3, *shape[2:]))},
        )
        yield (
            *(f"autoencoder_kl_{suffix}", AUTOENCODING),
            partial(nets.AutoencoderKL, **ends),
            (shape,),
        )
        yield (
            *(f"spade_autoencoder_kl_{suffix}", AUTOENCODING),
            partial(nets.SPADEAutoencoderKL, label_nc=3, **ends),
            (shape, (1, 3, *shape[2:])),
        )
        yield f"vqvae_{suffix}", AUTOENCODING, partial(nets.VQVAE, **ends), (shape,)
        yield (
            *(f"autoencoder_{suffix}", AUTOENCODING),
            partial(nets.AutoEncoder, **FIVE_LEVELS, **ends),
            (shape,),
        )
        yield (
            *(f"var_autoencoder_{suffix}", AUTOENCODING),
            partial(
                nets.VarAutoEncoder,
                dimensions,
                shape[1:],
                1,
                20,
                (16, 32, 64),
                (1, 2, 2),
            ),
            (shape,),
        )
        yield (
            *(f"patch_discriminator_{suffix}", GENERATION),
            partial(nets.PatchDiscriminator, dimensions, 64, 1),
            (shape,),
        )
    yield (
        *("decoder_only_transformer", GENERATION),
        partial(nets.DecoderOnlyTransformer, 257, 512, 96, 12, 8),
        {"x": Spec((1, 512), "int64")},
    )
    yield (
        *("masked_autoencoder_vit", AUTOENCODING),
        partial(nets.MaskedAutoEncoderViT, 1, (96, 96, 96), (16, 16, 16)),
        (VOLUME,),
    )


def candidates() -> list[Candidate]:
    """One candidate for each configuration."""
    groups = (_segmentation(), _classification(), _registration(), _generation())
    return [_candidate(*row) for group in groups for row in group]


def _candidate(
    name: str, task: str, build: Callable[[], torch.nn.Module], inputs: Any
) -> Candidate:
    entry = Entry(
        name=name,
        package=PACKAGE,
        package_version=monai.__version__,
        module="nets",
        task=task,
        licence="Apache-2.0",
    )
    return Candidate(entry, build, lambda _: inputs)


if __name__ == "__main__":
    run(PACKAGE, candidates())
