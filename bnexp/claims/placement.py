"""§3.2, §5: BN belongs before the nonlinearity.

The paper's reasons are judged beside the result: placed after, the nonlinearity is sparser and its input, no longer
normalised, less stable. The control is the network without BN: what a misplaced BN is still worth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from matplotlib.figure import Figure

from bnexp.claims import drawing, panels
from bnexp.claims.accuracy import ACCURACY, SMALLEST
from bnexp.claims.claim import PLAIN, TREATED, Claim, Paper, Quantity, Rule, of_run
from bnexp.claims.measures import TRAINS, common_chance, drift
from bnexp.claims.panels import Layout
from bnexp.claims.saturating import MORE, SATURATED
from bnexp.claims.speed import steps_to
from bnexp.claims.stability import READS_PERCENTILES, ROUNDING
from bnexp.claims.words import arm_name, percent
from bnexp.runs.records import Record, Records

__all__ = ["CLAIMS", "READS_PERCENTILES", "figures"]

WORDS = {"before": "before the nonlinearity", "after": "after the nonlinearity", "input": "on the layer's input"}

BEFORE, AFTER, INPUT = ({"norm": TREATED, "norm.placement": placement} for placement in WORDS)


def _claim(
    identity: str,
    sentence: str,
    paper: str,
    arms: tuple[Mapping[str, Any], Mapping[str, Any]],
    quantity: Quantity = ACCURACY,
    rule: Rule = Rule("difference", SMALLEST),  # noqa: B008
) -> Claim:
    return Claim(
        id=f"placement-{identity}",
        source="3.2, 5",
        sentence=sentence,
        quantity=quantity,
        rule=rule,
        treated=arms[0],
        reference=arms[1],
        paper=Paper(paper),
    )


CLAIMS = [
    _claim(
        "accuracy",
        "BN before the nonlinearity gives a higher test accuracy than after it.",
        "Before is said to be better; no number is given.",
        (BEFORE, AFTER),
    ),
    _claim(
        "input",
        "BN before the nonlinearity gives a higher test accuracy than on the layer's input.",
        "The input could be normalised too, but its distribution is likely to change shape; not tried.",
        (BEFORE, INPUT),
    ),
    _claim(
        "speed",
        f"BN before the nonlinearity reaches {percent(TRAINS)} in fewer steps than after it.",
        "Not tried.",
        (BEFORE, AFTER),
        steps_to(TRAINS),
        Rule("difference", less=True),
    ),
    _claim(
        "sparsity",
        "After the nonlinearity, BN leaves the nonlinearity itself sparser: more of it saturated, or 0.",
        "Said of normalising the nonlinearity's output; no number is given.",
        (AFTER, BEFORE),
        SATURATED,
        Rule("difference", MORE),
    ),
    _claim(
        "stability",
        "After the nonlinearity, BN leaves the distribution of the nonlinearity's input less stable.",
        "Said of the affine map's output, more nearly Gaussian than the nonlinearity's; no number is given.",
        (AFTER, BEFORE),
        Quantity(
            "relative drift of the last hidden layer's input", of_run(lambda run: drift(run, "relative")), "ratio"
        ),
        Rule("difference", ROUNDING),
    ),
    _claim(
        "control",
        "BN after the nonlinearity still gives a higher test accuracy than no BN.",
        "Not tried.",
        (AFTER, {"norm": PLAIN}),
    ),
]


def figures(records: Records) -> dict[str, Figure]:
    """`placement_accuracy` and `placement_sparsity` during training; `placement_drift` of each arm."""
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
        "placement_drift": _draw_drift(records),
    }


def _arm(run: Record) -> str:
    return PLAIN if run.norm == PLAIN else f"BN {WORDS.get(run.value('norm.placement'), run.norm)}"


def _draw_drift(records: Records) -> Figure:
    kinds = panels.values(records.runs, "model.activation")
    there = {_arm(run) for run in records.runs}
    arms = [arm for arm in (PLAIN, *(f"BN {words}" for words in WORDS.values())) if arm in there]
    figure, ((axes,),) = drawing.sheet(
        records,
        "Drift of the last nonlinearity's input, by the place of BN",
        "Last hidden layer. Sum of the changes of the 15th, 50th and 85th percentile between evaluations, in widths of "
        "the unit's own distribution; mean over units, a dot per run. Lower is more stable.",
        (8.5, 4.5),
    )
    colours = drawing.colours(arms)
    for i, arm in enumerate(arms):
        dots = [
            (kinds.index(run.value("model.activation")) + 0.14 * (i - (len(arms) - 1) / 2), far)
            for run in records.runs
            if _arm(run) == arm and (far := drift(run, "relative")) is not None
        ]
        axes.scatter([x for x, _ in dots], [y for _, y in dots], s=26, color=colours[arm], label=arm_name(arm))
    axes.set_yscale("log")
    drawing.log_numbers(axes.yaxis)
    axes.set_xticks(range(len(kinds)), kinds)
    axes.set_xlim(-0.5, len(kinds) - 0.5)
    axes.set_ylabel("relative drift")
    axes.grid(axis="y", color="0.9")
    drawing.plain_axes(axes)
    figure.legend(loc="outside right center", frameon=False, fontsize=9)
    return figure
