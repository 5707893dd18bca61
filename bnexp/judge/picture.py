"""The profile of a candidate at a glance."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from bnexp.judge.profile import Entry, beside, text_of
from bnexp.judging.words import arm_name
from bnexp.report import effects
from bnexp.report.forest import COLOURS

ROW, HEADING, TOP = 0.46, 0.5, 1.5
"""Heights in inches: of a claim, of an experiment's heading, and of title, colours and columns' names together."""

TEXT, COLUMN = 8.0, 1.7
"""Widths in inches: of the sentences, and of a norm."""

LETTERS = 108
"""Of a sentence in a line; there are two."""


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


def _cell(axes: Any, x: float, y: float, claim: Mapping[str, Any]) -> None:
    colour = COLOURS[claim["verdict"]]
    box = {"boxstyle": "square,pad=0.35", "facecolor": _light(colour), "edgecolor": colour, "linewidth": 0.8}
    words = effects.brief(claim) if claim["n"] else "–"
    axes.text(x, y, words, ha="center", va="center", fontsize=8.5, bbox=box)


def _light(colour: str) -> tuple[float, ...]:
    return tuple(0.55 + 0.45 * part for part in to_rgb(colour))
