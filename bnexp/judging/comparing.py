"""A claim's quantity, measured on the runs of its arms by cell and seed, and what the rule makes of the values."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import stats as distributions

from bnexp.judging import rules
from bnexp.judging.claim import BN, LARGEST, CellOutcome, Claim, Outcome, Quantity, Verdict
from bnexp.judging.matching import FOLLOWS, Cell, choose, having, judged, side_by_side, tuning
from bnexp.judging.measures import area, length, rises
from bnexp.judging.rules import Decision, Estimate, Images, Share
from bnexp.judging.words import (
    arm_label,
    count,
    difference_in,
    in_unit,
    interval_in_unit,
    level_in,
    number_in,
    setting_label,
    tally,
)
from bnexp.runs.records import Record
from bnexp.stats import paired

MOST = 8
"""Cells told one by one."""


@dataclass
class Arm:
    """What was measured on one side of a comparison."""

    label: str
    values: dict[Cell, dict[int, list[float]]] = field(default_factory=dict)
    """By cell and seed, one for each combination of the other settings; logarithms of ratios."""
    correct: dict[Cell, dict[int, list[np.ndarray]]] = field(default_factory=dict)
    """In the same way, which test images are classified correctly, where it is known."""
    runs: list[Record] = field(default_factory=list)
    never: Counter[Cell] = field(default_factory=Counter)
    """By cell, values in place of which the last step stands, for the target was not reached."""
    beyond: dict[Cell, set[int]] = field(default_factory=dict)
    """By cell, 1 where values could be larger than is seen, −1 where smaller: at the end of the grid or steps."""
    nothing: Counter[Cell] = field(default_factory=Counter)
    """By cell, values that are missing because there was nothing to measure."""
    chosen: dict[Cell, dict[str, Any]] = field(default_factory=dict)
    edges: list[str] = field(default_factory=list)

    def by_seed(self, cells: Iterable[Cell]) -> dict[int, float]:
        """The mean over these cells, of the seeds that have all of them."""
        wanted = list(cells)
        seeds = set.intersection(*(set(self.values[cell]) for cell in wanted)) if wanted else set()
        return {seed: _mean(_mean(self.values[cell][seed]) for cell in wanted) for seed in sorted(seeds)}

    def table(self, cells: Sequence[Cell]) -> np.ndarray:
        """`[seeds, cells]`, of the seeds that have all of them."""
        return np.array([[_mean(self.values[cell][seed]) for cell in cells] for seed in self.by_seed(cells)])

    def images(self, cells: Sequence[Cell], seeds: Iterable[int]) -> np.ndarray | None:
        """`[seeds, images]`, means over these cells; None where it is not known of every run."""
        rows = []
        for seed in seeds:
            known = [self.correct.get(cell, {}).get(seed, []) for cell in cells]
            if not all(known):
                return None
            rows.append(np.mean([np.mean(of_cell, axis=0) for of_cell in known], axis=0))
        return np.array(rows) if rows else None


def compare(claim: Claim, runs: Sequence[Record], treated: str = BN) -> Outcome:
    """What the claim's rule makes of the runs; `treated` is the norm that is put to the test."""
    arms = measured(claim, runs, treated)
    cells = [cell for cell in arms[0].values if all(arm.values[cell] for arm in arms)]
    if not cells:
        missing = claim.selected and not tuning(runs)
        why = "there are no tuning runs to choose settings by" if missing else "there are no matched runs to compare"
        return Outcome("undecided", "; ".join([why, *_lacks(arms, cells)]), "nothing to compare")
    if claim.rule.kind == "rate":
        return _shares(claim, arms, cells)
    step = _grid_step(claim, runs)
    estimates = {cell: _estimate(claim, arms, [cell], step) for cell in cells}
    overall = _estimate(claim, arms, cells, step) if len(cells) > 1 else estimates[cells[0]]
    rule = claim.rule

    def decided(estimate: Estimate) -> Decision:
        return rules.decide(
            rule.kind, estimate, rule.margin, _sign(claim) * rule.target if rule.kind == "equals" else 0
        )

    each = {cell: decided(estimate) for cell, estimate in estimates.items()}
    decision = rules.over_cells(decided(overall), {repr(c): d for c, d in each.items()}, rule.universal)
    flags = _flags(claim, arms)
    verdict, turned = _turned(claim, decision.verdict, arms, flags)
    unit = claim.quantity.unit
    return Outcome(
        verdict,
        "; ".join(
            [*turned, _why(claim, overall, decision, [each[cell].verdict for cell in cells]), *_lacks(arms, cells)]
        ),
        _measured_words(claim, arms, cells, None if verdict == "mixed" else overall, estimates),
        in_unit(overall.effect, unit),
        interval_in_unit(overall.lo, overall.hi, unit) if overall.n > 1 else None,
        overall.n,
        decision.p,
        [
            {"arm": arm.label, "cell": _named(cell), "seed": seed, "value": in_unit(_mean(values), unit)}
            for arm in arms
            for cell in cells
            for seed, values in sorted(arm.values[cell].items())
        ],
        [
            CellOutcome(
                _named(cell),
                effect if (effect := in_unit(estimates[cell].effect, unit)) is not None else math.nan,
                interval_in_unit(estimates[cell].lo, estimates[cell].hi, unit),
                each[cell].verdict,
            )
            for cell in cells
        ]
        if len(cells) > 1
        else [],
        _selected(arms),
        flags,
        _seeds_needed(claim, arms, cells) if verdict == "undecided" else None,
    )


