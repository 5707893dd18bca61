"""§4.2.1: each of the changes that make BN pay, switched back in BN-x5, and judged by what the paper says of it.

Faster decay and weaker distortion are not judged: the paper gives reasons for them, and claims nothing. The training
set is small, so that something can overfit and companions recur.
"""

from __future__ import annotations

import math
from typing import Any

from matplotlib.figure import Figure

from bnexp.claims.inception import ACCURACY
from bnexp.claims.mechanisms import HARDLY
from bnexp.claims.speed import steps_to
from bnexp.drawing import plots
from bnexp.judging.claim import LARGEST, SMALLEST, Claim, Paper, Quantity, Rule, Settings
from bnexp.judging.matching import having
from bnexp.judging.measures import final_accuracy, gap, length, steps_of
from bnexp.judging.words import percent
from bnexp.runs.records import Record, Records

TARGET = 0.4
"""What BN-x5 with any of the changes switched back reaches on tuning seeds, rounded down to a point."""

COUNTS = 0.02
"""The smallest difference that counts: two points, which six seeds can decide."""

USUAL: Settings = {
    "arm": "bn_x5",
    "model.dropout": 0.0,
    "model.lrn": False,
    "data.reshuffle": True,
    "l2": SMALLEST,
    "lr": LARGEST,
}
"""BN-x5 as it is."""

BACK: dict[str, tuple[str, Any]] = {
    "lr": ("a fifth of the learning rate", SMALLEST),
    "model.dropout": ("dropout of 40 %", 0.4),
    "l2": ("five times the L2 weight", LARGEST),
    "model.lrn": ("local response normalisation", True),
    "data.reshuffle": ("the same mini-batches in every epoch", False),
}
"""By setting, the value that it had before, in words and as it is."""

STEPS = steps_to(TARGET)


def _change(
    identity: str, setting: str, sentence: str, quantity: Quantity, rule: Rule, paper: Paper, primary: bool = False
) -> Claim:
    """BN-x5 beside itself with one change switched back."""
    among = {name: value for name, value in USUAL.items() if name != setting}
    arms = {setting: USUAL[setting]}, {setting: BACK[setting][1]}
    return Claim(identity, "§4.2.1", sentence, quantity, rule, paper, *arms, among=among, primary=primary)


FASTER = Rule("time", less=True)

CLAIMS = [
    _change(
        "lr-faster",
        "lr",
        f"Within {{epochs}}, with BN, five times the learning rate reaches {percent(TARGET)} test accuracy in fewer "
        "steps.",
        STEPS,
        FASTER,
        Paper("A training speed-up."),
        primary=True,
    ),
    _change(
        "lr-harmless",
        "lr",
        "With BN, five times the learning rate has no ill side effect: within {epochs}, the network ends no lower.",
        ACCURACY,
        Rule("no_worse", COUNTS),
        Paper("No ill side effects."),
    ),
    Claim(
        "lr-without-bn",
        "§4.2.1",
        f"Without BN, five times Inception's own rate reaches {percent(TARGET)} test accuracy in fewer "
        "steps, too, within {epochs}.",
        STEPS,
        Rule("time", math.log(HARDLY), less=True),
        Paper("Not said of Inception, whose parameters then reach machine infinity."),
        {"arm": "inception_x5"},
        {"arm": "inception"},
    ),
    _change(
        "dropout-faster",
        "model.dropout",
        f"Without dropout, BN-x5 reaches {percent(TARGET)} test accuracy in fewer steps, within {{epochs}}.",
        STEPS,
        FASTER,
        Paper("It speeds up training."),
        primary=True,
    ),
    _change(
        "dropout-harmless",
        "model.dropout",
        "Without dropout, BN-x5 does not overfit so that it would cost accuracy: within {epochs}, it ends no lower.",
        ACCURACY,
        Rule("no_worse", COUNTS),
        Paper("Without increasing overfitting."),
    ),
    _change(
        "l2-smaller",
        "l2",
        "A fifth of the L2 weight gives BN-x5 a higher test accuracy within {epochs}.",
        ACCURACY,
        Rule("difference", COUNTS),
        Paper("It improves the accuracy on validation data."),
    ),
    _change(
        "lrn-idle",
        "model.lrn",
        "With BN, local response normalisation makes no difference to the test accuracy within {epochs}.",
        ACCURACY,
        Rule("equals", COUNTS),
        Paper("It is not necessary.", 0.0),
    ),
    _change(
        "companions",
        "data.reshuffle",
        "Companions that change from epoch to epoch give BN-x5 a higher test accuracy within {epochs}.",
        ACCURACY,
        Rule("difference"),
        Paper("About 1 point", 0.01),
        primary=True,
    ),
]


def figures(records: Records) -> dict[str, Figure]:
    """`ablation`: final accuracy, overfitting and steps of BN-x5 as it is, and with each change switched back."""
    runs = {id(run): label for label, of_arm in _arms(records).items() for run in of_arm}
    if not runs:
        return {}
    return {
        "ablation": plots.dots(
            records.of([run for run in records.runs if id(run) in runs]),
            "BN-x5 with each change of §4.2.1 switched back",
            "A run that diverged counts as chance, one that never gets there as all its steps.",
            {
                "test accuracy": final_accuracy,
                "training minus test accuracy": gap,
                f"steps to {percent(TARGET)}": lambda run: steps_of(run, TARGET) or length(run),
            },
            arm=lambda run: runs[id(run)],
        )
    }


def _arms(records: Records) -> dict[str, list[Record]]:
    arms = {"BN-x5": having(records.runs, USUAL)}
    for setting, (words, before) in BACK.items():
        others = {name: value for name, value in USUAL.items() if name != setting}
        back = having(having(records.runs, others), {setting: before})
        arms[words] = [run for run in back if run not in arms["BN-x5"]]
    return {label: runs for label, runs in arms.items() if runs}
