"""Killed at its k-th call that changes a file, with what a power cut loses, a run is finished or it is not.

As SQLite is tested: every eleventh k here, all of them and all losses by `make crash`.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from crash import LOSSES, Warm

from bnexp import data
from bnexp.config import Config, DataConfig, InitConfig, ModelConfig, NormConfig, RunConfig
from bnexp.launch import worker
from bnexp.launch.sink import RunSink
from bnexp.launch.stacks import Settings, Stack
from bnexp.machine import prepare
from bnexp.report.conclude import conclude
from bnexp.runs import records
from bnexp.runs.folder import RunFolder

DIGITS = DataConfig(name="digits", examples=1297, root="")
MLP = RunConfig(steps=3, batch=20, evaluations=2, data=DIGITS, model=ModelConfig(depth=1, width=8))
MLP.norm = NormConfig(batches=1)
SINGLE = replace(
    MLP,
    init=InitConfig("he", 1.0),
    model=ModelConfig("inception_small", activation="relu", modules=["3a"], multiplier=0.0625, dropout=0.1),
)
SCENARIOS = {
    "one run": (MLP,),
    "one stack": tuple(replace(MLP, seed=seed) for seed in range(3)),
    "one network with checkpoints": (replace(SINGLE, steps=4),),
}


def import_and_load() -> None:
    """Before the children are forked: what takes long, and a stamp that is always the same."""
    prepare(1)
    data.load(DIGITS)
    worker.stamp = lambda *_: {"command": "bnexp run", "git_commit": None, "data_sha256": {}, "started": "now"}


def train(outputs: Path, runs: Sequence[RunConfig]) -> list[str]:
    """Train a stack; the notices. Notes beside the outputs which runs are finished as far as the program knows."""
    notices: list[str] = []
    settings = Settings("cpu", 1, 1, False, str(outputs), "bnexp", checkpoint=2, patience=600)
    finish = RunSink.finish

    def noted(sink: RunSink) -> None:
        finish(sink)
        with outputs.with_suffix(".finished").open("a") as file:
            file.write(f"{sink.folder.id}\n")

    RunSink.finish = noted  # type: ignore[method-assign]
    worker.train_stack(Stack(tuple(runs)), settings, lambda kind, text: notices.append(f"{kind}: {text}"))
    return [text for text in notices if not text.startswith(("step", "evaluating"))]


def found(outputs: Path, runs: Sequence[RunConfig]) -> dict[str, Any]:
    """By id: what is damaged, or the files of a finished run, or nothing."""
    contents: dict[str, Any] = {}
    for folder in (RunFolder(outputs, run) for run in runs):
        state = folder.state()
        names = ("config.yaml", "metrics.csv", "activations.npz") if state.summary else ()
        contents[folder.id] = state.damage or {name: (folder.path / name).read_bytes() for name in names}
    return contents


@pytest.fixture(scope="module")
def warm() -> Iterator[Warm]:
    process = Warm(import_and_load)
    yield process
    process.close()


def kills(calls: int, every: int) -> Iterator[tuple[int, str]]:
    """The calls at which to kill, and what is lost then."""
    losses = cycle(LOSSES)
    for call in range(1, calls + 1, every):
        yield from ((call, loss) for loss in (LOSSES if every == 1 else [next(losses)]))


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_run_is_finished_or_it_is_not(scenario: str, warm: Warm, tmp_path: Path, every: int) -> None:
    runs = SCENARIOS[scenario]
    (tmp_path / "undisturbed").mkdir()
    calls = warm.count(tmp_path / "undisturbed", train, tmp_path / "undisturbed", runs)
    expected = warm.run(found, tmp_path / "undisturbed", runs)
    assert all(isinstance(content, dict) and content for content in expected.values())
    for call, loss in kills(calls, every):
        outputs = tmp_path / f"{call}-{loss}"
        outputs.mkdir()
        assert warm.kill(outputs, call, loss, train, outputs, runs), f"there are fewer than {call} calls"
        known = outputs.with_suffix(".finished")
        finished = set(known.read_text().split()) if known.exists() else set()
        left = warm.run(found, outputs, runs)
        for run, content in left.items():
            assert content in ({}, expected[run]), f"call {call}, {loss}"
            assert content or run not in finished, f"call {call}, {loss}: a finished run is lost"
        assert warm.run(train, outputs, runs) == [], f"call {call}, {loss}: nothing is to be said"
        assert warm.run(found, outputs, runs) == expected, f"call {call}, {loss}"
        assert {path.suffix for path in (outputs / "runs").glob(".*")} <= {".lock"}, f"call {call}, {loss}"
        shutil.rmtree(outputs)


def configs(folder: Path, seeds: Sequence[int]) -> list[Config]:
    """The runs of an experiment, its folders in this one."""
    common = {f: getattr(MLP, f) for f in ("steps", "batch", "evaluations", "data", "model")}
    return [
        Config(
            **common,
            seed=seed,
            norm=NormConfig(norm, batches=1),
            experiment="mnist_activations",
            title="Runs",
            scale="smoke",
            outputs=str(folder / "outputs"),
            results=str(folder / "results"),
        )
        for norm in ("none", "batch")
        for seed in seeds
    ]


def report(folder: Path, seeds: Sequence[int]) -> None:
    """Train what is missing, judge and draw."""
    runs = configs(folder, seeds)
    worker.train_stack(
        Stack(tuple(runs)), Settings("cpu", 1, 1, False, runs[0].outputs, "bnexp", 2, 600), lambda *_: None
    )
    with contextlib.redirect_stdout(io.StringIO()):
        conclude(runs, altered=False, taken_over={})


def files(folder: Path) -> dict[str, bytes]:
    """What is under the results."""
    found = {p.relative_to(folder).as_posix(): p for p in (folder / "results").rglob("*") if p.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if not name.endswith(".lock")}


def recorded(folder: Path) -> list[str]:
    """The ids of the runs in the records."""
    return [run.id for run in records.load(_target(folder) / "records").runs]


def _target(folder: Path) -> Path:
    return folder / "results" / "smoke" / "digits" / "mnist_activations"


def test_a_report_is_the_old_or_the_new_one(warm: Warm, tmp_path: Path, every: int) -> None:
    """The old one may have the only records of runs that were taken over."""
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    warm.run(report, old, [0])
    shutil.copytree(old, new)
    shutil.rmtree(new / "outputs")
    calls = warm.count(new / "results", report, new, [1, 2])
    before, after = (warm.run(recorded, folder) for folder in (old, new))
    expected = warm.run(files, new)
    for call, loss in kills(calls, every):
        folder = tmp_path / f"{call}-{loss}"
        shutil.copytree(old, folder)
        shutil.rmtree(folder / "outputs")
        shutil.copytree(new / "outputs", folder / "outputs")
        assert warm.kill(folder / "results", call, loss, report, folder, [1, 2]), f"there are fewer than {call} calls"
        assert warm.run(recorded, folder) in (before, after), f"call {call}, {loss}"
        json.loads((_target(folder) / "verdict.json").read_text())
        warm.run(report, folder, [1, 2])
        assert warm.run(files, folder) == expected, f"call {call}, {loss}"
        shutil.rmtree(folder)


def test_what_is_not_synced_in_time_is_found_out(warm: Warm, tmp_path: Path) -> None:
    """The tests above can fail: of a program that syncs nothing, a power cut leaves damaged runs."""
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    calls = warm.count(outputs, _train_carelessly, outputs)
    shutil.rmtree(outputs)
    outputs.mkdir()
    assert warm.kill(outputs, calls, "emptied", _train_carelessly, outputs)
    assert "summary.json" in warm.run(found, outputs, (MLP,))[RunFolder(outputs, MLP).id]


def _train_carelessly(outputs: Path) -> None:
    from bnexp import files
    from bnexp.runs import folder

    files.sync = folder.sync = lambda path: None
    train(outputs, (MLP,))
    (outputs / "later").write_text("")
