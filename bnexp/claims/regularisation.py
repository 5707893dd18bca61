"""§3.4, §4.2.1: BN regularises, so that Dropout can be removed.

The gap is the training accuracy minus the test accuracy at the end. Dropout is the positive control: a method known to
regularise must narrow the gap in the same measure. That Dropout can go is judged as non-inferiority: leaving it out may
cost no more than the smallest difference that counts. Dropout's best rate is chosen on the other seeds.
"""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from bnexp.claims import panels
from bnexp.claims.accuracy import ACCURACY, SMALLEST
from bnexp.claims.claim import LARGEST, PLAIN, TREATED, Claim, Of, Outcome, Paper, Peculiar, Quantity, Rule, of_run
from bnexp.claims.judging import compare, in_words, outcome
from bnexp.claims.measures import common_chance, companion_noise, final_accuracy, gap
from bnexp.claims.panels import Layout
from bnexp.runs.records import Records
from bnexp.stats import Interval

NOISE = 0.01
"""Standard deviations of the activation: the smallest noise that counts."""

DROPPED, KEPT = {"model.dropout": Of("above", (0,))}, {"model.dropout": 0}

GAP = Quantity("training minus test accuracy", of_run(gap))


def _dropout_gains(identity: str, sentence: str, paper: str, norm: Any) -> Claim:
    """That the best Dropout raises the accuracy of networks with this norm."""
    return Claim(
        id=identity,
        source="3.4",
        sentence=sentence,
        quantity=ACCURACY,
        rule=Rule("difference", SMALLEST),
        treated=DROPPED,
        reference=KEPT,
        among={"norm": norm},
        selected=("model.dropout",),
        paper=Paper(paper),
    )


COMBINES = _dropout_gains(
    "combines-with-dropout",
    "With BN, dropout still raises the test accuracy: the two combine.",
    "Not claimed; popular accounts say so.",
    TREATED,
)


def _can_go(records: Records) -> Outcome:
    """Non-inferiority of no Dropout."""
    lost = compare(COMBINES, records.runs).interval
    kept = Interval(SMALLEST - lost.mean, SMALLEST - lost.hi, SMALLEST - lost.lo, lost.n)
    return outcome(kept, "points", measured=f"best dropout minus none, with BN: {in_words(lost, 'points')}")


CLAIMS = [
    Claim(
        id="narrower-gap",
        source="3.4",
        sentence="BN narrows the gap between training and test accuracy.",
        quantity=GAP,
        rule=Rule("difference", SMALLEST, less=True),
        treated={"norm": TREATED},
        reference={"norm": PLAIN},
        among=KEPT,
        paper=Paper("Said to regularise; no number is given."),
    ),
    Claim(
        id="narrower-gap-dropout",
        source="3.4",
        sentence="Without BN, dropout narrows the gap between training and test accuracy (control).",
        quantity=GAP,
        rule=Rule("difference", SMALLEST, less=True),
        treated={"model.dropout": LARGEST},
        reference=KEPT,
        among={"norm": PLAIN},
        paper=Paper("Known of dropout."),
    ),
    Peculiar(
        id="dropout-can-go",
        source="3.4, 4.2.1",
        sentence=f"With BN, leaving dropout out costs no more than {100 * SMALLEST:g} points of test accuracy.",
        paper=Paper("Dropout is removed from BN-Inception without more overfitting; no number is given."),
        judge=_can_go,
    ),
    _dropout_gains(
        "dropout-needed-without",
        "Without BN, dropout raises the test accuracy (control).",
        "Inception has 40 % dropout.",
        PLAIN,
    ),
    COMBINES,
    Claim(
        id="companions",
        source="3.4",
        sentence="With BN, an example's activations depend on its companions in the mini-batch.",
        quantity=Quantity("noise that companions make", of_run(companion_noise), "deviations"),
        rule=Rule("difference", NOISE),
        treated={"norm": TREATED},
        reference={"norm": PLAIN},
        among=KEPT,
        paper=Paper("Said to be the reason why BN regularises; not measured."),
    ),
]


def figures(records: Records) -> dict[str, Figure]:
    """`gap` and `regularisation_accuracy` against the training set's size; `companion_noise` against dropout."""
    if not records.runs:
        return {}
    layout = Layout("l2", "model.dropout")
    return {
        "gap": panels.lines(
            records,
            "Training minus test accuracy at the end, by the size of the training set",
            "A run that diverged counts as 0.",
            "data.examples",
            lambda run: 100 * (gap(run) or 0.0),
            "percentage points",
            layout,
        ),
        "regularisation_accuracy": panels.lines(
            records,
            "Final test accuracy by the size of the training set",
            f"A run that diverged counts as chance ({common_chance(records.runs):g}).",
            "data.examples",
            final_accuracy,
            "test accuracy",
            layout,
        ),
        "companion_noise": panels.lines(
            records,
            "Noise of an example's activations in training, by dropout",
            "Standard deviation of the input of the last hidden layer's nonlinearity from one set of companions (and "
            "one draw of dropout) to another, in its standard deviations over examples; at the end of training. L2 "
            "weights are averaged.",
            "model.dropout",
            lambda run: companion_noise(run) or 0.0,
            "standard deviations",
            Layout(columns="data.examples"),
        ),
    }
