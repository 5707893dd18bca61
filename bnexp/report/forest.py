"""All primary claims in one picture: effect, interval, and the paper's figure where it has one."""

from __future__ import annotations

import itertools
import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.markers import CARETLEFTBASE, CARETRIGHTBASE
from matplotlib.ticker import NullLocator
from matplotlib.transforms import ScaledTranslation

from bnexp.report.sayings import LABELS

COLOURS = {
    "reproduced": "#009E73",
    "contradicted": "#D55E00",
    "no difference": "#56B4E9",
    "mixed": "#CC79A7",
    "undecided": "#999999",
}

UNITS = {
    "points": ("percentage points", 100.0),
    "share": ("share, %", 100.0),
    "ratio": ("ratio", 1.0),
    "decades": ("decades", 1.0),
    "decades per layer": ("decades per layer", 1.0),
    "decades per decade": ("decades per decade", 1.0),
    "deviations": ("skewness or excess kurtosis", 1.0),
    "nats": ("nats", 1.0),
}
"""Units in words, and what an effect is multiplied by."""

SMALL = 1.0
"""Percentage points up to which a panel with far larger ones is linear; beyond, it is logarithmic."""

LINE = 0.165
"""Inches a line of a claim."""


def forest(claims: Sequence[Mapping[str, Any]]) -> Figure | None:
    """The picture, a panel for every unit, of what is no control; None without claims that have an effect."""
    about = [claim for claim in claims if not claim.get("control")]
    shown = [claim for claim in about if claim["unit"] in UNITS and _has_effect(claim)]
    order = list(LABELS)
    shown.sort(key=lambda claim: order.index(_key(claim)) if _key(claim) in LABELS else len(order))
    by_unit = {unit: rows for unit in UNITS if (rows := [claim for claim in shown if claim["unit"] == unit])}
    if not by_unit:
        return None
    labels = {unit: [_label(claim) for claim in rows] for unit, rows in by_unit.items()}
    heights = [sum(map(_height, of_unit)) + 0.55 for of_unit in labels.values()]
    figure = Figure(figsize=(10, sum(heights) + 0.8), dpi=100, layout="constrained")
    axes = figure.subplots(len(by_unit), 1, squeeze=False, height_ratios=heights)
    title = "The main claims: effect and 95 % interval, > where it is open; thin: of each cell;\n| cells of a mean"
    title += "; ▽ the paper's figure" if any(claim.get("paper_effect") is not None for claim in shown) else ""
    figure.suptitle(title, x=0.01, ha="left", fontsize=12)
    for (unit, rows), (panel,) in zip(by_unit.items(), axes, strict=True):
        _draw(panel, unit, rows, labels[unit])
    drawn = [cell for claim in shown for cell in (claim["cells"] if claim.get("by_cells") else [claim])]
    for verdict, colour in COLOURS.items():
        if any(each["verdict"] == verdict for each in drawn):
            axes[0][0].plot([], [], "o", color=colour, label=verdict)
    figure.legend(loc="outside lower left", ncols=5, frameon=False, fontsize=10)
    return figure


def _has_effect(claim: Mapping[str, Any]) -> bool:
    """Of its own, or in its cells where their mean is no answer."""
    in_cells = claim.get("by_cells") and any(cell["effect"] is not None for cell in claim["cells"])
    return claim["effect"] is not None or bool(in_cells)


def _draw_cells(panel: Axes, cells: Sequence[Mapping[str, Any]], factor: float, middle: float) -> None:
    """A thin interval each, beneath one another in the row, in the colour of what the cell says."""
    ordered = sorted(cells, key=lambda cell: float(cell["effect"]))
    reach = min(0.1, 0.04 * (len(ordered) - 1))
    for cell, offset in zip(ordered, np.linspace(-reach, reach, len(ordered)), strict=True):
        _draw_interval(panel, cell, factor, middle + offset, 1.0, 2.5)


