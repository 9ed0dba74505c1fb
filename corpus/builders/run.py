"""Traces a package's architectures into ``corpus/build/<package>.jsonl``, one line each.

A run may be stopped at any moment and started again: lines are written whole, ids that are present
are skipped. A worker process traces, and this process only waits, so that no architecture can end
the run: one that takes too long or too much memory is recorded as failed and the worker replaced.
"""

from __future__ import annotations

import argparse
import contextlib
import fnmatch
import json
import multiprocessing
import os
import resource
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from netkin import skeleton, trace

TIME_LIMIT_S = 120  # of processor time
WAIT_LIMIT_S = 1_800  # for a worker that hangs without computing
POLL_S = 2
MEMORY_LIMIT_BYTES = 6 << 30
NODE_LIMIT = 20_000
WORKER_RENEWAL_BYTES = 2 << 30  # a worker that has grown beyond this is replaced between models
BUILD_FOLDER = Path(__file__).parent.parent / "build"


@dataclass(frozen=True)
class Entry:
    """What the corpus says about an architecture besides its graph."""

    name: str
    package: str
    package_version: str
    module: str  # the package's own module that defines the architecture
    task: str
    input_shapes: list[list[int]] = field(default_factory=list)
    paper: str = ""  # arXiv id, when the package states one
    licence: str = ""  # SPDX id, when the package states one
    framework: str = "torch"
    kind: str = "published"

    @property
    def id(self) -> str:
        """``package/name``, unique in the corpus."""
        return f"{self.package}/{self.name}"

    def to_dict(self) -> dict[str, Any]:
        """The ``entry`` object of a line."""
        return {"id": self.id, **asdict(self)}


@dataclass(frozen=True)
class Candidate:
    """An architecture to trace: its entry, how to build it, and what to call it with.

    ``inputs`` makes a tuple of positional arguments or a dict of keyword arguments.
    """

    entry: Entry
    build: Callable[[], torch.nn.Module]
    inputs: Callable[[torch.nn.Module], tuple[Any, ...] | dict[str, Any]]


def run(package: str, candidates: list[Candidate]) -> None:
    """Trace every candidate that the package's file lacks, then print the summary."""
    options = _options(package)
    path = options.folder / f"{package}.jsonl"
    options.folder.mkdir(parents=True, exist_ok=True)
    _drop_torn_line(path)
    if options.retry_failures:
        _drop_failures(path)
    present = {line["entry"]["id"] for line in _lines(path)}
    wanted = [
        candidate
        for candidate in candidates
        if candidate.entry.id not in present and fnmatch.fnmatch(candidate.entry.name, options.only)
    ]
    print(f"{package}: {len(candidates)} names, {len(present)} present, {len(wanted)} to trace")
    _trace_all(wanted, path)
    _print_summary(package, candidates, path)


def _options(package: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=f"Trace every architecture of {package}.")
    parser.add_argument("--only", default="*", help="trace only names that match this pattern")
    parser.add_argument("--folder", type=Path, default=BUILD_FOLDER, help="where the file goes")
    parser.add_argument("--retry-failures", action="store_true", help="trace failed names again")
    return parser.parse_args()


def _trace_all(candidates: list[Candidate], path: Path) -> None:
    started = time.monotonic()
    worker = None
    with path.open("ab", buffering=0) as file:
        for done, candidate in enumerate(candidates, 1):
            worker = worker or _Worker(candidates)
            line = worker.trace(done - 1)
            if not worker.is_fit():
                worker.stop()
                worker = None
            file.write(line)  # one write, so the file never holds half a line
            _print_progress(candidate, line, done, len(candidates), time.monotonic() - started)
    if worker is not None:
        worker.stop()


def _print_progress(candidate: Candidate, line: bytes, done: int, total: int, s: float) -> None:
    failed = b'"error":' in line[:2000]
    if failed or done % 20 == 0 or done == total:
        state = "failed" if failed else "traced"
        print(f"[{done}/{total}] {s:.0f} s  {candidate.entry.id} {state}", flush=True)


