"""§3.1, §5: BN helps under any variant of SGD; the paper names Adagrad. Each arm at its own best learning rate."""

from __future__ import annotations

from matplotlib.figure import Figure

from bnexp.claims.lr_tolerance import own_best, wider
from bnexp.drawing import plots
from bnexp.drawing.plots import Layout
from bnexp.judging.claim import Paper
from bnexp.judging.measures import TRAINS, final_accuracy
from bnexp.runs.records import Records

NAMES = {"sgd": "plain SGD", "momentum": "SGD with momentum", "adagrad": "Adagrad", "adam": "Adam"}
SOURCE = "§3.1, §5"
PAPER = Paper("Any variant of SGD, Adagrad among them, is said to do; SGD with momentum is what is shown.")

_, RISE, END = own_best("optimizers", SOURCE, "networks under any variant of SGD", PAPER, {}, ("optimizer.name",))

CLAIMS = [END, RISE] + [
    claim
    for optimizer, called in NAMES.items()
    for claim in (
        *own_best(
            f"optimizer-{optimizer}", SOURCE, f"networks under {called}", PAPER, {"optimizer.name": optimizer}, ()
        ),
        wider(
            f"optimizer-{optimizer}-range",
            SOURCE,
            f"Within {{epochs}}, under {called} BN trains over a wider range of learning rates.",
            PAPER,
            {"optimizer.name": optimizer},
            (),
        ),
    )
]


def figures(records: Records) -> dict[str, Figure]:
    """`optimizers`: final accuracy against the learning rate under each optimizer."""
    if not records.runs:
        return {}
    return {
        "optimizers": plots.lines(
            records,
            "Final test accuracy against the learning rate under four optimizers",
            "A run that diverged counts as chance.",
            "lr",
            final_accuracy,
            "test accuracy",
            Layout(columns="optimizer.name"),
            (0, 1),
            TRAINS,
        )
    }
