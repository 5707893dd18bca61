"""§4.1, Figure 1(a): the network with BN ends at a higher test accuracy."""

from __future__ import annotations

from matplotlib.figure import Figure

from bnexp.claims.speed import TARGETS
from bnexp.drawing import plots
from bnexp.judging.claim import Claim, Paper, Quantity, Rule, of_run
from bnexp.judging.measures import common_chance, final_accuracy
from bnexp.judging.words import percent
from bnexp.runs.records import Records

SMALLEST = 0.001
"""The smallest difference that counts: 0.1 points, ten of MNIST's 10,000 test images. A smaller one would matter to
nobody, and with enough seeds any difference lies outside 0."""

ACCURACY = Quantity("final test accuracy", of_run(final_accuracy), of_images=True)

PAPER = Paper("No number is printed; the curve with BN ends above the other after 50,000 steps.")

CLAIMS = [
    Claim(
        id="higher-accuracy",
        source="§4.1, Figure 1(a)",
        sentence="Within {epochs}, the network with BN ends at a higher test accuracy than the same network without.",
        quantity=ACCURACY,
        rule=Rule("difference", SMALLEST),
        paper=PAPER,
        primary=True,
    )
]


def figures(records: Records, images: str = "") -> dict[str, Figure]:
    """`figure_1a`: test accuracy against training steps; `images` says of which kind."""
    if not records.runs:
        return {}
    lowest = 0.7 if min(map(final_accuracy, records.runs)) > 0.7 else 0.0  # of a short training there is less to see
    axis = "The vertical axis is the paper's; a" if lowest else "A"
    return {
        "figure_1a": plots.curves(
            records,
            f"Test accuracy during training{images} — as Figure 1(a)",
            f"{axis} network that diverged counts as chance ({percent(common_chance(records.runs))}).",
            "accuracy",
            "test accuracy",
            limits=(lowest, 1),
            fill=common_chance(records.runs),
            mark=TARGETS[0],
            linear=True,
        )
    }
