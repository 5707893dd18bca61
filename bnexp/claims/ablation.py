"""§4.2.1: changes that make BN pay, switched back in BN-x5, and judged by what the paper says of them.

Faster decay and weaker distortion are not judged: the paper gives reasons for them, and claims nothing. Local response
normalisation is not, either: on activations of this size it changes nothing, 0.02 %. The training set is small, so that
something can overfit and companions recur.
"""

from __future__ import annotations

import math
from typing import Any

from matplotlib.figure import Figure

from bnexp.claims.accuracy import ACCURACY
from bnexp.claims.inception import Targets, target_of
from bnexp.claims.inception_steps import steps_to
from bnexp.claims.lr_tolerance import HARDLY
from bnexp.drawing import plots
from bnexp.judging.claim import LARGEST, SMALLEST, Claim, Control, Paper, Quantity, Rule, Settings, of_run
from bnexp.judging.matching import having
from bnexp.judging.measures import final_accuracy, gap, length, steps_of
from bnexp.runs.records import Record, Records

TARGETS: Targets = {"": {1_800: 0.4, 40_000: 0.59}}
"""By steps: what all arms reach on tuning seeds, rounded down to a point; of long trainings that of `inception`."""

COUNTS = 0.02
"""The smallest difference that counts: two points, which six seeds can decide."""

COMPANIONS = 0.01
"""What the paper says that they bring."""

FURTHER = 0.03
"""Of overfitting, three points: training accuracy is that of 500 images, two points around the true one."""

USUAL: Settings = {
    "arm": "bn_x5",
    "model.dropout": 0.0,
    "data.reshuffle": True,
    "l2": SMALLEST,
    "lr": LARGEST,
}
"""BN-x5 as it is."""

BACK: dict[str, tuple[str, Any]] = {
    "lr": ("a fifth of the learning rate", SMALLEST),
    "model.dropout": ("dropout of 40 %", 0.4),
    "l2": ("five times the L2 weight", LARGEST),
    "data.reshuffle": ("the same mini-batches in every epoch", False),
}
"""By setting, the value that it had before, in words and as it is."""


def target(run: Record) -> float | None:
    """The accuracy that is asked of a training of this length."""
    return target_of(run, TARGETS)


STEPS = Quantity("steps to a fixed accuracy", steps_to(TARGETS), "ratio", target=target)
OVERFITS = Quantity("training minus test accuracy", of_run(gap))
BUT_RATE = {"arm": "inception_changes_x1"}


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
        "Within {epochs}, with BN, five times the learning rate reaches {target} on test images in fewer steps.",
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
        "Without BN, five times the rate of `inception` reaches {target} on test images in fewer steps, too, within "
        "{epochs}.",
        STEPS,
        Rule("time", math.log(HARDLY), less=True),
        Paper("Not said of Inception, whose parameters then reach machine infinity."),
        {"arm": "inception_x5"},
        {"arm": "inception"},
    ),
    _change(
        "dropout-faster",
        "model.dropout",
        "Without dropout, BN-x5 reaches {target} on test images in fewer steps, within {epochs}.",
        STEPS,
        FASTER,
        Paper("It speeds up training."),
        primary=True,
    ),
    _change(
        "dropout-harmless",
        "model.dropout",
        "Without dropout, BN-x5 ends no lower within {epochs}.",
        ACCURACY,
        Rule("no_worse", COUNTS),
        Paper("Without increasing overfitting."),
    ),
    _change(
        "dropout-overfits",
        "model.dropout",
        "Without dropout, BN-x5 overfits no more: within {epochs}, its test accuracy lies no further below that on "
        "training images.",
        OVERFITS,
        Rule("no_worse", FURTHER, less=True),
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
        "companions",
        "data.reshuffle",
        "Companions that change from epoch to epoch give BN-x5 a higher test accuracy within {epochs}.",
        ACCURACY,
        Rule("difference"),
        Paper("About 1 point", COMPANIONS),
        primary=True,
    ),
    Claim(
        "order-without-bn",
        "§4.2.1",
        "Without BN and with the other changes, mini-batches that change from epoch to epoch give Inception less than "
        "the point more within {epochs} that companions are said to.",
        ACCURACY,
        Rule("no_worse", COMPANIONS, less=True),
        Paper("Not said: it is put down to companions, which only BN knows."),
        {**BUT_RATE, "data.reshuffle": True},
        {**BUT_RATE, "data.reshuffle": False},
        control=Control("As much without BN would say that it is the order, and not the companions."),
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
            "BN-x5 with changes of §4.2.1 switched back, but decay, distortion and local response normalisation",
            "A run that diverged counts as chance, one that never gets there as all its steps.",
            {
                "test accuracy": final_accuracy,
                "training minus test accuracy": gap,
                "steps to the accuracy in the claims": _steps,
            },
            arm=lambda run: runs[id(run)],
        )
    }


def _steps(run: Record) -> float | None:
    asked = target(run)
    return None if asked is None else steps_of(run, asked) or length(run)


def _arms(records: Records) -> dict[str, list[Record]]:
    arms = {"BN-x5": having(records.runs, USUAL)}
    for setting, (words, before) in BACK.items():
        others = {name: value for name, value in USUAL.items() if name != setting}
        back = having(having(records.runs, others), {setting: before})
        arms[words] = [run for run in back if run not in arms["BN-x5"]]
    return {label: runs for label, runs in arms.items() if runs}
