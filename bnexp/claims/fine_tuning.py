"""§5, popular accounts: a network goes on to another domain; with BN's statistics frozen, recomputed, or new.

Networks are trained on the digits 0 to 4, and then as long on 5 to 9, on which they are tested.
"""

from __future__ import annotations

from matplotlib.figure import Figure

from bnexp.claims.accuracy import ACCURACY, SMALLEST
from bnexp.claims.mechanisms import CELLS
from bnexp.drawing import plots
from bnexp.drawing.plots import Layout
from bnexp.judging.claim import PLAIN, TREATED, Claim, Control, Paper, Rule, Settings
from bnexp.judging.words import arm_name
from bnexp.runs.records import Record, Records

SHOWS_TUNING = True

NEW, FROZEN, RECOMPUTED = ({"norm": TREATED, "norm.transfer": how} for how in (None, "frozen", "recomputed"))
"""`new` is the default, and absent from a run's settings."""

PAPER = Paper("Future work: recomputed population statistics may adapt a network to another domain.")
NO_WORSE = Rule("no_worse", 2 * SMALLEST, universal=True)


def _claim(
    identity: str, words: str, arms: tuple[Settings, Settings], rule: Rule, control: Control | None = None
) -> Claim:
    return Claim(
        f"fine-tuning-{identity}",
        "§5, popular accounts",
        f"After {{epochs}} in all, each at its own best rate, networks end {words}, whatever the nonlinearity.",
        ACCURACY,
        rule,
        PAPER,
        *arms,
        cells=CELLS,
        selected=("lr",),
        primary=identity == "new",
        control=control,
    )


CLAIMS = [
    _claim(
        "new",
        "no lower on the later digits with their mini-batches' statistics than with those of the earlier ones, frozen",
        (NEW, FROZEN),
        NO_WORSE,
    ),
    _claim(
        "recomputed",
        "no lower on the later digits with statistics recomputed on them once, and frozen, than with those of the "
        "earlier ones",
        (RECOMPUTED, FROZEN),
        NO_WORSE,
    ),
    _claim(
        "bn",
        "higher on the later digits with their mini-batches' statistics than without BN",
        (NEW, {"norm": PLAIN}),
        Rule("difference", SMALLEST, universal=True),
        Control(
            "No difference would say that BN is nothing to a network that goes on.",
            guards=("fine-tuning-new", "fine-tuning-recomputed"),
        ),
    ),
]


def figures(records: Records) -> dict[str, Figure]:
    """`fine_tuning`: test accuracy on the later digits."""
    title = "Test accuracy on the digits of the second half of the training"
    layout = Layout(columns=CELLS[0], arm=_arm)
    return plots.curves_at_best(records, "fine_tuning", ("norm", "norm.transfer", *CELLS), title, layout, linear=True)


def _arm(run: Record) -> str:
    how = run.value("norm.transfer")
    return run.norm if how is None else f"{arm_name(run.norm)}, {how}"
