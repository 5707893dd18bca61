"""Bjorck et al. 2018: what BN gains, it gains by the larger learning rates that it allows.

So BN is put at the rate that suits the network without it best, and that network at BN's; both are chosen on tuning
seeds, but for the part that is due to the rate, which is a number of all judged seeds and chooses by these. How much of
the gain is the rate's is told on logarithms: the paper's 14 times fewer steps, of which 2.3 are left at Inception's
rate, are so by 69 %.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from matplotlib.figure import Figure

from bnexp.claims.mechanisms import CELLS, HARDLY, STEPS, THAT_FAIL, steps_to_target, target
from bnexp.drawing import plots
from bnexp.drawing.plots import Layout
from bnexp.judging.claim import BN, PLAIN, TREATED, Claim, Control, Of, Paper, Quantity, Rule, Settings
from bnexp.judging.matching import choose, having, judged
from bnexp.judging.measures import TRAINS, final_accuracy, length
from bnexp.judging.words import percent
from bnexp.runs.records import Record, Records

SHOWS_TUNING = True

SOURCE = "Bjorck et al. 2018"
LITTLE = "ResNet-110, CIFAR-10: at the plain network's rate BN gains little (Bjorck et al. 2018)"


HALF = 0.5
PRINTED = 1 - math.log(31.0 / 13.3) / math.log(31.0 / 2.1)
"""By Figure 3: of the logarithm of what BN-x5 saves, the part that is gone at Inception's rate."""


def _claim(
    identity: str,
    sentence: str,
    rule: Rule,
    paper: Paper,
    best_of: Settings | None = None,
    control: Control | None = None,
) -> Claim:
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
        primary=identity == "own",
        control=control,
    )


def due_to_the_rate(runs: Sequence[Record]) -> float | None:
    """Of the logarithm of what BN saves at its own best rate, the part that is gone at the plain network's best.

    Of all seeds together; rates by the validation images of these runs. None where nothing is saved, or none measured.
    """
    arms = having(runs, {"norm": PLAIN}), [run for run in runs if run.norm != PLAIN]
    rates = [choice.settings["lr"] for arm in arms if (choice := choose(arm, ("lr",)))]
    if len(rates) < len(arms):
        return None
    pairs = ((arms[0], rates[0]), (arms[1], rates[0]), (arms[1], rates[1]))
    steps = [[(steps_to_target([run]), length(run)) for run in having(arm, {"lr": lr})] for arm, lr in pairs]
    logs = [[math.log(min(to, whole)) for to, whole in of_arm if to is not None] for of_arm in steps]
    if not all(logs):
        return None
    plain, moved, best = map(statistics.fmean, logs)
    return (moved - best) / (plain - best) if plain > best else None


CLAIMS = [
    Claim(
        "step-size-share",
        SOURCE,
        "More than half of what BN saves of the steps to {target} at its own best rate, on logarithms, is gone "
        "at the rate that suits the network without BN best, whatever the nonlinearity.",
        Quantity("part of what is saved", due_to_the_rate, "share", over=("norm", "lr"), pooled=True, target=target),
        Rule("difference", target=HALF, universal=True),
        Paper("BN-Baseline 2.3 times fewer steps, BN-x5 14 times: 69 %.", PRINTED - HALF, LITTLE),
        {"norm": Of("among", (PLAIN, BN))},
        None,
        cells=CELLS,
        primary=True,
    ),
    _claim(
        "gain",
        f"At the rate that suits the network without BN best, BN saves at most a factor of {HARDLY:g} of the steps "
        "to {target}",
        Rule("no_worse", math.log(HARDLY), universal=True),
        Paper("Not separated: BN-Baseline, at Inception's rate, takes 2.3 times fewer.", 31.0 / 13.3, LITTLE),
        {"norm": PLAIN},
    ),
    _claim(
        "own",
        "Each at its own best rate, BN reaches {target} in fewer steps",
        Rule("time", less=True, universal=True),
        Paper("BN-x5: 14 times fewer steps.", 31.0 / 2.1),
        control=Control(
            "No fewer steps would say that there is nothing that a rate could be the reason of.",
            guards=("step-size-share",),
        ),
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
