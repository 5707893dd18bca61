"""Figures over the settings of a sweep: panels of lines, curves or heat maps, each readable alone.

A panel for every pair of values of two settings (rows and columns), a line or a map for every arm. Settings are
named as in `Record.fields`; `norm` is the norm in one word.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from bnexp.claims import drawing
from bnexp.claims.claim import PLAIN
from bnexp.claims.words import arm_name
from bnexp.runs.records import Record, Records

SETTINGS = {
    "lr": "learning rate",
    "batch": "examples in a mini-batch",
    "l2": "L2 weight",
    "init.scale": "initial scale",
    "init.scheme": "initial weights",
    "model.depth": "hidden layers",
    "model.width": "units per layer",
    "model.activation": "nonlinearity",
    "model.dropout": "dropout",
    "model.residual": "residual connections",
    "optimizer.name": "optimiser",
    "norm.placement": "BN",
    "norm.statistics": "statistics",
    "norm.batches": "mini-batches k",
    "norm.momentum": "momentum of the averages",
    "data.examples": "training examples",
    "seed": "seed",
}
"""Settings as figures call them; any other goes by its own name."""

Measure = Callable[[Record], float]
Arm = Callable[[Record], str]


@dataclass(frozen=True)
class Layout:
    """Which setting varies where; None for a single row or column."""

    rows: str | None = None
    columns: str | None = None
    line: Arm = lambda run: run.norm
    """The arm a run belongs to."""


def values(runs: Iterable[Record], setting: str | None) -> list[Any]:
    """The values that runs have of a setting, in order: numbers by size, words as they come first."""
    found = list(dict.fromkeys(None if setting is None else run.value(setting) for run in runs))
    if all(isinstance(v, (int, float)) for v in found):
        return sorted(found)
    return sorted(found, key=lambda v: v != PLAIN)


def called(setting: str, of: Any = None) -> str:
    """A setting in words, with a value if one is given."""
    name = SETTINGS.get(setting, setting)
    if of is None:
        return name
    if isinstance(of, bool):
        return f"{name} {'on' if of else 'off'}"
    if setting in ("model.activation", "optimizer.name", "init.scheme"):
        return str(of)
    return arm_name(of) if setting == "norm" else f"{name} {of:g}" if isinstance(of, float) else f"{name} {of}"


def lines(
    records: Records,
    title: str,
    shows: str,
    axis: str,
    measure: Measure,
    label: str,
    layout: Layout | None = None,
    limits: tuple[float, float] | None = None,
) -> Figure:
    """A measure of the runs against a setting, on a log axis where all its values are above 0.

    Line: mean over the seeds; band: lowest to highest. Numbers of any spacing, or words, can be the setting.
    """
    layout = layout or Layout()
    arms = _arms(records, layout)
    colours = drawing.colours(arms)
    bands = f"{shows} Line: mean over the seeds; band: lowest to highest."
    figure, panels = _panels(records, title, bands, layout, sharey=True)
    found = values(records.runs, axis)
    numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in found)
    for panel, runs in panels:
        for arm in arms:
            own = [run for run in runs if layout.line(run) == arm]
            there = [v for v in found if any(run.value(axis) == v for run in own)]
            results = [[measure(run) for run in own if run.value(axis) == v] for v in there]
            at = there if numbers else [found.index(v) for v in there]
            _band(panel, at, results, colours[arm], arm, marker="o")
        if numbers and found[0] > 0 and found[-1] / found[0] >= 8:
            panel.set_xscale("log")
        if not numbers:
            panel.set_xticks(range(len(found)), [str(v) for v in found])
        elif len(found) <= 9 and _apart(found, panel.get_xscale() == "log"):
            panel.set_xticks(found, [f"{v:g}" for v in found], rotation=45 if len(found) > 5 else 0)
            panel.xaxis.set_minor_locator(NullLocator())
        panel.set_xlabel(called(axis))
        panel.set_ylabel(label)
        if limits:
            panel.set_ylim(*limits)
    _legend(figure, panels[0][0], arms)
    return figure


def curves(
    records: Records,
    title: str,
    shows: str,
    metric: str,
    label: str,
    layout: Layout | None = None,
    limits: tuple[float, float] | None = None,
    fill: float = math.nan,
) -> Figure:
    """A metric during training, steps on a log axis; `fill` stands for it where a run has diverged."""
    layout = layout or Layout()
    arms = _arms(records, layout)
    colours = drawing.colours(arms)
    bands = f"{shows} Line: mean over the seeds; band: lowest to highest."
    figure, panels = _panels(records, title, bands, layout, sharey=True)
    for panel, runs in panels:
        for arm in arms:
            own = [run.metrics.set_index("step")[metric] for run in runs if layout.line(run) == arm]
            if not own:
                continue
            steps = sorted(set.intersection(*(set(curve.index) for curve in own)) - {0})
            table = np.array([curve.loc[steps].fillna(fill).to_numpy() for curve in own]).T
            _band(panel, steps, table.tolist(), colours[arm], arm)
        panel.set_xscale("log")
        panel.set_xlabel("training steps")
        panel.set_ylabel(label)
        if limits:
            panel.set_ylim(*limits)
    _legend(figure, panels[0][0], arms)
    return figure


def heat_maps(
    records: Records,
    title: str,
    shows: str,
    x: str,
    y: str,
    measure: Measure,
    layout: Layout,
    colours: Normalize,
    text: Callable[[float], str],
) -> Figure:
    """The mean over the seeds of a measure over two settings, one panel per value of two more, shared colours."""
    across, up = values(records.runs, x), values(records.runs, y)
    size = (max(1.4 + 0.55 * len(across), 2.6), 1.0 + 0.36 * len(up))
    figure, panels = _panels(records, title, f"{shows} Mean over the seeds.", layout, size)
    colour_map = matplotlib.colormaps["viridis"].with_extremes(bad="0.85")
    for panel, runs in panels:
        table = np.full((len(up), len(across)), np.nan)
        for j, row in enumerate(up):
            for i, column in enumerate(across):
                cell = [measure(run) for run in runs if run.value(x) == column and run.value(y) == row]
                if cell:
                    table[j, i] = mean = float(np.mean(cell))
                    light = not math.isnan(mean) and sum(colour_map(colours(mean))[:3]) > 1.5
                    panel.text(i, j, text(mean), ha="center", va="center", fontsize=8, color="k" if light else "w")
        shown = panel.imshow(np.ma.masked_invalid(table), cmap=colour_map, norm=colours, origin="lower", aspect="auto")
        panel.set_xticks(range(len(across)), [_short(v) for v in across])
        panel.set_yticks(range(len(up)), [_short(v) for v in up])
        panel.set_xlabel(called(x))
        panel.set_ylabel(called(y))
        panel.spines[:].set_visible(False)
    bar = figure.colorbar(shown, ax=[panel for panel, _ in panels])
    bar.ax.yaxis.set_major_formatter(lambda v, _: text(v))
    return figure


def _apart(at: Sequence[float], log: bool) -> bool:
    """Whether numbers are far enough from each other on an axis to be written at their places."""
    places = [math.log(x) if log else x for x in at]
    gaps = [b - a for a, b in itertools.pairwise(places)]
    return not gaps or min(gaps) > 0.06 * (places[-1] - places[0])


def _short(of: Any) -> str:
    return f"{of:g}" if isinstance(of, float) else str(of)


def _arms(records: Records, layout: Layout) -> list[str]:
    return sorted(dict.fromkeys(layout.line(run) for run in records.runs), key=lambda arm: arm != PLAIN)


def _panels(
    records: Records, title: str, shows: str, layout: Layout, size: tuple[float, float] = (3.4, 2.7), **grid: Any
) -> tuple[Figure, list[tuple[Axes, list[Record]]]]:
    """The sheet, and each panel with its runs; `size` of a panel in inches."""
    up, across = values(records.runs, layout.rows), values(records.runs, layout.columns)
    whole = max(size[0] * len(across) + 0.6, 6.8), size[1] * len(up) + 1.5
    figure, axes = drawing.sheet(records, title, shows, whole, rows=len(up), columns=len(across), **grid)
    panels = []
    for row, line in zip(up, axes, strict=True):
        for column, panel in zip(across, line, strict=True):
            wanted = [(layout.rows, row), (layout.columns, column)]
            own = [run for run in records.runs if all(s is None or run.value(s) == of for s, of in wanted)]
            named = [called(setting, of) for setting, of in wanted if setting is not None]
            panel.set_title(", ".join(named), fontsize=10)
            drawing.plain_axes(panel)
            panels.append((panel, own))
    return figure, panels


def _band(
    panel: Axes, at: Sequence[Any], results: Sequence[Sequence[float]], colour: str, arm: str, **style: Any
) -> None:
    style |= {"color": colour, "lw": 1.6, "ls": "--" if arm == PLAIN else "-", "ms": 3.5}
    low, high = ([edge(own) for own in results] for edge in (min, max))
    panel.fill_between(at, low, high, color=colour, alpha=0.22, lw=0)
    panel.plot(at, [sum(own) / len(own) for own in results], label=arm_name(arm), **style)
    panel.grid(axis="y", color="0.9")


def _legend(figure: Figure, panel: Axes, arms: Sequence[str]) -> None:
    if len(arms) > 1:
        figure.legend(*panel.get_legend_handles_labels(), loc="outside right center", frameon=False, fontsize=9)
