"""§4.1, Figure 1(a): the network with BN ends at a higher test accuracy."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from bnexp.claims import drawing
from bnexp.claims.claim import PLAIN, Claim, Paper, Quantity, Rule, of_run
from bnexp.claims.measures import chance, common_chance, diverged, final_accuracy
from bnexp.claims.words import arm_name, percent
from bnexp.runs.records import Record, Records

SMALLEST = 0.001
"""The smallest difference that counts: 0.1 points, ten of MNIST's 10,000 test images. A smaller one would matter to
nobody, and with enough seeds any difference lies outside 0."""

ACCURACY = Quantity("final test accuracy", of_run(final_accuracy), of_images=True)

PAPER = Paper("No number is printed; the curve with BN ends above the other after 50,000 steps.")

CLAIMS = [
    Claim(
        id="higher-accuracy",
        source="§4.1, Figure 1(a)",
        sentence="Within {epochs}, the network with BN ends at a higher test accuracy than the same network without.",
        quantity=ACCURACY,
        rule=Rule("difference", SMALLEST),
        paper=PAPER,
        primary=True,
    )
]


def figures(records: Records) -> dict[str, Figure]:
    """`figure_1a`: test accuracy against training steps."""
    if not records.runs:
        return {}
    arms = {norm: runs for (norm,), runs in records.arms("norm").items()}
    figure, ((axes,),) = drawing.sheet(
        records,
        "Test accuracy during training — as Figure 1(a)",
        "Line: mean over the seeds; band: their lowest and highest. The vertical axis is the paper's, 0.7 to 1; "
        f"a network that diverged counts as chance ({common_chance(records.runs):g}).",
        (8, 5),
    )
    colours = drawing.colours(list(arms))
    ends = []
    for norm, runs in arms.items():
        curves = _curves(runs)
        mean = curves.mean(axis=1)
        axes.fill_between(curves.index, curves.min(axis=1), curves.max(axis=1), color=colours[norm], alpha=0.25, lw=0)
        axes.plot(curves.index, mean, color=colours[norm], lw=1.8, ls="--" if norm == PLAIN else "-")
        ends.append((float(mean.iloc[-1]), f"{arm_name(norm)} {percent(mean.iloc[-1], 2)}", colours[norm]))
    axes.set_ylim(0.7, 1)
    axes.set_ylabel("test accuracy")
    axes.grid(axis="y", color="0.9")
    drawing.steps_axis(axes, max(run.metrics["step"].max() for run in records.runs))
    drawing.plain_axes(axes)
    drawing.label_ends(axes, ends)
    return {"figure_1a": figure}


def _curves(runs: Sequence[Record]) -> pd.DataFrame:
    """Test accuracy, a row per step and a column per seed, averaged over the seed's settings."""
    columns: dict[int, list[pd.Series]] = {}
    steps = sorted({int(step) for run in runs for step in run.metrics["step"]})
    for run in runs:
        curve = run.metrics.set_index("step")["accuracy"].fillna(chance(run)).reindex(steps)
        columns.setdefault(run.seed, []).append(curve.fillna(chance(run)) if diverged(run) else curve)
    return pd.DataFrame({seed: pd.concat(own, axis=1).mean(axis=1) for seed, own in columns.items()})
