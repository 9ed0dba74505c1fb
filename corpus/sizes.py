"""Holds the published sizes of transformers against litgpt, which states some of them too.

``python -m corpus.sizes``, with litgpt installed, prints every number in
``builders/transformers_sizes.tsv`` that differs from litgpt's configuration of the same name, and
how many configurations both have. A vocabulary may be litgpt's or litgpt's after padding.
"""

from __future__ import annotations

import csv
from pathlib import Path

from litgpt import Config
from litgpt.config import configs

SIZES = Path(__file__).parent / "builders" / "transformers_sizes.tsv"
# What litgpt calls each of the sizes.
NAMES = {
    "d_model": "n_embd",
    "ffn_dim": "intermediate_size",
    "head_dim": "head_size",
    "hidden_size": "n_embd",
    "intermediate_size": "intermediate_size",
    "n_embd": "n_embd",
    "n_head": "n_head",
    "n_inner": "intermediate_size",
    "n_layer": "n_layer",
    "num_attention_heads": "n_head",
    "num_heads": "n_head",
    "num_hidden_layers": "n_layer",
    "num_key_value_heads": "n_query_groups",
    "num_layers": "n_layer",
}


def differences(settings: dict[str, str], config: Config) -> dict[str, tuple[str, int]]:
    """The sizes that differ, with both values."""
    pairs = {
        name: (value, getattr(config, NAMES[name]))
        for name, value in settings.items()
        if name in NAMES
    }
    differing = {name: pair for name, pair in pairs.items() if pair[0] != str(pair[1])}
    words = settings.get("vocab_size")
    if words is not None and int(words) not in (config.vocab_size, config.padded_vocab_size):
        differing["vocab_size"] = (words, config.padded_vocab_size)
    return differing


def main() -> None:
    """Print the differences and the number of configurations that both have."""
    known = {config["name"].lower(): config["name"] for config in configs}
    known |= {config["hf_config"]["name"].lower(): config["name"] for config in configs}
    with SIZES.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    common = 0
    for row in rows:
        name = known.get(row["name"].lower())
        if name is None:
            continue
        common += 1
        settings = dict(setting.split("=", 1) for setting in row["settings"].split())
        for size, (ours, theirs) in differences(settings, Config.from_name(name)).items():
            print(f"{row['name']}\t{size}\t{ours} here, {theirs} in litgpt")
    print(f"{common} of {len(rows)} configurations are in litgpt")


if __name__ == "__main__":
    main()
