"""The profile of a candidate at a glance, and each claim with every seed."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Mapping, Sequence
from statistics import fmean, geometric_mean
from typing import Any

from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from bnexp.claims import PLAIN, Records
from bnexp.drawing import plots
from bnexp.drawing.colours import colours
from bnexp.judge.profile import Entry, beside, text_of
from bnexp.judging.words import arm_label, arm_name
from bnexp.report import effects
from bnexp.report.forest import COLOURS

ROW, HEADING, TOP = 0.46, 0.5, 1.5
"""Heights in inches: of a claim, of an experiment's heading, and of title, colours and columns' names together."""

TEXT, COLUMN = 8.0, 1.7
"""Widths in inches: of the sentences, and of a norm."""

LETTERS = 108
"""Of a sentence in a line; there are two."""

LINE = 0.22
"""Inches a line of dots."""


def profile_figure(name: str, target: str, scale: str, entries: Sequence[Entry]) -> Figure:
    """A row a claim, a column a norm in BN's place and one for the candidate against BN, coloured by verdict.

    `target` is what records call the candidate.
    """
    norms = [*beside(entries), target]
    labels = [*(name if norm == target else arm_name(norm) for norm in norms), f"{name} against BN"]
    groups = [(title, list(of)) for title, of in itertools.groupby(entries, lambda entry: entry.experiment)]
    height = TOP + ROW * len(entries) + HEADING * len(groups) + 0.3
    width = TEXT + COLUMN * len(labels) + 0.2
    figure = Figure(figsize=(width, height), dpi=100)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.text(0.15, 0.3, f"{name} in BN's place, scale {scale}", fontsize=13)
    for i, (verdict, colour) in enumerate(COLOURS.items()):
        axes.plot(0.3 + 1.7 * i, 0.7, "s", color=_light(colour), ms=11, mec=colour)
        axes.text(0.5 + 1.7 * i, 0.7, verdict, va="center", fontsize=10)
    for i, label in enumerate(labels):
        axes.text(TEXT + COLUMN * (i + 0.5), 1.2, textwrap.fill(label, 20), ha="center", va="center", fontsize=10)
    y = TOP
    for experiment, of_experiment in groups:
        axes.text(0.15, y + HEADING / 2, experiment, va="center", fontsize=10, weight="bold")
        y += HEADING
        for entry in of_experiment:
            lines = textwrap.wrap(text_of(entry), LETTERS, max_lines=2, placeholder=" …")
            axes.text(0.15, y + ROW / 2, "\n".join(lines), va="center", fontsize=8.5)
            judged = [entry.judgements.get(norm) for norm in norms] + [entry.against_bn]
            for i, judgement in enumerate(judged):
                if judgement is not None:
                    _cell(axes, TEXT + COLUMN * (i + 0.5), y + ROW / 2, judgement.as_dict())
            y += ROW
    return figure


def claim_figure(entry: Entry, records: Records, target: str, name: str) -> Figure | None:
    """A line of dots, a seed each, by cell for no norm and every norm in BN's place; None where nothing was measured.

    `target` is what records call the candidate, `name` what the figure does.
    """
    unit, claim = entry.claim.quantity.unit, entry.claim
    found = {norm: judgement.as_dict() for norm, judgement in entry.judgements.items()}
    labels = {norm: arm_label(claim.treated, norm) for norm in found}
    norms = {label: norm for norm, label in labels.items()}
    lines: dict[tuple[str, str], dict[int, float]] = {}
    for value in itertools.chain.from_iterable(of_norm["values"] for of_norm in found.values()):
        if value["value"] is not None:
            lines.setdefault((value["cell"], norms.get(value["arm"], PLAIN)), {})[value["seed"]] = value["value"]
    if not lines:
        return None
    order = [PLAIN, *found]
    cells = list(dict.fromkeys(cell for cell, _ in lines))
    rows = sorted(lines, key=lambda line: (cells.index(line[0]), order.index(line[1])))
    called = {PLAIN: arm_name(PLAIN), **labels, target: labels[target].replace(target, name)}
    verdicts = ", ".join(f"{of_norm['verdict']} {called[norm]}" for norm, of_norm in found.items())
    quantity = claim.quantity.name
    shows = f"{quantity[:1].upper()}{quantity[1:]}. A dot a seed, a stroke their mean. Verdicts: {verdicts}."
    size = (9.0, 1.5 + LINE * len(rows))
    figure, ((axes,),) = plots.sheet(records, text_of(entry), shows, size)
    hues = colours(order)
    log = unit == "ratio" and min(min(of_line.values()) for of_line in lines.values()) > 0
    for y, line in enumerate(rows):
        values, colour = list(lines[line].values()), hues[line[1]]
        axes.plot(values, [y] * len(values), "o", color=colour, ms=5, alpha=0.6, mew=0)
        axes.plot((geometric_mean if log else fmean)(values), y, "|", color=colour, ms=14, mew=2)
    axes.set_yticks(range(len(rows)), [", ".join(filter(None, (cell, called[norm]))) for cell, norm in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    if unit in ("points", "share"):
        plots.in_percent(axes.xaxis)
    elif log:
        axes.set_xscale("log")
        plots.log_numbers(axes.xaxis)
    axes.grid(axis="x", color="0.9")
    plots.plain_axes(axes)
    return figure


def _cell(axes: Any, x: float, y: float, claim: Mapping[str, Any]) -> None:
    colour = COLOURS[claim["verdict"]]
    box = {"boxstyle": "square,pad=0.35", "facecolor": _light(colour), "edgecolor": colour, "linewidth": 0.8}
    words = effects.brief(claim) if claim["n"] else "–"
    axes.text(x, y, words, ha="center", va="center", fontsize=8.5, bbox=box)


def _light(colour: str) -> tuple[float, ...]:
    return tuple(0.55 + 0.45 * part for part in to_rgb(colour))
