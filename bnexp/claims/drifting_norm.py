"""§1, §2: what BN loses where its outputs drift, at inference, too, more than without a norm, while layers learn.

Santurkar et al. 2018 draw noise anew for every mini-batch, which moves inputs to and fro and no further. Here it lasts,
so that what follows has inputs that are elsewhere a few hundred steps later: the covariate shift that BN is to reduce.
"""

from __future__ import annotations

import math

from matplotlib.figure import Figure

from bnexp.claims.accuracy import ACCURACY, SMALLEST
from bnexp.claims.covariate_shift import COUNTS
from bnexp.claims.mechanisms import ALIKE, CELLS, STEPS, curves_to_target
from bnexp.claims.noisy_norm import DRIFTS
from bnexp.drawing import plots
from bnexp.judging.claim import PLAIN, TREATED, Claim, Control, Paper, Quantity, Rule, Settings, of_run
from bnexp.judging.measures import probed
from bnexp.runs.records import Records

SHOWS_TUNING = True

DRIFTING = {"norm": "noisy_batch", "norm.drift": 200}
PAPER = Paper("By the paper's explanation it would train no faster than without a norm.")
FED = Quantity("movement of the affine maps' inputs, in widths", of_run(probed("moved_w1_fed", ratio=True)), "ratio")
JUDGED = ("drifting-faster", "drifting-speed")


def _claim(
    identity: str,
    sentence: str,
    quantity: Quantity,
    rule: Rule,
    other: object = PLAIN,
    treated: Settings = DRIFTING,
    fails: str = "",
) -> Claim:
    return Claim(
        f"drifting-{identity}",
        "§1, §2",
        f"{sentence}, each at its own best rate, whatever the nonlinearity.",
        quantity,
        rule,
        PAPER,
        treated,
        {"norm": other},
        cells=CELLS,
        selected=("lr",),
        primary=identity == "faster",
        control=Control(fails, guards=JUDGED) if fails else None,
    )


FEWER, MORE = Rule("time", less=True, universal=True), Rule("difference", COUNTS, universal=True)
SMALL = "No more would say that it drifts too little to tell anything."

CLAIMS = [
    _claim("faster", "BN whose outputs drift reaches {target} in fewer steps than no norm", STEPS, FEWER),
    _claim(
        "speed",
        f"BN whose outputs drift reaches {{target}} in as many steps as BN, within a factor of {ALIKE:g}",
        STEPS,
        Rule("equals", math.log(ALIKE), universal=True),
        TREATED,
    ),
    _claim(
        "accuracy",
        "Within {epochs}, BN whose outputs drift ends no lower than no norm",
        ACCURACY,
        Rule("no_worse", 3 * SMALLEST, universal=True),
    ),
    _claim(
        "gain",
        "BN itself reaches {target} in fewer steps than no norm",
        STEPS,
        FEWER,
        treated={"norm": TREATED},
        fails="No fewer would say that BN gains nothing here that its stability could be the reason of.",
    ),
    _claim(
        "moves",
        "At inference, the inputs of nonlinearities move more from one evaluation to the next with BN whose outputs "
        "drift than without a norm",
        DRIFTS,
        MORE,
        fails=SMALL,
    ),
    _claim(
        "fed",
        "At inference, the inputs of affine maps move more (Wasserstein-1) from one evaluation to the next with BN "
        "whose outputs drift than without a norm",
        FED,
        MORE,
        fails=SMALL,
    ),
]

SHOWN = {"drifting_moves": ("drifting-moves", "drifting-fed")}


def figures(records: Records) -> dict[str, Figure]:
    """`drifting_norm`: test accuracy of each at its own best rate; `drifting_moves`: how its inputs move."""
    moves = {
        "nonlinearities' inputs, mean": probed("moved_mean", ratio=True),
        "affine maps' inputs, W1": probed("moved_w1_fed", ratio=True),
    }
    title = "Test accuracy without a norm, with BN, and with BN whose outputs drift"
    made = plots.probes_of(records, "drifting_moves", "How the inputs of layers move at inference, in widths", moves)
    return made | curves_to_target(records, "drifting_norm", title)
