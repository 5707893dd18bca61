"""What a run leaves beside its metrics, in its folder and among the committed records."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bnexp import data
from bnexp.config import DataConfig, InitConfig, ModelConfig, NormConfig, RunConfig
from bnexp.engine.evaluation import Evaluation
from bnexp.engine.train import train
from bnexp.launch.stacks import Settings, Stack
from bnexp.launch.worker import train_stack
from bnexp.runs import records, sources
from bnexp.runs.folder import RunFolder
from bnexp.runs.records import Record, Records

DIGITS = DataConfig(name="digits")
MODEL = ModelConfig(depth=2, width=20)
LEARNS = RunConfig(
    steps=60, evaluations=3, lr=1.0, data=DIGITS, model=MODEL, norm=NormConfig(batches=2), init=InitConfig("he", 1.0)
)
DIVERGES = replace(LEARNS, seed=1, lr=1e30, norm=NormConfig("none"), model=replace(MODEL, activation="relu"))


def trained(outputs: Path, *configs: RunConfig) -> list[Record]:
    settings = Settings("cpu", 1, 1, False, str(outputs), "bnexp", 500, 600)
    train_stack(Stack(configs), settings, lambda message, value: None)
    return [RunFolder(outputs, config).read() for config in configs]


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Outputs with a run that learns and one that diverges."""
    outputs = tmp_path_factory.mktemp("trained")
    trained(outputs, LEARNS, DIVERGES)
    return outputs


@pytest.fixture
def runs(outputs: Path) -> list[Record]:
    return [RunFolder(outputs, config).read() for config in (LEARNS, DIVERGES)]


def gathered(runs: Sequence[Record]) -> Records:
    dataset = {"name": "digits", "title": "UCI digits", "stand_in": True, "sha256": {}}
    stamped = [replace(run, summary=run.summary | {"stamp": {"command": "bnexp"}}) for run in runs]
    return Records("handmade", "smoke", dataset, stamped)


def without(folder: Path, file: str) -> None:
    """Make the records those of an earlier version, which had no such file."""
    head = json.loads((folder / "runs.json").read_text())
    del head["sha256"][file]
    (folder / "runs.json").write_text(json.dumps(head))
    (folder / file).unlink()


# Which test images are classified correctly


def test_what_is_correct_is_the_accuracy_image_by_image(runs: list[Record]) -> None:
    learnt, diverged = runs
    assert learnt.correct is not None
    assert learnt.correct.dtype == bool
    assert learnt.correct.shape == data.load(DIGITS).test_labels.shape
    assert learnt.correct.mean() == pytest.approx(learnt.summary["accuracy"])
    assert 0.5 < learnt.correct.mean() < 1
    assert diverged.summary["status"] == "diverged"
    assert diverged.correct is not None
    assert diverged.correct.shape == learnt.correct.shape
    assert not diverged.correct.any()


def test_what_is_correct_is_measured_at_the_last_step_of_each_network() -> None:
    rows = list(train([LEARNS, replace(LEARNS, seed=5)], data.load(DIGITS)))
    assert [row.correct is None for row in rows] == [True] * (len(rows) - 2) + [False] * 2
    for row in rows[-2:]:
        assert row.correct is not None
        assert row.correct.mean() == pytest.approx(row.metrics["accuracy"])
        again = Evaluation.of_plain(row.plain())
        assert again.correct is not None
        assert np.array_equal(again.correct, row.correct)
    earlier = {name: value for name, value in rows[0].plain().items() if name != "correct"}
    assert Evaluation.of_plain(earlier).correct is None, "states of earlier versions are without"
    lost = rows[-1].lost(100, 7)
    assert lost.correct is not None
    assert lost.correct.tolist() == [False] * 7
    assert math.isnan(lost.metrics["accuracy"])


def test_committed_records_have_it_in_bits(runs: list[Record], tmp_path: Path) -> None:
    some = [replace(runs[0], id="aa", correct=torch.arange(11).numpy() % 3 == 0), replace(runs[0], id="bb"), runs[1]]
    some.append(replace(runs[1], id="cc", correct=None))
    records.save(gathered(some), tmp_path)
    for saved, read in zip(some, records.load(tmp_path).runs, strict=True):
        assert (saved.correct is None) == (read.correct is None)
        if saved.correct is not None and read.correct is not None:
            assert np.array_equal(saved.correct, read.correct)
    assert (tmp_path / "correct.npz").stat().st_size < 2000
    without(tmp_path, "correct.npz")
    assert all(run.correct is None for run in records.load(tmp_path).runs), "records of earlier versions are without"


def test_a_run_of_an_earlier_version_is_there_without_it(tmp_path: Path) -> None:
    trained(tmp_path, LEARNS)
    folder = RunFolder(tmp_path, LEARNS)
    summary = json.loads((folder.path / "summary.json").read_text())
    assert "correct.npz" in summary["sha256"]
    (folder.path / "correct.npz").write_bytes(b"")
    assert "correct.npz is not as it was written" in folder.state().damage
    (folder.path / "correct.npz").unlink()
    assert "correct.npz is gone" in folder.state().damage
    del summary["sha256"]["correct.npz"]
    (folder.path / "summary.json").write_text(json.dumps(summary))
    assert folder.summary() is not None
    assert folder.read().correct is None
    read = sources.read(folder.path)
    assert read is not None
    assert read.correct is None


def test_a_folder_is_read_with_it(outputs: Path, runs: list[Record]) -> None:
    read = sources.read(RunFolder(outputs, LEARNS).path)
    assert read is not None
    assert read.correct is not None
    assert runs[0].correct is not None
    assert np.array_equal(read.correct, runs[0].correct)


# Mean and variance of the last hidden layer's units


def test_moments_are_those_of_the_last_hidden_layer_at_every_evaluation(runs: list[Record], outputs: Path) -> None:
    for run, config in zip(runs, (LEARNS, DIVERGES), strict=True):
        assert run.moments is not None
        assert run.percentiles is not None
        assert run.moments.shape == (len(run.metrics), 20, 2)
        with np.load(RunFolder(outputs, config).path / "activations.npz") as stored:
            assert np.array_equal(run.moments, stored["hidden2"][..., 3:], equal_nan=True)
    median = runs[0].percentiles[..., 1]  # type: ignore[index]
    mean, var = np.moveaxis(runs[0].moments, -1, 0)  # type: ignore[arg-type]
    assert (var > 0).all()
    assert (np.abs(mean - median) <= np.sqrt(var)).all(), "a median is within a standard deviation of the mean"


def test_committed_records_have_moments_with_the_percentiles(runs: list[Record], tmp_path: Path) -> None:
    records.save(gathered(runs), tmp_path / "with", ("percentiles", "moments"))
    for saved, read in zip(runs, records.load(tmp_path / "with").runs, strict=True):
        assert read.moments is not None
        assert read.moments.dtype == np.float32
        assert np.array_equal(saved.moments, read.moments, equal_nan=True)  # type: ignore[arg-type]
    without(tmp_path / "with", "moments.npz")
    assert [run.moments for run in records.load(tmp_path / "with").runs] == [None, None], "earlier records are without"
    records.save(gathered(runs), tmp_path / "without")
    assert [run.moments for run in records.load(tmp_path / "without").runs] == [None, None]


def test_only_what_is_read_is_committed(runs: list[Record], tmp_path: Path) -> None:
    records.save(gathered(runs), tmp_path, ("moments",))
    for run in records.load(tmp_path).runs:
        assert run.moments is not None
        assert run.percentiles is None
