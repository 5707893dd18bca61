"""§3.3, §4.2.1: BN trains over a wider range of learning rates; and what is left of it at each network's own best.

A network trains if its final test accuracy is at least 90 %. The range of an arm is the decades from the smallest to
the largest learning rate that trains, 0 where one or none does. The best learning rate is judged on the other seeds, so
that no seed chooses what it is judged by. Arms are compared in cells of equal nonlinearity and depth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from bnexp.claims import drawing, panels
from bnexp.claims.accuracy import ACCURACY, SMALLEST
from bnexp.claims.claim import BN, PLAIN, TREATED, Claim, Paper, Quantity, Rule, Settings
from bnexp.claims.matching import having
from bnexp.claims.measures import TRAINS, best_rate, decades_that_train, final_accuracy, highest_rate, trains
from bnexp.claims.panels import Layout
from bnexp.claims.speed import steps_to
from bnexp.claims.words import arm_name, percent
from bnexp.runs.records import Record, Records
from bnexp.stats import t_interval

NARROWEST = 0.1
"""Decades: the smallest difference of ranges that counts, a fifth of the step between two learning rates."""

CELL = ("model.activation", "model.depth")

Cells = dict[tuple[Any, ...], tuple[list[Record], list[Record]]]
"""By cell, the runs without and with BN."""

RANGE = Quantity("range of learning rates that train", decades_that_train, "decades", over=("lr",))


def own_best(
    identity: tuple[str, str], source: str, sentences: tuple[str, str], papers: tuple[Paper, Paper], among: Settings
) -> list[Claim]:
    """Two claims: accuracy, and steps to 90 %, of networks each at its own best learning rate."""
    return [
        Claim(
            id=own,
            source=source,
            sentence=sentence,
            quantity=quantity,
            rule=rule,
            treated={"norm": TREATED},
            reference={"norm": PLAIN},
            among=among,
            selected=("lr",),
            paper=paper,
        )
        for own, sentence, paper, quantity, rule in zip(
            identity,
            sentences,
            papers,
            (ACCURACY, steps_to(TRAINS)),
            (Rule("difference", SMALLEST), Rule("difference", less=True)),
            strict=True,
        )
    ]


def wider(identity: str, source: str, sentence: str, paper: Paper, among: Settings) -> Claim:
    """That the treated arm trains over a wider range of learning rates."""
    return Claim(
        id=identity,
        source=source,
        sentence=sentence,
        quantity=RANGE,
        rule=Rule("difference", NARROWEST),
        treated={"norm": TREATED},
        reference={"norm": PLAIN},
        among=among,
        paper=paper,
    )


def _rates(identity: str, sentence: str, paper: str, quantity: Quantity, source: str) -> Claim:
    return Claim(
        id=identity,
        source=source,
        sentence=sentence,
        quantity=quantity,
        rule=Rule("difference"),
        treated={"norm": TREATED},
        reference={"norm": PLAIN},
        paper=Paper(paper),
    )


CLAIMS = [
    wider(
        "lr-range",
        "3.3, 4.2.1",
        "BN trains over a wider range of learning rates.",
        Paper(
            "No range is printed; 5 times Inception's rate sent its parameters to infinity, with BN 30 times trained "
            "best."
        ),
        {},
    ),
    _rates(
        "lr-highest",
        "BN trains at higher learning rates.",
        "30 times Inception's rate with BN; without, parameters reach machine infinity at 5 times.",
        Quantity("largest learning rate that trains", highest_rate, "ratio", over=("lr",)),
        "3.3, 4.2.1",
    ),
    _rates(
        "lr-best",
        "The learning rate that suits a network best is larger with BN.",
        "BN-x30 ends highest, at 30 times Inception's rate; neither network's best rate was sought.",
        Quantity("best learning rate", best_rate, "ratio", over=("lr",)),
        "4.2.1",
    ),
    *own_best(
        ("lr-own-best-accuracy", "lr-own-best-speed"),
        "4.2.1",
        (
            "With each network at its own best learning rate, the network with BN ends at a higher test accuracy.",
            f"With each network at its own best learning rate, the network with BN reaches {percent(TRAINS)} in fewer "
            "steps.",
        ),
        (
            Paper("Not tried; the rates are given."),
            Paper("Not tried; BN-x5 took 14 times fewer steps than Inception at its given rate."),
        ),
        {},
    ),
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
