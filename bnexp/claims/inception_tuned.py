"""The comparison that the paper did not make: Inception without BN, too, at the settings that suit it best.

Each arm's learning rate and initial scale are those of the highest mean accuracy on validation images, which were set
aside from the training data; what is compared is measured on test images.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bnexp.claims import inception
from bnexp.claims.inception import (
    best,
    by_seed,
    draw,
    faster,
    higher,
    log_speed_ups,
    sigmoid_trains,
    stays_at_chance,
)
from bnexp.drawing import plots
from bnexp.drawing.plots import Layout
from bnexp.judging import rules
from bnexp.judging.claim import Outcome, Paper, Peculiar
from bnexp.judging.comparing import three_way
from bnexp.judging.matching import having
from bnexp.judging.measures import curve, final_accuracy, validation_accuracy
from bnexp.judging.telling import told
from bnexp.judging.words import arm_name, percent
from bnexp.runs.records import Record, Records
from bnexp.stats import paired, steps_to

SECTION = "§4.2"
BASE = "inception"
RELU = ("bn_baseline", "bn_x5")
SIGMOID = ("bn_x5_sigmoid", "inception_sigmoid")

UNTUNED = {"inception": (0.005, 1.25), "bn_baseline": (0.005, 1.25), "bn_x5": (0.025, 1.25), "bn_x30": (0.15, 1.25)}
"""Learning rate and initial scale of the experiment `inception`: the paper's multiples of one rate."""

Setting = tuple[float, float]


def setting(run: Record) -> Setting:
    """Learning rate and initial scale."""
    return float(run.fields["lr"]), float(run.fields["init.scale"])


def settings(records: Records, arm: str) -> dict[Setting, list[Record]]:
    """The arm's runs by setting."""
    by_setting: dict[Setting, list[Record]] = {}
    for run in having(records.runs, {"arm": arm}):
        by_setting.setdefault(setting(run), []).append(run)
    return by_setting


def tuned(records: Records, arm: str) -> dict[int, Record]:
    """The arm's runs at its own best setting, by seed."""
    by_setting = settings(records, arm)
    if not by_setting:
        return {}
    return by_seed(
        max(by_setting.values(), key=lambda runs: float(np.mean([validation_accuracy(run) for run in runs])))
    )


def untuned(records: Records, name: str) -> dict[int, Record]:
    """The runs of the arm at the paper's multiple of one rate, by seed; BN-x30 is BN-x5 at another rate."""
    return by_seed(settings(records, "bn_x5" if name == "bn_x30" else name).get(UNTUNED[name], []))


def _shrinking(records: Records) -> Outcome:
    before = log_speed_ups(untuned(records, BASE), untuned(records, "bn_x5"))
    after = log_speed_ups(tuned(records, BASE), tuned(records, "bn_x5"))
    ratio = rules.single([*paired(before, after).values()], 0.0)
    each = [told(rules.single(list(logs.values()), 0.0), "ratio") for logs in (before, after)]
    measured = f"untuned {each[0]}, tuned {each[1]}; untuned / tuned: {told(ratio, 'ratio')}"
    return three_way(ratio, "ratio", 0.0, measured)


def _compared(arm: str) -> list[Peculiar]:
    called = "BN" if arm == "bn_baseline" else "BN and the changes of §4.2.1"
    each = f"With each network at its own best learning rate and initial scale, the one with {called} "
    return [
        Peculiar(
            f"tuned-steps-{arm}",
            SECTION,
            f"{each}reaches the best accuracy of Inception without BN in fewer steps.",
            Paper("Not compared: the others' rates are multiples of Inception's, whose choice is not explained."),
            lambda records: faster(tuned(records, BASE), tuned(records, arm)),
            "ratio",
        ),
        Peculiar(
            f"tuned-higher-{arm}",
            SECTION,
            f"{each}ends higher than without.",
            Paper("Not compared."),
            lambda records: higher(tuned(records, BASE), tuned(records, arm)),
        ),
    ]


_SIGMOID = {claim.id: claim for claim in inception.CLAIMS if claim.id in ("sigmoid-trains", "sigmoid-at-chance")}

CLAIMS = [
    *(claim for arm in RELU for claim in _compared(arm)),
    Peculiar(
        "tuning-shrinks",
        SECTION,
        "BN's speed-up at the paper's multiples of one rate is larger than with each network at its own best.",
        Paper("Not compared."),
        _shrinking,
        "ratio",
    ),
    replace(
        _SIGMOID["sigmoid-trains"],
        id="tuned-sigmoid-trains",
        judge=lambda records: sigmoid_trains(tuned(records, SIGMOID[0])),
    ),
    replace(
        _SIGMOID["sigmoid-at-chance"],
        id="tuned-sigmoid-at-chance",
        judge=lambda records: stays_at_chance(tuned(records, SIGMOID[1])),
    ),
]


def tables(records: Records) -> dict[str, pd.DataFrame]:
    """What was chosen, beside the untuned settings."""
    rows = []
    for what, find, names in (
        ("the paper's multiples of one rate", untuned, list(UNTUNED)),
        ("its own best", tuned, [BASE, *RELU, *SIGMOID]),
    ):
        base = find(records, BASE)
        for name in names:
            runs = find(records, name)
            if not runs:
                continue
            lr, scale = setting(next(iter(runs.values())))
            first_steps = [steps_to(*curve(run), best(base[seed])) for seed, run in runs.items() if seed in base]
            reached = [step for step in first_steps if step is not None]
            rows.append(
                {
                    "settings": what,
                    "network": _called(name) if find is tuned else arm_name(name),
                    "lr": f"{lr:g}",
                    "initial scale": f"He × {scale:g}",
                    "validation accuracy": percent(
                        float(np.mean([validation_accuracy(run) for run in runs.values()])), 1
                    ),
                    "steps to Inception's best": f"{np.mean(reached):,.0f} ({len(reached)} of {len(runs)})"
                    if reached
                    else "never",
                    "final test accuracy": percent(float(np.mean([final_accuracy(run) for run in runs.values()])), 1),
                }
            )
    return {"The settings compared": pd.DataFrame(rows)} if rows else {}


def _called(arm: str) -> str:
    """An arm at a rate of its own: it is no multiple of Inception's any more."""
    return {"bn_x5": "BN and §4.2.1", "bn_x5_sigmoid": "BN and §4.2.1, sigmoid"}.get(arm, arm_name(arm))


def figures(records: Records) -> dict[str, Figure]:
    """`untuned` and `tuned`: both comparisons; `settings`: the accuracy at all settings."""
    if not records.runs:
        return {}
    sides = (
        ("untuned", untuned, list(UNTUNED), "multiples of one rate"),
        ("tuned", tuned, [BASE, *RELU], "its own best"),
    )
    made = {}
    for stem, find, names, what in sides:
        arms = {name: runs for name in names if (runs := find(records, name))}
        if arms:
            made[stem] = draw(records, f"Inception with and without BN, each at {what}", arms, find(records, BASE))
    made["settings"] = plots.lines(
        records,
        "Final test accuracy of Inception against the learning rate",
        "A run that diverged counts as chance.",
        "lr",
        final_accuracy,
        "test accuracy",
        Layout(columns="init.scale", arm=lambda run: str(run.fields["arm"])),
    )
    return made
