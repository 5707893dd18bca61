"""§4.1: the network with BN learns in fewer steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bnexp.judging.claim import Claim, Paper, Quantity, Rule, of_run
from bnexp.judging.measures import steps_of, steps_to_reach
from bnexp.judging.words import percent
from bnexp.runs.records import Record

TARGETS = (0.95, 0.97)
"""Test accuracies that both networks of Figure 1(a) reach in the paper's 50,000 steps, one on the rise and one near
the end. No smallest ratio that counts: any saving in steps is what the claim says."""


def steps_to(target: float) -> Quantity:
    """Steps to a test accuracy, of one run."""
    return Quantity(f"steps to {percent(target)}", of_run(steps_to_reach(target)), "ratio")


PAPER = Paper("No number is printed; the curve with BN rises earlier and faster.")

CLAIMS = [
    Claim(
        id=f"fewer-steps-{100 * target:.0f}",
        source="§4.1, Figure 1(a)",
        sentence=f"The network with BN reaches {percent(target)} test accuracy in fewer steps than the same network "
        "without.",
        quantity=steps_to(target),
        rule=Rule("time", less=True),
        paper=PAPER,
        primary=target == TARGETS[0],
    )
    for target in TARGETS
]


@dataclass(frozen=True)
class Reached:
    """How fast an arm reaches a target."""

    mean: float | None
    """Mean step over the runs that reach it."""
    runs: int
    of: int


def reached(runs: Sequence[Record], target: float) -> Reached:
    """How fast these replicates reach a test accuracy, for the table of arms."""
    steps = [s for s in (steps_of(run, target) for run in runs) if s is not None]
    return Reached(math.fsum(steps) / len(steps) if steps else None, len(steps), len(runs))
