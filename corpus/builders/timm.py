"""Every architecture that timm registers, at its own default input size.

Networks that can be fused for inference (``timm.utils.reparameterize_model``) have a second entry,
``<name>-deployed``: parallel branches are a device of training, and what people export lacks them.

Run from the repository's root: ``python -m corpus.builders.timm``.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from typing import Any

import timm
import torch
from netkin import skeleton

from corpus.builders.run import Candidate, Entry, run

FUSING = ("fuse", "reparameterize", "switch_to_deploy")  # what reparameterize_model looks for


def candidates() -> list[Candidate]:
    """One candidate for each name of ``timm.list_models()``, then the deployed forms."""
    names = timm.list_models()
    deployed = [_deployed(name) for name in names if _can_be_fused(name)]
    return [*(_candidate(name) for name in names), *deployed]


def _can_be_fused(name: str) -> bool:
    """Whether a part of the model has a fused form.

    Only modules that define such parts are asked for the model, because building all takes long.
    """
    module = sys.modules[timm.models.model_entrypoint(name).__module__]
    if not any(isinstance(part, type) and _fuses(part) for part in vars(module).values()):
        return False
    with skeleton():
        model = timm.create_model(name)
    return any(_fuses(part) for part in model.modules() if part is not model)


def _fuses(part: Any) -> bool:
    return any(hasattr(part, method) for method in FUSING)


def _deployed(name: str) -> Candidate:
    candidate = _candidate(name)
    entry = replace(candidate.entry, name=f"{name}-deployed")
    return replace(candidate, entry=entry, build=partial(_build_deployed, name))


def _build_deployed(name: str) -> torch.nn.Module:
    return timm.utils.reparameterize_model(timm.create_model(name).eval(), inplace=True)


def _candidate(name: str) -> Candidate:
    module = timm.models.model_entrypoint(name).__module__.rsplit(".", 1)[-1]
    stated = timm.models.get_pretrained_cfg(name, allow_unregistered=True)
    classifies = stated is None or stated.num_classes != 0
    entry = Entry(
        name=name,
        package="timm",
        package_version=timm.__version__,
        module=module,
        task="image-classification" if classifies else "image-features",
        paper=_arxiv_id(stated.paper_ids if stated else None),
        licence=(stated.license or "") if stated else "",
    )
    return Candidate(entry, partial(timm.create_model, name), _default_input)


def _default_input(model: torch.nn.Module) -> tuple[Any, ...]:
    channels, height, width = model.default_cfg["input_size"]
    return ((1, channels, height, width),)


def _arxiv_id(papers: Any) -> str:
    """The first arXiv paper among those that the default weights name."""
    listed = [papers] if isinstance(papers, str) else list(papers or [])
    found = [paper.split(":", 1)[1] for paper in listed if paper.lower().startswith("arxiv:")]
    return found[0] if found else ""


if __name__ == "__main__":
    run("timm", candidates())
