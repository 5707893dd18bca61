"""Later work (Wu & He 2018, Ioffe 2017): small mini-batches hurt BN, its alternatives less.

What small mini-batches cost a network is its final test accuracy at 60 examples, the paper's mini-batch, minus that at
2 and 4. All networks take as many steps, so small mini-batches also mean fewer examples and noisier gradients: the
network without a norm shows what that alone costs, and is the control.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from matplotlib.figure import Figure

from bnexp.claims import panels
from bnexp.claims.accuracy import ACCURACY, SMALLEST
from bnexp.claims.claim import LARGEST, PLAIN, TREATED, Claim, Paper, Quantity, Rule
from bnexp.claims.matching import having
from bnexp.claims.measures import final_accuracy
from bnexp.claims.words import arm_name
from bnexp.runs.records import Record, Records

SMALL = (2, 4)
"""Examples in the mini-batches called small."""

REFERENCE = 60
"""The paper's mini-batch on MNIST."""

ALTERNATIVES = ("layer", "group", "batch_renorm")

PAPER = Paper(
    "Not in the paper. Wu & He: with mini-batches of 2, BN's error is 10.6 points above group norm's (ResNet-50)."
)


def cost(runs: Sequence[Record]) -> float | None:
    """Accuracy at the reference minus the mean over the small mini-batches."""
    by_batch = {run.value("batch"): final_accuracy(run) for run in runs}
    small = [by_batch[batch] for batch in SMALL if batch in by_batch]
    return by_batch[REFERENCE] - statistics.fmean(small) if small and REFERENCE in by_batch else None


def _dearer(identity: str, other: str, sentence: str) -> Claim:
    return Claim(
        id=identity,
        source="–",
        sentence=sentence,
        quantity=Quantity("what small mini-batches cost", cost, over=("batch",)),
        rule=Rule("difference", SMALLEST),
        treated={"norm": TREATED},
        reference={"norm": other},
        paper=PAPER,
    )


CLAIMS = [
    _dearer("small-batch-bn", PLAIN, "Small mini-batches cost a network with BN more than one without."),
    *(
        _dearer(f"small-batch-{norm}", norm, f"Small mini-batches cost a network with {arm_name(norm)} less than BN.")
        for norm in ALTERNATIVES
    ),
    Claim(
        id="large-batch-bn",
        source="–",
        sentence="With large mini-batches, the network with BN ends at a higher test accuracy than the one without.",
        quantity=ACCURACY,
        rule=Rule("difference", SMALLEST),
        treated={"norm": TREATED},
        reference={"norm": PLAIN},
        among={"batch": LARGEST},
        paper=PAPER,
    ),
]


def figures(records: Records) -> dict[str, Figure]:
    """`batch_size`: final accuracy against the mini-batch's size; `batch_size_excess`: minus that without a norm."""
    if not records.runs:
        return {}
    plain = {(run.seed, run.value("batch")): final_accuracy(run) for run in having(records.runs, {"norm": PLAIN})}

    def excess(run: Record) -> float:
        return 100 * (final_accuracy(run) - plain.get((run.seed, run.value("batch")), float("nan")))

    return {
        "batch_size": panels.lines(
            records,
            "Final test accuracy by the size of the mini-batches",
            "A run that diverged counts as chance; all take the same number of steps.",
            "batch",
            final_accuracy,
            "test accuracy",
        ),
        "batch_size_excess": panels.lines(
            records,
            "What a norm adds, by the size of the mini-batches",
            "Final test accuracy minus that of the network without a norm, of the same seed and mini-batches.",
            "batch",
            excess,
            "percentage points",
        ),
    }
