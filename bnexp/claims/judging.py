"""What every claim shares: the form of a judgement, the three-way rule, the pairing of matched runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from matplotlib.figure import Figure
from pandas import DataFrame

from bnexp.runs.records import Record, Records
from bnexp.stats import Interval

Verdict = Literal["reproduced", "contradicted", "undecided"]

PLAIN, BN = "none", "batch"
"""The two arms that the paper compares in §4.1, as `Record.norm` names them."""


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


@dataclass(frozen=True)
class Statement:
    """What a judgement is about, fixed before anything is measured; the fields are those of `Judgement`."""

    id: str
    section: str
    claim: str
    paper: str


@dataclass(frozen=True)
class Claim:
    """A claim as an experiment names it: how it is judged on records, in one judgement or more, and drawn."""

    name: str
    judge: Callable[[Records], list[Judgement]]
    figures: Callable[[Records], dict[str, Figure]] = lambda records: {}
    """File stem to figure."""
    reads_percentiles: bool = False
    """Whether percentiles and moments must be among the committed records; they are most of a record's size."""
    tables: Callable[[Records], dict[str, DataFrame]] = lambda records: {}
    """Title to a table of text for the report."""
    about: str = ""
    """What is claimed and where, in a line."""


@dataclass(frozen=True)
class Pair:
    """Two matched runs: the same seed and settings, without and with BN."""

    plain: Record
    bn: Record

    @property
    def seed(self) -> int:
        return self.bn.seed


def pairs(records: Records) -> list[Pair]:
    """Every run with BN beside its match without; one that has no match is left out."""
    plain = {_match(run): run for run in records.runs if run.norm == PLAIN}
    with_bn = sorted((run for run in records.runs if run.norm == BN), key=lambda run: run.seed)
    return [Pair(plain[_match(run)], run) for run in with_bn if _match(run) in plain]


def per_seed(matched: Sequence[Pair], measure: Callable[[Pair], float | None]) -> dict[int, float]:
    """A measure of pairs averaged over each seed's settings; pairs of which it is None are left out."""
    values: dict[int, list[float]] = {}
    for pair in matched:
        value = measure(pair)
        if value is not None:
            values.setdefault(pair.seed, []).append(value)
    return {seed: math.fsum(own) / len(own) for seed, own in values.items()}


def decide(interval: Interval, smallest: float = 0.0, null: float = 0.0) -> Verdict:
    """The three-way rule: does the whole interval lie on one side of no effect, by more than the smallest that counts?

    An effect above `null` is the one claimed; 0 for a difference, 1 for a ratio.
    """
    if interval.lo > null + smallest:
        return "reproduced"
    return "contradicted" if interval.hi < null - smallest else "undecided"


def reason(verdict: Verdict, n: int, above: str, below: str, *notes: str) -> str:
    """Why the rule decided as it did on n seeds: its bounds in words, and notes on what else bears on the verdict."""
    if n < 2:
        said = "one seed gives no interval" if n else "there is no pair of matched runs to compare"
    else:
        said = {
            "reproduced": f"the whole 95 % interval lies above {above}",
            "contradicted": f"the whole 95 % interval lies below {below}",
            "undecided": f"the 95 % interval lies neither wholly above {above} nor wholly below {below}",
        }[verdict]
    return "; ".join([said, *filter(None, notes)])


def judged(
    statement: Statement,
    interval: Interval,
    measured: str,
    bounds: tuple[str, str],
    *notes: str,
    smallest: float = 0.0,
    null: float = 0.0,
) -> Judgement:
    """The judgement by the three-way rule; `bounds` says in words where it sets the bounds, above and below."""
    verdict = decide(interval, smallest, null)
    why = reason(verdict, interval.n, *bounds, *notes)
    return Judgement(**asdict(statement), measured=measured, **effect(interval), verdict=verdict, why=why)


def unanimous(statement: Statement, holds: Sequence[bool], measured: str, what: str) -> Judgement:
    """The judgement of something that must be so on every seed: contradicted where it is so on none."""
    n, those = len(holds), sum(holds)
    verdict: Verdict = "undecided"
    if n >= 2:
        verdict = "reproduced" if those == n else "undecided" if those else "contradicted"
    why = f"{those} of {count(n, 'seed')} {what}" + ("; two are the least that a verdict is given on" if n < 2 else "")
    share = those / n if n else None
    return Judgement(**asdict(statement), measured=measured, effect=share, ci95=None, n=n, verdict=verdict, why=why)


