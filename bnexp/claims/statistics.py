"""§3.1: what a network with BN is evaluated with, and the trap in it.

All arms of a seed are the same network at every step, so that they are compared seed by seed; only inference differs.
The reference is Algorithm 2 with 100 mini-batches; that 1,000 change nothing is the control that the reference is
right. Small mini-batches have statistics that are far from the population's (Wu & Johnson 2021). Moving averages lag
behind the weights, so that Figure 1(c) drawn with them shows a wobble that the distributions
do not have.
"""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from bnexp.claims.accuracy import ACCURACY, SMALLEST
from bnexp.claims.stability import typical_unit, wander_of, wandering
from bnexp.drawing import plots
from bnexp.judging.claim import BN, PLAIN, TREATED, Claim, Control, Paper, Quantity, Rule, Settings, of_run
from bnexp.judging.matching import having
from bnexp.judging.measures import area, chance, points_ahead
from bnexp.judging.words import arm_name
from bnexp.runs.records import Record, Records

READS = ("percentiles", "moments")

REFERENCE = 100
"""Mini-batches."""

MOMENTUM = 0.1
"""Of the moving averages judged: what is usual."""

USUAL, SMALL = 60, 6
"""Examples in a mini-batch; the small ones are ten times as many, at a tenth of the rate, and so are those from which
Algorithm 2 takes its statistics."""


def population(batches: int, norm: Any = TREATED) -> dict[str, Any]:
    """The arm evaluated with Algorithm 2 and so many mini-batches."""
    return {"norm": norm, "norm.statistics": "population", "norm.batches": batches}


MOVING = {"norm": TREATED, "norm.statistics": "moving", "norm.momentum": MOMENTUM}


def late_accuracy(run: Record) -> float:
    """Test accuracy over the last half of the training."""
    late = run.metrics["step"] >= run.metrics["step"].iloc[-1] / 2
    return float(run.metrics["accuracy"][late].fillna(chance(run)).mean())


