"""Every architecture that timm registers, at its own default input size.

Run from the repository's root: ``python -m corpus.builders.timm``.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import timm
import torch

from corpus.builders.run import Candidate, Entry, run


def candidates() -> list[Candidate]:
    """One candidate for each name of ``timm.list_models()``."""
    return [_candidate(name) for name in timm.list_models()]


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
