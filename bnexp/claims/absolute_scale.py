"""§2: statistics of a single example discard its absolute scale, those of a mini-batch keep it.

The task is to tell the contrast of an image, whatever it shows. A norm by the example's own statistics on every layer's
input sees one contrast alone.
"""

from __future__ import annotations

from matplotlib.figure import Figure

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


CLAIMS = [
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
        primary=True,
        control=Control(
            "Networks that stay at chance would say that the task, not the norm, is at fault.",
            guards=("absolute-scale-example",),
        ),
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
