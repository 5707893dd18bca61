"""`reuse=true`, finished runs taken over from records, and `bnexp report --partial`, on what there is."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Command
from test_resume import finish

EXPERIMENT = """# @package _global_
experiment: mine
title: "Mine"
claims: [accuracy]
steps: 4
evaluations: 1
model: {depth: 1, width: 4}
norm: {batches: 1}
hydra:
  mode: MULTIRUN
  sweeper:
    params: {norm: "none,batch", seed: "0,1"}
"""

RUN = ("run", "--config-dir=mine", "experiment=mine", "data=digits")
PARTLY = ("report", "--partial", "--config-dir=mine", "mine", "data=digits")
REPORT = Path("results", "laptop", "digits", "mine")
RECORDS = REPORT / "records"
PARTIAL = Path("results", "laptop", "digits", "partial", "mine")


def written(folder: Path) -> Path:
    """A folder with the file of an experiment of the user's."""
    (folder / "mine" / "experiment").mkdir(parents=True)
    (folder / "mine" / "experiment" / "mine.yaml").write_text(EXPERIMENT)
    return folder


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    return written(tmp_path)


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory, spawn: Callable[..., subprocess.Popen[str]]) -> Path:
    """A folder in which it has been run."""
    folder = written(tmp_path_factory.mktemp("once"))
    finish(spawn(folder, *RUN))
    return folder


@pytest.fixture
def ran(mine: Path, once: Path) -> Path:
    """The same, to be changed."""
    for name in ("outputs", "results"):
        shutil.copytree(once / name, mine / name, symlinks=True)
    return mine


def runs(folder: Path = RECORDS) -> dict[str, dict[str, Any]]:
    """By id: what the records say of the runs."""
    head = json.loads((folder / "runs.json").read_text())
    for run in head["runs"]:
        run["summary"]["stamp"] = head["common"]["stamp"] | run["summary"]["stamp"]
    return {run["id"]: run for run in head["runs"]}


def made_elsewhere(*, commit: str = "0123456789abcdef", data: str = "") -> None:
    """Let the records be those of another machine, which has no outputs here."""
    head = json.loads((RECORDS / "runs.json").read_text())
    for run in head["runs"]:
        stamp = run["summary"]["stamp"] = head["common"]["stamp"] | run["summary"]["stamp"]
        stamp["git_commit"] = commit
        stamp["data_sha256"] = {name: data or digest for name, digest in stamp["data_sha256"].items()}
    (RECORDS / "runs.json").write_text(json.dumps(head))
    shutil.rmtree("outputs")


def trained() -> list[str]:
    return sorted(path.parent.name for path in Path("outputs", "runs").glob("*/summary.json"))


@pytest.mark.parametrize("launcher", [(), ("hydra/launcher=basic",)], ids=["ours", "basic"])
def test_runs_of_the_same_id_are_taken_over_and_keep_their_commit(
    command: Command, ran: Path, launcher: tuple[str, ...]
) -> None:
    before = runs()
    assert command(*RUN, "seed=0").code == 0  # altered: not the experiment's records
    assert runs() == before
    made_elsewhere()
    said = command(*RUN, "reuse=true", *launcher)
    assert said.code == 0, said.err
    each = 1 if launcher else 4
    what = "1 run is" if launcher else "4 runs are"
    assert f"{what} taken over from {RECORDS}, made at commit 0123456789 ({each})." in said.err
    assert trained() == []
    assert {run["summary"]["stamp"]["git_commit"] for run in runs().values()} == {"0123456789abcdef"}
    assert {id: run["summary"]["accuracy"] for id, run in runs().items()} == {
        id: run["summary"]["accuracy"] for id, run in before.items()
    }