class _Worker:
    """A child process that traces candidates one after another."""

    def __init__(self, candidates: list[Candidate]) -> None:
        context = multiprocessing.get_context("fork")  # candidates hold functions: no pickling
        self._candidates = candidates
        self._pipe, theirs = context.Pipe()
        ends = (self._pipe, theirs)
        self._process = context.Process(target=_serve, args=(candidates, *ends), daemon=True)
        self._process.start()
        theirs.close()

    def trace(self, index: int) -> bytes:
        """The line of one candidate, whatever happens to it."""
        entry = self._candidates[index].entry
        try:
            deadline = self._cpu_s() + TIME_LIMIT_S
            self._pipe.send(index)
            gives_up = time.monotonic() + WAIT_LIMIT_S
            while self._cpu_s() < deadline and time.monotonic() < gives_up:
                if self._pipe.poll(POLL_S):
                    return self._pipe.recv_bytes()
            reason = f"took longer than {TIME_LIMIT_S} s"
        except (EOFError, OSError):
            reason = "the worker process died, probably of memory"
        self.stop()
        return _line({"entry": entry.to_dict(), "error": reason})

    def _cpu_s(self) -> float:
        """Processor time that the worker has used: on a busy machine waiting is no fault of it."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def is_fit(self) -> bool:
        """Whether the process lives and is small enough to go on."""
        if not self._process.is_alive():
            return False
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") < WORKER_RENEWAL_BYTES

    def stop(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()
        self._pipe.close()


def _serve(candidates: list[Candidate], parents_end: Connection, pipe: Connection) -> None:
    parents_end.close()  # so that the pipe ends, and this process with it, when the parent does
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
    torch.set_num_threads(1)
    with contextlib.suppress(EOFError):
        while True:
            pipe.send_bytes(_trace(candidates[pipe.recv()]))


def _trace(candidate: Candidate) -> bytes:
    entry = candidate.entry.to_dict()
    try:
        with skeleton():
            model = candidate.build()
        inputs = candidate.inputs(model)
        positional, keywords = ((), inputs) if isinstance(inputs, dict) else (inputs, {})
        graph = trace(model, *positional, name=candidate.entry.name, **keywords).to_dict()
    except Exception as error:
        return _line({"entry": entry, "error": _reason(error)})
    if len(graph["nodes"]) > NODE_LIMIT:
        return _line({"entry": entry, "error": f"more than {NODE_LIMIT} nodes"})
    shapes = [node["shapes"][0] for node in graph["nodes"] if node["op"] == "input"]
    return _line({"entry": entry | {"input_shapes": shapes}, "graph": graph})


def _reason(error: Exception) -> str:
    place = traceback.extract_tb((error.__cause__ or error).__traceback__)[-1]
    text = " ".join(str(error).split())[:400]
    return f"{type(error).__name__}: {text} ({Path(place.filename).name}:{place.lineno})"


def _line(document: dict[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            yield json.loads(line)


def _drop_torn_line(path: Path) -> None:
    """A run killed while writing may leave a last line without an end."""
    if not path.exists():
        return
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(path, whole)


def _drop_failures(path: Path) -> None:
    kept = b"".join(_line(line) for line in _lines(path) if "graph" in line)
    replacement = path.with_suffix(".tmp")
    replacement.write_bytes(kept)
    replacement.replace(path)


def _print_summary(package: str, candidates: list[Candidate], path: Path) -> None:
    lines = list(_lines(path))
    failures = [line for line in lines if "error" in line]
    print(
        f"\n{package}: {len(candidates)} names, {len(lines) - len(failures)} traced, "
        f"{len(failures)} failed"
    )
    for line in failures:
        print(f"  {line['entry']['id']}: {line['error']}")
    repeated = [i for i, n in Counter(line["entry"]["id"] for line in lines).items() if n > 1]
    if repeated:
        sys.exit(f"ids that appear twice: {', '.join(repeated)}")
