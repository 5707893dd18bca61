"""§3.2, §5: BN belongs before the nonlinearity.

The paper's reasons are stability and a distribution that is more nearly Gaussian; that accuracy is higher after it is
what popular accounts say. Each place is judged at the learning rate that suits it best, for each nonlinearity; how much
distributions wander depends on the rate, and is compared at equal ones. The control is the network without BN: what a
misplaced BN is still worth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from matplotlib.figure import Figure

from bnexp.claims.accuracy import ACCURACY, SMALLEST
from bnexp.claims.saturating import MORE, SATURATED
from bnexp.claims.speed import steps_to
from bnexp.claims.stability import wander_of, wandering
from bnexp.drawing import plots
from bnexp.drawing.plots import Layout
from bnexp.judging.claim import PLAIN, TREATED, Claim, Of, Paper, Quantity, Rule, Settings, of_run
from bnexp.judging.matching import at_their_best
from bnexp.judging.measures import TRAINS, common_chance, curve, metric_at_end, points_ahead, trains, wander
from bnexp.judging.words import percent
from bnexp.runs.records import Record, Records

READS = ("moments",)
SHOWS_TUNING = True

WORDS = {"before": "before the nonlinearity", "after": "after the nonlinearity", "hidden_input": "on the layer's input"}

BEFORE, AFTER, INPUT = ({"norm": TREATED, "norm.placement": placement} for placement in WORDS)

RATES = (0.03, 0.1, 0.3, 1)
"""At which stability is compared."""

GAUSSIAN = 0.1
"""The smallest difference of skewness, or of excess kurtosis, that counts."""

ACCOUNTS = Paper(
    "Not claimed; popular accounts say that after is as good or better.",
    outside="CaffeNet at 128 px, ReLU: before 47.4 %, after 49.9 % (ducha-aiki)",
)
OURS = Paper("Not claimed: of the affine map's output it is said with or without BN behind it (§3.2).")
REASON = Paper("The affine map's output is more nearly Gaussian than the nonlinearity's, and so more stable.")


def _shape(name: str) -> Callable[[Record], float | None]:
    """The last hidden layer's, at the end."""
    return lambda run: metric_at_end(f"{name}/hidden{run.value('model.depth')}")(run)


FIGURE_1 = Paper("Figure 1(b, c): much more stable, at one setting; the learning rate is not given.")
SOURCES = {ACCOUNTS: "popular accounts", OURS: "own check", FIGURE_1: "§4.1, Figure 1(b, c)"}


def wander_where_it_trains(run: Record) -> float | None:
    """How far the units' means wander, in widths; None for a run that does not train."""
    return wander(run, "mean") if trains(run) else None


def raw_wander_where_it_trains(run: Record) -> float | None:
    """The same as it is, not in widths."""
    return wander(run, "mean", relative=False) if trains(run) else None


def _claim(
    identity: str, sentence: str, arms: tuple[Settings, Settings], quantity: Quantity, rule: Rule, paper: Paper
) -> Claim:
    return Claim(
        id=f"placement-{identity}",
        source=SOURCES.get(paper, "§3.2, §5"),
        sentence=sentence,
        quantity=quantity,
        rule=rule,
        paper=paper,
        treated=arms[0],
        reference=arms[1],
        cells=("model.activation",),
        selected=("lr",),
    )