def _higher(
    identity: str, sentence: str, paper: str, other: Settings, quantity: Quantity = ACCURACY, batch: int = USUAL
) -> Claim:
    """That the accuracy by Algorithm 2 is higher."""
    return Claim(
        id=identity,
        source="§3.1",
        sentence=sentence,
        quantity=quantity,
        rule=Rule("difference", SMALLEST, paired=True),
        paper=Paper(paper),
        treated=population(REFERENCE * USUAL // batch),
        reference=other,
        among={"batch": batch},
    )


CLAIMS = [
    Claim(
        id="statistics-converged",
        source="§3.1",
        sentence=f"Within {{epochs}}, {REFERENCE} mini-batches are enough for Algorithm 2: 1,000 give the same "
        "accuracy.",
        quantity=ACCURACY,
        rule=Rule("equals", SMALLEST, paired=True),
        paper=Paper("Several mini-batches; how many is not said."),
        treated=population(1000),
        reference=population(REFERENCE),
        among={"batch": USUAL},
        primary=True,
        control=Control(
            "a difference would mean that the reference of the other claims is not right",
            guards=("one-batch-is-too-few", "moving-averages-lag", "moving-averages-wobble", "own-statistics"),
        ),
    ),
    _higher(
        "one-batch-is-too-few",
        "One mini-batch is too few for Algorithm 2: the test accuracy is lower, over the last half of {epochs}.",
        "Several mini-batches; how many is not said.",
        population(1),
        Quantity("test accuracy over the last half of training", of_run(late_accuracy)),
    ),
    _higher(
        "moving-averages-lag",
        f"Over {{epochs}}, moving averages (momentum {MOMENTUM:g}) give a lower test accuracy than Algorithm 2.",
        "Moving averages serve to follow the accuracy during training; no difference is mentioned.",
        MOVING,
        Quantity("test accuracy over the steps of the training", of_run(area)),
    ),
    Claim(
        id="moving-averages-wobble",
        source="§3.1, §4.1",
        sentence="Moving averages make the distributions of Figure 1(c) look less stable than they are.",
        quantity=wandering("mean"),
        rule=Rule("difference", paired=True),
        paper=Paper("Not mentioned; the figure shows the training network, normalised by its mini-batch."),
        treated=MOVING,
        reference=population(REFERENCE),
        among={"batch": USUAL},
    ),
    _higher(
        "own-statistics",
        "Within {epochs}, population statistics give a higher test accuracy than those of the test mini-batch of 60.",
        "Population statistics are used because the output shall depend on the input alone; accuracy is not named.",
        {"norm": TREATED, "norm.statistics": "batch"},
    ),
    _higher(
        "small-batches-moving",
        f"Trained on mini-batches of {SMALL}, a network has a higher test accuracy with Algorithm 2 than with moving "
        f"averages (momentum {MOMENTUM:g}), over {{epochs}}.",
        "Moving averages serve to follow the accuracy during training; no difference is mentioned.",
        MOVING,
        Quantity("test accuracy over the steps of the training", of_run(area)),
        SMALL,
    ),
    _higher(
        "small-batches-own",
        f"Trained on mini-batches of {SMALL}, a network has a higher test accuracy with population statistics than "
        "with those of a test mini-batch as small, within {epochs}.",
        "Population statistics are used because the output shall depend on the input alone; accuracy is not named.",
        {"norm": TREATED, "norm.statistics": "batch"},
        batch=SMALL,
    ),
]


def arm(run: Record) -> str:
    """How a network is evaluated, in words."""
    if run.norm == PLAIN:
        return PLAIN
    how = run.value("norm.statistics")
    if how == "population":
        return f"Algorithm 2, k = {run.value('norm.batches'):,}"
    return f"moving averages, {run.value('norm.momentum'):g}" if how == "moving" else "test batch's own"


SHOWN = {
    "statistics_accuracy": ("one-batch-is-too-few", "moving-averages-lag", "own-statistics"),
    "statistics_small": ("small-batches-moving", "small-batches-own"),
    "wander": ("moving-averages-wobble",),
    "statistics_trap": ("moving-averages-wobble",),
}


def figures(records: Records) -> dict[str, Figure]:
    """`statistics_accuracy` minus that by Algorithm 2, and so with small mini-batches; `wander`; `statistics_trap`."""
    usual = records.of(having(records.runs, {"batch": USUAL}))
    small = records.of(having(records.runs, {"batch": SMALL}))
    made = _minus_algorithm_2("statistics_accuracy", usual, REFERENCE)
    if not made:
        return {}
    made |= _minus_algorithm_2("statistics_small", small, REFERENCE * USUAL // SMALL)
    return made | _trap(usual) | wander_of(usual, arm)


def _minus_algorithm_2(name: str, records: Records, batches: int) -> dict[str, Figure]:
    """What other statistics give, beside Algorithm 2 from so many mini-batches."""
    reference = having(records.runs, population(batches, BN))
    seeds = {run.seed for run in reference}
    shown = [run for run in records.runs if run.norm == BN and run.seed in seeds and run not in reference]
    if not shown:
        return {}
    size = shown[0].value("batch")
    return {
        name: plots.dots(
            records.of(shown),
            "Test accuracy of the same networks under other statistics at inference, minus that by Algorithm 2",
            f"Points; mini-batches of {size}, Algorithm 2 with k = {batches:,}. The number behind moving averages is "
            "their momentum.",
            {
                "points at the end": points_ahead(reference, lambda run: run.seed),
                "points, mean over the steps": points_ahead(reference, lambda run: run.seed, area),
            },
            arm=arm,
        )
    }


def _trap(records: Records) -> dict[str, Figure]:
    """Figure 1(b, c) by each of the statistics, on the first seed."""
    reference = {run.seed: run for run in having(records.runs, population(REFERENCE, BN))}
    first = min(reference)
    unit = reference[first].percentiles
    if unit is None:
        return {}
    of_seed = {arm(run): run for run in having(records.runs, {"seed": first}) if run.percentiles is not None}
    wanted = (PLAIN, arm(reference[first]), "moving averages, 0.1", "moving averages, 0.01", "test batch's own")
    return {
        "statistics_trap": plots.fans(
            records,
            "The trap in Figure 1(b, c): the same network with BN under different statistics at inference",
            "15th, 50th and 85th percentile of the input of one unit of the last hidden layer over the test images, "
            "first seed. All panels but the one without BN show the same weights at every step.",
            {arm_name(name): (of_seed[name], typical_unit(unit)) for name in wanted if name in of_seed},
            None,
        )
    }
