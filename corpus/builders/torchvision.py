"""Every architecture that torchvision registers: classification, dense, video, flow, detection.

Detectors are traced without their post-processing, which is no part of the design: backbone, neck
and heads. Quantised variants are traced before quantisation, when they are ordinary modules.
Run from the repository's root: ``python -m corpus.builders.torchvision``.
"""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any

import torchvision
from torch import Tensor, nn
from torchvision import models
from torchvision.models.detection.rpn import concat_box_prediction_layers

from corpus.builders.run import Candidate, Entry, run

CLIP = (1, 3, 16, 112, 112)
VIDEO_SHAPES = dict.fromkeys(("mvit_v1_b", "mvit_v2_s", "s3d"), (1, 3, 16, 224, 224))
VIDEO_SHAPES |= {f"swin3d_{size}": (1, 3, 16, 224, 224) for size in "tsb"}
DETECTOR_SIDES = {"ssd300_vgg16": 300, "ssdlite320_mobilenet_v3_large": 320}
DETECTOR_SIDES |= {"fasterrcnn_mobilenet_v3_large_320_fpn": 320}
PROPOSALS = 1000
TASKS = {
    "detection": "object-detection",
    "optical_flow": "optical-flow",
    "segmentation": "semantic-segmentation",
    "video": "video-classification",
}


class SingleStageDetector(nn.Module):
    """SSD, RetinaNet or FCOS up to the output of its heads."""

    def __init__(self, detector: nn.Module) -> None:
        super().__init__()
        self.backbone = detector.backbone
        self.head = detector.head

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Box regressions, class scores and the like for every anchor."""
        features = self.backbone(images)
        levels = [features] if isinstance(features, Tensor) else list(features.values())
        return self.head(levels)


class TwoStageDetector(nn.Module):
    """Faster R-CNN, Mask R-CNN or Keypoint R-CNN without the selection of boxes.

    The first proposals go on to the second stage in place of the best ones, so that the path from
    the proposal head to the box heads is kept and the sorting and suppression between is not.
    """

    def __init__(self, detector: nn.Module) -> None:
        super().__init__()
        self.backbone = detector.backbone
        self.rpn = detector.rpn
        self.roi_heads = detector.roi_heads

    def forward(self, images: Tensor) -> list[Tensor]:
        """Objectness and deltas of the first stage, then whatever the second stage predicts."""
        features = self.backbone(images)
        levels = list(features.values())
        objectness, deltas = self.rpn.head(levels)
        sizes = [tuple(images.shape[-2:])]
        anchors = self.rpn.anchor_generator(_image_list(images, sizes), levels)
        scores, flat_deltas = concat_box_prediction_layers(objectness, deltas)
        proposals = [self.rpn.box_coder.decode(flat_deltas, anchors)[:PROPOSALS, 0]]
        return [scores, flat_deltas, *self._second_stage(features, proposals, sizes)]

    def _second_stage(self, features: Any, proposals: Any, sizes: Any) -> list[Tensor]:
        heads = self.roi_heads
        boxes = heads.box_head(heads.box_roi_pool(features, proposals, sizes))
        outputs = list(heads.box_predictor(boxes))
        for kind in ("mask", "keypoint"):
            if getattr(heads, f"{kind}_head", None) is not None:
                pooled = getattr(heads, f"{kind}_roi_pool")(features, proposals, sizes)
                predict = getattr(heads, f"{kind}_predictor")
                outputs.append(predict(getattr(heads, f"{kind}_head")(pooled)))
        return outputs


def candidates() -> list[Candidate]:
    """One candidate for each name of ``torchvision.models.list_models()``."""
    return [_candidate(name) for name in models.list_models()]


def _candidate(name: str) -> Candidate:
    path = models.get_model_builder(name).__module__.split(".")[2:]
    entry = Entry(
        name=name,
        package="torchvision",
        package_version=torchvision.__version__.split("+")[0],
        module=".".join(path),
        task=TASKS.get(path[0], "image-classification"),
    )
    return Candidate(entry, partial(_build, name, path[0]), lambda _: _inputs(name, path[0]))


def _build(name: str, theme: str) -> nn.Module:
    builder = models.get_model_builder(name)
    accepted = inspect.signature(builder).parameters
    options: dict[str, Any] = {"weights": None}
    if "weights_backbone" in accepted:
        options["weights_backbone"] = None
    if name.endswith(("googlenet", "inception_v3")):  # their own initialisation takes minutes
        options["init_weights"] = False
    model: nn.Module = builder(**options)
    if theme != "detection":
        return model
    return TwoStageDetector(model) if hasattr(model, "rpn") else SingleStageDetector(model)


def _inputs(name: str, theme: str) -> tuple[Any, ...]:
    if theme == "detection":
        side = DETECTOR_SIDES.get(name, 800)
        return ((1, 3, side, side),)
    if theme == "segmentation":
        return ((1, 3, 520, 520),)
    if theme == "optical_flow":
        return ((1, 3, 520, 960), (1, 3, 520, 960))
    if theme == "video":
        return (VIDEO_SHAPES.get(name, CLIP),)
    side = _crop_side(name)
    return ((1, 3, side, side),)


def _crop_side(name: str) -> int:
    """The smallest side among the model's published weights: the one its builder defaults to."""
    weights = models.get_model_weights(name.removeprefix("quantized_"))
    return min(weight.transforms.keywords["crop_size"] for weight in weights)


def _image_list(images: Tensor, sizes: list[tuple[int, int]]) -> Any:
    return models.detection.image_list.ImageList(images, sizes)


if __name__ == "__main__":
    run("torchvision", candidates())