def _draw_interval(panel: Axes, of: Mapping[str, Any], factor: float, at: float, width: float, size: float) -> None:
    """The effect and interval of a claim or a cell, with a mark where an end is open."""
    colour, effect, ci95 = COLOURS[of["verdict"]], factor * of["effect"], of["ci95"] or ()
    panel.plot([effect if end is None else factor * end for end in ci95], [at] * len(ci95), color=colour, lw=width)
    for end, mark, side in zip(ci95, (CARETLEFTBASE, CARETRIGHTBASE), (-1, 1), strict=False):  # there may be none
        if end is None:
            place = panel.transData + ScaledTranslation(side * (size + 2) / 72, 0, panel.figure.dpi_scale_trans)
            panel.plot(effect, at, marker=mark, color=colour, ms=max(size + 1, 6), transform=place)
    panel.plot(effect, at, "o", color=colour, ms=size)


def _key(claim: Mapping[str, Any]) -> tuple[str, str]:
    return claim["experiment"], claim["id"]


def _label(claim: Mapping[str, Any]) -> str:
    """What it answers, else the sentence, with n, data set, epochs and what makes the verdict doubtful, in lines."""
    runs = [f"n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{claim['n']}", claim.get("data"), claim.get("epochs")]
    about = ", ".join([*filter(None, runs), *claim.get("flags", ())])
    said = LABELS.get(_key(claim), f"{claim['experiment']}: {claim['claim']}")
    return textwrap.fill(f"{said} ({about})", 82)


def _height(label: str) -> float:
    """Of a row, in inches."""
    return LINE * (label.count("\n") + 1) + 0.14


def _draw(panel: Axes, unit: str, rows: Sequence[Mapping[str, Any]], labels: Sequence[str]) -> None:
    words, factor = UNITS[unit]
    heights = [*map(_height, labels)]
    ends = [*itertools.accumulate(heights)]
    middles = [end - height / 2 for end, height in zip(ends, heights, strict=True)]
    for i, claim in zip(middles, rows, strict=True):
        colour = COLOURS[claim["verdict"]]
        cells = [cell for cell in claim["cells"] if cell["effect"] is not None]
        if claim.get("by_cells"):  # their mean is no answer
            _draw_cells(panel, cells, factor, i)
        else:
            panel.plot([factor * c["effect"] for c in cells], [i] * len(cells), "|", color=colour, ms=11, mew=1.2)
            _draw_interval(panel, claim, factor, i, 2.5, 7)
        if claim.get("paper_effect") is not None:
            panel.plot(factor * claim["paper_effect"], i - 0.14, "v", color="black", ms=6, mfc="none")
    for end in ends[:-1]:
        panel.axhline(end, color="0.9", lw=0.8)
    panel.set_yticks(middles, labels, fontsize=9)
    panel.set_ylim(ends[-1], 0)
    if unit == "ratio":
        panel.set_xscale("log")
        cells = [cell for claim in rows for cell in claim["cells"]]
        shown = [(each["effect"], *(each["ci95"] or ())) for each in (*rows, *cells)]
        reach = max([2.0, *(math.exp(abs(math.log(end))) for of_claim in shown for end in of_claim if end)])
        panel.set_xlim(1 / reach / 1.1, reach * 1.1)
        ticks = [tick for tick in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50) if 1 / reach / 1.1 <= tick <= reach * 1.1]
        panel.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        panel.xaxis.set_minor_locator(NullLocator())
    elif unit == "points" and max(map(abs, panel.get_xlim())) > 10 * SMALL:  # tenths of points beside tens of them
        panel.set_xscale("symlog", linthresh=SMALL, linscale=0.7)
        lo, hi = panel.get_xlim()
        ticks = [t for t in (-30, -10, -3, -1, 0, 1, 3, 10, 30) if lo <= t <= hi]
        panel.set_xticks(ticks, [f"{t:g}".replace("-", "−") for t in ticks])
        panel.xaxis.set_minor_locator(NullLocator())
    panel.axvline(1 if unit == "ratio" else 0, color="0.6", lw=0.9)
    panel.set_xlabel(words)
    panel.grid(axis="x", color="0.9")
    panel.spines[["top", "right"]].set_visible(False)
