"""`bnexp clean`: what is listed, what is removed, and what is kept whatever one says."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from conftest import Command

from bnexp.config import ENGINE
from bnexp.files import locked

FINISHED, UNFINISHED, GOING_ON, OLDER, DAMAGED = ("mnist-batch-lr0.1-seed0-" + digit * 12 for digit in "abcde")


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A folder with a run of each kind."""
    folder = tmp_path / "outputs" / "runs"
    for name, status, engine in (
        (FINISHED, "ok", ENGINE),
        (UNFINISHED, "interrupted", ENGINE),
        (GOING_ON, "interrupted", ENGINE),
        (OLDER, "diverged", ENGINE - 1),
        (DAMAGED, "ok", ENGINE),
    ):
        (folder / name).mkdir(parents=True)
        digests = {"metrics.csv": "0" * 64} if name == DAMAGED else {}
        summary = {"id": name[-12:], "status": status, "sha256": digests}
        (folder / name / "summary.json").write_text(json.dumps(summary))
        (folder / name / "stamp.json").write_text(json.dumps({"engine": engine}))
    for run in (FINISHED, GOING_ON):
        (folder / f".{run[-12:]}.checkpoint").write_bytes(bytes(2_000_000))
    return folder


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.endswith(".lock")}


ALWAYS_KEPT = {GOING_ON, f".{GOING_ON[-12:]}.checkpoint"}


def test_what_is_of_no_use_goes_and_finished_runs_stay(command: Command, runs: Path) -> None:
    result = command("clean", "--yes")
    assert result.code == 0
    assert left(runs) == {FINISHED, *ALWAYS_KEPT}
    assert f"{DAMAGED}: damaged, metrics.csv is gone" in result.out
    for line in (f"{UNFINISHED}: unfinished", f"{OLDER}: of engine {ENGINE - 1}", "2.0 MB  .aaaaaaaaaaaa.checkpoint"):
        assert line in result.out
    assert "There is nothing to clear away" in command("clean").out


def test_finished_runs_go_if_they_are_asked_for(command: Command, runs: Path) -> None:
    assert command("clean", "--yes", "--runs").code == 0
    assert left(runs) == ALWAYS_KEPT


@pytest.mark.parametrize("answer", ["n\n", "", "perhaps\n"])
def test_without_a_yes_nothing_is_removed(
    command: Command, runs: Path, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    before = left(runs)
    monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
    assert "Nothing was removed." in command("clean", "--runs").out
    assert left(runs) == before


def test_what_another_command_writes_is_left_alone(command: Command, runs: Path) -> None:
    with locked([runs / UNFINISHED[-12:]], lambda: None):
        assert command("clean", "--yes").code == 0
    assert UNFINISHED in left(runs)
