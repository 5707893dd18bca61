"""§3.3, §5: with BN, gradients neither vanish nor explode on their way from the last layer to the first.

Growth is log10 of the gradient's norm at the second hidden layer's parameters over that at the last's, mean over the
evaluations: these layers are of one shape, the first is not. Per layer it is the slope; negative means vanishing
towards the input. The shallow network is the control: without depth there is nothing to vanish, whatever the measure.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

import matplotlib
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bnexp.claims import drawing, panels
from bnexp.claims.claim import (
    BN,
    LARGEST,
    PLAIN,
    SMALLEST,
    TREATED,
    Claim,
    Outcome,
    Paper,
    Peculiar,
    Quantity,
    Rule,
    of_run,
)
from bnexp.claims.judging import outcome
from bnexp.claims.matching import having
from bnexp.claims.measures import gradient_norms, growth
from bnexp.claims.words import arm_name
from bnexp.runs.records import Record, Records
from bnexp.stats import t_interval

FLATTER = 0.02
"""Decades per layer: the smallest difference of slopes that counts, a factor of 2.5 over 20 layers."""

STEADY = 1.0
"""Decades: a whole growth below this is none that matters."""

ACTIVATIONS = ("sigmoid", "tanh", "relu")

PAPER = Paper("Conjectured and not measured: BN makes gradient propagation better behaved.")


def slope(run: Record) -> float | None:
    """The size of the growth for each layer between the second and the last."""
    grown = growth(run)
    return None if grown is None else abs(grown) / (int(run.value("model.depth")) - 2)


def _steady(among: dict[str, object]) -> Callable[[Records], Outcome]:
    def judge(records: Records) -> Outcome:
        known = [run for run in having(records.runs, among | {"model.residual": False}) if growth(run) is not None]
        by_seed = [having(known, {"seed": seed}) for seed in sorted({run.seed for run in known})]
        interval = t_interval([STEADY - statistics.fmean(abs(growth(run) or 0.0) for run in own) for own in by_seed])
        each = ", ".join(
            f"{kind} {_mean(having(known, {'model.activation': kind})):+.1f}"
            for kind in ACTIVATIONS
            if having(known, {"model.activation": kind})
        ).replace("-", "−")
        measured = f"decades from the last layer to the second: {each}" if known else "nothing to compare"
        return outcome(interval, "decades", measured=measured)

    return judge


CLAIMS = [
    *(
        Claim(
            id=f"gradient-flow-{kind}",
            source="3.3, 5",
            sentence=f"In a deep {kind} network, gradients keep their size from layer to layer better with BN.",
            quantity=Quantity("size of the slope of the gradient's norm", of_run(slope), "decades per layer"),
            rule=Rule("difference", FLATTER, less=True),
            treated={"norm": TREATED},
            reference={"norm": PLAIN},
            among={"model.residual": False, "model.depth": LARGEST, "model.activation": kind},
            paper=PAPER,
        )
        for kind in ACTIVATIONS
    ),
    Peculiar(
        id="no-vanishing-with-bn",
        source="3.3, 5",
        sentence="With BN, gradients change less than tenfold from the last layer of a deep network to the first.",
        paper=PAPER,
        judge=_steady({"norm": BN, "model.depth": LARGEST}),
    ),
    Peculiar(
        id="gradient-flow-shallow",
        source="3.3, 5",
        sentence="Without BN, gradients change less than tenfold in a shallow network (control).",
        paper=Paper("Not measured."),
        judge=_steady({"norm": PLAIN, "model.depth": SMALLEST}),
    ),
]


def figures(records: Records) -> dict[str, Figure]:
    """`gradients`: each layer's gradient over training in the deepest networks; `gradients_by_layer`."""
    runs = [run for run in records.runs if not run.value("model.residual")]
    if not runs:
        return {}
    return {"gradients": _draw_over_training(records, runs), "gradients_by_layer": _draw_by_layer(records, runs)}


def _mean(runs: Sequence[Record]) -> float:
    known = [grown for grown in map(growth, runs) if grown is not None]
    return statistics.fmean(known) if known else float("nan")


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
