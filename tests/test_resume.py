"""Interrupted, killed, started twice: the same results as if it had run once and undisturbed."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Spawn = Callable[..., subprocess.Popen[str]]

SWEEP = (
    *("run", "-m", "norm=none,batch", "model.dropout=0,0.3", "seed=0,1", "data=digits", "evaluations=12"),
    *("steps=1500", "processes=2"),
)


def results(outputs: Path) -> dict[str, tuple[Any, ...]]:
    """What must not depend on interruptions, by run."""
    found = {}
    for folder in sorted((outputs / "runs").iterdir()):
        if not folder.name.startswith("."):
            with np.load(folder / "activations.npz") as stored:
                activations = {name: stored[name].tobytes() for name in stored.files}
            summary = json.loads((folder / "summary.json").read_text())
            del summary["seconds"], summary["sha256"]  # the stamp has the time
            found[folder.name] = ((folder / "metrics.csv").read_text(), activations, summary)
    return found


def finish(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    return out + err


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def rows(outputs: Path, since: float) -> int:
    """Evaluations written after a time."""
    tables = [path for path in (outputs / "runs").glob("*/metrics.csv") if path.stat().st_mtime > since]
    return sum(len(path.read_text().splitlines()) - 1 for path in tables)


@pytest.fixture(scope="module")
def whole(spawn: Spawn, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The outputs of the command undisturbed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    finish(spawn(folder, *SWEEP, "outputs=whole"))
    return folder / "whole"


def test_killed_and_interrupted_it_ends_as_if_undisturbed(spawn: Spawn, tmp_path: Path, whole: Path) -> None:
    cut = tmp_path / "cut"
    for blow in (signal.SIGKILL, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        since = time.time()
        process = spawn(tmp_path, *SWEEP, "outputs=cut")
        until(lambda since=since: rows(cut, since) >= 8)
        process.send_signal(blow)
        process.communicate(timeout=60)
        assert process.returncode == (-signal.SIGKILL if blow == signal.SIGKILL else 130)
        if blow != signal.SIGKILL:
            states = [json.loads(path.read_text())["status"] for path in cut.rglob("summary.json")]
            assert "interrupted" in states
    finish(spawn(tmp_path, *SWEEP, "outputs=cut"))
    assert results(cut) == results(whole)


def test_finished_runs_are_left_alone_and_a_missing_one_comes_out_the_same(
    spawn: Spawn, tmp_path: Path, whole: Path
) -> None:
    before = results(whole)
    summaries = sorted((whole / "runs").glob("*/summary.json"))
    ages = {path: path.stat().st_mtime_ns for path in summaries}
    assert "All runs are there already" in finish(spawn(whole.parent, *SWEEP, "outputs=whole"))
    summaries[2].unlink()
    assert "7 of 8 runs are there already" in finish(spawn(whole.parent, *SWEEP, "outputs=whole"))
    assert results(whole) == before
    assert [path for path in summaries if path.stat().st_mtime_ns != ages[path]] == [summaries[2]]


def test_two_commands_at_once_train_every_run_once(spawn: Spawn, tmp_path: Path, whole: Path) -> None:
    both = [spawn(tmp_path, *SWEEP, "outputs=both"), spawn(tmp_path, *SWEEP, "outputs=both")]
    said = [finish(process) for process in both]
    assert any("another command is training them" in text for text in said)
    assert results(tmp_path / "both") == results(whole)
