"""§2, §3: whitened inputs make training faster; that each activation is normalised by itself is the cheap part of it.

Beside BN the same with the features of a group decorrelated (ZCA), and pixels standardised or whitened beforehand, in
networks without a norm. Each network is at its own best learning rate.
"""

from __future__ import annotations

import math

from matplotlib.figure import Figure

from bnexp.claims.gap import when_fitted
from bnexp.claims.lr_tolerance import HARDLY, NEAR
from bnexp.claims.mechanisms import ALIKE, CELLS
from bnexp.claims.speed import steps_to
from bnexp.drawing import plots
from bnexp.drawing.plots import Layout
from bnexp.judging.claim import PLAIN, TREATED, Claim, Control, Paper, Quantity, Rule, Settings, of_run
from bnexp.judging.measures import metric_at_end
from bnexp.judging.words import arm_name, percent
from bnexp.runs.records import Record, Records

SHOWS_TUNING = True

RAW = {"data.pixels": None}
REACHED = f"a test accuracy of {percent(NEAR)}"
CHEAP = Paper("Full whitening is costly, so each feature is normalised by itself, which helps even without it.")
FASTER = Paper("Networks converge faster if their inputs are whitened (LeCun et al. 1998).")
STEPS = steps_to(NEAR)

LOSSES = (0.3, 0.1)
"""Nats of training loss, on the rise and near the end: with whitened pixels test accuracies end beside the target."""


def steps_to_loss(loss: float) -> Quantity:
    """Steps to a training loss, of one run; infinity for never."""
    at = when_fitted("step", loss)
    return Quantity(
        f"steps to a training loss of {loss:g} nats",
        of_run(lambda run: math.inf if (step := at(run)) is None else step),
        "ratio",
    )


def _claim(
    identity: str,
    words: str,
    arms: tuple[Settings, Settings],
    rule: Rule,
    paper: Paper,
    primary: bool = False,
    control: Control | None = None,
    quantity: Quantity = STEPS,
) -> Claim:
    """Of two arms, whatever the nonlinearity."""
    return Claim(
        f"whitening-{identity}",
        "§2, §3",
        f"Each at its own best rate, {words}, whatever the nonlinearity.",
        quantity,
        rule,
        paper,
        *arms,
        cells=CELLS,
        selected=("lr",),
        primary=primary,
        control=control,
    )


def _pixels(how: str | None) -> Settings:
    """Networks without a norm, on pixels of this kind."""
    return {"norm": PLAIN, "data.pixels": how}


NO_SLOWER, FEWER = Rule("no_worse", math.log(ALIKE), less=True, universal=True), Rule("time", less=True, universal=True)

CLAIMS = [
    _claim(
        "cheap",
        f"BN reaches {REACHED} in no more than {ALIKE:g} times the steps of ZCA of groups of ten features",
        ({"norm": TREATED, **RAW}, {"norm": "zca", **RAW}),
        NO_SLOWER,
        CHEAP,
        primary=True,
    ),
    _claim(
        "zca",
        f"ZCA reaches {REACHED} in fewer steps than no norm",
        ({"norm": "zca", **RAW}, _pixels(None)),
        FEWER,
        FASTER,
        control=Control("No fewer would say that being as fast as ZCA is nothing.", guards=("whitening-cheap",)),
    ),
    _claim(
        "pixels",
        f"with whitened pixels, networks without a norm reach {REACHED} in fewer steps than with raw ones",
        (_pixels("whitened"), _pixels(None)),
        FEWER,
        FASTER,
        primary=True,
        control=Control(
            "No fewer would say that being as fast as with whitened pixels is nothing.",
            guards=("whitening-standardised",),
        ),
    ),
    _claim(
        "standardised",
        f"with standardised pixels, networks without a norm reach {REACHED} in no more than {ALIKE:g} times the steps "
        "of whitened ones",
        (_pixels("standardised"), _pixels("whitened")),
        NO_SLOWER,
        CHEAP,
    ),
    _claim(
        "standardised-raw",
        f"with standardised pixels, networks without a norm reach {REACHED} in fewer steps than with raw ones",
        (_pixels("standardised"), _pixels(None)),
        FEWER,
        CHEAP,
    ),
    *(
        _claim(
            f"{pixels}-loss-{loss:g}",
            f"with {pixels} pixels, networks without a norm reach a training loss of {loss:g} nats in fewer steps than "
            "with raw ones",
            (_pixels(pixels), _pixels(None)),
            FEWER,
            FASTER if pixels == "whitened" else CHEAP,
            quantity=steps_to_loss(loss),
        )
        for pixels in ("whitened", "standardised")
        for loss in LOSSES
    ),
    _claim(
        "training",
        "with whitened pixels, networks without a norm end {epochs} of training at a lower training loss than with raw "
        "ones",
        (_pixels("whitened"), _pixels(None)),
        Rule("difference", math.log(HARDLY), less=True, universal=True),
        FASTER,
        quantity=Quantity("training loss at the end", of_run(metric_at_end("train_loss_at_inference")), "ratio"),
    ),
]


def figures(records: Records) -> dict[str, Figure]:
    """`whitening`: test accuracy, each at its own best rate."""
    title = "Test accuracy with activations or pixels whitened"
    layout = Layout(columns=CELLS[0], arm=_arm)
    return plots.curves_at_best(records, "whitening", ("norm", "data.pixels", *CELLS), title, layout, NEAR)


def _arm(run: Record) -> str:
    pixels = run.value("data.pixels")
    return run.norm if pixels is None else f"{arm_name(run.norm)}, {pixels} pixels"
