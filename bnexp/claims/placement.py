"""§3.2, §5: BN belongs before the nonlinearity.

The paper's reasons are stability and a distribution that is more nearly Gaussian; that accuracy is higher after it is
what popular accounts say. Each place is judged at the learning rate that suits it best, for each nonlinearity. The
control is the network without BN: what a misplaced BN is still worth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from matplotlib.figure import Figure

from bnexp.claims import drawing, panels
from bnexp.claims.accuracy import ACCURACY, SMALLEST
from bnexp.claims.claim import PLAIN, TREATED, Claim, Paper, Quantity, Rule, Settings, of_run
from bnexp.claims.matching import judged
from bnexp.claims.measures import TRAINS, common_chance, metric_at_end, wander
from bnexp.claims.panels import Layout
from bnexp.claims.saturating import MORE, SATURATED
from bnexp.claims.speed import steps_to
from bnexp.claims.stability import wandering
from bnexp.claims.words import arm_name, percent
from bnexp.runs.records import Record, Records

READS_PERCENTILES = True

WORDS = {"before": "before the nonlinearity", "after": "after the nonlinearity", "hidden_input": "on the layer's input"}

BEFORE, AFTER, INPUT = ({"norm": TREATED, "norm.placement": placement} for placement in WORDS)

GAUSSIAN = 0.1
"""The smallest difference of skewness, or of excess kurtosis, that counts."""

ACCOUNTS = Paper(
    "Not claimed; popular accounts say that after is as good or better.",
    outside="CaffeNet at 128 px, ReLU: before 47.4 %, after 49.9 % (ducha-aiki)",
)
REASON = Paper("The affine map's output is more nearly Gaussian than the nonlinearity's, and so more stable.")


def _shape(name: str) -> Callable[[Record], float | None]:
    """The last hidden layer's, at the end."""
    return lambda run: metric_at_end(f"{name}/hidden{run.value('model.depth')}")(run)


def _claim(
    identity: str, sentence: str, arms: tuple[Settings, Settings], quantity: Quantity, rule: Rule, paper: Paper
) -> Claim:
    return Claim(
        id=f"placement-{identity}",
        source="popular accounts" if paper is ACCOUNTS else "§3.2, §5",
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
        f"BN after the nonlinearity reaches {percent(TRAINS)} in fewer steps than before it.",
        (AFTER, BEFORE),
        steps_to(TRAINS),
        Rule("time", less=True),
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
    replace(
        _claim(
            "stability",
            "Before the nonlinearity, BN gives the nonlinearity's input a more stable mean, in widths, than after it.",
            (BEFORE, AFTER),
            wandering("mean"),
            Rule("difference", less=True, universal=True),
            REASON,
        ),
        primary=True,
    ),
    *(
        _claim(
            shape,
            f"With BN before the nonlinearity, the nonlinearity's input has less {words} than without BN.",
            (BEFORE, {"norm": PLAIN}),
            Quantity(f"mean {words} of the last hidden layer's inputs", of_run(_shape(shape)), "deviations"),
            Rule("difference", GAUSSIAN, less=True),
            REASON,
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


def figures(records: Records) -> dict[str, Figure]:
    """`placement_accuracy` and `placement_sparsity` during training; `placement_wander` of each arm."""
    records = replace(records, runs=judged(records.runs))
    if not records.runs:
        return {}
    layout = Layout(columns="model.activation", line=_arm)
    sparse = [run.metrics.assign(saturated=run.metrics.filter(like="saturated/").mean(axis=1)) for run in records.runs]
    with_mean = replace(records, runs=[replace(r, metrics=m) for r, m in zip(records.runs, sparse, strict=True)])
    return {
        "placement_accuracy": panels.curves(
            records,
            "Test accuracy during training, by the place of BN",
            "A run that diverged counts as chance.",
            "accuracy",
            "test accuracy",
            layout,
            (0, 1),
            common_chance(records.runs),
        ),
        "placement_sparsity": panels.curves(
            with_mean,
            "Saturated part of the nonlinearities during training, by the place of BN",
            "Fraction of units and test examples, mean over the hidden layers: slope under a tenth of the greatest, "
            "for ReLU an output of 0.",
            "saturated",
            "saturated fraction",
            layout,
            (0, 1),
        ),
        "placement_wander": _draw_wander(records),
    }


def _arm(run: Record) -> str:
    return PLAIN if run.norm == PLAIN else f"BN {WORDS.get(run.value('norm.placement'), run.norm)}"


def _draw_wander(records: Records) -> Figure:
    kinds = panels.values(records.runs, "model.activation")
    there = {_arm(run) for run in records.runs}
    arms = [arm for arm in (PLAIN, *(f"BN {words}" for words in WORDS.values())) if arm in there]
    figure, ((axes,),) = drawing.sheet(
        records,
        "How far the last nonlinearity's input wanders, by the place of BN",
        "Last hidden layer. Standard deviation over the steps, after the first tenth, of a unit's mean, in widths of "
        "the unit's own distribution; mean over units, a dot per run. Lower is more stable.",
        (8.5, 4.5),
    )
    colours = drawing.colours(arms)
    for i, arm in enumerate(arms):
        dots = [
            (kinds.index(run.value("model.activation")) + 0.14 * (i - (len(arms) - 1) / 2), far)
            for run in records.runs
            if _arm(run) == arm and (far := wander(run, "mean")) is not None
        ]
        axes.scatter([x for x, _ in dots], [y for _, y in dots], s=26, color=colours[arm], label=arm_name(arm))
    axes.set_yscale("log")
    drawing.log_numbers(axes.yaxis)
    axes.set_xticks(range(len(kinds)), kinds)
    axes.set_xlim(-0.5, len(kinds) - 0.5)
    axes.set_ylabel("how far the mean wanders")
    axes.grid(axis="y", color="0.9")
    drawing.plain_axes(axes)
    figure.legend(loc="outside right center", frameon=False, fontsize=9)
    return figure
