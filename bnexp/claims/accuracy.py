"""§4.1, Figure 1(a): the network with BN ends at a higher test accuracy."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from bnexp.claims import drawing
from bnexp.claims.judging import (
    PLAIN,
    Judgement,
    Pair,
    count,
    decide,
    effect,
    in_points,
    over_settings,
    pairs,
    per_seed,
    percent,
    reason,
)
from bnexp.runs.records import Record, Records
from bnexp.stats import paired, t_interval

SMALLEST = 0.001
"""The smallest difference that counts: 0.1 points, ten of MNIST's 10,000 test images. A smaller one would matter to
nobody, and with enough seeds any difference lies outside 0."""

CLASSES = {"tiny_imagenet": 50, "imagenet": 1000}
"""Of the data sets that have not ten, for records that do not say it themselves."""

TRAINS = 0.9
"""The test accuracy from which on a network is said to train, in the sweeps."""

RULE = f"+{100 * SMALLEST:g} percentage points", f"−{100 * SMALLEST:g} percentage points"
"""The bounds of the verdict, in words."""


def diverged(run: Record) -> bool:
    """Whether the run ended without a network that can be used."""
    return run.summary.get("status") == "diverged" or math.isnan(run.metrics["accuracy"].iloc[-1])


def chance(run: Record) -> float:
    """What guessing scores, and so what a network that diverged does."""
    classes: int = run.summary.get("classes") or CLASSES.get(run.fields.get("data.name", ""), 10)
    return 1 / classes


def common_chance(runs: Sequence[Record]) -> float:
    """What guessing scores on the data set of these runs."""
    return max(map(chance, runs), default=0.1)


def final_accuracy(run: Record) -> float:
    """Test accuracy at the last evaluation, a fraction; chance for a run that diverged."""
    return chance(run) if diverged(run) else float(run.metrics["accuracy"].iloc[-1])


def trains(run: Record) -> bool:
    """Whether the run ends where a network that trains does."""
    return final_accuracy(run) >= TRAINS


def diverged_note(matched: Sequence[Pair]) -> str:
    """For `why`: how many runs of each arm count as chance."""
    plain, bn = (sum(diverged(run) for run in {r.id: r for r in runs}.values()) for runs in _arms(matched))
    if not plain + bn:
        return ""
    guessing = percent(chance(matched[0].bn))
    return f"{count(plain, 'run')} without and {bn} with BN diverged and count as chance ({guessing})"


def judge(records: Records) -> list[Judgement]:
    """`higher-accuracy`: the difference at the last evaluation, paired by seed."""
    matched = pairs(records)
    bn = per_seed(matched, lambda pair: final_accuracy(pair.bn))
    plain = per_seed(matched, lambda pair: final_accuracy(pair.plain))
    interval = t_interval(paired(bn, plain))
    verdict = decide(interval, SMALLEST)
    means = (
        f"test accuracy {percent(_mean(plain), 2)} without and {percent(_mean(bn), 2)} with BN, a difference of "
        if matched
        else ""
    )
    return [
        Judgement(
            id="higher-accuracy",
            section="4.1, Figure 1(a)",
            claim="The network with BN ends at a higher test accuracy than the same network without.",
            paper="No number is printed; the curve with BN ends above the other after 50,000 steps.",
            measured=f"{means}{in_points(interval)}{over_settings(matched)}",
            **effect(interval),
            verdict=verdict,
            why=reason(verdict, interval.n, *RULE, diverged_note(matched)),
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
        ends.append((float(mean.iloc[-1]), f"{drawing.name(norm)} {percent(mean.iloc[-1], 2)}", colours[norm]))
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


def _arms(matched: Sequence[Pair]) -> tuple[list[Record], list[Record]]:
    return [pair.plain for pair in matched], [pair.bn for pair in matched]


def _mean(values: dict[int, float]) -> float:
    return math.fsum(values.values()) / len(values)
