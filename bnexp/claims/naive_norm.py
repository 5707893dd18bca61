"""§2: normalisation outside the gradient step lets biases grow for nothing, and worse where it scales, too.

What is subtracted and divided by are constants to the gradient, so that a step undoes what the last one did. That
biases trained alone grow with every step while the loss stays is so by construction, and a test. Here weights are
trained, too, and the loss falls; that it falls no lower than without a norm is what stays of it.
"""

from __future__ import annotations

import math

from matplotlib.figure import Figure

from bnexp.claims.accuracy import ACCURACY, SMALLEST
from bnexp.claims.lr_tolerance import HIGHEST, NARROWEST
from bnexp.claims.mechanisms import CELLS, LONGER
from bnexp.claims.saturating import OF_TRAINED
from bnexp.drawing import plots
from bnexp.drawing.plots import Layout
from bnexp.judging.claim import PLAIN, TREATED, Claim, Control, Of, Paper, Quantity, Rule, Settings, of_run
from bnexp.judging.matching import having
from bnexp.judging.measures import TRAINS, final_accuracy, mean_of_layers, metric_at_end, slope
from bnexp.judging.words import kind_name, percent
from bnexp.runs.records import Record, Records

GENTLE = {"sigmoid": Of("among", (0.316, 1)), "relu": Of("among", (0.0316, 0.1))}
"""By nonlinearity, learning rates at which networks train without a norm."""

FINE = {"lr": Of("above", (0.005,))}
"""Learning rates that all arms have, among which the largest that trains is sought."""

LARGER = 0.1
"""Of slopes, the smallest difference that counts: over a tenfold number of steps a quarter more."""

MEAN, BOTH, AVERAGES = ({"norm": "naive", "norm.outside": value} for value in (None, "both", "averages"))
"""`mean` is the default, and absent from a run's settings."""

LEFT = Paper("The loss stays, b grows without bound; the model blows up where the scale is normalised, too.")


def longest(run: Record) -> float | None:
    """The biases' length at the end, mean over the layers; None for a run that diverged."""
    end = mean_of_layers("bias_norm")(run)[-1]
    return end if end > 0 and math.isfinite(end) else None


def _claim(
    identity: str,
    sentence: str,
    arms: tuple[Settings, Settings],
    quantity: Quantity,
    rule: Rule,
    among: Settings | None = None,
    selected: bool = True,
    control: Control | None = None,
    cells: tuple[str, ...] = CELLS,
) -> Claim:
    return Claim(
        f"naive-{identity}",
        "§2",
        f"{sentence}{', whatever the nonlinearity' * (cells == CELLS)}.",
        quantity,
        rule,
        LEFT,
        *arms,
        among or {},
        cells,
        ("lr",) if selected else (),
        primary=identity in ("biases-sigmoid", "biases-relu", "scaled"),
        control=control,
    )


NONE = {"norm": PLAIN}
LOWER = Rule("difference", SMALLEST, less=True, universal=True)
BEST = "Within {epochs}, each at its own best rate,"

CLAIMS = [
    *(
        _claim(
            f"{identity}-{activation}",
            f"With the mean subtracted outside the gradient step, {kind_name(activation)} networks' {words} than "
            "without a norm",
            (MEAN, NONE),
            quantity,
            rule,
            {"lr": rates, "model.activation": activation},
            selected=False,
            cells=("lr",),
        )
        for activation, rates in GENTLE.items()
        for identity, words, quantity, rule in (
            (
                "biases",
                "biases end longer",
                Quantity("length of the biases", of_run(longest), "ratio"),
                Rule("difference", math.log(LONGER), universal=True),
            ),
            (
                "growth",
                "biases grow faster (slope of their length over the steps, on logarithms)",
                Quantity("growth of the biases", of_run(slope(mean_of_layers("bias_norm"))), "decades per decade"),
                Rule("difference", LARGER, universal=True),
            ),
            (
                "loss",
                "test loss, for all that their biases grow, ends no lower",
                Quantity("test loss at the end", of_run(metric_at_end("loss")), "ratio"),
                Rule("no_worse", math.log(LONGER), universal=True),
            ),
        )
    ),
    *(
        _claim(identity, f"{BEST} {what} ends lower than no norm, where they train", (arm, NONE), OF_TRAINED, LOWER)
        for identity, what, arm in (
            ("mean", "the mean outside the gradient step", MEAN),
            ("scaled", "mean and variance outside the gradient step", BOTH),
            ("averages", "moving averages of both outside the gradient step", AVERAGES),
        )
    ),
    _claim(
        "blows-up",
        f"The largest rate at which networks train, to {percent(TRAINS)}, is lower with mean and variance outside the "
        "gradient step than without a norm, where both train",
        (BOTH, NONE),
        HIGHEST,
        Rule("range", NARROWEST, less=True, universal=True),
        FINE,
        selected=False,
    ),
    _claim(
        "bn",
        f"{BEST} BN without γ and β, through which the gradient goes, ends higher than both outside it",
        ({"norm": TREATED, "norm.affine": False}, BOTH),
        ACCURACY,
        Rule("difference", SMALLEST, universal=True),
        control=Control(
            "No difference would say that it does not matter where the gradient goes.",
            guards=("naive-scaled", "naive-blows-up"),
        ),
    ),
]

SHOWN = {
    "naive_accuracy": ("naive-scaled", "naive-mean"),
    "naive_biases": ("naive-biases-sigmoid", "naive-biases-relu"),
}


def figures(records: Records) -> dict[str, Figure]:
    """`naive_accuracy` and `naive_biases`, against the rate."""
    if not records.runs:
        return {}
    layout = Layout(columns=CELLS[0], arm=_arm)
    made = {
        "naive_accuracy": plots.lines(
            records,
            "Final test accuracy with normalisation inside and outside the gradient step",
            "A run that diverged counts as chance.",
            "lr",
            final_accuracy,
            "test accuracy",
            layout,
            (0, 1),
        )
    }
    with_biases = [
        run
        for activation, rates in GENTLE.items()
        for run in having(records.runs, {"lr": rates.values[-1], CELLS[0]: activation})
        if run.norm in ("none", "naive")
    ]
    if with_biases:
        rates = " and ".join(f"{rates.values[-1]:g} ({activation})" for activation, rates in GENTLE.items())
        made["naive_biases"] = plots.curves(
            records.of(with_biases),
            "Length of the biases during training",
            f"At a learning rate of {rates}, mean over the hidden layers.",
            lambda run: (run.metrics["step"].tolist(), mean_of_layers("bias_norm")(run)),
            "length",
            layout,
        )
    return made


def _arm(run: Record) -> str:
    if run.norm == "naive":
        return f"naive, {run.value('norm.outside') or 'mean'}"
    return "γ and β left at 1 and 0" if run.value("norm.affine") is False else run.norm
