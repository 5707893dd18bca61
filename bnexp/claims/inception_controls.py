"""§4.2.2: a rate at which Inception diverges; and controls of Figures 2 and 3, the changes of §4.2.1 without BN."""

from __future__ import annotations

from bnexp.claims.figure_3 import DIVERGES, FAILS_TO, LEARNS, THEY_DO, share
from bnexp.claims.inception import higher
from bnexp.claims.inception_steps import faster
from bnexp.judging.claim import LARGEST, SMALLEST, Control, Paper

NOT_TRIED = Paper("Not tried: no network has the other changes and no BN.")
LARGE, FAIR = {"init.scale": LARGEST}, {"init.scale": SMALLEST}
BIG, SUITABLE = "from larger initial weights, at which it trains", "from initial weights that suit it best"

CLAIMS = [
    faster(
        "steps-of-bn",
        "BN-x5 reaches nearly Inception's accuracy ({target}) in fewer steps than the same network without BN, that "
        "one at Inception's own rate.",
        ("bn_x5", "inception_changes_x1"),
        NOT_TRIED,
        primary=True,
    ),
    faster(
        "steps-of-bn-at-its-rate",
        "BN-x5 reaches nearly Inception's accuracy ({target}) in fewer steps than the same network without BN, at the "
        "same rate.",
        ("bn_x5", "inception_changes"),
        NOT_TRIED,
    ),
    share(
        "changes-learn",
        "Inception with the changes of §4.2.1 and without BN learns at BN-x5's rate.",
        "inception_changes",
        LEARNS,
        "–",
        Control("One that learns nothing would count as a slow one.", guards=("steps-of-bn-at-its-rate",)),
    ),
    faster(
        "steps-of-the-rest",
        "the other changes of §4.2.1 alone, but the rate's, reach nearly Inception's accuracy ({target}) in fewer "
        "steps than Inception with as fast a decay.",
        ("inception_changes_x1", "inception_decayed"),
        NOT_TRIED,
    ),
    higher("x5-above-the-rest", "bn_x5", "inception_changes_x1", "Not tried.", None),
    higher("the-rest-higher", "inception_changes_x1", "inception_decayed", "Not tried.", None),
    share(
        "x1-fails",
        "without BN, Inception does not learn at its own learning rate, from larger initial weights.",
        "inception_x1",
        FAILS_TO,
        "–",
        Control(
            "if it does not, what becomes of it at higher ones says nothing of these",
            holds=("contradicted",),
            guards=("x5-diverges", "x9-diverges"),
        ),
        LARGE,
    ),
    share(
        "x5-diverges",
        "without BN, five times the learning rate makes the parameters reach machine infinity, from larger initial "
        "weights, at which Inception trains.",
        "inception_x5",
        DIVERGES,
        THEY_DO,
        among={"init.scale": LARGEST},
    ),
    *(
        share(
            f"x{times}-{what}{suffix}",
            f"without BN, {number} times the learning rate {words}, {weights}.",
            f"inception_x{times}",
            quantity,
            THEY_DO if quantity is DIVERGES else "–",
            among=which,
        )
        for times, number, what, words, quantity, suffix, weights, which in (
            (5, "five", "diverges", "makes the parameters reach machine infinity", DIVERGES, "-fair", SUITABLE, FAIR),
            (9, "nine", "diverges", "makes the parameters reach machine infinity", DIVERGES, "", BIG, LARGE),
            (9, "nine", "diverges", "makes the parameters reach machine infinity", DIVERGES, "-fair", SUITABLE, FAIR),
            (5, "five", "fails", "keeps it from learning", FAILS_TO, "-fair", SUITABLE, FAIR),
            (9, "nine", "fails", "keeps it from learning", FAILS_TO, "-fair", SUITABLE, FAIR),
        )
    ),
]
