"""Santurkar et al. 2018: BN makes the loss and its gradient change more smoothly along the steps that are made.

Both networks are at one rate, for what is measured grows with the steps; each at its own is beside it.
"""

from __future__ import annotations

from matplotlib.figure import Figure

from bnexp.claims.covariate_shift import COUNTS
from bnexp.claims.mechanisms import CELLS, RATES
from bnexp.drawing import plots
from bnexp.judging.claim import LARGEST, PLAIN, SMALLEST, TREATED, Claim, Control, Paper, Quantity, Rule, of_run
from bnexp.judging.measures import probed
from bnexp.runs.records import Record, Records

SHOWS_TUNING = True

MEASURES = {
    "loss_range": ("range of the loss", "the loss varies less"),
    "gradient_change": ("change of the gradient, in its own length", "the gradient changes less"),
    "smoothness": ("effective β-smoothness", "the gradient changes less by length of the way"),
}
"""By the probe's metric, its name, and what is said."""


def first_range(run: Record) -> float | None:
    """The range of the loss along the first step, before networks of other rates have become others."""
    first = float(run.metrics["loss_range"].iloc[0]) if "loss_range" in run.metrics else 0.0
    return first if first > 0 else None


CLAIMS = [
    Claim(
        f"landscape-{metric.replace('_', '-')}{'-own' * own}",
        "Santurkar et al. 2018",
        f"With BN, along a step and up to four times as far, {words}, {RATES[own]}, whatever the nonlinearity.",
        Quantity(name, of_run(probed(metric, ratio=True)), "ratio"),
        Rule("difference", COUNTS, less=True, universal=True),
        Paper("Not in the paper.", outside="So in VGG on CIFAR-10 (Santurkar et al. 2018)"),
        cells=CELLS,
        selected=("lr",),
        best_of=None if own else {"norm": PLAIN},
        primary=metric == "gradient_change" and not own,
    )
    for own in (False, True)
    for metric, (name, words) in MEASURES.items()
] + [
    Claim(
        "landscape-seen",
        "own check",
        "With BN, the loss varies more along the first step and up to four times as far at the largest learning rate "
        "than at the smallest, whatever the nonlinearity.",
        Quantity("range of the loss at step 0", of_run(first_range), "ratio"),
        Rule("difference", COUNTS, universal=True),
        Paper("–"),
        {"norm": TREATED, "lr": LARGEST},
        {"norm": TREATED, "lr": SMALLEST},
        cells=CELLS,
        control=Control(
            "No more would say that the measures do not see how far a step goes.",
            guards=tuple(f"landscape-{metric.replace('_', '-')}{own}" for metric in MEASURES for own in ("", "-own")),
        ),
    )
]


def figures(records: Records) -> dict[str, Figure]:
    """`landscape`: each measure, a dot a run."""
    return plots.probes_of(
        records,
        "landscape",
        "How smooth the loss is along the steps that are made",
        {name: probed(metric, ratio=True) for metric, (name, _) in MEASURES.items()},
        at_one_rate=True,
    )
