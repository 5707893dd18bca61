"""Bjorck et al. 2018: what BN gains, it gains by the larger learning rates that it allows.

So BN is put at the rate that suits the network without it best, and that network at BN's; both are chosen on tuning
seeds.
"""

from __future__ import annotations

import math

from matplotlib.figure import Figure

from bnexp.claims.inception import HARDLY
from bnexp.claims.mechanisms import CELLS, STEPS, TARGET_WORDS, THAT_FAIL
from bnexp.drawing import plots
from bnexp.drawing.plots import Layout
from bnexp.judging.claim import PLAIN, TREATED, Claim, Control, Paper, Rule, Settings
from bnexp.judging.matching import judged
from bnexp.judging.measures import TRAINS, final_accuracy
from bnexp.judging.words import percent
from bnexp.runs.records import Records

SHOWS_TUNING = True

SOURCE = "Bjorck et al. 2018"
LITTLE = "ResNet-110, CIFAR-10: at the plain network's rate BN gains little (Bjorck et al. 2018)"


def _claim(identity: str, sentence: str, rule: Rule, paper: Paper, best_of: Settings | None = None) -> Claim:
    """Steps to the target with BN and without."""
    return Claim(
        f"step-size-{identity}",
        SOURCE,
        f"{sentence}, whatever the nonlinearity.",
        STEPS,
        rule,
        paper,
        cells=CELLS,
        selected=("lr",),
        best_of=best_of,
        primary=identity == "gain",
    )


CLAIMS = [
    _claim(
        "gain",
        f"At the rate that suits the network without BN best, BN saves at most a factor of {HARDLY:g} of the steps "
        f"to {TARGET_WORDS}",
        Rule("no_worse", math.log(HARDLY), universal=True),
        Paper("Not separated: BN-Baseline, at Inception's rate, takes 2.3 times fewer.", 31.0 / 13.3, LITTLE),
        {"norm": PLAIN},
    ),
    _claim(
        "own",
        f"Each at its own best rate, BN reaches {TARGET_WORDS} in fewer steps",
        Rule("time", less=True, universal=True),
        Paper("BN-x5: 14 times fewer steps.", 31.0 / 2.1),
    ),
    Claim(
        "step-size-plain",
        SOURCE,
        f"At BN's best rate, the network without BN does not train, to {percent(TRAINS)} (on pictures to three times "
        "chance), whatever the nonlinearity.",
        THAT_FAIL,
        Rule("rate"),
        Paper("At 5 times Inception's rate its parameters reach machine infinity."),
        {"norm": PLAIN},
        None,
        cells=CELLS,
        selected=("lr",),
        best_of={"norm": TREATED},
        control=Control("a network that trains there would say that it is not BN that allows the rate"),
    ),
]


def figures(records: Records) -> dict[str, Figure]:
    """`step_size`: final accuracy against the rate."""
    if not (runs := judged(records.runs)):
        return {}
    return {
        "step_size": plots.lines(
            records.of(runs),
            "Final test accuracy against the learning rate, with and without BN",
            f"A run that diverged counts as chance; dotted: {percent(TRAINS)}.",
            "lr",
            final_accuracy,
            "test accuracy",
            Layout(columns=CELLS[0]),
            (0, 1),
            TRAINS,
        )
    }
