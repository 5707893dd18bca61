"""§3.1: what a network with BN is evaluated with, and the trap in it.

All arms of a seed are the same network at every step; only inference differs. The reference is Algorithm 2 with 100
mini-batches; that 1,000 change nothing is the control that the reference is right. Moving averages lag behind the
weights, so that Figure 1(c) drawn with them shows a wobble that the distributions do not have.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from bnexp.claims import drawing, panels
from bnexp.claims.accuracy import ACCURACY, SMALLEST
from bnexp.claims.claim import BN, PLAIN, TREATED, Claim, Paper, Quantity, Rule, Settings, of_run
from bnexp.claims.matching import having
from bnexp.claims.measures import chance, common_chance, wander
from bnexp.claims.panels import Layout
from bnexp.claims.stability import typical_unit, wandering
from bnexp.claims.words import arm_name
from bnexp.runs.records import Record, Records
from bnexp.stats import PERCENTILES

READS_PERCENTILES = True

REFERENCE = 100
"""Mini-batches."""

MOMENTUM = 0.1
"""Of the moving averages judged: what is usual."""


def population(batches: int, norm: Any = TREATED) -> dict[str, Any]:
    """The arm evaluated with Algorithm 2 and so many mini-batches."""
    return {"norm": norm, "norm.statistics": "population", "norm.batches": batches}


MOVING = {"norm": TREATED, "norm.statistics": "moving", "norm.momentum": MOMENTUM}


def mean_accuracy(run: Record) -> float:
    """Test accuracy over the steps."""
    steps = run.metrics["step"].to_numpy(dtype=float)
    return float(np.trapezoid(run.metrics["accuracy"].fillna(chance(run)).to_numpy(), steps) / (steps[-1] - steps[0]))


def late_accuracy(run: Record) -> float:
    """Test accuracy over the last half of the training."""
    late = run.metrics["step"] >= run.metrics["step"].iloc[-1] / 2
    return float(run.metrics["accuracy"][late].fillna(chance(run)).mean())


def _higher(identity: str, sentence: str, paper: str, other: Settings, quantity: Quantity = ACCURACY) -> Claim:
    """That the accuracy by Algorithm 2 is higher."""
    return Claim(
        id=identity,
        source="§3.1",
        sentence=sentence,
        quantity=quantity,
        rule=Rule("difference", SMALLEST),
        paper=Paper(paper),
        treated=population(REFERENCE),
        reference=other,
    )


CLAIMS = [
    Claim(
        id="statistics-converged",
        source="§3.1",
        sentence=f"Within {{epochs}}, {REFERENCE} mini-batches are enough for Algorithm 2: 1,000 give the same "
        "accuracy.",
        quantity=ACCURACY,
        rule=Rule("equals", SMALLEST),
        paper=Paper("Several mini-batches; how many is not said."),
        treated=population(1000),
        reference=population(REFERENCE),
        primary=True,
        control="a difference would mean that the reference of the other claims is not right",
    ),
    _higher(
        "one-batch-is-too-few",
        "One mini-batch is too few for Algorithm 2: the test accuracy is lower, over the last half of {epochs}.",
        "Several mini-batches; how many is not said.",
        population(1),
        Quantity("test accuracy over the last half of training", of_run(late_accuracy)),
    ),
    _higher(
        "moving-averages-lag",
        f"Over {{epochs}}, moving averages (momentum {MOMENTUM:g}) give a lower test accuracy than Algorithm 2.",
        "Moving averages serve to follow the accuracy during training; no difference is mentioned.",
        MOVING,
        Quantity("test accuracy over the steps of the training", of_run(mean_accuracy)),
    ),
    Claim(
        id="moving-averages-wobble",
        source="§3.1, §4.1",
        sentence="Moving averages make the distributions of Figure 1(c) look less stable than they are.",
        quantity=wandering("mean"),
        rule=Rule("difference"),
        paper=Paper("Not mentioned; the figure shows the training network, normalised by its mini-batch."),
        treated=MOVING,
        reference=population(REFERENCE),
    ),
    _higher(
        "own-statistics",
        "Within {epochs}, population statistics give a higher test accuracy than those of the test mini-batch itself.",
        "Population statistics are used because the output shall depend on the input alone; accuracy is not named.",
        {"norm": TREATED, "norm.statistics": "batch"},
    ),
]


def arm(run: Record) -> str:
    """How a network is evaluated, in words."""
    if run.norm == PLAIN:
        return PLAIN
    how = run.value("norm.statistics")
    if how == "population":
        return f"Algorithm 2, k = {run.value('norm.batches'):,}"
    return f"moving averages, {run.value('norm.momentum'):g}" if how == "moving" else "test batch's own"


def figures(records: Records) -> dict[str, Figure]:
    """`statistics_trap`: Figure 1(b, c) under each evaluation; `statistics_accuracy`; `statistics_wander`."""
    if not records.runs:
        return {}
    drawn = {
        "statistics_accuracy": panels.curves(
            records,
            "Test accuracy of the same networks under different statistics at inference",
            "The number behind moving averages is their momentum. A run that diverged counts as chance.",
            "accuracy",
            "test accuracy",
            Layout(line=arm),
            fill=common_chance(records.runs),
        )
    }
    if any(wander(run, "mean") is not None for run in records.runs):
        drawn["statistics_wander"] = _draw_wander(records)
    if any(run.percentiles is not None for run in having(records.runs, population(REFERENCE))):
        drawn["statistics_trap"] = _draw_trap(records)
    return drawn


def _draw_wander(records: Records) -> Figure:
    arms = _arms(records)
    figure, (axes,) = drawing.sheet(
        records,
        "How stable the same networks look under different statistics at inference",
        "How far the mean (left) and the spread (right) of the last hidden layer's inputs wander, as in "
        "`mnist_activations`, a dot per run. Dashed: mean of the network without BN. Lower looks more stable.",
        (10, 4.8),
        columns=2,
        sharey=True,
    )
    colours = drawing.colours(arms)
    for panel, what in zip(axes, ("mean", "spread"), strict=True):
        for i, name in enumerate(arms):
            dots = [far for run in records.runs if arm(run) == name and (far := wander(run, what)) is not None]
            panel.scatter(dots, [i] * len(dots), color=colours[name], s=26)
            if name == PLAIN and dots:
                panel.axvline(math.exp(math.fsum(map(math.log, dots)) / len(dots)), color="0.6", ls="--", lw=1)
        panel.set_xscale("log")
        drawing.log_numbers(panel.xaxis)
        panel.set_xlabel(f"how far the {what} wanders, in widths")
        panel.set_yticks(range(len(arms)), [arm_name(name) for name in arms])
        panel.set_ylim(len(arms) - 0.5, -0.5)
        panel.grid(axis="y", color="0.9")
        drawing.plain_axes(panel)
    return figure


def _draw_trap(records: Records) -> Figure:
    reference = next(run for run in having(records.runs, population(REFERENCE)) if run.percentiles is not None)
    assert reference.percentiles is not None
    unit = typical_unit(reference.percentiles)
    wanted = [PLAIN, arm(reference), "moving averages, 0.1", "moving averages, 0.01", "test batch's own"]
    runs = {arm(run): run for run in having(records.runs, {"seed": reference.seed}) if run.percentiles is not None}
    shown = [name for name in wanted if name in runs]
    figure, (axes,) = drawing.sheet(
        records,
        "The trap in Figure 1(b, c): the same network with BN under different statistics at inference",
        f"15th, 50th and 85th percentile of the input of unit {unit} of the last hidden layer, seed {reference.seed}, "
        "over the test images. All panels but the one without BN show the same weights at every step.",
        (3 * len(shown), 4),
        columns=len(shown),
        sharey=True,
    )
    for panel, name in zip(axes, shown, strict=True):
        table = runs[name].percentiles
        assert table is not None
        q = table[:, typical_unit(table) if name == PLAIN else unit]
        steps = runs[name].metrics["step"].to_numpy()[: len(q)]
        colour = drawing.COLOURS[PLAIN if name == PLAIN else BN]
        panel.fill_between(steps, q[:, 0], q[:, -1], color=colour, alpha=0.15, lw=0)
        for values, percentile in zip(q.T, PERCENTILES, strict=True):
            panel.plot(steps, values, color=colour, lw=2 if percentile == 50 else 1.1)
        panel.set_title(arm_name(name), fontsize=10)
        panel.grid(axis="y", color="0.9")
        drawing.steps_axis(panel, float(np.max(steps)))
        drawing.plain_axes(panel)
    axes[0].set_ylabel("nonlinearity's input")
    return figure


def _arms(records: Records) -> list[str]:
    def order(run: Record) -> tuple[str, float]:
        how = str(run.value("norm.statistics") or "")
        return how, float(run.value("norm.batches") or run.value("norm.momentum") or 0)

    return list(dict.fromkeys(arm(run) for run in sorted(records.runs, key=order)))
