"""The generators of mmagic's configs: restorers, matting, image translation, adversarial models.

Latent diffusion is left out: its parts come from diffusers and are published there.
Run from the repository's root: ``python -m corpus.builders.mmagic``.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from netkin import Spec
from torch import nn

from corpus.builders import openmmlab
from corpus.builders.run import Candidate, Entry, run

openmmlab.prepare()

import mmagic  # noqa: E402
import mmagic.models  # noqa: E402

IMAGE, LARGE_IMAGE, MATTE = (1, 3, 64, 64), (1, 3, 256, 256), (1, 4, 320, 320)
INPUTS: dict[str, tuple[tuple[Any, ...], str]] = {
    "BasicVSRNet": (((1, 5, 3, 64, 64),), "video-super-resolution"),
    "BasicVSRPlusPlusNet": (((1, 5, 3, 256, 256),), "video-super-resolution"),
    "CAINNet": (((1, 2, 3, 256, 256),), "video-interpolation"),
    "DeblurGanV2Generator": ((LARGE_IMAGE,), "image-deblurring"),
    "DenoisingUnet": ((IMAGE, Spec((1,), "int64")), "image-generation"),
    "EDSRNet": ((IMAGE,), "image-super-resolution"),
    "EDVRNet": (((1, 5, 3, 64, 64),), "video-super-resolution"),
    "FLAVRNet": (((1, 4, 3, 256, 256),), "video-interpolation"),
    "IconVSRNet": (((1, 5, 3, 64, 64),), "video-super-resolution"),
    "MSRResNet": ((IMAGE,), "image-super-resolution"),
    "NAFNet": ((LARGE_IMAGE,), "image-restoration"),
    "NAFNetLocal": ((LARGE_IMAGE,), "image-restoration"),
    "RDNNet": ((IMAGE,), "image-super-resolution"),
    "RRDBNet": ((IMAGE,), "image-super-resolution"),
    "RealBasicVSRNet": (((1, 5, 3, 64, 64),), "video-super-resolution"),
    "ResnetGenerator": ((LARGE_IMAGE,), "image-translation"),
    "Restormer": ((LARGE_IMAGE,), "image-restoration"),
    "SRCNNNet": ((IMAGE,), "image-super-resolution"),
    "SimpleEncoderDecoder": ((MATTE,), "image-matting"),
    "SwinIRNet": ((IMAGE,), "image-restoration"),
    "TDANNet": (((1, 5, 3, 64, 64),), "video-super-resolution"),
    "TOFlowVFINet": (((1, 2, 3, 256, 256),), "video-interpolation"),
    "TOFlowVSRNet": (((1, 7, 3, 256, 256),), "video-super-resolution"),
    "UnetGenerator": ((LARGE_IMAGE,), "image-translation"),
}
ADVERSARIAL = (
    *("BigGANDeepGenerator", "BigGANGenerator", "DCGANGenerator", "LSGANGenerator"),
    *("PGGANGenerator", "SAGANGenerator", "SNGANGenerator", "StyleGANv1Generator"),
    *("StyleGANv2Generator", "StyleGANv3Generator", "MSStyleGANv2Generator", "WGANGPGenerator"),
)


def candidates() -> list[Candidate]:
    """One candidate for each distinct model whose generator takes images or noise."""
    configs = openmmlab.configs("mmagic")
    return [_candidate(config) for config in configs if _part(config) is not None]


def _part(config: openmmlab.Config) -> dict[str, Any] | None:
    """The description of the part that makes images."""
    model = config.model
    part = model.get("generator") or model.get("backbone") or model.get("denoising_unet")
    known = part is not None and "type" in part
    return part if known and openmmlab.class_name(part) in (*INPUTS, *ADVERSARIAL) else None


def _candidate(config: openmmlab.Config) -> Candidate:
    kind = openmmlab.class_name(_part(config) or {})
    entry = Entry(
        name=config.name,
        package="mmagic",
        package_version=mmagic.__version__,
        module=f"{config.folder}.{kind}",
        task=INPUTS[kind][1] if kind in INPUTS else "image-generation",
        licence="Apache-2.0",
    )
    return Candidate(entry, partial(_build, config), partial(_inputs, config, kind))


def _build(config: openmmlab.Config) -> nn.Module:
    part = _part(config) or {}
    described = {key: value for key, value in part.items() if key != "init_cfg" or value}
    return openmmlab.build_part("mmagic", described)


def _inputs(
    config: openmmlab.Config, kind: str, model: nn.Module
) -> tuple[Any, ...] | dict[str, Any]:
    if kind in INPUTS:
        part = _part(config) or {}
        channels = part.get("inp_channels") or part.get("in_chans")
        inputs = INPUTS[kind][0]
        return ((1, channels, *inputs[0][2:]),) if channels else inputs
    sizes = (getattr(model, name, None) for name in ("noise_size", "style_channels"))
    size = next((size for size in sizes if size), 128)
    if getattr(model, "num_classes", 0):
        return {"noise": Spec((1, size)), "label": Spec((1,), "int64")}
    return ((1, size),)


if __name__ == "__main__":
    run("mmagic", candidates())
