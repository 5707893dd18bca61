"""Later work (Wu & He 2018, Ioffe 2017, Hoffer et al. 2017): small mini-batches hurt BN, its alternatives less.

All take as many epochs, each at the learning rate that suits it best at this size, and once at a rate that grows with
the mini-batch. Algorithm 2 sees as many examples whatever the size; the moving averages of batch renorm forget over the
same part of every training. Ghost batches, parts of a mini-batch normalised by themselves, tell the noise of BN's
statistics from that of the gradient; mini-batches of few classes have statistics that are no sample's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from bnexp.claims.accuracy import ACCURACY, SMALLEST
from bnexp.drawing import plots
from bnexp.judging.claim import LARGEST, PLAIN, TREATED, Claim, Of, Paper, Quantity, Rule, Settings, of_run
from bnexp.judging.matching import at_their_best, having
from bnexp.judging.measures import companion_noise, final_accuracy
from bnexp.judging.words import arm_name
from bnexp.runs.records import Record, Records

SHOWS_TUNING = True

SMALL = Of("among", (2, 4))
"""Examples in the mini-batches called small."""

REFERENCE = 60
"""The paper's mini-batch on MNIST."""

RATE = 0.1
"""At the paper's mini-batch, where the rate grows with the size."""

GHOST = 4
"""Examples in a ghost batch."""

ABOUT = 1.25
"""Times more, up to which noise is as much as theory says."""

TICKS = (-50, -5, -2, 0, 2, 5)
"""Points, in the figure."""

ALTERNATIVES = ("layer", "group", "batch_renorm")

NOWHERE = Paper("Not in the paper.")
PAPER = Paper("Not in the paper.", outside="ResNet-50, 2 examples: group norm 10.6 points above BN (Wu & He 2018)")
IOFFE = Paper("Not in the paper.", outside="Inception-v3: batch renorm recovers what few classes cost (Ioffe 2017)")

USUAL: dict[str, object] = {"norm.ghost": None, "data.classes_per_batch": None}
FEW = {"batch": REFERENCE, "norm.ghost": None, "data.classes_per_batch": 2}

MOVING = {"norm": TREATED, "norm.statistics": "moving"}
"""What BN is in use; batch renorm has moving averages, too."""
POPULATION = {"norm": TREATED, "norm.statistics": "population"}


def at_scaled_rate(runs: Sequence[Record]) -> float:
    """Final accuracy at the learning rate that is nearest to one proportional to the mini-batch."""
    scaled = RATE * runs[0].value("batch") / REFERENCE
    return final_accuracy(min(runs, key=lambda run: abs(math.log(run.fields["lr"] / scaled))))


SCALED = Quantity("final test accuracy at a rate proportional to the mini-batch", at_scaled_rate, over=("lr",))


def _tuned(
    identity: str, sentence: str, arms: tuple[Settings, Settings], among: Settings, paper: Paper, rule: Rule
) -> Claim:
    """Of two arms, each at its own best learning rate for every size."""
    return Claim(
        id=identity,
        source=paper.outside.rpartition("(")[2].removesuffix(")") or "popular accounts",
        sentence=sentence,
        quantity=ACCURACY,
        rule=rule,
        paper=paper,
        treated=arms[0],
        reference=arms[1],
        among={**USUAL, **among},
        cells=("batch",),
        selected=("lr",),
    )


BN_OR_NONE = {"norm": TREATED}, {"norm": PLAIN}

