"""The plots of all claims: lines, curves, dots, heat maps, fans of percentiles; every seed is seen behind its mean.

A panel for every pair of values of two settings (rows and columns), a colour for every arm. Settings are named as in
`Record.fields`; `norm` is the norm in one word.
"""

from __future__ import annotations

import itertools
import math
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, NullLocator

from bnexp.config import ACTIVATIONS
from bnexp.drawing.colours import colours
from bnexp.judging.claim import PLAIN
from bnexp.judging.matching import at_their_best, having, judged, shown
from bnexp.judging.measures import common_chance, curve, epochs
from bnexp.judging.words import arm_name, setting_label
from bnexp.runs.records import Record, Records
from bnexp.stats import PERCENTILES

Measure = Callable[[Record], float | None]
Arm = Callable[[Record], str]


@dataclass(frozen=True)
class Layout:
    """Which setting varies where; None for a single row or column."""

    rows: str | None = None
    columns: str | None = None
    arm: Arm = lambda run: run.norm
    """The arm that a run belongs to."""


def sheet(
    records: Records, title: str, shows: str, size: tuple[float, float], rows: int = 1, columns: int = 1, **grid: Any
) -> tuple[Figure, list[list[Axes]]]:
    """A figure with its axes in rows, its title, and under it what it shows and on which data; size in inches."""
    figure = Figure(figsize=size, dpi=100, layout="constrained")
    notice = f"STAND-IN, NOT {records.stands_in_for} — " if records.stands_in_for else ""
    figure.suptitle(_wrapped(notice + title, size[0], 12), fontsize=12, x=0.01, ha="left")
    _caption(figure, f"{shows} {records.caption}, {epochs(shown(records).runs)}.")
    axes = figure.subplots(rows, columns, squeeze=False, **grid)
    return figure, axes.tolist()


ACROSS = 3
"""Panels beside each other; of more, a README shows letters that are too small to read."""

NARROWEST = 6.8
"""Inches, in which titles and captions have room."""


def strip(
    records: Records, title: str, shows: str, panel: tuple[float, float], panels: int, **grid: Any
) -> tuple[Figure, list[Axes]]:
    """A figure of so many panels, in one row or, of more than `ACROSS`, in several; size of a panel in inches."""
    columns = panels if panels <= ACROSS else min(ACROSS, math.ceil(panels / 2))
    rows = math.ceil(panels / columns)
    size = (max(panel[0] * columns + 0.8, NARROWEST), panel[1] * rows + 0.8)
    figure, axes = sheet(records, title, shows, size, rows, columns, **grid)
    every = list(itertools.chain.from_iterable(axes))
    for unused in every[panels:]:
        unused.remove()
    return figure, every[:panels]


def add_to_caption(figure: Figure, sentence: str) -> None:
    """Put a sentence behind what stands under a figure, which grows by the lines that it takes."""
    before = figure.get_supxlabel()
    _caption(figure, f"{' '.join(before.split())} {sentence}")
    more = figure.get_supxlabel().count("\n") - before.count("\n")
    figure.set_figheight(figure.get_figheight() + more * LINE)


