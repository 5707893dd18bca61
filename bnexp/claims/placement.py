"""§3.2, §5: BN belongs before the nonlinearity.

The paper's reasons are judged beside the result: placed after, the nonlinearity is sparser and its input, no longer
normalised, less stable. The control is the network without BN: what a misplaced BN is still worth.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from matplotlib.figure import Figure

from bnexp.claims import drawing, panels
from bnexp.claims.accuracy import RULE, SMALLEST, TRAINS, common_chance, final_accuracy
from bnexp.claims.judging import BN, PLAIN, Judgement, Statement, as_ratio, contrast, having, in_points, judged, percent
from bnexp.claims.panels import Layout
from bnexp.claims.saturating import MORE, saturated
from bnexp.claims.speed import length, steps_of
from bnexp.claims.stability import ROUNDING, drift
from bnexp.runs.records import Record, Records
from bnexp.stats import ratio_interval, t_interval

SECTION = "3.2, 5"

WORDS = {"before": "before the nonlinearity", "after": "after the nonlinearity", "input": "on the layer's input"}


def judge(records: Records) -> list[Judgement]:
    """`placement-accuracy`, `-input`, `-speed`, `-sparsity`, `-stability` and `-control`."""
    before, after, on_input = (_placed(records, placement) for placement in WORDS)
    steps = ratio_interval(contrast(after, before, _log_steps))
    sparser = t_interval(contrast(after, before, saturated))
    wander = ratio_interval(contrast(after, before, _log_drift))
    return [
        _accuracy(
            "placement-accuracy",
            "BN before the nonlinearity gives a higher test accuracy than after it.",
            "Before is said to be better; no number is given.",
            before,
            after,
        ),
        _accuracy(
            "placement-input",
            "BN before the nonlinearity gives a higher test accuracy than on the layer's input.",
            "The input could be normalised too, but its distribution is likely to change shape; not tried.",
            before,
            on_input,
        ),
        judged(
            Statement(
                "placement-speed",
                SECTION,
                f"BN before the nonlinearity reaches {percent(TRAINS)} in fewer steps than after it.",
                "Not tried.",
            ),
            steps,
            f"steps after / steps before: {as_ratio(steps)}",
            ("1", "1"),
            "the last step stands in for a run that never gets there",
            null=1,
        ),
        judged(
            Statement(
                "placement-sparsity",
                SECTION,
                "After the nonlinearity, BN leaves the nonlinearity itself sparser: more of it saturated, or 0.",
                "Said of normalising the nonlinearity's output; no number is given.",
            ),
            sparser,
            "saturated fraction (ReLU: zeros) after minus before: "
            f"{in_points(sparser)}{_each(after, before, saturated)}",
            (f"+{100 * MORE:g} percentage points", f"−{100 * MORE:g} percentage points"),
            smallest=MORE,
        ),
        judged(
            Statement(
                "placement-stability",
                SECTION,
                "After the nonlinearity, BN leaves the distribution of the nonlinearity's input less stable.",
                "Said of the affine map's output, more nearly Gaussian than the nonlinearity's; no number is given.",
            ),
            wander,
            f"relative drift of the last hidden layer's input, after / before: {as_ratio(wander)}",
            ("1", "1"),
            null=1,
            smallest=ROUNDING,
        ),
        _accuracy(
            "placement-control",
            "BN after the nonlinearity still gives a higher test accuracy than no BN.",
            "Not tried.",
            after,
            having(records.runs, {"norm": PLAIN}),
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


def _placed(records: Records, placement: str) -> list[Record]:
    return having(records.runs, {"norm": BN, "norm.placement": placement})


def _accuracy(name: str, claim: str, paper: str, a: Sequence[Record], b: Sequence[Record]) -> Judgement:
    interval = t_interval(contrast(a, b, final_accuracy))
    measured = f"{in_points(interval)}{_each(a, b, final_accuracy)}"
    return judged(Statement(name, SECTION, claim, paper), interval, measured, RULE, smallest=SMALLEST)


def _each(a: Sequence[Record], b: Sequence[Record], measure: Callable[[Record], float | None]) -> str:
    """For `measured`: the mean for each nonlinearity, in percentage points."""
    means = {
        kind: t_interval(contrast(having(a, {"model.activation": kind}), b, measure)).mean
        for kind in panels.values(a, "model.activation")
    }
    parts = [f"{kind} {100 * mean:+.2f}" for kind, mean in means.items()]
    return f"; {', '.join(parts)}".replace("-", "−") if parts else ""


def _log_steps(run: Record) -> float:
    return math.log(steps_of(run, TRAINS) or length(run))


def _log_drift(run: Record) -> float | None:
    far = drift(run, "relative")
    return None if far is None else math.log(far)


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
        axes.scatter([x for x, _ in dots], [y for _, y in dots], s=26, color=colours[arm], label=drawing.name(arm))
    axes.set_yscale("log")
    drawing.log_numbers(axes.yaxis)
    axes.set_xticks(range(len(kinds)), kinds)
    axes.set_xlim(-0.5, len(kinds) - 0.5)
    axes.set_ylabel("relative drift")
    axes.grid(axis="y", color="0.9")
    drawing.plain_axes(axes)
    figure.legend(loc="outside right center", frameon=False, fontsize=9)
    return figure
