"""§3.3, §5: with BN, gradients neither vanish nor explode on their way from the last layer to the first.

Growth is log10 of the gradient's norm at the second hidden layer's parameters over that at the last's: these layers
are of one shape, the first is not. What counts is the worst step of the training, not their average. At initialisation
theory has a number for ReLU networks with BN: their gradients explode.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bnexp.claims import drawing, panels
from bnexp.claims.claim import BN, LARGEST, PLAIN, SMALLEST, TREATED, Claim, Of, Paper, Quantity, Rule, of_run
from bnexp.claims.matching import having
from bnexp.claims.measures import gradient_norms, growths
from bnexp.claims.words import arm_name
from bnexp.runs.records import Record, Records

FLATTER = 0.02
"""Decades per layer: the smallest difference of slopes that counts, a factor of 2.5 over 20 layers."""

STEADY = 1.0
"""Decades: a whole growth below this is none that matters."""

EXPLOSION = math.log10(math.sqrt(math.pi / (math.pi - 1)))
"""Decades a layer by which the gradients of ReLU networks with BN grow at initialisation: Yang et al. 2019."""

PAPER = Paper("Conjectured and not measured: BN makes gradient propagation better behaved.")
DEEP = {"model.residual": Of("among", (False, None)), "model.depth": LARGEST}


def worst_slope(run: Record) -> float | None:
    """The size of the growth for each layer between the second and the last, at the step at which it is largest."""
    grown = growths(run)
    return None if grown is None else float(np.abs(grown).max()) / (int(run.value("model.depth")) - 2)


def worst_growth(run: Record) -> float | None:
    """The size of the whole growth at the step at which it is largest."""
    grown = growths(run)
    return None if grown is None else float(np.abs(grown).max())


def first_slope(run: Record) -> float | None:
    """The growth for each layer at initialisation; positive means growing towards the input."""
    grown = growths(run)
    return None if grown is None else float(grown[0]) / (int(run.value("model.depth")) - 2)


def _steady(identity: str, sentence: str, norm: object, depth: Of, control: str = "") -> Claim:
    return Claim(
        id=identity,
        source="§3.3, §5",
        sentence=sentence,
        quantity=Quantity("decades from the last layer to the second", of_run(worst_growth), "decades"),
        rule=Rule("difference", less=True, target=STEADY, universal=True),
        paper=PAPER,
        treated={"norm": norm},
        reference=None,
        among=DEEP | {"model.depth": depth},
        cells=("model.activation",),
        control=control,
    )


CLAIMS = [
    Claim(
        id="gradient-flow",
        source="§3.3, §5",
        sentence="In a deep network of any nonlinearity, gradients keep their size from layer to layer better with BN, "
        "at the worst step of {epochs}.",
        quantity=Quantity("size of the slope of the gradient's norm", of_run(worst_slope), "decades per layer"),
        rule=Rule("difference", FLATTER, less=True, universal=True),
        paper=PAPER,
        among=DEEP,
        cells=("model.activation",),
        primary=True,
    ),
    _steady(
        "no-vanishing-with-bn",
        "With BN, gradients change less than tenfold from the last layer of a deep network to the second, at any step.",
        TREATED,
        LARGEST,
    ),
    Claim(
        id="explodes-at-initialisation",
        source="Yang et al. 2019",
        sentence="At initialisation, the gradients of a deep ReLU network with BN grow by √(π/(π−1)) = 1.211 a layer "
        "towards the input.",
        quantity=Quantity("slope of the gradient's norm at step 0", of_run(first_slope), "decades per layer"),
        rule=Rule("equals", 0.005, target=EXPLOSION),
        paper=Paper("The paper conjectures the opposite.", outside="1.211 (theory, wide layers, large batches)"),
        reference=None,
        among=DEEP | {"model.activation": "relu"},
        primary=True,
    ),
    Claim(
        id="steady-at-initialisation-without",
        source="He et al. 2015",
        sentence="At initialisation, the gradients of a deep ReLU network without BN keep their size (He weights).",
        quantity=Quantity("slope of the gradient's norm at step 0", of_run(first_slope), "decades per layer"),
        rule=Rule("equals", 0.005),
        paper=Paper("Not mentioned."),
        treated={"norm": PLAIN},
        reference=None,
        among=DEEP | {"model.activation": "relu"},
        control="a growth here would mean that the measure, or the depth, makes the explosion",
    ),
    _steady(
        "gradient-flow-shallow",
        "Without BN, gradients change less than tenfold in a shallow network, at every step.",
        PLAIN,
        SMALLEST,
        control="without depth there is nothing to vanish, whatever the measure",
    ),
]


def figures(records: Records) -> dict[str, Figure]:
    """`gradients`: each layer's gradient over training in the deepest networks; `gradients_by_layer`."""
    runs = [run for run in records.runs if not run.value("model.residual")]
    if not runs:
        return {}
    return {"gradients": _draw_over_training(records, runs), "gradients_by_layer": _draw_by_layer(records, runs)}