def measured(claim: Claim, runs: Sequence[Record], treated: str) -> list[Arm]:
    """The claim's arms, the one that it is about first, with the values in every cell."""
    among = having(runs, claim.among, treated)
    settings = [claim.treated, *([claim.reference] if claim.reference is not None else [])]
    sides = [having(among, arm_settings, treated) for arm_settings in settings]
    named = {name for arm_settings in settings for name in arm_settings}
    apart = {*named, *claim.quantity.over, *claim.selected}
    apart |= {follower for name in named for follower in FOLLOWS.get(name, ())}
    if "arm" in named:  # a named arm differs from another in many settings
        apart |= {name for side in sides for run in side for name in run.fields if name not in claim.cells}
    arms = [Arm(arm_label(arm_settings, treated)) for arm_settings in settings]
    final = [judged(side) for side in sides]
    if claim.selected:
        compared = {name for name in claim.selected if name in named}
        tried = {name: [run.value(name) for run in tuning(among)] for name in compared}
        final = [_at_their_best(claim, arm, side, tried) for arm, side in zip(arms, sides, strict=True)]
    for arm, fine in zip(arms, side_by_side(final, apart), strict=True):
        for cell, by_seed in fine.items():
            coarse = tuple((name, value) for name, value in cell if name in claim.cells)
            _measure(claim, arm, coarse, by_seed)
    _keep_complete(arms)
    return arms


def _at_their_best(claim: Claim, arm: Arm, side: Sequence[Record], tried: Mapping[str, Sequence[Any]]) -> list[Record]:
    """The judged runs at the settings that suit the arm best in their cell; `tried` is what both arms have of some."""
    kept = []
    cells = {tuple((name, run.value(name)) for name in claim.cells) for run in side}
    for cell in sorted(cells, key=repr):
        here = having(side, dict(cell))
        choice = choose(tuning(here), claim.selected, tried)
        if choice is None:
            continue
        arm.chosen[cell] = choice.settings
        if choice.edge:
            arm.edges.append(f"{arm.label}: {choice.edge}{f' ({_named(cell)})' if cell else ''}")
        kept += having(having(judged(here), choice.settings), {"steps": LARGEST})  # the table's runs are shorter
    return kept


def _measure(claim: Claim, arm: Arm, cell: Cell, by_seed: Mapping[int, list[Record]]) -> None:
    quantity = claim.quantity
    values, correct = arm.values.setdefault(cell, {}), arm.correct.setdefault(cell, {})
    for seed, runs in _together(by_seed, quantity.over):
        number = quantity.measure(runs)
        if number is None:
            arm.nothing[cell] += 1
            continue
        if number == math.inf:
            number = max(map(length, runs))
            arm.never[cell] += 1
            arm.beyond.setdefault(cell, set()).add(1)
        arm.beyond.setdefault(cell, set()).update(_beyond(quantity, runs, number))
        values.setdefault(seed, []).append(math.log(number) if quantity.unit == "ratio" else float(number))
        arm.runs += runs
        known = [run.correct for run in runs if run.correct is not None]
        if quantity.of_images and len(known) == len(runs):
            correct.setdefault(seed, []).append(np.mean(known, axis=0))


