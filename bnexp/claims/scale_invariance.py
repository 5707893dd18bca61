"""§3.3: BN does not see the scale of the weights before it, and what follows for rates, L2 and growth.

With weights a times as large the gradient is 1/a of its length, so that (aW, a²·lr) is the same training, and L2 on
such weights is a matter of the learning rate. The identities are tests, and so is the gradient before any training;
here they are held against trainings.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from bnexp.claims.accuracy import ACCURACY, SMALLEST
from bnexp.claims.mechanisms import CELLS, LONGER
from bnexp.drawing import plots
from bnexp.drawing.plots import Layout
from bnexp.judging.claim import PLAIN, TREATED, Claim, Control, Of, Paper, Quantity, Rule, of_run
from bnexp.judging.matching import having
from bnexp.judging.measures import after_start, common_chance, final_accuracy, mean_of_layers, slope
from bnexp.judging.words import arm_name
from bnexp.runs.records import Record, Records

SAME = 3 * SMALLEST
"""Accuracies that differ by less are alike: seeds of one arm differ by about as much."""

FACTORS = {0.1: 0.01, 10: 100, 100: 10_000}
"""On the initial weights, and on the rate, which is to make up for it."""

LARGEST_FACTOR = 100

STEADIER = 0.005
"""Of slopes, the smallest difference that counts: over a tenfold number of steps 1 % more. On a tuning seed, weights of
ReLU networks without BN grow by 0.03 and 0.08, those of sigmoid networks by 0.4."""

ALIKE = 0.1
"""Of shares of a variance, the smallest difference that counts."""

GRID = ("lr", "l2")
SETTLED = 3
"""Learning rate times L2 weight times steps, from which on weights have the length at which growth and decay are equal:
decay takes 1 / (lr·L2) steps."""

USUAL: dict[str, object] = {"norm": TREATED, "norm.weights": None, "norm.rate": None}
ALONE, DECAYED = {"l2": 0}, {"l2": Of("above", (0,))}

LAARHOVEN = "van Laarhoven 2017"


def apart_along(runs: Sequence[Record]) -> float | None:
    """Of the variance of the final accuracy over learning rates and L2 weights, the part between equal products.

    Of the networks whose weights have settled, means over the seeds; what the seeds' noise adds to either variance is
    taken off. None where no two have the same product, or nothing varies. On the grid of `overnight` it would be 1 were
    L2 all that counts, or the rate, and 0 were the product; of estimates the quotient can be more, or negative.
    """
    cells: dict[tuple[float, float], list[float]] = {}
    for run in runs:
        lr, l2 = run.fields["lr"], run.fields["l2"]
        if lr * l2 * run.fields["steps"] >= SETTLED:
            cells.setdefault((lr, l2), []).append(final_accuracy(run))
    products: dict[float, list[list[float]]] = {}
    for (lr, l2), seeds in cells.items():
        products.setdefault(round(math.log10(lr * l2), 1), []).append(seeds)
    several = [of_product for of_product in products.values() if len(of_product) > 1]
    every = [seeds for of_product in several for seeds in of_product]
    if not every:
        return None
    noise = statistics.fmean(statistics.variance(seeds) / len(seeds) if len(seeds) > 1 else 0.0 for seeds in every)
    within = statistics.fmean(statistics.variance(map(statistics.fmean, of_product)) for of_product in several) - noise
    total = statistics.variance(map(statistics.fmean, every)) - noise
    return within / total if total > 0 else None


def grown(run: Record) -> float | None:
    """The length of the weights at the end in that at first, mean over the layers; None for a run that diverged."""
    lengths = mean_of_layers("weight_norm")(run)
    return lengths[-1] / lengths[0] if math.isfinite(lengths[-1]) else None


def gradient(run: Record, times_length: bool = False) -> float | None:
    """The norm of the gradient at the weights in front of BN, or that times their length, after start-up.

    The geometric mean over these layers and steps; None for a run that diverged.
    """
    late = after_start(run)
    numbers = [name.partition("hidden")[2] for name in map(str, late) if name.startswith("weight_norm/hidden")]
    norms = late[[f"gradient_norm/linear{number}" for number in numbers]].to_numpy(dtype=float)
    if times_length:
        norms = norms * late[[f"weight_norm/hidden{number}" for number in numbers]].to_numpy(dtype=float)
    return float(np.exp(np.log(norms).mean())) if norms.size and np.isfinite(norms).all() and norms.min() > 0 else None


def product(run: Record) -> float | None:
    """The norm of the gradient times the length of the weights."""
    return gradient(run, times_length=True)


GROWTH = Quantity("growth of the weights", of_run(slope(mean_of_layers("weight_norm"))), "decades per decade")
APART = Quantity("part of the accuracy's variance between equal lr·L2", apart_along, "share", over=GRID, pooled=True)

CLAIMS = [
    *(
        Claim(
            f"scale-symmetry-{factor:g}",
            "§3.3",
            f"Within {{epochs}}, weights {factor:g} times as large at {rate:g} times the rate end as usual ones "
            "do, whatever the nonlinearity.",
            ACCURACY,
            Rule("equals", SAME, universal=True),
            Paper("Exact, but for ε, by the paper's equations."),
            {"norm": TREATED, "norm.weights": factor, "norm.rate": rate},
            USUAL,
            among=ALONE,
            cells=CELLS,
            control=Control(
                "Another accuracy would say that ε is not small, or that more than the rate is another.",
                guards=("scale-alone",) if factor == LARGEST_FACTOR else (),
            ),
        )
        for factor, rate in FACTORS.items()
    ),
    Claim(
        "scale-alone",
        "§3.3",
        f"Within {{epochs}}, at the usual rate, networks with weights before BN {LARGEST_FACTOR:g} times as large end "
        "lower, whatever the nonlinearity.",
        ACCURACY,
        Rule("difference", SMALLEST, less=True, universal=True),
        Paper("Larger weights have smaller gradients."),
        {"norm": TREATED, "norm.weights": LARGEST_FACTOR, "norm.rate": None},
        USUAL,
        among=ALONE,
        cells=CELLS,
    ),
    Claim(
        "scale-gradient",
        "§3.3",
        f"All through the training, weights before BN {LARGEST_FACTOR:g} times as large, at "
        f"{FACTORS[LARGEST_FACTOR]:,} times the rate, have gradients as many times smaller as they are longer, "
        "whatever the nonlinearity.",
        Quantity("gradient times length of the weights", of_run(product), "ratio"),
        Rule("equals", math.log(LONGER), universal=True),
        Paper("1/a of the gradient, by the paper's equations."),
        {"norm": TREATED, "norm.weights": LARGEST_FACTOR, "norm.rate": FACTORS[LARGEST_FACTOR]},
        USUAL,
        among=ALONE,
        cells=CELLS,
        control=Control(
            "Another product would say that ε is not small, or that it is not the same training for long.",
            guards=("scale-gradient-alone",),
        ),
    ),
    Claim(
        "scale-gradient-alone",
        "§3.3",
        f"Over a training at the usual rate, too, which leads elsewhere, weights before BN {LARGEST_FACTOR:g} times as "
        "large have smaller gradients, whatever the nonlinearity.",
        Quantity("gradient at the weights", of_run(gradient), "ratio"),
        Rule("difference", math.log(LONGER), less=True, universal=True),
        Paper("Larger weights have smaller gradients."),
        {"norm": TREATED, "norm.weights": LARGEST_FACTOR, "norm.rate": None},
        USUAL,
        among=ALONE,
        cells=CELLS,
    ),
    Claim(
        "scale-growth",
        "§3.3",
        "With BN, weights grow less (slope of their length over the steps, on logarithms), whatever the nonlinearity.",
        GROWTH,
        Rule("difference", STEADIER, less=True, universal=True),
        Paper("Parameter growth is stabilised."),
        {"norm": TREATED, "norm.weights": None},
        among=ALONE,
        cells=(*CELLS, "lr"),
    ),
    Claim(
        "scale-grows",
        "§3.3",
        "Without BN, weights grow (slope of their length over the steps, on logarithms), whatever the nonlinearity.",
        GROWTH,
        Rule("difference", STEADIER, universal=True),
        Paper("That it is stabilised says that it is there."),
        {"norm": PLAIN},
        None,
        among=ALONE,
        cells=(*CELLS, "lr"),
        control=Control(
            "Weights that do not grow would say that there is nothing to be stabilised.",
            guards=("scale-growth", "scale-longer"),
        ),
    ),
    Claim(
        "scale-longer",
        "§3.3",
        "With BN, weights grow to fewer times their first length than without, whatever the nonlinearity.",
        Quantity("length of the weights at the end, of that at first", of_run(grown), "ratio"),
        Rule("difference", math.log(LONGER), less=True, universal=True),
        Paper("Parameter growth is stabilised."),
        {"norm": TREATED, "norm.weights": None},
        among=ALONE,
        cells=(*CELLS, "lr"),
        primary=True,
    ),
    Claim(
        "scale-l2",
        LAARHOVEN,
        "With BN, L2 on hidden layers acts through the learning rate: of the accuracy's variance over both, less than "
        "half lies between networks of equal lr·L2.",
        APART,
        Rule("difference", less=True, target=0.5),
        Paper("L2 is made 5 times smaller where the rate is 5 times higher."),
        USUAL,
        None,
        among=DECAYED,
        primary=True,
    ),
    Claim(
        "scale-l2-without",
        LAARHOVEN,
        "Of the accuracy's variance over rates and L2 weights, less lies between networks of equal lr·L2 with BN than "
        "without.",
        APART,
        Rule("difference", ALIKE, less=True),
        Paper("Not said."),
        USUAL,
        among=DECAYED,
        control=Control("As much of it without BN would say that lr·L2 decides in any network.", guards=("scale-l2",)),
    ),
]

SHOWN = {
    "weight_growth": ("scale-growth", "scale-longer"),
    "gradients": ("scale-gradient", "scale-gradient-alone"),
    "l2_rate": ("scale-l2",),
}


def figures(records: Records) -> dict[str, Figure]:
    """`weight_growth` over the steps; `gradients` against lengths; `l2_rate`: accuracy over rates and L2 weights."""
    made = {}
    if alone := having(records.runs, {"norm.weights": None, **ALONE}):
        made["weight_growth"] = plots.curves(
            records.of(alone),
            "Length of the weights during training, with and without BN",
            "In the first length; mean over the hidden layers.",
            _lengths,
            "length",
            Layout(columns=CELLS[0], arm=lambda run: f"{arm_name(run.norm)}, lr {run.value('lr'):g}"),
        )
    if scaled := having(records.runs, {"norm.weights": Of("above", (0,)), **ALONE}):
        rates = {run.value("lr") for run in scaled}
        usual = [run for run in having(records.runs, USUAL | ALONE) if run.value("lr") in rates]
        made["gradients"] = plots.dots(
            records.of([*usual, *scaled]),
            "Gradients at weights of other scales before BN",
            "After the first tenth of the training, geometric means over the hidden layers and steps.",
            {"gradient": gradient, "gradient × length of the weights": product},
            CELLS[0],
            _scale,
            log=True,
        )
    if decayed := having(records.runs, DECAYED):
        made["l2_rate"] = plots.heat_maps(
            records.of(decayed),
            "Final test accuracy over learning rates and L2 weights",
            "Percent, mean over the seeds; a run that diverged counts as chance. Equal products lie on diagonals.",
            "lr",
            "l2",
            lambda runs: statistics.fmean(map(final_accuracy, runs)),
            Layout(columns="norm"),
            Normalize(common_chance(decayed), 1),
            lambda v: f"{100 * v:.1f}",
        )
    return made


def _scale(run: Record) -> str:
    factor, rate = run.value("norm.weights"), run.value("norm.rate")
    return run.norm if factor is None else f"weights × {factor:g}{'' if rate is None else f', rate × {rate:g}'}"


def _lengths(run: Record) -> tuple[list[float], list[float]]:
    lengths = mean_of_layers("weight_norm")(run)
    return run.metrics["step"].tolist(), [length / lengths[0] for length in lengths]
