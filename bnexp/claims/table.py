"""§4.1 over a whole table of learning rates and initial scales.

The paper shows one setting and does not give its learning rate, and one setting alone can show any gap one likes;
so the claims of Figure 1(a) are judged here over all cells of the table, and with each arm at its own best.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import CenteredNorm, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import LogLocator, NullLocator

from bnexp.claims import drawing
from bnexp.claims.accuracy import ACCURACY, SMALLEST
from bnexp.claims.claim import BN, LARGEST, PLAIN, Claim, Paper, Rule
from bnexp.claims.claim import SMALLEST as SMALLEST_OF
from bnexp.claims.matching import having, judged, side_by_side
from bnexp.claims.measures import diverged, final_accuracy, length, steps_of
from bnexp.claims.speed import steps_to
from bnexp.claims.words import arm_name, percent
from bnexp.runs.records import Record, Records

TARGET = 0.95
"""Test accuracy of which the steps are compared: 97 % is out of reach of most cells in a table's shorter runs."""

WIDEST = 0.05
"""Where the colours of differences end, in accuracy; a diverged cell would otherwise wash out all others."""

SCALE = "Initial scale: standard deviation of the Gaussian from which the weights are drawn."

Cell = tuple[float, float, bool]
"""Learning rate, initial scale, binary inputs."""

PAPER = "One setting is shown, its learning rate not given; there the curve with BN "

SHORT, LONG = {"steps": SMALLEST_OF}, {"steps": LARGEST}
"""The runs of the table, and those at the chosen settings, as long as the paper's."""

CLAIMS = [
    Claim(
        id="table-accuracy",
        source="§4.1, Figure 1(a)",
        sentence="Over a table of learning rates and initial scales, at {epochs} at most, networks with BN end at a "
        "higher test accuracy.",
        quantity=ACCURACY,
        rule=Rule("difference", SMALLEST),
        paper=Paper(f"{PAPER}ends above the other."),
        among=SHORT,
        cells=("data.binarize", "init.scale", "lr"),
        primary=True,
    ),
    Claim(
        id=f"table-steps-{100 * TARGET:.0f}",
        source="§4.1, Figure 1(a)",
        sentence=f"Over a table of learning rates and initial scales, networks with BN reach {percent(TARGET)} test "
        "accuracy in fewer steps.",
        quantity=steps_to(TARGET),
        rule=Rule("time", less=True),
        paper=Paper(f"{PAPER}rises earlier and faster."),
        among=SHORT,
        cells=("data.binarize", "init.scale", "lr"),
    ),
    *(
        Claim(
            id=f"table-own-best{suffix}",
            source="§4.1, Figure 1(a)",
            sentence="With each network at the learning rate and initial scale that suit it best, within {epochs}, the "
            f"network with BN ends at a higher test accuracy ({images} images).",
            quantity=ACCURACY,
            rule=Rule("difference", SMALLEST),
            paper=Paper("Not tried; both networks are shown at one setting, its learning rate not given."),
            among={"data.binarize": images == "binary"},
            selected=("lr", "init.scale"),
            primary=images == "binary",
        )
        for suffix, images in (("-binary", "binary"), ("", "grey"))
    ),
]


def figures(records: Records) -> dict[str, Figure]:
    """`table_accuracy`: the arms' accuracy and its difference; `table_steps`: the ratio of steps; as heat maps."""
    table = replace(records, runs=having(judged(records.runs), SHORT))
    if not table.runs:
        return {}
    return {"table_accuracy": _draw_accuracy(table), "table_steps": _draw_steps(table)}


def _draw_accuracy(records: Records) -> Figure:
    arms = records.arms("norm", "lr", "init.scale", "data.binarize")
    norms = list(dict.fromkeys(key[0] for key in arms))
    grid = _Grid(records)
    gaps = {
        cell: _mean(final_accuracy(bn) - final_accuracy(plain) for plain, bn in own)
        for cell, own in _pairs(records).items()
    }
    half = min(max(SMALLEST, *map(abs, gaps.values())), WIDEST) if gaps else WIDEST
    columns = len(norms) + bool(gaps)
    figure, axes = drawing.sheet(
        records,
        "Final test accuracy over learning rates and initial scales",
        f"{SCALE} Percent, mean over the seeds"
        + ("; right, with BN minus without, in percentage points" if gaps else "")
        + ". A dagger: diverged on a seed, which counts as chance. Colours end at 70 % (the lower end of Figure 1(a)'s "
        f"axis) and at differences of {100 * half:.1f} points.",
        grid.size(columns),
        rows=len(grid.kinds),
        columns=columns,
    )
    for norm, panels in zip(norms, zip(*axes, strict=True), strict=False):
        cells = {_cell(runs[0]): runs for key, runs in arms.items() if key[0] == norm}
        means = {cell: _mean(map(final_accuracy, runs)) for cell, runs in cells.items()}
        texts = {
            cell: f"{100 * mean:.1f}{'†' if any(map(diverged, cells[cell])) else ''}" for cell, mean in means.items()
        }
        shown = grid.draw(panels, arm_name(norm), means, texts, "viridis", Normalize(0.7, 1))
    bar = figure.colorbar(shown, ax=[line[len(norms) - 1] for line in axes], extend="min")
    bar.ax.yaxis.set_major_formatter(lambda x, _: f"{100 * x:.0f} %")
    if gaps:
        texts = {cell: f"{100 * gap:+.1f}" for cell, gap in gaps.items()}
        last = [line[-1] for line in axes]
        shown = grid.draw(last, "with − without", gaps, texts, "PuOr", CenteredNorm(0, half))
        bar = figure.colorbar(shown, ax=last, extend="both")
        bar.ax.yaxis.set_major_formatter(lambda x, _: f"{100 * x:+.2g}")
    return figure


