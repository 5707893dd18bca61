"""From measured values to a verdict: estimates with their intervals, and the rules of docs/protocol.md.

Effects are in the unit in which margins are: ratios as natural logarithms. Positive is what the sentence says.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy

from bnexp.judging.claim import Kind, Verdict

LEVEL = 0.025
"""Of an error, on either side."""

FEWEST = 3
"""Seeds with which a verdict is given."""

OPPOSITE: tuple[Verdict, Verdict] = ("reproduced", "contradicted")
"""Verdicts that make a sentence about several cells mixed."""


@dataclass(frozen=True)
class Estimate:
    """An effect as the seeds show it."""

    effect: float
    se: float
    df: float
    n: int
    """Seeds of the arm that has fewer."""
    lowest: float = 0.0
    """What the lower end of the interval lies below Student's, for want of resolution; infinite where there is none."""
    highest: float = 0.0
    """The same of the upper end."""

    @property
    def lo(self) -> float:
        return self.effect - self._half - self.lowest

    @property
    def hi(self) -> float:
        return self.effect + self._half + self.highest

    @property
    def _half(self) -> float:
        if self.n < 2:
            return math.inf
        return float(scipy.stats.t.ppf(1 - LEVEL, self.df)) * self.se if self.se else 0.0

    def above(self, bound: float) -> float:
        """The p of an effect of at most `bound`."""
        return self._tail(self.effect - self.lowest - bound)

    def below(self, bound: float) -> float:
        """The p of an effect of at least `bound`."""
        return self._tail(bound - self.effect - self.highest)

    def _tail(self, distance: float) -> float:
        if self.n < 2 or distance == -math.inf:
            return 1.0
        if not self.se:
            return 0.0 if distance > 0 else 1.0
        return float(scipy.stats.t.sf(distance / self.se, self.df))


NOTHING = Estimate(math.nan, math.nan, math.nan, 0)


def welch(a: Sequence[float], b: Sequence[float], images: Images | None = None) -> Estimate:
    """The difference of two means, a − b, of values with unequal variances.

    With what is known of single test images, their part of the variance is added; the degrees of freedom are
    Satterthwaite's.
    """
    if not (a and b):
        return NOTHING
    (mean_a, variance_a), (mean_b, variance_b) = _of_mean(a), _of_mean(b)
    parts = [(variance_a, len(a) - 1.0), (variance_b, len(b) - 1.0)]
    return _estimate(mean_a - mean_b, parts, min(len(a), len(b)), images)


def single(values: Sequence[float], target: float, images: Images | None = None) -> Estimate:
    """The mean of one arm, or of differences, minus a target; with the part of the test images where it is known."""
    if not values:
        return NOTHING
    mean, variance = _of_mean(values)
    return _estimate(mean - target, [(variance, len(values) - 1.0)], len(values), images)


def jackknife(effect: float, without: Sequence[float], images: Images | None = None) -> Estimate:
    """An effect of several units together, from what it is `without` each of them; n is the units.

    Source: Tukey 1958.
    """
    n = len(without)
    variance = (n - 1) * float(np.var(without))
    return _estimate(effect, [(variance, n - 1.0)], n, images)


def _of_mean(values: Sequence[float]) -> tuple[float, float]:
    """The mean and its variance; from the first value on, so that of equal ones both are exact."""
    beyond = np.asarray(values, dtype=float) - values[0]
    variance = float(beyond.var(ddof=1)) / len(values) if len(values) > 1 else math.nan
    return float(values[0] + beyond.mean()), variance


def _estimate(effect: float, of_seeds: Sequence[tuple[float, float]], n: int, images: Images | None) -> Estimate:
    parts = [*of_seeds, *([(images.variance, images.df)] if images is not None else [])]
    variance = sum(v for v, _ in parts)
    spread = sum(v * v / df for v, df in parts if v and df > 0)
    return Estimate(effect, math.sqrt(variance), variance * variance / spread if spread else 1.0, n)


@dataclass(frozen=True)
class Images:
    """The part that the test images have in the variance of a difference of accuracies."""

    variance: float
    df: float