CLAIMS = [
    replace(
        _tuned(
            "small-batch-bn",
            "Within {epochs}, with mini-batches of 2 and of 4, networks end lower with BN than without.",
            BN_OR_NONE,
            {"batch": SMALL},
            NOWHERE,
            Rule("difference", SMALLEST, less=True, universal=True),
        ),
        primary=True,
    ),
    *(
        _tuned(
            f"small-batch-{norm}",
            f"Within {{epochs}}, with mini-batches of 2 and of 4, {arm_name(norm)} ends higher than BN.",
            ({"norm": norm}, {"norm": TREATED}),
            {"batch": SMALL},
            PAPER if norm == "group" else NOWHERE,
            Rule("difference", SMALLEST, universal=True),
        )
        for norm in ALTERNATIVES
    ),
    _tuned(
        "usual-batch-bn",
        "Within {epochs}, with mini-batches of 60, networks end no lower with BN than without.",
        BN_OR_NONE,
        {"batch": REFERENCE},
        Paper("Figure 1(a), at one learning rate."),
        Rule("no_worse", SMALLEST),
    ),
    _tuned(
        "large-batch-bn",
        "Within {epochs}, of few steps with the largest mini-batches, networks end higher with BN than without.",
        BN_OR_NONE,
        {"batch": LARGEST},
        NOWHERE,
        Rule("difference", SMALLEST),
    ),
    Claim(
        id="small-batch-scaled",
        source="Wu & He 2018",
        sentence="Within {epochs}, at a rate proportional to the mini-batch, too, group norm ends higher than BN with "
        "mini-batches of 2 and of 4.",
        quantity=SCALED,
        rule=Rule("difference", SMALLEST, universal=True),
        paper=PAPER,
        treated={"norm": "group"},
        reference={"norm": TREATED},
        among={**USUAL, "batch": SMALL},
        cells=("batch",),
    ),
    Claim(
        id="ghost-costs",
        source="own check",
        sentence=f"Within {{epochs}}, with mini-batches of {REFERENCE}, normalising parts of {GHOST} by themselves "
        "lowers the accuracy.",
        quantity=ACCURACY,
        rule=Rule("difference", SMALLEST, less=True),
        paper=Paper("Not in the paper.", outside="For mini-batches of thousands the opposite (Hoffer et al. 2017)"),
        treated={"norm": TREATED, "norm.ghost": GHOST},
        reference={"norm": TREATED, "norm.ghost": None},
        among={"batch": REFERENCE, "data.classes_per_batch": None},
        selected=("lr",),
    ),
    Claim(
        id="ghost-explains",
        source="own check",
        sentence=f"Within {{epochs}}, in mini-batches of {REFERENCE}, too, BN by the statistics of parts of {GHOST} "
        "ends lower than no BN.",
        quantity=ACCURACY,
        rule=Rule("difference", SMALLEST, less=True),
        paper=NOWHERE,
        treated={"norm": TREATED, "norm.ghost": GHOST},
        reference={"norm": PLAIN},
        among={"batch": REFERENCE, "data.classes_per_batch": None},
        selected=("lr",),
    ),
    *(
        Claim(
            id=f"few-classes-{identity}",
            source="Ioffe 2017" if identity == "batch_renorm" else "own check",
            sentence=f"Within {{epochs}}, where every mini-batch has examples of two classes only, {sentence}.",
            quantity=ACCURACY,
            rule=Rule("difference", SMALLEST, less=identity == "bn"),
            paper=IOFFE,
            treated=arms[0],
            reference=arms[1],
            among=FEW,
            selected=("lr",),
        )
        for identity, sentence, arms in (
            ("bn", "BN with moving averages ends lower than no BN", (MOVING, {"norm": PLAIN})),
            (
                "statistics",
                "BN by Algorithm 2 on mini-batches of all classes ends higher than by moving averages",
                (POPULATION, MOVING),
            ),
            ("batch_renorm", "batch renorm ends higher than BN by moving averages", ({"norm": "batch_renorm"}, MOVING)),
            ("layer", "layer norm ends higher than BN by moving averages", ({"norm": "layer"}, MOVING)),
        )
    ),
    Claim(
        id="noise-of-small",
        source="§3.4",
        sentence=f"With BN, companions make √{REFERENCE // GHOST} times as much noise in mini-batches of {GHOST} as of "
        f"{REFERENCE}, as averages of so many do.",
        quantity=Quantity("noise that companions make", of_run(companion_noise), "ratio"),
        rule=Rule("equals", math.log(ABOUT), target=math.log(REFERENCE / GHOST) / 2),
        paper=Paper("An example is seen with its companions; how the noise depends on their number is not said."),
        treated={"batch": GHOST},
        reference={"batch": REFERENCE},
        among={**USUAL, "norm": TREATED},
        selected=("lr",),
    ),
]


def figures(records: Records) -> dict[str, Figure]:
    """`batch_size`: what a norm adds at each size, each network at its own best learning rate."""
    runs = at_their_best(having(records.runs, USUAL), ("norm", "batch"), ("lr",))
    if not runs:
        return {}
    plain: dict[int, list[float]] = {}
    for run in having(runs, {"norm": PLAIN}):
        plain.setdefault(run.value("batch"), []).append(final_accuracy(run))

    def excess(run: Record) -> float | None:
        without = plain.get(run.value("batch"))
        return None if without is None else 100 * (final_accuracy(run) - sum(without) / len(without))

    figure = plots.lines(
        records.of(runs),
        "What a norm adds to the final test accuracy, by the size of the mini-batches",
        "Minus the mean without a norm; beyond 5 points the axis is logarithmic. As many examples at every size; each "
        "network at the learning rate of its best validation accuracy. A run that diverged counts as chance.",
        "batch",
        excess,
        "percentage points",
    )
    (panel,) = figure.axes
    panel.set_yscale("symlog", linthresh=5, linscale=2)
    panel.set_yticks(TICKS, [f"{tick:+d}".replace("-", "−") if tick else "0" for tick in TICKS])
    panel.yaxis.set_minor_locator(NullLocator())
    return {"batch_size": figure}
