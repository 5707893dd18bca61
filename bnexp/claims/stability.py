"""§4.1, Figure 1(b, c): with BN, the inputs of the last hidden layer's nonlinearity are distributed more stably.

A unit's input wanders as far as its mean, and its spread, deviate from their averages over the steps: the standard
deviation over time, evaluations weighted by the steps between them. It is told in widths of the unit's own
distribution, for a network whose inputs are merely smaller is not more stable, and once as it is. Start-up, the first
tenth of the training, is judged apart: every distribution moves there.
"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from bnexp.claims import drawing
from bnexp.claims.claim import BN, PLAIN, Claim, Paper, Quantity, Rule, of_run
from bnexp.claims.measures import raw_drift, wander
from bnexp.claims.words import arm_name
from bnexp.runs.records import Record, Records
from bnexp.stats import PERCENTILES

READS_PERCENTILES = True

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


def more_stable(suffix: str, words: str, quantity: Quantity, primary: bool = False) -> Claim:
    """That the treated arm's distributions wander less."""
    return Claim(
        id=f"stable-{suffix}",
        source="§4.1, Figure 1(b, c)",
        sentence=f"With BN, {words} of the inputs of the last hidden layer's nonlinearities wanders less over the "
        "training.",
        quantity=quantity,
        rule=Rule("difference", less=True),
        paper=PAPER,
        primary=primary,
    )


CLAIMS = [
    more_stable("mean", "the mean, in widths of the distribution,", wandering("mean"), primary=True),
    more_stable("spread", "the spread, in widths of the distribution,", wandering("spread")),
    more_stable(
        "mean-start", "at the start the mean, in widths of the distribution,", wandering("mean", started=False)
    ),
    more_stable("spread-start", "at the start the spread, in widths,", wandering("spread", started=False)),
    more_stable("mean-raw", "the mean, as it is,", wandering("mean", relative=False)),
]


def typical_unit(q: np.ndarray) -> int:
    """The unit whose raw drift is the median of the units' (the lower one of two), as long as all is finite."""
    ranked = np.argsort(raw_drift(_until_divergence(q)), kind="stable")
    return int(ranked[(len(ranked) - 1) // 2])


def figures(records: Records) -> dict[str, Figure]:
    """`figure_1b`, `figure_1c`: one unit's percentiles, without and with BN; `wander`: how far the units do."""
    arms = {norm: runs for (norm,), runs in records.arms("norm").items()}
    made = {}
    for stem, norm in (("figure_1b", PLAIN), ("figure_1c", BN)):
        drawable = [run for run in arms.get(norm, []) if run.percentiles is not None]
        if drawable and len(_until_divergence(drawable[0].percentiles)) > 0:
            made[stem] = draw_percentiles(records, drawable[0], stem[-1], arm_name(norm))
    if any(wander(run, "mean") is not None for run in records.runs):
        made["wander"] = draw_wander(records, arms)
    return made


def draw_percentiles(records: Records, run: Record, letter: str, called: str) -> Figure:
    """The percentiles of a typical unit of a run over its training."""
    assert run.percentiles is not None
    unit = typical_unit(run.percentiles)
    activation = run.fields.get("model.activation", "sigmoid")
    q = _until_divergence(run.percentiles)[:, unit]
    steps = run.metrics["step"].to_numpy()[: len(q)]
    beyond = bool(np.abs(q).max() > 2)
    stopped = "" if len(q) == len(run.percentiles) else f" The run diverged after step {steps[-1]:,}."
    figure, axes = drawing.sheet(
        records,
        f"Input of a typical {activation}, last hidden layer, {called} — as Figure 1({letter})",
        f"15th, 50th and 85th percentile over the test images of the input of unit {unit}, in the run of seed "
        f"{run.seed}: the unit whose percentiles travel as far as the median of the {run.percentiles.shape[1]} units'. "
        "The vertical axis is the paper's, −2 to 2"
        f"{'; below, the same on an axis that holds all of it' if beyond else ''}.{stopped}",
        (8, 6.2 if beyond else 5),
        rows=1 + beyond,
        sharex=True,
        height_ratios=[3, 1.6][: 1 + beyond],
    )
    colour = drawing.colours([run.norm])[run.norm]
    for (panel,) in axes:
        panel.fill_between(steps, q[:, 0], q[:, -1], color=colour, alpha=0.15, lw=0)
        for values, percentile in zip(q.T, PERCENTILES, strict=True):
            panel.plot(steps, values, color=colour, lw=2 if percentile == 50 else 1.1)
        panel.grid(axis="y", color="0.9")
        panel.set_ylabel(f"{activation}'s input")
        drawing.plain_axes(panel)
    (top,) = axes[0]
    top.set_ylim(-2, 2)
    if beyond:
        axes[1][0].set_ylabel("all of it")
    drawing.steps_axis(axes[-1][0], float(run.metrics["step"].max()))
    if len(q) == len(run.percentiles):
        named = zip(q[-1].tolist(), PERCENTILES, strict=True)
        drawing.label_ends(top, [(end, f"{percentile}th", colour) for end, percentile in named])
    return figure


def draw_wander(records: Records, arms: dict[str, list[Record]]) -> Figure:
    """How far the means and the spreads of each run's units wander, a dot a run."""
    figure, (panels,) = drawing.sheet(
        records,
        "How far the distribution of the last hidden layer's inputs wanders over the training",
        "Standard deviation over the steps, after the first tenth, of a unit's mean (left) and spread (right), in "
        "widths of its own distribution; mean over the units, a dot per run. Lower is more stable.",
        (8, 5),
        columns=2,
    )
    colours = drawing.colours(list(arms))
    for axes, what in zip(panels, ("mean", "spread"), strict=True):
        for i, (arm, runs) in enumerate(arms.items()):
            dots = [far for run in runs if (far := wander(run, what)) is not None]
            axes.scatter([i] * len(dots), dots, color=colours[arm], s=30, edgecolor="white", lw=0.6)
        axes.set_yscale("log")
        drawing.log_numbers(axes.yaxis)
        axes.set_xticks(range(len(arms)), [arm_name(arm) for arm in arms])
        axes.set_xlim(-0.5, len(arms) - 0.5)
        axes.set_ylabel(f"how far the {what} wanders (log scale)")
        axes.grid(axis="y", color="0.9")
        drawing.plain_axes(axes)
    return figure


def _until_divergence(q: np.ndarray | None) -> np.ndarray:
    """The evaluations before the first with a value that is not finite."""
    if q is None:
        return np.empty((0, 0, len(PERCENTILES)))
    finite = np.isfinite(q).all(axis=(1, 2))
    return q if finite.all() else q[: int(np.argmin(finite))]
