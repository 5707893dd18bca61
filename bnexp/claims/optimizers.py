"""Popular accounts: BN helps under any optimizer. Each arm at its own best learning rate, as in `lr_tolerance`."""

from __future__ import annotations

from matplotlib.figure import Figure

from bnexp.claims import panels
from bnexp.claims.claim import Paper
from bnexp.claims.lr_tolerance import own_best, wider
from bnexp.claims.measures import TRAINS, final_accuracy
from bnexp.claims.panels import Layout
from bnexp.claims.words import percent
from bnexp.runs.records import Records

NAMES = {"sgd": "plain SGD", "momentum": "SGD with momentum", "adam": "Adam"}
SECTION = "4.2"
PAPER = Paper("SGD with momentum on ImageNet; other optimizers are not tried.")

CLAIMS = [
    claim
    for optimizer, called in NAMES.items()
    for claim in (
        *own_best(
            (f"optimizer-{optimizer}", f"optimizer-speed-{optimizer}"),
            SECTION,
            (
                f"Under {called}, each network at its own best learning rate, the network with BN ends at a higher "
                "test accuracy.",
                f"Under {called}, each network at its own best learning rate, the network with BN reaches "
                f"{percent(TRAINS)} in fewer steps.",
            ),
            (PAPER, PAPER),
            {"optimizer.name": optimizer},
        ),
        wider(
            f"optimizer-range-{optimizer}",
            SECTION,
            f"Under {called}, BN trains over a wider range of learning rates.",
            PAPER,
            {"optimizer.name": optimizer},
        ),
    )
]


def figures(records: Records) -> dict[str, Figure]:
    """`optimizers`: final accuracy against the learning rate under each optimizer."""
    if not records.runs:
        return {}
    return {
        "optimizers": panels.lines(
            records,
            "Final test accuracy against the learning rate under three optimizers",
            "A run that diverged counts as chance.",
            "lr",
            final_accuracy,
            "test accuracy",
            Layout(columns="optimizer.name"),
            (0, 1),
        )
    }
