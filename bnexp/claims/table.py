"""§4.1 over a whole table of learning rates and initial scales.

The paper shows one setting and does not give its learning rate, and one setting alone can show any gap one likes;
so the claims of Figure 1(a) are judged here over all cells of the table, and with each arm at its own best.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence, Set
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import CenteredNorm, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import LogLocator, NullLocator

from bnexp.claims import drawing
from bnexp.claims.accuracy import RULE, SMALLEST, diverged, diverged_note, final_accuracy
from bnexp.claims.judging import (
    BN,
    PLAIN,
    Judgement,
    Pair,
    as_ratio,
    count,
    decide,
    effect,
    in_points,
    pairs,
    per_seed,
    percent,
    reason,
)
from bnexp.claims.speed import censoring_note, log_ratio, steps_of
from bnexp.runs.records import Record, Records
from bnexp.stats import ratio_interval, t_interval

TARGET = 0.95
"""Test accuracy of which the steps are compared: 97 % is out of reach of most cells in a table's shorter runs."""

WIDEST = 0.05
"""Where the colours of differences end, in accuracy; a diverged cell would otherwise wash out all others."""

SCALE = "Initial scale: standard deviation of the Gaussian from which the weights are drawn."

Cell = tuple[float, float, bool]
"""Learning rate, initial scale, binary inputs."""


def judge(records: Records) -> list[Judgement]:
    """`table-accuracy`, `table-steps-95`, and `table-own-best` for each kind of input."""
    matched, left_out = _complete(pairs(records))
    note = f"{count(left_out, 'seed')} left out, with cells missing" if left_out else ""
    kinds = sorted({_cell(pair.bn)[2] for pair in matched}) or [False]
    names = ["grey", "binary"] if len(kinds) > 1 else [""]
    best = [
        _own_best([pair for pair in matched if _cell(pair.bn)[2] == kind], name, note)
        for kind, name in zip(kinds, names, strict=True)
    ]
    return [_accuracy(matched, note), _steps(matched, note), *best]


def figures(records: Records) -> dict[str, Figure]:
    """`table_accuracy`: the arms' accuracy and its difference; `table_steps`: the ratio of steps; as heat maps."""
    if not records.runs:
        return {}
    return {"table_accuracy": _draw_accuracy(records), "table_steps": _draw_steps(records)}


def _accuracy(matched: Sequence[Pair], note: str) -> Judgement:
    interval = t_interval(list(per_seed(matched, _difference).values()))
    cells = [_mean(map(_difference, own)) for own in _by_cell(matched).values()]
    verdict = decide(interval, SMALLEST)
    higher, lower = sum(d > SMALLEST for d in cells), sum(d < -SMALLEST for d in cells)
    return Judgement(
        id="table-accuracy",
        section="4.1, Figure 1(a)",
        claim="Over a table of learning rates and initial scales, networks with BN end at a higher test accuracy.",
        paper="One setting is shown, its learning rate not given; there the curve with BN ends above the other.",
        measured=f"mean over {count(len(cells), 'cell')}: {in_points(interval)}; BN's mean is higher in {higher}, "
        f"lower in {lower} and within {100 * SMALLEST:g} points in {len(cells) - higher - lower}",
        **effect(interval),
        verdict=verdict,
        why=reason(verdict, interval.n, *RULE, diverged_note(matched), note),
    )


def _steps(matched: Sequence[Pair], note: str) -> Judgement:
    interval = ratio_interval(list(per_seed(matched, lambda pair: log_ratio(pair, TARGET)).values()))
    verdict = decide(interval, null=1)
    cells = _by_cell(matched)
    compared = sum(any(log_ratio(pair, TARGET) is not None for pair in own) for own in cells.values())
    return Judgement(
        id=f"table-steps-{100 * TARGET:.0f}",
        section="4.1, Figure 1(a)",
        claim=f"Over a table of learning rates and initial scales, networks with BN reach {percent(TARGET)} test "
        "accuracy in fewer steps.",
        paper="One setting is shown, its learning rate not given; there the curve with BN rises earlier and faster.",
        measured=f"steps without BN / steps with BN: {as_ratio(interval)}, geometric mean over the {compared} of "
        f"{count(len(cells), 'cell')} in which an arm reaches {percent(TARGET)}",
        **effect(interval),
        verdict=verdict,
        why=reason(verdict, interval.n, "1", "1", censoring_note(matched, TARGET), note),
    )


