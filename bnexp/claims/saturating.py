"""§2, §4.2.2: saturating nonlinearities in deep networks.

A run is at chance below 20 % of final test accuracy (a constant answer reaches 11 % on MNIST), and trains from 90 % on.
Tanh, ReLU and residual connections are the controls: is it saturation that BN rescues from, or depth of any kind, and
does something else do the same? And a shallow sigmoid network must train, or depth is not what the deep one fails by.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from bnexp.claims import drawing, panels
from bnexp.claims.accuracy import RULE, SMALLEST, TRAINS, chance, common_chance, final_accuracy
from bnexp.claims.judging import (
    BN,
    PLAIN,
    Judgement,
    Statement,
    contrast,
    having,
    in_points,
    judged,
    percent,
)
from bnexp.claims.panels import Layout
from bnexp.runs.records import Record, Records
from bnexp.stats import t_interval

AT_CHANCE = 2
"""Times chance: the final test accuracy below which a run is at chance."""

MORE = 0.01
"""The smallest difference of saturated fractions that counts."""

PAPER = "Inception with sigmoid stays at chance (1/1000) without BN; BN-x5-Sigmoid reaches 69.8 %."


def judge(records: Records) -> list[Judgement]:
    """`sigmoid-fails-deep`, `sigmoid-trains-with-bn`, the controls, and `less-saturated`."""
    runs = having(records.runs, {"model.residual": False})
    deepest = max((run.value("model.depth") for run in records.runs), default=0)
    deep = having(records.runs, {"model.depth": deepest})
    straight = having(deep, {"model.residual": False})
    return [
        _fails_deep(having(runs, {"norm": PLAIN, "model.activation": "sigmoid"}), deepest),
        _trains_with_bn(having(runs, {"model.activation": "sigmoid"})),
        *(
            _gain(
                f"saturating-{kind}",
                f"A {kind} network of {deepest} layers, too, ends at a higher test accuracy with BN.",
                having(straight, {"model.activation": kind}),
            )
            for kind in ("tanh", "relu")
        ),
        _gain(
            "saturating-residual",
            f"With residual connections a sigmoid network of {deepest} layers, too, ends at a higher accuracy with BN.",
            having(deep, {"model.residual": True, "model.activation": "sigmoid"}),
        ),
        _less_saturated([run for run in runs if run.value("model.activation") in ("sigmoid", "tanh")]),
    ]


def saturated(run: Record) -> float | None:
    """The fraction averaged over hidden layers and evaluations after the first; None where none is finite."""
    table = run.metrics.filter(like="saturated/").iloc[1:].to_numpy(dtype=float)
    return float(np.nanmean(table)) if np.isfinite(table).any() else None


def figures(records: Records) -> dict[str, Figure]:
    """`depth_accuracy`: final accuracy against depth; `saturation`: the saturated fraction by layer over training."""
    if not records.runs:
        return {}
    depth = panels.lines(
        records,
        "Final test accuracy against depth",
        "A run that diverged counts as chance.",
        "model.depth",
        final_accuracy,
        "test accuracy",
        Layout("model.residual", "model.activation"),
        (0, 1),
    )
    runs = [r for r in having(records.runs, {"model.residual": False}) if r.value("model.activation") != "relu"]
    return {"depth_accuracy": depth} | ({"saturation": _draw_saturation(records, runs)} if runs else {})


def _at_chance(run: Record) -> bool:
    return final_accuracy(run) < AT_CHANCE * chance(run)


def _fails_deep(plain: Sequence[Record], deepest: int) -> Judgement:
    depths = sorted({run.value("model.depth") for run in plain})
    low = [d for d in depths if all(_at_chance(r) for r in having(plain, {"model.depth": d}))]
    first = next((d for d in depths if all(e in low for e in depths if e >= d)), None)
    interval = t_interval(
        [AT_CHANCE * chance(run) - final_accuracy(run) for run in having(plain, {"model.depth": deepest})]
    )
    shallow = having(plain, {"model.depth": depths[0]}) if depths else []
    where = f"at chance on every seed from {first} layers on" if first else "on some seed above chance at every depth"
    means = ", ".join(
        f"{depth} layers {percent(statistics.fmean(map(final_accuracy, having(plain, {'model.depth': depth}))), 1)}"
        for depth in depths
    )
    judgement = judged(
        Statement(
            "sigmoid-fails-deep",
            "4.2.2",
            "Without BN and residual connections, a sigmoid network stays at chance from some depth on.",
            PAPER,
        ),
        interval,
        f"{where} ({means})" if plain else "nothing to compare",
        (f"0, {percent(AT_CHANCE * common_chance(plain))} minus the accuracy at {deepest} layers", "0"),
    )
    if judgement.verdict == "reproduced" and any(map(_at_chance, shallow)):
        why = f"at {depths[0]} layers, too, a run is at chance, so that it is not shown that depth is the reason"
        return replace(judgement, verdict="undecided", why=why)
    return judgement


def _trains_with_bn(runs: Sequence[Record]) -> Judgement:
    plain, bn = having(runs, {"norm": PLAIN}), having(runs, {"norm": BN})
    depths = sorted({run.value("model.depth") for run in plain})
    hopeless = [d for d in depths if all(_at_chance(r) for r in having(plain, {"model.depth": d}))]
    there = [run for run in bn if run.value("model.depth") in hopeless]
    by_seed = [having(there, {"seed": seed}) for seed in sorted({run.seed for run in there})]
    interval = t_interval([statistics.fmean(map(final_accuracy, own)) - TRAINS for own in by_seed])
    means = ", ".join(
        f"{depth} layers {percent(statistics.fmean(map(final_accuracy, having(there, {'model.depth': depth}))), 1)}"
        for depth in hopeless
        if having(there, {"model.depth": depth})
    )
    return judged(
        Statement(
            "sigmoid-trains-with-bn",
            "4.2.2",
            f"With BN, sigmoid networks that stay at chance without it train (at least {percent(TRAINS)}).",
            PAPER,
        ),
        interval,
        f"final test accuracy with BN: {means}" if means else "nothing to compare: none stays at chance without BN",
        (f"{percent(TRAINS)}, averaged over these depths", percent(TRAINS)),
    )


def _gain(name: str, claim: str, runs: Sequence[Record]) -> Judgement:
    interval = t_interval(contrast(having(runs, {"norm": BN}), having(runs, {"norm": PLAIN}), final_accuracy))
    statement = Statement(name, "4.2.2", claim, "Not tried: the control that tells whether saturation is the point.")
    return judged(statement, interval, in_points(interval), RULE, smallest=SMALLEST)


def _less_saturated(runs: Sequence[Record]) -> Judgement:
    interval = t_interval(contrast(having(runs, {"norm": PLAIN}), having(runs, {"norm": BN}), saturated))
    return judged(
        Statement(
            "less-saturated",
            "2",
            "With BN, fewer sigmoid and tanh units are saturated during training.",
            "BN keeps the inputs of a nonlinearity from the saturated regime; no number is given.",
        ),
        interval,
        f"saturated fraction (slope under a tenth of the greatest) without minus with BN: {in_points(interval)}",
        (f"+{100 * MORE:g} percentage points", f"−{100 * MORE:g} percentage points"),
        smallest=MORE,
    )


def _draw_saturation(records: Records, runs: Sequence[Record]) -> Figure:
    depths = panels.values(runs, "model.depth")
    shown = sorted({min(depths, key=lambda depth: abs(depth - wanted)) for wanted in (3, 12, 20)})
    arms = list(itertools.product(panels.values(runs, "model.activation"), panels.values(runs, "norm")))
    figure, axes = drawing.sheet(
        records,
        "Saturated units by layer during training",
        "Fraction of units and test examples at which the nonlinearity's slope is under a tenth of its greatest, mean "
        "over the seeds; grey where a run has diverged. Down: layers from the first to the last; across: evaluations.",
        (1 + 2.5 * max(len(arms), 3), 1.6 + 2.3 * len(shown)),
        rows=len(shown),
        columns=len(arms),
    )
    highest = max((run.metrics.filter(like="saturated/").max().max() for run in runs), default=1.0)
    colours = Normalize(0, max(highest, MORE))
    for depth, line in zip(shown, axes, strict=True):
        for (kind, norm), panel in zip(arms, line, strict=True):
            own = having(runs, {"model.depth": depth, "model.activation": kind, "norm": norm})
            panel.set_title(f"{kind}, {depth} layers, {drawing.name(norm)}", fontsize=9)
            if not own:
                continue
            names = [f"saturated/hidden{i}" for i in range(1, depth + 1)]
            table = np.mean([run.metrics[names].to_numpy(dtype=float).T for run in own], axis=0)
            image = panel.imshow(table, norm=colours, cmap="magma", aspect="auto", interpolation="nearest")
            panel.set_facecolor("0.85")
            steps = own[0].metrics["step"].tolist()
            ticks = range(0, len(steps), max(1, len(steps) // 4))
            panel.set_xticks(ticks, [f"{steps[i]:g}" for i in ticks])
            panel.set_yticks([0, depth - 1], ["1", str(depth)])
            panel.set_xlabel("training steps")
            panel.set_ylabel("layer")
    figure.colorbar(image, ax=[p for line in axes for p in line], label="saturated fraction")
    return figure