def _beyond(quantity: Quantity, runs: Sequence[Record], number: float) -> Iterator[int]:
    """Of a place on a grid, or a range of it, where it could lie further: it is another without the grid's end."""
    if not quantity.over or quantity.unit not in ("decades", "ratio"):
        return
    name = quantity.over[0]
    grid = sorted({run.value(name) for run in runs})
    for end, side in ((grid[0], -1), (grid[-1], 1)):
        if quantity.measure([run for run in runs if run.value(name) != end]) != number:
            yield 1 if quantity.edges == 2 else side


def _together(by_seed: Mapping[int, list[Record]], over: Sequence[str]) -> Iterator[tuple[int, list[Record]]]:
    """The runs that are measured together, by seed: equal in all but `over`; a norm may have several settings.

    Seeds that lack some of what others have are left out, so that no range is over fewer settings than another.
    """
    free = {*over, *(follower for name in over for follower in FOLLOWS.get(name, ()))}
    variants: dict[str, dict[int, list[Record]]] = {}
    for seed, runs in by_seed.items():
        for run in runs:
            same = repr(sorted((name, value) for name, value in run.fields.items() if name not in {"seed", *free}))
            variants.setdefault(same, {}).setdefault(seed, []).append(run)
    for seeds in variants.values():
        most = max(map(len, seeds.values()))
        yield from ((seed, runs) for seed, runs in seeds.items() if len(runs) == most)


def _keep_complete(arms: Sequence[Arm]) -> None:
    """Leave out seeds that lack settings which others have, so that no mean is over other settings than another."""
    for arm in arms:
        for cell, by_seed in arm.values.items():
            most = max(map(len, by_seed.values()), default=0)
            arm.values[cell] = {seed: values for seed, values in by_seed.items() if len(values) == most}


def _estimate(claim: Claim, arms: Sequence[Arm], cells: Sequence[Cell], step: float) -> Estimate:
    """The effect averaged over these cells within each seed; positive is what the sentence says."""
    values = [arm.by_seed(cells) for arm in arms]
    sign = _sign(claim)
    first = [sign * value for value in values[0].values()]
    if len(arms) == 1:
        target = 0.0 if claim.rule.kind == "equals" else claim.rule.target  # which is held against it when it decides
        estimate = rules.single(first, sign * target)
    elif claim.rule.paired:
        estimate = _paired(sign, arms, cells)
    else:
        estimate = rules.welch(first, [sign * value for value in values[1].values()], _images(arms, cells, values))
    if claim.rule.kind == "range":
        estimate = rules.on_a_grid(estimate, step, claim.quantity.edges)
    sides = {
        sign * direction * side
        for arm, direction in zip(arms, (1, -1), strict=False)
        for cell in cells
        for side in arm.beyond.get(cell, ())
    }
    return rules.unbounded(estimate, below=-1 in sides, above=1 in sides)


def _paired(sign: float, arms: Sequence[Arm], cells: Sequence[Cell]) -> Estimate:
    """The mean difference of the seeds that both arms have."""
    differences = paired(arms[0].by_seed(cells), arms[1].by_seed(cells))
    treated, other = (arm.images(cells, differences) for arm in arms)
    images = None
    if treated is not None and other is not None:
        images = rules.images_part(treated - other, np.zeros((1, treated.shape[1])))
    return rules.single([sign * difference for difference in differences.values()], 0.0, images)


def _images(arms: Sequence[Arm], cells: Sequence[Cell], values: Sequence[Mapping[int, float]]) -> Images | None:
    known = [arm.images(cells, seeds) for arm, seeds in zip(arms, values, strict=True)]
    return rules.images_part(known[0], known[1]) if known[0] is not None and known[1] is not None else None


