"""Runs by what a user calls them: an experiment, a report's folder, the outputs, a run's folder or its id."""

from __future__ import annotations

import re
from collections.abc import Iterable, Set
from dataclasses import replace
from pathlib import Path

import yaml

from bnexp.config import ConfigError, flatten
from bnexp.runs import records
from bnexp.runs.folder import record_in, state_of
from bnexp.runs.records import Record, RecordsError

SHORTEST = 4
"""Digits by which a run's id is known at least."""


def find(source: str | Path, outputs: Path, results: Path) -> list[Record]:
    """The finished runs that `source` names.

    Errors: ConfigError where it names none, RecordsError where they are damaged.
    """
    folder = Path(source)
    if folder.is_dir():
        return _in_folder(folder)
    reports = [path.parent for path in results.rglob("records/runs.json") if _ends(path.parent.parent, folder)]
    if reports:
        first = results / source / "records"
        newest = max(reports, key=lambda path: (path / "runs.json").stat().st_mtime)
        return list(records.load(first if first in reports else newest).runs)
    if runs := _by_id(str(source), outputs, results):
        return runs
    raise ConfigError(
        f"there are no runs by the name of {source}: give an experiment that has been run (bnexp list), "
        f"a folder of {outputs} or {results}, or a run's id"
    )


def _ends(path: Path, with_parts: Path) -> bool:
    parts = with_parts.parts
    return bool(parts) and path.parts[-len(parts) :] == parts


def _in_folder(folder: Path) -> list[Record]:
    for place in (folder, folder / "records"):
        if (place / "runs.json").is_file():
            return list(records.load(place).runs)
    names = [folder] if (folder / "summary.json").is_file() else [*folder.glob("runs/*"), *folder.glob("*")]
    runs = _finished(names)
    if not runs:
        raise ConfigError(f"there is no finished run in {folder}")
    return runs


def _by_id(digits: str, outputs: Path, results: Path) -> list[Record]:
    """The runs whose id begins so; with one in the outputs, those of the committed records are not looked at."""
    if len(digits) < SHORTEST or set(digits) - set("0123456789abcdef"):
        return []
    names = [path for path in outputs.glob("runs/*") if path.name.rpartition("-")[2].startswith(digits)]
    if runs := _finished(names):
        return runs
    known = set(re.findall(rf'"id": "({digits}[0-9a-f]*)"', "".join(_heads(results).values())))
    return list(committed(known, results).values())


def committed(ids: Set[str], results: Path) -> dict[str, Record]:
    """The runs of these ids among the records of all reports under the results, without the names of arms.

    Errors: RecordsError for records that are damaged and have one of them.
    """
    runs: dict[str, Record] = {}
    for head, text in _heads(results).items():
        if not ids - runs.keys() & set(re.findall(r'"id": "([0-9a-f]+)"', text)):
            continue
        for run in records.load(head.parent).runs:
            if run.id in ids:
                fields = {name: value for name, value in run.fields.items() if name != "arm"}
                runs.setdefault(run.id, replace(run, fields=fields))
    return runs


def _heads(results: Path) -> dict[Path, str]:
    """The heads of all records, as they are written: to parse all would take seconds."""
    paths = sorted(results.rglob("records/runs.json"))
    return {path: path.read_text(encoding="utf-8", errors="replace") for path in paths}


def _finished(folders: Iterable[Path]) -> list[Record]:
    """The finished ones of these run folders, in order of their names."""
    runs = {run.id: run for path in sorted(folders) if (run := read(path)) is not None}
    return list(runs.values())


def read(folder: Path) -> Record | None:
    """The run in a folder; None for one that is not finished. Errors: RecordsError for one that is damaged."""
    state = state_of(folder)
    if state.damage:
        raise RecordsError(_damaged(folder, state.damage))
    if state.summary is None:
        return None
    try:
        fields = flatten(yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8")))
        return replace(record_in(folder, state.summary, fields), percentiles=None, moments=None)  # most of its size
    except Exception as error:  # of YAML, JSON, CSV, zip and NumPy
        raise RecordsError(_damaged(folder, f"{type(error).__name__}: {error}")) from error


def _damaged(folder: Path, damage: str) -> str:
    return f"the run in {folder} is damaged ({damage}); the command that trained it trains it again"
