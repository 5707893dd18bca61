"""§3.3, §5: with BN, gradients neither vanish nor explode on their way from the last layer to the first.

Growth is log10 of the gradient's norm at the second hidden layer's parameters over that at the last's, mean over the
evaluations: these layers are of one shape, the first is not. Per layer it is the slope; negative means vanishing
towards the input. The shallow network is the control: without depth there is nothing to vanish, whatever the measure.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bnexp.claims import drawing, panels
from bnexp.claims.judging import BN, PLAIN, Judgement, Statement, contrast, having, in_unit, judged
from bnexp.runs.records import Record, Records
from bnexp.stats import t_interval

FLATTER = 0.02
"""Decades per layer: the smallest difference of slopes that counts, a factor of 2.5 over 20 layers."""

STEADY = 1.0
"""Decades: a whole growth below this is none that matters."""

TINY = 1e-38
"""What a norm of 0 is taken for: the smallest that float32 resolves."""

ACTIVATIONS = ("sigmoid", "tanh", "relu")

PAPER = "Conjectured and not measured: BN makes gradient propagation better behaved."


def judge(records: Records) -> list[Judgement]:
    """`gradient-flow-ACTIVATION`, `no-vanishing-with-bn` and, for control, `gradient-flow-shallow`."""
    runs = [run for run in records.runs if not run.value("model.residual")]
    depths = panels.values(runs, "model.depth")
    deep = having(runs, {"model.depth": depths[-1]}) if depths else []
    shallow = having(runs, {"model.depth": depths[0]}) if depths else []
    return [
        *(_flatter(kind, having(deep, {"model.activation": kind})) for kind in ACTIVATIONS),
        _steady(
            Statement(
                "no-vanishing-with-bn",
                "3.3, 5",
                "With BN, gradients change less than tenfold from the last layer of a deep network to the first.",
                PAPER,
            ),
            having(deep, {"norm": BN}),
        ),
        _steady(
            Statement(
                "gradient-flow-shallow",
                "3.3, 5",
                "Without BN, gradients change less than tenfold in a shallow network (control).",
                "Not measured.",
            ),
            having(shallow, {"norm": PLAIN}),
        ),
    ]


def growth(run: Record) -> float | None:
    """Decades from the last hidden layer to the second; None where there is nothing finite or none between."""
    depth = int(run.value("model.depth"))
    if depth < 3:
        return None
    second, last = (_norms(run, layer) for layer in (2, depth))
    logs = np.log10(second) - np.log10(last)
    return float(logs[np.isfinite(logs)].mean()) if np.isfinite(logs).any() else None


def figures(records: Records) -> dict[str, Figure]:
    """`gradients`: each layer's gradient over training in the deepest networks; `gradients_by_layer`."""
    runs = [run for run in records.runs if not run.value("model.residual")]
    if not runs:
        return {}
    return {"gradients": _draw_over_training(records, runs), "gradients_by_layer": _draw_by_layer(records, runs)}


def _flatter(kind: str, runs: Sequence[Record]) -> Judgement:
    def slope(run: Record) -> float | None:
        grown = growth(run)
        return None if grown is None else abs(grown) / (int(run.value("model.depth")) - 2)

    interval = t_interval(contrast(having(runs, {"norm": PLAIN}), having(runs, {"norm": BN}), slope))
    arms = [having(runs, {"norm": norm}) for norm in (PLAIN, BN)]
    means = " and ".join(
        f"{_mean(own):+.1f} decades {drawing.name(n)}" for n, own in zip((PLAIN, BN), arms, strict=True)
    )
    return judged(
        Statement(
            f"gradient-flow-{kind}",
            "3.3, 5",
            f"In a deep {kind} network, gradients keep their size from layer to layer better with BN.",
            PAPER,
        ),
        interval,
        f"size of the slope without minus with BN: {in_unit(interval, 'decades per layer', 3)}"
        + (f"; from the last layer to the second {means}".replace("-", "−") if runs else ""),
        (f"+{FLATTER:g} decades per layer", f"−{FLATTER:g} decades per layer"),
        smallest=FLATTER,
    )


def _steady(statement: Statement, runs: Sequence[Record]) -> Judgement:
    known = [run for run in runs if growth(run) is not None]
    by_seed = [having(known, {"seed": seed}) for seed in sorted({run.seed for run in known})]
    interval = t_interval([STEADY - statistics.fmean(abs(growth(run) or 0.0) for run in own) for own in by_seed])
    each = ", ".join(
        f"{kind} {_mean(having(known, {'model.activation': kind})):+.1f}"
        for kind in ACTIVATIONS
        if having(known, {"model.activation": kind})
    ).replace("-", "−")
    measured = f"decades from the last layer to the second: {each}" if known else "nothing to compare"
    return judged(statement, interval, measured, (f"0, {STEADY:g} decade minus the mean size of the growth", "0"))


def _norms(run: Record, layer: int) -> np.ndarray:
    return np.asarray(np.maximum(run.metrics[f"gradient_norm/linear{layer}"].to_numpy(dtype=float), TINY))


def _mean(runs: Sequence[Record]) -> float:
    known = [grown for grown in map(growth, runs) if grown is not None]
    return statistics.fmean(known) if known else float("nan")


def _geometric(runs: Sequence[Record], layer: int) -> np.ndarray:
    """The norm at a layer's weights, `[evaluations]`, geometric mean over the seeds."""
    return np.asarray(np.exp(np.mean([np.log(_norms(run, layer)) for run in runs], axis=0)))


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
            panel.set_title(f"{kind}, {drawing.name(norm)}", fontsize=10)
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
                    label = drawing.name(norm) if style == "-" else None
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
