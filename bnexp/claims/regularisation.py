"""§3.4, §4.2.1: BN regularises, so that Dropout can be removed, or be weaker.

That Dropout can go is judged as non-inferiority, for each size of the training set; the best rate and L2 weight, with
and without BN, are chosen on validation images. All at one learning rate. How wide the gap between training and test
images is, `gap` asks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from matplotlib.figure import Figure

from bnexp.claims.accuracy import ACCURACY, SMALLEST
from bnexp.drawing import plots
from bnexp.drawing.plots import Layout
from bnexp.judging.claim import PLAIN, TREATED, Claim, Control, Of, Paper, Quantity, Rule
from bnexp.judging.matching import having
from bnexp.judging.measures import companion_noise, points_ahead, validation_accuracy
from bnexp.judging.words import difference_in
from bnexp.runs.records import Record, Records

POINT = 0.01
"""What counts for small training sets, of which few seeds tell more."""

WEAKER = 0.05
"""The smallest difference of Dropout rates that counts."""

HALF_A_DECADE = 0.5
"""The smallest difference of L2 weights that counts: half a step of their grid."""

LEAST = 1e-5
"""An L2 weight that does nothing: a tenth of the smallest one tried."""

KEPT = {"model.dropout": 0, "l2": 0}
SIZES = ("data.examples",)

SMALL, LARGE = Of("among", (500, 2000)), Of("above", (2000,))
"""Training sets."""


def best(setting: str) -> Callable[[Sequence[Record]], float]:
    """The value of a setting at the highest validation accuracy, of equally good ones the lowest."""

    def measure(runs: Sequence[Record]) -> float:
        ordered = sorted(runs, key=lambda run: float(run.value(setting)))
        return float(max(ordered, key=validation_accuracy).value(setting))

    return measure


def in_decades(measure: Callable[[Sequence[Record]], float], least: float) -> Callable[[Sequence[Record]], float]:
    """The same in decades above the `least`, which stands for 0, too."""
    return lambda runs: math.log10(max(measure(runs), least) / least)


def _can_go(setting: str, norm: Any, source: str, paper: Paper, control: Control | None = None) -> list[Claim]:
    """That leaving out a regulariser costs no accuracy, beside the best amount of it, for small and for large sets."""
    arm = "bn" if norm is TREATED else "without"
    words = {"model.dropout": "dropout", "l2": "L2"}[setting]
    return [
        Claim(
            id=f"{setting.rpartition('.')[2]}-can-go-{arm}{suffix}",
            source=source,
            sentence=f"Within {{epochs}}, {'with' if arm == 'bn' else 'without'} BN, leaving {words} out costs "
            f"{difference_in(margin, 'points').removeprefix('+')} of test accuracy at most, for {sizes} training sets.",
            quantity=ACCURACY,
            rule=Rule("no_worse", margin, universal=True),
            paper=paper,
            treated={setting: 0},
            reference={setting: Of("above", (0,))},
            among={"norm": norm, "data.examples": of_size},
            cells=SIZES,
            selected=("model.dropout", "l2"),
            control=control,
        )
        for suffix, sizes, of_size, margin in (("", "large", LARGE, 2 * SMALLEST), ("-small", "small", SMALL, POINT))
    ]


def _weaker(setting: str, source: str, sentence: str, quantity: Quantity, counts: float, paper: Paper) -> Claim:
    """That less of a regulariser suits a network with BN, without the other one."""
    rule = Rule("difference", counts, less=True)
    without = {name: value for name, value in KEPT.items() if name != setting}
    identity = f"weaker-{setting.rpartition('.')[2]}"
    return Claim(identity, source, sentence, quantity, rule, paper, among=without, cells=SIZES)


CAFFENET = "CaffeNet with BN: dropout 0.5 49.9 %, 0.2 52.7 %, 0 51.3 % (ducha-aiki)"
DISPENSABLE = Control("if it can go without BN, too, BN is not what makes it dispensable", holds=("contradicted",))
REMOVED = Paper("Dropout is removed from BN-Inception without more overfitting; no number is given.", outside=CAFFENET)


CLAIMS = [
    *(
        replace(claim, primary=claim.id.endswith("bn"))
        for claim in _can_go("model.dropout", TREATED, "§3.4, §4.2.1", REMOVED)
    ),
    *_can_go(
        "model.dropout",
        PLAIN,
        "§4.2.1",
        Paper("Inception has 40 % dropout."),
        control=DISPENSABLE,
    ),
    *_can_go("l2", TREATED, "popular accounts", Paper("Made 5 times smaller in BN-x5, not left out.")),
    *_can_go(
        "l2",
        PLAIN,
        "popular accounts",
        Paper("Not tried."),
        control=DISPENSABLE,
    ),
    _weaker(
        "model.dropout",
        "§3.4",
        "The Dropout rate that suits a network best is smaller with BN.",
        Quantity("best dropout rate", best("model.dropout"), "dropout", over=("model.dropout",)),
        WEAKER,
        Paper("Dropout can be removed or reduced in strength; 5 and 10 % in some networks of Figure 4."),
    ),
    _weaker(
        "l2",
        "§4.2.1",
        "The L2 weight that suits a network best is smaller with BN, without dropout.",
        Quantity("best L2 weight, above 0.00001", in_decades(best("l2"), LEAST), "decades", over=("l2",)),
        HALF_A_DECADE,
        Paper("5 times smaller in BN-x5, 0.7 decades.", math.log10(5)),
    ),
]

SHOWN = {
    "dropout": ("dropout-can-go-bn", "dropout-can-go-bn-small"),
    "l2": ("l2-can-go-bn", "l2-can-go-bn-small"),
    "companion_noise": (),
}


def figures(records: Records) -> dict[str, Figure]:
    """`dropout` and `l2`, what they add; `companion_noise`."""
    made = {}
    if undecayed := having(records.runs, {"l2": 0}):
        weights = records.of(undecayed)
        made["dropout"] = _added(weights, "model.dropout", "dropout", "L2")
    if undropped := having(records.runs, {"model.dropout": 0}):
        made["l2"] = _added(records.of(undropped), "l2", "L2", "dropout")
    if undecayed:
        made["companion_noise"] = plots.lines(
            weights,
            "Noise of an example's activations in training, by dropout",
            "Standard deviation of the input of the last hidden layer's nonlinearity from one set of companions (and "
            "one draw of dropout) to another, in its standard deviations over examples, at the end of training.",
            "model.dropout",
            companion_noise,
            "standard deviations",
            Layout(columns="data.examples"),
        )
    return made


def _added(records: Records, setting: str, words: str, other: str) -> Figure:
    """What a setting adds to the accuracy that the same seed has at 0 of it."""

    at_zero = having(records.runs, {setting: 0})
    added = points_ahead(at_zero, lambda run: (run.norm, run.seed, run.value("data.examples")))
    return plots.lines(
        records,
        f"What {words} adds to the final test accuracy, by the size of the training set",
        f"Minus the same network without {words}, both without {other}. A run that diverged counts as chance.",
        setting,
        added,
        "percentage points",
        Layout(columns="data.examples"),
    )
