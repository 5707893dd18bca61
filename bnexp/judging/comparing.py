"""What a claim's rule makes of what its arms measure."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from bnexp.judging import flags, rules, telling
from bnexp.judging.arms import Arm, cell_name, mean, measured
from bnexp.judging.claim import BN, CellOutcome, Claim, Outcome
from bnexp.judging.matching import Cell, Choosing, having, of_one_length, tuning
from bnexp.judging.rules import Decision, Estimate, Images, Share
from bnexp.judging.words import difference_in, in_unit, interval_in_unit
from bnexp.runs.records import Record
from bnexp.stats import paired


def compare(claim: Claim, runs: Sequence[Record], treated: str = BN) -> Outcome:
    """What the claim's rule makes of the runs; `treated` is the norm that is put to the test.

    A verdict on chosen settings must stand with those, too, that the judged seeds' validation images would choose.
    """
    outcome = _compared(claim, runs, treated, tuning)
    if not claim.selected or outcome.verdict == "undecided":
        return outcome
    return _unless_chosen_otherwise(outcome, _compared(claim, runs, treated, of_one_length))


def _unless_chosen_otherwise(outcome: Outcome, other: Outcome) -> Outcome:
    """Undecided where other seeds' choice of settings gives another verdict, or one at the edge of the grid."""
    if other.selected in (None, outcome.selected):
        return outcome
    if [cell.cell for cell in other.cells] != [cell.cell for cell in outcome.cells] or not other.n:
        doubt = {"choice": "the settings that the judged seeds' validation images choose have not been trained as long"}
    elif edge := other.flags.get("edge") if "edge" not in outcome.flags else None:
        doubt = {"edge": f"by the judged seeds' validation images, {edge}"}
    elif other.verdict != outcome.verdict:
        doubt = {"choice": f"with the settings that the judged seeds' validation images choose, {other.verdict}"}
    else:
        return outcome
    (reason,) = doubt.values()
    why = f"would be {outcome.verdict}, but {reason} ({other.measured})"
    return replace(outcome, verdict="undecided", why=f"{why}; {outcome.why}", flags={**outcome.flags, **doubt})


def _compared(claim: Claim, runs: Sequence[Record], treated: str, choosing: Choosing) -> Outcome:
    arms = measured(claim, runs, treated, choosing)
    cells = [cell for cell in arms[0].values if all(arm.values[cell] for arm in arms)]
    if not cells:
        why = telling.why_nothing(claim, arms, tuned=bool(tuning(runs)))
        reasons = "; ".join([why, *telling.lacks(arms, cells)])
        return Outcome("undecided", reasons, "nothing to compare", selected=telling.selected(arms))
    if claim.rule.kind == "rate":
        return _shares(claim, arms, cells)
    step = _grid_step(claim, runs)
    estimates = {cell: _estimate(claim, arms, [cell], step) for cell in cells}
    overall = _estimate(claim, arms, cells, step) if len(cells) > 1 else estimates[cells[0]]
    rule = claim.rule

    def decided(estimate: Estimate) -> Decision:
        return rules.decide(rule.kind, estimate, rule.margin, claim.bound)

    each = {cell: decided(estimate) for cell, estimate in estimates.items()}
    decision = rules.over_cells(decided(overall), list(each.values()), rule.universal)
    doubts = flags.raised(claim, arms) | flags.opposite(claim, list(estimates.values()), decision.verdict)
    verdict, turned = flags.turned(claim, decision.verdict, arms, doubts)
    unit = claim.quantity.unit
    said = [each[cell].verdict for cell in cells]
    differ = verdict == "mixed" or (rule.universal and len(cells) > 1)  # their mean is no answer
    return Outcome(
        verdict,
        "; ".join([*turned, telling.why(claim, overall, decision, said), *telling.lacks(arms, cells)]),
        telling.measured(claim, arms, cells, None if differ else overall, estimates),
        in_unit(overall.effect, unit),
        interval_in_unit(overall.lo, overall.hi, unit) if overall.n > 1 else None,
        overall.n,
        decision.p,
        [
            {"arm": arm.label, "cell": cell_name(cell), "seed": seed, "value": in_unit(mean(values), unit)}
            for arm in arms
            for cell in cells
            for seed, values in sorted(arm.values[cell].items())
        ],
        [
            CellOutcome(
                cell_name(cell),
                effect if (effect := in_unit(estimates[cell].effect, unit)) is not None else math.nan,
                interval_in_unit(estimates[cell].lo, estimates[cell].hi, unit),
                each[cell].verdict,
            )
            for cell in cells
        ]
        if len(cells) > 1
        else [],
        differ,
        telling.selected(arms),
        doubts,
        _seeds_needed(claim, arms, cells, step) if verdict == "undecided" and overall.n else None,
        [run for arm in arms for run in arm.runs],
    )


