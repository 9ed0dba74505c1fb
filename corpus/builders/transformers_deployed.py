"""The deployed form of transformers' re-parameterised networks.

Parallel convolutions, each with its normalisation, sum to one convolution with a bias. Models are
trained with the branches and deployed with the sum, but the package has no function that makes it:
what follows does so in structure, weights are of no interest here.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn


def has_branches(model: nn.Module) -> bool:
    """Whether a part of the model has a deployed form."""
    return any(_fusion(part) is not None for part in model.modules())


def deploy(model: nn.Module) -> nn.Module:
    """Put one convolution in the place of parallel ones, wherever the model has such."""
    for name, part in list(model.named_modules()):
        fuse = _fusion(part)
        if fuse is not None:
            model.set_submodule(name, fuse(part))
    return model


def defines_branches(names: list[str]) -> bool:
    """Whether one of these names of classes is that of a part with a deployed form."""
    return any(name.endswith(ending) for name in names for ending in _FUSIONS)


def _fusion(part: nn.Module) -> Callable[[nn.Module], nn.Module] | None:
    name = type(part).__name__
    found = [fuse for ending, fuse in _FUSIONS.items() if name.endswith(ending)]
    return found[0] if found and _is_parallel(part) else None


def _is_parallel(part: nn.Module) -> bool:
    """Some blocks are called after RepVGG, but run their two convolutions one after the other."""
    first, second = getattr(part, "conv1", None), getattr(part, "conv2", None)
    return first is None or first.conv.kernel_size != second.conv.kernel_size


def _sum(largest: nn.Conv2d) -> nn.Conv2d:
    """The convolution that parallel ones sum to: their largest, with a bias."""
    return nn.Conv2d(
        largest.in_channels,
        largest.out_channels,
        largest.kernel_size,
        largest.stride,
        largest.padding,
        largest.dilation,
        largest.groups,
    )


def _repvgg(block: nn.Module) -> nn.Module:
    return nn.Sequential(_sum(block.conv1.conv), block.activation)


def _pp_lcnet(layer: nn.Module) -> nn.Module:
    """The learnable scales around the activation stay: they are no part of the sum."""
    layer.conv_symmetric = nn.ModuleList([_sum(layer.conv_symmetric[0].convolution)])
    layer.conv_small_symmetric = layer.identity = None
    return layer


def _text_net(layer: nn.Module) -> nn.Module:
    """Beside the square kernel there are a row and a column, each as long as its side."""
    return nn.Sequential(_sum(layer.main_conv), layer.activation_function)


def _mixer(mixer: nn.Module) -> nn.Module:
    """All of FastViT's mixer is one convolution: skip, reference and layer scale go into it."""
    return _sum(mixer.mixer.conv)


_FUSIONS: dict[str, Callable[[nn.Module], nn.Module]] = {
    "RepVggBlock": _repvgg,
    "RepVGGBlock": _repvgg,
    "LearnableRepLayer": _pp_lcnet,
    "TextNetRepConvLayer": _text_net,
    "RepMixer": _mixer,
}
