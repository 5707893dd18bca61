"""A run's folder: named, opened, finished so that it outlasts a power cut, checked and read back."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import yaml

from bnexp.config import ENGINE, RunConfig, flatten, run_fields, run_id
from bnexp.files import digest, sync, write_atomically
from bnexp.runs import correct
from bnexp.runs.records import Record

T = TypeVar("T")

FINISHED = ("ok", "diverged")
"""The states in which a run is a result; `crashed` and `interrupted` ones are trained again."""

CHECKED = ("config.yaml", "stamp.json", "metrics.csv", "activations.npz", "predictions.npz", "correct.npz")
"""The files of which the summary holds digests: all but what TensorBoard reads, which is for the eye."""

NAMED = {
    **{"model.name": "", "model.depth": "depth", "model.width": "width", "model.activation": ""},
    **{"model.residual": "residual", "model.dropout": "dropout", "norm.placement": "", "optimizer.name": ""},
    **{"norm.eps": "eps"},
    **{"norm.statistics": "statistics_", "norm.groups": "groups", "batch": "batch", "data.binarize": "binary"},
    **{"init.scheme": "", "init.scale": "init", "l2": "l2_", "decay": "decay", "steps": "steps", "nproc": "nproc"},
    **{"model.multiplier": "multiplier", "data.examples": "examples", "precision": ""},
}
"""Settings that a run's name tells where they are not at their default, the weightiest first, and how."""

OF_NORM = "norm.settings."
"""How those of a norm of the user's begin, each of which is told by its own name."""

LONGEST = 100
"""Characters of a run's name."""


def run_name(config: RunConfig, engine: int = ENGINE) -> str:
    """What the run is, as far as there is room, its seed and its id; of letters, digits and `_.+-`."""
    norm = config.norm.target or config.norm.name
    parts = [config.data.name[-20:], norm.rpartition(":")[2][:20], f"lr{config.lr:g}"]
    end = [f"seed{config.seed}", run_id(config, engine)]
    values, defaults = flatten(run_fields(config)), flatten(dataclasses.asdict(RunConfig()))
    of_norm = {name: name.removeprefix(OF_NORM) for name in values if name.startswith(OF_NORM)}
    for setting, word in (of_norm | NAMED).items():
        if setting in values and values[setting] != defaults.get(setting):
            value = values[setting]
            part = word if value is True else f"{word}{value:g}" if isinstance(value, float) else f"{word}{value}"
            if len("-".join([*parts, part, *end])) <= LONGEST:
                parts.append(part)
    return re.sub(r"[^\w.+-]", "_", "-".join([*parts, *end]), flags=re.ASCII)


@dataclass(frozen=True)
class State:
    """How a run's folder was found."""

    summary: Mapping[str, Any] | None = None
    """That of a finished run, all of whose files are as they were."""
    damage: str = ""
    """What is wrong with the files of a run that had been finished."""


class RunFolder:
    """`<outputs>/runs/<name>`; a run that has another name with the same id, of an earlier version, is found, too."""

    def __init__(self, outputs: str | Path, config: RunConfig, engine: int = ENGINE) -> None:
        self.config = config
        self.id = run_id(config, engine)
        self.name = run_name(config, engine)
        self.runs = Path(outputs) / "runs"

    @property
    def path(self) -> Path:
        """Where the run is, or is to be."""
        path = self.runs / self.name
        return path if path.is_dir() else next(iter(self._elsewhere()), path)

    @property
    def lock(self) -> Path:
        """What is locked while a process writes there, whatever the folder's name."""
        return self.runs / self.id

    def _elsewhere(self) -> list[Path]:
        """The folders of this run under other names."""
        try:
            changed = self.runs.stat().st_mtime_ns
        except OSError:
            return []
        named = [self.runs / name for name in _names(self.runs, changed).get(self.id, []) if name != self.name]
        return [path for path in named if path.is_dir()]

    def state(self) -> State:
        """How the folder is found."""
        return state_of(self.path, self.id)

    def summary(self) -> Mapping[str, Any] | None:
        """The summary of a finished run, or None."""
        return self.state().summary

    def start(self, stamp: dict[str, Any]) -> None:
        """Make the folder anew with config and stamp; what there was of the run is removed."""
        for path in (self.runs / self.name, *self._elsewhere()):
            (path / "summary.json").unlink(missing_ok=True)  # first: it says that the others are there
            shutil.rmtree(path, ignore_errors=True)
        path = self.path
        path.mkdir(parents=True)
        fields = yaml.safe_dump(run_fields(self.config), sort_keys=False, allow_unicode=True)
        (path / "config.yaml").write_text(fields, encoding="utf-8")
        (path / "stamp.json").write_text(json.dumps(stamp, indent=1) + "\n", encoding="utf-8")

    def finish(self, status: str, **values: Any) -> None:
        """Write the summary, last of all, when everything else is on the disk."""
        path = self.path
        for file in path.iterdir():
            sync(file)
        for folder in (path, self.runs, self.runs.parent, self.runs.parent.absolute().parent):  # the last may be new
            sync(folder)
        digests = {name: digest(path / name) for name in CHECKED if (path / name).exists()}
        summary = {"id": self.id, "status": status, **values, "sha256": digests}
        write_atomically(path / "summary.json", json.dumps(summary, indent=1) + "\n")

    def read(self) -> Record:
        """The record of a finished run."""
        path, summary = self.path, self.summary()
        assert summary is not None, f"{path} is not finished"
        return record_in(path, summary, flatten(run_fields(self.config)))


