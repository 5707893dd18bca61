"""How often every kind of rule errs, simulated at the numbers of seeds and with the spreads that there are.

`--write` puts the table into docs/protocol.md. Values are normal and independent from seed to seed; the effect lies
exactly at a bound of its rule, where an error is likeliest.
"""

from __future__ import annotations

import argparse
import functools
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats as distributions

from bnexp.claims.accuracy import SMALLEST
from bnexp.claims.inception import SMALLEST as POINTS
from bnexp.claims.lr_tolerance import NARROWEST
from bnexp.judging import rules
from bnexp.judging.rules import LEVEL, Share
from bnexp.report.tables import markdown

DOCS = Path(__file__).parent.parent / "docs" / "protocol.md"
BETWEEN = re.compile(r"(<!-- error rates: .*? -->\n).*?(<!-- end of error rates -->)", re.DOTALL)

DRAWS = 20_000
SEED = 1502_03167
MNIST, CONVOLUTIONS, LAPTOP, TABLE = 10, 6, 6, 5
"""Seeds: at `overnight`, of convolutional networks, at `laptop`, and of `mnist_table`."""

HALF_A_DECADE = 2 * NARROWEST
"""Decades between two learning rates of `optimizers`."""

FAR = 10
"""Standard deviations at which an effect is beyond doubt."""


# ---- What was measured


@dataclass(frozen=True)
class Spread:
    """Standard deviations over seeds."""

    treated: float
    reference: float

    @property
    def common(self) -> float:
        """In which power is told."""
        return math.hypot(self.treated, self.reference) / math.sqrt(2)


FIGURE_1 = Spread(0.00118, 0.00163)
"""Final accuracy with and without BN in results/mnist_activations: 10 seeds, 50,000 steps, binary images."""

SETTINGS = Spread(0.00183, 0.00232)
"""The same in results/mnist_table: root mean square over the 32 settings of `table-accuracy`."""

INCEPTION = Spread(0.0075, 0.0161)
"""Final accuracy of BN-x5 and of Inception in results/inception: 6 seeds, 8,400 steps."""

STEPS = Spread(0.107, 0.099)
"""Logarithm of the steps to 97 % in results/mnist_activations, grey images."""

RATES = Spread(0.246, 0.262)
"""The same of `lr-own-best-speed` in results/lr_tolerance: root mean square over six networks."""

INCEPTION_STEPS = Spread(0.071, 0.098)
"""The same to 59 % in results/inception."""

HIGHEST = Spread(0.089, 0.102)
"""Decades of the largest learning rate that trains in results/lr_tolerance: root mean square over six networks. Of the
smallest no seed moves; at both ends it is taken to spread as much as of the largest."""

CELLS = (Spread(0.0008, 0.0009), Spread(0.0016, 0.0020), Spread(0.0025, 0.0030))
"""Final accuracy in results/mnist_table: a tenth, a half and nine tenths of the settings spread less."""

SHARED = 0.4
"""Correlation between cells of one seed: 0.17 to 0.49 in results/mnist_table and results/lr_tolerance."""

SAME_NETWORK = 0.00041
"""Difference of final accuracies of one network by two estimates of its statistics, in results/statistics."""


@dataclass(frozen=True)
class Pictures:
    """What single test images do: variances over `number` of them."""

    of_difference: float
    """Of the difference of two arms' means, if every seed there is were in them."""
    with_seeds: float
    """Of the interaction of images with seeds, which is that of a single network's being right."""
    number: int = 10_000


TWENTY = Spread(0.0016, 0.0017)
"""Final accuracy of Figure 1's networks, six an arm, trained for this table: `bnexp run -m norm=none,batch seed=0,…,5
steps=20000`."""

DIGITS = Pictures(0.0111, 0.0111)
"""Of the same networks."""

ENSEMBLE = Pictures(0.0037, 0.111)
"""Three against three networks of results/laptop/ensemble on CIFAR-10, at 60 % accuracy."""


# ---- The rules, of many draws at once


UNDECIDED, REPRODUCED, CONTRADICTED, ALIKE, MIXED = range(5)
VERDICTS = ("undecided", "reproduced", "contradicted", "no difference", "mixed")


