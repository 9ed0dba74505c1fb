"""Networks of kornia: local features, matchers, detectors, segmenters and classifiers.

Detectors of keypoints are traced up to their heat maps and descriptors, before keypoints are
picked; matchers see a fixed number of keypoints; SAM is its image encoder with the mask decoder
and one point.

Run from the repository's root: ``python -m corpus.builders.kornia``.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import kornia
import torch
from kornia import feature
from kornia.feature.aliked.aliked import ALIKED
from kornia.feature.dedode.dedode_models import get_descriptor, get_detector
from kornia.models import dexined, efficient_vit, rt_detr, sam, tiny_vit, vit, vit_mobile
from kornia.models.rrdbnet import RRDBNet
from netkin import Spec

from corpus.builders.run import Candidate, Entry, run

PACKAGE = "kornia"
# LightGlue compares the keypoints' values, which a trace does not have.
importlib.import_module("kornia.feature.lightglue").KORNIA_CHECK = lambda *_, **__: True
PATCH = ((1, 1, 32, 32),)
PICTURE = ((1, 3, 224, 224),)
FEATURES = "local-features"
MATCHING = "feature-matching"
KEYPOINTS = 512

Row = tuple[str, str, str, Callable[[], torch.nn.Module], Any]  # name, module, task, build, inputs


class _OfDictionary(torch.nn.Module):
    """A matcher that takes its two pictures or their features as one dictionary."""

    def __init__(self, matcher: torch.nn.Module) -> None:
        super().__init__()
        self.matcher = matcher

    def forward(self, **data: Any) -> Any:
        return self.matcher(data)


class _Method(torch.nn.Module):
    """Calls a network's method of another name."""

    def __init__(self, network: torch.nn.Module, method: str) -> None:
        super().__init__()
        self.network = network
        self.method = method

    def forward(self, *inputs: torch.Tensor) -> Any:
        return getattr(self.network, self.method)(*inputs)


