"""§4.2.1: BN-x5 with each of the paper's changes switched back, one at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from bnexp.claims.inception import SMALLEST
from bnexp.drawing import plots
from bnexp.judging import rules
from bnexp.judging.claim import Outcome, Paper, Peculiar
from bnexp.judging.comparing import three_way
from bnexp.judging.measures import final_accuracy
from bnexp.judging.telling import told
from bnexp.judging.words import percent
from bnexp.runs.records import Record, Records
from bnexp.stats import paired, t_interval

CHANGES = {
    "lr": ("raising the learning rate", "14 times fewer steps, of BN-x5 as a whole"),
    "model.dropout": ("leaving dropout out", "No number; it makes training faster without more overfitting."),
    "l2": ("reducing the L2 weight", "No number; it improves validation accuracy."),
    "decay": ("decaying the learning rate faster", "No number; the network trains faster, so may the decay."),
    "model.lrn": ("leaving local response normalisation out", "No number; it is not needed."),
    "data.reshuffle": ("shuffling thoroughly", "about +1 point"),
    "data.distortion": ("distorting the pictures less", "No number; fewer passes should be over more real pictures."),
}
"""By the setting that makes it: the change in words, and what the paper says of it."""


def reference(records: Records) -> dict[str, Any]:
    """The settings of BN-x5 as it is: of every change, the value that most of the runs have."""
    return {name: Counter(run.fields[name] for run in records.runs).most_common(1)[0][0] for name in CHANGES}


def compared(records: Records, name: str) -> tuple[list[Record], list[Record]]:
    """The runs with a change and those with it switched back, seed by seed and equal in all else."""
    usual = reference(records)[name]
    ordered = sorted(records.runs, key=lambda run: run.seed)
    pairs = [
        (run, other)
        for other in ordered
        for run in ordered
        if run.fields[name] == usual != other.fields[name] and run.fields | {name: other.fields[name]} == other.fields
    ]
    return [run for run, _ in pairs], [other for _, other in pairs]


def _helps(name: str) -> Callable[[Records], Outcome]:
    def judge(records: Records) -> Outcome:
        own = compared(records, name) if records.runs else ([], [])
        ends = [{run.seed: final_accuracy(run) for run in runs} for runs in own]
        gain = rules.single([*paired(ends[0], ends[1]).values()], 0.0)
        means = [percent(float(np.mean(list(values.values()))), 1) if values else "–" for values in ends]
        measured = f"{means[0]} with and {means[1]} without the change, a difference of {told(gain, 'points')}"
        return three_way(gain, "points", SMALLEST, measured, _epochs(own[0]) if name == "data.reshuffle" else "")

    return judge


CLAIMS = [
    Peculiar(
        f"helps-{name.rpartition('.')[2]}",
        "§4.2.1",
        f"In BN-x5, {change} gives a higher final accuracy.",
        Paper(paper),
        _helps(name),
    )
    for name, (change, paper) in CHANGES.items()
]


def _epochs(runs: Sequence[Record]) -> str:
    """For `why`: over how many epochs shuffling could make a difference."""
    if not runs:
        return ""
    fields = runs[0].fields
    epochs = fields["steps"] * fields["batch"] / fields["data.examples"]
    return f"{epochs:.1f} epochs of {fields['data.examples']:,} images"


def figures(records: Records) -> dict[str, Figure]:
    """`ablation`: what each change is worth."""
    if not records.runs:
        return {}
    differences = {
        name: [100 * (final_accuracy(run) - final_accuracy(other)) for run, other in zip(*sides, strict=True)]
        for name in CHANGES
        if (sides := compared(records, name))[0]
    }
    figure, ((axes,),) = plots.sheet(
        records,
        "What each of the paper's changes is worth to BN-x5 (§4.2.1)",
        "Final test accuracy of BN-x5 minus that with one change switched back; bar: 95 % interval over the seeds; "
        "dots: seeds; shaded: too small to count.",
        (8.4, 4.6),
    )
    shown = list(differences)
    axes.axvspan(-100 * SMALLEST, 100 * SMALLEST, color="0.93", lw=0)
    for i, name in enumerate(reversed(shown)):
        interval = t_interval(differences[name])
        if interval.n > 1:
            axes.plot([interval.lo, interval.hi], [i, i], color=plots.COLOURS["batch"], lw=2)
        axes.plot(differences[name], [i] * len(differences[name]), "o", color="0.5", ms=4)
        axes.plot(interval.mean, i, "D", color=plots.COLOURS["batch"], ms=7)
    axes.set_yticks(range(len(shown)), [CHANGES[name][0] for name in reversed(shown)])
    axes.axvline(0, color="0.4", lw=0.8)
    axes.set_xlabel("percentage points")
    plots.plain_axes(axes)
    return {"ablation": figure}
