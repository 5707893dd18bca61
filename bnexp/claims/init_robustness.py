"""Abstract, §1: with BN, less care is needed in initialisation.

Care is what it costs to choose badly: the standard deviation of the final test accuracy over all schemes and scales.
The control is each arm at its own best choice, made on the other seeds: it tells saved care from better networks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from bnexp.claims import drawing, panels
from bnexp.claims.accuracy import ACCURACY, SMALLEST
from bnexp.claims.claim import BN, PLAIN, TREATED, Claim, Of, Paper, Quantity, Rule
from bnexp.claims.matching import having
from bnexp.claims.measures import TRAINS, common_chance, final_accuracy, share_that_trains, spread
from bnexp.claims.panels import Layout
from bnexp.claims.words import arm_name, percent
from bnexp.runs.records import Record, Records

COARSE = 0.01
"""A point: the smallest difference that counts where hopeless choices are among the settings."""

GOOD_SCHEMES = ("xavier", "he", "orthogonal")
"""The schemes that are recommended, at their own scale."""

INIT = ("init.scheme", "init.scale")
SPREAD = Quantity("standard deviation of the final accuracy over the initial weights", spread, over=INIT)
SHARE = Quantity("share of the initial weights that trains", share_that_trains, "share", over=INIT)


def _claim(
    identity: str,
    sentence: str,
    quantity: Quantity,
    rule: Rule,
    among: Mapping[str, Any],
    paper: str = "BN lets us be less careful about initialisation; no number is given.",
    selected: tuple[str, ...] = (),
) -> Claim:
    return Claim(
        id=identity,
        source="abstract, 1",
        sentence=sentence,
        quantity=quantity,
        rule=rule,
        treated={"norm": TREATED},
        reference={"norm": PLAIN},
        among=among,
        selected=selected,
        paper=Paper(paper),
    )


CLAIMS = [
    _claim(
        "init-spread",
        "With BN, the accuracy depends less on the initial weights.",
        SPREAD,
        Rule("difference", COARSE, less=True),
        {},
    ),
    _claim(
        "init-share",
        f"With BN, more of the initial schemes and scales train (at least {percent(TRAINS)}).",
        SHARE,
        Rule("difference", COARSE),
        {},
    ),
    _claim(
        "init-schemes",
        "With BN, the accuracy depends less on which recommended scheme is taken (Xavier, He, orthogonal).",
        SPREAD,
        Rule("difference", SMALLEST, less=True),
        {"init.scheme": Of("among", GOOD_SCHEMES), "init.scale": 1},
    ),
    _claim(
        "init-own-best",
        "With each network at its own best initial scheme and scale, the network with BN ends at a higher accuracy.",
        ACCURACY,
        Rule("difference", SMALLEST),
        {},
        "Not tried.",
        selected=INIT,
    ),
]


def figures(records: Records) -> dict[str, Figure]:
    """`init_accuracy`: the final accuracy of every scheme and scale; `init_spread`: how it spreads."""
    if not records.runs:
        return {}
    maps = panels.heat_maps(
        records,
        "Final test accuracy over initial schemes and scales",
        "Percent; a run that diverged counts as chance. The scale is the standard deviation for gaussian and "
        "equal_biases (every bias starts at 1), a factor on the scheme's own for the others.",
        "init.scale",
        "init.scheme",
        final_accuracy,
        Layout("norm", "model.activation"),
        Normalize(common_chance(records.runs), 1),
        lambda v: f"{100 * v:.0f}",
    )
    return {"init_accuracy": maps} | ({"init_spread": _draw_spread(records)} if _arms(records.runs) else {})


def _arms(runs: Sequence[Record]) -> dict[tuple[int, str], tuple[list[Record], list[Record]]]:
    """By seed and nonlinearity the runs without and with BN, at the schemes and scales that both have."""
    arms = {}
    for seed in sorted({run.seed for run in runs}):
        for kind in dict.fromkeys(str(run.value("model.activation")) for run in runs):
            own = having(runs, {"seed": seed, "model.activation": kind})
            plain, bn = ({_init(run): run for run in having(own, {"norm": norm})} for norm in (PLAIN, BN))
            both = plain.keys() & bn.keys()
            if both:
                arms[seed, kind] = ([plain[i] for i in sorted(both)], [bn[i] for i in sorted(both)])
    return arms


def _init(run: Record) -> tuple[str, float]:
    return str(run.value("init.scheme")), float(run.value("init.scale"))


def _draw_spread(records: Records) -> Figure:
    arms = _arms(records.runs)
    kinds = list(dict.fromkeys(kind for _, kind in arms))
    figure, (axes,) = drawing.sheet(
        records,
        "How much the final test accuracy depends on the initial weights",
        "A dot per seed. Left: standard deviation over all schemes and scales; right: share of them that trains "
        f"(at least {percent(TRAINS)}). A run that diverged counts as chance.",
        (8, 4),
        columns=2,
    )
    colours = drawing.colours([PLAIN, BN])
    for panel, measure, label in zip(
        axes, (spread, share_that_trains), ("standard deviation, points", "share that trains, %"), strict=True
    ):
        for (_, kind), both in arms.items():
            for norm, own, aside in zip((PLAIN, BN), both, (-0.12, 0.12), strict=True):
                panel.scatter(kinds.index(kind) + aside, 100 * measure(own), color=colours[norm], s=28, lw=0)
        panel.set_xticks(range(len(kinds)), kinds)
        panel.set_xlim(-0.5, len(kinds) - 0.5)
        panel.set_ylim(bottom=0)
        panel.set_ylabel(label)
        panel.grid(axis="y", color="0.9")
        drawing.plain_axes(panel)
    for norm in (PLAIN, BN):
        axes[1].scatter([], [], color=colours[norm], label=arm_name(norm))
    figure.legend(loc="outside right center", frameon=False, fontsize=9)
    return figure