def _draw_steps(records: Records) -> Figure:
    grid = _Grid(records)
    cells = _pairs(records)
    ratios, texts = {}, {}
    for cell, own in cells.items():
        steps = [[steps_of(run, TARGET) for run in pair] for pair in own]
        known = [
            math.log((a or length(plain)) / (b or length(bn)))
            for (a, b), (plain, bn) in zip(steps, own, strict=True)
            if a or b
        ]
        ratios[cell] = math.exp(_mean(known)) if known else math.nan
        without, with_bn = (sum(arm is not None for arm in arms) for arms in zip(*steps, strict=True))
        texts[cell] = f"{ratios[cell]:.2g}" + (
            f"\n{without} | {with_bn} of {len(own)}" if min(without, with_bn) < len(own) else ""
        )
        if not known:
            texts[cell] = "neither"
    figure, axes = drawing.sheet(
        records,
        f"Steps to {percent(TARGET)} test accuracy: without BN divided by with BN",
        f"{SCALE} Geometric mean over the seeds; above 1, BN needs fewer. Second line, where an arm does not reach "
        f"{percent(TARGET)} on every seed: on how many it does, without | with BN; its last step then stands in, a "
        "bound in favour of the arm that failed.",
        grid.size(1, wide=1.35),
        rows=len(grid.kinds),
    )
    extreme = max([2.0, *(max(r, 1 / r) for r in ratios.values() if not math.isnan(r))])
    panels = [line[0] for line in axes]
    shown = grid.draw(panels, "", ratios, texts, "PuOr", LogNorm(1 / extreme, extreme))
    bar = figure.colorbar(shown, ax=panels)
    bar.ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    bar.ax.yaxis.set_major_formatter(lambda x, _: f"{x:g}")
    bar.ax.yaxis.set_minor_locator(NullLocator())
    return figure


class _Grid:
    """The table's rows (learning rates), columns (initial scales) and kinds of input, and heat maps over them."""

    def __init__(self, records: Records) -> None:
        cells = {_cell(run) for run in records.runs}
        self.lrs, self.scales, self.kinds = (sorted(set(values)) for values in zip(*cells, strict=True))

    def size(self, columns: int, wide: float = 1.0) -> tuple[float, float]:
        """Inches for so many panels beside each other, with cells that hold their numbers."""
        return (
            max(2.2 + columns * (0.9 + 0.6 * wide * max(len(self.scales), 3)), 7.0),
            1.9 + len(self.kinds) * (0.8 + 0.42 * len(self.lrs)),
        )

    def draw(
        self,
        panels: Sequence[Axes],
        title: str,
        values: dict[Cell, float],
        texts: dict[Cell, str],
        cmap: str,
        norm: Any,
    ) -> AxesImage:
        """A heat map on each panel, one per kind of input; cells without a value stay grey."""
        for panel, kind in zip(panels, self.kinds, strict=True):
            table = [[values.get((lr, scale, kind), math.nan) for scale in self.scales] for lr in self.lrs]
            shown = panel.imshow(np.ma.masked_invalid(table), cmap=cmap, norm=norm, origin="lower", aspect="auto")
            panel.set_facecolor("0.85")
            for (lr, scale, own), text in texts.items():
                if own == kind:
                    value = values[lr, scale, own]
                    r, g, b, _ = shown.cmap(norm(value)) if not math.isnan(value) else (0.85, 0.85, 0.85, 1)
                    dark = 0.3 * r + 0.59 * g + 0.11 * b < 0.5
                    at = self.scales.index(scale), self.lrs.index(lr)
                    colour = "white" if dark else "black"
                    panel.text(*at, text, ha="center", va="center", fontsize=8, color=colour, linespacing=1.25)
            panel.set_xticks(range(len(self.scales)), [f"{scale:g}" for scale in self.scales])
            panel.set_yticks(range(len(self.lrs)), [f"{lr:g}" for lr in self.lrs])
            panel.set_xlabel("initial scale")
            panel.set_ylabel("learning rate")
            inputs = f"{'binary' if kind else 'grey'} inputs" if len(self.kinds) > 1 else ""
            panel.set_title(", ".join(filter(None, [title, inputs])), fontsize=10)
        return shown


def _cell(run: Record) -> Cell:
    return run.fields["lr"], run.fields["init.scale"], bool(run.fields.get("data.binarize"))


def _pairs(records: Records) -> dict[Cell, list[tuple[Record, Record]]]:
    """By cell, the runs of a seed without and with BN."""
    plain, bn = side_by_side([having(records.runs, {"norm": norm}) for norm in (PLAIN, BN)], ())
    pairs: dict[Cell, list[tuple[Record, Record]]] = {}
    for cell, by_seed in bn.items():
        for seed, (run,) in by_seed.items():
            for other in plain[cell].get(seed, ()):
                pairs.setdefault(_cell(run), []).append((other, run))
    return pairs


def _mean(values: Iterable[float]) -> float:
    kept = list(values)
    return math.fsum(kept) / len(kept)
