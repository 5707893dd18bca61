"""Claims held against records: the runs matched, the quantity measured, the rule applied."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, get_args

from bnexp.claims.claim import Claim, Outcome, Peculiar, Quantity, Settings, Verdict
from bnexp.claims.matching import Cell, Runs, having, matched
from bnexp.claims.measures import final_accuracy, length
from bnexp.claims.words import as_ratio, in_points, in_unit
from bnexp.runs.records import Record, Records
from bnexp.stats import Interval, ratio_interval, t_interval


@dataclass(frozen=True)
class Judgement:
    """One entry under `claims` of `verdict.json`."""

    id: str
    section: str
    claim: str
    paper: str
    """The paper's own figure."""
    measured: str
    effect: float | None
    ci95: tuple[float, float] | None
    n: int
    """Seeds."""
    verdict: Verdict
    why: str

    def __post_init__(self) -> None:
        if self.verdict not in get_args(Verdict):
            raise ValueError(
                f"the verdict of {self.id} is {self.verdict!r}; choose from {', '.join(get_args(Verdict))}"
            )

    def as_dict(self) -> dict[str, Any]:
        """The fields as JSON has them: a list for the interval, null for what is not finite."""
        values = asdict(self)
        values["effect"] = _finite(self.effect)
        values["ci95"] = None if self.ci95 is None else [_finite(bound) for bound in self.ci95]
        return values


def judge(claim: Claim | Peculiar, records: Records) -> Judgement:
    """The claim's verdict on these records."""
    outcome = claim.judge(records) if isinstance(claim, Peculiar) else compare(claim, records.runs)
    interval = outcome.interval
    return Judgement(
        claim.id,
        claim.source,
        claim.sentence,
        claim.paper.text,
        outcome.measured,
        interval.mean if interval.n else None,
        (interval.lo, interval.hi) if interval.n > 1 and not math.isnan(interval.lo) else None,
        interval.n,
        outcome.verdict,
        outcome.why,
    )


def compare(claim: Claim, runs: Sequence[Record]) -> Outcome:
    """What the claim's rule makes of the runs: the treated arm minus the other, seed by seed."""
    among = having(runs, claim.among)
    treated = having(among, claim.treated)
    reference = None if claim.reference is None else having(among, claim.reference)
    quantity, rule = claim.quantity, claim.rule
    apart = {*claim.treated, *(claim.reference or {}), *quantity.over, *claim.selected}
    pairs = matched(treated, reference, apart)
    arms = [_measured(own, quantity, claim.selected) for own in (pairs.treated, pairs.reference)]
    logs = quantity.unit == "ratio"
    differences: dict[int, list[float]] = {}
    for cell, by_seed in arms[0].items():
        for seed, value in by_seed.items():
            other = Value(rule.target) if reference is None else arms[1].get(cell, {}).get(seed)
            if other is None or (value.never and other.never):
                continue
            difference = math.log(value.number / other.number) if logs else value.number - other.number
            differences.setdefault(seed, []).append(-difference if rule.less else difference)
    values = [math.fsum(own) / len(own) for _, own in sorted(differences.items())]
    interval = ratio_interval(values) if logs else t_interval(values)
    return outcome(interval, quantity.unit, rule.margin)


def outcome(interval: Interval, unit: str, margin: float = 0.0, measured: str = "", *notes: str) -> Outcome:
    """By the three-way rule: does the whole interval lie on one side of no effect, by more than the margin?"""
    null = 1.0 if unit == "ratio" else 0.0
    verdict: Verdict = "undecided"
    if interval.lo > null + margin:
        verdict = "reproduced"
    elif interval.hi < null - margin:
        verdict = "contradicted"
    why = "; ".join([_reason(verdict, interval.n, (null + margin, null - margin), unit), *filter(None, notes)])
    return Outcome(measured or in_words(interval, unit), interval, verdict, why)


def in_words(interval: Interval, unit: str) -> str:
    """An effect in its unit."""
    if unit in ("points", "share"):
        return in_points(interval)
    return as_ratio(interval) if unit == "ratio" else in_unit(interval, unit, 3 if unit == "decades per layer" else 2)


def _reason(verdict: Verdict, n: int, bounds: tuple[float, float], unit: str) -> str:
    if n < 2:
        return "one seed gives no interval" if n else "there is no pair of matched runs to compare"
    above, below = (f"{bound:g}" if unit == "ratio" else f"{100 * bound:+g} points" for bound in bounds)
    return {
        "reproduced": f"the whole 95 % interval lies above {above}",
        "contradicted": f"the whole 95 % interval lies below {below}",
        "undecided": f"the 95 % interval lies neither wholly above {above} nor wholly below {below}",
    }[verdict]


@dataclass(frozen=True)
class Value:
    """What was measured on the runs of a seed."""

    number: float
    never: bool = False
    """A target was not reached, and the last step stands in."""


def _measured(runs: Runs, quantity: Quantity, selected: Sequence[str]) -> dict[Cell, dict[int, Value]]:
    """The quantity by cell and seed, where it can be measured."""
    values: dict[Cell, dict[int, Value]] = {}
    for cell, by_seed in runs.items():
        chosen = own_best(by_seed, selected) if selected else by_seed
        values[cell] = {}
        for seed, own in chosen.items():
            number = quantity.measure(own)
            if number == math.inf:
                values[cell][seed] = Value(max(map(length, own)), never=True)
            elif number is not None:
                values[cell][seed] = Value(number)
    return values


def own_best(by_seed: dict[int, list[Record]], names: Sequence[str]) -> dict[int, list[Record]]:
    """Each seed's run at the settings whose final accuracy is best on the mean of the other seeds.

    So no seed chooses the settings it is judged at. Of equally good ones the first in order is taken; with fewer than
    two seeds there is nothing to choose by.
    """

    def setting(run: Record) -> tuple[Any, ...]:
        return tuple(run.value(name) for name in names)

    chosen: dict[int, list[Record]] = {}
    for seed, runs in by_seed.items():
        scores: dict[tuple[Any, ...], list[float]] = {}
        for other, own in by_seed.items():
            for run in own if other != seed else ():
                scores.setdefault(setting(run), []).append(final_accuracy(run))
        means = {values: math.fsum(own) / len(own) for values, own in scores.items()}
        here = {setting(run): run for run in runs}
        known = [values for values in sorted(means) if values in here]
        if known:
            chosen[seed] = [here[max(known, key=lambda values: means[values])]]
    return chosen


def contrast(
    a: Iterable[Record], b: Iterable[Record], measure: Callable[[Record], float | None], *apart: str
) -> list[float]:
    """The measure on `a` minus that on `b`, averaged over each seed's settings.

    Runs are paired that are equal in seed and all settings but those of the norm and `apart`; one without a partner,
    or with a partner of which the measure is None, is left out.
    """
    pairs = matched(list(a), list(b), apart)
    differences: dict[int, list[float]] = {}
    for cell, by_seed in pairs.treated.items():
        for seed, (run,) in by_seed.items():
            others = pairs.reference[cell].get(seed)
            one, other = measure(run), measure(others[0]) if others else None
            if one is not None and other is not None:
                differences.setdefault(seed, []).append(one - other)
    return [math.fsum(own) / len(own) for _, own in sorted(differences.items())]


def _finite(x: float | None) -> float | None:
    return float(x) if x is not None and math.isfinite(x) else None


__all__ = ["Judgement", "Settings", "compare", "contrast", "judge", "outcome", "own_best"]
