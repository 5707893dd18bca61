"""`bnexp clean`: what is listed, what is removed, and what is kept whatever one says."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
import torch
from conftest import Command

from bnexp.config import ENGINE
from bnexp.files import locked
from bnexp.runs.checkpoint import LAYOUT

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
    (folder / f".{FINISHED[-12:]}.checkpoint").write_bytes(bytes(2_000_000))
    keep(folder / f".{GOING_ON[-12:]}.checkpoint")
    return folder


def keep(path: Path, layout: int = LAYOUT) -> None:
    """A checkpoint of the run at the end of its name."""
    torch.save({"layout": layout, "id": path.name.removesuffix(".checkpoint")[-12:], "state": {}}, path)


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


def test_checkpoints_that_nobody_goes_on_from_are_dead(command: Command, runs: Path) -> None:
    of_no_run, damaged, older = (runs / f".{digit * 12}.checkpoint" for digit in "f12")
    earlier = runs / f".mnist-batch-lr0.1-seed0-{'3' * 12}.checkpoint"
    for path in (damaged, older, earlier):
        (runs / f"mnist-batch-lr0.1-seed0-{path.name.removesuffix('.checkpoint')[-12:]}").mkdir()
    keep(of_no_run)
    damaged.write_bytes(b"PK")
    keep(older, LAYOUT - 1)
    keep(earlier, LAYOUT - 1)
    said = command("clean", "--yes").out
    assert left(runs) == {FINISHED, *ALWAYS_KEPT}
    for line in (
        f"{of_no_run.name}: checkpoint of no run",
        f"{damaged.name}: checkpoint, damaged",
        f"{older.name}: checkpoint, of another version of bnexp",
        f"{earlier.name}: checkpoint, of another version of bnexp",
        f"{'3' * 12}: unfinished",
    ):
        assert line in said


def test_a_checkpoint_that_is_being_written_is_left_alone(command: Command, runs: Path) -> None:
    partial = runs / f".partial-1-.{'4' * 12}.checkpoint"
    partial.write_bytes(b"PK")
    with locked([runs / ("4" * 12)], lambda: None):
        assert command("clean", "--yes").code == 0
        assert partial.exists()
    assert command("clean", "--yes").code == 0
    assert not partial.exists()


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


def test_one_is_asked_about_one(command: Command, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command("clean", "--yes")
    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    assert "Remove this one (" in command("clean", "--runs").out


def test_what_another_command_writes_is_left_alone(command: Command, runs: Path) -> None:
    with locked([runs / UNFINISHED[-12:]], lambda: None):
        assert command("clean", "--yes").code == 0
    assert UNFINISHED in left(runs)
