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
    *("run", "-m", "norm=none,batch", "lr=0.1,0.5", "seed=0,1", "data=digits", "evaluations=12"),
    *("steps=6000", "processes=2"),
)


def results(outputs: Path) -> dict[str, tuple[Any, ...]]:
    """What must not depend on interruptions, by run."""
    found = {}
    for folder in sorted((outputs / "runs").iterdir()):
        if not folder.name.startswith("."):
            with np.load(folder / "activations.npz") as stored:
                activations = {name: stored[name].tobytes() for name in stored.files}
            summary = json.loads((folder / "summary.json").read_text())
            del summary["seconds"]
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


def rows(outputs: Path) -> int:
    return sum(len(path.read_text().splitlines()) - 1 for path in (outputs / "runs").glob("*/metrics.csv"))


@pytest.fixture
def undisturbed(spawn: Spawn, tmp_path: Path) -> dict[str, tuple[Any, ...]]:
    finish(spawn(*SWEEP, "outputs=whole"))
    return results(tmp_path / "whole")


def test_killed_and_interrupted_it_ends_as_if_undisturbed(
    spawn: Spawn, tmp_path: Path, undisturbed: dict[str, tuple[Any, ...]]
) -> None:
    cut = tmp_path / "cut"
    for blow in (signal.SIGKILL, signal.SIGINT, signal.SIGTERM):
        process = spawn(*SWEEP, "outputs=cut")
        until(lambda: rows(cut) >= 8 or process.poll() is not None)
        process.send_signal(blow)
        process.communicate(timeout=60)
        assert process.returncode == (-signal.SIGKILL if blow == signal.SIGKILL else 130)
        if blow != signal.SIGKILL:
            states = [json.loads(path.read_text())["status"] for path in cut.rglob("summary.json")]
            assert "interrupted" in states
    finish(spawn(*SWEEP, "outputs=cut"))
    assert results(cut) == undisturbed


def test_finished_runs_are_left_alone_and_a_missing_one_comes_out_the_same(
    spawn: Spawn, tmp_path: Path, undisturbed: dict[str, tuple[Any, ...]]
) -> None:
    summaries = sorted((tmp_path / "whole" / "runs").glob("*/summary.json"))
    ages = {path: path.stat().st_mtime_ns for path in summaries}
    assert "All runs are there already" in finish(spawn(*SWEEP, "outputs=whole"))
    summaries[2].unlink()
    assert "7 of 8 runs are there already" in finish(spawn(*SWEEP, "outputs=whole"))
    assert results(tmp_path / "whole") == undisturbed
    assert [path for path in summaries if path.stat().st_mtime_ns != ages[path]] == [summaries[2]]


def test_two_commands_at_once_train_every_run_once(
    spawn: Spawn, tmp_path: Path, undisturbed: dict[str, tuple[Any, ...]]
) -> None:
    both = [spawn(*SWEEP, "outputs=both"), spawn(*SWEEP, "outputs=both")]
    said = [finish(process) for process in both]
    assert any("another command is training them" in text for text in said)
    assert results(tmp_path / "both") == undisturbed
