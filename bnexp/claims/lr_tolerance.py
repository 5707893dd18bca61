"""§3.3, §4.2.1: BN trains over a wider range of learning rates; and what is left of it at each network's own best.

A network trains if its final test accuracy is at least 90 %. The range of an arm is the decades from the smallest to
the largest learning rate that trains, 0 where one or none does; its low end is about speed, its high end about
stability, and they are claims of their own. Accuracy is compared at each network's own best rate. All of it is judged
for each nonlinearity and depth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from bnexp.claims import drawing, panels
from bnexp.claims.accuracy import ACCURACY, SMALLEST
from bnexp.claims.claim import BN, PLAIN, Claim, Paper, Quantity, Rule, Settings
from bnexp.claims.matching import having
from bnexp.claims.measures import (
    TRAINS,
    best_rate,
    decades_that_train,
    final_accuracy,
    highest_rate,
    lowest_rate,
    trains,
)
from bnexp.claims.panels import Layout
from bnexp.claims.speed import steps_to
from bnexp.claims.words import arm_name, percent
from bnexp.runs.records import Record, Records
from bnexp.stats import t_interval

NARROWEST = 0.25
"""Decades: the smallest difference of ranges that counts, the step between two learning rates."""

CELL = ("model.activation", "model.depth")

Cells = dict[tuple[Any, ...], tuple[list[Record], list[Record]]]
"""By cell, the runs without and with BN."""

RANGE = Quantity("decades of learning rates that train", decades_that_train, "decades", over=("lr",))
HIGHEST = Quantity("decades of the largest learning rate that trains", highest_rate, "decades", over=("lr",))
LOWEST = Quantity("decades of the smallest learning rate that trains", lowest_rate, "decades", over=("lr",))
BEST = Quantity("best learning rate", best_rate, "ratio", over=("lr",))

PRINTED = "30 times Inception's rate with BN; without, parameters reach machine infinity at 5 times."


def wider(identity: str, source: str, sentence: str, paper: Paper, among: Settings, cells: tuple[str, ...]) -> Claim:
    """That the treated arm trains over a wider range of learning rates."""
    return Claim(
        id=identity,
        source=source,
        sentence=sentence,
        quantity=RANGE,
        rule=Rule("range", NARROWEST),
        paper=paper,
        among=among,
        cells=cells,
    )


def own_best(
    identity: str, source: str, network: str, paper: Paper, among: Settings, cells: tuple[str, ...]
) -> list[Claim]:
    """Accuracy, and steps to 90 %, of networks each at its own best learning rate."""
    best = f"{network}, each at its own best learning rate, "
    return [
        Claim(
            id=f"{identity}-accuracy",
            source=source,
            sentence=f"Within {{epochs}}, {best}end at a higher test accuracy with BN.",
            quantity=ACCURACY,
            rule=Rule("difference", SMALLEST),
            paper=paper,
            among=among,
            cells=cells,
            selected=("lr",),
        ),
        Claim(
            id=f"{identity}-speed",
            source=source,
            sentence=f"{best[0].upper()}{best[1:]}reach {percent(TRAINS)} test accuracy in fewer steps with BN.",
            quantity=steps_to(TRAINS),
            rule=Rule("time", less=True),
            paper=paper,
            among=among,
            cells=cells,
            selected=("lr",),
        ),
    ]


CLAIMS = [
    Claim(
        id="lr-highest",
        source="§3.3, §4.2.1",
        sentence="BN trains at higher learning rates, whatever the nonlinearity and the depth.",
        quantity=HIGHEST,
        rule=Rule("range", NARROWEST, universal=True),
        paper=Paper(PRINTED),
        cells=CELL,
        primary=True,
    ),
    Claim(
        id="lr-lowest",
        source="§3.3",
        sentence="Within {epochs}, BN trains at lower learning rates, too, whatever the nonlinearity and the depth.",
        quantity=LOWEST,
        rule=Rule("range", NARROWEST, less=True, universal=True),
        paper=Paper("Not said; training is said to be faster."),
        cells=CELL,
    ),
    wider(
        "lr-range",
        "§3.3, §4.2.1",
        "Within {epochs}, BN trains over a wider range of learning rates, averaged over nonlinearities and depths.",
        Paper(f"No range is printed; {PRINTED}"),
        {},
        CELL,
    ),
    Claim(
        id="lr-best",
        source="§4.2.1",
        sentence="The learning rate that suits a network best is larger with BN.",
        quantity=BEST,
        rule=Rule("difference"),
        paper=Paper("BN-x30 ends highest, at 30 times Inception's rate; neither network's best rate was sought."),
        cells=CELL,
    ),
    *own_best("lr-own-best", "§4.2.1", "networks", Paper("Not tried; the rates are given."), {}, CELL),
]


def figures(records: Records) -> dict[str, Figure]:
    """`lr_accuracy`: final accuracy against the learning rate; `lr_range`: the range of each arm, if it has a match."""
    if not records.runs:
        return {}
    accuracy = panels.lines(
        records,
        "Final test accuracy against the learning rate",
        "A run that diverged counts as chance.",
        "lr",
        final_accuracy,
        "test accuracy",
        Layout("model.depth", "model.activation"),
        (0, 1),
    )
    of = _cells(records.runs)
    return {"lr_accuracy": accuracy} | ({"lr_range": _draw_ranges(records, of)} if of else {})


def _cells(runs: Sequence[Record]) -> Cells:
    """The runs without and with BN in each cell that has both."""
    cells: Cells = {}
    for run in runs:
        arms = cells.setdefault(tuple(run.value(axis) for axis in CELL), ([], []))
        if run.norm in (PLAIN, BN):
            arms[run.norm == BN].append(run)
    return {key: arms for key, arms in cells.items() if all(arms)}


def _draw_ranges(records: Records, of: Cells) -> Figure:
    rates = panels.values(records.runs, "lr")
    figure, ((axes,),) = drawing.sheet(
        records,
        f"Learning rates that train: final test accuracy of at least {percent(TRAINS)}",
        "Bar: from the smallest to the largest, geometric means over the seeds on which any trains. Beside it its "
        "width in decades, mean over all seeds with its 95 % interval.",
        (8.5, 1.8 + 0.62 * len(of)),
    )
    colours = drawing.colours([PLAIN, BN])
    for i, key in enumerate(sorted(of, key=str)):
        for norm, runs in zip((PLAIN, BN), of[key], strict=True):
            at = i + (0.2 if norm == BN else -0.2)
            by_seed = [having(runs, {"seed": seed}) for seed in sorted({run.seed for run in runs})]
            logs = [[math.log(run.fields["lr"]) for run in own if trains(run)] for own in by_seed]
            if any(logs):
                low, high = (math.exp(t_interval([end(own) for own in logs if own]).mean) for end in (min, max))
                axes.plot([low, high], [at, at], color=colours[norm], lw=7, solid_capstyle="butt")
                axes.plot([low], [at], color=colours[norm], marker="|", ms=8)  # seen where the range is a point
            width = t_interval([decades_that_train(own) for own in by_seed])
            limits = f" [{max(width.lo, 0):.1f}, {width.hi:.1f}]" if width.n > 1 else ""
            text = f"{width.mean:.1f}{limits}" if any(logs) else "never trains"
            axes.text(1.01, at, f"{arm_name(norm)}: {text}", color=colours[norm], va="center", fontsize=8.5,
                      transform=axes.get_yaxis_transform())  # fmt: skip
    axes.set_xscale("log")
    axes.set_xlim(rates[0] / 1.5, rates[-1] * 1.5)
    axes.set_yticks(range(len(of)), [f"{kind}, {depth} layers" for kind, depth in sorted(of, key=str)])
    axes.set_ylim(len(of) - 0.5, -0.5)
    axes.set_xlabel("learning rate")
    axes.grid(axis="x", color="0.9")
    drawing.plain_axes(axes)
    return figure