def _own_best(matched: Sequence[Pair], kind: str, note: str) -> Judgement:
    """Each arm at the cell that is best on the mean of the other seeds, so that no seed chooses what it judges."""
    chosen = {seed: (_best(matched, PLAIN, seed), _best(matched, BN, seed)) for seed in {p.seed for p in matched}}
    if len(chosen) < 2:
        interval, where = t_interval([]), "one seed leaves no others to choose the cells by"
    else:
        scores = {
            seed: _score(matched, BN, bn, {seed}) - _score(matched, PLAIN, plain, {seed})
            for seed, (plain, bn) in sorted(chosen.items())
        }
        interval = t_interval(list(scores.values()))
        where = "; ".join(
            f"{drawing.name(norm)} at {_named({cells[i] for cells in chosen.values()})}"
            for i, norm in enumerate((PLAIN, BN))
        )
    verdict = decide(interval, SMALLEST)
    inputs = f" ({kind} inputs)" if kind else ""
    return Judgement(
        id="table-own-best-binary" if kind == "binary" else "table-own-best",
        section="4.1, Figure 1(a)",
        claim="With each network at the learning rate and initial scale that suit it best, the network with BN ends at "
        f"a higher test accuracy{inputs}.",
        paper="Not tried; both networks are shown at one setting, its learning rate not given.",
        measured=f"{in_points(interval)}; {where}",
        **effect(interval),
        verdict=verdict,
        why=reason(verdict, interval.n, *RULE, "cells chosen for each seed on the other seeds", note),
    )


def _best(matched: Sequence[Pair], norm: str, seed: int) -> Cell:
    others = {pair.seed for pair in matched} - {seed}
    cells = sorted(_by_cell(matched))
    return max(cells, key=lambda cell: _score(matched, norm, cell, others)) if others else cells[0]


def _score(matched: Sequence[Pair], norm: str, cell: Cell, seeds: Set[int]) -> float:
    runs = [pair.bn if norm == BN else pair.plain for pair in _by_cell(matched)[cell] if pair.seed in seeds]
    return _mean(map(final_accuracy, runs))


def _difference(pair: Pair) -> float:
    return final_accuracy(pair.bn) - final_accuracy(pair.plain)


def _complete(matched: Sequence[Pair]) -> tuple[list[Pair], int]:
    """The pairs of the seeds that have every cell, and how many seeds have not."""
    cells = set(_by_cell(matched))
    seeds = {pair.seed for pair in matched}
    whole = {s for s in seeds if {_cell(pair.bn) for pair in matched if pair.seed == s} == cells}
    return [pair for pair in matched if pair.seed in whole], len(seeds - whole)


def _by_cell(matched: Sequence[Pair]) -> dict[Cell, list[Pair]]:
    cells: dict[Cell, list[Pair]] = {}
    for pair in matched:
        cells.setdefault(_cell(pair.bn), []).append(pair)
    return cells


def _cell(run: Record) -> Cell:
    return run.fields["lr"], run.fields["init.scale"], bool(run.fields.get("data.binarize"))


def _named(cells: set[Cell]) -> str:
    return " or ".join(f"lr {lr:g}, scale {scale:g}" for lr, scale, _ in sorted(cells))


def _draw_accuracy(records: Records) -> Figure:
    arms = records.arms("norm", "lr", "init.scale", "data.binarize")
    norms = list(dict.fromkeys(key[0] for key in arms))
    grid = _Grid(records)
    gaps = {cell: _mean(map(_difference, own)) for cell, own in _by_cell(pairs(records)).items()}
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
        shown = grid.draw(panels, drawing.name(norm), means, texts, "viridis", Normalize(0.7, 1))
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
    cells = _by_cell(pairs(records))
    ratios, texts = {}, {}
    for cell, own in cells.items():
        known = [ratio for pair in own if (ratio := log_ratio(pair, TARGET)) is not None]
        ratios[cell] = math.exp(_mean(known)) if known else math.nan
        plain = sum(steps_of(pair.plain, TARGET) is not None for pair in own)
        bn = sum(steps_of(pair.bn, TARGET) is not None for pair in own)
        texts[cell] = f"{ratios[cell]:.2g}" + (f"\n{plain} | {bn} of {len(own)}" if min(plain, bn) < len(own) else "")
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


def _mean(values: Iterable[float]) -> float:
    kept = list(values)
    return math.fsum(kept) / len(kept)
