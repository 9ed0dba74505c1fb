"""Segmentation decoders over timm encoders: pairs that the package supports and nobody released.

The package offers some 17,000 pairs. A seeded selection keeps at most ``FAMILY_LIMIT`` encoders of
each family under each decoder and ``PAIRS`` in all. It is ordered in rounds, each of which takes
one encoder of every family under every decoder, so that any prefix is spread as evenly as the
whole.

Run from the repository's root: ``python -m corpus.builders.segmentation_models_pytorch``. With
``--families`` it traces nothing and writes the rows of ``families.tsv`` for what is traced.
"""

from __future__ import annotations

import random
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import astuple
from functools import partial
from typing import Any

import segmentation_models_pytorch as smp
import timm
import torch

from corpus.builders.run import Candidate, Entry, run
from corpus.families import TABLE, Rule, entries, read_rules, rule_for

PACKAGE = "segmentation-models-pytorch"
PAIRS = 6_500
FAMILY_LIMIT = 12
SEED = 0

# Decoders over features at falling resolutions. DPT reads those of one resolution instead.
PYRAMID_DECODERS = {
    "unet": smp.Unet,
    "unetplusplus": smp.UnetPlusPlus,
    "manet": smp.MAnet,
    "linknet": smp.Linknet,
    "fpn": smp.FPN,
    "pspnet": smp.PSPNet,
    "pan": smp.PAN,
    "deeplabv3": smp.DeepLabV3,
    "deeplabv3plus": smp.DeepLabV3Plus,
    "upernet": smp.UPerNet,
    "segformer": smp.Segformer,
}
DECODERS = PYRAMID_DECODERS | {"dpt": smp.DPT}
DILATING = {"deeplabv3", "deeplabv3plus"}  # encoders must trade strides for dilation
SIZE_FOLLOWING = {"unet", "pspnet", "upernet", "segformer"}  # need no halving to the pixel

# timm modules of one resolution throughout.
ISOTROPIC = {
    *("beit", "cait", "convit", "crossvit", "deit", "eva"),
    *("gemma4_vit", "mlp_mixer", "naflexvit", "qwen3_vit", "sequencer", "tnt"),
    *("vision_transformer", "vision_transformer_hybrid", "vision_transformer_relpos"),
    *("vision_transformer_sam", "vitamin", "xcit"),
}
# timm modules whose resolutions neither kind of decoder accepts.
UNSUITED = {
    *(
        "convmixer",
        "csatv2",
        "deepseek_vit",
        "efficientvim",
        "efficientvit_msra",
        "levit",
        "nest",
        "pit",
        "shvit",
    ),
    *("visformer", "volo"),
}
# timm modules without dilation.
UNDILATED = {
    *("coat", "cpubone", "davit", "densenet", "dla", "dpn", "efficientformer"),
    *("efficientformer_v2", "efficientvit_mit", "fasternet", "fastvit", "focalnet", "gcvit"),
    *("ghostnet", "hgnet", "hiera", "hieradet_sam2", "hrnet", "iformer", "inception_resnet_v2"),
    *("inception_v3", "inception_v4", "lcnetv2", "lowformer", "mambaout", "maxxvit"),
    *("metaformer", "mix_transformer", "mvitv2", "nasnet", "nextvit", "pnasnet", "pvt_v2"),
    *("rdnet", "repghost", "repvit", "selecsls", "senet", "starnet", "swiftformer"),
    *("swin_transformer", "swin_transformer_v2", "swin_transformer_v2_cr", "tiny_vit"),
    *("tresnet", "twins", "vgg", "vovnet", "xception"),
}
# timm modules whose unpadded convolutions make resolutions that are no exact halves.
UNPADDED = {"inception_resnet_v2", "inception_v3", "inception_v4", "nasnet", "pnasnet"}
OWN_ENCODERS = [f"mit_b{size}" for size in range(6)]  # the ones that timm lacks
OWN_ENCODER_MODULE = "mix_transformer"
OWN_ENCODER_RULE = Rule(PACKAGE, OWN_ENCODER_MODULE, "mit", "mit", "hierarchical_vit", "")

# Designs that bear the decoder's name alone when they stand on their usual backbone. Decoders that
# the literature knows without one, or with several, always name it.
USUAL_ENCODERS = {
    "deeplabv3": "resnet",
    "deeplabv3plus": "resnet",
    "dpt": "vit",
    "pspnet": "resnet",
    "segformer": "mit",
}

# Other packages call these after MobileNet, whichever its version.
NAMED_ELSEWHERE = {
    f"{decoder}_mobilenetv{version}": f"{decoder}_mobilenet"
    for decoder in ("deeplabv3", "deeplabv3plus", "pspnet")
    for version in (2, 3)
}