def images_part(a: np.ndarray, b: np.ndarray) -> Images:
    """From what is right, by seed and test image, `[seeds, images]`: seeds' values are means over cells.

    The variance over the images of the difference of the arms' means, less the interaction of seeds with images,
    which the spread over seeds holds already.
    """
    n = a.shape[1]
    difference = a.mean(0) - b.mean(0)
    interaction = sum(_interaction(x) / len(x) for x in (a, b))
    return Images(max(0.0, (float(np.var(difference, ddof=1)) - interaction) / n), n - 1)


def _interaction(x: np.ndarray) -> float:
    if len(x) < 2:
        return 0.0
    left = x - x.mean(0) - x.mean(1, keepdims=True) + x.mean()
    return float((left**2).sum() / ((x.shape[0] - 1) * (x.shape[1] - 1)))


def unbounded(estimate: Estimate, below: bool, above: bool) -> Estimate:
    """The same where the effect could be smaller than can be seen, or larger."""
    return replace(
        estimate,
        lowest=math.inf if below else estimate.lowest,
        highest=math.inf if above else estimate.highest,
    )


def on_a_grid(estimate: Estimate, step: float, edges: int = 1) -> Estimate:
    """Of an edge on a grid of so wide steps, or of several: half a step either side for each."""
    blur = edges * step / 2 * (1 + 1e-9)  # a margin of as much is not passed by rounding
    return replace(estimate, lowest=blur, highest=blur)


@dataclass(frozen=True)
class Decision:
    """A verdict with its one-sided p; of an undecided one the p of the nearest verdict."""

    verdict: Verdict
    p: float


def decide(kind: Kind, estimate: Estimate, margin: float = 0.0, target: float = 0.0) -> Decision:
    """The rule of an effect with its interval, held against a target."""
    if estimate.n == 0:
        return Decision("undecided", 1.0)
    low, high = target - margin, target + margin
    ps: dict[Verdict, float] = {}
    if kind == "equals":
        ps["reproduced"] = max(estimate.above(low), estimate.below(high))
        ps["contradicted"] = min(estimate.below(low), estimate.above(high))
    elif kind == "no_worse":
        ps["reproduced"], ps["contradicted"] = estimate.above(low), estimate.below(low)
    else:
        ps["reproduced"], ps["contradicted"] = estimate.above(high), estimate.below(low)
        if margin:
            ps["no difference"] = max(estimate.above(low), estimate.below(high))
    verdict, p = min(ps.items(), key=lambda item: item[1])
    return Decision(verdict if p < LEVEL and estimate.n >= FEWEST else "undecided", p)


@dataclass(frozen=True)
class Share:
    """A yes or no over seeds."""

    yes: int
    n: int

    @property
    def rate(self) -> float:
        return self.yes / self.n if self.n else math.nan

    @property
    def exact(self) -> tuple[float, float]:
        """Clopper and Pearson's interval."""
        ends = scipy.stats.binomtest(self.yes, self.n).proportion_ci(1 - 2 * LEVEL, "exact")
        return float(ends.low), float(ends.high)

    @property
    def wilson(self) -> tuple[float, float]:
        ends = scipy.stats.binomtest(self.yes, self.n).proportion_ci(1 - 2 * LEVEL, "wilson")
        return float(ends.low), float(ends.high)


def decide_rate(share: Share) -> Decision:
    """One arm: does it happen more often than not?"""
    if share.n < FEWEST:
        return Decision("undecided", 1.0)
    more, fewer = (
        float(scipy.stats.binomtest(share.yes, share.n, 0.5, alternative=side).pvalue) for side in ("greater", "less")
    )
    low, high = share.exact
    if low > 0.5:
        return Decision("reproduced", more)
    return Decision("contradicted", fewer) if high < 0.5 else Decision("undecided", min(more, fewer))


def newcombe(a: Share, b: Share) -> tuple[float, float]:
    """The interval of the difference of two shares, a − b, from Wilson's of each."""
    (low_a, high_a), (low_b, high_b) = a.wilson, b.wilson
    difference = a.rate - b.rate
    down = math.hypot(a.rate - low_a, high_b - b.rate)
    up = math.hypot(high_a - a.rate, b.rate - low_b)
    return difference - down, difference + up