def test_only_what_is_missing_is_trained_and_each_run_keeps_its_own_commit(command: Command, ran: Path) -> None:
    known = set(runs())
    made_elsewhere()
    file = ran / "mine" / "experiment" / "mine.yaml"
    file.write_text(EXPERIMENT.replace('seed: "0,1"', 'seed: "0,1,2"'))
    assert "2 of 6 runs to train" in " ".join(command(*RUN, "reuse=true", "dry_run=true").out.split())
    said = command(*RUN, "reuse=true")
    assert said.code == 0, said.err
    assert "4 runs are taken over" in said.err
    assert [name.split("-")[-2] for name in trained()] == ["seed2", "seed2"]
    commits = {id: run["summary"]["stamp"]["git_commit"] for id, run in runs().items()}
    assert {id for id, commit in commits.items() if commit == "0123456789abcdef"} == known
    assert len(commits) == 6


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("none", f"there are no records in {RECORDS}."),
        ("steps", f"{RECORDS} has none of the runs that are missing."),
        ("data", f"of 4 runs in {RECORDS} the data is other than here; trained anew."),
    ],
)
def test_what_is_not_the_same_is_trained_and_said(command: Command, ran: Path, change: str, sentence: str) -> None:
    made_elsewhere(data="0" * 64 if change == "data" else "")
    if change == "none":
        shutil.rmtree("results")
    said = command(*RUN, "reuse=true", *(["steps=5"] if change == "steps" else []))
    assert said.code == 0, said.err
    assert sentence in said.err
    assert len(trained()) == 4


def test_without_it_or_without_an_experiment_records_are_no_runs(command: Command, ran: Path) -> None:
    made_elsewhere()
    assert "4 of 4 runs to train" in " ".join(command(*RUN, "dry_run=true").out.split())
    said = command("run", "reuse=true", "data=digits")
    assert (said.code, "add experiment=NAME" in said.line) == (2, True)


def test_damaged_records_are_not_taken_over(command: Command, ran: Path) -> None:
    made_elsewhere()
    (RECORDS / "metrics.csv.gz").write_bytes(b"")
    said = command(*RUN, "reuse=true")
    assert said.code == 1
    assert "metrics.csv.gz is damaged" in said.line
    assert said.line.endswith("or leave it out")


# `bnexp report --partial`


def test_a_part_of_an_experiment_is_reported_as_such_beside_the_whole(command: Command, mine: Path) -> None:
    said = command(*PARTLY)
    assert said.code == 1
    assert "no run of mine at scale laptop is finished, neither in outputs/runs nor" in said.line
    assert command(*RUN, "seed=0").code == 0
    said = command(*PARTLY)
    assert said.code == 0, said.err
    assert len(trained()) == 2
    assert json.loads((PARTIAL / "verdict.json").read_text())["partial"] == {"finished": 2, "planned": 4}
    assert "2 of 4 runs" in (PARTIAL / "README.md").read_text()
    assert not REPORT.exists()
    assert "digits, laptop, partial (2 of 4 runs)" in command("list", "--config-dir=mine").out


def test_runs_are_taken_over_from_the_report_of_a_part_of_them(command: Command, ran: Path) -> None:
    gone = next(Path("outputs", "runs").glob("*seed1*"))
    shutil.rmtree(gone)
    shutil.rmtree("results")
    assert command(*PARTLY).code == 0
    shutil.rmtree("outputs")
    said = command(*RUN, "reuse=true")
    assert said.code == 0
    assert f"3 runs are taken over from {PARTIAL / 'records'}" in said.err
    assert len(trained()) == 1


def test_flags_of_a_partial_report_may_be_words_of_their_own(command: Command, ran: Path) -> None:
    words = ("report", "--partial", "mine", "-cd", "mine", "data=digits", "--results", "elsewhere")
    assert command(*words).code == 0
    assert Path("elsewhere", "laptop", "digits", "mine", "verdict.json").exists()


def test_the_whole_report_takes_the_place_of_the_partial_one(command: Command, mine: Path) -> None:
    assert command(*RUN, "seed=0").code == 0
    assert command(*PARTLY).code == 0
    said = command(*RUN)
    assert f"Removed: {PARTIAL}" in said.out
    assert not PARTIAL.exists()
    assert command(*PARTLY).code == 0  # nothing is missing
    assert not PARTIAL.exists()
    assert "partial" not in json.loads((REPORT / "verdict.json").read_text())


def test_runs_that_are_only_in_records_count_for_it(command: Command, ran: Path) -> None:
    made_elsewhere()
    (ran / "mine" / "experiment" / "mine.yaml").write_text(EXPERIMENT.replace('seed: "0,1"', 'seed: "0,1,2"'))
    assert command(*PARTLY).code == 0
    assert set(runs(PARTIAL / "records")) == set(runs())


def test_it_wants_the_name_of_an_experiment(command: Command, mine: Path) -> None:
    said = command("report", "--partial")
    assert (said.code, "of which experiment? bnexp report --partial NAME" in said.line) == (2, True)
    said = command("report", "--partial", "nosuch")
    assert (said.code, "there is no experiment=nosuch" in said.line) == (2, True)
