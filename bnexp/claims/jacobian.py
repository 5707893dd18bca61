"""§3.3: the conjecture that BN brings the singular values of layer Jacobians near 1.

Jacobians are from the inputs of one nonlinearity to those of the next, both in their own standard deviations. How far
the logarithms of their singular values spread, and how far their median is from 0.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from bnexp.claims.mechanisms import CELLS
from bnexp.drawing import plots
from bnexp.judging.claim import Claim, Paper, Quantity, Rule, Unit, of_run
from bnexp.judging.measures import after_start, probed
from bnexp.runs.records import Record, Records

SHOWS_TUNING = True

COUNTS = 0.1
"""Decades, or parts of the root mean square: the smallest difference that counts."""

PAPER = Paper("Conjectured: singular values close to 1, which preserves the size of gradients.")


def spread_at_first(run: Record) -> float | None:
    """The spread of the singular values at initialisation, mean over the layers."""
    first = run.metrics.filter(regex="^jacobian_spread/").iloc[:1].to_numpy(dtype=float)
    return float(first.mean()) if first.size and np.isfinite(first).all() else None


def off_centre(run: Record) -> float | None:
    """How far the median is from 1, mean over layers and steps after start-up."""
    medians = after_start(run).filter(regex="^jacobian_median/").to_numpy(dtype=float)
    return float(np.nanmean(np.abs(medians))) if np.isfinite(medians).any() else None


MEASURES: dict[str, tuple[str, Callable[[Record], float | None], str, Unit]] = {
    "unequal": (
        "spread of all singular values, of their root mean square",
        probed("jacobian_unequal"),
        "are more nearly equal over the training, those that are 0 among them",
        "parts",
    ),
    "spread": (
        "spread of the singular values' logarithms",
        probed("jacobian_spread"),
        "spread less over the training, where they are not 0",
        "decades",
    ),
    "spread-start": ("the same at step 0", spread_at_first, "spread less at initialisation", "decades"),
    "median": (
        "distance of their median from 1",
        off_centre,
        "have a median nearer to 1 over the training, between normalised inputs",
        "decades",
    ),
}

LABELS = {
    "unequal": "inequality",
    "spread": "spread, decades",
    "spread-start": "spread at step 0, decades",
    "median": "distance of the median from 1, decades",
}
"""Of the figure's axes."""

CLAIMS = [
    Claim(
        f"jacobian-{identity}",
        "§3.3",
        f"With BN, the singular values of layer Jacobians {words}, each at its own best rate, whatever the "
        "nonlinearity.",
        Quantity(name, of_run(measure), unit),
        Rule("difference", COUNTS, less=True, universal=True),
        PAPER,
        cells=CELLS,
        selected=("lr",),
        primary=identity in ("spread", "median"),
    )
    for identity, (name, measure, words, unit) in MEASURES.items()
]


def figures(records: Records) -> dict[str, Figure]:
    """`jacobian`: spread and median, a dot a run."""
    return plots.probes_of(
        records,
        "jacobian",
        "Singular values of layer Jacobians",
        {LABELS[identity]: measure for identity, (_, measure, _, _) in MEASURES.items()},
        when="means over the layers, and but for step 0 over the steps after the first tenth",
    )
