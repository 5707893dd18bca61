"""Records: what finished runs leave, as judges and figures read them, and their compact form under `results/`."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bnexp.config import STAND_INS, TUNING
from bnexp.files import digest, sync, write_atomically
from bnexp.runs import correct
from bnexp.runs.stamp import without_places

FILES = ("metrics.csv.gz", "percentiles.npz", "moments.npz", "predictions.npz", "correct.npz")
"""Of records, beside their head, `runs.json`."""


@dataclass(frozen=True)
class Record:
    """One finished run."""

    id: str
    fields: dict[str, Any]
    """The run's settings by dotted name (`lr`, `norm.name`, `init.scale`, `seed`, …), and `arm` where it has a name."""
    summary: dict[str, Any]
    """`status` (`ok` or `diverged`), final values, stamp, and `classes`, of the data set."""
    metrics: pd.DataFrame
    """A row per evaluation: `step`, `accuracy` (a fraction), `loss`, …; NaN after divergence."""
    percentiles: np.ndarray | None = None
    """Of the last hidden layer's nonlinearity's input: `[evaluations, units, 3]`, in `PERCENTILES`' order."""
    predictions: np.ndarray | None = None
    """Class probabilities of the test images, `[2, images, classes]`: of the middle crop, and the mean over ten."""
    moments: np.ndarray | None = None
    """Of the same inputs as the percentiles: mean and variance, `[evaluations, units, 2]`."""
    correct: np.ndarray | None = None
    """Whether each test image is classified correctly at the end, bool `[images]`; a network of NaN has none right."""

    @property
    def norm(self) -> str:
        """The arm's normalisation in one word."""
        return str(self.fields.get("norm.target") or self.fields["norm.name"])

    @property
    def seed(self) -> int:
        return int(self.fields["seed"])

    def settings_but(self, left_out: Collection[str]) -> str:
        """All settings but these, as a text that is equal for equal ones."""
        return repr(sorted((name, value) for name, value in self.fields.items() if name not in left_out))

    def value(self, setting: str) -> Any:
        """The run's value of a setting, `norm` being the norm in one word; None for one that it has not."""
        value = self.norm if setting == "norm" else self.fields.get(setting)
        return tuple(value) if isinstance(value, list) else value


@dataclass(frozen=True)
class Records:
    """The runs of one experiment, and what every figure must say about them."""

    experiment: str
    scale: str
    dataset: dict[str, Any]
    """`name`, `title`, `stand_in`, `classes` and `sha256` (file to digest)."""
    runs: Sequence[Record]
    title: str = ""
    """What the experiment shows, in a line; empty in records from before it was kept."""
    claims: tuple[str, ...] = ()
    """The names of the claims that are judged on them."""
    planned: int | None = None
    """The runs that the experiment has, where some of them are missing."""

    def of(self, runs: Sequence[Record]) -> Records:
        """The same of some of the runs."""
        return replace(self, runs=runs)

    def arms(self, *axes: str) -> dict[tuple[Any, ...], list[Record]]:
        """The runs grouped by the values of these settings, in order; within a group by seed."""
        groups: dict[tuple[Any, ...], list[Record]] = {}
        for run in sorted(self.runs, key=lambda r: r.seed):
            key = tuple(run.value(axis) for axis in axes)
            groups.setdefault(key, []).append(run)
        return dict(sorted(groups.items(), key=lambda item: tuple(map(_order, item[0]))))

    def varied(self) -> list[str]:
        """The settings, but for the seed, that differ between runs."""
        names = {name for run in self.runs for name in run.fields if name != "seed"}
        return sorted(n for n in names if len({repr(run.fields.get(n)) for run in self.runs}) > 1)

    def axes(self) -> list[str]:
        """The settings that were swept: those varied, without what differs only because the norms or the arms do."""
        if self.label == "arm":
            by_arm = [self.of(replicates) for replicates in self.arms("arm").values()]
            return sorted({name for arm in by_arm for name in arm.varied()})
        by_norm: dict[str, list[Record]] = {}
        for run in self.runs:
            by_norm.setdefault(run.norm, []).append(run)
        return [
            name
            for name in self.varied()
            if not name.startswith("norm.")
            or any(len({repr(run.fields.get(name)) for run in runs}) > 1 for runs in by_norm.values())
        ]

    @property
    def label(self) -> str:
        """What tells arms apart before anything else: their names where they have some, else the norm."""
        return "arm" if any("arm" in run.fields for run in self.runs) else "norm"

    @property
    def partial(self) -> str:
        """How many runs there are of how many; empty where none is missing."""
        return "" if self.planned is None else f"{len(self.runs)} of {self.planned} runs"

    @property
    def stands_in_for(self) -> str:
        """The data set in place of which these runs used another; empty where they did not."""
        return STAND_INS.get(self.dataset["name"], "") if self.dataset["stand_in"] else ""

    @property
    def caption(self) -> str:
        """What stands in every figure: data set, scale, n without seeds for tuning, and whether runs are missing."""
        seeds = {run.seed for run in self.runs}
        n = len({seed for seed in seeds if seed < TUNING} or seeds)
        words = "1 seed" if n == 1 else f"{n} seeds"
        notice = f" — STAND-IN, NOT {self.stands_in_for}" if self.stands_in_for else ""
        partial = f", PARTIAL: {self.partial}" if self.partial else ""
        return f"{self.dataset['title']}{notice}, scale {self.scale}, n = {words}{partial}"


