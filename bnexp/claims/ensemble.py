"""§4.2.3, Figure 4: six networks, several crops of a picture, and the mean of the class probabilities.

n is the networks. There is one ensemble of them, so its error is known as the jackknife knows it: from those that leave
one network out, which share networks, and are not as many ensembles. It is compared with its best network, by the
validation images, which stays: that it is better than its networks on average follows from averaging.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bnexp.claims.figure_3 import LEARNS
from bnexp.drawing import plots
from bnexp.drawing.colours import colours
from bnexp.judging import rules
from bnexp.judging.claim import Claim, Control, Outcome, Paper, Peculiar, Rule
from bnexp.judging.comparing import three_way
from bnexp.judging.measures import validation_accuracy
from bnexp.judging.telling import told
from bnexp.judging.words import percent
from bnexp.runs.records import Record, Records

SECTION = "§4.2.3, Figure 4"
SINGLE, TEN = 0, 1
"""Rows of `Record.predictions`."""

CROPS = {SINGLE: 1, TEN: 10}

PRINTED = (
    ("BN-Inception, single crop", 1, 1, "25.2 %", "7.82 %"),
    ("BN-Inception, multicrop", 144, 1, "21.99 %", "5.82 %"),
    ("BN-Inception ensemble", 144, 6, "20.1 %", "4.9 %"),
)
"""Model, crops, networks, top-1 and top-5 error on ImageNet."""


def wrong(probabilities: np.ndarray, top: int = 1) -> np.ndarray:
    """Whether the true class, the first of `[images, classes]`, is not among the most probable ones; `[images]`.

    Of equal probabilities half are taken to be the larger.
    """
    p = probabilities.astype(np.float64)
    above = (p[:, 1:] > p[:, :1]).sum(1) + (p[:, 1:] == p[:, :1]).sum(1) / 2
    return np.where(np.isfinite(p).all(1), above >= top, True)


def networks(records: Records) -> list[Record]:
    """The networks of the ensemble."""
    return [run for run in records.runs if run.predictions is not None]


def predicted(runs: Sequence[Record], crops: int) -> list[np.ndarray]:
    """Each network's class probabilities, `[images, classes]`."""
    return [run.predictions[crops] for run in runs if run.predictions is not None]


def together(runs: Sequence[Record], crops: int) -> np.ndarray:
    """The arithmetic mean of the networks' class probabilities."""
    mean: np.ndarray = np.mean([p.astype(np.float64) for p in predicted(runs, crops)], axis=0)
    return mean


def _fewer_crops(records: Records) -> Outcome:
    """Each network's error on one crop minus that on ten."""
    runs = networks(records)
    if not runs:
        return three_way(rules.NOTHING, "points", 0.0, "nothing to compare")
    single, ten = (np.array([wrong(p) for p in predicted(runs, crops)], float) for crops in (SINGLE, TEN))
    drops = single - ten  # [networks, images]
    images = rules.images_part(drops, np.zeros((1, drops.shape[1])))
    drop = rules.single(drops.mean(1).tolist(), 0.0, images)
    return three_way(drop, "points", 0.0, f"top-1 error {_means(single, ten)}, a difference of {told(drop, 'points')}")


def _best_network(records: Records) -> Outcome:
    """The error of the best network minus that of the ensemble."""
    runs = networks(records)
    if len(runs) < 2:
        return three_way(rules.NOTHING, "points", 0.0, "nothing to compare")
    best = max(runs, key=validation_accuracy)
    (of_best,) = (wrong(p).astype(float) for p in predicted([best], TEN))  # [images]
    without = [wrong(together([run for run in runs if run is not left], TEN)) for left in runs if left is not best]
    ensemble = wrong(together(runs, TEN)).astype(float)
    drop = rules.jackknife(
        float((of_best - ensemble).mean()),
        [float((of_best - others).mean()) for others in without],
        rules.images_part((of_best - ensemble)[None], np.zeros((1, len(ensemble)))),
    )
    drop = replace(drop, n=len(runs))
    measured = f"top-1 error {_means(of_best, ensemble)}, a difference of {told(drop, 'points')}"
    return three_way(drop, "points", 0.0, measured, "by the jackknife over the networks but the best")


def _means(before: np.ndarray, after: np.ndarray) -> str:
    return f"{percent(before.mean(), 2)} and {percent(after.mean(), 2)}"


