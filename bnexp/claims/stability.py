"""§4.1, Figure 1(b, c): with BN, the inputs of the last hidden layer's nonlinearity are distributed more stably.

Drift is how far the 15th, 50th and 85th percentile of a unit's input travel over training: the sum of their changes
from each evaluation to the next, up and down. *Raw* drift is in units of the input. *Relative* drift is in widths of
the unit's own distribution, from its 15th to its 85th percentile, for a network whose inputs are merely smaller is
not more stable; the width is the mean over the training's steps, since that of a small Gaussian's first steps is
next to nothing and dividing by it would decide all. BN must win by both measures.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from bnexp.claims import drawing
from bnexp.claims.claim import BN, PLAIN, Outcome, Paper, Peculiar
from bnexp.claims.judging import contrast, outcome
from bnexp.claims.matching import having
from bnexp.claims.measures import DRIFTS, drift, raw_drift
from bnexp.claims.words import arm_name, as_ratio
from bnexp.runs.records import Record, Records
from bnexp.stats import PERCENTILES, Interval, ratio_interval

READS_PERCENTILES = True

ROUNDING = 1e-6
"""A ratio nearer to 1 than this is rounding (percentiles are kept in float32), no effect."""


def _both_measures(records: Records) -> Outcome:
    """Drift without BN over drift with BN; the effect is that of the weaker measure."""
    intervals = {measure: ratio(records, measure) for measure in DRIFTS}
    outcomes = {measure: outcome(own, "ratio", ROUNDING) for measure, own in intervals.items()}
    weaker = min(intervals, key=lambda m: abs(math.log(intervals[m].mean)) if intervals[m].n else 0.0)
    agreed = len({own.verdict for own in outcomes.values()}) == 1
    return Outcome(
        "without BN / with BN: " + "; ".join(f"{m} drift {as_ratio(own)}" for m, own in intervals.items()),
        intervals[weaker],
        outcomes[weaker].verdict if agreed else "undecided",
        "; ".join(f"by {m} drift, {own.why}" for m, own in outcomes.items()),
    )


CLAIMS = [
    Peculiar(
        id="stable-distribution",
        source="4.1, Figure 1(b, c)",
        sentence="With BN, the inputs of the last hidden layer's nonlinearities keep a more stable distribution over "
        "training.",
        paper=Paper(
            "No number is printed; without BN a unit's three percentiles wander and spread over the training, "
            "with BN they hardly move."
        ),
        judge=_both_measures,
    )
]


def log_drift(measure: str) -> Callable[[Record], float | None]:
    """The logarithm of a run's drift."""

    def log_of(run: Record) -> float | None:
        far = drift(run, measure)
        return None if far is None else math.log(far)

    return log_of


def ratio(records: Records, measure: str) -> Interval:
    """Drift without BN over drift with BN."""
    arms = [having(records.runs, {"norm": norm}) for norm in (PLAIN, BN)]
    return ratio_interval(contrast(*arms, log_drift(measure)))


def typical_unit(q: np.ndarray) -> int:
    """The unit whose raw drift is the median of the units' (the lower one of two), as long as all is finite."""
    ranked = np.argsort(raw_drift(_until_divergence(q)), kind="stable")
    return int(ranked[(len(ranked) - 1) // 2])


def figures(records: Records) -> dict[str, Figure]:
    """`figure_1b`, `figure_1c`: one unit's percentiles, without and with BN; `drift`: both measures of every run."""
    arms = {norm: runs for (norm,), runs in records.arms("norm").items()}
    made = {}
    for stem, norm in (("figure_1b", PLAIN), ("figure_1c", BN)):
        drawable = [run for run in arms.get(norm, []) if run.percentiles is not None]
        if drawable and len(_until_divergence(drawable[0].percentiles)) > 0:
            made[stem] = _percentiles(records, drawable[0], stem[-1])
    if any(drift(run, "raw") is not None for run in records.runs):
        made["drift"] = _drifts(records, arms)
    return made


def _percentiles(records: Records, run: Record, letter: str) -> Figure:
    assert run.percentiles is not None
    unit = typical_unit(run.percentiles)
    activation = run.fields.get("model.activation", "sigmoid")
    q = _until_divergence(run.percentiles)[:, unit]
    steps = run.metrics["step"].to_numpy()[: len(q)]
    beyond = bool(np.abs(q).max() > 2)
    stopped = "" if len(q) == len(run.percentiles) else f" The run diverged after step {steps[-1]:,}."
    figure, axes = drawing.sheet(
        records,
        f"Input of a typical {activation}, last hidden layer, {arm_name(run.norm)} — as Figure 1({letter})",
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


def _drifts(records: Records, arms: dict[str, list[Record]]) -> Figure:
    figure, (panels,) = drawing.sheet(
        records,
        "How far the distribution of the last hidden layer's inputs travels",
        "Sum of the changes of the 15th, 50th and 85th percentile from each evaluation to the next, mean over units "
        "and percentiles; a dot per run. Left in units of the input, right in widths "
        "(15th to 85th percentile, mean over the steps) of the distribution itself. Lower is more stable.",
        (8, 5),
        columns=2,
    )
    colours = drawing.colours(list(arms))
    at = {norm: i for i, norm in enumerate(arms)}
    for axes, measure in zip(panels, DRIFTS, strict=True):
        for norm, runs in arms.items():
            dots = [d for d in (drift(run, measure) for run in runs) if d is not None]
            axes.scatter([at[norm]] * len(dots), dots, color=colours[norm], s=36, zorder=2, edgecolor="white", lw=0.6)
            if dots:
                middle = math.exp(math.fsum(map(math.log, dots)) / len(dots))
                axes.annotate(
                    f"{middle:.3g}", (at[norm], middle), (10, 0), textcoords="offset points", va="center", fontsize=9
                )
        axes.set_yscale("log")
        lo, hi = axes.get_ylim()
        axes.set_ylim(lo / 1.6, hi * 1.6)
        drawing.log_numbers(axes.yaxis)
        axes.set_xticks(range(len(arms)), [arm_name(norm) for norm in arms])
        axes.set_xlim(-0.5, len(arms) - 0.5)
        axes.set_ylabel(f"{measure} drift (log scale)")
        over = ratio(records, measure)
        axes.set_title(f"without / with BN: {as_ratio(over).replace(' (', chr(10) + '(')}", fontsize=10)
        axes.grid(axis="y", color="0.9")
        drawing.plain_axes(axes)
    return figure


def _until_divergence(q: np.ndarray | None) -> np.ndarray:
    """The evaluations before the first with a value that is not finite."""
    if q is None:
        return np.empty((0, 0, len(PERCENTILES)))
    finite = np.isfinite(q).all(axis=(1, 2))
    return q if finite.all() else q[: int(np.argmin(finite))]
