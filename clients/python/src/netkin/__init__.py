"""netkin: find a neural network's nearest kin by structure.

This package turns a PyTorch module into a raw graph, the small weight-free JSON document that a
netkin server or the ``netkin`` command compares with its corpus::

    import netkin

    with netkin.skeleton():               # builds the module without allocating its weights
        model = torchvision.models.resnet50()
    graph = netkin.trace(model, (1, 3, 224, 224), name="my resnet")
    graph.save("my-resnet.json")          # then: netkin search my-resnet.json

Importing netkin needs nothing but Python; only :func:`trace` and :func:`skeleton` need PyTorch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netkin.errors import InvalidGraph, MissingTorch, NetkinError, TraceError, UnsupportedInput
from netkin.raw_graph import FORMAT, FORMAT_VERSION, Node, RawGraph, Ref
from netkin.spec import Spec
from netkin.version import __version__

if TYPE_CHECKING:
    from netkin.tracing import skeleton, trace

__all__ = [
    "FORMAT",
    "FORMAT_VERSION",
    "InvalidGraph",
    "MissingTorch",
    "NetkinError",
    "Node",
    "RawGraph",
    "Ref",
    "Spec",
    "TraceError",
    "UnsupportedInput",
    "__version__",
    "skeleton",
    "trace",
]


def __getattr__(name: str) -> Any:
    """Import the tracer on first use, so that ``import netkin`` works without PyTorch."""
    if name not in ("trace", "skeleton"):
        raise AttributeError(f"module 'netkin' has no attribute {name!r}")
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise MissingTorch(
            f"netkin.{name} needs PyTorch: install it with \"pip install 'netkin[torch]'\""
        ) from error
    from netkin import tracing

    return getattr(tracing, name)