def lines(
    records: Records,
    title: str,
    shows: str,
    axis: str,
    measure: Measure,
    label: str,
    layout: Layout | None = None,
    limits: tuple[float, float] | None = None,
    mark: float | None = None,
) -> Figure:
    """A measure of the runs against a setting, on a log axis where its values are far apart, 0 before the smallest.

    Numbers of any spacing, or words, can be the setting; `mark` is the height of a line that decides something.
    """
    layout = layout or Layout()
    arms = _arms(records, layout)
    figure, panels = _panels(records, title, f"{shows} Line: mean over the seeds; dots: seeds.", layout, sharey=True)
    known = values(records.runs, axis)
    numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in known)
    for panel, runs in panels:
        for arm, colour in colours(arms).items():
            of_arm = [run for run in runs if layout.arm(run) == arm]
            points: list[tuple[float, list[float]]] = []
            for value in known:
                results = [y for run in of_arm if run.value(axis) == value and (y := measure(run)) is not None]
                if results:
                    points.append((value if numbers else known.index(value), results))
            _mean_and_seeds(panel, points, colour, arm)
        if numbers and known[0] > 0 and known[-1] / known[0] >= 8:
            panel.set_xscale("log")
            few_decades(panel.xaxis)
        if not numbers:
            panel.set_xticks(range(len(known)), [str(v) for v in known])
        elif known[0] == 0 and len(known) > 2 and known[-1] / known[1] >= 8:
            panel.set_xscale("symlog", linthresh=known[1], linscale=0.5)
            panel.set_xticks(known, [f"{v:g}" for v in known])
            panel.xaxis.set_minor_locator(NullLocator())
        elif len(known) <= 9 and _apart(known, panel.get_xscale() == "log"):
            panel.set_xticks(known, [f"{v:g}" for v in known], rotation=45 if len(known) > 5 else 0)
            panel.xaxis.set_minor_locator(NullLocator())
        panel.set_xlabel(setting_label(axis))
        _upright(panel, label, limits, mark)
    _labels_outside([panel for panel, _ in panels])
    _legend(figure, panels)
    return figure


def curves(
    records: Records,
    title: str,
    shows: str,
    metric: str | Callable[[Record], tuple[Sequence[float], Sequence[float]]],
    label: str,
    layout: Layout | None = None,
    limits: tuple[float, float] | None = None,
    fill: float = math.nan,
    mark: float | None = None,
    linear: bool = False,
) -> Figure:
    """A metric during training, steps on a log axis unless `linear`; `fill` stands for it where a run has diverged."""
    layout = layout or Layout()
    arms = _arms(records, layout)
    words = f"{shows} Thick: mean over the seeds; thin: seeds."
    figure, panels = _panels(records, title, words, layout, sharey=True)
    for panel, runs in panels:
        for arm, colour in colours(arms).items():
            series = [_series(run, metric, fill) for run in runs if layout.arm(run) == arm]
            if not series:
                continue
            steps = sorted(set.intersection(*(set(of_run) for of_run in series)) - ({0} if not linear else set()))
            table = np.array([[of_run[step] for step in steps] for of_run in series])
            panel.plot(steps, table.T, color=colour, lw=0.5, alpha=max(min(0.45, 10 / len(table)), 0.05))
            panel.plot(steps, table.mean(0), color=colour, lw=2, ls="--" if arm == PLAIN else "-", label=arm_name(arm))
        if linear:
            steps_axis(panel, max(float(run.metrics["step"].iloc[-1]) for run in runs))
        else:
            panel.set_xscale("log")
            few_decades(panel.xaxis)
            panel.xaxis.set_major_formatter(_in_thousands)
            panel.set_xlabel("training steps")
        _upright(panel, label, limits, mark)
    _labels_outside([panel for panel, _ in panels])
    _legend(figure, panels)
    return figure


def _series(
    run: Record, metric: str | Callable[[Record], tuple[Sequence[float], Sequence[float]]], fill: float
) -> dict[float, float]:
    x, y = (run.metrics["step"], run.metrics[metric]) if isinstance(metric, str) else metric(run)
    return {step: fill if math.isnan(value) else value for step, value in zip(x, y, strict=True)}


