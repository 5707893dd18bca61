"""§4.2.2: what else Figure 3 says, of BN-x30 and of sigmoids; and whether a third of the steps tells who learns."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bnexp.claims.inception import SECTION, SMALLEST, TARGETS, Targets, arm, higher, highest, learns
from bnexp.claims.inception_steps import faster, steps_to
from bnexp.judging.claim import Claim, Control, Paper, Quantity, Rule, of_run
from bnexp.judging.measures import chance, curve, diverged, final_accuracy, learnt_from, length
from bnexp.runs.records import Record

FAILS = 1.2
"""Times chance, up to which a network has learnt nothing."""


def reached(targets: Targets) -> Callable[[Sequence[Record]], float | None]:
    """Whether the target is reached."""

    def measure(runs: Sequence[Record]) -> float | None:
        steps = steps_to(targets)(runs)
        return None if steps is None else float(steps < math.inf)

    return measure


def has_diverged(run: Record) -> float:
    """Whether a network's parameters have become infinite."""
    return float(diverged(run))


def learns_early(run: Record) -> float:
    """Whether a network learns in a third of its steps, which are all that those have that are to fail."""
    steps, accuracy = curve(run)
    early = [a for step, a in zip(steps, accuracy, strict=True) if step <= length(run) / 3]
    return float(early[-1] >= learnt_from(chance(run)))


def at_chance(times: float) -> Callable[[Record], float]:
    """Whether a network that has been trained to the end, and has not diverged, has not more than so often chance."""
    return lambda run: float(not diverged(run) and final_accuracy(run) <= times * chance(run))


def share(
    identity: str,
    sentence: str,
    name: str,
    quantity: Quantity,
    paper: str,
    control: Control | None = None,
    among: Mapping[str, Any] | None = None,
) -> Claim:
    """It happens to an arm on more seeds than not."""
    sentence, rule, paper_text = f"Within {{epochs}}, {sentence}", Rule("rate"), Paper(paper)
    arms = arm(name), None
    return Claim(identity, "§4.2.2", sentence, quantity, rule, paper_text, *arms, among=among or {}, control=control)


DIVERGES = Quantity("diverges", of_run(has_diverged), "share")
LEARNS = Quantity("learns", of_run(learns), "share")
FAILS_TO = Quantity("does not learn", of_run(lambda run: 1.0 - learns(run)), "share")
CHANCE = Quantity("ends at chance", of_run(at_chance(FAILS)), "share")
THERE = Quantity("gets there", reached(TARGETS), "share")
HIGHEST = Quantity("highest accuracy of any evaluation", of_run(highest))
EARLY = Quantity("learns in a third of the steps", of_run(learns_early), "share")
AFTER_FIFTH = "74.8 % after 6·10⁶ steps, 72.2 % after 31·10⁶"
THEY_DO = "They do; neither how the rate was chosen nor the initial weights are given."

CLAIMS = [
    share(
        "x30-gets-there",
        "BN-x30 reaches the accuracy to which steps are counted, four points below Inception's.",
        "bn_x30",
        THERE,
        "74.8 against 72.2 %",
        Control("A network that never gets there would count as a late one.", guards=("x30-later",)),
    ),
    replace(
        faster(
            "x30-later",
            "BN-x30 is slower at first: it needs more steps to Inception's accuracy ({target}) than BN-x5.",
            ("bn_x30", "bn_x5"),
            Paper("2.7·10⁶ against 2.1·10⁶ steps, 1.3 times", 2.7 / 2.1),
        ),
        rule=Rule("time"),
    ),
    *(
        replace(
            higher(f"x30-{part}", f"bn_x30_{part}", "inception_decayed", f"{AFTER_FIFTH}{but}", effect),
            sentence=f"BN-x30 ends higher than Inception does after {words} as many steps, its rate decaying in them "
            "({epochs}).",
        )
        for part, words, but, effect in (
            ("half", "twice", "; not said of half", None),
            ("fifth", "five times", "", 0.026),
        )
    ),
    higher("x30-above-inception", "bn_x30", "inception_decayed", "74.8 against 72.2 %, +2.6", 0.026),
    higher("x30-higher", "bn_x30", "bn_x5", "74.8 against 73.0 %, +1.8", 0.018),
    higher("sigmoid-lower", "bn_x5", "bn_x5_sigmoid", "73.0 against 69.8 %, +3.2", 0.032),
    higher("sigmoid-below-inception", "inception_decayed", "bn_x5_sigmoid", "72.2 against 69.8 %, +2.4", 0.024),
    Claim(
        "sigmoid-never",
        SECTION,
        "Within {epochs}, BN-x5-Sigmoid never reaches Inception's best: the highest accuracy of any evaluation is "
        "lower, the rates of both decaying as fast.",
        HIGHEST,
        Rule("difference", SMALLEST, less=True),
        Paper("Never; its maximum is 69.8 %, Inception's 72.2 %", 0.024),
        arm("bn_x5_sigmoid"),
        arm("inception_decayed"),
    ),
    share(
        "third-suffices",
        "Inception learns in the first third of its steps.",
        "inception",
        EARLY,
        "–",
        Control(
            "That networks which have only so many steps do not learn would say nothing of their rates.",
            guards=("x5-fails-fair", "x9-fails-fair", "sigmoid-at-chance", "sigmoid-at-chance-x5"),
        ),
    ),
    share(
        "sigmoid-trains",
        "with BN, Inception trains with sigmoids.",
        "bn_x5_sigmoid",
        LEARNS,
        "69.8 %, chance being 0.1 %",
    ),
    share(
        "sigmoid-at-chance",
        "without BN, Inception with sigmoids stays at chance to the end.",
        "inception_sigmoid",
        CHANCE,
        "1/1000",
    ),
    share(
        "sigmoid-at-chance-x5",
        "without BN, Inception with sigmoids stays at chance at BN-x5's rate, too.",
        "inception_sigmoid_x5",
        CHANCE,
        "Not said at which rate.",
    ),
]
