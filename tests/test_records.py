"""Records written and read back: whole, or not at all."""

from __future__ import annotations

import json
import os
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bnexp.config import RunConfig, flatten, run_fields
from bnexp.runs import records
from bnexp.runs.records import Record, Records, RecordsError

DATASET = {"name": "digits", "title": "digits", "stand_in": True, "classes": 10, "sha256": {}}
FILES = ["metrics.csv.gz", "percentiles.npz", "predictions.npz", "runs.json"]


def of(accuracy: float, *, arrays: bool = True) -> Records:
    """Records of one run that ended at this accuracy."""
    summary = {"status": "ok", "accuracy": accuracy, "stamp": {"command": "bnexp run"}}
    metrics = pd.DataFrame({"step": [0, 5], "accuracy": [0.1, accuracy], "loss": [2.3, 1.0]})
    some = np.full((2, 3, 3), accuracy, np.float32) if arrays else None
    run = Record("0123456789ab", flatten(run_fields(RunConfig())), summary, metrics, some, some)
    return Records("mine", "laptop", DATASET, [run])


def ends(folder: Path) -> list[Any]:
    """What each file says of the accuracy."""
    (run,) = records.load(folder).runs
    arrays = [array[0, 0, 0] for array in (run.percentiles, run.predictions) if array is not None]
    return [run.summary["accuracy"], run.metrics["accuracy"].iloc[-1], *arrays]


def test_they_are_read_as_they_were_written(tmp_path: Path) -> None:
    records.save(of(0.5), tmp_path, ("percentiles", "moments"))
    assert sorted(path.name for path in tmp_path.iterdir()) == FILES
    assert ends(tmp_path) == [0.5] * 4


def test_of_many_metrics_pandas_has_nothing_to_warn_of(tmp_path: Path) -> None:
    (run,) = of(0.5).runs
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for i in range(150):
            run.metrics[f"moved/hidden{i}"] = 0.1
    records.save(Records("mine", "laptop", DATASET, [run]), tmp_path)
    assert "moved/hidden149" in records.load(tmp_path).runs[0].metrics


@pytest.mark.parametrize("before", ["digests", "older"])
@pytest.mark.parametrize("replaced", range(8))
def test_cut_short_at_any_moment_they_are_the_old_ones_or_the_new_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replaced: int, before: str
) -> None:
    records.save(of(0.5), tmp_path, ("percentiles", "moments"))
    if before == "older":
        head = json.loads((tmp_path / "runs.json").read_text())
        del head["sha256"]
        common = head.pop("common")
        for run in head["runs"]:
            run["fields"] = common["fields"] | run["fields"]
            run["summary"]["stamp"] = common["stamp"] | run["summary"]["stamp"]
        (tmp_path / "runs.json").write_text(json.dumps(head))
        assert ends(tmp_path) == [0.5] * 4
    put, done = os.replace, 0

    def cut(source: Path, target: Path) -> None:
        nonlocal done
        if done == replaced:
            raise KeyboardInterrupt
        done += 1
        put(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", cut)
        if replaced < 7:  # three files beside the old ones, the head, and three into their places
            with pytest.raises(KeyboardInterrupt):
                records.save(of(0.75), tmp_path, ("percentiles", "moments"))
        else:
            records.save(of(0.75), tmp_path, ("percentiles", "moments"))
    assert ends(tmp_path) == [0.5 if replaced < 4 else 0.75] * 4
    records.save(of(0.25), tmp_path, ("percentiles", "moments"))
    assert ends(tmp_path) == [0.25] * 4
    assert sorted(path.name for path in tmp_path.iterdir()) == FILES


@pytest.mark.parametrize("file", FILES[:3])
def test_a_file_that_is_another_or_gone_is_named(tmp_path: Path, file: str) -> None:
    records.save(of(0.25), tmp_path, ("percentiles", "moments"))
    other = (tmp_path / file).read_bytes()
    records.save(of(0.5), tmp_path, ("percentiles", "moments"))
    (tmp_path / file).write_bytes(other)
    with pytest.raises(RecordsError, match=f"{file} is damaged .*not the one of which runs.json speaks"):
        records.load(tmp_path)
    (tmp_path / file).unlink()
    with pytest.raises(RecordsError, match=f"{file} is missing"):
        records.load(tmp_path)


def test_what_an_earlier_report_had_besides_is_neither_read_nor_kept(tmp_path: Path) -> None:
    records.save(of(0.5), tmp_path, ("percentiles", "moments"))
    kept = (tmp_path / "predictions.npz").read_bytes()
    records.save(of(0.75, arrays=False), tmp_path, ("percentiles", "moments"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["metrics.csv.gz", "runs.json"]
    (tmp_path / "predictions.npz").write_bytes(kept)
    assert ends(tmp_path) == [0.75] * 2


def test_the_number_of_runs_planned_is_kept(tmp_path: Path) -> None:
    records.save(replace(of(0.5), planned=3), tmp_path)
    assert records.load(tmp_path).partial == "1 of 3 runs"


@pytest.mark.parametrize(
    "places", ["outputs=/home/me/out seed=1 results=/r data.root=/d", "seed=1 'outputs=/my runs' ++results=/r"]
)
def test_their_commands_name_no_folders_of_the_machine(places: str, tmp_path: Path) -> None:
    made = of(0.5)
    stamp = {"command": f"bnexp run experiment=mine {places}"}
    elsewhere = replace(made, runs=[replace(made.runs[0], summary=made.runs[0].summary | {"stamp": stamp})])
    records.save(elsewhere, tmp_path)
    assert records.load(tmp_path).runs[0].summary["stamp"]["command"] == "bnexp run experiment=mine seed=1"


def test_what_runs_have_in_common_is_written_once_and_read_as_it_was(tmp_path: Path) -> None:
    (first,) = of(0.5, arrays=False).runs
    saved = replace(of(0.5), runs=[first, replace(first, id="other", fields=first.fields | {"seed": 1})])
    records.save(saved, tmp_path)
    head = json.loads((tmp_path / "runs.json").read_text())
    assert head["common"]["fields"]["batch"] == 60
    assert all("batch" not in run["fields"] and "seed" in run["fields"] for run in head["runs"])
    read = records.load(tmp_path)
    assert [(run.id, run.fields, run.summary) for run in read.runs] == [
        (run.id, run.fields, run.summary) for run in saved.runs
    ]
