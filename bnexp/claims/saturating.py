"""§2, §4.2.2: saturating nonlinearities in deep networks.

A run is at chance below three times it, and trains from 90 % on. Tanh, ReLU and residual connections are the controls:
is it saturation that BN rescues from, or depth of any kind, and does something else do the same? And a shallow sigmoid
network must train, or depth is not what the deep one fails by.
"""

from __future__ import annotations

from dataclasses import replace

from matplotlib.figure import Figure

from bnexp.claims.accuracy import ACCURACY, SMALLEST
from bnexp.drawing import plots
from bnexp.drawing.plots import Layout
from bnexp.judging.claim import LARGEST, PLAIN, TREATED, Claim, Of, Paper, Quantity, Rule, of_run
from bnexp.judging.claim import SMALLEST as SMALLEST_OF
from bnexp.judging.matching import having
from bnexp.judging.measures import TRAINS, chance, final_accuracy, saturated, trains
from bnexp.judging.words import percent
from bnexp.runs.records import Records

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
    """`depth_accuracy`: final accuracy against depth; `saturation`: the saturated fraction of every layer."""
    if not records.runs:
        return {}
    straight = having(records.runs, {"model.residual": False, "model.activation": Of("among", ("sigmoid", "tanh"))})
    made = {
        "depth_accuracy": plots.lines(
            records,
            "Final test accuracy against depth",
            f"A run that diverged counts as chance; dotted: {percent(TRAINS)}, from which on a network trains.",
            "model.depth",
            final_accuracy,
            "test accuracy",
            Layout("model.residual", "model.activation"),
            (0, 1),
            TRAINS,
        )
    }
    if straight:
        made["saturation"] = plots.by_layer(
            replace(records, runs=straight),
            "Saturated part of every layer's nonlinearities at the end of training",
            "Fraction of units and test examples whose slope is under a tenth of the greatest; no residual "
            "connections.",
            "saturated/hidden{layer}",
            "saturated fraction",
            Layout("model.activation", "model.depth"),
            {"": 1.0},
        )
    return made