def decide_rates(a: Share, b: Share, margin: float = 0.0) -> Decision:
    """Two arms: by Newcombe's interval, which of few seeds is too short, and Boschloo's exact test, whose p it is.

    The p is of the side on which the difference lies.
    """
    if min(a.n, b.n) < FEWEST:
        return Decision("undecided", 1.0)
    low, high = newcombe(a, b)
    table = [[a.yes, b.yes], [a.n - a.yes, b.n - b.yes]]
    side = "greater" if a.rate >= b.rate else "less"
    p = float(scipy.stats.boschloo_exact(table, alternative=side).pvalue)
    if low > margin and p < LEVEL:
        return Decision("reproduced", p)
    if high < -margin and p < LEVEL:
        return Decision("contradicted", p)
    return Decision("no difference" if margin and low > -margin and high < margin else "undecided", p)


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values."""
    order = sorted(range(len(ps)), key=lambda i: ps[i])
    adjusted, largest = [0.0] * len(ps), 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(ps) - rank) * ps[i]))
        adjusted[i] = largest
    return adjusted


def over_cells(mean: Decision, cells: Sequence[Decision], universal: bool) -> Decision:
    """The verdict of a sentence about several cells: about each of them, or about their average.

    Mixed is a sentence that, after Holm over the cells, some reproduce and some contradict. Where one of them does
    either, their average is not without a difference.
    """
    if len(cells) < 2:
        return mean
    adjusted = list(zip([cell.verdict for cell in cells], holm([cell.p for cell in cells]), strict=True))
    sure = {verdict for verdict, p in adjusted if p < LEVEL}
    if sure.issuperset(OPPOSITE):
        surest = [min(p for verdict, p in adjusted if verdict == side) for side in OPPOSITE]
        return Decision("mixed", max(surest))
    if not universal:
        return Decision("undecided", 1.0) if mean.verdict == "no difference" and sure & set(OPPOSITE) else mean
    verdicts = {cell.verdict for cell in cells}
    weakest = max(cell.p for cell in cells)
    if len(verdicts) == 1 and verdicts != {"undecided"}:
        return Decision(verdicts.pop(), weakest)
    if "contradicted" in sure and "reproduced" not in verdicts:
        return Decision("contradicted", min(p for verdict, p in adjusted if verdict == "contradicted"))
    return Decision("undecided", weakest if len(verdicts - {"undecided"}) < 2 else 1.0)


def interaction(first: np.ndarray, second: np.ndarray) -> float:
    """The p of arm × cell: that the cells differ in their effects; values `[seeds, cells]` of either arm.

    By permutation of the seeds' deviations from their arm's mean: cells share seeds, so that no test for independent
    ones fits.
    """
    deviations = np.concatenate([arm - arm.mean() for arm in (first, second)])

    def apart(a: np.ndarray, b: np.ndarray, axis: int) -> np.ndarray:
        difference = deviations[a].mean(axis - 1) - deviations[b].mean(axis - 1)  # [resamples, cells]
        return np.asarray(np.var(difference, axis=-1))

    arms = np.split(np.arange(len(deviations)), [len(first)])
    test = scipy.stats.permutation_test(arms, apart, vectorized=True, n_resamples=1999, alternative="greater", rng=0)
    return float(test.pvalue)


def seeds_for(half: float, spreads: Sequence[float], images: Images | None = None, most: int = 1000) -> int | None:
    """The seeds with which the interval of arms of these standard deviations is ± `half`; None for very many.

    The part of the test images stays as it is, however many seeds there are.
    """
    if half <= 0 or not all(map(math.isfinite, spreads)):
        return None
    fixed = images or Images(0.0, 1.0)
    for n in range(FEWEST, most + 1):
        variance = sum(s * s for s in spreads) / n + fixed.variance
        parts = sum((s * s / n) ** 2 / (n - 1) for s in spreads) + fixed.variance**2 / fixed.df
        df = variance * variance / parts if parts else 1.0  # Satterthwaite's: what spreads most counts most
        if scipy.stats.t.ppf(1 - LEVEL, df) * math.sqrt(variance) < half:
            return n
    return None