@dataclass(frozen=True)
class Estimates:
    """As `rules.Estimate`, an array for each field."""

    effect: np.ndarray
    se: np.ndarray
    df: np.ndarray
    lowest: np.ndarray | float = 0.0
    highest: np.ndarray | float = 0.0

    def above(self, bound: float) -> np.ndarray:
        return self._tail(self.effect - self.lowest - bound)

    def below(self, bound: float) -> np.ndarray:
        return self._tail(bound - self.effect - self.highest)

    def _tail(self, distance: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            p = distributions.t.sf(distance / self.se, self.df)
        return np.where(self.se > 0, p, np.where(distance > 0, 0.0, 1.0))


@dataclass(frozen=True)
class Decisions:
    """As `rules.Decision`: numbers of verdicts, and their p."""

    verdict: np.ndarray
    p: np.ndarray


def welch(a: np.ndarray, b: np.ndarray, images: np.ndarray | float = 0.0, images_df: float = 1.0) -> Estimates:
    """As `rules.welch`, seeds along the last axis."""
    (mean_a, variance_a), (mean_b, variance_b) = _of_mean(a), _of_mean(b)
    parts = [(variance_a, a.shape[-1] - 1.0), (variance_b, b.shape[-1] - 1.0)]
    return _estimates(mean_a - mean_b, [*parts, (np.broadcast_to(images, mean_a.shape), images_df)])


def single(values: np.ndarray, target: float) -> Estimates:
    """As `rules.single`."""
    mean, variance = _of_mean(values)
    return _estimates(mean - target, [(variance, values.shape[-1] - 1.0)])


def _of_mean(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    beyond = values - values[..., :1]
    return values[..., 0] + beyond.mean(-1), beyond.var(-1, ddof=1) / values.shape[-1]


def _estimates(effect: np.ndarray, parts: Sequence[tuple[np.ndarray, float]]) -> Estimates:
    variance = sum((v for v, _ in parts), np.zeros_like(effect))
    spread = sum((v * v / df for v, df in parts), np.zeros_like(effect))
    df = np.divide(variance * variance, spread, out=np.ones_like(effect), where=spread > 0)
    return Estimates(effect, np.sqrt(variance), df)


def decide(kind: str, estimates: Estimates, margin: float = 0.0, target: float = 0.0) -> Decisions:
    """As `rules.decide`, of enough seeds."""
    e = estimates
    low, high = target - margin, target + margin
    if kind == "equals":
        ps = [np.maximum(e.above(low), e.below(high)), np.minimum(e.below(low), e.above(high))]
    elif kind == "no_worse":
        ps = [e.above(low), e.below(low)]
    else:
        ps = [e.above(high), e.below(low)]
        if margin:
            ps.append(np.maximum(e.above(low), e.below(high)))
    p = np.min(ps, axis=0)
    return Decisions(np.where(p < LEVEL, np.argmin(ps, axis=0) + REPRODUCED, UNDECIDED), p)


def holm(ps: np.ndarray) -> np.ndarray:
    """As `rules.holm`, along the last axis."""
    order = np.argsort(ps, axis=-1, kind="stable")
    ranked = np.minimum(1.0, np.take_along_axis(ps, order, -1) * np.arange(ps.shape[-1], 0, -1))
    adjusted = np.empty_like(ps)
    np.put_along_axis(adjusted, order, np.maximum.accumulate(ranked, axis=-1), -1)
    return adjusted


def over_cells(mean: Decisions, cells: Decisions, universal: bool) -> Decisions:
    """As `rules.over_cells`, cells along the last axis."""
    adjusted = holm(cells.p)
    least = {side: np.where(cells.verdict == side, adjusted, np.inf).min(-1) for side in (REPRODUCED, CONTRADICTED)}
    surest = np.maximum(least[REPRODUCED], least[CONTRADICTED])
    differs = (mean.verdict == ALIKE) & (np.minimum(least[REPRODUCED], least[CONTRADICTED]) < LEVEL)
    verdict, p = np.where(differs, UNDECIDED, mean.verdict), np.where(differs, 1.0, mean.p)
    if universal:
        first = cells.verdict[..., 0]
        agreed = (cells.verdict == first[..., None]).all(-1) & (first != UNDECIDED)
        against = ~agreed & (least[CONTRADICTED] < LEVEL) & ~(cells.verdict == REPRODUCED).any(-1)
        kinds = sum((cells.verdict == number).any(-1).astype(int) for number in (REPRODUCED, CONTRADICTED, ALIKE))
        verdict = np.where(agreed, first, np.where(against, CONTRADICTED, UNDECIDED))
        p = np.where(against, least[CONTRADICTED], np.where(kinds < 2, cells.p.max(-1), 1.0))
    return Decisions(np.where(surest < LEVEL, MIXED, verdict), np.where(surest < LEVEL, surest, p))


def images_variance(rng: np.random.Generator, pictures: Pictures, n: int, draws: int) -> np.ndarray:
    """What `rules.images_part` finds with n networks an arm: its mean squares are drawn, not the images."""
    free = pictures.number - 1
    seen = pictures.of_difference + 2 * pictures.with_seeds / n
    differences = seen * rng.chisquare(free, draws) / free
    interaction = pictures.with_seeds * rng.chisquare(2 * (n - 1) * free, draws) / (2 * (n - 1) * free)
    return np.maximum(0.0, (differences - 2 * interaction / n) / pictures.number)


# ---- What is put to the test

Draw = Callable[[float, np.random.Generator, int], np.ndarray]
"""The verdicts of so many experiments with an effect of this size, `[draws]`, or `[draws, claims]`."""

Trial = Callable[[np.random.Generator, int], np.ndarray]
"""The same of one effect."""


@dataclass(frozen=True)
class Case:
    """A rule put to the arms that it judges: trials in which a verdict is wrong, and those in which one is right."""

    name: str
    n: int
    spread: str
    reproduced: Sequence[Trial]
    contradicted: Sequence[Trial]
    power: Sequence[Trial]
    alike: Sequence[Trial] = ()
    mixed: Sequence[Trial] = ()
    right: int = REPRODUCED
    """The verdict whose power is told."""


@dataclass(frozen=True)
class Rates:
    """Shares of experiments that a rule gets wrong, of the trials in which it does most, and its power."""

    reproduced: float
    contradicted: float
    alike: float | None
    mixed: float | None
    power: Sequence[float]

    @property
    def worst(self) -> float:
        """Of false reproduced and false contradicted."""
        return max(self.reproduced, self.contradicted)


def tolerated(rate: float, draws: int) -> float:
    """The most that so many draws may show of a rate: three standard errors more."""
    return rate + 3 * math.sqrt(rate * (1 - rate) / draws)


def rates(case: Case, draws: int = DRAWS) -> Rates:
    """A case's error rates."""
    rng = np.random.default_rng([SEED, case.n, *case.name.encode()])

    def share(verdict: int, trial: Trial) -> float:
        return float((trial(rng, draws) == verdict).reshape(draws, -1).any(-1).mean())

    def most(verdict: int, trials: Sequence[Trial]) -> float | None:
        return max((share(verdict, trial) for trial in trials), default=None)

    return Rates(
        most(REPRODUCED, case.reproduced) or 0.0,
        most(CONTRADICTED, case.contradicted) or 0.0,
        most(ALIKE, case.alike),
        most(MIXED, case.mixed),
        [share(case.right, trial) for trial in case.power],
    )


def _case(
    name: str, n: int, spread: str, draw: Draw, sd: float, up: Sequence[float], down: Sequence[float], **others: Any
) -> Case:
    """With effects at which `reproduced`, and at which `contradicted` is wrong."""
    bound = max(down if others.get("right") == CONTRADICTED else up)
    return Case(
        name,
        n,
        spread,
        [partial(draw, effect) for effect in up],
        [partial(draw, effect) for effect in down],
        [partial(draw, bound + k * sd) for k in (1, 2, 3)],
        **others,
    )


def _three_way(name: str, n: int, spread: str, draw: Draw, sd: float, m: float) -> Case:
    """Of a rule that `no difference` belongs to, unless m = 0."""
    alike = [partial(draw, effect) for effect in (-m, m)] if m else ()
    return _case(name, n, spread, draw, sd, [m], [-m], alike=alike)


def _arms(rng: np.random.Generator, spread: Spread, effect: float, shape: tuple[int, ...]) -> tuple[np.ndarray, ...]:
    """Values by seed of the treated arm and of the other one."""
    return effect + spread.treated * rng.standard_normal(shape), spread.reference * rng.standard_normal(shape)


def _continuous(kind: str, spread: Spread, n: int, margin: float) -> Draw:
    def draw(effect: float, rng: np.random.Generator, draws: int) -> np.ndarray:
        return decide(kind, welch(*_arms(rng, spread, effect, (draws, n))), margin).verdict

    return draw


def _one_arm(n: int, target: float) -> Draw:
    def draw(effect: float, rng: np.random.Generator, draws: int) -> np.ndarray:
        return decide("difference", single(target + effect + rng.standard_normal((draws, n)), target)).verdict

    return draw


def _paired(kind: str, sd: float, n: int, margin: float) -> Draw:
    def draw(effect: float, rng: np.random.Generator, draws: int) -> np.ndarray:
        return decide(kind, single(effect + sd * rng.standard_normal((draws, n)), 0.0), margin).verdict

    return draw


def _on_new_images(spread: Spread, n: int, margin: float, pictures: Pictures, known: bool) -> Draw:
    """New seeds and new test images in every experiment; whether it is known which images are right."""

    def draw(effect: float, rng: np.random.Generator, draws: int) -> np.ndarray:
        a, b = _arms(rng, spread, effect, (draws, n))
        a += math.sqrt(pictures.of_difference / pictures.number) * rng.standard_normal((draws, 1))
        part = images_variance(rng, pictures, n, draws) if known else 0.0
        return decide("difference", welch(a, b, part, pictures.number - 1), margin).verdict

    return draw


def _until(spread: Spread, n: int, late: float) -> Draw:
    """Logarithms of steps; all runs end so many of the slow arm's standard deviations after the slow arm's mean."""

    def draw(effect: float, rng: np.random.Generator, draws: int) -> np.ndarray:
        fast, slow = _arms(rng, spread, -effect, (draws, n))
        last = late * spread.reference
        unbounded = [np.where((arm > last).any(-1), np.inf, 0.0) for arm in (fast, slow)]
        e = welch(-np.minimum(fast, last), -np.minimum(slow, last))
        return decide("time", Estimates(e.effect, e.se, e.df, *unbounded)).verdict

    return draw


def _edges(ends: Sequence[Spread], networks: int, n: int, margin: float, step: float) -> Draw:
    """Ends of what trains, on a grid that lies anyhow; the mean over networks, and each end has its part."""

    def draw(effect: float, rng: np.random.Generator, draws: int) -> np.ndarray:
        widths = np.zeros((2, draws, n))
        for spread in networks * list(ends):
            begin = step * rng.random((draws, 1))
            for width, edge in zip(widths, _arms(rng, spread, effect / len(ends), (draws, n)), strict=True):
                width += step * np.floor((edge + begin) / step) / networks
        e = welch(*widths)
        blur = len(ends) * step / 2 * (1 + 1e-9)
        return decide("range", Estimates(e.effect, e.se, e.df, blur, blur), margin).verdict

    return draw


@functools.cache
def of_shares(n: int, arms: int) -> np.ndarray:
    """The verdict by how many of n are so, in one arm or in each of two."""
    shares = [Share(yes, n) for yes in range(n + 1)]
    if arms == 1:
        return np.array([VERDICTS.index(rules.decide_rate(share).verdict) for share in shares])
    return np.array([[VERDICTS.index(rules.decide_rates(a, b).verdict) for b in shares] for a in shares])


def _one_share(n: int) -> Draw:
    def draw(effect: float, rng: np.random.Generator, draws: int) -> np.ndarray:
        return of_shares(n, 1)[rng.binomial(n, min(1.0, 0.5 + effect), draws)]

    return draw


def _two_shares(n: int, other: float) -> Draw:
    def draw(effect: float, rng: np.random.Generator, draws: int) -> np.ndarray:
        return of_shares(n, 2)[rng.binomial(n, min(1.0, other + effect), draws), rng.binomial(n, other, draws)]

    return draw


def _over_cells(
    universal: bool, n: int, shared: float, margin: float, others: float = 0.0, of_cells: Sequence[Spread] = CELLS
) -> Draw:
    """Cells of one experiment, which share part of what a seed does; all but the first lie so much further."""

    def values(spreads: Sequence[float], rng: np.random.Generator, draws: int) -> np.ndarray:
        common, apart = rng.standard_normal((draws, 1, n)), rng.standard_normal((draws, len(spreads), n))
        return np.array(spreads)[:, None] * (math.sqrt(shared) * common + math.sqrt(1 - shared) * apart)

    def draw(effect: float, rng: np.random.Generator, draws: int) -> np.ndarray:
        a = values([cell.treated for cell in of_cells], rng, draws) + effect
        a[:, 1:] += others
        b = values([cell.reference for cell in of_cells], rng, draws)
        mean, each = (decide("difference", welch(x, y), margin) for x, y in ((a.mean(1), b.mean(1)), (a, b)))
        return over_cells(mean, each, universal).verdict

    return draw


def _main_claims(spread: Spread, n: int, margin: float, shown: int) -> Draw:
    """Three claims, each on runs of its own, after Holm over them."""

    def draw(effect: float, rng: np.random.Generator, draws: int) -> np.ndarray:
        each = decide("difference", welch(*_arms(rng, spread, effect, (draws, 3, n))), margin)
        return np.where(holm(each.p) < LEVEL, each.verdict, UNDECIDED)[:, :shown]

    return draw


def _points(*spreads: Spread) -> str:
    return " / ".join(f"{100 * spread.treated:.2g}, {100 * spread.reference:.2g}" for spread in spreads) + " points"


def _plain(*spreads: Spread) -> str:
    return " / ".join(f"{spread.treated:.3g}, {spread.reference:.3g}" for spread in spreads)


def _of_points(m: float) -> str:
    return f"m = {100 * m:g} points" if m else "m = 0"


def differences() -> Iterator[Case]:
    """`difference` of two arms, of one, and on other test images."""
    for spread, n, m in (
        (FIGURE_1, MNIST, SMALLEST),
        (SETTINGS, TABLE, SMALLEST),
        (FIGURE_1, LAPTOP, SMALLEST),
        (INCEPTION, CONVOLUTIONS, POINTS),
        (FIGURE_1, MNIST, 0.0),
        (INCEPTION, CONVOLUTIONS, 0.0),
    ):
        draw = _continuous("difference", spread, n, m)
        yield _three_way(f"`difference`, {_of_points(m)}", n, _points(spread), draw, spread.common, m)
    yield _three_way("`difference` of one arm, m = 0", MNIST, "1", _one_arm(MNIST, 3.0), 1.0, 0.0)
    for spread, n, m, pictures, known in (
        (TWENTY, MNIST, SMALLEST, DIGITS, True),
        (INCEPTION, CONVOLUTIONS, POINTS, ENSEMBLE, True),
        (TWENTY, MNIST, SMALLEST, DIGITS, False),
    ):
        name = f"`difference`, {_of_points(m)}, on new test images{'' if known else ', *conditional*'}"
        draw = _on_new_images(spread, n, m, pictures, known)
        yield _three_way(name, n, _points(spread), draw, spread.common, m)


def other_kinds() -> Iterator[Case]:
    """`no_worse`, `equals`, `time` and `range`."""
    for spread, n, m in ((FIGURE_1, MNIST, SMALLEST), (FIGURE_1, LAPTOP, SMALLEST), (INCEPTION, CONVOLUTIONS, POINTS)):
        words, sd = _points(spread), spread.common
        draw = _continuous("no_worse", spread, n, m)
        yield _case(f"`no_worse`, {_of_points(m)}", n, words, draw, sd, [-m], [-m])
        draw = _continuous("equals", spread, n, m)
        yield _case(f"`equals`, {_of_points(m)}", n, words, draw, sd, [-m, m], [-m, m], right=CONTRADICTED)
    sd, m = SAME_NETWORK, SMALLEST
    name, words = f"{_of_points(m)}, seed by seed", f"{100 * sd:.2g} points"
    draw = _paired("equals", sd, MNIST, m)
    yield _case(f"`equals`, {name}", MNIST, words, draw, sd, [-m, m], [-m, m], right=CONTRADICTED)
    yield _three_way(f"`difference`, {name}", MNIST, words, _paired("difference", sd, MNIST, m), sd, m)
    for spread, n, late in (
        (RATES, MNIST, FAR),
        (RATES, LAPTOP, FAR),
        (RATES, TABLE, FAR),
        (INCEPTION_STEPS, CONVOLUTIONS, FAR),
        (STEPS, MNIST, 1),
        (INCEPTION_STEPS, CONVOLUTIONS, 1),
    ):
        name = f"`time`, m = 0{', a sixth of the slow arm censored' if late < FAR else ''}"
        yield _case(name, n, _plain(spread), _until(spread, n, late), spread.common, [0.0], [0.0])
    m, still = NARROWEST, Spread(0.0, 0.0)
    for words, ends, networks, n, step in (
        ("the highest rate", (HIGHEST,), 1, MNIST, NARROWEST),
        ("the highest rate", (HIGHEST,), 1, LAPTOP, NARROWEST),
        ("the highest rate, every seed alike", (still,), 1, MNIST, NARROWEST),
        ("both ends", (HIGHEST, HIGHEST), 1, MNIST, NARROWEST),
        ("both ends, rates half a decade apart", (HIGHEST, HIGHEST), 1, LAPTOP, HALF_A_DECADE),
        ("both ends, every seed alike", (still, still), 1, MNIST, NARROWEST),
        ("both ends, every seed alike, mean of six networks", (still, still), 6, MNIST, NARROWEST),
    ):
        sd = math.hypot(*(spread.common for spread in ends)) or NARROWEST
        draw = _edges(ends, networks, n, m, step)
        yield _three_way(f"`range`, m = {m:g} decades, {words}", n, _plain(*ends), draw, sd, m)


def yes_or_no() -> Iterator[Case]:
    """`rate`."""
    for n in (MNIST, LAPTOP):
        yield _case("`rate` of one arm", n, "–", _one_share(n), math.sqrt(0.25 / n), [0.0], [0.0])
        for other in (0.3, 0.5):
            sd = math.sqrt(2 * other * (1 - other) / n)
            name = f"`rate` of two arms, m = 0, {100 * other:.0f} % in the other one"
            yield _case(name, n, "–", _two_shares(n, other), sd, [0.0], [0.0])


def together() -> Iterator[Case]:
    """Several cells of a sentence, and several claims of an experiment."""
    m, far = SMALLEST, FAR * max(cell.common for cell in CELLS)
    for n, shared, times in ((MNIST, 0.0, 1), (MNIST, SHARED, 1), (LAPTOP, SHARED, 1), (LAPTOP, SHARED, 4)):
        for universal in (True, False):
            draw, doubted = (_over_cells(universal, n, shared, m, others, times * CELLS) for others in (0.0, far))
            yield Case(
                f"`difference` {'in each' if universal else 'in the mean'} of {'three' if times == 1 else 'twelve'} "
                f"cells, {_of_points(m)}, correlation {shared:g}",
                n,
                _points(*CELLS),
                [partial(draw, m), *([partial(doubted, m)] if universal else [])],
                [partial(draw, -m)],
                [partial(draw, m + k * CELLS[1].common) for k in (1, 2, 3)],
                [partial(draw, m), partial(draw, -m)],
                [partial(doubted, -m), partial(draw, 0.0)],
            )
    for spread, n, m in ((FIGURE_1, MNIST, SMALLEST), (INCEPTION, CONVOLUTIONS, POINTS)):
        any_of_them, one = (_main_claims(spread, n, m, shown) for shown in (3, 1))
        yield Case(
            f"any of three main claims after Holm, `difference`, {_of_points(m)}",
            n,
            _points(spread),
            [partial(any_of_them, m)],
            [partial(any_of_them, -m)],
            [partial(one, m + k * spread.common) for k in (1, 2, 3)],
            [partial(any_of_them, m), partial(any_of_them, -m)],
        )


def cases() -> list[Case]:
    """All that the table has, in its order."""
    return [*differences(), *other_kinds(), *yes_or_no(), *together()]


# ---- The table


HEADER = (
    "rule",
    "n",
    "spread over seeds, treated and other arm",
    "false reproduced",
    "false contradicted",
    "false no difference",
    "false mixed",
    "power at m + 1, 2, 3",
)


def table(draws: int = DRAWS) -> str:
    """In Markdown, with the rules above the level named beneath it."""
    known = [(case, rates(case, draws)) for case in cases()]
    rows = []
    for case, rate in known:
        wrong = [rate.reproduced, rate.contradicted, rate.alike, rate.mixed]
        power = ", ".join(f"{100 * share:.0f}" for share in rate.power)
        rows.append((case.name, case.n, case.spread, *map(_percent, wrong), power))
    over = [
        f"- {case.name}, n = {case.n}: {_percent(rate.worst)} %"
        for case, rate in known
        if rate.worst > tolerated(LEVEL, draws)
    ]
    title = f"Above {100 * LEVEL:g} % by more than three standard errors ({100 * tolerated(LEVEL, draws):.2f} %):"
    told = f"{draws:,} experiments each; in %."
    return "\n".join([told, "", *markdown(HEADER, rows), "", title, "", *(over or ["- none"])]) + "\n"


def _percent(rate: float | None) -> str:
    return "–" if rate is None else f"{100 * rate:.2f}"


def with_table(page: str, new: str) -> str:
    """The page with this table between its marks."""
    return BETWEEN.sub(lambda marks: marks[1] + new + marks[2], page)


def main() -> None:
    """Print the table, or write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=DRAWS, help=f"experiments of each kind (default: {DRAWS:,})")
    parser.add_argument("--write", action="store_true", help=f"put the table into {DOCS.name}")
    options = parser.parse_args()
    new = table(options.draws)
    if options.write:
        DOCS.write_text(with_table(DOCS.read_text(encoding="utf-8"), new), encoding="utf-8")
    else:
        print(new, end="")


if __name__ == "__main__":
    main()
