"""Every model that ultralytics describes in a YAML file, at every scale that the file names.

Heads are traced up to their raw predictions: decoding boxes and choosing the best of them is no
part of the design. Models that ``fuse`` changes in more than normalisation have a second entry,
``<name>-deployed``: parallel convolutions become one, and of two heads one goes.

Run from the repository's root: ``python -m corpus.builders.ultralytics``.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
import ultralytics
from netkin import skeleton
from torch import Tensor, nn
from ultralytics.nn import tasks
from ultralytics.nn.modules import Detect, RepConv
from ultralytics.nn.modules.block import RepVGGDW
from ultralytics.utils import YAML

from corpus.builders.run import Candidate, Entry, run

FOLDER = Path(ultralytics.__file__).parent / "cfg" / "models"
CLASSES: dict[str, type[nn.Module]] = {
    "classify": tasks.ClassificationModel,
    "depth": tasks.DepthModel,
    "detect": tasks.DetectionModel,
    "obb": tasks.OBBModel,
    "pose": tasks.PoseModel,
    "segment": tasks.SegmentationModel,
    "semantic": tasks.SemanticSegmentationModel,
}
OPEN_VOCABULARY: dict[str, type[nn.Module]] = {
    "WorldDetect": tasks.WorldModel,
    "YOLOEDetect": tasks.YOLOEModel,
    "YOLOESegment": tasks.YOLOESegModel,
    "YOLOESegment26": tasks.YOLOESegModel,
    "RTDETRDecoder": tasks.RTDETRDetectionModel,
}
TASKS = {
    "classify": "image-classification",
    "depth": "depth-estimation",
    "detect": "object-detection",
    "obb": "oriented-object-detection",
    "pose": "pose-estimation",
    "segment": "instance-segmentation",
    "semantic": "semantic-segmentation",
}


class RawPredictions(nn.Module):
    """A model without the decoding of what its head predicts."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        head = model.model[-1]
        if isinstance(head, Detect):
            head._inference = lambda raw: raw["scores"]
            head.postprocess = lambda predictions: predictions

    def forward(self, images: Tensor) -> Any:
        """The head's own tensors: in evaluation models return them beside the decoded ones."""
        returned = self.model(images)
        raw = returned[-1] if isinstance(returned, tuple) else returned
        return _without_features(raw)


def _without_features(raw: Any) -> Any:
    if not isinstance(raw, dict):
        return raw
    return {key: _without_features(value) for key, value in raw.items() if key != "feats"}


def candidates() -> list[Candidate]:
    """One candidate for each scale of each YAML file, then the deployed forms."""
    found, deployed = [], []
    for path in sorted(FOLDER.glob("*/*.yaml")):
        model = YAML.load(path)
        scales = list(model.get("scales") or {})
        of_file = []
        for scale in scales or [None]:
            name = path.stem
            if len(scales) > 1:  # of the others the file's name says the scale
                name = re.sub(r"(yolo(?:e-)?v?\d+)", rf"\g<1>{scale}", name, count=1)
            of_file.append(_candidate(name, path.parent.name, {**model, "scale": scale}))
        found += of_file
        if _has_deployed_form(of_file[0]):  # building every scale takes long
            deployed += [_deployed(candidate) for candidate in of_file]
    return found + deployed


def _has_deployed_form(candidate: Candidate) -> bool:
    with skeleton():
        layers = candidate.build().model.model
    parallel = any(isinstance(part, RepConv | RepVGGDW) for part in layers.modules())
    return parallel or hasattr(layers[-1], "one2one_cv2")


def _deployed(candidate: Candidate) -> Candidate:
    entry = replace(candidate.entry, name=f"{candidate.entry.name}-deployed")
    return replace(candidate, entry=entry, build=partial(candidate.build, fused=True))


def _candidate(name: str, folder: str, model: dict[str, Any]) -> Candidate:
    task = tasks.guess_model_task(model) or "detect"  # it does not know the decoder of RT-DETR
    entry = Entry(
        name=name,
        package="ultralytics",
        package_version=ultralytics.__version__,
        module=folder,
        task=TASKS[task],
        licence="AGPL-3.0",
    )
    side = 224 if task == "classify" else 1024 if task == "obb" else 1280 if "-p6" in name else 640
    return Candidate(entry, partial(_build, model, task), lambda _: ((1, 3, side, side),))


def _build(model: dict[str, Any], task: str, fused: bool = False) -> nn.Module:
    head = model["head"][-1][2]
    kind = OPEN_VOCABULARY.get(head, CLASSES[task])
    for layer in model["backbone"]:
        layer[3] = [None if argument == "DEFAULT" else argument for argument in layer[3]]  # weights
    built = kind({**model, "yaml_file": ""}, ch=3, verbose=False)
    return RawPredictions(built.fuse(verbose=False) if fused else built)


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    run("ultralytics", candidates())
