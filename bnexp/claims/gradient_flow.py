"""§3.3, §5: with BN, gradients neither vanish nor explode on their way from the last layer to the first.

Growth is log10 of the gradient's norm at the second hidden layer's parameters over that at the last's: these layers
are of one shape, the first is not. What counts is the worst evaluation, the one before the first step among them, not
their average. Initialisation is judged apart, too, for there theory has a number for ReLU networks with BN: their
gradients explode.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from bnexp.drawing import plots
from bnexp.drawing.plots import Layout
from bnexp.judging.claim import LARGEST, PLAIN, TREATED, Claim, Control, Of, Paper, Quantity, Rule, of_run
from bnexp.judging.matching import having
from bnexp.judging.measures import growths
from bnexp.runs.records import Record, Records

FLATTER = 0.02
"""Decades per layer: the smallest difference of slopes that counts, a factor of 2.5 over 20 layers."""

STEADY = 1.0
"""Decades: a whole growth below this is none that matters."""

PRECISELY = math.log10(1.02)
"""Decades a layer: how near a number of theory is met."""

EXPLOSION = math.log10(math.sqrt(math.pi / (math.pi - 1)))
"""Decades a layer by which the gradients of ReLU networks with BN grow at initialisation: Yang et al. 2019."""

PAPER = Paper("Conjectured and not measured: BN makes gradient propagation better behaved.")
DEEP = {"model.residual": Of("among", (False, None)), "model.depth": LARGEST}


def worst_slope(run: Record) -> float | None:
    """The size of the growth for each layer between the second and the last, at the worst evaluation."""
    grown = worst_growth(run)
    return None if grown is None else grown / (int(run.value("model.depth")) - 2)


def worst_growth(run: Record) -> float | None:
    """The size of the whole growth at the evaluation at which it is largest."""
    grown = growths(run)
    return None if grown is None else float(np.abs(grown).max())


def later_slope(run: Record) -> float | None:
    """The size of the growth for each layer at the worst evaluation after the first step."""
    grown = growths(run)
    if grown is None or len(grown) < 2:
        return None
    return float(np.abs(grown[1:]).max()) / (int(run.value("model.depth")) - 2)


def first_slope(run: Record) -> float | None:
    """The growth for each layer at initialisation; positive means growing towards the input."""
    grown = growths(run)
    return None if grown is None else float(grown[0]) / (int(run.value("model.depth")) - 2)


def first_size(run: Record) -> float | None:
    """Its size."""
    slope = first_slope(run)
    return None if slope is None else abs(slope)


def _flatter(identity: str, sentence: str, quantity: Quantity) -> Claim:
    """The slope is smaller with BN, whatever the nonlinearity."""
    rule = Rule("difference", FLATTER, less=True, universal=True)
    return Claim(identity, "§3.3, §5", sentence, quantity, rule, PAPER, among=DEEP, cells=("model.activation",))


def _slope_is(identity: str, source: str, sentence: str, slope: float, norm: Any, paper: Paper) -> Claim:
    """The slope at step 0 of a deep ReLU network is a number of theory."""
    quantity = Quantity("slope of the gradient's norm at step 0", of_run(first_slope), "decades per layer")
    rule, among = Rule("equals", PRECISELY, target=slope), DEEP | {"model.activation": "relu"}
    return Claim(identity, source, sentence, quantity, rule, paper, {"norm": norm}, None, among=among)


CLAIMS = [
    replace(
        _flatter(
            "gradient-flow",
            "In the deepest network tried, of any nonlinearity, gradients keep their size from layer to layer better "
            "with BN, at the worst evaluation of the training, initialisation included.",
            Quantity("size of the slope of the gradient's norm", of_run(worst_slope), "decades per layer"),
        ),
        primary=True,
    ),
    _flatter(
        "gradient-flow-start",
        "At initialisation (He weights), too, gradients keep their size from layer to layer better with BN, whatever "
        "the nonlinearity.",
        Quantity("size of the slope of the gradient's norm at step 0", of_run(first_size), "decades per layer"),
    ),
    _flatter(
        "gradient-flow-later",
        "Once training has begun, gradients keep their size from layer to layer better with BN, at the worst "
        "evaluation but that of the initial weights, whatever the nonlinearity.",
        Quantity("size of the slope of the gradient's norm after step 0", of_run(later_slope), "decades per layer"),
    ),
    Claim(
        id="no-vanishing-with-bn",
        source="§3.3, §5",
        sentence="With BN, gradients change less than tenfold from the last layer of a deep network to the second, at "
        "the worst evaluation, initialisation included, on average over the seeds.",
        quantity=Quantity("decades from the last layer to the second", of_run(worst_growth), "decades"),
        rule=Rule("difference", less=True, target=STEADY, universal=True),
        paper=PAPER,
        treated={"norm": TREATED},
        reference=None,
        among=DEEP,
        cells=("model.activation",),
    ),
    replace(
        _slope_is(
            "explodes-at-initialisation",
            "Yang et al. 2019",
            "At initialisation, the gradients of a deep ReLU network with BN grow by √(π/(π−1)) = 1.211 a layer "
            "towards the input, 0.083 decades.",
            EXPLOSION,
            TREATED,
            Paper("The paper conjectures the opposite.", outside="1.211 (theory, wide layers, large batches)"),
        ),
        primary=True,
    ),
    replace(
        _slope_is(
            "steady-at-initialisation-without",
            "He et al. 2015",
            "At initialisation, the gradients of a deep ReLU network without BN keep their size (He weights).",
            0.0,
            PLAIN,
            Paper("Not mentioned."),
        ),
        control=Control(
            "a growth here would mean that the measure, or the depth, makes the explosion",
            guards=("explodes-at-initialisation",),
        ),
    ),
]


def figures(records: Records) -> dict[str, Figure]:
    """`gradients_by_layer`: at initialisation and at the end."""
    runs = having(records.runs, {"model.residual": Of("among", (False, None))})
    if not runs:
        return {}
    return {
        "gradients_by_layer": plots.by_layer(
            records.of(runs),
            "Gradient of the loss from the first hidden layer to the last",
            "Its norm at a layer's weights on a mini-batch. The first layer has more inputs than the others.",
            "gradient_norm/linear{layer}",
            "gradient norm",
            Layout("model.depth", "model.activation"),
            {"at step 0": 0.0, "at the end": 1.0},
            log=True,
        )
    }
