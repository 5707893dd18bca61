"""§4.2, Figures 2 and 3: the steps in which Inception's accuracy is reached, with and without BN.

They are counted to an accuracy that is fixed beforehand: four points less than what Inception has at the end of as long
a training on a tuning seed, for its curve goes up and down by two.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from bnexp.claims.inception import SECTION, TARGETS, Targets, arm, target_of
from bnexp.judging.claim import Claim, Paper, Quantity, Rule
from bnexp.judging.measures import steps_of
from bnexp.runs.records import Record


def steps_to(targets: Targets) -> Callable[[Sequence[Record]], float | None]:
    """Steps to the target, infinity for never; None where there is none."""

    def measure(runs: Sequence[Record]) -> float | None:
        (run,) = runs
        target = target_of(run, targets)
        if target is None:
            return None
        steps = steps_of(run, target)
        return math.inf if steps is None else steps

    return measure


STEPS = Quantity("steps to Inception's accuracy", steps_to(TARGETS), "ratio", target=target_of)


def faster(
    identity: str, sentence: str, arms: tuple[str, str], paper: Paper, rule: Rule | None = None, primary: bool = False
) -> Claim:
    """The first arm gets there in fewer steps than the second."""
    rule = rule or Rule("time", less=True)
    sentence = f"Within {{epochs}}, {sentence}"
    return Claim(identity, SECTION, sentence, STEPS, rule, paper, arm(arms[0]), arm(arms[1]), primary=primary)


CLAIMS = [
    faster(
        "steps-bn_baseline",
        "with BN and nothing else changed, nearly Inception's accuracy ({target}) is reached in under half the steps.",
        ("bn_baseline", "inception"),
        Paper("31.0·10⁶ against 13.3·10⁶ steps, 2.3 times", 31.0 / 13.3),
        Rule("time", less=True, target=-math.log(2)),
        primary=True,
    ),
    faster(
        "steps-bn_x5",
        "BN-x5 reaches nearly Inception's accuracy ({target}) in fewer steps.",
        ("bn_x5", "inception"),
        Paper("31.0·10⁶ against 2.1·10⁶ steps, 7 % of them", 31.0 / 2.1),
        primary=True,
    ),
    faster(
        "steps-bn_x30",
        "BN-x30 reaches nearly Inception's accuracy ({target}) in fewer steps.",
        ("bn_x30", "inception"),
        Paper("31.0·10⁶ against 2.7·10⁶ steps, 11 times", 31.0 / 2.7),
    ),
]
