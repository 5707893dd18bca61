"""§3.3, §4.2.1: BN trains over a wider range of learning rates; and what is left of it at each network's own best.

A network trains if its final test accuracy is at least 90 %. The range of an arm is the decades from the smallest to
the largest learning rate that trains, 0 where one or none does. The best learning rate is judged on the other seeds, so
that no seed chooses what it is judged by. Arms are compared in cells of equal nonlinearity and depth.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from matplotlib.figure import Figure

from bnexp.claims import drawing, panels
from bnexp.claims.accuracy import RULE, SMALLEST, TRAINS, final_accuracy, trains
from bnexp.claims.judging import (
    BN,
    PLAIN,
    Judgement,
    Pair,
    Statement,
    as_ratio,
    count,
    having,
    in_points,
    in_unit,
    judged,
    own_best,
    per_seed,
    percent,
)
from bnexp.claims.panels import Layout
from bnexp.claims.speed import censoring_note, log_ratio
from bnexp.runs.records import Record, Records
from bnexp.stats import ratio_interval, t_interval

NARROWEST = 0.1
"""Decades: the smallest difference of ranges that counts, a fifth of the step between two learning rates."""

CELL = ("model.activation", "model.depth")

Cells = dict[tuple[Any, ...], tuple[list[Record], list[Record]]]
"""By cell, the runs without and with BN."""

RANGE = Statement(
    "lr-range",
    "3.3, 4.2.1",
    "BN trains over a wider range of learning rates.",
    "No range is printed; 5 times Inception's rate sent its parameters to infinity, with BN 30 times trained best.",
)
HIGHEST = Statement(
    "lr-highest",
    "3.3, 4.2.1",
    "BN trains at higher learning rates.",
    "30 times Inception's rate with BN; without, parameters reach machine infinity at 5 times.",
)
BEST = Statement(
    "lr-best",
    "4.2.1",
    "The learning rate that suits a network best is larger with BN.",
    "BN-x30 ends highest, at 30 times Inception's rate; neither network's best rate was sought.",
)
OWN_BEST = Statement(
    "lr-own-best-accuracy",
    "4.2.1",
    "With each network at its own best learning rate, the network with BN ends at a higher test accuracy.",
    "Not tried; the rates are given.",
)
OWN_SPEED = Statement(
    "lr-own-best-speed",
    "4.2.1",
    f"With each network at its own best learning rate, the network with BN reaches {percent(TRAINS)} in fewer steps.",
    "Not tried; BN-x5 took 14 times fewer steps than Inception at its given rate.",
)


def judge(records: Records) -> list[Judgement]:
    """`lr-range`, `lr-highest`, `lr-best`, and at each arm's own best `lr-own-best-accuracy`, `lr-own-best-speed`."""
    of = cells(records.runs, *CELL)
    chosen = own_bests(of)
    return [
        judge_range(of, RANGE),
        _judge_ratio(of, HIGHEST, _log_highest, "largest learning rate that trains"),
        _judge_ratio(of, BEST, _log_best, "best learning rate"),
        judge_own_best(chosen, OWN_BEST),
        judge_own_speed(chosen, OWN_SPEED),
    ]


def cells(runs: Iterable[Record], *axes: str) -> Cells:
    """The runs without and with BN in each combination of these settings' values that has both."""
    found: Cells = {}
    for run in runs:
        arms = found.setdefault(tuple(run.value(axis) for axis in axes), ([], []))
        if run.norm in (PLAIN, BN):
            arms[run.norm == BN].append(run)
    return {key: arms for key, arms in found.items() if all(arms)}


def own_bests(of: Cells) -> list[Pair]:
    """Each cell's and seed's runs without and with BN, at the learning rate best on the other seeds."""
    chosen = []
    for plain, bn in of.values():
        best = [own_best(runs, lambda run: run.fields["lr"], final_accuracy) for runs in (plain, bn)]
        chosen += [Pair(best[0][seed], best[1][seed]) for seed in best[0].keys() & best[1].keys()]
    return chosen


def judge_range(of: Cells, statement: Statement) -> Judgement:
    """The difference of the ranges, with minus without BN, in decades."""
    ranges = _per_seed(of, lambda plain, bn: _decades(plain)), _per_seed(of, lambda plain, bn: _decades(bn))
    interval = t_interval([bn - plain for plain, bn in zip(*ranges, strict=True)])
    means = [t_interval(own).mean for own in ranges]
    said = f"{means[0]:.2f} decades without and {means[1]:.2f} with BN, a difference of " if of else ""
    never = sum(not any(map(trains, runs)) for arms in of.values() for runs in arms)
    note = f"{never} of {count(2 * len(of), 'arm')} never train and count as 0 decades" if never else ""
    bounds = f"+{NARROWEST:g} decades", f"−{NARROWEST:g} decades"
    return judged(statement, interval, f"{said}{in_unit(interval, 'decades')}", bounds, note, smallest=NARROWEST)


def judge_own_best(chosen: Sequence[Pair], statement: Statement) -> Judgement:
    """The difference in final accuracy, with minus without BN, of runs at their own best learning rates."""

    def gain(pair: Pair) -> float:
        return final_accuracy(pair.bn) - final_accuracy(pair.plain)

    interval = t_interval(list(per_seed(chosen, gain).values()))
    kinds = sorted({str(pair.bn.value("model.activation")) for pair in chosen})
    own = {kind: [gain(pair) for pair in chosen if pair.bn.value("model.activation") == kind] for kind in kinds}
    if len(kinds) == 1:
        own = {}
    own["where both train"] = [gain(pair) for pair in chosen if trains(pair.plain) and trains(pair.bn)]
    parts = [f"{what} {100 * t_interval(gains).mean:+.2f}" for what, gains in own.items() if gains]
    measured = in_points(interval) + (f"; {', '.join(parts)}".replace("-", "−") if parts else "")
    note = "each seed's learning rates chosen on the other seeds"
    return judged(statement, interval, measured, RULE, note, smallest=SMALLEST)


