"""§5 and later work: other normalisations than BN on Inception, each at the learning rate that suits it best.

Inception has the changes of §4.2.1, and starts from the initial weights that suit it best without a norm. The best of
short trainings are tried at full length, as in `inception_tuned`.
"""

from __future__ import annotations

from matplotlib.figure import Figure

from bnexp.claims.accuracy import ACCURACY
from bnexp.claims.inception import SMALLEST
from bnexp.claims.inception_steps import STEPS
from bnexp.drawing import plots
from bnexp.drawing.plots import Layout
from bnexp.judging.claim import PLAIN, TREATED, Claim, Paper, Rule
from bnexp.judging.matching import at_their_best, tuning
from bnexp.judging.measures import chance, curve, validation_accuracy
from bnexp.judging.words import arm_name
from bnexp.runs.records import Records

SHOWS_TUNING = True

OTHERS = {
    "layer": Paper("Not tried.", outside="Ba et al. 2016 find BN better for convolutions."),
    "group": Paper("Not tried.", outside="ResNet-50, ImageNet, 32 a worker: BN 0.5 points higher (Wu & He 2018)"),
    "instance": Paper("Not tried.", outside="ResNet-50, ImageNet: BN 5 points higher (Wu & He 2018)"),
}
"""By norm, what is known elsewhere."""

RENORM = Paper("Not tried.", outside="Inception-v3, mini-batches of 32: alike (Ioffe 2017)")

ALIKE = 0.02
"""Two points, within which accuracies are alike: less six seeds could hardly tell."""

OF = "Inception with the changes of §4.2.1"
FROM = "from the initial weights that suit it best without a norm"
BEST = f"At each one's own best learning rate, {FROM},"

CLAIMS = [
    Claim(
        "norms-bn",
        "§4.2",
        f"{BEST} {OF} ends higher with BN, within {{epochs}}.",
        ACCURACY,
        Rule("difference", SMALLEST),
        Paper("72.7 against 72.2 %, at one rate for both", 0.005),
        selected=("lr",),
        primary=True,
    ),
    *(
        Claim(
            f"norms-{norm}",
            "popular accounts",
            f"{BEST} {OF} ends higher with BN than with {arm_name(norm)}, within {{epochs}}.",
            ACCURACY,
            Rule("difference", SMALLEST),
            paper,
            {"norm": TREATED},
            {"norm": norm},
            selected=("lr",),
        )
        for norm, paper in OTHERS.items()
    ),
    Claim(
        "norms-batch_renorm",
        "Ioffe 2017",
        f"{BEST} {OF} ends as high with batch renorm as with BN, to two points, within {{epochs}}.",
        ACCURACY,
        Rule("equals", ALIKE),
        RENORM,
        {"norm": "batch_renorm"},
        {"norm": TREATED},
        selected=("lr",),
    ),
    *(
        Claim(
            f"norms-steps-{norm}",
            "later work",
            f"{BEST} {OF} reaches {{target}} in fewer steps with {arm_name(norm).removeprefix('with ')} than without, "
            "within {epochs}.",
            STEPS,
            Rule("time", less=True),
            Paper("Not tried."),
            {"norm": norm},
            {"norm": PLAIN},
            selected=("lr",),
        )
        for norm in ("batch", *OTHERS, "batch_renorm")
    ),
]

SHOWN = {
    "norms_rates": (),
}


def figures(records: Records) -> dict[str, Figure]:
    """`norms`: each at its best rate; `norms_rates`: validation accuracy against the rate, in short trainings."""
    made = {}
    if final := at_their_best(records.runs, ("norm",), ("lr",)):
        made["norms"] = plots.curves(
            records.of(final),
            "Inception under several normalisations, each at its own best learning rate",
            "A network that diverged counts as chance.",
            curve,
            "test accuracy",
            fill=max(map(chance, final)),
            linear=True,
        )
    if tried := tuning(records.runs):
        made["norms_rates"] = plots.lines(
            records.of(tried),
            "Validation accuracy of Inception against the learning rate, by normalisation",
            "On tuning seeds; of the best of the short trainings full ones. A run that diverged counts as chance.",
            "lr",
            validation_accuracy,
            "validation accuracy",
            Layout(columns="steps"),
        )
    return made
