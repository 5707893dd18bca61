"""§4.2, and what the paper did not compare: Inception with and without BN, each at settings that suit it best.

Learning rate and initial scale are chosen on tuning seeds, by images set aside for validation: the best of short
trainings are tried at full length, for what learns fast need not end high. What is compared are full trainings on other
seeds. How much tuning it takes is seen in the short ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import scipy
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bnexp.claims.accuracy import ACCURACY
from bnexp.claims.inception import SMALLEST, arm, speed_ups, target_of
from bnexp.claims.inception_steps import STEPS
from bnexp.drawing import plots
from bnexp.drawing.colours import COLOURS
from bnexp.drawing.plots import Layout
from bnexp.judging.claim import SMALLEST as SHORTEST
from bnexp.judging.claim import Claim, Of, Paper, Rule
from bnexp.judging.matching import at_their_best, having, tuning
from bnexp.judging.measures import chance, curve, validation_accuracy
from bnexp.judging.words import arm_name, percent
from bnexp.runs.records import Record, Records

SHOWS_TUNING = True

ARMS = "inception", "bn_baseline"
SELECTED = "lr", "init.scale"
SEARCHED = {"init.scale": Of("above", (0.45,)), "steps": SHORTEST}
"""Where both are tried, and what a search looks for is likely to be; for BN the grid goes on to its best."""

BANDS = 0.1, 0.9
"""Of the searches, those between which the band lies."""

OWN_BEST = "With each network at its own best learning rate and initial scale, "

CLAIMS = [
    Claim(
        "tuned-steps",
        "§4.2",
        f"{OWN_BEST}the one with BN reaches nearly Inception's accuracy ({{target}}) in fewer steps, within "
        "{epochs}.",
        STEPS,
        Rule("time", less=True),
        Paper("Not compared; at one rate for both 2.3 times fewer steps", 31.0 / 13.3),
        arm("bn_baseline"),
        arm("inception"),
        selected=SELECTED,
        primary=True,
    ),
    Claim(
        "tuned-accuracy",
        "§4.2",
        f"{OWN_BEST}the one with BN ends higher within {{epochs}}.",
        ACCURACY,
        Rule("difference", SMALLEST),
        Paper(
            "Not compared; at one rate for both +0.5", 0.005, "GoogLeNet, 128 px: none 61.9 %, BN 60.7 % (ducha-aiki)"
        ),
        arm("bn_baseline"),
        arm("inception"),
        selected=SELECTED,
        primary=True,
    ),
]


def best_of(n: int, tries: int) -> np.ndarray:
    """The probability of each of `n` sorted scores to be the best of so many tries, none made twice."""
    return np.asarray(scipy.special.comb(np.arange(n), tries - 1) / scipy.special.comb(n, tries))


def searches(scores: Sequence[float]) -> np.ndarray:
    """After 1, 2, … tries of a random search: the expected best score, and the ends of the band, `[tries, 3]`."""
    ordered = np.sort(np.asarray(scores, dtype=float))
    rows = []
    for tries in range(1, len(ordered) + 1):
        p = best_of(len(ordered), tries)
        ends = np.minimum(np.searchsorted(np.cumsum(p), BANDS), len(ordered) - 1)
        rows.append([float(p @ ordered), *ordered[ends]])
    return np.array(rows)


def scores(runs: Sequence[Record]) -> dict[int, list[float]]:
    """By tuning seed, the validation accuracies of all settings that are searched."""
    by_seed: dict[int, list[float]] = {}
    for run in having(tuning(runs), SEARCHED):
        by_seed.setdefault(run.seed, []).append(validation_accuracy(run))
    return by_seed


def tables(records: Records) -> dict[str, pd.DataFrame]:
    """What so many tries of random search give with and without BN."""
    by_arm = {name: scores(having(records.runs, arm(name))) for name in ARMS}
    most = min((len(of_seed) for seeds in by_arm.values() for of_seed in seeds.values()), default=0)
    rows: list[Mapping[str, str]] = []
    for tries in (tries for tries in (1, 2, 3, 5, 10, 20, most) if tries <= most):
        means = {name: np.mean([searches(s)[tries - 1, 0] for s in seeds.values()]) for name, seeds in by_arm.items()}
        rows.append({"tries": str(tries)} | {arm_name(name): percent(float(mean), 1) for name, mean in means.items()})
    title = "The best validation accuracy to be expected of so many tries of learning rate and initial scale"
    made = {title: pd.DataFrame(rows).drop_duplicates("tries")} if rows else {}
    best = {name: at_their_best(having(records.runs, arm(name)), ("arm",), SELECTED) for name in ARMS}
    target = target_of(best["inception"][0]) if all(best.values()) else None
    if target is not None:
        made["Times fewer steps than without BN, each at its best, at several accuracies"] = speed_ups(best, target)
    return made


SHOWN = {
    "settings": (),
    "tuning_curve": (),
}


def figures(records: Records) -> dict[str, Figure]:
    """`tuned`: each arm at its best; `tuning_curve`: against tries; `settings`: the accuracy at all settings."""
    made = {}
    if final := at_their_best(records.runs, ("arm",), SELECTED):
        made["tuned"] = plots.curves(
            records.of(final),
            "Inception with and without BN, each at its own best learning rate and initial scale",
            "A network that diverged counts as chance.",
            curve,
            "test accuracy",
            Layout(arm=lambda run: str(run.fields["arm"])),
            fill=max(map(chance, final)),
            linear=True,
        )
    if tried := having(tuning(records.runs), {"steps": SHORTEST}):
        short = records.of(tried)
        if having(tried, SEARCHED):
            made["tuning_curve"] = _tuning_curve(short)
        made["settings"] = plots.lines(
            short,
            "Validation accuracy of Inception over learning rates and initial scales",
            "Short trainings on tuning seeds. A run that diverged counts as chance.",
            "lr",
            validation_accuracy,
            "validation accuracy",
            Layout(columns="init.scale", arm=lambda run: str(run.fields["arm"])),
        )
    return made


def _box(runs: Sequence[Record]) -> str:
    """Where a search looks: what a single try gives is a matter of that."""
    searched = having(runs, SEARCHED)
    rates, scales = (sorted({run.fields[name] for run in searched}) for name in SELECTED)
    return f"rates from {rates[0]:g} to {rates[-1]:g} and initial scales from {scales[0]:g} to {scales[-1]:g} of He's"


def _tuning_curve(records: Records) -> Figure:
    low, high = (percent(end) for end in BANDS)
    figure, ((axes,),) = plots.sheet(
        records,
        "What a random search finds with and without BN",
        f"Best validation accuracy, in short trainings, after so many tries of {_box(records.runs)}, none twice. "
        f"Thick: expected, mean over tuning seeds; thin: seeds; shaded: from {low} to {high} of the searches.",
        (8, 4.4),
    )
    for name in ARMS:
        found = [searches(of_seed) for of_seed in scores(having(records.runs, arm(name))).values()]
        if not found:
            continue
        tries = np.arange(1, min(map(len, found)) + 1)
        mean, lowest, highest = np.mean([seed[: len(tries)] for seed in found], axis=0).T
        colour = COLOURS[name]
        axes.fill_between(tries, lowest, highest, color=colour, alpha=0.15, lw=0)
        for seed in found:
            axes.plot(tries, seed[: len(tries), 0], color=colour, lw=0.6)
        axes.plot(tries, mean, color=colour, lw=2, label=arm_name(name))
    axes.set_xlabel("tries")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylabel("best validation accuracy")
    plots.in_percent(axes.yaxis)
    axes.grid(axis="y", color="0.9")
    axes.legend(frameon=False)
    plots.plain_axes(axes)
    return figure
