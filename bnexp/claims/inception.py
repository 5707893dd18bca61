"""§4.2, Figures 2 and 3: Inception with and without BN, at multiples of one learning rate.

Steps are compared as in the paper: to the best accuracy that Inception reaches during its training, which is that of
the images on which every evaluation is made. What a network ends at is measured on all test images.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bnexp.drawing import plots
from bnexp.drawing.plots import Layout
from bnexp.judging import rules
from bnexp.judging.claim import Outcome, Paper, Peculiar
from bnexp.judging.comparing import three_way
from bnexp.judging.matching import having
from bnexp.judging.measures import chance, curve, diverged, final_accuracy, length
from bnexp.judging.telling import told
from bnexp.judging.words import arm_name, count, percent
from bnexp.runs.records import Record, Records
from bnexp.stats import paired, steps_to

SECTION = "§4.2.2, Figures 2 and 3"

SMALLEST = 0.005
"""The smallest difference of final accuracies that counts: half a point, 50 of CIFAR-10's 10,000 test images."""

CLEARLY = 0.1
"""How far above chance a network ends that trains, whatever else may be said of it."""

AT_CHANCE = 0.01
"""How far above chance a network may end that has learnt nothing."""


@dataclass(frozen=True)
class Arm:
    """A row of the paper's Figure 3, or a network of §4.2.2 that fails."""

    lr: float
    steps: str
    """To 72.2 %."""
    accuracy: str


ARMS = {
    "inception": Arm(0.0015, "31.0·10⁶", "72.2 %"),
    "bn_baseline": Arm(0.0015, "13.3·10⁶", "72.7 %"),
    "bn_x5": Arm(0.0075, "2.1·10⁶", "73.0 %"),
    "bn_x30": Arm(0.045, "2.7·10⁶", "74.8 %"),
    "bn_x5_sigmoid": Arm(0.0075, "never", "69.8 %"),
    "inception_x5": Arm(0.0075, "–", "parameters reach machine infinity"),
    "inception_sigmoid": Arm(0.0015, "–", "chance (0.1 %)"),
}

FASTER = {"bn_baseline": "31.0·10⁶ against 13.3·10⁶ steps, 2.3 times",
          "bn_x5": "31.0·10⁶ against 2.1·10⁶ steps, 14 times",
          "bn_x30": "31.0·10⁶ against 2.7·10⁶ steps, 11 times"}  # fmt: skip


def best(run: Record) -> float:
    """The highest accuracy during training."""
    return float(np.nanmax([chance(run), *curve(run)[1]]))


def by_seed(runs: Sequence[Record]) -> dict[int, Record]:
    """The runs of one arm."""
    return {run.seed: run for run in runs}


def arm(records: Records, name: str) -> dict[int, Record]:
    """The runs of the arm of this name by seed."""
    return by_seed(having(records.runs, {"arm": name}))


def steps(run: Record, target: float) -> float:
    """The step at which a run first reaches an accuracy; all its steps when it never does."""
    step = steps_to(*curve(run), target)
    return length(run) if step is None else max(step, 1.0)


def log_speed_ups(baseline: dict[int, Record], others: dict[int, Record]) -> dict[int, float]:
    """By seed, log(steps of the baseline to its best / steps of the other to the same accuracy).

    For a run that never gets there all its steps stand in, which favours it.
    """
    return {
        seed: math.log(steps(baseline[seed], best(baseline[seed])) / steps(others[seed], best(baseline[seed])))
        for seed in sorted(baseline.keys() & others.keys())
    }


def missed(baseline: dict[int, Record], others: dict[int, Record]) -> str:
    """For `why`: how many runs never reach the baseline's best."""
    never = sum(
        steps_to(*curve(others[seed]), best(baseline[seed])) is None for seed in baseline.keys() & others.keys()
    )
    return f"{count(never, 'run')} with BN never reaches it and its last step stands in" if never else ""


