"""The runs of a claim's arms, side by side: equal in all settings but those in which the arms differ."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bnexp.config import TUNING
from bnexp.judging.claim import BN, LARGEST, Of, Settings
from bnexp.judging.measures import common_chance, learnt_from, validation_accuracy
from bnexp.runs.records import Record, Records

GAINS = 0.001
"""By how much of validation accuracy the edge of a grid must beat what lies inside for the best to lie beyond it."""

UNBOUNDED = {"model.dropout": 0, "l2": 0}
"""Settings with a least value beyond which there is none: at it, nothing is at the edge of a grid."""

FOLLOWS = {"batch": ("steps", "early_steps")}
"""Settings that differ where another does: as many examples in larger mini-batches are fewer steps."""

Cell = tuple[tuple[str, Any], ...]
"""Settings with their values, in order of their names."""

Runs = dict[Cell, dict[int, list[Record]]]
"""By cell and seed, the runs that are measured together."""


def having(runs: Iterable[Record], settings: Settings, treated: str = BN) -> list[Record]:
    """The runs that have all of these settings; `treated` is the norm that is put to the test."""
    kept = list(runs)
    for name, wanted in settings.items():
        fitting = _fitting(kept, name, wanted, treated)
        kept = [run for run in kept if run.value(name) in fitting]
    return kept


def _fitting(runs: Sequence[Record], name: str, wanted: Any, treated: str) -> list[Any]:
    """The values of a setting that fit."""
    if not isinstance(wanted, Of):
        return [wanted]
    values = list(dict.fromkeys(run.value(name) for run in runs))
    if wanted.kind == "treated":
        return [treated]
    if wanted.kind == "among":
        return list(wanted.values)
    if wanted.kind == "above":
        return [value for value in values if value is not None and value > wanted.values[0]]
    known = sorted(value for value in values if value is not None)
    return known[-1:] if wanted.kind == "largest" else known[:1]


def judged(runs: Iterable[Record]) -> list[Record]:
    """The runs on which claims are judged."""
    return [run for run in runs if run.seed < TUNING]


def shown(records: Records) -> Records:
    """The records of the judged runs, or where there are none of all: what tables and figures are of."""
    return records.of(judged(records.runs) or records.runs)


def tuning(runs: Iterable[Record]) -> list[Record]:
    """The runs by which settings are chosen."""
    return [run for run in runs if run.seed >= TUNING]


def longest(runs: Sequence[Record]) -> list[Record]:
    """Those that were given the most steps."""
    return having(runs, {"steps": LARGEST}) if runs else []


def of_one_length(runs: Iterable[Record]) -> list[Record]:
    """The judged runs by which settings may be chosen, too: all, if equally long, else those as long as tuning was.

    No runs where some settings have none of that length.
    """
    runs = list(runs)
    kept = judged(runs)
    if len({run.value("steps") for run in kept}) == 1:
        return kept
    lengths = {run.value("steps") for run in longest(tuning(runs))}
    as_long = [run for run in kept if run.value("steps") in lengths]
    tried, trained_so_long = ({run.settings_but(("seed", "steps")) for run in of} for of in (kept, as_long))
    return as_long if trained_so_long == tried else []


Choosing = Callable[[Iterable[Record]], list[Record]]
"""Of runs, those by which settings are chosen."""


def side_by_side(arms: Sequence[Sequence[Record]], apart: Iterable[str], named: Iterable[str] = ()) -> list[Runs]:
    """Each arm's runs by cell and seed, in the cells that all arms have.

    Cells are all settings that vary, but the seed, the norms' and those of `apart`; and those that are `named`.
    """
    every = [run for arm in arms for run in arm]
    fields = {name for run in every for name in run.fields if not name.startswith("norm.")}
    varying = sorted({*varied(every, fields - {"seed", *apart}), *named})
    cells = [by_cell(arm, varying) for arm in arms]
    shared = set.intersection(*(set(arm) for arm in cells))
    return [{cell: seeds for cell, seeds in arm.items() if cell in shared} for arm in cells]


def varied(runs: Sequence[Record], names: Iterable[str]) -> list[str]:
    """Those of these settings that differ among the runs."""
    return sorted(name for name in names if len({repr(run.fields.get(name)) for run in runs}) > 1)


def by_cell(runs: Iterable[Record], names: Sequence[str]) -> Runs:
    """The runs by the values of these settings, and by seed."""
    cells: Runs = {}
    for run in sorted(runs, key=lambda run: run.seed):
        cell = tuple((name, run.value(name)) for name in names)
        cells.setdefault(cell, {}).setdefault(run.seed, []).append(run)
    return dict(sorted(cells.items(), key=lambda item: _in_order(value for _, value in item[0])))


def _in_order(values: Iterable[Any]) -> list[tuple[str, Any]]:
    """What settings are sorted by, some of which may be missing, or of another type."""
    return [(str(type(value)), value) for value in values if value is not None]


@dataclass(frozen=True)
class Choice:
    """The settings that suit an arm best."""

    settings: dict[str, Any]
    score: float
    """Mean accuracy on the validation images."""
    edge: str
    """The setting that stands at the edge of its grid, where that gains anything; empty where none does."""
    learns: bool = True
    """Whether anything does at these settings; if not, at none."""


def choose(
    runs: Sequence[Record], names: Sequence[str], tried: Mapping[str, Iterable[Any]] | None = None
) -> Choice | None:
    """The settings whose mean validation accuracy over tuning runs is best; of equally good ones the first in order.

    Where some of these were trained for longer, which the best of the others are, they alone are asked. The grid of a
    setting is what all runs have of it, or what else was `tried`, and, of three values and more, what these longer ones
    have; where nothing learns it has no edge.
    """
    scores: dict[tuple[Any, ...], list[float]] = {}
    asked = longest(runs)
    for run in asked:
        scores.setdefault(tuple(run.value(name) for name in names), []).append(validation_accuracy(run))
    if not scores:
        return None
    means = {setting: sum(accuracies) / len(accuracies) for setting, accuracies in scores.items()}
    best = max(sorted(means, key=_in_order), key=lambda setting: means[setting])
    chosen = dict(zip(names, best, strict=True))
    if means[best] < learnt_from(common_chance(runs)):
        known = any("validation_accuracy" in run.metrics for run in runs)
        return Choice(chosen, means[best], "", learns=not known)
    grids = {name: [run.value(name) for run in runs] for name in names} | dict(tried or {})
    for i, name in enumerate(names):
        of_longer = [run.value(name) for run in asked] if len(asked) < len(runs) else []
        for values, least in ((grids[name], 2), (of_longer, 3)):
            grid = sorted({value for value in values if isinstance(value, (int, float))})
            ends = {grid[0], grid[-1]} - {UNBOUNDED.get(name)} if len(grid) >= least else set()
            inside = max((mean for setting, mean in means.items() if setting[i] not in ends), default=0.0)
            if best[i] in ends and inside < means[best] - GAINS:
                return Choice(chosen, means[best], f"{name} {best[i]:g} of {grid[0]:g} to {grid[-1]:g}")
    return Choice(chosen, means[best], "")


def at_their_best(runs: Iterable[Record], cells: Sequence[str], names: Sequence[str]) -> list[Record]:
    """Of each cell the judged runs at the settings that are chosen, the longest of them; for figures.

    Where nothing was tuned, the best validation accuracy of the judged runs themselves chooses.
    """
    kept: list[Record] = []
    for by_seed in by_cell(runs, cells).values():
        here = [run for of_seed in by_seed.values() for run in of_seed]
        choice = choose(tuning(here) or here, names)
        kept += judged_at(here, choice) if choice else []
    return kept


def judged_at(runs: Iterable[Record], choice: Choice) -> list[Record]:
    """The judged runs at the settings chosen; the longest of them, for those that choose may be shorter."""
    return longest(having(judged(runs), choice.settings))
