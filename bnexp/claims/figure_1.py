"""§4.1, Figure 1: test accuracy, and how the last hidden layer's inputs are distributed, on binary images.

With BN, what is drawn is the training network, as in the paper, which normalises by its mini-batch, and beside it the
network as it is used, with the statistics of Algorithm 2 and with moving averages. Judged is the network as it is used:
the mean and the variance of the training network's inputs are β and γ² by construction.
"""

from __future__ import annotations

from dataclasses import replace

from matplotlib.figure import Figure

from bnexp.claims import accuracy, speed, stability
from bnexp.judging.claim import BN, PLAIN, TREATED, Claim, Of
from bnexp.judging.matching import having
from bnexp.judging.words import arm_name
from bnexp.runs.records import Records

READS = ("percentiles", "moments")

USED = ("population", None)
AMONG_USED = Of("among", USED)
AS_USED = {"norm": TREATED, "norm.statistics": AMONG_USED}
"""The treated network; one without statistics of its own has no such setting."""

SETTING = "lr 0.1, N(0, 0.05²)"
"""One setting of many; `mnist_table` has the others, and what is left of the gap at each network's own best."""

DRAWN = {
    "without BN": {"norm": PLAIN},
    "with BN, as it trains": {"norm": BN, "norm.statistics": "batch"},
    "as it is used, by Algorithm 2": {"norm": BN, "norm.statistics": "population"},
    "as it is used, by moving averages": {"norm": BN, "norm.statistics": "moving"},
}


def _on(images: str, claim: Claim) -> Claim:
    suffix = "" if images == "binary" else f"-{images}"
    return replace(
        claim,
        id=f"{claim.id}{suffix}",
        sentence=f"{claim.sentence.removesuffix('.')} ({images} images, {SETTING}).",
        treated=AS_USED,
        among={"data.binarize": images == "binary"},
        primary=claim.primary and images == "binary",
    )


CLAIMS = [
    *(_on("binary", claim) for claim in (*accuracy.CLAIMS, *speed.CLAIMS, *stability.CLAIMS)),
    *(_on("grey", claim) for claim in (*accuracy.CLAIMS, *speed.CLAIMS, *stability.CLAIMS[:2])),
]

SHOWN = {
    "figure_1a_grey": ("higher-accuracy-grey", "fewer-steps-95-grey"),
    "figure_1bc": ("stable-mean", "stable-spread"),
    "wander": ("stable-mean", "stable-spread"),
}


def figures(records: Records) -> dict[str, Figure]:
    """`figure_1a` on binary and grey images, `figure_1bc` by each of BN's statistics or each norm, and `wander`."""
    made: dict[str, Figure] = {}
    for suffix, images, binary in (("", ", binary images", True), ("_grey", ", grey images", False)):
        runs = [r for r in records.runs if r.value("data.binarize") is binary and r.value("norm.statistics") in USED]
        made |= {f"{stem}{suffix}": f for stem, f in accuracy.figures(records.of(runs), images).items()}
    binary_runs = having(records.runs, {"data.binarize": True})
    others = dict.fromkeys(run.norm for run in binary_runs if run.norm not in (PLAIN, BN))
    drawn = DRAWN if not others else {arm_name(norm): {"norm": norm} for norm in (PLAIN, BN, *others)}
    made |= stability.fan_of(records, {name: having(binary_runs, arm) for name, arm in drawn.items()})
    return made | stability.wander_of(records.of(having(binary_runs, {"norm.statistics": AMONG_USED})))
