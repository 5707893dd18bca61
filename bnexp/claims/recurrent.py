"""§5: BN in recurrent networks, that read images row by row.

On what comes from the inputs alone, or on what comes from the last state, too, with statistics for each time step
(Cooijmans et al. 2016). A plain network without BN that reads pixel by pixel is the control that should fail: it has as
many steps, and seven times the time steps. Each network is at its own best learning rate.
"""

from __future__ import annotations

from matplotlib.figure import Figure

from bnexp.claims.saturating import TRAINED
from bnexp.claims.speed import steps_to
from bnexp.drawing import plots
from bnexp.drawing.plots import Layout
from bnexp.judging.claim import PLAIN, TREATED, Claim, Control, Paper, Quantity, Rule, Settings, of_run
from bnexp.judging.matching import having
from bnexp.judging.measures import TRAINS, trains
from bnexp.judging.words import arm_name, percent
from bnexp.runs.records import Record, Records

SHOWS_TUNING = True

COOIJMANS = "Cooijmans et al. 2016"
CELLS = ("model.cell",)
ROWS = {"model.scan": "rows"}
ALL, INPUTS = ({"norm": TREATED, "model.normed": where, "model.first_gamma": 0.1} for where in ("all", "inputs"))
SATURATED = ALL | {"model.first_gamma": 1.0}
NONE = {"norm": PLAIN}
PAPER = Paper("Future work, where vanishing and exploding gradients are worst.")
LSTM = Paper(PAPER.text, outside="LSTM on pixel by pixel MNIST: sooner, and 99.0 against 98.9 % (Cooijmans et al.)")
FAILED = Quantity(f"networks that do not reach {percent(TRAINS)}", of_run(lambda run: 1.0 - trains(run)), "share")


def _faster(identity: str, words: str, arms: tuple[Settings, Settings], paper: Paper) -> Claim:
    return Claim(
        f"recurrent-{identity}",
        "§5" if identity == "inputs" else f"§5, {COOIJMANS}",
        f"Each at its own best rate, {words}, be it a plain one or an LSTM.",
        steps_to(TRAINS),
        Rule("time", less=True, universal=True),
        paper,
        *arms,
        ROWS,
        CELLS,
        ("lr",),
        primary=identity == "all",
    )


GENTLE_BN = "BN, whose γ is 0.1 at first,"
REACHES = f"a recurrent network reaches {percent(TRAINS)} in fewer steps"

CLAIMS = [
    _faster(
        "all", f"{REACHES} with {GENTLE_BN} on what comes from inputs and last state than without", (ALL, NONE), LSTM
    ),
    _faster(
        "inputs", f"{REACHES} with {GENTLE_BN} on what comes from the inputs alone than without", (INPUTS, NONE), PAPER
    ),
    _faster("state", f"{REACHES} with {GENTLE_BN} on what comes from the last state, too", (ALL, INPUTS), LSTM),
    Claim(
        "recurrent-gamma",
        COOIJMANS,
        f"Each at its own best rate, a plain recurrent network with BN on all reaches {percent(TRAINS)} in fewer steps "
        "if γ is 0.1 at first, and not 1.",
        steps_to(TRAINS),
        Rule("time", less=True),
        Paper("γ of 1 at first.", outside="γ of 0.1, as at 1 gradients vanish through tanh (Cooijmans et al.)"),
        ALL,
        SATURATED,
        ROWS | {"model.cell": "tanh"},
        selected=("lr",),
    ),
    Claim(
        "recurrent-trains",
        "§5",
        f"Within {{epochs}}, at its own best rate, a recurrent network without BN reaches {percent(TRAINS)}, be it "
        "plain or an LSTM.",
        TRAINED,
        Rule("rate"),
        PAPER,
        NONE,
        None,
        among=ROWS,
        cells=CELLS,
        selected=("lr",),
        control=Control(
            "Failing row by row, too, it would say that so few steps are too few for any.",
            guards=("recurrent-all", "recurrent-inputs", "recurrent-pixels"),
        ),
    ),
    Claim(
        "recurrent-pixels",
        COOIJMANS,
        "Within {epochs}, at its own best rate, a plain network without BN that reads pixels, 196 means of four, does "
        f"not reach {percent(TRAINS)}.",
        FAILED,
        Rule("rate"),
        PAPER,
        NONE,
        None,
        among={"model.scan": "pixels"},
        selected=("lr",),
        control=Control("A network that learns it would say that nothing is lost over 196 time steps."),
    ),
]


def figures(records: Records) -> dict[str, Figure]:
    """`recurrent`: test accuracy of each at its own best rate, row by row."""
    return plots.curves_at_best(
        records.of(having(records.runs, ROWS)),
        "recurrent",
        ("norm", "model.normed", "model.first_gamma", *CELLS),
        "Test accuracy of recurrent networks that read images row by row",
        Layout(columns=CELLS[0], arm=_arm),
        TRAINS,
        linear=True,
        shows="; BN with statistics of each time step",
    )


def _arm(run: Record) -> str:
    on = ", on inputs alone" if run.value("model.normed") == "inputs" else ""
    saturated = ", γ of 1 at first" if run.value("model.first_gamma") == 1 else ""
    return f"{arm_name(run.norm)}{on}{saturated}" if on or saturated else run.norm