def dots(
    records: Records,
    title: str,
    shows: str,
    measures: Mapping[str, Measure],
    across: str | None = None,
    arm: Arm = lambda run: run.norm,
    log: bool = False,
    fraction: bool = False,
    mark: float | None = None,
) -> Figure:
    """A panel for every measure, by its label: a dot a run, columns by the values of a setting, or by the arm.

    Means are geometric on a log axis. Measures that are a `fraction` are in percent; `mark` is the height of a line
    that decides something.
    """
    arms = _arms(records, Layout(arm=arm))
    known = values(records.runs, across) if across else [None]
    words = f"{shows} A dot a run, a dash their mean."
    figure, axes = strip(records, title, words, (3.4, 3.4), len(measures))
    for panel, (label, measure) in zip(axes, measures.items(), strict=True):
        for i, (name, colour) in enumerate(colours(arms).items()):
            for j, value in enumerate(known):
                runs = [run for run in records.runs if arm(run) == name and (not across or run.value(across) == value)]
                heights = [y for run in runs if (y := measure(run)) is not None]
                at = j + 0.7 * (i - (len(arms) - 1) / 2) / len(arms) if across else i
                panel.scatter([at] * len(heights), heights, color=colour, s=20, alpha=0.6, lw=0)
                if heights:
                    mean = np.exp(np.mean(np.log(heights))) if log and min(heights) > 0 else np.mean(heights)
                    panel.plot(at, mean, marker="_", color=colour, ms=16, mew=2)
        ticks = [str(value) for value in known] if across else [arm_name(name) for name in arms]
        rotation = 20 if not across and len(arms) > 2 else 0
        panel.set_xticks(range(len(ticks)), ticks, rotation=rotation, ha="right" if rotation else "center")
        panel.set_xlim(-0.6, len(ticks) - 0.4)
        if log:
            panel.set_yscale("log")
            log_numbers(panel.yaxis)
        _upright(panel, label, None, mark, fraction)
    if across and len(arms) > 1:
        for name, colour in colours(arms).items():
            axes[-1].scatter([], [], color=colour, label=arm_name(name))
        figure.legend(loc="outside right center", frameon=False, fontsize=9.5)
    return figure


def probes_of(
    records: Records,
    stem: str,
    title: str,
    measures: Mapping[str, Measure],
    log: bool = True,
    at_one_rate: bool = False,
    when: str = "of layers and steps after the first tenth the means",
    fraction: bool = False,
    mark: float | None = None,
) -> dict[str, Figure]:
    """What probes measure on each norm's networks, by nonlinearity; where they did, and `when` they did, in words.

    Each is at its own best rate, or all at the one that suits the network without a norm best.
    """
    runs = at_their_best(records.runs, ("norm", "model.activation"), ("lr",))
    if at_one_rate:
        best = {(run.value("model.activation"), run.value("lr")) for run in having(runs, {"norm": PLAIN})}
        runs = [run for run in judged(records.runs) if (run.value("model.activation"), run.value("lr")) in best]
    if not any(measure(run) is not None for run in runs for measure in measures.values()):
        return {}
    rates = "Each network at its own best learning rate"
    if at_one_rate:
        rates = "All networks at the learning rate that suits the one without BN best"
    words = f"{rates}; {when}."
    of_runs = records.of(runs)
    return {stem: dots(of_runs, title, words, measures, "model.activation", log=log, fraction=fraction, mark=mark)}


def curves_at_best(
    records: Records,
    stem: str,
    cells: Sequence[str],
    title: str,
    layout: Layout,
    mark: float | None = None,
    linear: bool = False,
    shows: str = "",
) -> dict[str, Figure]:
    """Test accuracy during training of each arm at its own best rate, by `cells`; where there is one."""
    best = at_their_best(records.runs, cells, ("lr",))
    if not best:
        return {}
    words, least = f"Each at its own best learning rate{shows}.", common_chance(best)
    of_best = records.of(best)
    return {stem: curves(of_best, title, words, curve, "test accuracy", layout, (0, 1), least, mark, linear)}


CELL, STRIPE = 8, 2
"""The height of a heat map's cell, and of it that of the seeds' stripes."""