def _sign(claim: Claim) -> float:
    return -1.0 if claim.rule.less else 1.0


def _grid_step(claim: Claim, runs: Sequence[Record]) -> float:
    """Decades between two neighbours of the grid on which a range was sought."""
    if claim.rule.kind != "range":
        return 0.0
    grid = sorted({math.log10(run.value(claim.quantity.over[0])) for run in having(runs, claim.among)})
    return max((b - a for a, b in itertools.pairwise(grid)), default=0.0)


def three_way(estimate: Estimate, unit: str, margin: float, measured: str, *notes: str) -> Outcome:
    """The outcome of `difference`, for claims with a function of their own."""
    decision = rules.decide("difference", estimate, margin)
    ends = [difference_in(bound, unit) for bound in (margin, -margin)]
    ranges = {"reproduced": f"above {ends[0]}", "contradicted": f"below {ends[1]}", "no difference": "between the two"}
    why = f"the 95 % interval lies {ranges.get(decision.verdict, f'neither above {ends[0]} nor below {ends[1]}')}"
    if estimate.n < rules.FEWEST:
        why = _too_few(estimate.n)
    return Outcome(
        decision.verdict,
        "; ".join([why, *filter(None, notes)]),
        measured,
        in_unit(estimate.effect, unit),
        interval_in_unit(estimate.lo, estimate.hi, unit) if estimate.n > 1 else None,
        estimate.n,
        decision.p,
    )


# Yes or no


def _shares(claim: Claim, arms: Sequence[Arm], cells: Sequence[Cell]) -> Outcome:
    """Of one arm, whether it happens more often than not; of two, in which more often; in every cell."""
    if claim.rule.less and len(arms) == 1:
        raise ValueError(f"{claim.id}: of one arm's yes or no, ask the opposite question")
    shares = {cell: [_share(arm.values[cell]) for arm in arms] for cell in cells}
    ordered = {cell: of_arms[::-1] if claim.rule.less else of_arms for cell, of_arms in shares.items()}
    each = {
        cell: rules.decide_rate(of_arms[0])
        if len(of_arms) == 1
        else rules.decide_rates(of_arms[0], of_arms[1], claim.rule.margin)
        for cell, of_arms in ordered.items()
    }
    first = cells[0]
    decision = rules.over_cells(each[first], {repr(c): d for c, d in each.items()}, universal=True)
    words = "; ".join(
        f"{_named(cell)}{': ' if cell else ''}"
        + ", ".join(f"{share.yes} of {share.n} {arm.label}" for arm, share in zip(arms, of_arms, strict=True))
        for cell, of_arms in shares.items()
    )
    effect = {
        cell: of_arms[0].rate if len(of_arms) == 1 else of_arms[0].rate - of_arms[1].rate
        for cell, of_arms in ordered.items()
    }
    ci95 = {
        cell: of_arms[0].exact if len(of_arms) == 1 else rules.newcombe(of_arms[0], of_arms[1])
        for cell, of_arms in ordered.items()
    }
    return Outcome(
        decision.verdict,
        _RATE_WORDS[len(arms)],
        f"{claim.quantity.name}: {words}",
        effect[first] if len(cells) == 1 else _mean(effect.values()),
        ci95[first] if len(cells) == 1 else None,
        min(share.n for of_arms in shares.values() for share in of_arms),
        decision.p,
        [
            {"arm": arm.label, "cell": _named(cell), "seed": seed, "value": float(all(values))}
            for arm in arms
            for cell in cells
            for seed, values in sorted(arm.values[cell].items())
        ],
        [CellOutcome(_named(c), effect[c], ci95[c], each[c].verdict) for c in cells] if len(cells) > 1 else [],
        _selected(arms),
        _flags(claim, arms),
    )


_RATE_WORDS = {
    1: "by the exact interval of the share, against one half",
    2: "by Newcombe's interval of the difference of the shares",
}


def _share(by_seed: Mapping[int, Sequence[float]]) -> Share:
    return Share(sum(all(values) for values in by_seed.values()), len(by_seed))


# Words and flags


