"""The runs of a claim's arms, side by side: equal in all settings but those in which the arms differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bnexp.claims.claim import BN, Of, Settings
from bnexp.runs.records import Record

Cell = tuple[tuple[str, Any], ...]
"""Settings with their values, in order of their names."""

Runs = dict[Cell, dict[int, list[Record]]]
"""By cell and seed, the runs that are measured together."""


def having(runs: Iterable[Record], settings: Settings, treated: str = BN) -> list[Record]:
    """The runs that have all of these settings; `treated` is the norm that is put to the test."""
    kept = list(runs)
    for name, wanted in settings.items():
        kept = [run for run in kept if run.value(name) in _fitting(kept, name, wanted, treated)]
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


@dataclass(frozen=True)
class Matched:
    """The runs of two arms in the cells that both have; of one arm, its runs."""

    treated: Runs
    reference: Runs


def matched(treated: Sequence[Record], reference: Sequence[Record] | None, apart: Iterable[str]) -> Matched:
    """Runs by cell and seed; cells are all settings that vary, but the seed, the norms' and those of `apart`.

    `reference` is None for a claim about one arm.
    """
    every = [*treated, *(reference or ())]
    left_out = {"seed", *apart}
    names = sorted({name for run in every for name in run.fields if name not in left_out and not _of_norm(name)})
    varying = [name for name in names if len({repr(run.fields.get(name)) for run in every}) > 1]
    arms = by_cell(treated, varying), by_cell(reference or (), varying)
    if reference is not None:
        both = arms[0].keys() & arms[1].keys()
        arms = ({cell: of for cell, of in arm.items() if cell in both} for arm in arms)  # type: ignore[assignment]
    return Matched(*arms)


def by_cell(runs: Iterable[Record], names: Sequence[str]) -> Runs:
    """The runs by the values of these settings, and by seed."""
    cells: Runs = {}
    for run in sorted(runs, key=lambda run: run.seed):
        cell = tuple((name, run.value(name)) for name in names)
        cells.setdefault(cell, {}).setdefault(run.seed, []).append(run)
    return dict(sorted(cells.items(), key=lambda item: tuple((str(type(v)), v) for _, v in item[0] if v is not None)))


def _of_norm(name: str) -> bool:
    return name.startswith("norm.")


def described(cell: Mapping[str, Any] | Cell) -> str:
    """A cell in words."""
    pairs = cell.items() if isinstance(cell, Mapping) else cell
    return ", ".join(f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in pairs)
