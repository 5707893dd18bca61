"""What can be cleared away under the outputs: what is unfinished, damaged, dead or of an older engine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from bnexp.config import ENGINE
from bnexp.runs.folder import state_of


@dataclass(frozen=True)
class Clutter:
    """A file or a folder that nobody needs."""

    path: Path
    why: str
    size: int
    """Bytes."""

    def remove(self) -> None:
        """Remove it."""
        if self.path.is_dir():
            shutil.rmtree(self.path)
        else:
            self.path.unlink(missing_ok=True)


def clutter(outputs: Path, runs: bool) -> list[Clutter]:
    """What can be cleared away, and with `runs` every finished run, too; not what a command is writing just now.

    A run that goes on from its checkpoint is kept, unfinished as it is.
    """
    found = [item for item in _in(outputs / "runs", runs) if not _written(item.path)]
    return sorted(found, key=lambda item: (item.why, item.path.name))


def _in(folder: Path, runs: bool) -> Iterator[Clutter]:
    if not folder.is_dir():
        return
    finished: set[str] = set()
    checkpoints = {path.name.split(".")[1]: path for path in folder.glob(".*.checkpoint")}
    for path in folder.iterdir():
        if path.name.startswith(".") or not path.is_dir():
            continue
        id = path.name.rpartition("-")[2]
        state = state_of(path, id)
        if state.summary is None:
            if id not in checkpoints:
                yield Clutter(path, f"damaged, {state.damage}" if state.damage else "unfinished", _size(path))
            continue
        finished.add(id)
        engine = _engine(path / "stamp.json")
        if engine != ENGINE:
            yield Clutter(path, f"of engine {engine}, older than this one ({ENGINE})", _size(path))
        elif runs:
            yield Clutter(path, "finished", _size(path))
    for id, path in checkpoints.items():
        if id in finished:
            yield Clutter(path, "checkpoint of a finished run", _size(path))
    for path in folder.glob(".partial-*"):
        yield Clutter(path, "cut short while it was written", _size(path))


def _engine(stamp: Path) -> int:
    """That which trained a finished run; the first left no word of itself."""
    return int(json.loads(stamp.read_text(encoding="utf-8")).get("engine", 1))


def _written(path: Path) -> bool:
    """Whether a command holds the lock of this run."""
    id = path.name.split(".")[1] if path.name.startswith(".") else path.name.rpartition("-")[2]
    lock = path.parent / f".{id}.lock"
    if not lock.exists():
        return False
    try:
        with FileLock(lock).acquire(timeout=0):
            return False
    except Timeout:
        return True


def _size(path: Path) -> int:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)
