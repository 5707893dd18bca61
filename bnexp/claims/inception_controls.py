"""Controls of Figures 2 and 3: the changes of §4.2.1 without BN, and higher rates from initial weights that suit."""

from __future__ import annotations

from dataclasses import replace

from bnexp.claims.figure_3 import DIVERGES, THEY_DO, share
from bnexp.claims.inception import faster, higher
from bnexp.judging.claim import LARGEST, SMALLEST, Control, Paper

SUIT = Control("Trainings that do well would fail it.")

CLAIMS = [
    replace(
        faster(
            "steps-of-bn",
            "BN-x5 reaches Inception's accuracy in fewer steps than the same network without BN, at the rate that "
            "suits that one.",
            ("bn_x5", "inception_changes_x1"),
            Paper("Not tried: no network has the other changes and no BN."),
        ),
        primary=True,
    ),
    faster(
        "steps-of-bn-at-its-rate",
        "BN-x5 reaches Inception's accuracy in fewer steps than the same network without BN, at the same rate.",
        ("bn_x5", "inception_changes"),
        Paper("Not tried."),
    ),
    faster(
        "steps-of-the-rest",
        "the other changes of §4.2.1 alone, but the rate's, reach Inception's accuracy in fewer steps.",
        ("inception_changes_x1", "inception"),
        Paper("Not tried."),
    ),
    higher("x5-above-the-rest", "bn_x5", "inception_changes_x1", "Not tried.", None),
    higher("the-rest-higher", "inception_changes_x1", "inception", "Not tried.", None),
    replace(
        share(
            "x1-diverges",
            "Within {epochs}, without BN, its own learning rate makes the parameters reach machine infinity, from "
            "large initial weights.",
            "inception_x1",
            DIVERGES,
            "–",
            Control(
                "if it does, five times that rate says nothing of five",
                holds=("contradicted",),
                guards=("x9-diverges",),
            ),
        ),
        among={"init.scale": LARGEST},
    ),
    *(
        replace(
            share(
                f"x{times}-diverges{suffix}",
                f"Within {{epochs}}, without BN, {words} times the learning rate makes the parameters reach machine "
                f"infinity, {weights}.",
                f"inception_x{times}",
                DIVERGES,
                THEY_DO if times == 5 else "–",
                control,
            ),
            among={"init.scale": which},
        )
        for times, words, suffix, weights, which, control in (
            (5, "five", "-fair", "from initial weights that suit it best", SMALLEST, SUIT),
            (9, "nine", "", "from large initial weights", LARGEST, None),
            (9, "nine", "-fair", "from initial weights that suit it best", SMALLEST, SUIT),
        )
    ),
]
