"""Records: what finished runs leave, as judges and figures read them, and their compact form under `results/`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Record:
    """One finished run."""

    id: str
    fields: dict[str, Any]
    """The run's settings by dotted name (`lr`, `norm.name`, `init.scale`, `seed`, …), and `arm` where it has a name."""
    summary: dict[str, Any]
    """`status` (`ok` or `diverged`), final values, stamp."""
    metrics: pd.DataFrame
    """A row per evaluation: `step`, `accuracy` (a fraction), `loss`, …; NaN after divergence."""
    percentiles: np.ndarray | None = None
    """Of the last hidden layer's nonlinearity's input: `[evaluations, units, 3]`, in `PERCENTILES`' order."""
    predictions: np.ndarray | None = None
    """Class probabilities of the test images, `[2, images, classes]`: of the middle crop, and the mean over ten."""

    @property
    def norm(self) -> str:
        """The arm's normalisation in one word."""
        return str(self.fields.get("norm.target") or self.fields["norm.name"])

    @property
    def seed(self) -> int:
        return int(self.fields["seed"])

    def value(self, setting: str) -> Any:
        """The run's value of a setting, `norm` being the norm in one word; None for one that it has not."""
        return self.norm if setting == "norm" else self.fields.get(setting)


@dataclass(frozen=True)
class Records:
    """The runs of one experiment, and what every figure must say about them."""

    experiment: str
    scale: str
    dataset: dict[str, Any]
    """`name`, `title`, `stand_in` and `sha256` (file to digest)."""
    runs: Sequence[Record]

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
            by_arm = [Records(self.experiment, self.scale, self.dataset, own) for own in self.arms("arm").values()]
            return sorted({name for own in by_arm for name in own.varied()})
        by_norm: dict[str, list[Record]] = {}
        for run in self.runs:
            by_norm.setdefault(run.norm, []).append(run)
        return [
            name
            for name in self.varied()
            if not name.startswith("norm.")
            or any(len({repr(run.fields.get(name)) for run in own}) > 1 for own in by_norm.values())
        ]

    @property
    def label(self) -> str:
        """What tells arms apart before anything else: their names where they have some, else the norm."""
        return "arm" if any("arm" in run.fields for run in self.runs) else "norm"

    @property
    def caption(self) -> str:
        """What stands in every figure: data set, scale and n."""
        n = len({run.seed for run in self.runs})
        notice = " — STAND-IN, NOT MNIST" if self.dataset["stand_in"] else ""
        return f"{self.dataset['title']}{notice}, scale {self.scale}, n = {n} seeds"


def _order(value: Any) -> tuple[int, Any]:
    if value == "none":  # the network without BN comes first, as in the paper's figures
        return (0, "")
    return (1, value) if isinstance(value, (int, float)) else (2, str(value))


def save(records: Records, folder: Path, percentiles: bool) -> None:
    """Write the compact form: `runs.json`, `metrics.csv.gz`, `predictions.npz` and, if wanted, `percentiles.npz`."""
    folder.mkdir(parents=True, exist_ok=True)
    head = {
        "experiment": records.experiment,
        "scale": records.scale,
        "dataset": records.dataset,
        "runs": [{"id": r.id, "fields": r.fields, "summary": r.summary} for r in records.runs],
    }
    (folder / "runs.json").write_text(json.dumps(head, indent=1) + "\n")
    metrics = pd.concat([r.metrics.assign(run=r.id) for r in records.runs], ignore_index=True)
    metrics.to_csv(folder / "metrics.csv.gz", index=False, compression={"method": "gzip", "mtime": 0})
    kept: dict[str, Any] = {r.id: r.percentiles.astype(np.float32) for r in records.runs if r.percentiles is not None}
    if kept and percentiles:
        np.savez_compressed(folder / "percentiles.npz", **kept)
    predicted: dict[str, Any] = {r.id: r.predictions for r in records.runs if r.predictions is not None}
    if predicted:
        np.savez_compressed(folder / "predictions.npz", **predicted)


def load(folder: Path) -> Records:
    """Read the compact form back. Errors: OSError or ValueError where a file is missing or damaged."""
    head = json.loads((folder / "runs.json").read_text())
    metrics = pd.read_csv(folder / "metrics.csv.gz", dtype={"run": str})
    by_run = {run: rows.drop(columns="run").reset_index(drop=True) for run, rows in metrics.groupby("run")}
    percentiles, predictions = (_arrays(folder / f"{name}.npz") for name in ("percentiles", "predictions"))
    runs = [
        Record(r["id"], r["fields"], r["summary"], by_run[r["id"]], percentiles.get(r["id"]), predictions.get(r["id"]))
        for r in head["runs"]
    ]
    return Records(head["experiment"], head["scale"], head["dataset"], runs)


def _arrays(path: Path) -> dict[str, np.ndarray]:
    if not path.exists():
        return {}
    with np.load(path) as stored:
        return dict(stored)
