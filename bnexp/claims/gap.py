"""§3.4: BN regularises, so that networks that have learnt their training images equally well err less on other ones.

The gap is the test loss minus the training loss, both as at inference, when the training loss has fallen to so many
nats. Its sign, too, depends on where it is read, from 0.3 nats to 0.002, to which every network comes: the main claim
is about all of these losses, and further ones are about each of them, and about the accuracies.
Dropout with BN is the positive control, for each size of the training set: without BN it hardly narrowed the gap. In
larger sets the gap is so small that it cannot be seen to be narrowed: they are drawn, and not judged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure

from bnexp.claims.accuracy import SMALLEST
from bnexp.drawing import plots
from bnexp.drawing.plots import Layout
from bnexp.judging.claim import (
    LARGEST,
    PLAIN,
    TREATED,
    Claim,
    Control,
    Of,
    Outcome,
    Paper,
    Peculiar,
    Quantity,
    Rule,
    of_run,
)
from bnexp.judging.comparing import compare
from bnexp.judging.matching import having
from bnexp.judging.rules import Decision, over_cells
from bnexp.runs.records import Record, Records

FITTED = 0.1
"""Nats, the training loss at which Dropout and accuracies are compared; every network reached it on tuning seeds."""

LOSSES = (0.3, FITTED, 0.05, 0.01, 0.002)
"""Nats, those at which gaps are read."""

LEAST = 0.01
"""Nats, the smallest difference of gaps that counts."""


def when_fitted(column: str, loss: float) -> Callable[[Record], float | None]:
    """What is measured when the training loss first falls to `loss`, between evaluations by the straight line."""

    def measure(run: Record) -> float | None:
        fitted = run.metrics["train_loss_at_inference"].to_numpy(dtype=float)
        values = run.metrics[column].to_numpy(dtype=float)
        (reached,) = np.nonzero(fitted <= loss)
        if not reached.size:
            return None
        after = max(int(reached[0]), 1)
        return float(np.interp(-loss, -fitted[after - 1 : after + 1], values[after - 1 : after + 1]))

    return measure


def gap_of_losses(loss: float) -> Callable[[Record], float | None]:
    """Test minus training loss, nats; None for a run whose training loss never falls so far."""
    at = when_fitted("loss", loss)
    return lambda run: None if (test := at(run)) is None else test - loss


def gap_of_accuracies(loss: float) -> Callable[[Record], float | None]:
    """Training minus test accuracy at this training loss; None for a run that never has it."""

    def measure(run: Record) -> float | None:
        training, test = (when_fitted(column, loss)(run) for column in ("train_accuracy", "accuracy"))
        return None if training is None or test is None else training - test

    return measure


def _losses(loss: float) -> Quantity:
    return Quantity(f"test minus training loss when that is {loss:g} nats", of_run(gap_of_losses(loss)), "nats")


GAP = _losses(FITTED)
SAID = Paper("Said to regularise; no number is given.")
ALONE = {"model.dropout": 0}
SIZES, SMALL = ("data.examples",), {"data.examples": Of("among", (500, 2000))}


def _narrower(identity: str, loss: float, what: str, quantity: Quantity, counts: float) -> Claim:
    sentence = f"At a training loss of {loss:g} nats, the gap between {what} is narrower with BN, for small training "
    return Claim(
        identity,
        "§3.4",
        f"{sentence}sets (500 and 2,000 images, at one learning rate; read off the line between evaluations).",
        quantity,
        Rule("difference", counts, less=True, universal=True),
        SAID,
        among={**ALONE, **SMALL},
        cells=SIZES,
    )


WHERE_READ = {
    loss: _narrower(
        "gap-narrower" if loss == FITTED else f"gap-narrower-{loss:g}",
        loss,
        "test and training loss",
        _losses(loss),
        LEAST,
    )
    for loss in LOSSES
}


def _at_every_loss(claims: Mapping[float, Claim]) -> Callable[[Records], Outcome]:
    """What the claims about each training loss say together."""

    def judge(records: Records) -> Outcome:
        every = {loss: compare(claim, records.runs) for loss, claim in claims.items()}
        found = {loss: outcome for loss, outcome in every.items() if outcome.effect is not None}
        if not found:
            return Outcome("undecided", "no network's training loss falls so far", "nothing to compare")
        decided = [Decision(outcome.verdict, 1.0 if outcome.p is None else outcome.p) for outcome in found.values()]
        decision = over_cells(Decision("undecided", 1.0), decided, universal=True)
        by_verdict: dict[str, list[str]] = {}
        flags: dict[str, str] = {}
        for loss, outcome in found.items():
            by_verdict.setdefault(outcome.verdict, []).append(f"{loss:g}")
            for flag, words in outcome.flags.items():
                flags[flag] = "; ".join(filter(None, (flags.get(flag), f"at {loss:g} nats {words}")))
        said = [f"{verdict} at {', '.join(losses)} nats" for verdict, losses in by_verdict.items()]
        return Outcome(
            decision.verdict if len(found) == len(claims) else "undecided",
            f"it is said of a training loss of {', '.join(f'{loss:g}' for loss in claims)} nats",
            f"test minus training loss ({'; '.join(said)})",
            n=min(outcome.n for outcome in found.values()),
            p=decision.p,
            values=[{**of, "cell": f"{of['cell']}, {loss:g} nats"} for loss in found for of in found[loss].values],
            cells=[replace(of, cell=f"{of.cell}, {loss:g} nats") for loss in found for of in found[loss].cells],
            by_cells=True,
            flags=flags,
        )

    return judge


def _dropout(identity: str, words: str, norm: object, control: Control | None) -> Claim:
    sentence = f"At a training loss of {FITTED:g} nats, {words} BN, dropout of a tenth narrows the gap between losses "
    sentence += "(500 and 2,000 training images)."
    treated, reference = {"model.dropout": LARGEST}, {"model.dropout": 0}
    rule, paper = Rule("difference", LEAST, less=True, universal=True), Paper("Inception has 40 % dropout.")
    among = {"norm": norm, **SMALL}
    source = "known of Dropout"
    return Claim(
        identity, source, sentence, GAP, rule, paper, treated, reference, among=among, cells=SIZES, control=control
    )


CLAIMS = [
    Peculiar(
        "gap-at-every-loss",
        "§3.4",
        f"At the same training loss, from {max(LOSSES):g} to {min(LOSSES):g} nats, the gap between test and training "
        "loss is narrower with BN, for small training sets (500 and 2,000 images, at one learning rate).",
        SAID,
        _at_every_loss(WHERE_READ),
        "nats",
        primary=True,
        decides=f"difference, margin {LEAST:g} nats: test minus training loss; with BN against without BN; in every "
        "training loss and number of examples",
    ),
    _dropout(
        "gap-dropout-bn",
        "with",
        TREATED,
        Control(
            "if Dropout does not narrow it, the measure cannot see regularisation",
            guards=("gap-at-every-loss", "gap-accuracies", *(claim.id for claim in WHERE_READ.values())),
        ),
    ),
    _dropout("gap-dropout-without", "without", PLAIN, None),
    *WHERE_READ.values(),
    _narrower(
        "gap-accuracies",
        FITTED,
        "training and test accuracy",
        Quantity(
            f"training minus test accuracy at a training loss of {FITTED:g} nats", of_run(gap_of_accuracies(FITTED))
        ),
        SMALLEST,
    ),
]

SHOWN = {
    "gap_dropout": ("gap-dropout-bn", "gap-dropout-without"),
}


def figures(records: Records) -> dict[str, Figure]:
    """`gap`, by the size of the training set at each training loss; `gap_dropout`, with and without Dropout."""
    alone = records.of(having(records.runs, ALONE))
    if not alone.runs:
        return {}
    shows = "Test minus training loss, both at inference, by the number of training images."
    plain = {(run.seed, run.value("data.examples")): run for run in having(alone.runs, {"norm": PLAIN})}

    def narrowed(loss: float) -> Callable[[Record], float | None]:
        """By how much the gap is narrower than the same seed's without BN."""
        gap = gap_of_losses(loss)

        def measure(run: Record) -> float | None:
            other = plain.get((run.seed, run.value("data.examples")))
            without, own = None if other is None else gap(other), gap(run)
            return None if without is None or own is None else without - own

        return measure

    title = "The gap between test and training loss"
    return {
        "gap": plots.dots(
            records.of([run for run in alone.runs if run.norm != PLAIN]),
            f"{title}, by how much it is narrower with BN",
            f"That of the same seed without BN minus that with it; above 0 it is narrower. {shows} Without dropout.",
            {f"nats, at a training loss of {loss:g}": narrowed(loss) for loss in LOSSES},
            "data.examples",
            mark=0.0,
        ),
        "gap_dropout": plots.lines(
            records,
            f"{title} at a training loss of {FITTED:g} nats, with and without dropout",
            shows,
            "data.examples",
            gap_of_losses(FITTED),
            "nats",
            Layout(columns="model.dropout"),
        ),
    }
