"""Galloway et al. 2019: what BN gains on clean images it loses under noise and attacks.

What is compared is the accuracy that is lost, on the same test images, each network at its own best learning rate: the
more a network has to lose, the more it may lose. So nothing is said where they are not as accurate on clean images.
What is lost changes with the rate, too, and best rates are told apart by hundredths of a point; so both networks are
compared at one rate as well, at that of either.
"""

from __future__ import annotations

from collections.abc import Callable

from matplotlib.figure import Figure

from bnexp.claims.mechanisms import AT_THE_END, CELLS, RATES
from bnexp.drawing import plots
from bnexp.judging.claim import PLAIN, TREATED, Claim, Control, Paper, Quantity, Rule, Settings, of_run
from bnexp.judging.measures import metric_at_end
from bnexp.runs.records import Record, Records

SHOWS_TUNING = True

COUNTS = 0.03
"""Three points: the smallest difference of what is lost that counts. The same 4,000 test images are changed for both
arms, and tell it within one."""

ALIKE = 0.01
"""One point, a third of that: networks that differ by less on clean images are as accurate."""

CHANGES = {
    **{f"noise/{s:g}": f"under noise of {s:g}" for s in (0.1, 0.3, 0.5)},
    **{f"fgsm/{s:g}": f"under FGSM of {s:g}" for s in (0.02, 0.05, 0.1)},
    **{f"pgd/{s:g}": f"under PGD of {s:g}" for s in (0.02, 0.05, 0.1)},
}
"""The probe's metrics in words; the strengths are of the range of the pixels."""

MAIN = ("noise/0.3", "pgd/0.05")
OUTSIDE = Paper("Not mentioned.", outside="CIFAR-10, VGG: less under noise and PGD with BN (Galloway et al. 2019)")
AT_ONE_RATE = {
    "plain-rate": (RATES[False], PLAIN),
    "bn-rate": ("at the rate that suits the network with BN best", TREATED),
}


def lost(change: str) -> Callable[[Record], float | None]:
    """The accuracy lost by a change of the images."""

    def measure(run: Record) -> float | None:
        clean, under = metric_at_end("clean")(run), metric_at_end(f"under_{change}")(run)
        return None if clean is None or under is None else clean - under

    return measure


def _loses(
    change: str, at: str, which: str = "", of: str = "", best_of: Settings | None = None, primary: bool = False
) -> Claim:
    """That networks with BN lose more by a change, at these rates; `which` and `of` are parts of sentence and id."""
    return Claim(
        f"robust-{change.replace('/', '-')}{of}",
        "Galloway et al. 2019",
        f"With BN, networks {which}lose {100 * COUNTS:g} points more {CHANGES[change]}, {at}, whatever the "
        "nonlinearity.",
        Quantity(f"accuracy lost {CHANGES[change]}", of_run(lost(change))),
        Rule("difference", COUNTS, universal=True),
        OUTSIDE,
        cells=CELLS,
        selected=("lr",),
        best_of=best_of,
        primary=primary,
    )


AS_ACCURATE = f"that are as accurate on clean images, within {100 * ALIKE:g} point, "

CLAIMS = [
    *(_loses(change, RATES[True], AS_ACCURATE, primary=change in MAIN) for change in CHANGES),
    *(
        _loses(change, at, of=f"-{identity}", best_of={"norm": norm})
        for change in MAIN
        for identity, (at, norm) in AT_ONE_RATE.items()
    ),
    Claim(
        "robust-clean",
        "own check",
        f"On clean images, networks end as accurate with BN as without, within {100 * ALIKE:g} point, each at its own "
        "best rate, whatever the nonlinearity.",
        Quantity("accuracy on clean images", of_run(metric_at_end("clean"))),
        Rule("equals", ALIKE, universal=True),
        Paper("Higher with BN, at one learning rate (Figure 1(a))."),
        cells=CELLS,
        selected=("lr",),
        control=Control(
            "Networks of other accuracies would differ in what they have to lose.",
            guards=tuple(f"robust-{change.replace('/', '-')}" for change in CHANGES),
        ),
    ),
]


def figures(records: Records) -> dict[str, Figure]:
    """`robustness`: the accuracy lost by one strength of each change."""
    measures = {f"lost {CHANGES[change]}": lost(change) for change in ("noise/0.3", "fgsm/0.05", "pgd/0.05")}
    title = "Accuracy lost under noise and attacks"
    return plots.probes_of(records, "robustness", title, measures, log=False, when=AT_THE_END, fraction=True)