def faster(baseline: dict[int, Record], others: dict[int, Record]) -> Outcome:
    """Whether the others reach the baseline's best accuracy in fewer steps."""
    ratio = rules.single(list(log_speed_ups(baseline, others).values()), 0.0)
    target = percent(float(np.mean([best(run) for run in baseline.values()])), 1) if baseline else "–"
    measured = f"steps without BN / steps with BN to Inception's best ({target}): {told(ratio, 'ratio')}"
    return three_way(ratio, "ratio", 0.0, measured, missed(baseline, others))


def higher(lower: dict[int, Record], others: dict[int, Record]) -> Outcome:
    """Whether the others end at a higher test accuracy."""
    ends = [{seed: final_accuracy(run) for seed, run in runs.items()} for runs in (lower, others)]
    gain = rules.single([*paired(ends[1], ends[0]).values()], 0.0)
    means = [percent(float(np.mean(list(accuracies.values()))), 1) if accuracies else "–" for accuracies in ends]
    measured = f"{means[0]} and {means[1]}, a difference of {told(gain, 'points')}"
    return three_way(gain, "points", SMALLEST, measured)


def sigmoid_trains(runs: dict[int, Record]) -> Outcome:
    """Whether networks end clearly above chance."""
    above = rules.single([final_accuracy(run) - chance(run) for run in runs.values()], 0.0)
    return three_way(above, "points", CLEARLY, f"final accuracy above chance: {told(above, 'points')}")


def stays_at_chance(runs: dict[int, Record]) -> Outcome:
    """Whether networks have learnt nothing."""
    return _all_of(runs, at_chance, f"within {100 * AT_CHANCE:g} point of chance")


def at_chance(run: Record) -> bool:
    """Whether a network that has been trained to the end has learnt nothing."""
    return final_accuracy(run) <= chance(run) + AT_CHANCE


def _all_of(runs: dict[int, Record], holds: Callable[[Record], bool], what: str) -> Outcome:
    """Whether something is so on more seeds than not."""
    ends = ", ".join("NaN" if diverged(run) else percent(final_accuracy(run), 1) for run in runs.values())
    share = rules.Share(sum(map(holds, runs.values())), len(runs))
    decision = rules.decide_rate(share)
    why = f"{share.yes} of {count(share.n, 'seed')} {what}, by the exact interval of the share, against one half"
    ci95 = share.exact if share.n else None
    effect = share.rate if share.n else None
    return Outcome(decision.verdict, why, f"final accuracy {ends or '–'}", effect, ci95, share.n, decision.p)


def _later(records: Records) -> Outcome:
    base = arm(records, "inception")
    later, sooner = (
        {seed: -value for seed, value in log_speed_ups(base, arm(records, name)).items()}
        for name in ("bn_x30", "bn_x5")
    )
    ratio = rules.single([*paired(later, sooner).values()], 0.0)
    return three_way(ratio, "ratio", 0.0, f"steps of BN-x30 / steps of BN-x5: {told(ratio, 'ratio')}")


def _faster_than_inception(name: str) -> Callable[[Records], Outcome]:
    return lambda records: faster(arm(records, "inception"), arm(records, name))


def _higher_than(low: str, high: str) -> Callable[[Records], Outcome]:
    return lambda records: higher(arm(records, low), arm(records, high))


