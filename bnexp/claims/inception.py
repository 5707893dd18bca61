"""§4.2, Figures 2 and 3: the final accuracy of Inception with and without BN, at multiples of one learning rate.

The learning rate of the networks with the changes of §4.2.1 falls to 0.05 of itself, Inception's to 0.61: in the paper
it trained five times as long. What a full decay does alone is Inception's, too, before others are said to end higher.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from bnexp.claims.accuracy import ACCURACY
from bnexp.drawing import plots
from bnexp.drawing.plots import Layout
from bnexp.judging.arms import mean
from bnexp.judging.claim import LARGEST, Claim, Paper, Rule
from bnexp.judging.matching import having, judged
from bnexp.judging.measures import chance, curve, diverged, epochs, final_accuracy, learnt_from, length, steps_of
from bnexp.judging.words import arm_name, count, percent, three_digits
from bnexp.runs.records import Record, Records

SECTION = "§4.2.2, Figures 2 and 3"

SHOWS_TUNING = True

SMALLEST = 0.002
"""The smallest difference of final accuracies that counts: less than half of the smallest that the paper prints."""

FEW = 0.02
"""Two points, which are next to nothing beside what BN is said to bring."""

Targets = Mapping[str, Mapping[int, float]]
"""By data set, for trainings of at least so many steps, an accuracy on test images; "" is for any other data set."""

TARGETS: Targets = {
    "": {1: 0.31, 2_400: 0.44, 2_800: 0.45, 8_400: 0.59},
    "tiny_imagenet": {},
    "imagenet": {1: 0.722},
}
"""Four points less than Inception has near the end of as long a training on a tuning seed; of ImageNet, Figure 3's."""


@dataclass(frozen=True)
class Arm:
    """A row of the paper's Figure 3, a network of §4.2.2 that fails, or a control of ours."""

    lr: str
    steps: str
    """To 72.2 %."""
    accuracy: str


ARMS = {
    "inception": Arm("0.0015", "31.0·10⁶", "72.2 %"),
    "bn_baseline": Arm("0.0015", "13.3·10⁶", "72.7 %"),
    "bn_x5": Arm("0.0075", "2.1·10⁶", "73.0 %"),
    "bn_x30": Arm("0.045", "2.7·10⁶", "74.8 %"),
    "bn_x5_sigmoid": Arm("0.0075", "never", "69.8 %"),
    "bn_x30_half": Arm("–", "–", "after 6·10⁶ steps 74.8 %"),
    "bn_x30_fifth": Arm("–", "–", "after 6·10⁶ steps 74.8 %"),
    "inception_decayed": Arm("–", "–", "not tried"),
    "inception_changes": Arm("–", "–", "not tried"),
    "inception_changes_x1": Arm("–", "–", "not tried"),
    "inception_x1": Arm("–", "–", "not tried"),
    "inception_x5": Arm("0.0075", "–", "parameters reach machine infinity"),
    "inception_x9": Arm("–", "–", "not tried"),
    "inception_sigmoid": Arm("not given", "–", "chance (0.1 %)"),
    "inception_sigmoid_x5": Arm("not given", "–", "chance (0.1 %)"),
}


SHOWN = {"figure_2": ("steps-bn_baseline", "steps-bn_x5", "steps-of-bn")}

CURVES = (
    *("inception", "inception_decayed", "bn_baseline", "bn_x5", "bn_x30", "bn_x5_sigmoid"),
    *("inception_changes", "inception_changes_x1"),
)
"""The arms of Figure 2, and of ours; the others have fewer steps than it takes, or are to fail."""


def target_of(run: Record, targets: Targets = TARGETS) -> float | None:
    """The accuracy that is asked of a training of this length on these data; None where none is."""
    by_length = targets.get(run.fields.get("data.name", ""), targets[""])
    fitting = [steps for steps in by_length if steps <= length(run)]
    return by_length[max(fitting)] if fitting else None


def learns(run: Record) -> float:
    """Whether a network ends at three times chance, or half-way from chance to no error, if that is less."""
    return float(final_accuracy(run) >= learnt_from(chance(run)))


def highest(run: Record) -> float:
    """The highest accuracy of any evaluation, on the monitored test images."""
    return max([chance(run), *known(curve(run)[1])])


def arm(name: str) -> dict[str, str]:
    """The settings of a claim's arm."""
    return {"arm": name}


def higher(identity: str, high: str, low: str, paper: str, effect: float | None) -> Claim:
    """The first arm ends higher than the second."""
    sentence = f"Within {{epochs}}, {arm_name(high)} ends higher than {arm_name(low)}."
    rule, figure = Rule("difference", SMALLEST), Paper(paper, effect)
    return Claim(identity, SECTION, sentence, ACCURACY, rule, figure, arm(high), arm(low))


CLAIMS = [
    higher("baseline-higher", "bn_baseline", "inception", "72.7 against 72.2 %, +0.5", 0.005),
    higher("x5-higher", "bn_x5", "inception_decayed", "73.0 against 72.2 %, +0.8", 0.008),
    Claim(
        "at-one-rate",
        "Bjorck et al. 2018",
        "Within {epochs}, Inception ends at most "
        f"{percent(FEW).removesuffix(' %')} points lower than BN-Baseline, which has its learning rate.",
        ACCURACY,
        Rule("no_worse", FEW),
        Paper("72.2 against 72.7 %, −0.5", -0.005, "CIFAR-10: BN at no norm's rate ends as low (Bjorck et al.)"),
        arm("inception"),
        arm("bn_baseline"),
    ),
    higher("decay-higher", "inception_decayed", "inception", "Not tried; the rate falls more slowly.", None),
]


