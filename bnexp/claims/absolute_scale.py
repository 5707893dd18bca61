"""§2: statistics of a single example discard its absolute scale, those of a mini-batch keep it.

The task is to tell the contrast of an image, whatever it shows. A norm by the example's own statistics on every layer's
input sees one contrast alone, but for ε, and for what rounding to whole grey values leaves of it.
"""

from __future__ import annotations

from matplotlib.figure import Figure

from bnexp.claims.accuracy import ACCURACY
from bnexp.claims.figure_3 import CHANCE
from bnexp.claims.saturating import TRAINED
from bnexp.drawing import plots
from bnexp.drawing.plots import Layout
from bnexp.judging.claim import PLAIN, TREATED, Claim, Control, Paper, Rule
from bnexp.judging.measures import TRAINS, common_chance, curve
from bnexp.judging.words import percent
from bnexp.runs.records import Records

PAPER = Paper("Statistics of one example change what the network can represent: the absolute scale is discarded.")
CELLS = ("lr",)

FAR = 0.5
"""Half of the images: from chance, a quarter, to 90 % it is more."""

COST = 0.01
"""One point, the smallest difference from networks without a norm that counts."""

CLAIMS = [
    Claim(
        "absolute-scale-more",
        "§2",
        f"Within {{epochs}}, with BN on the inputs, networks tell the contrasts of more images than with layer norm "
        f"there, by more than {percent(FAR)} of all, whatever the rate.",
        ACCURACY,
        Rule("difference", FAR, universal=True),
        PAPER,
        {"norm": TREATED},
        {"norm": "layer"},
        cells=CELLS,
    ),
    Claim(
        "absolute-scale-kept",
        "§2",
        "Within {epochs}, with BN on the inputs, networks tell the contrasts of as many images as without a norm, but "
        f"for {percent(COST)} of all, whatever the rate.",
        ACCURACY,
        Rule("no_worse", COST, universal=True),
        Paper("Statistics of the whole training set would keep what the network represents."),
        cells=CELLS,
        primary=True,
    ),
    Claim(
        "absolute-scale-example",
        "§2",
        "With layer norm on the inputs, networks that are to tell images' contrasts stay at chance, whatever the rate.",
        CHANCE,
        Rule("rate"),
        PAPER,
        {"norm": "layer"},
        None,
        cells=CELLS,
        control=Control(
            "Networks that get beyond chance would have the scale from elsewhere: from ε, or from rounded grey values.",
            guards=("absolute-scale-more",),
        ),
    ),
    Claim(
        "absolute-scale-batch",
        "§2",
        f"With BN on the inputs, networks tell {percent(TRAINS)} of images' contrasts, whatever the rate.",
        TRAINED,
        Rule("rate"),
        PAPER,
        {"norm": TREATED},
        None,
        cells=CELLS,
    ),
    Claim(
        "absolute-scale-none",
        "§2",
        f"Without a norm, networks tell {percent(TRAINS)} of images' contrasts, whatever the rate.",
        TRAINED,
        Rule("rate"),
        PAPER,
        {"norm": PLAIN},
        None,
        cells=CELLS,
        control=Control("Networks that stay at chance would say that the task is at fault."),
    ),
]


def figures(records: Records) -> dict[str, Figure]:
    """`absolute_scale`: test accuracy."""
    if not records.runs:
        return {}
    return {
        "absolute_scale": plots.curves(
            records,
            "Telling an image's contrast, by statistics of the mini-batch and of the example",
            "Norms on the input of every layer. A network that diverged counts as chance.",
            curve,
            "test accuracy",
            Layout(columns="lr"),
            (0, 1),
            common_chance(records.runs),
        )
    }
