"""Lets the tests import their neighbours, and leaves out those that cannot do without torch."""

import importlib.util
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

collect_ignore = []
if importlib.util.find_spec("torch") is None:
    collect_ignore += ["replay.py"]
