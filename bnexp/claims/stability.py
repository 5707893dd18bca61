"""§4.1, Figure 1(b, c): with BN, the inputs of the last hidden layer's nonlinearity are distributed more stably.

A unit's input wanders as far as its mean, and its spread, deviate from their averages over the steps: the standard
deviation over time, evaluations weighted by the steps between them. It is told in widths of the unit's own
distribution, for a network whose inputs are merely smaller is not more stable, and once as it is. Start-up, the first
tenth of the training, is judged apart: every distribution moves there. With population statistics the mean and the
spread are β and γ almost by construction, and what is left is mostly the error of Algorithm 2: that the distributions
are stable is what BN does, and no evidence that it is why networks train (`moving-averages-wobble` has the size).
"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from bnexp.drawing import plots
from bnexp.judging.claim import BN, PLAIN, Claim, Paper, Quantity, Rule, of_run
from bnexp.judging.matching import having
from bnexp.judging.measures import wander
from bnexp.judging.words import arm_name
from bnexp.runs.records import Record, Records

READS = ("percentiles", "moments")

PAPER = Paper(
    "No number is printed; without BN the distributions change significantly over time, both in their mean and in "
    "their variance, with BN they are much more stable."
)


def wandering(what: str, started: bool = True, relative: bool = True) -> Quantity:
    """How far the mean or the spread of the units' inputs wanders."""
    when = "" if started else " in the first tenth of the training"
    unit = " in widths of the distribution" if relative else ""
    return Quantity(
        f"standard deviation over the steps of the {what} of a unit's input{unit}{when}",
        of_run(lambda run: wander(run, what, started, relative)),
        "ratio",
    )


def more_stable(suffix: str, words: str, quantity: Quantity, start: bool = False) -> Claim:
    """That the treated arm's distributions wander less."""
    return Claim(
        id=f"stable-{suffix}",
        source="§4.1, Figure 1(b, c)",
        sentence=f"With BN, which makes β and γ of it, {words} of the inputs of the last hidden layer's nonlinearities "
        f"wanders less {'in' if start else 'after'} the first tenth of the training.",
        quantity=quantity,
        rule=Rule("difference", less=True),
        paper=PAPER,
    )


CLAIMS = [
    more_stable("mean", "the mean, in widths of the distribution,", wandering("mean")),
    more_stable("spread", "the spread, in widths of the distribution,", wandering("spread")),
    more_stable("mean-start", "the mean, in widths of the distribution,", wandering("mean", started=False), True),
    more_stable("spread-start", "the spread, in widths of the distribution,", wandering("spread", started=False), True),
    more_stable("mean-raw", "the mean, as it is,", wandering("mean", relative=False)),
    more_stable("spread-raw", "the spread, as it is,", wandering("spread", relative=False)),
]


def typical_unit(q: np.ndarray) -> int:
    """The unit whose percentiles travel as far as the median unit's (the lower one of two), while all is finite."""
    far = np.abs(np.diff(plots.until_divergence(q), axis=0)).sum(axis=0).mean(axis=-1)
    ranked = np.argsort(far, kind="stable")
    return int(ranked[(len(ranked) - 1) // 2])


SHOWN = {
    "figure_1bc": ("stable-mean", "stable-spread"),
    "wander": ("stable-mean", "stable-spread"),
}


def figures(records: Records) -> dict[str, Figure]:
    """`figure_1bc`: one unit's percentiles, without and with BN; `wander`: how far the units' distributions do."""
    norms = dict.fromkeys((PLAIN, BN, *(run.norm for run in records.runs)))
    shown = {arm_name(norm): having(records.runs, {"norm": norm}) for norm in norms}
    return fan_of(records, shown) | wander_of(records)


def fan_of(records: Records, arms: dict[str, list[Record]]) -> dict[str, Figure]:
    """The percentiles of a typical unit of the first run of each arm that has any; of one norm's arms the same unit."""
    drawn: dict[str, tuple[Record, int]] = {}
    units: dict[str, int] = {}
    for name, runs in arms.items():
        for run in sorted(runs, key=lambda run: run.seed):
            if name not in drawn and run.percentiles is not None and len(plots.until_divergence(run.percentiles)) > 1:
                drawn[name] = run, units.setdefault(run.norm, typical_unit(run.percentiles))
    if not drawn:
        return {}
    shows = (
        "15th, 50th and 85th percentile over the test images of the input of one unit of the last hidden layer, the "
    )
    shows += (
        "unit whose percentiles travel as far as the median unit's, first seed; of each norm another. The vertical "
        "axis is the paper's."
    )
    title = "Input of a typical unit, last hidden layer — as Figure 1(b, c)"
    return {"figure_1bc": plots.fans(records, title, shows, drawn, 2.0)}


def wander_of(records: Records, arm: plots.Arm = lambda run: run.norm, across: str | None = None) -> dict[str, Figure]:
    """How far the means and the spreads of each run's units wander."""
    if all(wander(run, "mean") is None for run in records.runs):
        return {}
    return {
        "wander": plots.dots(
            records,
            "How far the distribution of the last hidden layer's inputs wanders over the training",
            "Standard deviation over the steps, after the first tenth, of a unit's mean and of its spread, in widths "
            "of its own distribution, mean over the units. Lower is more stable.",
            {"mean": lambda run: wander(run, "mean"), "spread": lambda run: wander(run, "spread")},
            across,
            arm,
            log=True,
        )
    }
