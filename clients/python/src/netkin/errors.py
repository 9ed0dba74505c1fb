"""What can go wrong in this package, one class for each thing a caller could do differently."""

from __future__ import annotations


class NetkinError(Exception):
    """The base of every error that this package raises on purpose."""


class MissingTorch(NetkinError, ImportError):
    """PyTorch is needed for this call and is not installed."""


class UnsupportedInput(NetkinError, TypeError):
    """An argument of :func:`netkin.trace` is not something that can be traced."""


class TraceError(NetkinError, RuntimeError):
    """The module's forward failed, or nothing that it returned depends on its inputs.

    ``module_path`` names the submodule whose code was running, in the form of
    ``named_modules()``; it is empty for the module itself.
    """

    def __init__(self, message: str, module_path: str = "") -> None:
        super().__init__(message)
        self.module_path = module_path


class InvalidGraph(NetkinError, ValueError):
    """A raw graph breaks a rule of the ``netkin-graph`` format."""