def _flags(claim: Claim, arms: Sequence[Arm]) -> dict[str, str]:
    flags = {}
    edges = [edge for arm in arms for edge in arm.edges]
    if edges:
        flags["edge"] = f"chosen at the edge of the grid: {'; '.join(edges)}"
    elif ends := [arm.label for arm in arms if any(arm.beyond.values()) and not arm.never]:
        flags["edge"] = f"could lie beyond the end of the grid, and its interval is open there: {', '.join(ends)}"
    never = [f"{count(arm.never.total(), 'run')} {arm.label}" for arm in arms if arm.never]
    if never:
        flags["censored"] = f"the target is not reached in {' and '.join(never)}; the last step stands in"
    if claim.quantity.of_images:
        rising = [arm.label for arm in arms if arm.runs and _mean(map(rises, arm.runs)) > max(claim.rule.margin, 0.001)]
        if rising:
            flags["rising"] = f"still gains more than counts over the last quarter of its steps: {', '.join(rising)}"
        if any(run.correct is None for arm in arms for run in arm.runs):
            flags["conditional"] = "on this test set: which images are right was not kept"
    return flags


def _turned(claim: Claim, verdict: Verdict, arms: Sequence[Arm], flags: Mapping[str, str]) -> tuple[Verdict, list[str]]:
    """The verdict, where a flag does not turn it into undecided, and why it does."""
    if verdict == "undecided":
        return verdict, []
    if any(arm.edges for arm in arms):
        return "undecided", [f"would be {verdict}, but a best setting stands at the edge of its grid"]
    if "rising" in flags and "{epochs}" not in claim.sentence:
        return "undecided", [f"would be {verdict}, but an arm is still rising and the sentence names no budget"]
    return verdict, []


def _lacks(arms: Sequence[Arm], cells: Sequence[Cell]) -> list[str]:
    """Where there was nothing to measure, which the values alone do not tell."""
    notes = [
        f"nothing to measure in {count(arm.nothing.total(), 'case')} {arm.label}" for arm in arms if arm.nothing.total()
    ]
    lost = [_named(cell) for cell in arms[0].values if cell not in cells]
    return [*notes, *([f"nothing is said of {'; '.join(lost)}"] if lost else [])]


def _why(claim: Claim, overall: Estimate, decision: Decision, cells: Sequence[Verdict]) -> str:
    if overall.n < rules.FEWEST and decision.verdict == "undecided":
        return _too_few(overall.n)
    rule, unit = claim.rule, claim.quantity.unit
    above, below = (difference_in(bound, unit) for bound in (rule.margin, -rule.margin))
    if rule.kind == "equals":
        ends = [difference_in(rule.target + bound, unit) for bound in (-rule.margin, rule.margin)]
        ranges = {"reproduced": f"between {' and '.join(ends)}", "contradicted": "wholly outside"}
    elif rule.kind == "no_worse":
        ranges = {"reproduced": f"above {below}", "contradicted": f"below {below}"}
    elif rule.margin:
        ranges = {"reproduced": f"above {above}", "contradicted": f"below {below}", "no difference": "between the two"}
    else:
        ranges = {"reproduced": f"above {above}", "contradicted": f"below {below}"}
    if decision.verdict == "mixed":
        return f"some of {len(cells)} cells say so and some the opposite"
    if rule.universal and len(set(cells)) > 1:
        return f"it is said of every one of {len(cells)} cells: {tally(cells)}"
    scope = "in every cell, the" if rule.universal and len(cells) > 1 else "the"
    if decision.verdict in ranges:
        return f"{scope} 95 % interval lies {ranges[decision.verdict]}"
    return f"{scope} 95 % interval lies neither {' nor '.join(ranges.values())}"


def _too_few(n: int) -> str:
    return f"{count(n, 'seed')}, an effect but no verdict: it takes {rules.FEWEST}"


