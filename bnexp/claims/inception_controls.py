"""Controls of Figures 2 and 3: the changes of §4.2.1 without BN, and higher rates from initial weights that suit."""

from __future__ import annotations

from dataclasses import replace

from bnexp.claims.figure_3 import DIVERGES, THEY_DO, share
from bnexp.claims.inception import faster
from bnexp.judging.claim import LARGEST, SMALLEST, Control, Paper

SUIT = Control("Trainings that do well would fail it.")

CLAIMS = [
    replace(
        faster(
            "steps-of-bn",
            "BN-x5 reaches Inception's accuracy in fewer steps than the same network without BN.",
            ("bn_x5", "inception_changes"),
            Paper("Not tried: no network has the other changes and no BN."),
        ),
        primary=True,
    ),
    faster(
        "steps-of-the-rest",
        "Without BN, the other changes of §4.2.1 alone reach Inception's accuracy in fewer steps.",
        ("inception_changes", "inception"),
        Paper("Not tried."),
    ),
    *(
        replace(
            share(
                f"x{times}-diverges{suffix}",
                f"Without BN, {words} times the learning rate makes the parameters reach machine infinity, {weights}.",
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
