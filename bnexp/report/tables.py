"""The table of an experiment's arms."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Any

import pandas as pd

from bnexp.claims.speed import TARGETS, reached
from bnexp.judging import rules
from bnexp.judging.measures import diverged, final_accuracy, highest_accuracy
from bnexp.runs.records import Records

TARGETED = ("mnist", "digits")
"""Data sets on which the steps to `TARGETS` say something."""


ENDS = ("accuracy_lo", "accuracy_hi")
"""Of the interval; a single run has none."""


def arms(gathered: Records) -> pd.DataFrame:
    """A row per arm: what varies, runs, final test accuracy with its 95 % interval and the highest, steps to targets.

    A run that diverged counts as chance, as in the claims.
    """
    axes = gathered.axes()
    rows = []
    targets = TARGETS if gathered.dataset["name"] in TARGETED else ()
    for key, replicates in gathered.arms(gathered.label, *axes).items():
        interval = rules.single([final_accuracy(run) for run in replicates], 0.0)
        row: dict[str, Any] = dict(zip((gathered.label, *axes), key, strict=True))
        row |= {"n": len(replicates), "diverged": sum(map(diverged, replicates))}
        lo, hi = (min(max(end, 0.0), 1.0) for end in (interval.lo, interval.hi))  # no share is outside
        ends = {"accuracy_lo": lo, "accuracy_hi": hi} if len(replicates) > 1 else dict.fromkeys(ENDS)
        row |= {"accuracy": interval.effect, **ends}
        row["highest"] = fmean(map(highest_accuracy, replicates))
        for target in targets:
            steps = reached(replicates, target)
            row |= {f"steps_to_{100 * target:.0f}": steps.mean, f"reached_{100 * target:.0f}": steps.runs}
        rows.append(row)
    return pd.DataFrame(rows)


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """The arms in few columns of text."""
    rows = []
    for row in table.to_dict("records"):
        n = row["n"]
        cells = {str(name): _setting(row[name]) for name in _settings(table)}
        cells["n"] = f"{n}" + (f" ({row['diverged']} diverged)" if row["diverged"] else "")
        interval = " [{:.2f}, {:.2f}]".format(*(100 * row[end] for end in ENDS)) if n > 1 else ""
        cells["final accuracy %"] = f"{100 * row['accuracy']:.2f}{interval}"
        cells["highest %"] = f"{100 * row['highest']:.2f}"
        for target in TARGETS:
            if f"steps_to_{100 * target:.0f}" not in row:
                continue
            steps, reaching = row[f"steps_to_{100 * target:.0f}"], row[f"reached_{100 * target:.0f}"]
            some = f" ({reaching} of {n})" if reaching < n else ""
            cells[f"steps to {target:.0%}"] = f"{steps:,.0f}{some}" if reaching else "never"
        rows.append(cells)
    return pd.DataFrame(rows)


def _setting(value: Any) -> str:
    """One that the arm does not have, such as momentum under plain SGD, is a dash."""
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return "–"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _settings(table: pd.DataFrame) -> list[Any]:
    return list(table.columns[: list(table.columns).index("n")])


def markdown(head: Sequence[str], rows: Iterable[Iterable[object]]) -> list[str]:
    """The lines of a table of text."""

    def line(cells: Iterable[object]) -> str:
        return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"

    return [line(head), "|" + "---|" * len(head), *map(line, rows)]


def of_frame(table: pd.DataFrame) -> list[str]:
    """The same of a pandas table."""
    return markdown(list(table.columns), table.itertuples(index=False))