def _measured_words(
    claim: Claim,
    arms: Sequence[Arm],
    cells: Sequence[Cell],
    overall: Estimate | None,
    estimates: Mapping[Cell, Estimate],
) -> str:
    """What the arms measure and how they differ; without an estimate over all cells these alone."""
    unit = claim.quantity.unit
    words = claim.quantity.name
    if overall is not None:
        means = [(arm.label, arm.by_seed(cells)) for arm in arms]
        levels = [f"{level_in(_mean(by_seed.values()), unit)} {label}" for label, by_seed in means if by_seed]
        words += f": {', '.join(levels)}" + (f"; {told(overall, unit)}" if len(arms) == 2 else "")
    if len(arms) == 2:
        by_cell = {cell: difference_in(estimate.effect, unit) for cell, estimate in estimates.items()}
        ranked = sorted(estimates, key=lambda cell: estimates[cell].effect)
    else:
        of_cells = {cell: _mean(arms[0].by_seed([cell]).values()) for cell in cells}
        by_cell = {cell: level_in(level, unit) for cell, level in of_cells.items()}
        ranked = sorted(of_cells, key=lambda cell: of_cells[cell])
    if len(cells) > MOST:
        words += f" ({len(cells)} cells, from {by_cell[ranked[0]]} to {by_cell[ranked[-1]]})"
    elif len(cells) > 1:
        words += f" ({', '.join(f'{_named(cell)} {words_of_cell}' for cell, words_of_cell in by_cell.items())})"
    if len(arms) == 2 and len(cells) > 1:
        first, second = (arm.table(cells) for arm in arms)
        if min(len(first), len(second)) > 1:
            words += f"; arm × cell p = {rules.interaction(first, second):.2g}"
    if claim.rule.kind == "time" and len(arms) == 2:
        if (p := _log_rank(claim, arms, cells)) is not None:
            words += f"; log-rank p = {p:.2g}"
        areas = [_mean(map(area, arm.runs)) for arm in arms]
        words += f"; area under the accuracy curve {difference_in(areas[0] - areas[1], 'points')}"
    return words


def told(estimate: Estimate, unit: str) -> str:
    """An effect with its interval, in words."""
    if not estimate.n:
        return "nothing to compare"
    effect = difference_in(estimate.effect, unit)
    if estimate.n < 2:
        return f"{effect}, n = {estimate.n}"
    ends = [number_in(end, unit) if math.isfinite(end) else "unbounded" for end in (estimate.lo, estimate.hi)]
    return f"{effect} [{ends[0]}, {ends[1]}], n = {estimate.n}"


def _log_rank(claim: Claim, arms: Sequence[Arm], cells: Sequence[Cell]) -> float | None:
    """Of the steps to the target, where there is one cell, so that every value is of one run."""
    if len(cells) > 1 or any(len(v) > 1 for arm in arms for v in arm.values[cells[0]].values()):
        return None
    samples = []
    for arm in arms:
        steps = [claim.quantity.measure([run]) for run in arm.runs]
        reached = [s for s in steps if s is not None and s != math.inf]
        missed = [length(run) for run, s in zip(arm.runs, steps, strict=True) if s == math.inf]
        samples.append(distributions.CensoredData(uncensored=reached, right=missed))
    if not all(sample.num_censored() < len(sample) for sample in samples):
        return None
    return float(distributions.logrank(samples[0], samples[1]).pvalue)


def _seeds_needed(claim: Claim, arms: Sequence[Arm], cells: Sequence[Cell]) -> int | None:
    samples = [arm.by_seed(cells) for arm in arms]
    if claim.rule.paired:
        samples = [paired(samples[0], samples[1])]
    if min(map(len, samples)) < 2:
        return None
    spreads = [float(np.std(list(sample.values()), ddof=1)) for sample in samples]
    return rules.seeds_for(claim.rule.margin, spreads)


def _selected(arms: Sequence[Arm]) -> dict[str, Any] | None:
    """By arm what was chosen, by cell where there are several."""
    chosen: dict[str, Any] = {}
    for arm in arms:
        if len(arm.chosen) == 1:
            (chosen[arm.label],) = arm.chosen.values()
        elif arm.chosen:
            chosen[arm.label] = {_named(cell): settings for cell, settings in arm.chosen.items()}
    return chosen or None


def _named(cell: Cell) -> str:
    return ", ".join(setting_label(name, value) for name, value in cell)


def _mean(values: Iterable[float]) -> float:
    kept = list(values)
    return math.fsum(kept) / len(kept) if kept else math.nan