def _estimate(claim: Claim, arms: Sequence[Arm], cells: Sequence[Cell], step: float) -> Estimate:
    """The effect averaged over these cells within each seed; positive is what the sentence says."""
    sign = claim.sign
    samples, images = _samples(claim, arms, cells)
    first, *others = [[sign * value for value in sample] for sample in samples]
    if others:
        (second,) = others
        estimate = rules.welch(first, second, images)
    else:
        of_one = len(arms) == 1 and claim.rule.kind != "equals"  # whose target is held against it when it decides
        estimate = rules.single(first, sign * claim.rule.target if of_one else 0.0, images)
    if claim.rule.kind == "range":
        estimate = rules.on_a_grid(estimate, step, claim.quantity.edges)
    sides = {
        sign * direction * side
        for arm, direction in zip(arms, (1, -1), strict=False)
        for cell in cells
        for side in arm.beyond.get(cell, ())
    }
    return rules.unbounded(estimate, below=-1 in sides, above=1 in sides)


def _samples(claim: Claim, arms: Sequence[Arm], cells: Sequence[Cell]) -> tuple[list[list[float]], Images | None]:
    """Each arm's values, of paired arms their differences; and what is known of single test images."""
    by_seed = [arm.by_seed(cells) for arm in arms]
    if len(arms) == 1:
        return [list(by_seed[0].values())], None
    if claim.rule.paired:
        by_seed = [paired(*by_seed)] * 2
    values = [list(of_arm.values()) for of_arm in by_seed]
    treated, other = (arm.images(cells, seeds) for arm, seeds in zip(arms, by_seed, strict=True))
    images = None
    if treated is not None and other is not None and claim.rule.paired:
        images = rules.images_part(treated - other, np.zeros((1, treated.shape[1])))
    elif treated is not None and other is not None:
        images = rules.images_part(treated, other)
    return values[:1] if claim.rule.paired else values, images


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
        why = telling.too_few(estimate.n)
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
    found = [
        _of_shares(of_arms[::-1] if claim.rule.less else of_arms, claim.rule.margin) for of_arms in shares.values()
    ]
    effects, intervals, decisions = zip(*found, strict=True)
    decision = rules.over_cells(decisions[0], decisions, universal=True)
    words = "; ".join(
        f"{cell_name(cell)}{': ' if cell else ''}"
        + ", ".join(f"{share.yes} of {share.n} {arm.label}" for arm, share in zip(arms, of_arms, strict=True))
        for cell, of_arms in shares.items()
    )
    doubts = flags.raised(claim, arms)
    verdict, turned = flags.turned(claim, decision.verdict, arms, doubts)
    return Outcome(
        verdict,
        "; ".join([*turned, _RATE_WORDS[len(arms)]]),
        f"{claim.quantity.name}: {words}",
        mean(effects),
        intervals[0] if len(cells) == 1 else None,
        min(share.n for of_arms in shares.values() for share in of_arms),
        decision.p,
        [
            {"arm": arm.label, "cell": cell_name(cell), "seed": seed, "value": float(all(values))}
            for arm in arms
            for cell in cells
            for seed, values in sorted(arm.values[cell].items())
        ],
        [CellOutcome(cell_name(c), effect, ci95, d.verdict) for c, (effect, ci95, d) in zip(cells, found, strict=True)]
        if len(cells) > 1
        else [],
        len(cells) > 1,
        telling.selected(arms),
        doubts,
        runs=[run for arm in arms for run in arm.runs],
    )


def _of_shares(shares: Sequence[Share], margin: float) -> tuple[float, tuple[float, float], Decision]:
    """Of the share of one arm, or the difference of two: the effect, its interval and what it decides."""
    if len(shares) == 1:
        return shares[0].rate, shares[0].exact, rules.decide_rate(shares[0])
    a, b = shares
    return a.rate - b.rate, rules.newcombe(a, b), rules.decide_rates(a, b, margin)


_RATE_WORDS = {
    1: "by the exact interval of the share, against one half",
    2: "by Newcombe's interval of the difference of the shares and Boschloo's test",
}


def _share(by_seed: Mapping[int, Sequence[float]]) -> Share:
    return Share(sum(all(values) for values in by_seed.values()), len(by_seed))


def _seeds_needed(claim: Claim, arms: Sequence[Arm], cells: Sequence[Cell], step: float) -> int | None:
    """Of a sentence about each cell, those that the one with the widest interval needs; None for very many."""
    if claim.rule.universal and len(cells) > 1:
        needed = [_seeds_needed(claim, arms, [cell], step) for cell in cells]
        return None if None in needed else max(filter(None, needed))
    samples, images = _samples(claim, arms, cells)
    if min(map(len, samples)) < 2:
        return None
    spreads = [float(np.std(sample, ddof=1)) for sample in samples]
    blur = claim.quantity.edges * step / 2
    return rules.seeds_for(claim.rule.margin - blur, spreads, images)
