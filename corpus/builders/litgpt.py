"""Every configuration of litgpt, built as the package's own ``GPT``.

Configurations that differ in their weights alone come after all distinct ones.
Run from the repository's root: ``python -m corpus.builders.litgpt``.
"""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from typing import Any

import torch
from litgpt.config import Config, configs
from litgpt.model import GPT
from netkin import Spec

from corpus.builders.run import Candidate, Entry, run

TOKENS = 128


def candidates() -> list[Candidate]:
    """One candidate for each name in ``litgpt.config.configs``."""
    names = [config["name"] for config in configs]
    seen: set[str] = set()
    repeated = [_is_repeated(name, seen) for name in names]
    order = sorted(range(len(names)), key=lambda index: repeated[index])
    return [_candidate(names[index]) for index in order]


def _is_repeated(name: str, seen: set[str]) -> bool:
    sizes = asdict(Config.from_name(name)) | {"name": "", "hf_config": {}}
    key = repr(sorted(sizes.items()))
    repeated = key in seen
    seen.add(key)
    return repeated


def _candidate(name: str) -> Candidate:
    entry = Entry(
        name=name,
        package="litgpt",
        package_version=version("litgpt"),
        module="model",
        task="text-generation",
    )
    return Candidate(entry, partial(_build, name), lambda _: (Spec((1, TOKENS), "int64"),))


def _build(name: str) -> torch.nn.Module:
    options: dict[str, Any] = {"block_size": TOKENS}  # of the rotary cache, which holds no weights
    return GPT(Config.from_name(name, **options))


if __name__ == "__main__":
    run("litgpt", candidates())
