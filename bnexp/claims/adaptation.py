"""§5: recomputing the population statistics adapts a network to another domain.

The networks are trained on digits as they are, and tested on digits inverted, rotated, blurred, faint and noisy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.figure import Figure

from bnexp.claims.mechanisms import CELLS
from bnexp.drawing import plots
from bnexp.judging.claim import PLAIN, TREATED, Claim, Paper, Quantity, Rule
from bnexp.judging.measures import metric_at_end
from bnexp.judging.words import percent
from bnexp.runs.records import Record, Records

SHOWS_TUNING = True

HALF = 0.5
LEAST = 0.05
"""The loss of accuracy, mean over the seeds, of which a part can be told on 2,000 images."""

SHIFTS = {
    "inverted": "inverted",
    "rotated": "rotated by 30°",
    "blurred": "blurred",
    "faint": "of 0.3 times the contrast",
    "noisy": "under noise of 0.5",
}


def brought_back(shift: str) -> Callable[[Sequence[Record]], float | None]:
    """The part of the accuracy lost, mean over the runs, that other statistics bring back."""

    def measure(runs: Sequence[Record]) -> float | None:
        names = ("unchanged", f"kept/{shift}", f"recomputed/{shift}")
        known = [tuple(metric_at_end(name)(run) for name in names) for run in runs]
        rows = [row for row in known if None not in row]
        if not rows:
            return None
        unchanged, kept, other = np.array(rows, dtype=float).mean(0)
        return float((other - kept) / (unchanged - kept)) if unchanged - kept > LEAST else None

    return measure


CLAIMS = [
    Claim(
        f"adapts-{shift}",
        "§5",
        f"On digits {words}, recomputed population statistics bring back more than half of what is lost, whatever the "
        f"nonlinearity with which more than {percent(LEAST)} is lost.",
        Quantity("part of the lost accuracy that is brought back", brought_back(shift), "share", pooled=True),
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
    measures = {words: _of_one(brought_back(shift)) for shift, words in SHIFTS.items()}
    title = "Part of the accuracy lost on other domains that recomputed statistics bring back"
    return plots.probes_of(normed, "adaptation", title, measures, log=False)


def _of_one(measure: Callable[[Sequence[Record]], float | None]) -> Callable[[Record], float | None]:
    return lambda run: measure([run])
