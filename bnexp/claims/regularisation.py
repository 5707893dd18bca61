"""§3.4, §4.2.1: BN regularises, so that Dropout can be removed, or be weaker.

The gap is the training accuracy minus the test accuracy at the end. Dropout is the positive control: a method known to
regularise must narrow the gap in the same measure. Networks that fit every training image have the gap that the test
accuracy leaves: beside the gap stands the training loss. That Dropout can go is judged as non-inferiority, for each
size of the training set; the best rate and L2 weight, with and without BN, are chosen on validation images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from matplotlib.figure import Figure

from bnexp.claims.accuracy import ACCURACY, SMALLEST
from bnexp.drawing import plots
from bnexp.drawing.plots import Layout
from bnexp.judging.claim import LARGEST, PLAIN, TREATED, Claim, Of, Paper, Quantity, Rule, of_run
from bnexp.judging.matching import having
from bnexp.judging.measures import companion_noise, final_accuracy, gap, validation_accuracy
from bnexp.runs.records import Record, Records

NOISE = 0.01
"""Standard deviations of the activation: the smallest noise that counts."""

WEAKER = 0.05
"""The smallest difference of Dropout rates that counts."""

KEPT = {"model.dropout": 0, "l2": 0}
SIZES = ("data.examples",)

GAP = Quantity("training minus test accuracy", of_run(gap))


def best_dropout(runs: Sequence[Record]) -> float:
    """The Dropout rate of the highest validation accuracy, of equally good ones the lowest."""
    ordered = sorted(runs, key=lambda run: float(run.value("model.dropout")))
    return float(max(ordered, key=validation_accuracy).value("model.dropout"))


def _can_go(setting: str, words: str, norm: Any, source: str, paper: str, control: str = "") -> Claim:
    """That leaving out a regulariser costs no accuracy, beside the best amount of it."""
    arm = "bn" if norm is TREATED else "without"
    return Claim(
        id=f"{setting.rpartition('.')[2]}-can-go-{arm}",
        source=source,
        sentence=f"Within {{epochs}}, {'with' if arm == 'bn' else 'without'} BN, leaving {words} out costs no test "
        "accuracy, whatever the size of the training set.",
        quantity=ACCURACY,
        rule=Rule("no_worse", 2 * SMALLEST, universal=True),
        paper=Paper(paper, outside="CaffeNet with BN: dropout 0.5 49.9 %, 0.2 52.7 %, 0 51.3 % (ducha-aiki)"),
        treated={setting: 0},
        reference={setting: Of("above", (0,))},
        among={"norm": norm},
        cells=SIZES,
        selected=("model.dropout", "l2"),
        control=control,
    )


CLAIMS = [
    Claim(
        id="narrower-gap",
        source="§3.4",
        sentence="Within {epochs}, BN narrows the gap between training and test accuracy, whatever the size of the "
        "training set.",
        quantity=GAP,
        rule=Rule("difference", SMALLEST, less=True, universal=True),
        paper=Paper("Said to regularise; no number is given."),
        among=KEPT,
        cells=SIZES,
        primary=True,
    ),
    Claim(
        id="narrower-gap-dropout",
        source="known of Dropout",
        sentence="Within {epochs}, without BN, dropout narrows the gap between training and test accuracy.",
        quantity=GAP,
        rule=Rule("difference", SMALLEST, less=True),
        paper=Paper("Inception has 40 % dropout."),
        treated={"model.dropout": LARGEST},
        reference={"model.dropout": 0},
        among={"norm": PLAIN, "l2": 0},
        cells=SIZES,
        control="if Dropout does not narrow it, the measure cannot see regularisation",
    ),
    replace(
        _can_go(
            "model.dropout",
            "dropout",
            TREATED,
            "§3.4, §4.2.1",
            "Dropout is removed from BN-Inception without more overfitting; no number is given.",
        ),
        primary=True,
    ),
    _can_go(
        "model.dropout",
        "dropout",
        PLAIN,
        "§4.2.1",
        "Inception has 40 % dropout.",
        control="if it can go without BN, too, BN is not what makes it dispensable",
    ),
    _can_go("l2", "L2", TREATED, "§4.2.1", "The L2 weight is 5 times smaller in BN-x5; it improves the accuracy."),
    Claim(
        id="weaker-dropout",
        source="§3.4",
        sentence="The Dropout rate that suits a network best is smaller with BN.",
        quantity=Quantity("best dropout rate", best_dropout, "share", over=("model.dropout",)),
        rule=Rule("difference", WEAKER, less=True),
        paper=Paper("Dropout can be removed or reduced in strength; 5 and 10 % in some networks of Figure 4."),
        among={"l2": 0},
        cells=SIZES,
    ),
    Claim(
        id="companions",
        source="§3.4",
        sentence="With BN, an example's activations depend on its companions in the mini-batch.",
        quantity=Quantity("noise that companions make", of_run(companion_noise), "deviations"),
        rule=Rule("difference", NOISE, universal=True),
        paper=Paper("Said to be the reason why BN regularises; not measured."),
        among=KEPT,
        cells=SIZES,
    ),
]


def figures(records: Records) -> dict[str, Figure]:
    """`gap` against the training set's size; `dropout` and `l2`, what they add; `companion_noise`."""
    if not records.runs:
        return {}
    weights = replace(records, runs=having(records.runs, {"l2": 0}))
    return {
        "gap": plots.lines(
            replace(records, runs=having(records.runs, KEPT)),
            "Training minus test accuracy at the end, by the size of the training set",
            "Without dropout and L2.",
            "data.examples",
            lambda run: None if (width := gap(run)) is None else 100 * width,
            "percentage points",
        ),
        "dropout": _added(weights, "model.dropout", "dropout"),
        "l2": _added(replace(records, runs=having(records.runs, {"model.dropout": 0})), "l2", "L2"),
        "companion_noise": plots.lines(
            weights,
            "Noise of an example's activations in training, by dropout",
            "Standard deviation of the input of the last hidden layer's nonlinearity from one set of companions (and "
            "one draw of dropout) to another, in its standard deviations over examples, at the end of training.",
            "model.dropout",
            companion_noise,
            "standard deviations",
            Layout(columns="data.examples"),
        ),
    }


def _added(records: Records, setting: str, words: str) -> Figure:
    """What a setting adds to the accuracy that the same seed has at 0 of it."""

    def key(run: Record) -> tuple[Any, ...]:
        return run.norm, run.seed, run.value("data.examples")

    at_zero = {key(run): final_accuracy(run) for run in having(records.runs, {setting: 0})}

    def added(run: Record) -> float | None:
        return 100 * (final_accuracy(run) - at_zero[key(run)]) if key(run) in at_zero else None

    return plots.lines(
        records,
        f"What {words} adds to the final test accuracy, by the size of the training set",
        f"Minus the same network without {words}. A run that diverged counts as chance.",
        setting,
        added,
        "percentage points",
        Layout(columns="data.examples"),
    )
