"""Lets the tests import their neighbours, and skips the torch ones where torch is missing."""

import importlib.util
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

collect_ignore_glob = []
if importlib.util.find_spec("torch") is None:
    collect_ignore_glob += ["../src/netkin/tracing/*"]
