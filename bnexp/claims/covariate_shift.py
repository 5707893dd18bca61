"""§1, §2: BN reduces internal covariate shift, by each of the definitions that there are.

The paper's is that the distribution of a layer's inputs moves as the layers below learn; Santurkar et al. 2018 measure
how a layer's gradient changes when the layers below have made their step, and find no less of it. Larger steps move
everything further, so both networks are at the rate that suits the one without BN best; each at its own is beside it.
All are means over the layers and over evenly spaced steps, after the first tenth of them. Behind BN the inputs of a
nonlinearity have β and γ for mean and width, by the statistics of a mini-batch in training and of all images that are
looked at otherwise, so that only these and the shape can move, by construction, and with them what the next affine map
is fed: what is judged above all is what stands in front of BN. Movement is told in widths, the standard deviations of
each input.
"""

from __future__ import annotations

import math

from matplotlib.figure import Figure

from bnexp.claims.mechanisms import CELLS, RATES
from bnexp.drawing import plots
from bnexp.judging.claim import (
    PLAIN,
    TREATED,
    Claim,
    Control,
    Outcome,
    Paper,
    Peculiar,
    Quantity,
    Rule,
    Verdict,
    of_run,
)
from bnexp.judging.judgement import judge
from bnexp.judging.measures import probed
from bnexp.runs.records import Records

SHOWS_TUNING = True

LESS = Paper(
    "Internal covariate shift is reduced; no number is given.", outside="Reduced, and useful (Awais et al. 2020)"
)
AS_MUCH = Paper("Not measured.", outside="Not reduced in VGG and deep linear networks (Santurkar et al. 2018)")

SHIFTS = {
    "fed": ("moved_w1_fed", "the distributions of the affine maps' inputs move less (Wasserstein-1, in widths)", LESS),
    "front": ("moved_w1_front", "the distributions in front of BN move less (Wasserstein-1, in widths)", LESS),
    "mean": ("moved_mean", "the means of the inputs move less, in widths of their distributions", LESS),
    "spread": ("moved_spread", "the spreads of the inputs change less", LESS),
    "w1": ("moved_w1", "the distributions of the inputs move less (Wasserstein-1, in widths)", LESS),
    "mean-training": ("moved_mean_tr", "the means of the inputs in training move less, in widths", LESS),
    "spread-training": ("moved_spread_tr", "the spreads of the inputs in training change less", LESS),
    "w1-training": (
        "moved_w1_tr",
        "the distributions of the inputs in training move less (Wasserstein-1, in widths)",
        LESS,
    ),
    "gradient": (
        "moved_gradient",
        "a layer's gradient changes less when the layers below have made their step",
        AS_MUCH,
    ),
    "direction": (
        "turned_gradient",
        "a layer's gradient turns less when the layers below have made their step",
        AS_MUCH,
    ),
}
"""By claim, the probe's metric and what is said."""

COUNTS = math.log(1.25)
"""Of ratios, the smallest difference that counts: a quarter more."""


CLAIMS: list[Claim | Peculiar] = [
    Claim(
        f"shift-{identity}{'-own' * own}",
        "§1, §2" if paper is LESS else "Santurkar et al. 2018",
        f"With BN, {words}{', from one evaluation to the next' * (paper is LESS)}, {RATES[own]}, whatever the "
        "nonlinearity.",
        Quantity(words.partition(",")[0], of_run(probed(metric, ratio=True)), "ratio"),
        Rule("difference", COUNTS, less=True, universal=True),
        paper,
        cells=CELLS,
        selected=("lr",),
        best_of=None if own else {"norm": PLAIN},
        primary=identity in ("front", "gradient") and not own,
    )
    for own in (False, True)
    for identity, (metric, words, paper) in SHIFTS.items()
]
IN_FRONT, BY_GRADIENT = (
    claim for claim in CLAIMS if isinstance(claim, Claim) and claim.id in ("shift-front", "shift-gradient")
)


def agree(records: Records) -> Outcome:
    """Whether the paper's definition and Santurkar's say the same, of each nonlinearity: that it is reduced, or not."""
    found = [judge(claim, records) for claim in (IN_FRONT, BY_GRADIENT)]
    outcomes = [judgement.outcome for judgement in found]
    cells = [{c.cell: c.verdict for c in outcome.cells} or {"": outcome.verdict} for outcome in outcomes]
    pairs = {cell: (cells[0][cell], cells[1][cell]) for cell in cells[0].keys() & cells[1].keys()}
    decided = {(a == "reproduced") == (b == "reproduced") for a, b in pairs.values() if "undecided" not in (a, b)}
    if any(judgement.verdict == "undecided" for judgement in found) or not decided:  # flags may have made it so
        verdict: Verdict = "undecided"
    elif len(decided) == 2:
        verdict = "mixed"
    elif any("undecided" in pair for pair in pairs.values()):
        verdict = "undecided"
    else:
        verdict = "reproduced" if decided == {True} else "contradicted"
    words = (
        f"{cell}{': ' * bool(cell)}{first} by what stands in front, {second} by gradients"
        for cell, (first, second) in pairs.items()
    )
    n = min(outcome.n for outcome in outcomes)
    why = "both verdicts on less movement are that there is less, or both are not"
    return Outcome(verdict, why, "; ".join(sorted(words)) if n else "nothing to compare", n=n)


CLAIMS += [
    Peculiar(
        "shift-agree",
        "Awais et al. 2020",
        "Both definitions say the same of BN, whatever the nonlinearity: how what stands in front of it moves, and how "
        f"gradients change, {RATES[False]}.",
        Paper("Not asked.", outside="Both are reduced, and useful (Awais et al.); not so (Santurkar et al.)"),
        agree,
        decides="two verdicts that must be alike: shift-front and shift-gradient; with BN against without BN; in every "
        "nonlinearity",
    ),
    Claim(
        "shift-seen",
        "Santurkar et al. 2018",
        f"Inputs in training move more with noisy BN than with BN, {RATES[False]}, whatever the nonlinearity.",
        Quantity("movement of the inputs in training, in widths", of_run(probed("moved_w1_tr", ratio=True)), "ratio"),
        Rule("difference", COUNTS, universal=True),
        Paper("Not tried; the noise is made to move them."),
        {"norm": "noisy_batch"},
        {"norm": TREATED},
        cells=CELLS,
        selected=("lr",),
        best_of={"norm": PLAIN},
        control=Control(
            "No more would say that the measures do not see what moves.",
            guards=tuple(f"shift-{identity}{own}" for identity in SHIFTS for own in ("", "-own")),
        ),
    ),
]


def figures(records: Records) -> dict[str, Figure]:
    """`shift`: each definition, a dot a run."""
    return plots.probes_of(
        records,
        "shift",
        "Covariate shift by each definition",
        {
            "affine maps' inputs, W1 in widths": probed("moved_w1_fed", ratio=True),
            "nonlinearities' inputs": probed("moved_w1", ratio=True),
            "the same in training": probed("moved_w1_tr", ratio=True),
            "gradient, relative": probed("moved_gradient", ratio=True),
        },
        at_one_rate=True,
    )
