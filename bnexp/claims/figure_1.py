"""§4.1, Figure 1: test accuracy, and how the last hidden layer's inputs are distributed, on binary images.

With BN, what is drawn is the training network, as in the paper, which normalises by its mini-batch, and beside it the
network as it is used, with the statistics of Algorithm 2 and with moving averages. Judged is the network as it is used:
the mean and the variance of the training network's inputs are β and γ² by construction.
"""

from __future__ import annotations

from dataclasses import replace

from matplotlib.figure import Figure

from bnexp.claims import accuracy, speed, stability
from bnexp.claims.claim import BN, TREATED, Claim, Of
from bnexp.claims.matching import having
from bnexp.runs.records import Records

READS_PERCENTILES = True

AS_USED = {"norm": TREATED, "norm.statistics": Of("among", ("population", None))}
"""The treated network; one without statistics of its own has no such setting."""

DRAWN = {
    "figure_1c": ("batch", "with BN, as it trains"),
    "figure_1c_population": ("population", "with BN, as it is used, by Algorithm 2"),
    "figure_1c_moving": ("moving", "with BN, as it is used, by moving averages"),
}


def _on(images: str, claim: Claim) -> Claim:
    suffix = "" if images == "binary" else f"-{images}"
    return replace(
        claim,
        id=f"{claim.id}{suffix}",
        sentence=f"{claim.sentence.removesuffix('.')} ({images} images).",
        treated=AS_USED,
        among={"data.binarize": images == "binary"},
        primary=claim.primary and images == "binary",
    )


CLAIMS = [
    *(_on("binary", claim) for claim in (*accuracy.CLAIMS, *speed.CLAIMS, *stability.CLAIMS)),
    *(_on("grey", claim) for claim in (*accuracy.CLAIMS, *speed.CLAIMS, *stability.CLAIMS[:2])),
]


def figures(records: Records) -> dict[str, Figure]:
    """`figure_1a` on binary and grey images, `figure_1b`, `figure_1c` by each of BN's statistics, and `wander`."""
    made: dict[str, Figure] = {}
    for binary in (True, False):
        of_images = having(records.runs, {"data.binarize": binary})
        runs = [run for run in of_images if run.value("norm.statistics") in ("population", None)]
        if runs:
            suffix = "" if binary else "_grey"
            made |= {f"{stem}{suffix}": f for stem, f in accuracy.figures(replace(records, runs=runs)).items()}
        if not (runs and binary):
            continue
        subset = replace(records, runs=runs)
        made |= {stem: f for stem, f in stability.figures(subset).items() if stem != "figure_1c"}
        for stem, (statistics, called) in DRAWN.items():
            drawable = having(of_images, {"norm": BN, "norm.statistics": statistics})
            if drawable and drawable[0].percentiles is not None:
                made[stem] = stability.draw_percentiles(records, drawable[0], "c", called)
    return made