def _geometric(runs: Sequence[Record], layer: int) -> np.ndarray:
    """The norm at a layer's weights, `[evaluations]`, geometric mean over the seeds."""
    return np.asarray(np.exp(np.mean([np.log(gradient_norms(run, layer)) for run in runs], axis=0)))


def _draw_over_training(records: Records, runs: Sequence[Record]) -> Figure:
    depth = panels.values(runs, "model.depth")[-1]
    kinds = panels.values(runs, "model.activation")
    figure, axes = drawing.sheet(
        records,
        f"Gradient of the loss at each layer's weights, networks of {depth} layers",
        "Its norm on a mini-batch, geometric mean over the seeds; a line per hidden layer.",
        (3.3 * len(kinds) + 1, 7),
        rows=2,
        columns=len(kinds),
        sharex=True,
        sharey=True,
    )
    viridis = matplotlib.colormaps["viridis"]
    for norm, line in zip((PLAIN, BN), axes, strict=True):
        for kind, panel in zip(kinds, line, strict=True):
            own = having(runs, {"norm": norm, "model.activation": kind, "model.depth": depth})
            panel.set_title(f"{kind}, {arm_name(norm)}", fontsize=10)
            for layer in range(1, depth + 1) if own else ():
                steps = own[0].metrics["step"].to_numpy()
                colour = viridis((layer - 1) / max(depth - 1, 1))
                panel.plot(steps[1:], _geometric(own, layer)[1:], color=colour, lw=1.1)
            panel.set_xscale("log")
            panel.set_yscale("log")
            panel.grid(axis="y", color="0.9")
            drawing.plain_axes(panel)
    for panel in axes[-1]:
        panel.set_xlabel("training steps")
    for line in axes:
        line[0].set_ylabel("gradient norm")
    colours = ScalarMappable(Normalize(1, depth), "viridis")
    bar = figure.colorbar(colours, ax=[panel for line in axes for panel in line], label="hidden layer")
    bar.locator = MaxNLocator(integer=True)
    bar.update_ticks()
    return figure


def _draw_by_layer(records: Records, runs: Sequence[Record]) -> Figure:
    depths, kinds = panels.values(runs, "model.depth"), panels.values(runs, "model.activation")
    figure, axes = drawing.sheet(
        records,
        "Gradient of the loss from the first hidden layer to the last",
        "Its norm at a layer's weights on a mini-batch, geometric mean over the seeds. Solid: at the end of training; "
        "dotted: at the middle one of the evaluations. The first layer has more inputs than the others.",
        (3.3 * len(kinds) + 1, 1.4 + 2.4 * len(depths)),
        rows=len(depths),
        columns=len(kinds),
        sharey=True,
    )
    colours = drawing.colours([PLAIN, BN])
    for depth, line in zip(depths, axes, strict=True):
        for kind, panel in zip(kinds, line, strict=True):
            for norm in (PLAIN, BN):
                own = having(runs, {"norm": norm, "model.activation": kind, "model.depth": depth})
                table = np.array([_geometric(own, layer) for layer in range(1, depth + 1) if own])
                for at, style in ((-1, "-"), (len(own[0].metrics) // 2, ":")) if own else ():
                    label = arm_name(norm) if style == "-" else None
                    panel.plot(range(1, depth + 1), table[:, at], color=colours[norm], ls=style, label=label)
            panel.set_yscale("log")
            panel.set_title(f"{kind}, {depth} layers", fontsize=10)
            panel.set_xlabel("hidden layer")
            panel.xaxis.set_major_locator(MaxNLocator(integer=True))
            panel.grid(axis="y", color="0.9")
            drawing.plain_axes(panel)
        line[0].set_ylabel("gradient norm")
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside right center", frameon=False, fontsize=9)
    return figure
