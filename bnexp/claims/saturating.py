"""§2, §4.2.2: saturating nonlinearities in deep networks.

A run is at chance below 20 % of final test accuracy (a constant answer reaches 11 % on MNIST), and trains from 90 % on.
Tanh, ReLU and residual connections are the controls: is it saturation that BN rescues from, or depth of any kind, and
does something else do the same? And a shallow sigmoid network must train, or depth is not what the deep one fails by.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from bnexp.claims import drawing, panels
from bnexp.claims.accuracy import ACCURACY, SMALLEST
from bnexp.claims.claim import BN, LARGEST, PLAIN, TREATED, Claim, Of, Outcome, Paper, Peculiar, Quantity, Rule, of_run
from bnexp.claims.judging import outcome
from bnexp.claims.matching import having
from bnexp.claims.measures import TRAINS, chance, final_accuracy, saturated
from bnexp.claims.panels import Layout
from bnexp.claims.words import arm_name, percent
from bnexp.runs.records import Record, Records
from bnexp.stats import t_interval

AT_CHANCE = 2
"""Times chance: the final test accuracy below which a run is at chance."""

MORE = 0.01
"""The smallest difference of saturated fractions that counts."""

SATURATED = Quantity("saturated fraction", of_run(saturated), "share")

PAPER = Paper("Inception with sigmoid stays at chance (1/1000) without BN; BN-x5-Sigmoid reaches 69.8 %.")
CONTROL = Paper("Not tried: the control that tells whether saturation is the point.")


def _at_chance(run: Record) -> bool:
    return final_accuracy(run) < AT_CHANCE * chance(run)


def _fails_deep(records: Records) -> Outcome:
    plain = having(records.runs, {"norm": PLAIN, "model.activation": "sigmoid", "model.residual": False})
    depths = panels.values(plain, "model.depth")
    margins = [AT_CHANCE * chance(run) - final_accuracy(run) for run in having(plain, {"model.depth": LARGEST})]
    means = {d: statistics.fmean(map(final_accuracy, having(plain, {"model.depth": d}))) for d in depths}
    measured = ", ".join(f"{depth} layers {percent(mean, 1)}" for depth, mean in means.items())
    judged = outcome(t_interval(margins), "points", measured=measured or "nothing to compare")
    if judged.verdict == "reproduced" and any(map(_at_chance, having(plain, {"model.depth": depths[0]}))):
        why = f"at {depths[0]} layers, too, a run is at chance, so that it is not shown that depth is the reason"
        return Outcome(judged.measured, judged.interval, "undecided", why)
    return judged


def _trains_with_bn(records: Records) -> Outcome:
    runs = having(records.runs, {"model.residual": False, "model.activation": "sigmoid"})
    plain, bn = (having(runs, {"norm": norm}) for norm in (PLAIN, BN))
    depths = panels.values(plain, "model.depth")
    hopeless = [d for d in depths if all(_at_chance(r) for r in having(plain, {"model.depth": d}))]
    there = [run for run in bn if run.value("model.depth") in hopeless]
    by_seed = [having(there, {"seed": seed}) for seed in sorted({run.seed for run in there})]
    means = {d: statistics.fmean(map(final_accuracy, having(there, {"model.depth": d}))) for d in hopeless if there}
    measured = ", ".join(f"{depth} layers {percent(mean, 1)}" for depth, mean in means.items())
    return outcome(
        t_interval([statistics.fmean(map(final_accuracy, own)) - TRAINS for own in by_seed]),
        "points",
        measured=f"final test accuracy with BN: {measured}" if measured else "none stays at chance without BN",
    )


def _gain(identity: str, sentence: str, activation: str, residual: bool) -> Claim:
    return Claim(
        id=identity,
        source="4.2.2",
        sentence=sentence,
        quantity=ACCURACY,
        rule=Rule("difference", SMALLEST),
        treated={"norm": TREATED},
        reference={"norm": PLAIN},
        among={"model.depth": LARGEST, "model.residual": residual, "model.activation": activation},
        paper=CONTROL,
    )


CLAIMS = [
    Peculiar(
        id="sigmoid-fails-deep",
        source="4.2.2",
        sentence="Without BN and residual connections, a sigmoid network stays at chance from some depth on.",
        paper=PAPER,
        judge=_fails_deep,
    ),
    Peculiar(
        id="sigmoid-trains-with-bn",
        source="4.2.2",
        sentence=f"With BN, sigmoid networks that stay at chance without it train (at least {percent(TRAINS)}).",
        paper=PAPER,
        judge=_trains_with_bn,
    ),
    *(
        _gain(
            f"saturating-{kind}",
            f"A {kind} network of the greatest depth, too, ends at a higher test accuracy with BN.",
            kind,
            residual=False,
        )
        for kind in ("tanh", "relu")
    ),
    _gain(
        "saturating-residual",
        "With residual connections a sigmoid network of the greatest depth, too, ends at a higher accuracy with BN.",
        "sigmoid",
        residual=True,
    ),
    Claim(
        id="less-saturated",
        source="2",
        sentence="With BN, fewer sigmoid and tanh units are saturated during training.",
        quantity=SATURATED,
        rule=Rule("difference", MORE, less=True),
        treated={"norm": TREATED},
        reference={"norm": PLAIN},
        among={"model.residual": False, "model.activation": Of("among", ("sigmoid", "tanh"))},
        paper=Paper("BN keeps the inputs of a nonlinearity from the saturated regime; no number is given."),
    ),
]


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
            panel.set_title(f"{kind}, {depth} layers, {arm_name(norm)}", fontsize=9)
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
