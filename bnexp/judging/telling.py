"""What was measured and why the verdict is what it is, in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import scipy

from bnexp.judging import rules
from bnexp.judging.arms import Arm, cell_name, mean
from bnexp.judging.claim import Claim, Verdict
from bnexp.judging.matching import Cell
from bnexp.judging.measures import area, length
from bnexp.judging.rules import Decision, Estimate
from bnexp.judging.words import count, difference_in, level_in, number_in, tally

FEW = 3
"""Cells of which what the arms measure is told."""

MOST = 8
"""Cells told one by one."""


def lacks(arms: Sequence[Arm], cells: Sequence[Cell]) -> list[str]:
    """Where there was nothing to measure, or nothing that learns, which the values alone do not tell."""
    notes = [
        f"nothing to measure in {count(arm.nothing.total(), 'case')} {arm.label}" for arm in arms if arm.nothing.total()
    ]
    notes += [
        f"nothing learns at any setting tried: {each}"
        for each in dict.fromkeys(each for arm in arms for each in arm.hopeless)
    ]
    lost = [cell_name(cell) for cell in (*arms[0].values, *arms[0].lost) if cell not in cells]
    return [*notes, *([f"nothing is said of {'; '.join(lost)}"] if lost else [])]


def why_nothing(claim: Claim, arms: Sequence[Arm], tuned: bool) -> str:
    """Why there is nothing to compare; `tuned` where there are runs to choose settings by."""
    if claim.selected and not tuned:
        return "there are no tuning runs to choose settings by"
    if any(arm.chosen for arm in arms) and not any(arm.runs for arm in arms):
        return "no judged runs have the settings that were chosen"
    return "there are no matched runs to compare"


def why(claim: Claim, overall: Estimate, decision: Decision, cells: Sequence[Verdict]) -> str:
    """Where the interval lies, or what the cells say."""
    if overall.n < rules.FEWEST and decision.verdict == "undecided":
        return too_few(overall.n)
    rule, unit = claim.rule, claim.quantity.unit
    if claim.reference is None:
        ends = [level_in(rule.target + claim.sign * margin, unit) for margin in (-rule.margin, rule.margin)]
        against, beyond = ("above", "below") if rule.less else ("below", "above")
    else:
        ends = [difference_in(claim.bound + margin, unit) for margin in (-rule.margin, rule.margin)]
        against, beyond = "below", "above"
    if rule.kind == "equals":
        ranges = {"reproduced": f"between {ends[0]} and {ends[1]}", "contradicted": "wholly outside"}
    elif rule.kind == "no_worse":
        ranges = {"reproduced": f"{beyond} {ends[0]}", "contradicted": f"{against} {ends[0]}"}
    else:
        ranges = {"reproduced": f"{beyond} {ends[1]}", "contradicted": f"{against} {ends[0]}"}
        if rule.margin:
            ranges["no difference"] = "between the two"
    if decision.verdict == "mixed":
        return f"some of {len(cells)} cells say so and some the opposite"
    if rule.universal and len(set(cells)) > 1:
        doubt = "; after Holm over the cells not both" if {"reproduced", "contradicted"} <= set(cells) else ""
        return f"it is said of every one of {len(cells)} cells: {tally(cells)}{doubt}"
    scope = "in every cell, the" if rule.universal and len(cells) > 1 else "the"
    if decision.verdict in ranges:
        return f"{scope} 95 % interval lies {ranges[decision.verdict]}"
    if not rule.universal and max(abs(overall.lo - claim.bound), abs(overall.hi - claim.bound)) < rule.margin:
        return "the 95 % interval of the mean lies between the two, but a cell has a difference"
    return f"{scope} 95 % interval lies neither {' nor '.join(ranges.values())}"


def too_few(n: int) -> str:
    """Why fewer seeds than it takes decide nothing."""
    effect = "an effect but no verdict" if n else "nothing to compare"
    return f"{count(n, 'seed')}, {effect}: it takes {rules.FEWEST}"


def measured(
    claim: Claim,
    arms: Sequence[Arm],
    cells: Sequence[Cell],
    overall: Estimate | None,
    estimates: Mapping[Cell, Estimate],
) -> str:
    """What the arms measure and how they differ; without an estimate over all cells these alone."""
    unit = claim.quantity.unit
    words = claim.quantity.name.partition(" (")[0]  # what follows stands in brackets, too
    if overall is not None:
        words += f": {_levels(arms, cells, unit)}"
        words += f"; {told(overall, unit)}" if len(arms) == 2 else _level_told(claim, arms[0].by_seed(cells), overall)
    if len(arms) == 2:
        by_cell = {cell: difference_in(estimate.effect, unit) for cell, estimate in estimates.items()}
        if overall is None and len(cells) <= FEW:
            by_cell = {cell: f"{effect}: {_levels(arms, [cell], unit)}" for cell, effect in by_cell.items()}
        ranked = sorted(estimates, key=lambda cell: estimates[cell].effect)
    else:
        of_cells = {cell: mean(arms[0].by_seed([cell]).values()) for cell in cells}
        by_cell = {cell: level_in(level, unit) for cell, level in of_cells.items()}
        ranked = sorted(of_cells, key=lambda cell: of_cells[cell])
    if len(cells) > MOST:
        words += f" ({len(cells)} cells, from {by_cell[ranked[0]]} to {by_cell[ranked[-1]]})"
    elif len(cells) > 1:
        between = "; " if any(", " in words_of_cell for words_of_cell in by_cell.values()) else ", "
        words += f" ({between.join(f'{cell_name(cell)} {words_of_cell}' for cell, words_of_cell in by_cell.items())})"
    if len(arms) == 2 and len(cells) > 1:
        first, second = (arm.table(cells) for arm in arms)
        if min(len(first), len(second)) > 1:
            words += f"; arm × cell p = {rules.interaction(first, second):.2g}"
    if claim.rule.kind == "time" and len(arms) == 2:
        if (p := _log_rank(claim, arms, cells)) is not None:
            words += f"; log-rank p = {p:.2g}"
        areas = [mean(map(area, arm.runs)) for arm in arms]
        words += f"; area under the accuracy curve {difference_in(areas[0] - areas[1], 'points')}"
    return words


def _levels(arms: Sequence[Arm], cells: Sequence[Cell], unit: str) -> str:
    """What each arm measures over these cells."""
    levels = [(arm, arm.by_seed(cells)) for arm in arms]
    return ", ".join(
        f"{'at least ' * bool(arm.never)}{level_in(mean(by_seed.values()), unit)} {arm.label}"
        for arm, by_seed in levels
        if by_seed
    )


def told(estimate: Estimate, unit: str) -> str:
    """An effect with its interval, in words."""
    if not estimate.n:
        return "nothing to compare"
    effect = difference_in(estimate.effect, unit)
    if estimate.n < 2:
        return f"{effect}, n = {estimate.n}"
    ends = [number_in(end, unit) if math.isfinite(end) else "unbounded" for end in (estimate.lo, estimate.hi)]
    if ends.count("unbounded") == 1:
        effect = f"at {'most' if ends[0] == 'unbounded' else 'least'} {effect}"
    return f"{effect} [{ends[0]}, {ends[1]}], n = {estimate.n}"


def _level_told(claim: Claim, by_seed: Mapping[int, float], estimate: Estimate) -> str:
    """The interval of what one arm measures, in words."""
    if estimate.n < 2:
        return f", n = {estimate.n}"
    level = mean(by_seed.values())
    ends = sorted(level + claim.sign * (end - estimate.effect) for end in (estimate.lo, estimate.hi))
    return f" [{', '.join(level_in(end, claim.quantity.unit) for end in ends)}], n = {estimate.n}"


def _log_rank(claim: Claim, arms: Sequence[Arm], cells: Sequence[Cell]) -> float | None:
    """Of the steps to the target, where there is one cell, so that every value is of one run."""
    if len(cells) > 1 or any(len(v) > 1 for arm in arms for v in arm.values[cells[0]].values()):
        return None
    samples = []
    for arm in arms:
        steps = [claim.quantity.measure([run]) for run in arm.runs]
        reached = [s for s in steps if s is not None and s != math.inf]
        missed = [length(run) for run, s in zip(arm.runs, steps, strict=True) if s == math.inf]
        samples.append(scipy.stats.CensoredData(uncensored=reached, right=missed))
    if not all(sample.num_censored() < len(sample) for sample in samples):
        return None
    return float(scipy.stats.logrank(samples[0], samples[1]).pvalue)


def selected(arms: Sequence[Arm]) -> dict[str, Any] | None:
    """By arm what was chosen, by cell where there are several."""
    chosen: dict[str, Any] = {}
    for arm in arms:
        if len(arm.chosen) == 1:
            (chosen[arm.label],) = arm.chosen.values()
        elif arm.chosen:
            chosen[arm.label] = {cell_name(cell): settings for cell, settings in arm.chosen.items()}
    return chosen or None