def candidates() -> list[Candidate]:
    """The selected pairs, evenly spread in any prefix."""
    cells: dict[tuple[str, str], list[tuple[str, str, str]]] = defaultdict(list)
    for encoder, module, family in _encoders():
        for decoder in _decoders_for(encoder, module):
            cells[decoder, family].append((decoder, encoder, module))
    rounds: list[list[tuple[str, str, str]]] = [[] for _ in range(FAMILY_LIMIT)]
    for cell, pairs in sorted(cells.items()):
        random.Random(f"{SEED} {cell}").shuffle(pairs)
        for turn, pair in zip(rounds, pairs, strict=False):
            turn.append(pair)
    for turn in rounds:
        random.Random(SEED).shuffle(turn)
    return [_candidate(*pair) for turn in rounds for pair in turn][:PAIRS]


def _encoders() -> Iterator[tuple[str, str, str]]:
    """Name, defining module and family of every encoder."""
    rules = read_rules()
    for name in timm.list_models():
        module = timm.models.model_entrypoint(name).__module__.rsplit(".", 1)[-1]
        rule = rule_for({"package": "timm", "module": module, "name": name}, rules)
        if rule is not None and not name.startswith("test_") and module not in UNSUITED:
            yield name, module, rule.family
    for name in OWN_ENCODERS:
        yield name, OWN_ENCODER_MODULE, OWN_ENCODER_RULE.family


def _decoders_for(encoder: str, module: str) -> list[str]:
    if module in ISOTROPIC:
        return [] if "patch14" in encoder else ["dpt"]  # DPT wants strides of powers of two
    if module in UNPADDED:
        return sorted(SIZE_FOLLOWING)
    unfit = DILATING if module in UNDILATED else set()
    if module == OWN_ENCODER_MODULE:
        unfit = unfit | {"linknet", "unetplusplus"}
    return [name for name in PYRAMID_DECODERS if name not in unfit]


def _candidate(decoder: str, encoder: str, module: str) -> Candidate:
    entry = Entry(
        name=f"{decoder}-{encoder}",
        package=PACKAGE,
        package_version=smp.__version__,
        module=f"{decoder}.{module}",
        task="semantic-segmentation",
        kind="composed",
    )
    encoder_name = encoder if encoder in OWN_ENCODERS else f"tu-{encoder}"
    options: dict[str, Any] = {"encoder_weights": None, "classes": 21}
    if decoder == "pan" and module in UNDILATED:
        options["encoder_output_stride"] = 32
    return Candidate(entry, partial(DECODERS[decoder], encoder_name, **options), _input)


def _input(model: torch.nn.Module) -> tuple[Any, ...]:
    """The encoder's own input size, enlarged to a multiple of 32 where it is free."""
    backbone = getattr(model.encoder, "model", None)
    stated = getattr(backbone, "default_cfg", None) or {"input_size": (3, 256, 256)}
    channels, height, width = stated["input_size"]
    if not stated.get("fixed_input_size", False):
        height, width = (-(-side // 32) * 32 for side in (height, width))
    return ((1, channels, height, width),)


def family_rows() -> list[Rule]:
    """The rows that name what is traced: a decoder's name and its encoder's family."""
    rules = [*read_rules(), OWN_ENCODER_RULE]
    found = set()
    for entry in entries():
        if entry["package"] != PACKAGE:
            continue
        decoder, module = entry["module"].split(".")
        encoder = entry["name"].removeprefix(f"{decoder}-")
        package = PACKAGE if module == OWN_ENCODER_MODULE else "timm"
        rule = rule_for({"package": package, "module": module, "name": encoder}, rules)
        if rule is not None:
            found.add(_composed(decoder, rule))
    return sorted(found, key=lambda rule: (rule.module, rule.prefix))


def _composed(decoder: str, encoder: Rule) -> Rule:
    usual = USUAL_ENCODERS.get(decoder) == encoder.family
    named = f"{decoder}_{encoder.family}"
    return Rule(
        package=PACKAGE,
        module=f"{decoder}.{encoder.module}",
        prefix=f"{decoder}-{encoder.prefix}",
        family=decoder if usual else NAMED_ELSEWHERE.get(named, named),
        coarse_family=encoder.coarse_family,
        why="decoder and encoder family",
    )


def write_families() -> None:
    """Replace the package's rows at the end of the table."""
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line.startswith(f"{PACKAGE}\t")]
    made = ["\t".join(astuple(rule)) for rule in family_rows()]
    TABLE.write_text("\n".join([*kept, *made]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:] == ["--families"]:
        write_families()
    else:
        run(PACKAGE, candidates())
