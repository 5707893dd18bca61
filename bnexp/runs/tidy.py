"""What can be cleared away under the outputs: what is unfinished, damaged, dead or of an older engine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path

from bnexp.config import ENGINE
from bnexp.files import is_locked
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
    items = [item for item in _in(outputs / "runs", runs) if not is_locked(item.path.with_name(_id(item.path)))]
    return sorted(items, key=lambda item: (item.why, item.path.name))


def _in(folder: Path, runs: bool) -> Iterator[Clutter]:
    if not folder.is_dir():
        return
    folders = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    states = {path: state_of(path, _id(path)) for path in folders}
    finished = {_id(path): state.summary is not None for path, state in states.items()}
    going_on: set[str] = set()
    for path in folder.glob(".*.checkpoint"):
        if path.name.startswith(".partial-"):
            continue
        fault = "checkpoint of a finished run" if finished.get(_id(path)) else _fault(path, finished)
        if fault:
            yield Clutter(path, fault, _size(path))
        else:
            going_on.add(_id(path))
    for path, state in states.items():
        if state.summary is None:
            if _id(path) not in going_on:
                yield Clutter(path, f"damaged, {state.damage}" if state.damage else "unfinished", _size(path))
            continue
        engine = _engine(path / "stamp.json")
        if engine != ENGINE:
            yield Clutter(path, f"of engine {engine}, older than this one ({ENGINE})", _size(path))
        elif runs:
            yield Clutter(path, "finished", _size(path))
    for path in folder.glob(".partial-*"):
        yield Clutter(path, "cut short while it was written", _size(path))


def _id(path: Path) -> str:
    """That of the run, at the end of the name of its folder, and of its checkpoint's in every version."""
    return path.name.removesuffix(".checkpoint")[-12:]


def _fault(checkpoint: Path, known: Container[str]) -> str:
    """Why a checkpoint is none that a run goes on from; nothing where it is one."""
    from bnexp.runs.checkpoint import read  # imports PyTorch

    if _id(checkpoint) not in known:
        return "checkpoint of no run"
    try:
        read(checkpoint, _id(checkpoint), "cpu")
    except ValueError as error:
        return f"checkpoint, {error}"
    return ""


def _engine(stamp: Path) -> int:
    """That which trained a finished run; the first left no word of itself."""
    return int(json.loads(stamp.read_text(encoding="utf-8")).get("engine", 1))


def _size(path: Path) -> int:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)