def judge_own_speed(chosen: Sequence[Pair], statement: Statement) -> Judgement:
    """The ratio of steps to 90 %, without over with BN, of runs at their own best learning rates."""
    interval = ratio_interval(list(per_seed(chosen, lambda pair: log_ratio(pair, TRAINS)).values()))
    measured = f"steps without BN / steps with BN: {as_ratio(interval)}"
    return judged(statement, interval, measured, ("1", "1"), censoring_note(chosen, TRAINS), null=1)


def figures(records: Records) -> dict[str, Figure]:
    """`lr_accuracy`: final accuracy against the learning rate; `lr_range`: the range of each arm, if it has a match."""
    if not records.runs:
        return {}
    accuracy = panels.lines(
        records,
        "Final test accuracy against the learning rate",
        "A run that diverged counts as chance.",
        "lr",
        final_accuracy,
        "test accuracy",
        Layout("model.depth", "model.activation"),
        (0, 1),
    )
    of = cells(records.runs, *CELL)
    return {"lr_accuracy": accuracy} | ({"lr_range": _draw_ranges(records, of)} if of else {})


def _judge_ratio(
    of: Cells, statement: Statement, log_lr: Callable[[Sequence[Record]], float | None], what: str
) -> Judgement:
    def log_of(plain: Sequence[Record], bn: Sequence[Record]) -> float | None:
        without, with_bn = log_lr(plain), log_lr(bn)
        return None if without is None or with_bn is None else with_bn - without

    interval = ratio_interval(_per_seed(of, log_of))
    note = "only cells in which both arms train on the seed"
    return judged(statement, interval, f"{what}, with / without BN: {as_ratio(interval)}", ("1", "1"), note, null=1)


def _log_highest(runs: Sequence[Record]) -> float | None:
    return max((math.log(run.fields["lr"]) for run in runs if trains(run)), default=None)


def _log_best(runs: Sequence[Record]) -> float | None:
    """Of equally good rates the lowest."""
    ordered = sorted((run for run in runs if trains(run)), key=lambda run: run.fields["lr"])
    return math.log(max(ordered, key=final_accuracy).fields["lr"]) if ordered else None


def _decades(runs: Sequence[Record]) -> float:
    found = [math.log10(run.fields["lr"]) for run in runs if trains(run)]
    return max(found) - min(found) if found else 0.0


def _per_seed(of: Cells, measure: Callable[[Sequence[Record], Sequence[Record]], float | None]) -> list[float]:
    """A measure of a seed's runs without and with BN over all learning rates, averaged over the seed's cells."""
    values: dict[int, list[float]] = {}
    for plain, bn in of.values():
        for seed in {run.seed for run in plain} & {run.seed for run in bn}:
            value = measure(having(plain, {"seed": seed}), having(bn, {"seed": seed}))
            if value is not None:
                values.setdefault(seed, []).append(value)
    return [math.fsum(own) / len(own) for _, own in sorted(values.items())]


def _draw_ranges(records: Records, of: Cells) -> Figure:
    rates = panels.values(records.runs, "lr")
    figure, ((axes,),) = drawing.sheet(
        records,
        f"Learning rates that train: final test accuracy of at least {percent(TRAINS)}",
        "Bar: from the smallest to the largest, geometric means over the seeds on which any trains. Beside it its "
        "width in decades, mean over all seeds with its 95 % interval.",
        (8.5, 1.8 + 0.62 * len(of)),
    )
    colours = drawing.colours([PLAIN, BN])
    for i, key in enumerate(sorted(of, key=str)):
        for norm, runs in zip((PLAIN, BN), of[key], strict=True):
            at = i + (0.2 if norm == BN else -0.2)
            by_seed = [having(runs, {"seed": seed}) for seed in sorted({run.seed for run in runs})]
            logs = [[math.log(run.fields["lr"]) for run in own if trains(run)] for own in by_seed]
            if any(logs):
                low, high = (math.exp(t_interval([end(own) for own in logs if own]).mean) for end in (min, max))
                axes.plot([low, high], [at, at], color=colours[norm], lw=7, solid_capstyle="butt")
                axes.plot([low], [at], color=colours[norm], marker="|", ms=8)  # seen where the range is a point
            width = t_interval([_decades(own) for own in by_seed])
            limits = f" [{max(width.lo, 0):.1f}, {width.hi:.1f}]" if width.n > 1 else ""
            text = f"{width.mean:.1f}{limits}" if any(logs) else "never trains"
            axes.text(1.01, at, f"{drawing.name(norm)}: {text}", color=colours[norm], va="center", fontsize=8.5,
                      transform=axes.get_yaxis_transform())  # fmt: skip
    axes.set_xscale("log")
    axes.set_xlim(rates[0] / 1.5, rates[-1] * 1.5)
    axes.set_yticks(range(len(of)), [f"{kind}, {depth} layers" for kind, depth in sorted(of, key=str)])
    axes.set_ylim(len(of) - 0.5, -0.5)
    axes.set_xlabel("learning rate")
    axes.grid(axis="x", color="0.9")
    drawing.plain_axes(axes)
    return figure