CLAIMS = [
    Peculiar(
        "multicrop",
        SECTION,
        "Within {epochs}, ten crops of an image give a lower error than one.",
        Paper("25.2 → 21.99 % with 144 crops", 0.0321),
        _fewer_crops,
        decides="difference, margin 0 points: error on one crop against that on ten; network by network",
    ),
    Peculiar(
        "ensemble-best",
        SECTION,
        "Within {epochs}, the ensemble's error is lower than that of its best network (by validation images).",
        Paper("21.99 → 20.1 %; whether the first is the best network is not said."),
        _best_network,
        primary=True,
        decides="difference, margin 0 points: the best network's error against the ensemble's; jackknife over networks",
    ),
    Claim(
        "ensemble-learns",
        SECTION,
        "Within {epochs}, its networks reach half of the accuracy that they could, or three times chance.",
        LEARNS,
        Rule("rate"),
        Paper("–"),
        {"arm": "bn_x30"},
        None,
        control=Control(
            "Networks that learn nothing would have no errors to compare.", guards=("multicrop", "ensemble-best")
        ),
    ),
]


def tables(records: Records) -> dict[str, pd.DataFrame]:
    """Figure 4's table, the paper's errors beside ours."""
    runs = networks(records)
    if not runs:
        return {}
    classes = predicted(runs, SINGLE)[0].shape[1]
    rows = []
    for (model, crops, number, top1, top5), predictions in zip(
        PRINTED, (predicted(runs, SINGLE), predicted(runs, TEN), [together(runs, TEN)]), strict=True
    ):
        row = {"model": model, "crops (paper)": str(crops), "networks": str(number)}
        row |= {"top-1 error (paper)": top1, "top-5 error (paper)": top5}
        row["crops"] = str(CROPS[SINGLE if crops == 1 else TEN])
        row["top-1 error"] = _error(predictions, 1)
        row["top-5 error"] = _error(predictions, 5) if classes > 10 else "– (ten classes)"
        rows.append(row)
    each = [
        {
            "network": _called(run),
            "one crop": percent(wrong(run.predictions[SINGLE]).mean(), 2),
            "ten crops": percent(wrong(run.predictions[TEN]).mean(), 2),
        }
        for run in runs
        if run.predictions is not None
    ]
    return {"Figure 4: the paper's errors and ours": pd.DataFrame(rows), "The six networks": pd.DataFrame(each)}


def _error(of: Sequence[np.ndarray], top: int) -> str:
    """The error, for several networks its mean and range."""
    errors = [float(wrong(p, top).mean()) for p in of]
    span = f" ({percent(min(errors), 2)} to {percent(max(errors), 2)})" if len(errors) > 1 else ""
    return percent(float(np.mean(errors)), 2) + span


def _called(run: Record) -> str:
    parts = [f"seed {run.seed}", f"initial scale {run.fields['init.scale']:g}"]
    if run.fields["model.dropout"]:
        parts.append(f"dropout {run.fields['model.dropout']:g}")
    if run.fields["norm.per_activation"]:
        parts.append("per-activation BN in 5a and 5b")
    return ", ".join(parts)


def figures(records: Records) -> dict[str, Figure]:
    """`figure_4`: the error of ensembles of one to six networks."""
    runs = networks(records)
    if not runs:
        return {}
    figure, ((axes,),) = plots.sheet(
        records,
        "Top-1 error of ensembles — as Figure 4",
        "Class probabilities averaged over the first networks, from one to all. Dots: each network on its own.",
        (8, 4.6),
    )
    sizes = range(1, len(runs) + 1)
    for (title, colour), crops in zip(colours(("one crop", "ten crops")).items(), (SINGLE, TEN), strict=True):
        errors = [float(wrong(together(runs[:n], crops)).mean()) for n in sizes]
        axes.plot(sizes, errors, "-", color=colour, lw=1.8, label=title)
        axes.plot(sizes, [float(wrong(p).mean()) for p in predicted(runs, crops)], "o", color=colour, ms=4)
    axes.set_xlabel("networks in the ensemble; for the dots, which network")
    axes.set_xticks(list(sizes))
    axes.set_ylabel("top-1 error on test images")
    axes.grid(axis="y", color="0.9")
    axes.legend(frameon=False)
    plots.plain_axes(axes)
    return {"figure_4": figure}