class _Segmenter(torch.nn.Module):
    """SAM for one point."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: torch.Tensor, point: torch.Tensor, label: torch.Tensor) -> Any:
        embedding = self.model.image_encoder(image)
        sparse, dense = self.model.prompt_encoder((point, label), None, None)
        positions = self.model.prompt_encoder.get_dense_pe()
        return self.model.mask_decoder(embedding, positions, sparse, dense, True)


def _features() -> Iterator[Row]:
    for name in ("HardNet", "HardNet8", "HyNet", "SOSNet", "TFeat", "OriNet"):
        cls = getattr(feature, name)
        module = {"HardNet8": "hardnet", "OriNet": "orientation"}.get(name, name.lower())
        build = partial(cls, pretrained=False)
        yield name.lower(), f"feature.{module}", FEATURES, build, PATCH
    yield (
        *("keynet", "feature.keynet", FEATURES, partial(feature.KeyNet, pretrained=False)),
        ((1, 1, 256, 256),),
    )
    yield (
        *("sold2_detector", "feature.sold2", "line-segment-detection"),
        lambda: _Method(feature.SOLD2_detector(pretrained=False).model, "forward"),
        ((1, 1, 256, 256),),
    )
    yield (
        *("disk", "feature.disk", FEATURES),
        lambda: _Method(feature.DISK(), "heatmap_and_dense_descriptors"),
        ((1, 3, 256, 256),),
    )
    for size in ("t16", "n16", "n16rot", "n32"):
        yield (
            *(f"aliked_{size}", "feature.aliked", FEATURES),
            partial(_aliked, f"aliked-{size}"),
            ((1, 3, 256, 256),),
        )
    yield (
        *("dedode_detector_l", "feature.dedode", FEATURES),
        partial(get_detector, "L", torch.float32),
        ((1, 3, 224, 224),),
    )
    yield (
        *("dedode_descriptor_b", "feature.dedode", FEATURES),
        partial(get_descriptor, "B", torch.float32),
        ((1, 3, 224, 224),),
    )
    yield (
        *("defmo", "feature.defmo", "motion-deblurring", partial(feature.DeFMO, pretrained=False)),
        ((1, 6, 240, 320),),
    )
    yield (
        *("loftr", "feature.loftr", MATCHING),
        lambda: _OfDictionary(feature.LoFTR(pretrained=None)),
        {"image0": Spec((1, 1, 256, 256)), "image1": Spec((1, 1, 256, 256))},
    )
    for name, width in (("disk", 128), ("aliked", 128), ("superpoint", 256), ("dog_affnet", 128)):
        picture = {
            "keypoints": Spec((1, KEYPOINTS, 2)),
            "descriptors": Spec((1, KEYPOINTS, width)),
            "image_size": Spec((1, 2)),
        }
        if name == "dog_affnet":
            picture |= {"scales": Spec((1, KEYPOINTS)), "oris": Spec((1, KEYPOINTS))}
        yield (
            *(f"lightglue_{name}", "feature.lightglue", MATCHING),
            partial(_lightglue, width, name == "dog_affnet"),
            {"image0": picture, "image1": picture},
        )


def _aliked(name: str) -> torch.nn.Module:
    return _Method(ALIKED(name), "extract_dense_map")


def _lightglue(width: int, oriented: bool) -> torch.nn.Module:
    matcher = feature.LightGlue(
        None,
        input_dim=width,
        add_scale_ori=oriented,
        depth_confidence=-1,
        width_confidence=-1,
        flash=False,
    )
    return _OfDictionary(matcher)


def _models() -> Iterator[Row]:
    for kind in ("resnet18d", "resnet34d", "resnet50d", "resnet101d", "hgnetv2_l", "hgnetv2_x"):
        config = rt_detr.RTDETRConfig(kind, 80)
        yield (
            *(f"rt_detr_{kind}", "models.rt_detr", "object-detection"),
            partial(rt_detr.RTDETR.from_config, config),
            ((1, 3, 640, 640),),
        )
    for kind in ("vit_b", "vit_l", "vit_h", "mobile_sam"):
        yield (
            *(f"sam_{kind}", "models.sam", "promptable-segmentation"),
            partial(_segmenter, kind),
            ((1, 3, 1024, 1024), (1, 1, 2), (1, 1)),
        )
    for size in ("5m", "11m", "21m"):
        build = partial(tiny_vit.TinyViT.from_config, size)
        yield f"tiny_vit_{size}", "models.tiny_vit", "image-classification", build, PICTURE
    for size in ("ti/16", "s/16", "s/32", "b/16", "b/32", "l/16", "h/14"):
        name = f"vit_{size.replace('/', '_')}"
        build = partial(vit.VisionTransformer.from_config, f"vit_{size}")
        yield name, "models.vit", "image-features", build, PICTURE
    for size in ("xxs", "xs", "s"):
        build = partial(vit_mobile.MobileViT, size)
        yield (
            f"mobile_vit_{size}",
            "models.vit_mobile",
            "image-features",
            build,
            ((1, 3, 256, 256),),
        )
    for size in ("b0", "b1", "b2", "b3", "l0", "l1", "l2", "l3"):
        build = getattr(efficient_vit.backbone, f"efficientvit_backbone_{size}")
        yield f"efficientvit_{size}", "models.efficient_vit", "image-features", build, PICTURE
    yield (
        *("dexined", "models.dexined", "edge-detection"),
        partial(dexined.DexiNed, pretrained=False),
        ((1, 3, 320, 320),),
    )
    yield (
        "rrdbnet",
        "models.rrdbnet",
        "image-super-resolution",
        partial(RRDBNet, 3, 3),
        ((1, 3, 64, 64),),
    )


def _segmenter(kind: str) -> torch.nn.Module:
    return _Segmenter(sam.Sam.from_config(sam.SamConfig(kind)))


def candidates() -> list[Candidate]:
    """One candidate for each network."""
    return [_candidate(*row) for group in (_features(), _models()) for row in group]


def _candidate(
    name: str, module: str, task: str, build: Callable[[], torch.nn.Module], inputs: Any
) -> Candidate:
    entry = Entry(
        name=name,
        package=PACKAGE,
        package_version=kornia.__version__,
        module=module,
        task=task,
        licence="Apache-2.0",
    )
    return Candidate(entry, build, lambda _: inputs)


if __name__ == "__main__":
    run(PACKAGE, candidates())
