"""§3.1, §5: BN helps under any variant of SGD; the paper names Adagrad. Each arm at its own best learning rate."""

from __future__ import annotations

from matplotlib.figure import Figure

from bnexp.claims.lr_tolerance import NEAR, own_best, wider
from bnexp.drawing import plots
from bnexp.drawing.plots import Layout
from bnexp.judging.claim import Paper
from bnexp.judging.matching import judged
from bnexp.judging.measures import TRAINS, final_accuracy
from bnexp.judging.words import percent
from bnexp.runs.records import Records

NAMES = {"sgd": "plain SGD", "momentum": "SGD with momentum", "adagrad": "Adagrad", "adam": "Adam"}
SOURCE = "§3.1, §5"
CELL = "optimizer.name"
SHOWS_TUNING = True
PAPER = Paper("Any variant of SGD, Adagrad among them, is said to do; SGD with momentum is what is shown.")

_, RISE, END = own_best("optimizers", SOURCE, "networks under any variant of SGD", PAPER, {}, (CELL,))

CLAIMS = [END, RISE] + [
    claim
    for optimizer, called in NAMES.items()
    for claim in (
        *own_best(f"optimizer-{optimizer}", SOURCE, f"networks under {called}", PAPER, {CELL: optimizer}, ()),
        wider(
            f"optimizer-{optimizer}-range",
            SOURCE,
            f"Within {{epochs}}, under {called} BN trains over a wider range of learning rates.",
            PAPER,
            {CELL: optimizer},
            (),
        ),
    )
]

SHOWN = {
    "optimizers": (
        "optimizer-sgd-range",
        "optimizer-momentum-range",
        "optimizer-adagrad-range",
        "optimizer-adam-range",
    ),
    "optimizers_accuracy": ("optimizers-speed-95", "optimizers-speed"),
}


def figures(records: Records) -> dict[str, Figure]:
    """`optimizers`: final accuracy against the rate; `optimizers_accuracy`: on the way there, each at its best rate."""
    if not (runs := judged(records.runs)):
        return {}
    made = {
        "optimizers": plots.lines(
            records.of(runs),
            "Final test accuracy against the learning rate under four optimizers",
            f"A run that diverged counts as chance; dotted: {percent(TRAINS)}, from which on a network trains.",
            "lr",
            final_accuracy,
            "test accuracy",
            Layout(columns=CELL),
            (0, 1),
            TRAINS,
        )
    }
    title = "Test accuracy during training under four optimizers"
    words = f" (dotted: {percent(NEAR)}, to which steps are counted)"
    layout = Layout(columns=CELL)
    return made | plots.curves_at_best(records, "optimizers_accuracy", ("norm", CELL), title, layout, NEAR, shows=words)