def heat_maps(
    records: Records,
    title: str,
    shows: str,
    x: str,
    y: str,
    measure: Callable[[Sequence[Record]], float],
    layout: Layout,
    scale: Normalize,
    text: Callable[[float], str],
    colour_map: str = "viridis",
) -> Figure:
    """A measure of a cell's runs over two settings, one panel per value of two more, shared colours.

    Under the number, which is of all runs, a stripe in a cell for each of its seeds.
    """
    records = shown(records)
    across, up = values(records.runs, x), values(records.runs, y)
    seeds = values(records.runs, "seed")
    size = (max(1.2 + 0.5 * len(across), 2.8), 1.0 + 0.4 * len(up))
    stripes = f" Under the number, a stripe for each of the {len(seeds)} seeds." if len(seeds) > 1 else ""
    figure, panels = _panels(records, title, f"{shows}{stripes}", layout, size)
    shades = matplotlib.colormaps[colour_map].with_extremes(bad="0.85")
    for panel, runs in panels:
        cells: dict[tuple[Any, Any], list[Record]] = {}
        for run in runs:
            cells.setdefault((run.value(y), run.value(x)), []).append(run)
        table = np.full((len(up), CELL, len(across), len(seeds)), np.nan)
        for (row, column), cell in cells.items():
            j, i = up.index(row), across.index(column)
            value = measure(cell)
            table[j, :, i] = value
            by_seed = [[run for run in cell if run.seed == seed] for seed in seeds]
            table[j, :STRIPE, i] = [measure(of_seed) if of_seed else math.nan for of_seed in by_seed]
            r, g, b, _ = shades(scale(value)) if not math.isnan(value) else (0.85, 0.85, 0.85, 1)
            dark = 0.3 * r + 0.59 * g + 0.11 * b < 0.5
            colour = "white" if dark else "black"
            panel.text(i, j + STRIPE / CELL / 2, text(value), ha="center", va="center", fontsize=8.5, color=colour)
        image = panel.imshow(
            np.ma.masked_invalid(table.reshape(len(up) * CELL, -1)),
            cmap=shades,
            norm=scale,
            origin="lower",
            aspect="auto",
            extent=(-0.5, len(across) - 0.5, -0.5, len(up) - 0.5),
            interpolation="nearest",
        )
        panel.vlines(np.arange(1, len(across)) - 0.5, *panel.get_ylim(), color="white", linewidth=1)
        panel.hlines(np.arange(1, len(up)) - 0.5, *panel.get_xlim(), color="white", linewidth=1)
        panel.set_xticks(range(len(across)), [_short(v) for v in across])
        panel.set_yticks(range(len(up)), [_short(v) for v in up])
        panel.set_xlabel(setting_label(x))
        panel.set_ylabel(setting_label(y))
        panel.spines[:].set_visible(False)
    _labels_outside([panel for panel, _ in panels])
    bar = figure.colorbar(image, ax=[panel for panel, _ in panels], extend="both")
    bar.ax.yaxis.set_major_formatter(lambda v, _: text(v))
    if isinstance(scale, LogNorm):
        bar.ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        bar.ax.yaxis.set_minor_locator(NullLocator())
    return figure


def by_layer(
    records: Records,
    title: str,
    shows: str,
    metric: str,
    label: str,
    layout: Layout,
    moments: Mapping[str, float],
    log: bool = False,
) -> Figure:
    """A metric of every layer from the first to the last, at some moments (name to part of the training); dots: seeds.

    `metric` has `{layer}` where the layer's number goes.
    """
    arms = _arms(records, layout)
    figure, panels = _panels(records, title, f"{shows} Line: mean over the seeds; dots: seeds.", layout, sharey=True)
    for panel, runs in panels:
        for (arm, colour), (when, part) in itertools.product(colours(arms).items(), moments.items()):
            of_arm = [run for run in runs if layout.arm(run) == arm]
            layers = range(1, int(of_arm[0].value("model.depth")) + 1) if of_arm else range(0)
            at = [round(part * (len(run.metrics) - 1)) for run in of_arm]
            points: list[tuple[float, list[float]]] = [
                (n, [float(r.metrics[metric.format(layer=n)].iloc[i]) for r, i in zip(of_arm, at, strict=True)])
                for n in layers
            ]
            _mean_and_seeds(
                panel, points, colour, arm, when if len(moments) > 1 else "", ":" if part < 0.5 else "-", log
            )
        if log:
            panel.set_yscale("log")
        panel.set_xlabel("hidden layer")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        _upright(panel, label, None, None)
    _labels_outside([panel for panel, _ in panels])
    _legend(figure, panels)
    return figure