def record_in(folder: Path, summary: Mapping[str, Any], fields: dict[str, Any]) -> Record:
    """What a finished run left in its folder."""
    metrics, activations, predictions, right, stamp = _contents(folder)
    shown = {name: value for name, value in summary.items() if name != "sha256"} | {"stamp": stamp}
    percentiles, moments = activations[..., :3], activations[..., 3:]
    return Record(str(summary["id"]), fields, shown, metrics, percentiles, predictions, moments, right)


@lru_cache(maxsize=8)
def _names(runs: Path, changed: int) -> dict[str, list[str]]:
    """The names of the runs' folders by the id at their end; `changed` is when there was last a new one."""
    names: dict[str, list[str]] = {}
    for path in runs.iterdir():
        if not path.name.startswith("."):
            names.setdefault(path.name.rpartition("-")[2], []).append(path.name)
    return names


def state_of(folder: Path, id: str = "") -> State:
    """How a run's folder is found, and whether it is that of the run `id`, if one is named.

    Files that have not changed since are not read again.
    """
    files = []
    for name in ("summary.json", *CHECKED):
        try:
            status = (folder / name).stat()
        except OSError:
            continue
        files.append((name, status.st_ino, status.st_size, status.st_mtime_ns))
    return _state(folder, id, tuple(files))


@lru_cache(maxsize=100_000)
def _state(path: Path, id: str, files: tuple[tuple[str, int, int, int], ...]) -> State:
    """How these files are found; `files` has what changes when one of them does."""
    names = [name for name, *_ in files]
    if "summary.json" not in names:
        return State()
    try:
        summary = json.loads((path / "summary.json").read_text(encoding="utf-8"))
        status, named = summary["status"], summary["id"]
    except (OSError, ValueError, TypeError, KeyError):
        return State(damage="summary.json cannot be read")
    if status not in FINISHED:
        return State()
    if id and named != id:
        return State(damage=f"summary.json is that of the run {named}")
    if "sha256" not in summary:
        return _compared(path, summary)
    for name, written in summary["sha256"].items():
        if name not in names:
            return State(damage=f"{name} is gone")
        if digest(path / name) != written:
            return State(damage=f"{name} is not as it was written")
    return State(summary)


def _compared(path: Path, summary: Mapping[str, Any]) -> State:
    """The same of a run finished before there were digests: its files can be read, and agree."""
    try:
        settings = _read(path / "config.yaml", lambda file: yaml.safe_load(file.read_text(encoding="utf-8")))
        steps, predicted = int(settings["steps"]), bool(settings["predictions"])
        metrics, activations, predictions, _, _ = _contents(path)
        step, accuracy = int(metrics["step"].iloc[-1]), float(metrics["accuracy"].iloc[-1])
        final = math.nan if summary["accuracy"] is None else float(summary["accuracy"])
    except (ValueError, TypeError, KeyError, IndexError) as error:
        return State(damage=str(error))
    same = math.isclose(accuracy, final, rel_tol=1e-6) or (math.isnan(accuracy) and math.isnan(final))
    for holds, damage in (
        (len(activations) == len(metrics), "activations.npz and metrics.csv differ in length"),
        (step == steps, f"metrics.csv ends at step {step:,} of {steps:,}"),
        (same, f"metrics.csv ends with accuracy {accuracy:g}, summary.json has {final:g}"),
        (not predicted or predictions is not None, "predictions.npz is gone"),
    ):
        if not holds:
            return State(damage=damage)
    return State(summary)


def _contents(path: Path) -> tuple[pd.DataFrame, np.ndarray, np.ndarray | None, np.ndarray | None, dict[str, Any]]:
    """Metrics, statistics of the last hidden layer `[evaluations, units, 5]`, predictions, what is correct, stamp.

    Predictions, and what is correct in runs of earlier versions, need not be there. Errors: ValueError that names the
    file which cannot be read.
    """
    predictions, right = path / "predictions.npz", path / "correct.npz"
    return (
        _read(path / "metrics.csv", lambda file: pd.read_csv(file, encoding="utf-8")),
        _read(path / "activations.npz", _last_array),
        _read(predictions, _last_array) if predictions.exists() else None,
        _read(right, correct.read)["correct"] if right.exists() else None,
        _read(path / "stamp.json", _stamp),
    )


def _read(path: Path, reader: Callable[[Path], T]) -> T:
    try:
        return reader(path)
    except Exception as error:  # there is no end to the ways in which a file can be damaged
        raise ValueError(f"{path.name} cannot be read") from error


def _stamp(path: Path) -> dict[str, Any]:
    stamp: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    stamp["command"]  # what is no stamp has none
    return stamp


def _last_array(path: Path) -> np.ndarray:
    with np.load(path) as stored:
        array: np.ndarray = stored[stored.files[-1]]
        return array
