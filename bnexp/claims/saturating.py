"""§2, §4.2.2: saturating nonlinearities in deep networks.

A run is at chance below three times it, and trains from 90 % on. Tanh, ReLU and residual connections are the controls:
is it saturation that BN rescues from, or depth of any kind, and does something else do the same? And a shallow sigmoid
network must train, or depth is not what the deep one fails by.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from bnexp.claims import drawing, panels
from bnexp.claims.accuracy import ACCURACY, SMALLEST
from bnexp.claims.claim import LARGEST, PLAIN, TREATED, Claim, Of, Paper, Quantity, Rule, of_run
from bnexp.claims.claim import SMALLEST as SMALLEST_OF
from bnexp.claims.matching import having
from bnexp.claims.measures import TRAINS, chance, final_accuracy, saturated, trains
from bnexp.claims.panels import Layout
from bnexp.claims.words import arm_name, percent
from bnexp.runs.records import Record, Records

MORE = 0.01
"""The smallest difference of saturated fractions that counts."""

SATURATED = Quantity("saturated fraction", of_run(saturated), "share")
AT_CHANCE = Quantity(
    "networks at chance",
    of_run(lambda run: float(final_accuracy(run) < 3 * chance(run))),
    "share",
)
TRAINED = Quantity(f"networks that train, to {percent(TRAINS)}", of_run(lambda run: float(trains(run))), "share")

PAPER = Paper("Inception with sigmoid stays at chance (1/1000) without BN; BN-x5-Sigmoid reaches 69.8 %.")
SIGMOID = {"model.activation": "sigmoid", "model.residual": False}


def _gain(identity: str, network: str, activation: str, residual: bool) -> Claim:
    return Claim(
        id=f"saturating-{identity}",
        source="§4.2.2",
        sentence=f"Within {{epochs}}, {network} of the greatest depth, too, ends at a higher test accuracy with BN.",
        quantity=ACCURACY,
        rule=Rule("difference", SMALLEST),
        paper=Paper("Not tried."),
        among={"model.depth": LARGEST, "model.residual": residual, "model.activation": activation},
        control="no gain here would mean that saturation is the point, a gain that depth of any kind is",
    )


CLAIMS = [
    Claim(
        id="sigmoid-fails-deep",
        source="§4.2.2",
        sentence="Without BN and residual connections, the deepest sigmoid networks stay at chance over {epochs}.",
        quantity=AT_CHANCE,
        rule=Rule("rate"),
        paper=PAPER,
        treated={"norm": PLAIN},
        reference=None,
        among=SIGMOID | {"model.depth": LARGEST},
        primary=True,
    ),
    Claim(
        id="sigmoid-trains-with-bn",
        source="§4.2.2",
        sentence=f"With BN, sigmoid networks of every depth train within {{epochs}} (at least {percent(TRAINS)}).",
        quantity=TRAINED,
        rule=Rule("rate"),
        paper=PAPER,
        treated={"norm": TREATED},
        reference=None,
        among=SIGMOID,
        cells=("model.depth",),
        primary=True,
    ),
    Claim(
        id="sigmoid-trains-shallow",
        source="–",
        sentence="Without BN, the shallowest sigmoid networks train within {epochs}.",
        quantity=TRAINED,
        rule=Rule("rate"),
        paper=Paper("Figure 1 shows one that does."),
        treated={"norm": PLAIN},
        reference=None,
        among=SIGMOID | {"model.depth": SMALLEST_OF},
        control="if they do not, depth is not what the deep ones fail by",
    ),
    _gain("tanh", "a tanh network", "tanh", residual=False),
    _gain("relu", "a ReLU network", "relu", residual=False),
    _gain("residual", "a sigmoid network with residual connections", "sigmoid", residual=True),
    Claim(
        id="less-saturated",
        source="§2",
        sentence="With BN, fewer sigmoid and tanh units are saturated during training, at every depth.",
        quantity=SATURATED,
        rule=Rule("difference", MORE, less=True, universal=True),
        paper=Paper("BN keeps the inputs of a nonlinearity from the saturated regime; no number is given."),
        among={"model.residual": False, "model.activation": Of("among", ("sigmoid", "tanh"))},
        cells=("model.activation", "model.depth"),
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