def fans(
    records: Records, title: str, shows: str, runs: Mapping[str, tuple[Record, int]], axis: float | None
) -> Figure:
    """The percentiles of a unit's input over the training, a panel a run, by its title, with the unit.

    `axis`: the vertical axis goes from −axis to axis; what lies beyond is told in the panel's title.
    """
    figure, axes = strip(records, title, shows, (2.9, 3.6), len(runs), sharey=True)
    for panel, (name, (run, unit)) in zip(axes, runs.items(), strict=True):
        q = until_divergence(run.percentiles)[:, unit]
        steps = run.metrics["step"].to_numpy()[: len(q)]
        colour = colours([run.norm])[run.norm]
        panel.fill_between(steps, q[:, 0], q[:, -1], color=colour, alpha=0.15, lw=0)
        for series, percentile in zip(q.T, PERCENTILES, strict=True):
            panel.plot(steps, series, color=colour, lw=2 if percentile == 50 else 1.1)
        beyond = axis is not None and len(q) and float(np.abs(q).max()) > axis
        reach = f"\n(reaches {q.min():.1f} to {q.max():.1f})".replace("-", "−") if beyond else ""
        panel.set_title(f"{name}{reach}", fontsize=10)
        panel.grid(axis="y", color="0.9")
        steps_axis(panel, float(run.metrics["step"].iloc[-1]))
        plain_axes(panel)
    if axis is not None:
        axes[0].set_ylim(-axis, axis)
    for panel in axes:
        panel.set_ylabel("nonlinearity's input")
    _labels_outside(axes)
    return figure


def until_divergence(q: np.ndarray | None) -> np.ndarray:
    """The evaluations before the first with a value that is not finite; q `[evaluations, units, percentiles]`."""
    if q is None:
        return np.empty((0, 0, len(PERCENTILES)))
    finite = np.isfinite(q).all(axis=(1, 2))
    return q if finite.all() else q[: int(np.argmin(finite))]


def values(runs: Iterable[Record], setting: str | None) -> list[Any]:
    """The values that runs have of a setting, in order: numbers by size, words as they come first."""
    known = list(dict.fromkeys(None if setting is None else run.value(setting) for run in runs))
    if all(isinstance(v, (int, float)) for v in known):
        return sorted(known)
    return sorted(known, key=lambda v: (v != PLAIN, ACTIVATIONS.index(v) if v in ACTIVATIONS else len(ACTIVATIONS)))


def plain_axes(axes: Axes) -> None:
    """Take away the frame that carries no data."""
    axes.spines[["top", "right"]].set_visible(False)


def steps_axis(axes: Axes, last: float) -> None:
    """Training steps, linear as in Figure 1."""
    axes.set_xlim(0, last)
    axes.set_xlabel("training steps")
    axes.xaxis.set_major_formatter(_in_thousands)


def _in_thousands(steps: float, _: float) -> str:
    return f"{steps / 1000:g}K" if steps >= 1000 else f"{steps:g}"


def log_numbers(axis: Axis) -> None:
    """Plain numbers 1, 2, 5, 10, … on a log axis of few decades, of less than half a one those between them, too."""
    low, high = axis.get_data_interval()
    axis.set_major_locator(LogLocator(subs=range(1, 10) if 0 < low <= high < 4 * low else (1, 2, 5)))
    axis.set_major_formatter(lambda x, _: f"{x:g}")
    axis.set_minor_formatter(NullFormatter())


def in_percent(axis: Axis) -> None:
    """Fractions in percent."""
    axis.set_major_formatter(lambda of, _: f"{100 * of:.4g} %")


def few_decades(axis: Axis) -> None:
    """Of a log axis: the numbers of `log_numbers` where it spans less than two decades, or they would run together."""
    low, high = axis.get_data_interval()
    if 0 < low <= high < math.inf and high / low < 100:
        log_numbers(axis)


def _upright(
    panel: Axes, label: str, limits: tuple[float, float] | None, mark: float | None, fraction: bool | None = None
) -> None:
    """The vertical axis: fractions in percent."""
    panel.set_ylabel(label)
    panel.grid(axis="y", color="0.9")
    plain_axes(panel)
    if limits:
        panel.set_ylim(*limits)
    if mark is not None:
        panel.axhline(mark, color="0.4", lw=0.9, ls=":")
    if fraction or (fraction is None and (limits is not None or "accuracy" in label or "fraction" in label)):
        in_percent(panel.yaxis)


