"""§2, §4.2.2: saturating nonlinearities in deep networks.

A run is at chance below three times it, and trains from 90 % on; accuracies are compared among runs that train. ReLU
and residual connections are the controls: is it saturation that BN rescues from, or depth of any kind, and does
something else do the same? And a shallow sigmoid network must train, or depth is not what the deep one fails by. All at
one learning rate, from He weights; only whether units are saturated is asked where many are, with weights three times
as large.
"""

from __future__ import annotations

from matplotlib.figure import Figure

from bnexp.claims.accuracy import SMALLEST
from bnexp.drawing import plots
from bnexp.drawing.plots import Layout
from bnexp.judging.claim import LARGEST, PLAIN, TREATED, Claim, Control, Of, Paper, Quantity, Rule, Verdict, of_run
from bnexp.judging.claim import SMALLEST as SMALLEST_OF
from bnexp.judging.matching import having
from bnexp.judging.measures import TRAINS, chance, final_accuracy, saturated, trains
from bnexp.judging.words import percent
from bnexp.runs.records import Records

LARGE = 3.0
"""Times He's standard deviation, from where many units are saturated."""

MORE = 0.01
"""The smallest difference of saturated fractions that counts."""

SATURATED = Quantity("saturated fraction", of_run(saturated), "share")
AT_CHANCE = Quantity(
    "networks at chance",
    of_run(lambda run: float(final_accuracy(run) < 3 * chance(run))),
    "share",
)
TRAINED = Quantity(f"networks that train, to {percent(TRAINS)}", of_run(lambda run: float(trains(run))), "share")

OF_TRAINED = Quantity(
    "final test accuracy of networks that train",
    of_run(lambda run: final_accuracy(run) if trains(run) else None),
    of_images=True,
)

HE = {"init.scale": SMALLEST_OF}
"""Weights as He has them."""

PAPER = Paper("Inception with sigmoid stays at chance (1/1000) without BN; BN-x5-Sigmoid reaches 69.8 %.")
SIGMOID = {"model.activation": "sigmoid", "model.residual": False, **HE}


NO_GAIN: tuple[Verdict, ...] = ("contradicted", "no difference")


def _gain(identity: str, network: str, activation: str, residual: bool, control: Control | None = None) -> Claim:
    return Claim(
        id=f"saturating-{identity}",
        source="§4.2.2",
        sentence=f"Within {{epochs}}, {network} of the greatest depth that train, from He weights at a rate of 0.1, "
        "end higher with BN.",
        quantity=OF_TRAINED,
        rule=Rule("difference", SMALLEST),
        paper=Paper("Not tried."),
        among={"model.depth": LARGEST, "model.residual": residual, "model.activation": activation, **HE},
        control=control,
    )


CLAIMS = [
    Claim(
        id="sigmoid-fails-deep",
        source="§4.2.2",
        sentence="Without BN and residual connections, the deepest sigmoid networks stay at chance over {epochs} (20 "
        "layers, He weights, lr 0.1).",
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
        sentence="With BN, sigmoid networks of every depth from 3 to 20 layers train within {epochs} (at least "
        f"{percent(TRAINS)}; He weights, lr 0.1).",
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
        source="own check",
        sentence="Without BN, the shallowest sigmoid networks train within {epochs} (3 layers, He weights, lr 0.1).",
        quantity=TRAINED,
        rule=Rule("rate"),
        paper=Paper("Figure 1 shows one that does."),
        treated={"norm": PLAIN},
        reference=None,
        among=SIGMOID | {"model.depth": SMALLEST_OF},
        control=Control("if they do not, depth is not what the deep ones fail by", guards=("sigmoid-fails-deep",)),
    ),
    Claim(
        id="trains-deep",
        source="§4.2.2",
        sentence="Within {epochs}, of the deepest networks more train with BN, whatever the nonlinearity (20 layers, "
        "He weights, lr 0.1).",
        quantity=TRAINED,
        rule=Rule("rate"),
        paper=Paper("Said of sigmoids."),
        among={"model.depth": LARGEST, "model.residual": False, **HE},
        cells=("model.activation",),
    ),
    _gain("tanh", "tanh networks", "tanh", residual=False),
    _gain(
        "relu",
        "ReLU networks",
        "relu",
        residual=False,
        control=Control("a gain would say that it is not saturation alone", NO_GAIN),
    ),
    _gain(
        "residual",
        "sigmoid networks with residual connections",
        "sigmoid",
        residual=True,
        control=Control("a gain would say that residual connections do not do what BN does", NO_GAIN),
    ),
    Claim(
        id="less-saturated",
        source="§2",
        sentence="From weights three times He's, at a rate of 0.1, fewer sigmoid and tanh units are saturated during "
        "training with BN, at every depth tried.",
        quantity=SATURATED,
        rule=Rule("difference", MORE, less=True, universal=True),
        paper=Paper("BN keeps the inputs of a nonlinearity from the saturated regime; no number is given."),
        among={"model.residual": False, "model.activation": Of("among", ("sigmoid", "tanh")), "init.scale": LARGE},
        cells=("model.activation", "model.depth"),
    ),
]

SHOWN = {
    "saturation": ("less-saturated",),
}


def figures(records: Records) -> dict[str, Figure]:
    """`depth_accuracy`: final accuracy against depth; `saturation`: the saturated fraction of every layer."""
    he = records.of(having(records.runs, HE))
    if not he.runs:
        return {}
    saturating = {"model.residual": False, "model.activation": Of("among", ("sigmoid", "tanh"))}
    straight = having(records.runs, {**saturating, "init.scale": LARGE})
    made = {
        "depth_accuracy": plots.lines(
            he,
            "Final test accuracy against depth, from He weights",
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
            records.of(straight),
            "Saturated part of every layer's nonlinearities at the end of training, from weights three times He's",
            "Fraction of units and test examples whose slope is under a tenth of the greatest; no residual "
            "connections.",
            "saturated/hidden{layer}",
            "saturated fraction",
            Layout("model.activation", "model.depth"),
            {"": 1.0},
        )
    return made
