"""Santurkar et al. 2018: BN that is made unstable on purpose trains as well, so stability is not why BN helps."""

from __future__ import annotations

import math

from matplotlib.figure import Figure

from bnexp.claims.accuracy import ACCURACY, SMALLEST
from bnexp.claims.covariate_shift import COUNTS
from bnexp.claims.mechanisms import ALIKE, CELLS, STEPS, curves_to_target
from bnexp.drawing import plots
from bnexp.judging.claim import PLAIN, TREATED, Claim, Control, Paper, Quantity, Rule, Settings, of_run
from bnexp.judging.measures import probed
from bnexp.runs.records import Records

SHOWS_TUNING = True

NOISY = {"norm": "noisy_batch"}
SOURCE = "Santurkar et al. 2018"
PAPER = Paper(
    "The paper's explanation would have it train worse.", outside="As fast in VGG on CIFAR-10 (Santurkar et al.)"
)
MOVES = Quantity("movement of the inputs in training, in widths", of_run(probed("moved_mean_tr", ratio=True)), "ratio")
DRIFTS = Quantity("movement of the inputs at inference, in widths", of_run(probed("moved_mean", ratio=True)), "ratio")


def _claim(
    identity: str,
    sentence: str,
    quantity: Quantity,
    rule: Rule,
    other: object,
    treated: Settings = NOISY,
    control: Control | None = None,
) -> Claim:
    return Claim(
        f"noisy-{identity}",
        SOURCE,
        f"{sentence}, whatever the nonlinearity.",
        quantity,
        rule,
        PAPER,
        treated,
        {"norm": other},
        cells=CELLS,
        selected=("lr",),
        primary=identity in ("speed", "faster"),
        control=control,
    )


CLAIMS = [
    _claim(
        "speed",
        "At each one's own best rate, noisy BN reaches {target} in as many steps as BN, within a factor of "
        f"{ALIKE:g}",
        STEPS,
        Rule("equals", math.log(ALIKE), universal=True),
        TREATED,
    ),
    _claim(
        "faster",
        "At each one's own best rate, noisy BN reaches {target} in fewer steps than no norm",
        STEPS,
        Rule("time", less=True, universal=True),
        PLAIN,
    ),
    _claim(
        "gain",
        "At each one's own best rate, BN itself reaches {target} in fewer steps than no norm",
        STEPS,
        Rule("time", less=True, universal=True),
        PLAIN,
        {"norm": TREATED},
        Control(
            "No fewer steps would say that BN gains nothing here that its stability could be the reason of.",
            guards=("noisy-speed", "noisy-faster"),
        ),
    ),
    _claim(
        "accuracy",
        "Within {epochs}, noisy BN ends no lower than BN",
        ACCURACY,
        Rule("no_worse", 3 * SMALLEST, universal=True),
        TREATED,
    ),
    _claim(
        "unstable",
        "With noisy BN, the inputs of nonlinearities move more from one evaluation to the next than without a norm",
        MOVES,
        Rule("difference", COUNTS, universal=True),
        PLAIN,
        control=Control(
            "No more would say that the noise does not make BN unstable enough to tell anything.",
            guards=("noisy-speed", "noisy-faster"),
        ),
    ),
    _claim(
        "drift",
        "At inference, where noisy BN has no noise, the inputs of nonlinearities move less from one evaluation to the "
        "next than without a norm",
        DRIFTS,
        Rule("difference", COUNTS, less=True, universal=True),
        PLAIN,
    ),
]

SHOWN = {
    "noisy_moves": ("noisy-unstable", "noisy-drift"),
}


def figures(records: Records) -> dict[str, Figure]:
    """`noisy_norm`: test accuracy of each at its own best rate; `noisy_moves`: how its inputs move."""
    moves = {
        "means in training": probed("moved_mean_tr"),
        "W1 in training": probed("moved_w1_tr"),
        "means at inference, without the noise": probed("moved_mean"),
    }
    title = "Test accuracy without a norm, with BN, and with BN made unstable by noise"
    made = plots.probes_of(records, "noisy_moves", "How the inputs of nonlinearities move in training", moves)
    return made | curves_to_target(records, "noisy_norm", title)
