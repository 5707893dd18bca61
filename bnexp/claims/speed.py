"""§4.1: the network with BN learns in fewer steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from bnexp.claims.judging import (
    Judgement,
    Pair,
    as_ratio,
    count,
    decide,
    effect,
    over_settings,
    pairs,
    per_seed,
    percent,
    reason,
)
from bnexp.runs.records import Record, Records
from bnexp.stats import ratio_interval, steps_to

TARGETS = (0.95, 0.97)
"""Test accuracies that both networks of Figure 1(a) reach in the paper's 50,000 steps, one on the rise and one near
the end. No smallest ratio that counts: any saving in steps is what the claim says."""


@dataclass(frozen=True)
class Reached:
    """How fast an arm reaches a target."""

    mean: float | None
    """Mean step over the runs that reach it."""
    runs: int
    of: int


def steps_of(run: Record, target: float) -> float | None:
    """The step at which a run first reaches a test accuracy, at least 1; None when it never does."""
    step = steps_to(run.metrics["step"].tolist(), run.metrics["accuracy"].tolist(), target)
    return None if step is None else max(step, 1.0)


def reached(runs: Sequence[Record], target: float) -> Reached:
    """How fast these replicates reach a test accuracy, for the table of arms."""
    steps = [s for s in (steps_of(run, target) for run in runs) if s is not None]
    return Reached(math.fsum(steps) / len(steps) if steps else None, len(steps), len(runs))


def log_ratio(pair: Pair, target: float) -> float | None:
    """log(steps without BN / steps with BN) to a test accuracy; None when neither run reaches it.

    Where one does not, its number of steps stands in: a bound that favours the arm that failed.
    """
    plain, bn = steps_of(pair.plain, target), steps_of(pair.bn, target)
    if plain is None and bn is None:
        return None
    return math.log((plain or length(pair.plain)) / (bn or length(pair.bn)))


def censoring_note(matched: Sequence[Pair], target: float) -> str:
    """For `why`: how many pairs have a stand-in for their steps, and how many are left out."""
    steps = [(steps_of(pair.plain, target), steps_of(pair.bn, target)) for pair in matched]
    plain = sum(p is None and b is not None for p, b in steps)
    bn = sum(b is None and p is not None for p, b in steps)
    neither = sum(p is None and b is None for p, b in steps)
    notes = [
        f"in {count(missed, 'pair')} only the run {arm} BN never reaches {percent(target)} and its last step stands in"
        for missed, arm in ((plain, "without"), (bn, "with"))
        if missed
    ]
    if neither:
        notes.append(f"in {count(neither, 'pair')} neither run does, and the pair is left out")
    return "; ".join(notes)


def judge(records: Records) -> list[Judgement]:
    """`fewer-steps-95` and `fewer-steps-97`: the ratio of steps, paired by seed."""
    return [_judge(pairs(records), target) for target in TARGETS]


def figures(records: Records) -> dict[str, Figure]:
    """None of its own: `figure_1a` shows it."""
    return {}


def _judge(matched: Sequence[Pair], target: float) -> Judgement:
    interval = ratio_interval(list(per_seed(matched, lambda pair: log_ratio(pair, target)).values()))
    verdict = decide(interval, null=1)
    arms = [
        _in_words(reached(list({run.id: run for run in runs}.values()), target))
        for runs in ([pair.plain for pair in matched], [pair.bn for pair in matched])
    ]
    return Judgement(
        id=f"fewer-steps-{100 * target:.0f}",
        section="4.1, Figure 1(a)",
        claim=f"The network with BN reaches {percent(target)} test accuracy in fewer steps than the same network "
        "without.",
        paper="No number is printed; the curve with BN rises earlier and faster.",
        measured=f"steps without BN / steps with BN: {as_ratio(interval)}{over_settings(matched)}; "
        f"without BN {arms[0]}, with BN {arms[1]}",
        **effect(interval),
        verdict=verdict,
        why=reason(verdict, interval.n, "1", "1", censoring_note(matched, target)),
    )


def _in_words(arm: Reached) -> str:
    if arm.mean is None:
        return f"in none of {count(arm.of, 'run')}"
    return f"after {arm.mean:,.0f} steps" + (f" in {arm.runs} of {arm.of} runs" if arm.runs < arm.of else "")


def length(run: Record) -> float:
    """The steps a run was given; it may have diverged before."""
    return float(run.fields.get("steps") or run.metrics["step"].iloc[-1])
