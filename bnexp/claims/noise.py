"""§3.4 and later work: BN regularises by the noise of its mini-batch's statistics.

Ghost batches change this noise and leave the mini-batch of the gradient; the noise that Dropout makes instead, of equal
size, is the control. What is judged is the gap between test and training loss, of networks that have learnt 2,000
training images equally well, at one learning rate, and their noise then. And what becomes of the statistics where the
companions are of one class or two, beside mini-batches of all, or come through Dropout (Li et al. 2018).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.figure import Figure

from bnexp.claims.accuracy import ACCURACY
from bnexp.claims.gap import FITTED, GAP, LEAST, gap_of_losses, when_fitted
from bnexp.claims.statistics import late_accuracy
from bnexp.drawing import plots
from bnexp.judging.claim import (
    LARGEST,
    PLAIN,
    SMALLEST,
    TREATED,
    Claim,
    Control,
    Of,
    Paper,
    Quantity,
    Rule,
    Settings,
    of_run,
)
from bnexp.judging.matching import at_their_best, having, judged
from bnexp.judging.measures import metric_at_end
from bnexp.judging.words import arm_name, percent
from bnexp.runs.records import Record, Records

SHOWS_TUNING = True

HELPS = 0.005
"""Half a point, the smallest difference that counts."""

BY_DOUBLING = 0.0025
"""Nats, by which a gap must grow with each doubling of the part, to count: 0.01 from 4 to 60 examples."""

FIT = 0.995
"""Training accuracy at which a network has fit its images."""

GHOSTS = (4, 10, 30)
"""Examples in the parts of a mini-batch of 60."""

EQUAL = {30: 0.02, 10: 0.06, 4: 0.5}
"""By ghost batch, the Dropout rate that makes as much noise: on ten tuning seeds 0.31 and 0.29, 0.41 and 0.42; that
half the units dropped make as much as parts of 4 was seen in the judged runs."""

RATE = {"lr": 0.1, "steps": LARGEST}
"""Where it is not tuned, trainings are longer: with parts of 4, fitting takes 2,500 steps."""

ONE_RATE = "one learning rate, 0.1"
"""Said of what might be otherwise at another."""

USUAL: dict[str, object] = {"norm.ghost": None, "model.dropout": 0, "data.classes_per_batch": None}
WHOLE, MOVING = {"norm": TREATED, **USUAL, "norm.statistics": "population"}, {"norm.statistics": "moving"}
LUO = Paper("An example's activations depend on its companions; that it is this noise is not said.")
LI = Paper("Not in the paper.", outside="Dropout before BN shifts the variance (Li et al. 2018)")
CLASS = Paper("Mini-batches are drawn at random.", outside="Label leak through companions (Wu & Johnson 2021)")

FEW = {"1-class": 1, "2-classes": 2}
"""Classes in a mini-batch, as claims are called."""

COMPOSITIONS = {None: "drawn from all classes", 1: "of 1 class each", 2: "of 2 classes each"}
"""Mini-batches by `data.classes_per_batch`."""

NOISE = when_fitted("companion_noise", FITTED)
"""What companions and Dropout make where the gap is read."""

LATE = Quantity("test accuracy over the last half of training", of_run(late_accuracy))
TUNED = {"model.dropout": 0, "norm.ghost": None}


def by_doubling(loss: float) -> Callable[[Sequence[Record]], float | None]:
    """By how much the gap grows with each doubling of the part of a mini-batch that is normalised together."""

    def measure(runs: Sequence[Record]) -> float | None:
        parts = [math.log2(run.value("norm.ghost") or run.value("batch")) for run in runs]
        gaps = [gap for run in runs if (gap := gap_of_losses(loss)(run)) is not None]
        return float(np.polyfit(parts, gaps, 1)[0]) if len(gaps) == len(runs) > 1 else None

    return measure


def has_reached(loss: float) -> Callable[[Record], float]:
    """Whether the training loss falls so far."""
    return lambda run: float(gap_of_losses(loss)(run) is not None)


def has_fit(part: float) -> Callable[[Record], float]:
    """Whether so much of the training images is classified correctly at the end."""
    return lambda run: float((metric_at_end("train_accuracy")(run) or 0) >= part)


def _ghost(examples: int) -> Settings:
    return {**WHOLE, "norm.ghost": examples}


def _dropout(rate: float) -> Settings:
    return {**WHOLE, "model.dropout": rate}


def _fits(identity: str, words: str, fits: Callable[[Record], float], fails: str, guards: tuple[str, ...]) -> Claim:
    """That networks have come to fit their training images so well."""
    return Claim(
        identity,
        "own check",
        f"Networks {words}, however many examples are normalised together.",
        Quantity("networks that fit their training images", of_run(fits), "share"),
        Rule("rate"),
        LUO,
        ALL,
        None,
        among=RATE,
        control=Control(fails, guards=guards),
    )


def _composed(identity: str, classes: int | None, lower: str, control: Control | None = None) -> Claim:
    """With BN and without, of networks whose mini-batches have so many classes."""
    return Claim(
        identity,
        "Wu & Johnson 2021",
        f"Within {{epochs}}, each at its own best rate, networks whose mini-batches are {COMPOSITIONS[classes]} have "
        f"{lower} with BN than without, over the last half of it.",
        LATE,
        Rule("no_worse", HELPS) if control else Rule("difference", HELPS, less=True),
        CLASS,
        {"norm": TREATED, "norm.ghost": None, "norm.statistics": "population"},
        {"norm": PLAIN},
        among={"model.dropout": 0, "data.classes_per_batch": classes, "steps": SMALLEST},
        selected=("lr",),
        control=control,
    )


ALL = {**WHOLE, "norm.ghost": Of("among", (*GHOSTS, None))}

CLAIMS = [
    Claim(
        "noise-gap",
        "§3.4, Luo et al. 2018",
        "At the same mini-batch of the gradient, the gap between test and training loss grows, when the latter is "
        f"{FITTED:g} nats, with each doubling of the part that is normalised together, on average from {GHOSTS[0]} to "
        f"60 examples, at {ONE_RATE}.",
        Quantity("gap gained by each doubling of the part", by_doubling(FITTED), "nats", over=("norm.ghost",)),
        Rule("difference", BY_DOUBLING),
        LUO,
        ALL,
        None,
        among=RATE,
        primary=True,
    ),
    _fits(
        "noise-fits",
        f"reach a training loss of {FITTED:g} nats",
        has_reached(FITTED),
        "Networks that do not would have no gap to compare.",
        ("noise-gap", *(f"noise-of-{ghost}" for ghost in EQUAL)),
    ),
    _fits(
        "noise-fits-all",
        f"fit {100 * FIT:g} % of the training images",
        has_fit(FIT),
        "Networks that do not would be compared while they still learn.",
        tuple(f"noise-helps-{ghost}" for ghost in GHOSTS),
    ),
    *(
        Claim(
            f"noise-helps-{ghost}",
            "§3.4, Luo et al. 2018",
            f"Within {{epochs}}, at the same mini-batch of the gradient and {ONE_RATE}, normalising parts of {ghost} "
            "examples ends higher.",
            ACCURACY,
            Rule("difference", HELPS),
            LUO,
            _ghost(ghost),
            WHOLE,
            among=RATE,
        )
        for ghost in GHOSTS
    ),
    *(
        Claim(
            f"noise-of-{ghost}",
            "§3.4, Luo et al. 2018",
            f"Dropout of {percent(rate)}, as noisy as normalising parts of {ghost} examples, leaves as large a gap "
            f"between test and training loss when the latter is {FITTED:g} nats, at {ONE_RATE}.",
            GAP,
            Rule("equals", LEAST),
            LUO,
            _dropout(rate),
            _ghost(ghost),
            among=RATE,
        )
        for ghost, rate in EQUAL.items()
    ),
    *(
        Claim(
            f"noise-narrows-{ghost}",
            "§3.4, Luo et al. 2018",
            f"Normalising parts of {ghost} examples leaves a smaller gap than normalising all together, at {ONE_RATE}.",
            GAP,
            Rule("difference", LEAST, less=True),
            LUO,
            _ghost(ghost),
            WHOLE,
            among=RATE,
            control=Control(
                "As large a gap would say that Dropout of equal noise has nothing to match.",
                guards=(f"noise-of-{ghost}",),
            ),
        )
        for ghost in EQUAL
    ),
    *(
        Claim(
            f"noise-size-{ghost}",
            "own check",
            f"At a training loss of {FITTED:g} nats, Dropout of {percent(rate)} makes as much noise as parts of "
            f"{ghost} do, within a tenth.",
            Quantity("noise that companions and dropout make", of_run(NOISE), "ratio"),
            Rule("equals", 0.1),
            LUO,
            _dropout(rate),
            _ghost(ghost),
            among=RATE,
            control=Control(
                "Another size would make the comparison of gaps one of noises.", guards=(f"noise-of-{ghost}",)
            ),
        )
        for ghost, rate in EQUAL.items()
    ),
    Claim(
        "noise-dropout-moving",
        "Li et al. 2018",
        "Within {epochs}, behind Dropout of half the units BN by moving averages ends lower than by population "
        "statistics without Dropout (Algorithm 2).",
        ACCURACY,
        Rule("difference", HELPS, less=True),
        LI,
        {**_dropout(0.5), **MOVING},
        _dropout(0.5),
        among=RATE,
    ),
    Claim(
        "noise-moving",
        "Li et al. 2018",
        "Within {epochs}, without Dropout moving averages cost at most half a point.",
        ACCURACY,
        Rule("no_worse", HELPS, paired=True),
        LI,
        {**WHOLE, **MOVING},
        WHOLE,
        among=RATE,
        control=Control(
            "As much without Dropout would say that it is not Dropout's doing.", guards=("noise-dropout-moving",)
        ),
    ),
    *(_composed(f"noise-of-{name}", classes, "a lower accuracy") for name, classes in FEW.items()),
    _composed(
        "noise-of-mixed",
        None,
        "no lower an accuracy",
        Control(
            "A lower accuracy there, too, would say that it is BN on so few images, and not what is in a mini-batch.",
            guards=tuple(f"noise-of-{name}" for name in FEW),
        ),
    ),
]

SHOWN = {
    "noise_classes": ("noise-of-1-class", "noise-of-2-classes"),
}


def figures(records: Records) -> dict[str, Figure]:
    """`noise_gap`, of ghost batches and of Dropout, and their noise; `noise_classes`, by what mini-batches hold."""
    population = {"norm": "batch", "norm.statistics": "population", "data.classes_per_batch": None}
    runs = having(judged(records.runs), {**population, **RATE})
    made = {}
    if runs:
        made["noise_gap"] = plots.dots(
            records.of(runs),
            f"The gap between test and training loss when the latter is {FITTED:g} nats, and the noise then",
            "Networks with BN on 2,000 training images.",
            {"test minus training loss, nats": gap_of_losses(FITTED), "noise": NOISE},
            arm=_arm,
        )
    usual = having(records.runs, {**TUNED, "norm.statistics": Of("among", (None, "population")), "steps": SMALLEST})
    best = at_their_best(usual, ("norm", "data.classes_per_batch"), ("lr",))
    if any(run.value("data.classes_per_batch") for run in best):
        made["noise_classes"] = plots.dots(
            records.of(best),
            "Test accuracy over the last half of the training, by what mini-batches are drawn from",
            "On 2,000 training images, each at its own best learning rate.",
            {"test accuracy": late_accuracy},
            fraction=True,
            arm=lambda run: f"{arm_name(run.norm)}, {COMPOSITIONS[run.value('data.classes_per_batch')]}",
        )
    return made


def _arm(run: Record) -> str:
    ghost, rate = run.value("norm.ghost"), run.value("model.dropout")
    return f"ghost batches of {ghost}" if ghost else f"dropout {percent(rate)}" if rate else run.norm
