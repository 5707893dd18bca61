"""What the mechanisms' claims share: they are judged on the network of §4.1 and on a small Inception.

This is no subject; those that are import it.
"""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from bnexp.claims.inception import learns, target_of
from bnexp.claims.lr_tolerance import NEAR
from bnexp.drawing import plots
from bnexp.drawing.plots import Layout
from bnexp.judging.claim import Quantity, of_run
from bnexp.judging.matching import judged
from bnexp.judging.measures import TRAINS, final_accuracy, steps_to_reach
from bnexp.runs.records import Record, Records

CELLS = ("model.activation",)

DIGITS = ("mnist", "digits")

ALIKE = 1.5
"""Times the steps that are as many: ten seeds tell a factor of 1.2 to 1.4."""

LONGER = 1.25
"""Times as long, or as high, that count as longer or higher."""

RATES = {False: "at the rate that suits the network without BN best", True: "each at its own best rate"}
"""In words, the learning rates of two networks; by whether each has its own."""

AT_THE_END = "measured at the end of the training"
"""What is said of a figure of what probes measure then."""


def target(run: Record) -> float | None:
    """The accuracy near the end to which steps are counted: of pictures what Inception reaches on tuning seeds."""
    return NEAR if run.fields["data.name"] in DIGITS else target_of(run)


def steps_to_target(runs: Sequence[Record]) -> float | None:
    """Infinity for never; None where there is no target."""
    (run,) = runs
    accuracy = target(run)
    return None if accuracy is None else steps_to_reach(accuracy)(run)


def trains(run: Record) -> float:
    """Whether a network ends at 90 % on digits; on pictures, whether it has learnt anything."""
    return float(final_accuracy(run) >= TRAINS) if run.fields["data.name"] in DIGITS else learns(run)


def curves_to_target(records: Records, stem: str, title: str) -> dict[str, Figure]:
    """Test accuracy of every norm at its own best learning rate, with the target; nothing where no run is judged."""
    if not (runs := judged(records.runs)):
        return {}
    return plots.curves_at_best(records, stem, ("norm", *CELLS), title, Layout(columns=CELLS[0]), target(runs[0]))


STEPS = Quantity("steps to the target", steps_to_target, "ratio", target=target)
THAT_FAIL = Quantity("networks that do not train", of_run(lambda run: 1.0 - trains(run)), "share")
