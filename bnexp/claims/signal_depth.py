"""§3.3 and mean-field theory: what becomes of signals and gradients with depth, at initialisation.

ReLU networks of He weights, with and without BN; nothing is trained. Gradients are judged against the numbers of
theory, the last layer's inputs by the directions in which they lie, small changes by how they grow from layer to layer.
"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from bnexp.claims.gradient_flow import EXPLOSION, PRECISELY, first_slope
from bnexp.drawing import plots
from bnexp.drawing.plots import Layout
from bnexp.judging.claim import (
    LARGEST,
    PLAIN,
    SMALLEST,
    TREATED,
    Claim,
    Control,
    Paper,
    Quantity,
    Rule,
    Settings,
    of_run,
)
from bnexp.runs.records import Record, Records

DEEPEST, SHALLOWEST = {"model.depth": LARGEST}, {"model.depth": SMALLEST}

FEW = 3.0
"""Directions: below so many, representations have collapsed."""

MORE = 10.0
"""Directions: the smallest difference that counts, a tenth of the width."""

FIRST = 10
"""Layers over which changes are compared: in all of them they are small beside the width."""

SLOWER = 0.005
"""Decades per layer: the smallest difference that counts, a factor of two over 60 layers."""


def last_rank(run: Record) -> float:
    """The directions in which the inputs of the last nonlinearity lie, at step 0.

    Counted are eigenvalues of their second moments from a hundredth of the mean on.
    """
    return float(run.metrics[f"rank/hidden{run.value('model.depth')}"].iloc[0])


def rank_share(run: Record) -> float:
    """The same of as many as there are units."""
    return last_rank(run) / float(run.value("model.width"))


def amplification(run: Record) -> float | None:
    """The slope, decades a layer, with which small changes of all weights grow in the inputs of the nonlinearities.

    Over the first layers, in widths: what all examples have in common tells none from another.
    """
    layers = range(1, min(FIRST, int(run.value("model.depth"))) + 1)
    changes = [run.metrics[f"sensitivity/hidden{i}"].iloc[0] for i in layers]
    return float(np.polyfit(layers, np.log10(changes), 1)[0]) if len(layers) > 2 else None


def _one(
    identity: str,
    source: str,
    sentence: str,
    norm: object,
    quantity: Quantity,
    rule: Rule,
    paper: Paper,
    control: Control | None = None,
    among: Settings = DEEPEST,
) -> Claim:
    arm = {"norm": norm}
    return Claim(f"depth-{identity}", source, sentence, quantity, rule, paper, arm, None, among, control=control)


SLOPE = Quantity("slope of the gradient's norm", of_run(first_slope), "decades per layer")
RANK = Quantity("directions of the last inputs", of_run(last_rank), "directions")
OF_THE_UNITS = Quantity("directions of the last inputs, of the units", of_run(rank_share), "share")
NOT_SAID = Paper("Not mentioned.")

CLAIMS = [
    _one(
        "explodes",
        "Yang et al. 2019",
        "In the deepest ReLU network tried, at initialisation (He weights), gradients grow with BN by 1.211 a layer "
        "towards the input, 0.083 decades.",
        TREATED,
        SLOPE,
        Rule("equals", PRECISELY, target=EXPLOSION),
        Paper("The paper conjectures the opposite.", outside="1.211 (theory)"),
    ),
    _one(
        "steady",
        "He et al. 2015",
        "In the deepest ReLU network tried, at initialisation (He weights), gradients keep their size without BN.",
        PLAIN,
        SLOPE,
        Rule("equals", PRECISELY),
        NOT_SAID,
        Control(
            "A growth here would say that the measure, or the depth, makes the explosion.", guards=("depth-explodes",)
        ),
    ),
    _one(
        "rank",
        "Daneshmand et al. 2020",
        "With BN, the inputs of the last nonlinearity of the deepest ReLU network tried lie, at initialisation, in "
        "more than half as many directions as there are units.",
        TREATED,
        OF_THE_UNITS,
        Rule("difference", target=0.5),
        NOT_SAID,
    ),
    _one(
        "collapse",
        "Daneshmand et al. 2020, the number ours",
        f"Without BN, the inputs of the last nonlinearity of the deepest ReLU network tried lie, at initialisation, in "
        f"fewer than {FEW:g} directions.",
        PLAIN,
        RANK,
        Rule("difference", less=True, target=FEW),
        NOT_SAID,
    ),
    _one(
        "shallow",
        "Daneshmand et al. 2020",
        "Without BN, the inputs of the last nonlinearity of the shallowest ReLU network tried lie, at initialisation, "
        "in more than half as many directions as there are units.",
        PLAIN,
        OF_THE_UNITS,
        Rule("difference", target=0.5),
        NOT_SAID,
        Control(
            "Fewer there, too, would say that it is not depth that takes directions away.",
            guards=("depth-rank", "depth-collapse", "depth-more-directions"),
        ),
        SHALLOWEST,
    ),
    Claim(
        "depth-more-directions",
        "Daneshmand et al. 2020",
        "The inputs of the last nonlinearity of the deepest ReLU network tried lie, at initialisation, in more "
        "directions with BN.",
        RANK,
        Rule("difference", MORE),
        NOT_SAID,
        among=DEEPEST,
    ),
    Claim(
        "depth-small-changes",
        "§3.3",
        f"In the first {FIRST} layers of the deepest ReLU network tried, at initialisation (He weights), what small "
        "changes of the weights do to the inputs of the nonlinearities, in these inputs' widths, grows less from layer "
        "to layer with BN.",
        Quantity("growth of small changes", of_run(amplification), "decades per layer"),
        Rule("difference", SLOWER, less=True),
        Paper("BN prevents small changes of parameters from amplifying."),
        among=DEEPEST,
        primary=True,
    ),
]

SHOWN = {
    "rank": ("depth-rank", "depth-collapse"),
}


def figures(records: Records) -> dict[str, Figure]:
    """`rank`: directions against depth; `small_changes`: their growth."""
    if not records.runs:
        return {}
    shown = "ReLU networks of He weights before any training."
    return {
        "rank": plots.lines(
            records,
            "Directions of the last layer's inputs against depth",
            f"{shown} Eigenvalues of their second moments that are at least a hundredth of the mean.",
            "model.depth",
            last_rank,
            "directions",
        ),
        "small_changes": plots.lines(
            records,
            f"Growth of small changes from layer to layer, over the first {FIRST} layers",
            f"{shown} Changes are in widths of the nonlinearities' inputs.",
            "model.depth",
            amplification,
            "decades per layer",
            Layout(),
        ),
    }
