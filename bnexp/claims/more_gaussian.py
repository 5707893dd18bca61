"""§3.2: BN stands before the nonlinearity because what an affine map puts out is more nearly Gaussian.

Skewness and excess kurtosis, in size, of what goes into the nonlinearities and of what comes out of them in the same
network, in the layer where the outputs have the least lead; medians over the units, means over the steps. BN itself
changes neither.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from bnexp.claims.mechanisms import CELLS
from bnexp.drawing import plots
from bnexp.judging.claim import PLAIN, TREATED, Claim, Control, Paper, Quantity, Rule, of_run
from bnexp.judging.measures import after_start
from bnexp.runs.records import Record, Records

SHOWS_TUNING = True

COUNTS = 0.1
"""The smallest difference of skewness, or of excess kurtosis, that counts."""

WORDS = {"skew": "skewness", "tails": "excess kurtosis"}


def lead(metric: str) -> Callable[[Record], float | None]:
    """By how much more the outputs have of it than the inputs, in the layer in which that is least."""

    def measure(run: Record) -> float | None:
        into, out = (
            after_start(run).filter(regex=f"^{metric}_{which}/").to_numpy(dtype=float) for which in ("in", "out")
        )
        return _least(out - into)

    return measure


def of_outputs(metric: str) -> Callable[[Record], float | None]:
    """What the outputs have of it, in the layer in which that is least."""
    return lambda run: _least(after_start(run).filter(regex=f"^{metric}_out/").to_numpy(dtype=float))


def _least(table: np.ndarray) -> float | None:
    """Of `[steps, layers]` the least of the layers' means over the steps; None where nothing is finite."""
    by_layer = table[np.isfinite(table).all(axis=1)].mean(axis=0) if table.size else np.array([])
    return float(by_layer.min()) if np.isfinite(by_layer).any() else None


CLAIMS = [
    *(
        Claim(
            f"gaussian-{metric}{suffix}",
            "§3.2",
            f"{which} BN, the {words} of what goes into the nonlinearities is smaller in size than that of what comes "
            "out, in every layer and whatever the nonlinearity.",
            Quantity(f"{words} of outputs minus that of inputs, least layer", of_run(lead(metric)), "deviations"),
            Rule("difference", COUNTS, universal=True),
            Paper("The affine map's output is more likely to have a symmetric, non-sparse distribution."),
            {"norm": norm},
            None,
            cells=CELLS,
            selected=("lr",),
            primary=norm is TREATED,
        )
        for metric, words in WORDS.items()
        for which, suffix, norm in (("With", "", TREATED), ("Without", "-without", PLAIN))
    ),
    *(
        Claim(
            f"gaussian-{metric}-relu",
            "§3.2",
            f"With BN, the size of the {words} of what comes out of ReLUs is above {COUNTS:g} in every layer.",
            Quantity(f"{words} of outputs, least layer", of_run(of_outputs(metric)), "deviations"),
            Rule("difference", target=COUNTS),
            Paper("Not said."),
            {"norm": TREATED},
            None,
            among={"model.activation": "relu"},
            selected=("lr",),
            control=Control(
                "Outputs without any would say that it is not seen, or that inputs can have no less.",
                guards=(f"gaussian-{metric}", f"gaussian-{metric}-without"),
            ),
        )
        for metric, words in WORDS.items()
    ),
]


def figures(records: Records) -> dict[str, Figure]:
    """`more_gaussian`: by how much more the outputs have than the inputs, a dot a run."""
    measures = {f"{words}, outputs − inputs": lead(metric) for metric, words in WORDS.items()}
    title = "How much further from Gaussian nonlinearities' outputs are than their inputs"
    when = "in the layer in which that is least, mean of the steps after the first tenth"
    return plots.probes_of(records, "more_gaussian", title, measures, log=False, when=when)
