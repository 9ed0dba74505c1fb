"""Leaves the tracer's own examples out where torch is missing; the tests skip themselves."""

import importlib.util

collect_ignore_glob = []
if importlib.util.find_spec("torch") is None:
    collect_ignore_glob += ["src/netkin/tracing/*"]
