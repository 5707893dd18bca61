"""§5: recomputing the population statistics adapts a network to another domain.

The networks are trained on digits as they are, and tested on digits inverted, rotated, blurred, faint and noisy.
"""

from __future__ import annotations

from collections.abc import Callable

from matplotlib.figure import Figure

from bnexp.claims.mechanisms import CELLS
from bnexp.drawing import plots
from bnexp.judging.claim import PLAIN, TREATED, Claim, Paper, Quantity, Rule, of_run
from bnexp.judging.measures import metric_at_end
from bnexp.runs.records import Record, Records

SHOWS_TUNING = True

HALF = 0.5
LEAST = 0.02
"""The loss of accuracy of which a part can be told."""

SHIFTS = {
    "inverted": "inverted",
    "rotated": "rotated by 30°",
    "blurred": "blurred",
    "faint": "of 0.3 times the contrast",
    "noisy": "under noise of 0.5",
}


def recovered(shift: str) -> Callable[[Record], float | None]:
    """The part of the lost accuracy that recomputed statistics bring back."""

    def measure(run: Record) -> float | None:
        clean, kept, recomputed = (
            metric_at_end(name)(run) for name in ("clean", f"kept/{shift}", f"recomputed/{shift}")
        )
        if clean is None or kept is None or recomputed is None or clean - kept < LEAST:
            return None
        return (recomputed - kept) / (clean - kept)

    return measure


CLAIMS = [
    Claim(
        f"adapts-{shift}",
        "§5",
        f"On digits {words}, recomputed population statistics bring back more than half of what is lost, whatever the "
        "nonlinearity.",
        Quantity("part of the lost accuracy that is brought back", of_run(recovered(shift)), "share"),
        Rule("difference", target=HALF, universal=True),
        Paper("Future work: it may allow the network to generalise to new domains."),
        {"norm": TREATED},
        None,
        cells=CELLS,
        selected=("lr",),
        primary=shift in ("blurred", "noisy"),
    )
    for shift, words in SHIFTS.items()
]


def figures(records: Records) -> dict[str, Figure]:
    """`adaptation`: the part of the lost accuracy that is brought back, domain by domain."""
    normed = records.of([run for run in records.runs if run.norm != PLAIN])
    measures = {words: recovered(shift) for shift, words in SHIFTS.items()}
    title = "Part of the accuracy lost on other domains that recomputed statistics bring back"
    return plots.probes_of(normed, "adaptation", title, measures, log=False)
