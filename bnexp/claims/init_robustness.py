"""Abstract, §1: with BN, less care is needed in initialisation.

Care is what it costs to choose badly: the standard deviation of the final test accuracy over all schemes and scales.
The control is each arm at its own best choice, made on the other seeds: it tells saved care from better networks.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from bnexp.claims import drawing, panels
from bnexp.claims.accuracy import RULE, SMALLEST, TRAINS, common_chance, diverged, final_accuracy, trains
from bnexp.claims.judging import (
    BN,
    PLAIN,
    Judgement,
    Pair,
    Statement,
    count,
    having,
    in_points,
    judged,
    own_best,
    per_seed,
    percent,
)
from bnexp.claims.panels import Layout
from bnexp.runs.records import Record, Records
from bnexp.stats import t_interval

COARSE = 0.01
"""A point: the smallest difference that counts where hopeless choices are among the settings."""

GOOD_SCHEMES = ("xavier", "he", "orthogonal")
"""The schemes that are recommended, at their own scale."""

SECTION = "abstract, 1"
PAPER = "BN lets us be less careful about initialisation; no number is given."


def judge(records: Records) -> list[Judgement]:
    """`init-spread`, `init-share`, `init-schemes`, `init-own-best`."""
    good = [r for r in records.runs if r.value("init.scheme") in GOOD_SCHEMES and r.value("init.scale") == 1]
    spread = "standard deviation of the final accuracy over the {}, without minus with BN: "
    return [
        _judge(
            records.runs,
            Statement("init-spread", SECTION, "With BN, the accuracy depends less on the initial weights.", PAPER),
            lambda plain, bn: _spread(plain) - _spread(bn),
            spread.format("schemes and scales"),
            COARSE,
        ),
        _judge(
            records.runs,
            Statement(
                "init-share",
                SECTION,
                f"With BN, more of the initial schemes and scales train (at least {percent(TRAINS)}).",
                PAPER,
            ),
            lambda plain, bn: _share(bn) - _share(plain),
            "share that trains, with minus without BN: ",
            COARSE,
        ),
        _judge(
            good,
            Statement(
                "init-schemes",
                SECTION,
                "With BN, the accuracy depends less on which recommended scheme is taken (Xavier, He, orthogonal).",
                PAPER,
            ),
            lambda plain, bn: _spread(plain) - _spread(bn),
            spread.format("recommended schemes"),
            SMALLEST,
        ),
        _judge_own_best(records),
    ]


def figures(records: Records) -> dict[str, Figure]:
    """`init_accuracy`: the final accuracy of every scheme and scale; `init_spread`: how it spreads."""
    if not records.runs:
        return {}
    maps = panels.heat_maps(
        records,
        "Final test accuracy over initial schemes and scales",
        "Percent; a run that diverged counts as chance. The scale is the standard deviation for gaussian and "
        "equal_biases (every bias starts at 1), a factor on the scheme's own for the others.",
        "init.scale",
        "init.scheme",
        final_accuracy,
        Layout("norm", "model.activation"),
        Normalize(common_chance(records.runs), 1),
        lambda v: f"{100 * v:.0f}",
    )
    return {"init_accuracy": maps} | ({"init_spread": _draw_spread(records)} if _arms(records.runs) else {})


def _arms(runs: Sequence[Record]) -> dict[tuple[int, str], tuple[list[Record], list[Record]]]:
    """By seed and nonlinearity the runs without and with BN, at the schemes and scales that both have."""
    arms = {}
    for seed in sorted({run.seed for run in runs}):
        for kind in dict.fromkeys(str(run.value("model.activation")) for run in runs):
            own = having(runs, {"seed": seed, "model.activation": kind})
            plain, bn = ({_init(run): run for run in having(own, {"norm": norm})} for norm in (PLAIN, BN))
            both = plain.keys() & bn.keys()
            if both:
                arms[seed, kind] = ([plain[i] for i in sorted(both)], [bn[i] for i in sorted(both)])
    return arms


def _judge(
    runs: Sequence[Record],
    statement: Statement,
    measure: Callable[[Sequence[Record], Sequence[Record]], float],
    what: str,
    smallest: float,
) -> Judgement:
    values: dict[int, list[float]] = {}
    arms = _arms(runs)
    for (seed, _), (plain, bn) in arms.items():
        values.setdefault(seed, []).append(measure(plain, bn))
    interval = t_interval([statistics.fmean(own) for own in values.values()])
    lost = sum(diverged(run) for both in arms.values() for own in both for run in own)
    note = f"{count(lost, 'run')} diverged and count as chance" if lost else ""
    bounds = f"+{100 * smallest:g} percentage points", f"−{100 * smallest:g} percentage points"
    return judged(statement, interval, f"{what}{in_points(interval)}", bounds, note, smallest=smallest)


def _judge_own_best(records: Records) -> Judgement:
    chosen = []
    for kind in dict.fromkeys(run.value("model.activation") for run in records.runs):
        best = [
            own_best(having(records.runs, {"norm": norm, "model.activation": kind}), _init, final_accuracy)
            for norm in (PLAIN, BN)
        ]
        chosen += [Pair(best[0][seed], best[1][seed]) for seed in best[0].keys() & best[1].keys()]
    gains = per_seed(chosen, lambda pair: final_accuracy(pair.bn) - final_accuracy(pair.plain))
    interval = t_interval(list(gains.values()))
    claim = "With each network at its own best initial scheme and scale, the network with BN ends at a higher accuracy."
    return judged(
        Statement("init-own-best", SECTION, claim, "Not tried."),
        interval,
        in_points(interval),
        RULE,
        "each seed's choices made on the other seeds",
        smallest=SMALLEST,
    )


def _init(run: Record) -> tuple[str, float]:
    return str(run.value("init.scheme")), float(run.value("init.scale"))


def _spread(runs: Sequence[Record]) -> float:
    return statistics.pstdev(map(final_accuracy, runs))


def _share(runs: Sequence[Record]) -> float:
    return statistics.fmean(map(trains, runs))


def _draw_spread(records: Records) -> Figure:
    arms = _arms(records.runs)
    kinds = list(dict.fromkeys(kind for _, kind in arms))
    figure, (axes,) = drawing.sheet(
        records,
        "How much the final test accuracy depends on the initial weights",
        "A dot per seed. Left: standard deviation over all schemes and scales; right: share of them that trains "
        f"(at least {percent(TRAINS)}). A run that diverged counts as chance.",
        (8, 4),
        columns=2,
    )
    colours = drawing.colours([PLAIN, BN])
    for panel, measure, label in zip(
        axes, (_spread, _share), ("standard deviation, points", "share that trains, %"), strict=True
    ):
        for (_, kind), both in arms.items():
            for norm, own, aside in zip((PLAIN, BN), both, (-0.12, 0.12), strict=True):
                panel.scatter(kinds.index(kind) + aside, 100 * measure(own), color=colours[norm], s=28, lw=0)
        panel.set_xticks(range(len(kinds)), kinds)
        panel.set_xlim(-0.5, len(kinds) - 0.5)
        panel.set_ylim(bottom=0)
        panel.set_ylabel(label)
        panel.grid(axis="y", color="0.9")
        drawing.plain_axes(panel)
    for norm in (PLAIN, BN):
        axes[1].scatter([], [], color=colours[norm], label=drawing.name(norm))
    figure.legend(loc="outside right center", frameon=False, fontsize=9)
    return figure
