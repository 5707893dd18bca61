"""Later work (Wu & He 2018, Ioffe 2017): small mini-batches hurt BN, its alternatives less.

What small mini-batches cost a network is its final test accuracy at 60 examples, the paper's mini-batch, minus that at
2 and 4. All networks take as many steps, so small mini-batches also mean fewer examples and noisier gradients: the
network without a norm shows what that alone costs, and is the control.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from matplotlib.figure import Figure

from bnexp.claims import drawing, panels
from bnexp.claims.accuracy import RULE, SMALLEST, final_accuracy
from bnexp.claims.judging import BN, PLAIN, Judgement, Statement, contrast, having, in_points, judged
from bnexp.runs.records import Record, Records
from bnexp.stats import paired, t_interval

SMALL = (2, 4)
"""Examples in the mini-batches called small."""

REFERENCE = 60
"""The paper's mini-batch on MNIST."""

ALTERNATIVES = ("layer", "group", "batch_renorm")

PAPER = "Not in the paper. Wu & He: with mini-batches of 2, BN's error is 10.6 points above group norm's (ResNet-50)."


def judge(records: Records) -> list[Judgement]:
    """`small-batch-bn`, `small-batch-NORM` for each alternative, and `large-batch-bn`."""
    runs = records.runs
    largest = max((run.value("batch") for run in runs), default=0)
    large = having(runs, {"batch": largest})
    gain = t_interval(contrast(having(large, {"norm": BN}), having(large, {"norm": PLAIN}), final_accuracy))
    return [
        _dearer(runs, "small-batch-bn", PLAIN, "Small mini-batches cost a network with BN more than one without."),
        *(
            _dearer(
                runs,
                f"small-batch-{norm}",
                norm,
                f"Small mini-batches cost a network with {drawing.name(norm)} less than BN.",
            )
            for norm in ALTERNATIVES
        ),
        judged(
            Statement(
                "large-batch-bn",
                "–",
                "With large mini-batches, the network with BN ends at a higher test accuracy than the one without.",
                PAPER,
            ),
            gain,
            f"at {largest:,} examples: {in_points(gain)}" if runs else in_points(gain),
            RULE,
            smallest=SMALLEST,
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


def cost(runs: Sequence[Record]) -> dict[int, float]:
    """By seed: accuracy at the reference minus the mean over the small mini-batches, for seeds that have both."""
    costs = {}
    for seed in sorted({run.seed for run in runs}):
        by_batch = {run.value("batch"): final_accuracy(run) for run in having(runs, {"seed": seed})}
        small = [by_batch[batch] for batch in SMALL if batch in by_batch]
        if small and REFERENCE in by_batch:
            costs[seed] = by_batch[REFERENCE] - statistics.fmean(small)
    return costs


def _dearer(runs: Sequence[Record], name: str, other: str, claim: str) -> Judgement:
    bn, against = (cost(having(runs, {"norm": norm})) for norm in (BN, other))
    interval = t_interval(paired(bn, against))
    both = sorted(bn.keys() & against.keys())
    said = " and ".join(
        f"{100 * statistics.fmean(own[seed] for seed in both):.1f} points ({drawing.name(norm)})"
        for norm, own in ((BN, bn), (other, against))
        if both
    )
    measured = f"cost {said}, a difference of {in_points(interval)}" if both else in_points(interval)
    return judged(Statement(name, "–", claim, PAPER), interval, measured, RULE, smallest=SMALLEST)