CLAIMS = [
    *(
        Peculiar(
            f"steps-{name}",
            SECTION,
            f"{arm_name(name)} reaches Inception's best accuracy in fewer steps.",
            Paper(paper),
            _faster_than_inception(name),
            "ratio",
        )
        for name, paper in FASTER.items()
    ),
    Peculiar(
        "x30-later",
        SECTION,
        "BN-x30 is slower at first: it needs more steps to Inception's best accuracy than BN-x5.",
        Paper("2.7·10⁶ against 2.1·10⁶ steps, 1.3 times"),
        _later,
        "ratio",
    ),
    *(
        Peculiar(identity, SECTION, sentence, Paper(paper), _higher_than(low, high))
        for identity, low, high, sentence, paper in (
            ("x5-higher", "inception", "bn_x5", "BN-x5 ends higher than Inception.", "73.0 against 72.2 %, +0.8"),
            ("x30-higher", "bn_x5", "bn_x30", "BN-x30 ends higher than BN-x5.", "74.8 against 73.0 %, +1.8"),
            ("sigmoid-lower", "bn_x5_sigmoid", "bn_x5", "With sigmoid, BN-x5 ends lower.", "69.8 against 73.0 %, −3.2"),
        )
    ),
    Peculiar(
        "sigmoid-trains",
        "§4.2.2",
        "With BN, Inception trains with sigmoids.",
        Paper("69.8 %, chance being 0.1 %"),
        lambda records: sigmoid_trains(arm(records, "bn_x5_sigmoid")),
    ),
    Peculiar(
        "x5-diverges",
        "§4.2.2",
        "Without BN, five times the learning rate makes the parameters reach machine infinity.",
        Paper("They do."),
        lambda records: _all_of(arm(records, "inception_x5"), diverged, "diverged"),
        "share",
    ),
    Peculiar(
        "sigmoid-at-chance",
        "§4.2.2",
        "Without BN, Inception with sigmoids stays at chance to the end.",
        Paper("1/1000"),
        lambda records: stays_at_chance(arm(records, "inception_sigmoid")),
        "share",
    ),
]


def tables(records: Records) -> dict[str, pd.DataFrame]:
    """Figure 3's table, the paper's columns beside ours."""
    base = arm(records, "inception")
    rows = []
    for name, row in ARMS.items():
        runs = list(arm(records, name).values())
        if not runs:
            continue
        first_steps = [steps_to(*curve(run), best(base[run.seed])) for run in runs if run.seed in base]
        reached = [step for step in first_steps if step is not None]
        rows.append(
            {
                "network": arm_name(name),
                "lr (paper)": f"{row.lr:g}",
                "steps to 72.2 % (paper)": row.steps,
                "max accuracy (paper)": row.accuracy,
                "lr": f"{runs[0].fields['lr']:g}",
                "steps to Inception's best": f"{np.mean(reached):,.0f}"
                + (f" ({len(reached)} of {len(runs)})" if len(reached) < len(runs) else "")
                if reached
                else "never",
                "max accuracy": percent(float(np.mean([best(run) for run in runs])), 1),
                "final accuracy, all test images": percent(float(np.mean([final_accuracy(run) for run in runs])), 1)
                + (f" ({sum(map(diverged, runs))} of {len(runs)} NaN)" if any(map(diverged, runs)) else ""),
            }
        )
    return {"Figure 3: the paper's columns and ours": pd.DataFrame(rows)} if rows else {}


def figures(records: Records) -> dict[str, Figure]:
    """`figure_2`: test accuracy against steps, with a mark where each network matches Inception's best."""
    if not records.runs:
        return {}
    arms = {name: arm(records, name) for name in ARMS}
    title = "Test accuracy of Inception during training — as Figure 2"
    return {"figure_2": draw(records, title, {name: runs for name, runs in arms.items() if runs}, arms["inception"])}


def draw(records: Records, title: str, arms: dict[str, dict[int, Record]], base: dict[int, Record]) -> Figure:
    """Curves of these arms, with a line at the best of `base`."""
    names = {id(run): name for name, runs in arms.items() for run in runs.values()}
    every = [run for runs in arms.values() for run in runs.values()]
    return plots.curves(
        replace(records, runs=every),
        title,
        "Dotted: the best of Inception without BN. Accuracy is on the same part of the test images at every step; a "
        "network that diverged counts as chance.",
        curve,
        "test accuracy",
        Layout(arm=lambda run: names[id(run)]),
        (0, min(1.0, 1.05 * max(map(best, every)))),
        max(map(chance, every)),
        float(np.mean([best(run) for run in base.values()])) if base else None,
        linear=True,
    )
