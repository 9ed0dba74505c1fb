"""A check of the family table by hand, over pairs of entries.

``python -m corpus.pairs`` counts the verdicts in ``pairs.tsv``. With ``--draw SEED`` it prints 300
new pairs of traced entries for a next check: half of one family from different modules, half of one
coarse family but different families. Segmentation pairs, whose families are made by rule, are left
out.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from corpus.families import BUILD_FOLDER, Rule, read_rules, rule_for

CHECKED = Path(__file__).parent / "pairs.tsv"
HALF = 150
MADE_BY_RULE = "segmentation-models-pytorch"

Labelled = tuple[dict[str, Any], Rule]


def verdicts() -> Counter[tuple[str, str]]:
    """How many pairs of each kind got each verdict."""
    with CHECKED.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file, delimiter="\t")
        return Counter((row["drawn as"], row["verdict"]) for row in rows)


def draw(seed: int) -> Iterator[tuple[str, Labelled, Labelled]]:
    """Pairs of traced entries, with what they have in common."""
    chance = random.Random(seed)
    families, coarse_families = defaultdict(list), defaultdict(list)
    for entry, rule in _traced():
        families[rule.family].append((entry, rule))
        coarse_families[rule.coarse_family].append((entry, rule))
    several = [name for name in sorted(families) if len(_modules(families[name])) > 1]
    for _ in range(HALF):
        members = families[chance.choice(several)]
        one = chance.choice(members)
        others = [other for other in members if _module(other) != _module(one)]
        yield "same family", one, chance.choice(others)
    mixed = [name for name in sorted(coarse_families) if len(_families(coarse_families[name])) > 1]
    for _ in range(HALF):
        members = coarse_families[chance.choice(mixed)]
        one = chance.choice(members)
        others = [other for other in members if other[1].family != one[1].family]
        yield "same coarse family", one, chance.choice(others)


def _traced() -> Iterator[Labelled]:
    rules = read_rules()
    for path in sorted(BUILD_FOLDER.glob("*.jsonl")):
        if path.stem == MADE_BY_RULE:
            continue
        with path.open("rb") as file:
            for line in map(json.loads, file):
                rule = rule_for(line["entry"], rules)
                if "graph" in line and rule is not None:
                    yield line["entry"], rule


def _module(labelled: Labelled) -> tuple[str, str]:
    return labelled[0]["package"], labelled[0]["module"]


def _modules(members: list[Labelled]) -> set[tuple[str, str]]:
    return {_module(member) for member in members}


def _families(members: list[Labelled]) -> set[str]:
    return {rule.family for _, rule in members}


def main() -> None:
    """Count the verdicts, or draw."""
    parser = argparse.ArgumentParser(description="Pairs of entries to check the families by.")
    parser.add_argument("--draw", type=int, metavar="SEED", help="print new pairs")
    seed = parser.parse_args().draw
    if seed is None:
        for (kind, verdict), count in sorted(verdicts().items()):
            print(f"{kind}\t{verdict}\t{count}")
        return
    print("drawn as\tverdict\tone\tother\tfamilies\tnote")
    for kind, (one, rule), (other, others_rule) in draw(seed):
        names = " / ".join(sorted({rule.family, others_rule.family}))
        print(f"{kind}\t\t{one['id']}\t{other['id']}\t{names}\t")


if __name__ == "__main__":
    main()