def _order(value: Any) -> tuple[int, Any]:
    if value == "none":  # the network without BN comes first, as in the paper's figures
        return (0, "")
    return (1, value) if isinstance(value, (int, float)) else (2, str(value))


class RecordsError(ValueError):
    """Records that cannot be read; the message says which file, why, and what to do."""


def save(records: Records, folder: Path, reads: Collection[str] = ()) -> None:
    """Write the compact form: `runs.json`, `metrics.csv.gz` and arrays.

    These are `predictions.npz`, `correct.npz`, packed to bits, and of `percentiles` and `moments` those in `reads`. Cut
    short at any moment, what `load` reads is the old ones or the new ones: these are beside the old when the head is
    replaced, which tells by digests which are meant.
    """
    folder.mkdir(parents=True, exist_ok=True)
    apart = [run.metrics.copy().assign(run=run.id) for run in records.runs]  # a copy, for pandas warns of many blocks
    metrics = pd.concat(apart, ignore_index=True)
    contents = {"metrics.csv.gz": gzip.compress(metrics.to_csv(index=False).encode(), mtime=0)}
    for name, arrays in (
        ("percentiles", {r.id: r.percentiles.astype(np.float32) for r in records.runs if r.percentiles is not None}),
        ("moments", {r.id: r.moments.astype(np.float32) for r in records.runs if r.moments is not None}),
        ("predictions", {r.id: r.predictions for r in records.runs if r.predictions is not None}),
        ("correct", correct.packed({r.id: r.correct for r in records.runs if r.correct is not None})),
    ):
        if arrays and (name in reads or name not in ("percentiles", "moments")):
            buffer = io.BytesIO()
            np.savez_compressed(buffer, **arrays)
            contents[f"{name}.npz"] = buffer.getvalue()
    for file, content in contents.items():
        write_atomically(_beside(folder / file), content)
    stamps = [_without_places(run.summary.get("stamp", {})) for run in records.runs]
    common = {"fields": _common([run.fields for run in records.runs]), "stamp": _common(stamps)}
    head = {
        "experiment": records.experiment,
        "title": records.title,
        "claims": records.claims,
        "scale": records.scale,
        "dataset": records.dataset,
        **({} if records.planned is None else {"planned": records.planned}),
        "sha256": {file: digest(_beside(folder / file)) for file in contents},
        "common": common,
        "runs": [
            {
                "id": run.id,
                "fields": _beyond(common["fields"], run.fields),
                "summary": run.summary | {"stamp": _beyond(common["stamp"], stamp)},
            }
            for run, stamp in zip(records.runs, stamps, strict=True)
        ],
    }
    write_atomically(folder / "runs.json", json.dumps(head, indent=1) + "\n")
    for file in FILES:
        if file in contents:
            os.replace(_beside(folder / file), folder / file)
        else:  # of an earlier report
            (folder / file).unlink(missing_ok=True)
            _beside(folder / file).unlink(missing_ok=True)
    sync(folder)


def _without_places(stamp: dict[str, Any]) -> dict[str, Any]:
    """Records are read elsewhere: their commands name no folders of this machine."""
    return stamp | {"command": without_places(stamp["command"])} if "command" in stamp else stamp


