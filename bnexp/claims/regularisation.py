"""§3.4, §4.2.1: BN regularises, so that Dropout can be removed.

The gap is the training accuracy minus the test accuracy at the end. Dropout is the positive control: a method known to
regularise must narrow the gap in the same measure. That Dropout can go is judged as non-inferiority: leaving it out may
cost no more than the smallest difference that counts. Dropout's best rate is chosen on the other seeds.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from matplotlib.figure import Figure

from bnexp.claims import panels
from bnexp.claims.accuracy import RULE, SMALLEST, common_chance, diverged, final_accuracy
from bnexp.claims.judging import (
    BN,
    PLAIN,
    Judgement,
    Statement,
    contrast,
    having,
    in_points,
    in_unit,
    judged,
    own_best,
)
from bnexp.claims.panels import Layout
from bnexp.runs.records import Record, Records
from bnexp.stats import Interval, t_interval

NOISE = 0.01
"""Standard deviations of the activation: the smallest noise that counts."""


def judge(records: Records) -> list[Judgement]:
    """The gap, Dropout without loss, and the noise that companions make, with their controls."""
    plain, bn = (having(records.runs, {"norm": norm}) for norm in (PLAIN, BN))
    none = {"model.dropout": 0}
    most = {"model.dropout": max((run.value("model.dropout") for run in records.runs), default=0)}
    narrower = t_interval(contrast(having(plain, none), having(bn, none), gap))
    by_dropout = t_interval(contrast(having(plain, none), having(plain, most), gap, "model.dropout"))
    lost = t_interval(_dropout_gain(bn))
    kept = Interval(-lost.mean + SMALLEST, -lost.hi + SMALLEST, -lost.lo + SMALLEST, lost.n)
    needed = t_interval(_dropout_gain(plain))
    noise = t_interval(contrast(having(bn, none), having(plain, none), companion_noise))
    chosen = "dropout chosen for each seed on the other seeds, for each size and L2 weight"
    return [
        judged(
            Statement(
                "narrower-gap",
                "3.4",
                "BN narrows the gap between training and test accuracy.",
                "Said to regularise; no number is given.",
            ),
            narrower,
            f"gap without minus gap with BN: {in_points(narrower)}{_by_size(plain, bn)}",
            RULE,
            _diverged(records.runs),
            smallest=SMALLEST,
        ),
        judged(
            Statement(
                "narrower-gap-dropout",
                "3.4",
                "Without BN, dropout narrows the gap between training and test accuracy (control).",
                "Known of dropout.",
            ),
            by_dropout,
            f"gap without dropout minus gap at {most['model.dropout']:g}: {in_points(by_dropout)}",
            RULE,
            smallest=SMALLEST,
        ),
        judged(
            Statement(
                "dropout-can-go",
                "3.4, 4.2.1",
                f"With BN, leaving dropout out costs no more than {100 * SMALLEST:g} points of test accuracy.",
                "Dropout is removed from BN-Inception without more overfitting; no number is given.",
            ),
            kept,
            f"best dropout minus none, with BN: {in_points(lost)}",
            (f"0, the loss subtracted from {100 * SMALLEST:g} points", "0"),
            chosen,
        ),
        judged(
            Statement(
                "dropout-needed-without",
                "3.4",
                "Without BN, dropout raises the test accuracy (control).",
                "Inception has 40 % dropout.",
            ),
            needed,
            f"best dropout minus none, without BN: {in_points(needed)}",
            RULE,
            chosen,
            smallest=SMALLEST,
        ),
        judged(
            Statement(
                "combines-with-dropout",
                "3.4",
                "With BN, dropout still raises the test accuracy: the two combine.",
                "Not claimed; popular accounts say so.",
            ),
            lost,
            f"best dropout minus none, with BN: {in_points(lost)}",
            RULE,
            chosen,
            smallest=SMALLEST,
        ),
        judged(
            Statement(
                "companions",
                "3.4",
                "With BN, an example's activations depend on its companions in the mini-batch.",
                "Said to be the reason why BN regularises; not measured.",
            ),
            noise,
            "noise of an activation from one set of companions to another, in its standard deviations over examples, "
            f"with minus without BN: {in_unit(noise, 'standard deviations', 3)}{_dropout_noise(plain)}",
            (f"+{NOISE:g}", f"−{NOISE:g}"),
            smallest=NOISE,
        ),
    ]


def gap(run: Record) -> float | None:
    """Training minus test accuracy at the end; None for a run that diverged, which has none."""
    return None if diverged(run) else float(run.metrics["train_accuracy"].iloc[-1] - run.metrics["accuracy"].iloc[-1])


def companion_noise(run: Record) -> float | None:
    """At the last evaluation; None for a run that diverged."""
    return None if diverged(run) else float(run.metrics["companion_noise"].iloc[-1])


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


def _dropout_gain(runs: Sequence[Record]) -> list[float]:
    """Final accuracy at the best dropout above 0 minus that at 0, averaged over each seed's sizes and L2 weights."""
    best: list[Record] = []
    for key in {(run.value("data.examples"), run.value("l2")) for run in runs}:
        own = having(runs, {"data.examples": key[0], "l2": key[1]})
        dropped = [run for run in own if run.value("model.dropout") > 0]
        best += own_best(dropped, lambda run: run.value("model.dropout"), final_accuracy).values()
    return contrast(best, having(runs, {"model.dropout": 0}), final_accuracy, "model.dropout")


def _by_size(plain: Sequence[Record], bn: Sequence[Record]) -> str:
    sizes = panels.values(plain, "data.examples")
    means = []
    for size in sizes:
        mean = t_interval(contrast(having(plain, {"data.examples": size, "model.dropout": 0}), bn, gap)).mean
        means.append(f"{size:,} examples {100 * mean:+.2f}".replace("-", "−"))
    return f"; {', '.join(means)}" if means else ""


def _dropout_noise(plain: Sequence[Record]) -> str:
    rates = [rate for rate in panels.values(plain, "model.dropout") if rate > 0]
    means = []
    for rate in rates:
        known = [own for own in map(companion_noise, having(plain, {"model.dropout": rate})) if own is not None]
        if known:
            means.append(f"dropout {rate:g} {statistics.fmean(known):.3f}")
    return f"; for comparison, without BN: {', '.join(means)}" if means else ""


def _diverged(runs: Sequence[Record]) -> str:
    n = sum(map(diverged, runs))
    return f"{n} runs diverged and are left out" if n else ""
