"""The colour of each arm, the same in all figures, which colour-blind readers can tell apart."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from bnexp.judging.claim import BN, PLAIN

PALETTE = (
    *("#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999"),
    *("#882255", "#DDCC77", "#332288"),
)
"""Okabe and Ito's colours; then some of Tol's."""

PLAIN_COLOUR, BN_COLOUR = "#D55E00", "#0072B2"
"""Of the two networks that are compared most."""

ROSE, PURPLE, TEAL, OLIVE, CYAN, GREEN, SAND = (
    *("#CC6677", "#AA4499", "#44AA99", "#999933", "#88CCEE", "#117733", "#DDCC77"),
)
"""Tol's, of kinds of one norm, which have not the colours of others."""

COLOURS = {
    **{PLAIN: PLAIN_COLOUR, BN: BN_COLOUR, "inception": PLAIN_COLOUR, "bn_baseline": BN_COLOUR},
    **{
        "layer": "#009E73",
        "group": "#CC79A7",
        "batch_renorm": "#E69F00",
        "instance": "#56B4E9",
        "noisy_batch": "#882255",
        "zca": "#999999",
        "naive": "#000000",
    },
    "BN before the nonlinearity": BN_COLOUR,
    **{"BN after the nonlinearity": PURPLE, "BN on the layer's input": TEAL},
    **{"bn_x5": "#009E73", "bn_x30": "#CC79A7", "bn_x5_sigmoid": "#E69F00"},
    **{"inception_x5": "#000000", "inception_sigmoid": "#999999", "inception_changes": "#56B4E9"},
    **{"inception_decayed": "#882255", "inception_changes_x1": PURPLE},
    **{"Algorithm 2, k = 1": CYAN, "Algorithm 2, k = 10": TEAL, "Algorithm 2, k = 100": BN_COLOUR},
    **{"Algorithm 2, k = 1,000": GREEN, "test batch's own": PURPLE},
    **{"moving averages, 0.01": SAND, "moving averages, 0.1": OLIVE, "moving averages, 0.9": ROSE},
    **{"ghost batches of 4": PURPLE, "ghost batches of 10": ROSE, "ghost batches of 30": SAND},
    **{"dropout 2 %": CYAN, "dropout 6 %": TEAL, "dropout 50 %": GREEN},
    **{"with BN, drawn from all classes": BN_COLOUR, "without BN, drawn from all classes": PLAIN_COLOUR},
    **{"with BN, of 1 class each": CYAN, "with BN, of 2 classes each": TEAL},
    **{"without BN, of 1 class each": SAND, "without BN, of 2 classes each": ROSE},
    **{"with BN, frozen": ROSE, "with BN, recomputed": TEAL},
    **{"γ and β left at 1 and 0": CYAN, "γ and β trained alone": ROSE},
    **{"without BN, standardised pixels": ROSE, "without BN, whitened pixels": PURPLE},
    **{"SkipInit": PURPLE, "with BN, on inputs alone": CYAN, "with BN, γ of 1 at first": ROSE},
    **{"naive, mean": "#000000", "naive, both": ROSE, "naive, averages": OLIVE},
    **{"with BN, lr 0.1": CYAN, "with BN, lr 0.316": BN_COLOUR, "with BN, lr 1": GREEN},
    **{"without BN, lr 0.1": SAND, "without BN, lr 0.316": PLAIN_COLOUR, "without BN, lr 1": ROSE},
    **{"weights × 0.1, rate × 0.01": CYAN, "weights × 10, rate × 100": TEAL, "weights × 100, rate × 10000": GREEN},
    **{"one crop": SAND, "ten crops": PURPLE},
    **{"weights × 0.1": OLIVE, "weights × 10": SAND, "weights × 100": ROSE},
}
"""Of arms, as figures name them."""

OF_THE_USER = "#332288"
"""Of a norm that does not come with bnexp."""


def colours(arms: Sequence[str]) -> dict[str, str]:
    """A colour for each arm, in their order; the first that has none of its own has the one of the user's norms."""
    taken = {COLOURS.get(arm) for arm in arms}
    spare = iter(itertools.cycle([OF_THE_USER, *(c for c in PALETTE if c not in {*taken, OF_THE_USER})]))
    return {arm: COLOURS.get(arm) or next(spare) for arm in arms}
