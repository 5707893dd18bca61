"""§3: γ and β, without which BN would hold a sigmoid to its linear part; and what they learn alone.

Each network is at its own best learning rate.
"""

from __future__ import annotations

from matplotlib.figure import Figure

from bnexp.claims.accuracy import ACCURACY, SMALLEST
from bnexp.claims.mechanisms import CELLS
from bnexp.drawing import plots
from bnexp.judging.claim import TREATED, Claim, Control, Paper, Quantity, Rule, of_run
from bnexp.judging.matching import at_their_best
from bnexp.judging.measures import common_chance, curve, final_accuracy
from bnexp.judging.words import kind_name, percent
from bnexp.runs.records import Record, Records

SHOWS_TUNING = True

WITH, WITHOUT = {"norm": TREATED, "norm.affine": None}, {"norm": TREATED, "norm.affine": False}
"""The setting is absent from runs at its default."""

ALONE = {"norm": TREATED, "trained": "norms"}

MUCH = 0.5
"""Test accuracy that is much for γ and β alone: five times chance."""

LITTLE = 0.2
"""Twice chance."""


def accuracy_at_first(run: Record) -> float:
    """On test images, before any step."""
    _, accuracy = curve(run)
    return accuracy[0]


CLAIMS = [
    *(
        Claim(
            f"affine-{activation}",
            "§3",
            f"Within {{epochs}}, {kind_name(activation)} networks with BN end higher if γ and β are learnt.",
            ACCURACY,
            Rule("difference", SMALLEST),
            paper,
            WITH,
            WITHOUT,
            among={"model.activation": activation, "trained": None},
            selected=("lr",),
            primary=activation == "sigmoid",
        )
        for activation, paper in (
            ("sigmoid", Paper("Without them the nonlinearity would be held to its linear part.")),
            ("relu", Paper("Said of sigmoids.")),
        )
    ),
    Claim(
        "affine-alone",
        "Frankle et al. 2020",
        "With γ and β trained alone, all else as it was drawn at random, networks reach half of the test images within "
        "{epochs}, whatever the nonlinearity.",
        ACCURACY,
        Rule("difference", target=MUCH, universal=True),
        Paper("Not tried.", outside="ResNet-866 on CIFAR-10: 82 % (Frankle et al. 2020)"),
        ALONE,
        None,
        cells=CELLS,
        selected=("lr",),
        primary=True,
    ),
    Claim(
        "affine-untrained",
        "own check",
        f"Before any training, these networks have less than {percent(LITTLE)} of the test images right, whatever the "
        "nonlinearity.",
        Quantity("test accuracy at step 0", of_run(accuracy_at_first)),
        Rule("difference", less=True, target=LITTLE, universal=True),
        Paper("Not tried."),
        ALONE,
        None,
        cells=CELLS,
        selected=("lr",),
        control=Control(
            "More would say that a random network has it, and not what is learnt.", guards=("affine-alone",)
        ),
    ),
]


def figures(records: Records) -> dict[str, Figure]:
    """`affine`: final accuracy of each kind, a dot a run."""
    best = at_their_best(records.runs, ("norm.affine", "trained", *CELLS), ("lr",))
    if not best:
        return {}
    return {
        "affine": plots.dots(
            records.of(best),
            "Test accuracy with γ and β learnt, left at 1 and 0, and trained alone",
            f"Each at its own best learning rate; chance is {common_chance(best):g}.",
            {"test accuracy": final_accuracy},
            CELLS[0],
            _arm,
            fraction=True,
        )
    }


def _arm(run: Record) -> str:
    if run.value("trained") == "norms":
        return "γ and β trained alone"
    return "γ and β left at 1 and 0" if run.value("norm.affine") is False else run.norm
