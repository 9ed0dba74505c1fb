"""Which family an entry belongs to, by ``corpus/families.tsv``.

The table is curated by hand and fixed before any encoder is tuned; the rules it follows are in
``corpus/README.md``. Run ``python -m corpus.families`` to hold it against the traced entries.
"""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TABLE = Path(__file__).parent / "families.tsv"
BUILD_FOLDER = Path(__file__).parent / "build"


@dataclass(frozen=True)
class Rule:
    """One row: the names of a module that start with ``prefix`` belong to ``family``."""

    package: str
    module: str
    prefix: str
    family: str
    coarse_family: str
    why: str

    def covers(self, entry: dict[str, Any]) -> bool:
        """Whether the row speaks of this entry; a longer prefix may still overrule it."""
        place = (entry["package"], entry["module"])
        return place == (self.package, self.module) and entry["name"].startswith(self.prefix)


def read_rules() -> list[Rule]:
    """The rows of the table."""
    with TABLE.open(newline="", encoding="utf-8") as file:
        return [Rule(**row) for row in csv.DictReader(file, delimiter="\t")]


def rule_for(entry: dict[str, Any], rules: list[Rule]) -> Rule | None:
    """The row with the longest prefix of the entry's name, or None."""
    covering = [rule for rule in rules if rule.covers(entry)]
    return max(covering, key=lambda rule: len(rule.prefix), default=None)


def entries() -> Iterator[dict[str, Any]]:
    """The entries of all build files, traced or failed."""
    for path in sorted(BUILD_FOLDER.glob("*.jsonl")):
        with path.open("rb") as file:
            for line in file:
                yield json.loads(line)["entry"]


def main() -> None:
    """Print how many entries each family has; fail on entries or rows that are left over."""
    rules = read_rules()
    found = [(entry, rule_for(entry, rules)) for entry in entries()]
    sizes = Counter((rule.coarse_family, rule.family) for _, rule in found if rule is not None)
    for (coarse_family, family), count in sorted(sizes.items()):
        print(f"{coarse_family}\t{family}\t{count}")
    packages = {entry["package"] for entry, _ in found}
    used = {rule for _, rule in found}
    problems = [f"no family: {entry['id']}" for entry, rule in found if rule is None]
    problems += [
        f"unused row: {rule.package} {rule.module} {rule.prefix!r}"
        for rule in rules
        if rule.package in packages and rule not in used
    ]
    if problems:
        sys.exit("\n".join(problems))


if __name__ == "__main__":
    main()
