"""Detectors of the OpenMMLab packages without the choice of boxes: backbone, neck and heads."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.structures import InstanceData
from torch import Tensor, nn

PROPOSALS = 1000


class Reidentifier(nn.Module):
    """A classifier or an embedder up to its head's output."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Any:
        """Scores or embeddings."""
        return self.model(images, mode="tensor")


class Detector(nn.Module):
    """A detector up to the output of its heads."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.needs_proposals = hasattr(model, "roi_head") and not model.with_rpn

    def forward(self, images: Tensor, proposals: Tensor | None = None) -> Any:
        """Whatever the heads predict, of both stages where there are two."""
        samples = [_sample(images, proposals)]
        first: list[Any] = []
        if getattr(self.model, "with_rpn", False):
            _pass_on_first_proposals(self.model.rpn_head, first)
        last = self.model._forward(images, samples)
        return [first, last]


def proposals_for(detector: nn.Module) -> tuple[tuple[int, int], ...]:
    """The second input of detectors that are given their proposals."""
    return ((PROPOSALS, 4),) if getattr(detector, "needs_proposals", False) else ()


def _sample(images: Tensor, proposals: Tensor | None) -> Any:
    """What a detector is told about an image."""
    from mmdet.structures import DetDataSample

    size = tuple(images.shape[-2:])
    keys = ("img_shape", "ori_shape", "pad_shape", "batch_input_shape")
    sample = DetDataSample(metainfo=dict.fromkeys(keys, size) | {"scale_factor": (1.0, 1.0)})
    sample.gt_instances = InstanceData(bboxes=torch.zeros(0, 4), labels=torch.zeros(0).long())
    if proposals is not None:
        sample.proposals = InstanceData(bboxes=proposals)
    return sample


def _pass_on_first_proposals(head: nn.Module, outputs: list[Any]) -> None:
    """Let a proposal head return its first proposals, without sorting or suppression."""

    def choose_first(
        scores: list[Tensor], deltas: list[Tensor], *others: Any, **about: Any
    ) -> list[InstanceData]:
        outputs.append([scores, deltas, *others])
        priors = torch.cat(_priors(head, deltas))
        flat = torch.cat([level.permute(0, 2, 3, 1).reshape(-1, 4) for level in deltas])
        size = about["batch_img_metas"][0]["img_shape"]
        coder = head.bbox_coder
        boxes = coder.decode(priors[:PROPOSALS], flat[:PROPOSALS], max_shape=size)
        boxes = getattr(boxes, "tensor", boxes)
        return [InstanceData(bboxes=boxes, scores=boxes[:, 0])]

    if _prior_generator(head) is not None:
        head.predict_by_feat = choose_first


def _prior_generator(head: nn.Module) -> Any:
    return getattr(head, "square_anchor_generator", getattr(head, "prior_generator", None))


def _priors(head: nn.Module, levels: list[Tensor]) -> list[Tensor]:
    sizes = [tuple(level.shape[-2:]) for level in levels]
    priors = _prior_generator(head).grid_priors(sizes, device="cpu")
    return [getattr(prior, "tensor", prior) for prior in priors]