CLAIMS = [
    _claim(
        "accuracy",
        "Within {epochs}, BN after the nonlinearity ends no lower than before it, whatever the nonlinearity.",
        (AFTER, BEFORE),
        ACCURACY,
        Rule("no_worse", SMALLEST, universal=True),
        ACCOUNTS,
    ),
    _claim(
        "input",
        "Within {epochs}, BN on the inputs of the hidden layers ends no lower than before the nonlinearity.",
        (INPUT, BEFORE),
        ACCURACY,
        Rule("no_worse", SMALLEST, universal=True),
        ACCOUNTS,
    ),
    _claim(
        "speed",
        f"BN after the nonlinearity reaches {percent(TRAINS)} in fewer steps than before it, whatever the "
        "nonlinearity.",
        (AFTER, BEFORE),
        steps_to(TRAINS),
        Rule("time", less=True, universal=True),
        ACCOUNTS,
    ),
    _claim(
        "sparsity",
        "Before the nonlinearity, BN leaves the nonlinearity no sparser (saturated, or 0) than after it.",
        (BEFORE, AFTER),
        SATURATED,
        Rule("no_worse", MORE, less=True, universal=True),
        Paper("Sparse nonlinearity inputs were not seen, with or without BN (§5)."),
    ),
    _claim(
        "stability",
        "Before the nonlinearity, BN gives the nonlinearity's input a more stable mean, in widths, than after it, each "
        "place at the learning rate that suits it best.",
        (BEFORE, AFTER),
        wandering("mean"),
        Rule("difference", less=True, universal=True),
        REASON,
    ),
    *(
        replace(
            _claim(
                f"stability-at-rates{suffix}",
                f"At equal learning rates from {RATES[0]:g} to {RATES[-1]:g}, where both train, BN before the "
                f"nonlinearity gives its input a more stable mean, {words}, than BN after it.",
                (BEFORE, AFTER),
                Quantity(wandering("mean", relative=not suffix).name, of_run(measure), "ratio"),
                Rule("difference", less=True, universal=True),
                REASON,
            ),
            among={"lr": Of("among", RATES)},
            cells=("model.activation", "lr"),
            selected=(),
            primary=not suffix,
        )
        for suffix, words, measure in (
            ("", "in widths", wander_where_it_trains),
            ("-raw", "as it is", raw_wander_where_it_trains),
        )
    ),
    *(
        _claim(
            f"stable-{what}",
            f"Before the nonlinearity, BN gives the nonlinearity's input a more stable {what}, in widths, than no BN, "
            "each at the learning rate that suits it best.",
            (BEFORE, {"norm": PLAIN}),
            wandering(what),
            Rule("difference", less=True, universal=True),
            FIGURE_1,
        )
        for what in ("mean", "spread")
    ),
    *(
        _claim(
            shape,
            f"With BN before the nonlinearity, the nonlinearity's input has less {words} than without BN.",
            (BEFORE, {"norm": PLAIN}),
            Quantity(f"mean {words} of the last hidden layer's inputs", of_run(_shape(shape)), "deviations"),
            Rule("difference", GAUSSIAN, less=True),
            OURS,
        )
        for shape, words in (("skewness", "skewness"), ("kurtosis", "excess kurtosis"))
    ),
    _claim(
        "control",
        "Within {epochs}, BN after the nonlinearity still ends higher than no BN.",
        (AFTER, {"norm": PLAIN}),
        ACCURACY,
        Rule("difference", SMALLEST),
        Paper("Not tried."),
    ),
]

SHOWN = {
    "placement_gain": ("placement-accuracy", "placement-input"),
    "placement_accuracy": ("placement-speed",),
    "placement_shape": ("placement-skewness", "placement-kurtosis"),
    "wander": ("placement-stability", "placement-stable-mean", "placement-stable-spread"),
}


def figures(records: Records) -> dict[str, Figure]:
    """`placement_gain` at the end, `placement_accuracy` before it; `wander` and `placement_shape` of last inputs."""
    runs = at_their_best(records.runs, ("norm", "norm.placement", "model.activation"), ("lr",))
    if not runs:
        return {}
    best = records.of(runs)
    shown = "Each at the learning rate of its best validation accuracy."
    plain = [run for run in runs if run.norm == PLAIN]
    gain = points_ahead(plain, lambda run: (run.seed, run.value("model.activation")))
    return {
        "placement_gain": plots.dots(
            records.of([run for run in runs if run.norm != PLAIN]),
            "Final test accuracy minus that without BN, by the place of BN",
            shown,
            {"percentage points": gain},
            "model.activation",
            _arm,
        ),
        "placement_accuracy": plots.curves(
            best,
            "Test accuracy during training, by the place of BN",
            f"{shown} A run that diverged counts as chance.",
            curve,
            "test accuracy",
            Layout(columns="model.activation", arm=_arm),
            (0, 1),
            common_chance(runs),
            TRAINS,
        ),
        "placement_shape": plots.dots(
            best,
            "How far from Gaussian the last nonlinearity's input is, by the place of BN",
            f"{shown} At the end of training, mean over the units.",
            {"skewness": _shape("skewness"), "excess kurtosis": _shape("kurtosis")},
            "model.activation",
            _arm,
        ),
    } | wander_of(best, _arm, "model.activation")


def _arm(run: Record) -> str:
    return PLAIN if run.norm == PLAIN else f"BN {WORDS.get(run.value('norm.placement'), run.norm)}"