def _common(of_runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What is the same in all of them, which is most of it."""
    first = of_runs[0] if of_runs else {}
    return {name: value for name, value in first.items() if all(_same(of, name, value) for of in of_runs)}


def _beyond(common: Mapping[str, Any], of_run: Mapping[str, Any]) -> dict[str, Any]:
    """What is not common."""
    return {name: value for name, value in of_run.items() if name not in common}


def _same(of_run: Mapping[str, Any], name: str, value: Any) -> bool:
    """As JSON: 1 and 1.0 are two, and so are true and 1."""
    return name in of_run and repr(of_run[name]) == repr(value)


def _beside(path: Path) -> Path:
    """Where a file is while the head does not yet speak of it."""
    return path.with_name(f".new-{path.name}")


def load(folder: Path) -> Records:
    """Read the compact form back. Errors: RecordsError for a file that is missing or damaged."""
    with _reading(folder / "runs.json") as path:
        head = json.loads(path.read_text(encoding="utf-8"))
        listed = head["runs"]
        common = head.get("common", {"fields": {}, "stamp": {}})  # in records of earlier versions each run has it all
        runs = {
            str(run["id"]): (
                common["fields"] | dict(run["fields"]),
                dict(run["summary"]) | {"stamp": common["stamp"] | run["summary"].get("stamp", {})},
            )
            for run in listed
        }
        if not runs:
            raise ValueError("it names no run")
        digests = dict(head.get("sha256", {}))
    table_file, *array_files = (_meant(folder / name, digests) for name in FILES)
    meant = {name.removesuffix(".npz"): path for name, path in zip(FILES[1:], array_files, strict=True)}
    with _reading(table_file or folder / FILES[0]) as path:
        table = pd.read_csv(path, dtype={"run": str, "step": int, "accuracy": float, "loss": float})
        rows_of = table.groupby("run").indices
        table = table.drop(columns="run").copy()  # in one block, of which rows are taken at once
        metrics = {str(run): table.iloc[rows].reset_index(drop=True) for run, rows in rows_of.items()}
        if lost := runs.keys() - metrics.keys():
            raise ValueError(f"it lacks {len(lost)} of {len(runs)} runs")
    arrays = {name: _arrays(path) for name, path in meant.items() if name != "correct"}
    arrays["correct"] = _correct(meant["correct"])
    with _reading(folder / "runs.json"):
        read = [
            Record(run, fields, summary, metrics[run], **{name: of.get(run) for name, of in arrays.items()})
            for run, (fields, summary) in runs.items()
        ]
        records = Records(
            head["experiment"],
            head["scale"],
            head["dataset"],
            read,
            head.get("title", ""),
            tuple(head.get("claims", ())),
            head.get("planned"),
        )
        _check(records)
    return records


def _meant(path: Path, digests: Mapping[str, str]) -> Path | None:
    """The file of this name of which the head speaks, if it does; a head of earlier versions has no digests."""
    if path.name not in digests:
        return None if digests else path
    with _reading(path):
        for candidate in (path, _beside(path)):
            if candidate.exists() and digest(candidate) == digests[path.name]:
                return candidate
        raise ValueError("it is not the one of which runs.json speaks") if path.exists() else FileNotFoundError(path)


def _check(records: Records) -> None:
    """Read what every report needs; raises whatever is wrong with it."""
    assert records.caption
    for run in records.runs:
        assert run.norm
        assert run.seed >= 0
        assert run.summary["status"]
        assert run.summary["stamp"]["command"]


def _arrays(path: Path | None) -> dict[str, np.ndarray]:
    if path is None or not path.exists():
        return {}
    with _reading(path), np.load(path) as stored:
        arrays = dict(stored)
        if any(array.ndim != 3 for array in arrays.values()):
            raise ValueError("its arrays have another shape")
        return arrays


def _correct(path: Path | None) -> dict[str, np.ndarray]:
    if path is None or not path.exists():
        return {}
    with _reading(path):
        return correct.read(path)


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[Path]:
    """Whatever goes wrong meanwhile is a RecordsError that names the file and the way out."""
    try:
        yield path
    except Exception as error:  # of JSON, gzip, zip, CSV and NumPy: there are as many kinds as formats
        what = f"{error}" or type(error).__name__
        state = "is missing" if isinstance(error, FileNotFoundError) else f"is damaged ({type(error).__name__}: {what})"
        report = path.parent.parent
        experiment = "" if re.search("-[0-9a-f]{8}$", report.name) else f": bnexp run experiment={report.name}"
        raise RecordsError(f"{path} {state}; restore it, or give the command again that made it{experiment}") from error