def _mean_and_seeds(
    panel: Axes,
    points: Sequence[tuple[float, Sequence[float]]],
    colour: str,
    arm: str,
    when: str = "",
    style: str = "",
    log: bool = False,
) -> None:
    """A line through the means (geometric on a log axis), and a dot for each seed."""
    label = ", ".join(filter(None, [arm_name(arm), when]))
    line = style or ("--" if arm == PLAIN else "-")
    means = [math.exp(np.mean(np.log(y))) if log else float(np.mean(y)) for _, y in points]
    panel.plot([x for x, _ in points], means, color=colour, lw=1.8, ls=line, label=label)
    every = [(x, y) for x, ys in points for y in ys]
    panel.scatter([x for x, _ in every], [y for _, y in every], color=colour, s=7, alpha=0.45, lw=0)


def _panels(
    records: Records, title: str, shows: str, layout: Layout, size: tuple[float, float] = (3.4, 2.9), **grid: Any
) -> tuple[Figure, list[tuple[Axes, list[Record]]]]:
    """The sheet, and each panel with its runs; `size` of a panel in inches."""
    up, across = values(records.runs, layout.rows), values(records.runs, layout.columns)
    if len(up) == 1:
        figure, axes = strip(records, title, shows, size, len(across), **grid)
    else:
        wide = size[0] if len(across) <= ACROSS else 0.8 * size[0]
        inches = max(wide * len(across) + 0.6, NARROWEST), size[1] * len(up) + 1.5
        figure, lines = sheet(records, title, shows, inches, rows=len(up), columns=len(across), **grid)
        axes = list(itertools.chain.from_iterable(lines))
    panels = []
    for (row, column), panel in zip(itertools.product(up, across), axes, strict=True):
        wanted = [(layout.rows, row), (layout.columns, column)]
        runs = [run for run in records.runs if all(s is None or run.value(s) == of for s, of in wanted)]
        named = [setting_label(setting, of) for setting, of in wanted if setting is not None]
        panel.set_title(", ".join(named), fontsize=10)
        panels.append((panel, runs))
    return figure, panels


def _arms(records: Records, layout: Layout) -> list[str]:
    return sorted(dict.fromkeys(layout.arm(run) for run in records.runs), key=lambda arm: arm != PLAIN)


def _labels_outside(panels: Sequence[Axes]) -> None:
    """What the axes of all panels show alike is written at the left, and where nothing is below, alone."""
    below: set[int] = set()
    for panel in reversed(panels):
        place = panel.get_subplotspec()
        assert place is not None
        column = place.colspan.start
        if column > 0:
            panel.set_ylabel("")
        if column in below:
            panel.set_xlabel("")
        below.add(column)


def _legend(figure: Figure, panels: Sequence[tuple[Axes, Any]]) -> None:
    entries: dict[str, Any] = {}
    for panel, _ in panels:
        handles, labels = panel.get_legend_handles_labels()
        entries |= dict(zip(labels, handles, strict=True))
    if len(entries) > 1:
        where: Any = "outside right center"
        figure.legend(list(entries.values()), list(entries), loc=where, frameon=False, fontsize=9.5)


def _apart(at: Sequence[float], log: bool) -> bool:
    """Whether numbers are far enough from each other on an axis to be written at their places."""
    places = [math.log(x) if log else x for x in at]
    gaps = [b - a for a, b in itertools.pairwise(places)]
    return not gaps or min(gaps) > 0.06 * (places[-1] - places[0])


def _short(of: Any) -> str:
    return f"{of:g}" if isinstance(of, float) else str(of)


def _caption(figure: Figure, text: str) -> None:
    figure.supxlabel(_wrapped(text, figure.get_size_inches()[0], 9.5), fontsize=9.5, x=0.01, ha="left")


LINE = 0.17
"""Inches, the height of a line of a caption."""

LETTER = 0.58
"""The mean width of a letter, in its height."""


def _wrapped(text: str, inches: float, points: float) -> str:
    return textwrap.fill(text, int(inches * 72 / (points * LETTER)), break_on_hyphens=False)
