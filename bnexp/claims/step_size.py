"""Bjorck et al. 2018: what BN gains, it gains by the larger learning rates that it allows.

So BN is put at the rate that suits the network without it best, where hardly anything must be left of its gain, and
that network at BN's, where it must not train. How much of the gain is the rate's is told on logarithms: the paper's 14
times fewer steps, of which 2.3 are left at Inception's rate, are so by 69 %.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bnexp.claims.lr_tolerance import HARDLY
from bnexp.claims.mechanisms import CELLS, STEPS, THAT_FAIL, steps_to_target
from bnexp.drawing import plots
from bnexp.drawing.plots import Layout
from bnexp.judging.claim import BN, PLAIN, TREATED, Claim, Control, Paper, Quantity, Rule, Settings
from bnexp.judging.matching import Choice, choose, having, judged, tuning
from bnexp.judging.measures import START, TRAINS, chance, curve, final_accuracy, growths, learnt_from, length
from bnexp.judging.words import arm_name, percent
from bnexp.runs.records import Record, Records

SHOWS_TUNING = True

SOURCE = "Bjorck et al. 2018"
LITTLE = "ResNet-110, CIFAR-10: at the plain network's rate BN gains little (Bjorck et al. 2018)"
MEANT = 20
"""Decades: more is of a gradient that has come to 0."""

STEP = 0.5
"""Decades between two rates that are tried, the smallest difference that counts."""

FEWEST = 3
"""Rates that are a grid; Inception is tried at two."""


def highest_that_survives(runs: Sequence[Record]) -> float | None:
    """Decades of the largest rate at which, after a tenth of the steps, the loss has not grown and something is learnt.

    None where none does, or where the rates are too few.
    """
    survived = [math.log10(run.fields["lr"]) for run in runs if _survives(run)]
    return max(survived, default=None) if len(runs) >= FEWEST else None


def _survives(run: Record) -> bool:
    after = run.metrics["step"] >= START * length(run)
    loss, accuracy = run.metrics["loss"], np.array(curve(run)[1])
    if not after.any() or not loss[after].iloc[0] <= loss.iloc[0]:
        return False
    return bool(accuracy[after][0] >= learnt_from(chance(run)))  # dead units leave a loss of ln 10, less than at first


def growth_before_the_end(run: Record) -> float | None:
    """Decades by which the gradient's norm grows towards the input, at the last evaluation where it is finite.

    From the last hidden layer to the second, which are of one shape; of Inception from its last module to its first.
    None where it has vanished.
    """
    if "gradient_norm/linear1" in run.metrics:
        between = growths(run)
        return None if between is None or abs(between[-1]) > MEANT else float(between[-1])
    logs = np.log10(run.metrics.filter(regex="^gradient_norm/").to_numpy(dtype=float).clip(1e-38))
    known = logs[np.isfinite(logs).all(1)] if logs.size else logs
    return float(known[-1, 0] - known[-1, -1]) if len(known) else None


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
        primary=control is None,
        control=control,
    )


CLAIMS = [
    _claim(
        "gain",
        f"At the rate that suits the network without BN best, BN saves at most a factor of {HARDLY:g} of the steps "
        "to {target}",
        Rule("no_worse", math.log(HARDLY), universal=True),
        Paper("Not separated: BN-Baseline, at Inception's rate, takes 2.3 times fewer.", 13.3 / 31.0, LITTLE),
        {"norm": PLAIN},
    ),
    _claim(
        "own",
        "Each at its own best rate, BN reaches {target} in fewer steps",
        Rule("time", less=True, universal=True),
        Paper("BN-x5: 14 times fewer steps.", 31.0 / 2.1),
        control=Control(
            "No fewer steps would say that there is nothing that a rate could be the reason of.",
            guards=("step-size-gain",),
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
        control=Control(
            "A network that trains there would say that it is not BN that allows the rate, which `step-size-gain` says "
            "in its own way."
        ),
    ),
    Claim(
        "step-size-survives",
        SOURCE,
        "With BN, networks survive larger rates: after a tenth of the steps the loss is no higher than at first, the "
        "accuracy three times chance, whatever the nonlinearity.",
        Quantity(
            "decades of the largest learning rate that is survived", highest_that_survives, "decades", over=("lr",)
        ),
        Rule("range", STEP, universal=True),
        Paper("30 times Inception's rate with BN; without, not 5 times.", outside="Bjorck et al. 2018, CIFAR-10"),
        cells=CELLS,
    ),
]


def tables(records: Records) -> dict[str, pd.DataFrame]:
    """How much of what BN saves is gone at the rate that suits the network without it best."""
    rows = []
    for kind in sorted({str(run.value(CELLS[0])) for run in judged(records.runs)}):
        runs = having(records.runs, {CELLS[0]: kind})
        choices = {norm: choose(tuning(having(runs, {"norm": norm})), ("lr",)) for norm in (PLAIN, BN)}
        if all(choices.values()):
            rows.append({"nonlinearity": kind} | _saved(runs, {norm: c for norm, c in choices.items() if c}))
    title = "What BN saves of the steps, and what of it is gone at the other network's rate (means of the logarithms)"
    return {title: pd.DataFrame(rows)} if rows else {}


def _saved(runs: Sequence[Record], choices: Mapping[str, Choice]) -> dict[str, str]:
    rates = {norm: choice.settings["lr"] for norm, choice in choices.items()}

    def log_steps(norm: str, lr: float) -> float:
        of_arm = judged(having(runs, {"norm": norm, "lr": lr}))
        taken = [(steps_to_target([run]), length(run)) for run in of_arm]
        known = [math.log(min(steps, whole)) for steps, whole in taken if steps is not None]
        return statistics.fmean(known) if known else math.nan

    plain, moved, own = log_steps(PLAIN, rates[PLAIN]), log_steps(BN, rates[PLAIN]), log_steps(BN, rates[BN])
    gone = (moved - own) / (plain - own) if plain > own else math.nan
    return {
        **{f"best rate {arm_name(norm)}": f"{lr:g}" for norm, lr in rates.items()},
        "saved at its own rate": f"{math.exp(plain - own):.2f} times",
        "at the other's": f"{math.exp(plain - moved):.2f} times",
        "gone": "–" if math.isnan(gone) else percent(gone),
    }


SHOWN = {
    "step_size": ("step-size-plain", "step-size-survives"),
    "step_size_growth": (),
}


def figures(records: Records) -> dict[str, Figure]:
    """`step_size`: final accuracy against the rate; `step_size_growth`: how the gradient grows through the layers."""
    if not (runs := judged(records.runs)):
        return {}
    made = {
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
    if grown := [run for run in runs if growth_before_the_end(run) is not None]:
        made["step_size_growth"] = plots.lines(
            records.of(grown),
            "Growth of the gradient towards the input, against the learning rate",
            "From the last hidden layer to the second, of Inception from its last module to its first: norm of the "
            "gradient by a layer's weights, at the end, or at the last evaluation before a divergence.",
            "lr",
            growth_before_the_end,
            "decades",
            Layout(columns=CELLS[0]),
        )
    return made
