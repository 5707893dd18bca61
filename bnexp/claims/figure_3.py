"""§4.2.2: what else Figure 3 says, of BN-x30, of sigmoids, and of a rate at which Inception diverges."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from bnexp.claims.inception import (
    CHANCE,
    SECTION,
    STEPS,
    TARGETS,
    Targets,
    arm,
    faster,
    higher,
    learns,
    steps_to,
)
from bnexp.judging.claim import LARGEST, Claim, Control, Paper, Quantity, Rule, of_run
from bnexp.judging.measures import diverged
from bnexp.runs.records import Record


def never(targets: Targets) -> Callable[[Sequence[Record]], float]:
    """Whether the target is never reached."""

    def measure(runs: Sequence[Record]) -> float:
        return float(steps_to(targets)(runs) == math.inf)

    return measure


def has_diverged(run: Record) -> float:
    """Whether a network's parameters have become infinite."""
    return float(diverged(run))


def share(
    identity: str,
    sentence: str,
    name: str,
    quantity: Quantity,
    paper: str,
    control: Control | None = None,
) -> Claim:
    """It happens to an arm on more seeds than not."""
    rule, source = Rule("rate"), "§4.2.2"
    return Claim(identity, source, sentence, quantity, rule, Paper(paper), arm(name), None, control=control)


DIVERGES = Quantity("diverges", of_run(has_diverged), "share")
THEY_DO = "They do; neither how the rate was chosen nor the initial weights are given."

CLAIMS = [
    faster(
        "steps-bn_x30",
        "BN-x30 reaches Inception's accuracy in fewer steps.",
        ("bn_x30", "inception"),
        Paper("31.0·10⁶ against 2.7·10⁶ steps, 11 times", 31.0 / 2.7),
    ),
    Claim(
        "x30-later",
        SECTION,
        "Within {epochs}, BN-x30 is slower at first: it needs more steps to Inception's accuracy than BN-x5.",
        STEPS,
        Rule("time"),
        Paper("2.7·10⁶ against 2.1·10⁶ steps, 1.3 times", 2.7 / 2.1),
        arm("bn_x30"),
        arm("bn_x5"),
    ),
    replace(
        higher("x30-fifth", "bn_x30_fifth", "inception", "74.8 % after 6·10⁶ against 72.2 % after 31·10⁶ steps", 0.026),
        sentence="BN-x30 ends higher than Inception does after five times as many steps ({epochs}).",
    ),
    higher("x30-above-inception", "bn_x30", "inception", "74.8 against 72.2 %, +2.6", 0.026),
    higher("x30-higher", "bn_x30", "bn_x5", "74.8 against 73.0 %, +1.8", 0.018),
    higher("sigmoid-lower", "bn_x5", "bn_x5_sigmoid", "73.0 against 69.8 %, +3.2", 0.032),
    share(
        "sigmoid-never",
        "Within {epochs}, BN-x5-Sigmoid never reaches Inception's accuracy.",
        "bn_x5_sigmoid",
        Quantity("never gets there", never(TARGETS), "share"),
        "Never; its maximum is 69.8 %.",
    ),
    share(
        "sigmoid-trains",
        "Within {epochs}, with BN, Inception trains with sigmoids.",
        "bn_x5_sigmoid",
        Quantity("trains", of_run(learns), "share"),
        "69.8 %, chance being 0.1 %",
    ),
    share(
        "sigmoid-at-chance",
        "Within {epochs}, without BN, Inception with sigmoids stays at chance to the end.",
        "inception_sigmoid",
        CHANCE,
        "1/1000",
    ),
    replace(
        share(
            "x5-diverges",
            "Within {epochs}, without BN, five times the learning rate makes the parameters reach machine infinity, "
            "from the largest initial weights tried.",
            "inception_x5",
            DIVERGES,
            THEY_DO,
        ),
        among={"init.scale": LARGEST},
    ),
]
