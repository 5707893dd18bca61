"""§3.3, §4.2.2: BN trains over a wider range of learning rates; and what is left of it at each network's own best.

A network trains if its final test accuracy is at least 90 %. The range of an arm is the decades from the smallest to
the largest learning rate that trains, 0 where one or none does; its low end is about speed, its high end about
stability, and they are claims of their own, where both arms train at all. At each network's own best rate, whether it
trains, and the accuracy of those that do, are two questions, too. All of it is judged for each nonlinearity and depth.
"""

from __future__ import annotations

import math

from matplotlib.figure import Figure

from bnexp.claims.accuracy import ACCURACY, SMALLEST
from bnexp.claims.saturating import OF_TRAINED, TRAINED
from bnexp.claims.speed import steps_to
from bnexp.drawing import plots
from bnexp.drawing.plots import Layout
from bnexp.judging.claim import PLAIN, TREATED, Claim, Control, Paper, Quantity, Rule, Settings
from bnexp.judging.measures import TRAINS, best_rate, decades_that_train, final_accuracy, highest_rate, lowest_rate
from bnexp.judging.words import percent
from bnexp.runs.records import Records

NARROWEST = 0.25
"""Decades: the smallest difference of ranges that counts, the step between two learning rates."""

CELL = ("model.activation", "model.depth")

RANGE = Quantity("decades of learning rates that train", decades_that_train, "decades", over=("lr",), edges=2)
HIGHEST = Quantity("decades of the largest learning rate that trains", highest_rate, "decades", over=("lr",))
LOWEST = Quantity("decades of the smallest learning rate that trains", lowest_rate, "decades", over=("lr",))
BEST = Quantity("best learning rate", best_rate, "ratio", over=("lr",))

PRINTED = "30 times Inception's rate with BN; without, parameters reach machine infinity at 5 times."


NEAR = 0.95
"""A test accuracy near the end, as 90 % is one on the rise."""

HARDLY = 1.25
"""Times fewer steps that are hardly fewer."""


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
    """Accuracy of those that train, and steps to 90 and 95 %, of networks each at its own best learning rate.

    Of several cells each is judged.
    """
    best = f"{network}, each at the learning rate with which it ends highest, "
    universal = bool(cells)

    def claim(suffix: str, sentence: str, quantity: Quantity, rule: Rule) -> Claim:
        name = f"{identity}-{suffix}"
        return Claim(name, source, sentence, quantity, rule, paper, among=among, cells=cells, selected=("lr",))

    return [
        claim(
            "accuracy",
            f"Within {{epochs}}, {best}end at a higher test accuracy with BN{', where they train' if cells else ''}.",
            OF_TRAINED if cells else ACCURACY,
            Rule("difference", SMALLEST, universal=universal),
        ),
        *(
            claim(
                f"speed{'' if target == TRAINS else f'-{100 * target:.0f}'}",
                f"{best[0].upper()}{best[1:]}reach {percent(target)} test accuracy in fewer steps with BN.",
                steps_to(target),
                Rule("time", less=True, universal=universal),
            )
            for target in (TRAINS, NEAR)
        ),
    ]


def trains_at_best(identity: str, norm: object, control: Control | None = None) -> Claim:
    """That networks train at their own best learning rate."""
    networks = f"networks {'with' if norm is TREATED else 'without'} BN"
    return Claim(
        f"lr-own-best-trains-{identity}",
        "§4.2.2",
        f"Within {{epochs}}, at their own best rates, {networks} train, whatever the nonlinearity and the depth.",
        TRAINED,
        Rule("rate"),
        Paper("Not tried; the rates are given."),
        {"norm": norm},
        None,
        cells=CELL,
        selected=("lr",),
        control=control,
    )


CLAIMS = [
    Claim(
        id="lr-highest",
        source="§3.3, §4.2.2",
        sentence=f"Within {{epochs}}, BN trains, to {percent(TRAINS)}, at higher learning rates, whatever the "
        "nonlinearity and the depth, where both train.",
        quantity=HIGHEST,
        rule=Rule("range", NARROWEST, universal=True),
        paper=Paper(PRINTED),
        cells=CELL,
        primary=True,
    ),
    Claim(
        id="lr-lowest",
        source="§3.3",
        sentence="Within {epochs}, BN trains at lower learning rates, too, whatever the nonlinearity and the depth, "
        "where both train.",
        quantity=LOWEST,
        rule=Rule("range", NARROWEST, less=True, universal=True),
        paper=Paper("Not said; training is said to be faster."),
        cells=CELL,
    ),
    Claim(
        id="lr-best",
        source="§4.2.2",
        sentence="Within {epochs}, the learning rate that suits a network best is larger with BN, whatever the "
        "nonlinearity and the depth, where both train.",
        quantity=BEST,
        rule=Rule("difference", math.log(10) * NARROWEST, universal=True),
        paper=Paper("BN-x30 ends highest, at 30 times Inception's rate; neither network's best rate was sought."),
        cells=CELL,
    ),
    *own_best("lr-own-best", "§4.2.2", "networks", Paper("Not tried; the rates are given."), {}, CELL),
    Claim(
        "lr-gain",
        "Bjorck et al. 2018",
        "From He's initial weights, at the learning rate that suits the network without BN best, BN saves at most a "
        f"factor of {HARDLY:g} of the steps to {percent(NEAR)}, whatever the nonlinearity and the depth.",
        steps_to(NEAR),
        Rule("no_worse", math.log(HARDLY), universal=True),
        Paper("Not separated: BN-Baseline, at Inception's rate, takes 2.3 times fewer.", 13.3 / 31.0),
        cells=CELL,
        selected=("lr",),
        best_of={"norm": PLAIN},
    ),
    trains_at_best("bn", TREATED),
    trains_at_best(
        "without",
        PLAIN,
        Control(
            "Networks that all train without BN would say that BN rescues nothing, once rates are tuned.",
            holds=("contradicted",),
        ),
    ),
]


def figures(records: Records) -> dict[str, Figure]:
    """`lr_accuracy`: final accuracy against the learning rate."""
    if not records.runs:
        return {}
    return {
        "lr_accuracy": plots.lines(
            records,
            "Final test accuracy against the learning rate",
            f"A run that diverged counts as chance; dotted: {percent(TRAINS)}, from which on a network trains.",
            "lr",
            final_accuracy,
            "test accuracy",
            Layout("model.depth", "model.activation"),
            (0, 1),
            TRAINS,
        )
    }