def _full(records: Records) -> dict[str, list[Record]]:
    """By arm, the judged runs of full length; those that are to show a divergence are shorter."""
    kept = judged(records.runs)
    arms = {name: having(kept, {"arm": name}) for name in ARMS}
    return {name: having(runs, {"steps": LARGEST}) for name, runs in arms.items() if runs}


def tables(records: Records) -> dict[str, pd.DataFrame]:
    """Figure 3's table, the paper's columns beside ours; and the speed-up at several accuracies."""
    arms = _full(records)
    if not arms:
        return {}
    base = next(iter(arms.values()))[0]
    target = target_of(base)
    rows = []
    for name, label, runs in _rows(arms):
        printed, best = ARMS[name], [highest(run) for run in runs]
        lost = f" ({sum(map(diverged, runs))} of {len(runs)} NaN)" if any(map(diverged, runs)) else ""
        rows.append(
            {
                "network": label,
                "lr (paper)": printed.lr,
                "steps to 72.2 % (paper)": printed.steps,
                "max accuracy (paper)": printed.accuracy,
                "lr": ", ".join(dict.fromkeys(f"{run.fields['lr']:g}" for run in runs)),
                **({} if target is None else {f"steps to {percent(target)}": _reached(runs, target)}),
                "final accuracy": percent(mean([final_accuracy(run) for run in runs]), 1) + lost,
                "max accuracy, monitored images": percent(mean(best), 1),
            }
        )
    made = {f"Figure 3: the paper's columns and ours, {epochs([base])}": pd.DataFrame(rows)}
    if "inception" in arms and target is not None:
        full = {name: arms[name] for name in CURVES if name in arms}
        made[f"Times fewer steps than Inception, at several accuracies, within {epochs(arms['inception'])}"] = (
            speed_ups(full, target)
        )
    return made


def _rows(arms: Mapping[str, Sequence[Record]]) -> Iterator[tuple[str, str, list[Record]]]:
    """Arm, label and runs; apart where initial scales differ, unusual ones and shorter trainings named."""
    longest = max(length(run) for runs in arms.values() for run in runs)
    usual = next(iter(arms.values()))[0].fields["init.scale"]
    for name, runs in arms.items():
        scales = sorted({run.fields["init.scale"] for run in runs})
        for scale in scales:
            of_scale = having(runs, {"init.scale": scale})
            words = [arm_name(name), *([f"He × {scale:g}"] if len(scales) > 1 or scale != usual else [])]
            steps = length(of_scale[0])
            words += [f"{steps:,.0f} steps"] if steps < longest else []
            yield name, ", ".join(words), of_scale


def speed_ups(arms: Mapping[str, Sequence[Record]], target: float) -> pd.DataFrame:
    """Of the steps to parts of the target, Inception's over an arm's; by arm.

    Ratios of geometric means over the seeds that get there, with how many of both do where some do not.
    """
    rows = []
    for part in (0.5, 0.625, 0.75, 0.875, 1.0):
        base = [steps_of(run, part * target) for run in arms["inception"]]
        row = {"test accuracy": percent(part * target, 1)}
        for name, runs in arms.items():
            steps = [steps_of(run, part * target) for run in runs]
            known = [[math.log(s) for s in of_arm if s is not None] for of_arm in (base, steps)]
            if name == "inception" or not all(known):
                ratio = "–" if name == "inception" or not known[0] else "never"
            else:
                all_do = len(known[0]) == len(base) and len(known[1]) == len(steps)
                some = "" if all_do else f" ({len(known[0])} and {len(known[1])} of {len(steps)})"
                ratio = three_digits(math.exp(mean(known[0]) - mean(known[1]))) + some
            row[arm_name(name)] = ratio
        rows.append(row)
    return pd.DataFrame(rows).drop(columns=arm_name("inception"))


def _reached(runs: Sequence[Record], target: float) -> str:
    steps = [step for run in runs if (step := steps_of(run, target)) is not None]
    some = f" ({len(steps)} of {len(runs)})" if len(steps) < len(runs) else ""
    return f"{mean(steps):,.0f}{some}" if steps else "never"


def known(accuracy: Sequence[float]) -> list[float]:
    return [value for value in accuracy if not math.isnan(value)]


def figures(records: Records) -> dict[str, Figure]:
    """`figure_2`: test accuracy against steps, beside it two longer trainings on tuning seeds where there are some."""
    arms = _full(records)
    full = [run for name in CURVES for run in arms.get(name, [])]
    if not full:
        return {}
    target = target_of(full[0])
    missing = [run for run in records.runs if length(run) > max(map(length, full))]
    dotted = "" if target is None else "Dotted: the accuracy to which steps are counted. "
    longer = f"The longer trainings, {_still_missing(missing)} " if missing else ""
    return {
        "figure_2": plots.curves(
            records.of([*full, *missing]),
            "Test accuracy of Inception during training — as Figure 2",
            f"{dotted}{longer}On the same part of the test images at every step; a network that diverged counts as "
            "chance.",
            curve,
            "test accuracy",
            Layout(columns="steps" if missing else None, arm=lambda run: str(run.fields["arm"])),
            (0, min(1.0, 1.1 * max(map(highest, [*full, *missing])))),
            max(map(chance, full)),
            target,
            linear=True,
        )
    }


def _still_missing(runs: Sequence[Record]) -> str:
    """What the longer trainings are."""
    (decay,) = {run.fields["decay"] for run in runs}
    seeds = count(len({run.seed for run in runs}), "tuning seed")
    return f"{epochs(runs)} on {seeds}, whose rates fall to {math.exp(-decay):.2f}, show what is still missing."