def having(runs: Iterable[Record], settings: Mapping[str, Any]) -> list[Record]:
    """The runs that have all of these settings."""
    return [run for run in runs if all(run.value(name) == of for name, of in settings.items())]


def contrast(
    a: Iterable[Record], b: Iterable[Record], measure: Callable[[Record], float | None], *apart: str
) -> list[float]:
    """The measure on `a` minus that on `b`, averaged over each seed's settings.

    Runs are paired that are equal in seed and all settings but those of the norm and `apart`; one without a partner,
    or with a partner of which the measure is None, is left out.
    """
    others = {_match(run, *apart): measure(run) for run in b}
    differences: dict[int, list[float]] = {}
    for run in a:
        other, own = others.get(_match(run, *apart)), measure(run)
        if own is not None and other is not None:
            differences.setdefault(run.seed, []).append(own - other)
    return [math.fsum(own) / len(own) for _, own in sorted(differences.items())]


def own_best(
    runs: Sequence[Record], setting: Callable[[Record], Any], score: Callable[[Record], float]
) -> dict[int, Record]:
    """Each seed's run at the setting whose score is best on the mean of the other seeds.

    So no seed chooses the setting it is judged at. Of equally good settings the first in order is taken; with fewer
    than two seeds there is nothing to choose by and nothing is returned.
    """
    chosen = {}
    for seed in sorted({run.seed for run in runs}):
        means = {s: own for s, own in _means(runs, setting, score, but=seed).items() if not math.isnan(own)}
        own = {setting(run): run for run in runs if run.seed == seed}
        known = [s for s in sorted(means) if s in own]
        if known:
            chosen[seed] = own[max(known, key=lambda s: means[s])]
    return chosen


def _means(
    runs: Sequence[Record], setting: Callable[[Record], Any], score: Callable[[Record], float], but: int
) -> dict[Any, float]:
    scores: dict[Any, list[float]] = {}
    for run in runs:
        if run.seed != but:
            scores.setdefault(setting(run), []).append(score(run))
    return {s: math.fsum(own) / len(own) for s, own in scores.items()}


def effect(interval: Interval) -> dict[str, Any]:
    """The fields `effect`, `ci95` and `n` of a judgement."""
    return {
        "effect": interval.mean if interval.n else None,
        "ci95": (interval.lo, interval.hi) if interval.n > 1 else None,
        "n": interval.n,
    }


def in_points(interval: Interval) -> str:
    """A difference of fractions in words, in percentage points."""
    return _in_words(interval, lambda x: f"{100 * x:+.2f}".replace("-", "−"), " percentage points")


def in_unit(interval: Interval, unit: str, digits: int = 2) -> str:
    """A signed quantity in words."""
    return _in_words(interval, lambda x: f"{x:+.{digits}f}".replace("-", "−"), f" {unit}")


def as_ratio(interval: Interval) -> str:
    """A ratio in words."""
    return _in_words(interval, _three_digits, " times")


def percent(x: float, digits: int = 0) -> str:
    """A fraction in words."""
    return f"{100 * x:.{digits}f} %"


def count(n: int, noun: str) -> str:
    """A number of things: 1 run, 2 runs."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def settings(matched: Iterable[Pair]) -> int:
    """How many settings, but for the seed, are compared."""
    return len({(_match(pair.bn, "seed"), repr(_norm(pair.bn))) for pair in matched})


def over_settings(matched: Sequence[Pair]) -> str:
    """For `measured`: over how many settings each seed is averaged, when it is more than one."""
    n = settings(matched)
    return f", each seed the mean over {n} settings" if n > 1 else ""


def _match(run: Record, *apart: str) -> str:
    kept = {k: v for k, v in run.fields.items() if not k.startswith("norm.") and k not in apart}
    return repr(sorted(kept.items()))


def _norm(run: Record) -> list[tuple[str, Any]]:
    return sorted((k, v) for k, v in run.fields.items() if k.startswith("norm."))


def _in_words(interval: Interval, form: Callable[[float], str], unit: str) -> str:
    if not interval.n:
        return "nothing to compare"
    if interval.n == 1:
        return f"{form(interval.mean)}{unit} (n = 1, no interval)"
    return f"{form(interval.mean)}{unit} (95 % interval {form(interval.lo)} to {form(interval.hi)}, n = {interval.n})"


def _three_digits(x: float) -> str:
    return f"{x:.2f}" if x < 9.995 else f"{x:.1f}" if x < 99.95 else f"{x:,.0f}"


def _finite(x: float | None) -> float | None:
    return float(x) if x is not None and math.isfinite(x) else None
