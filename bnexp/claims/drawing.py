"""What the figures share: the sheet with its caption, the arms' colours and names, labels at the ends of lines."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from bnexp.claims.claim import BN, PLAIN
from bnexp.runs.records import Records

COLOURS = {PLAIN: "#D55E00", BN: "#0072B2"}
OTHER_COLOURS = (
    *("#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999"),
    *("#882255", "#DDCC77", "#332288"),
)
"""Okabe and Ito's palette, which colour-blind readers can tell apart; then some of Tol's."""


def sheet(
    records: Records, title: str, shows: str, size: tuple[float, float], rows: int = 1, columns: int = 1, **grid: Any
) -> tuple[Figure, list[list[Axes]]]:
    """A figure with its axes in rows, its title, and under it what it shows and on which data; size in inches."""
    figure = Figure(figsize=size, dpi=100, layout="constrained")
    notice = "STAND-IN, NOT MNIST — " if records.dataset["stand_in"] else ""
    left = {"x": 0.01, "ha": "left"}
    figure.suptitle(_wrapped(notice + title, size[0], 12), fontsize=12, **left)
    figure.supxlabel(_wrapped(f"{shows} {records.caption}.", size[0], 9), fontsize=9, **left)
    axes = figure.subplots(rows, columns, squeeze=False, **grid)
    return figure, axes.tolist()


def colours(norms: Sequence[str]) -> dict[str, str]:
    """A colour for every arm."""
    others = [norm for norm in norms if norm not in COLOURS]
    return COLOURS | {norm: OTHER_COLOURS[i % len(OTHER_COLOURS)] for i, norm in enumerate(others)}


def plain_axes(axes: Axes) -> None:
    """Take away the frame that carries no data."""
    axes.spines[["top", "right"]].set_visible(False)


def steps_axis(axes: Axes, last: float) -> None:
    """Training steps, linear as in Figure 1, written 10K."""
    axes.set_xlim(0, last)
    axes.set_xlabel("training steps")
    axes.xaxis.set_major_formatter(lambda x, _: f"{x / 1000:g}K" if x >= 1000 else f"{x:g}")


def log_numbers(axis: Axis) -> None:
    """Plain numbers 1, 2, 5, 10, … on a log axis of few decades."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(lambda x, _: f"{x:g}")
    axis.set_minor_formatter(NullFormatter())


def label_ends(axes: Axes, ends: Sequence[tuple[float, str, str]]) -> None:
    """Write names to the right of lines, apart from each other: (height of the line's end, text, colour).

    An end that lies beyond the axis has its name at the edge, with an arrow. Call it when the limits are set.
    """
    lo, hi = axes.get_ylim()
    gap = (
        16 / 72 / (axes.get_position().height * axes.figure.bbox.height / axes.figure.dpi)
    )  # 16 points, a line of text
    floor = 0.0
    ends = sorted(ends, key=lambda end: end[0])
    for i, (height, text, colour) in enumerate(ends):
        at = min(max((height - lo) / (hi - lo), floor), 1 - gap * (len(ends) - 1 - i))
        floor = at + gap
        arrow = " ↓" if height < lo else " ↑" if height > hi else ""
        axes.text(1.01, at, text + arrow, color=colour, va="center", transform=axes.transAxes)


def _wrapped(text: str, inches: float, points: float) -> str:
    return textwrap.fill(text, int(inches * 72 / (points * 0.58)))  # 0.58: mean width of a letter, in its height
