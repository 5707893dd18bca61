"""The rules of docs/protocol.md: estimates against SciPy and published numbers, verdicts at and around their bounds."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from scipy import stats as distributions

from bnexp.judging import rules
from bnexp.judging.claim import Claim, Kind, Paper, Quantity, Rule, of_run
from bnexp.judging.comparing import compare
from bnexp.judging.rules import Decision, Estimate, Images, Share
from bnexp.runs.records import Record

A = [0.981, 0.979, 0.983, 0.980, 0.986, 0.978]
B = [0.970, 0.975, 0.962, 0.981]


def estimate(effect: float, half: float = 1.0, n: int = 6) -> Estimate:
    """An effect whose interval reaches `half` to either side."""
    return Estimate(effect, half / float(distributions.t.ppf(0.975, n - 1)), n - 1, n)


# ---- estimates


def test_two_arms_are_compared_by_welch() -> None:
    ours, theirs = rules.welch(A, B), distributions.ttest_ind(A, B, equal_var=False)
    interval = theirs.confidence_interval()
    assert ours.effect == pytest.approx(np.mean(A) - np.mean(B))
    assert (ours.lo, ours.hi) == pytest.approx((interval.low, interval.high))
    assert ours.df == pytest.approx(theirs.df)
    assert ours.n == 4
    greater, less = (distributions.ttest_ind(A, B, equal_var=False, alternative=side) for side in ("greater", "less"))
    assert (ours.above(0), ours.below(0)) == pytest.approx((greater.pvalue, less.pvalue))
    shifted = distributions.ttest_ind([a - 0.005 for a in A], B, equal_var=False, alternative="greater")
    assert ours.above(0.005) == pytest.approx(shifted.pvalue)


def test_one_arm_is_held_against_a_target_by_student() -> None:
    ours, theirs = rules.single(A, 0.975), distributions.ttest_1samp(A, 0.975)
    interval = theirs.confidence_interval()
    assert (ours.lo + 0.975, ours.hi + 0.975) == pytest.approx((interval.low, interval.high))
    assert (ours.df, ours.n) == (5, 6)
    assert 2 * ours.above(0) == pytest.approx(theirs.pvalue)


def test_an_interval_ends_at_a_bound_where_its_p_is_the_level() -> None:
    ours = rules.welch(A, B, Images(1e-6, 99))
    assert (ours.above(ours.lo), ours.below(ours.hi)) == pytest.approx((0.025, 0.025))


def test_too_few_values_bound_nothing() -> None:
    for few in (rules.welch([1.0], [0.0]), rules.welch(A, [0.0]), rules.single([1.0], 0.5)):
        assert (few.lo, few.hi, few.n) == (-math.inf, math.inf, 1)
        assert (few.above(0), few.below(0)) == (1, 1)
    assert rules.welch([], [1.0]).n == rules.single([], 0).n == 0


@pytest.mark.parametrize("value", [0.1135, 1 / 3, 3.2155563455066574])
def test_equal_values_have_no_spread(value: float) -> None:
    for n in (5, 9, 10):
        same = rules.welch([value] * 10, [value] * n)
        assert (same.effect, same.lo, same.hi) == (0, 0, 0)
        assert rules.decide("difference", same).verdict == "undecided"
        assert rules.decide("difference", same, 0.001).verdict == "no difference"
        assert rules.single([value] * n, value) == Estimate(0, 0, 1, n)
    assert rules.decide("difference", rules.welch([value] * 3, [0.0] * 3)) == Decision("reproduced", 0)


def test_an_arm_without_spread_leaves_the_degrees_of_freedom_to_the_other() -> None:
    assert rules.welch(A, [0.9] * 4).df == pytest.approx(5)


# ---- test images


def test_the_part_of_the_images_is_right_on_average() -> None:
    rng = np.random.default_rng(0)
    images, of_seeds, of_images, of_both = 80, 0.3, 0.5, 1.0
    parts, seen = [], []
    for _ in range(3000):
        arms = []
        for n in (6, 4):
            means = of_seeds * rng.standard_normal((n, 1)) + of_images * rng.standard_normal(images)
            arms.append(means + of_both * rng.standard_normal((n, images)))
        difference = arms[0].mean(0) - arms[1].mean(0)
        interaction = sum(rules._interaction(x) / len(x) for x in arms)
        parts.append((difference.var(ddof=1) - interaction) / images)  # before it is kept from being negative
        seen.append(rules.images_part(*arms).variance)
    truth = 2 * of_images**2 / images
    assert np.mean(parts) == pytest.approx(truth, abs=3 * np.std(parts) / math.sqrt(len(parts)))
    assert seen == pytest.approx(np.maximum(parts, 0))


def test_seeds_and_images_together_make_the_whole_variance() -> None:
    rng = np.random.default_rng(1)
    effects, variances = [], []
    for _ in range(3000):
        a, b = (
            0.05 * rng.standard_normal((5, 1)) + 0.3 * rng.standard_normal(60) + rng.standard_normal((5, 60))
            for _ in range(2)
        )
        joint = rules.welch(list(a.mean(1)), list(b.mean(1)), rules.images_part(a, b))
        effects.append(joint.effect)
        variances.append(joint.se**2)
    error = np.var(effects) * math.sqrt(2 / len(effects)) + np.std(variances) / math.sqrt(len(variances))
    assert np.mean(variances) == pytest.approx(np.var(effects), abs=3 * error)


def test_images_on_which_nothing_differs_add_nothing() -> None:
    same = np.tile([1.0, 0.0, 1.0], (4, 1))
    assert rules.images_part(same, same).variance == 0
    noise = np.random.default_rng(2).standard_normal((4, 50))
    assert rules.images_part(noise, noise).variance == 0  # never negative
    assert rules.images_part(np.eye(1, 9), np.zeros((1, 9))).df == 8  # one seed has no interaction


def test_the_images_add_to_the_variance_with_degrees_of_freedom_of_their_own() -> None:
    part = Images(1e-5, 9999)
    narrow, wide = rules.welch(A, B), rules.welch(A, B, part)
    variances = [np.var(A, ddof=1) / 6, np.var(B, ddof=1) / 4, part.variance]
    assert wide.se == pytest.approx(math.sqrt(sum(variances)))
    expected = sum(variances) ** 2 / sum(v**2 / df for v, df in zip(variances, (5, 3, 9999), strict=True))
    assert wide.df == pytest.approx(expected)
    assert wide.se > narrow.se
    assert rules.welch(A, B, Images(0.0, 9999)) == narrow


def test_the_jackknife_of_a_mean_is_its_standard_error() -> None:
    without = [float(np.mean(A[:i] + A[i + 1 :])) for i in range(len(A))]
    known = rules.jackknife(float(np.mean(A)), without)
    expected = rules.single(A, 0.0)
    assert (known.effect, known.se, known.df, known.n) == pytest.approx(
        (expected.effect, expected.se, expected.df, expected.n)
    )


# ---- what is not resolved


def test_a_slow_arm_that_never_arrives_leaves_the_upper_end_open() -> None:
    slow = rules.unbounded(estimate(3), above=True, below=False)
    assert (slow.lo, slow.hi) == (pytest.approx(2), math.inf)
    assert rules.decide("time", slow).verdict == "reproduced"
    assert rules.decide("time", rules.unbounded(estimate(-3), above=True, below=False)).verdict == "undecided"
    assert rules.decide("time", rules.unbounded(estimate(0, 0.1), above=True, below=False), 1).verdict == "undecided"


def test_a_fast_arm_that_never_arrives_can_only_contradict() -> None:
    fast = rules.unbounded(estimate(-3), above=False, below=True)
    assert (fast.lo, fast.hi) == (-math.inf, pytest.approx(-2))
    assert rules.decide("time", fast).verdict == "contradicted"
    assert rules.decide("time", rules.unbounded(estimate(3), above=False, below=True)).verdict == "undecided"
    assert rules.decide("time", rules.unbounded(estimate(-3), above=True, below=True)) == Decision("undecided", 1)
    assert rules.unbounded(estimate(1), above=False, below=False) == estimate(1)


@pytest.mark.parametrize(("other", "below"), [(0.0, False), (0.05, True)])
def test_cells_that_differ_in_their_effects_are_seen(other: float, below: bool) -> None:
    """Seeds spread by 0.01 in all cells together, the effect of one cell is larger by `other`."""
    rng = np.random.default_rng(3)
    first, second = (rng.normal(0, 0.01, (10, 1)) + rng.normal(0, 0.005, (10, 4)) for _ in range(2))
    first = first + 0.1 + np.array([0, 0, 0, other])
    assert (rules.interaction(first, second) < 0.01) == below


def test_an_interval_is_never_narrower_than_the_grid() -> None:
    sharp = rules.on_a_grid(rules.welch([1.0] * 5, [0.5] * 5), 0.25)
    assert (sharp.lo, sharp.hi) == pytest.approx((0.375, 0.625))
    assert rules.decide("range", sharp, 0.25) == Decision("reproduced", 0)
    assert rules.decide("range", sharp, 0.375).verdict == "undecided"  # at the bound is not above it
    wide = rules.on_a_grid(estimate(2), 0.5)
    assert (wide.lo, wide.hi) == pytest.approx((0.75, 3.25))
    both_ends = rules.on_a_grid(rules.welch([1.0] * 5, [0.5] * 5), 0.25, edges=2)
    assert (both_ends.lo, both_ends.hi) == pytest.approx((0.25, 0.75))
    assert rules.decide("range", both_ends, 0.25).verdict == "undecided"  # by no rounding above it
    assert wide.above(0.75) == pytest.approx(0.025)


@pytest.mark.parametrize("less", [True, False])
@pytest.mark.parametrize("arm", ["batch", "none"])
def test_which_arm_is_the_slow_one_follows_from_the_sentence(less: bool, arm: str) -> None:
    steps = {"batch": [10, 11, 12, 13], "none": [50, 51, 52, 53]} if less else {"batch": [50, 51], "none": [10, 11]}

    def run(norm: str, seed: int, step: float) -> Record:
        fields = {"norm.name": norm, "seed": seed, "steps": 99}
        return Record(f"{norm}-{seed}", fields, {"step": step}, pd.DataFrame({"step": [99], "accuracy": [0.9]}))

    runs = [run(norm, seed, step) for norm, known in steps.items() for seed, step in enumerate(known)]
    runs.append(run(arm, len(runs), math.inf))
    quantity = Quantity("steps", of_run(lambda run: run.summary["step"]), "ratio")
    outcome = compare(Claim("slow", "–", "–", quantity, Rule("time", less=less), Paper("–")), runs)
    assert outcome.ci95 is not None
    ends = [math.log(end) if end else -math.inf for end in outcome.ci95]
    is_slow = (arm == "none") == less
    assert [math.isinf(end) for end in ends] == ([False, True] if is_slow else [True, False])


# ---- verdicts

JUST = 1e-6
AROUND: list[tuple[Kind, float, float, float, str, str]] = [
    # kind, margin, target, an effect of ± 1 that lies at a bound, the verdict just below that, and just above it
    ("difference", 0.5, 0.0, 1.5, "undecided", "reproduced"),
    ("difference", 0.5, 0.0, -1.5, "contradicted", "undecided"),
    ("difference", 0.0, 0.0, 1.0, "undecided", "reproduced"),
    ("difference", 0.0, 0.0, -1.0, "contradicted", "undecided"),
    ("difference", 3.0, 0.0, 2.0, "no difference", "undecided"),
    ("difference", 3.0, 0.0, -2.0, "undecided", "no difference"),
    ("time", 0.0, 0.0, 1.0, "undecided", "reproduced"),
    ("range", 0.5, 0.0, 1.5, "undecided", "reproduced"),
    ("time", 0.0, 2.0, 3.0, "undecided", "reproduced"),
    ("time", 0.0, 2.0, 1.0, "contradicted", "undecided"),
    ("difference", 0.5, 2.0, 3.5, "undecided", "reproduced"),
    ("difference", 3.0, 2.0, 4.0, "no difference", "undecided"),
    ("no_worse", 0.5, 2.0, 2.5, "undecided", "reproduced"),
    ("no_worse", 0.5, 0.0, 0.5, "undecided", "reproduced"),
    ("no_worse", 0.5, 0.0, -1.5, "contradicted", "undecided"),
    ("equals", 3.0, 1.0, 3.0, "reproduced", "undecided"),
    ("equals", 3.0, 1.0, -1.0, "undecided", "reproduced"),
    ("equals", 3.0, 1.0, 5.0, "undecided", "contradicted"),
    ("equals", 3.0, 1.0, -3.0, "contradicted", "undecided"),
]


@pytest.mark.parametrize(("kind", "margin", "target", "bound", "below", "above"), AROUND)
def test_each_kind_around_its_bounds(
    kind: Kind, margin: float, target: float, bound: float, below: str, above: str
) -> None:
    for effect, verdict in ((bound - JUST, below), (bound + JUST, above)):
        decision = rules.decide(kind, estimate(effect), margin, target)
        assert decision.verdict == verdict
        assert (decision.p < rules.LEVEL) == (verdict != "undecided")
        assert decision.p == pytest.approx(rules.LEVEL, abs=1e-5)


@pytest.mark.parametrize("kind", ["no_worse", "equals", "difference"])
def test_where_two_alike_are_told_alike(kind: Kind) -> None:
    verdict = rules.decide(kind, estimate(0, 0.1), 1).verdict
    assert verdict == ("no difference" if kind == "difference" else "reproduced")


def test_without_a_margin_nothing_is_without_difference() -> None:
    assert rules.decide("difference", estimate(0, 1e-9)).verdict == "undecided"


@pytest.mark.parametrize("kind", ["difference", "no_worse", "equals", "time", "range"])
def test_fewer_than_three_seeds_give_an_effect_but_no_verdict(kind: Kind) -> None:
    for values in ([], [9.0], [9.0, 9.0], [9.0, 9.1]):
        assert rules.decide(kind, rules.welch(values, [0.0] * len(values)), 1).verdict == "undecided"
    assert rules.decide(kind, rules.NOTHING).p == 1
    assert rules.decide(kind, rules.welch([9.0] * 3, [0.0, 0.1, 0.0]), 1).verdict != "undecided"


# ---- yes or no


def test_six_of_six_is_the_least_that_decides() -> None:
    for n in range(1, 6):
        assert rules.decide_rate(Share(n, n)).verdict == rules.decide_rate(Share(0, n)).verdict == "undecided"
    assert rules.decide_rate(Share(6, 6)) == Decision("reproduced", 1 / 64)
    assert rules.decide_rate(Share(0, 6)) == Decision("contradicted", 1 / 64)
    assert rules.decide_rate(Share(5, 6)).verdict == "undecided"
    assert [rules.decide_rate(Share(yes, 10)).verdict for yes in (1, 2, 8, 9)] == [
        "contradicted",
        "undecided",
        "undecided",
        "reproduced",
    ]


def test_the_exact_interval_is_clopper_and_pearsons() -> None:
    assert Share(6, 6).exact == (pytest.approx(0.025 ** (1 / 6)), 1)
    assert Share(0, 6).exact == (0, pytest.approx(1 - 0.025 ** (1 / 6)))
    assert Share(7, 10).exact == pytest.approx((0.34755, 0.93326), abs=1e-5)
    assert math.isnan(Share(0, 0).rate)


@pytest.mark.parametrize(
    ("a", "b", "interval"),
    [  # Newcombe 1998, Statistics in Medicine 17, 873–890, table II, method 10
        (Share(56, 70), Share(48, 80), (0.0524, 0.3339)),
        (Share(9, 10), Share(3, 10), (0.1705, 0.8090)),
        (Share(6, 7), Share(2, 7), (0.0582, 0.8062)),
        (Share(5, 56), Share(0, 29), (-0.0381, 0.1926)),
        (Share(0, 10), Share(0, 20), (-0.1611, 0.2775)),
        (Share(10, 10), Share(0, 10), (0.6075, 1.0)),
    ],
)
def test_differences_of_shares_as_published(a: Share, b: Share, interval: tuple[float, float]) -> None:
    assert rules.newcombe(a, b) == pytest.approx(interval, abs=5e-5)
    assert rules.newcombe(b, a) == pytest.approx((-interval[1], -interval[0]), abs=5e-5)


def test_two_shares_are_told_apart_by_their_interval() -> None:
    many, few = Share(9, 10), Share(3, 10)
    p = distributions.boschloo_exact([[9, 3], [1, 7]], alternative="greater").pvalue
    assert rules.decide_rates(many, few) == Decision("reproduced", pytest.approx(p))
    assert rules.decide_rates(few, many).verdict == "contradicted"
    assert rules.decide_rates(many, few, 0.17).verdict == "reproduced"  # the interval begins at 0.1705
    assert rules.decide_rates(many, few, 0.18).verdict == "undecided"
    assert rules.decide_rates(Share(5, 10), Share(5, 10)).verdict == "undecided"
    assert rules.newcombe(Share(3, 6), Share(0, 6))[0] > 0
    assert rules.decide_rates(Share(3, 6), Share(0, 6)).verdict == "undecided", "Boschloo's p is 3.4 %"
    assert rules.decide_rates(Share(0, 10), Share(0, 20), 0.28).verdict == "no difference"
    assert rules.decide_rates(Share(0, 10), Share(0, 20), 0.27).verdict == "undecided"
    assert rules.decide_rates(Share(2, 2), Share(0, 9)) == Decision("undecided", 1)


# ---- several at once


def test_holm() -> None:
    assert rules.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert rules.holm([0.6, 0.5]) == [1, 1]
    assert rules.holm([0.02]) == [0.02]
    assert rules.holm([]) == []


SURE, JUST_SO, AGAINST, NEITHER = (
    Decision("reproduced", 1e-6),
    Decision("reproduced", 0.02),
    Decision("contradicted", 1e-6),
    Decision("undecided", 0.4),
)
JUST_AGAINST, ALIKE = Decision("contradicted", 0.02), Decision("no difference", 1e-4)

SEVERAL: list[tuple[Sequence[Decision], str, str]] = [
    # cells, the verdict of a sentence about each of them, and of one about their average, which is reproduced
    ([SURE, SURE, SURE], "reproduced", "reproduced"),
    ([SURE, JUST_SO, JUST_SO], "reproduced", "reproduced"),
    ([SURE, SURE, NEITHER], "undecided", "reproduced"),
    ([SURE, AGAINST, NEITHER], "mixed", "mixed"),
    ([SURE, AGAINST, AGAINST], "mixed", "mixed"),
    ([SURE, SURE, JUST_AGAINST], "mixed", "mixed"),  # after two that are surer
    ([SURE, JUST_AGAINST, NEITHER], "undecided", "reproduced"),  # not after Holm
    ([JUST_SO, JUST_AGAINST], "undecided", "reproduced"),
    ([AGAINST, AGAINST, AGAINST], "contradicted", "reproduced"),
    ([AGAINST, NEITHER, NEITHER], "contradicted", "reproduced"),
    ([AGAINST, ALIKE, NEITHER], "contradicted", "reproduced"),
    ([JUST_AGAINST, NEITHER, NEITHER], "undecided", "reproduced"),
    ([JUST_AGAINST, JUST_AGAINST], "contradicted", "reproduced"),
    ([AGAINST, JUST_SO, NEITHER], "undecided", "reproduced"),  # one against, and one perhaps for it
    ([ALIKE, ALIKE], "no difference", "reproduced"),
    ([ALIKE, SURE], "undecided", "reproduced"),
    ([NEITHER, NEITHER], "undecided", "reproduced"),
]


@pytest.mark.parametrize(("cells", "universal", "average"), SEVERAL)
def test_sentences_about_several_cells(cells: Sequence[Decision], universal: str, average: str) -> None:
    mean = Decision("reproduced", 0.001)
    decisions = [rules.over_cells(mean, cells, each) for each in (True, False)]
    assert [decision.verdict for decision in decisions] == [universal, average]
    for decision in decisions:
        assert (decision.p < rules.LEVEL) == (decision.verdict != "undecided")


def test_an_average_is_not_without_a_difference_where_a_cell_has_one() -> None:
    mean = Decision("no difference", 1e-4)
    assert rules.over_cells(mean, [ALIKE, NEITHER], False) == mean
    assert rules.over_cells(mean, [ALIKE, SURE], False).verdict == "undecided"
    assert rules.over_cells(mean, [ALIKE, AGAINST], False).verdict == "undecided"
    assert rules.over_cells(mean, [NEITHER, JUST_AGAINST], False) == mean, "not after Holm"


def test_the_p_of_several_cells() -> None:
    mean = Decision("undecided", 0.3)
    assert rules.over_cells(mean, [SURE, JUST_SO], True).p == 0.02  # the weakest
    assert rules.over_cells(mean, [SURE, NEITHER], True).p == 0.4
    assert rules.over_cells(mean, [SURE, ALIKE], True).p == 1  # no verdict is near
    assert rules.over_cells(mean, [AGAINST, NEITHER], True).p == pytest.approx(2e-6)  # after Holm
    cells = [SURE, AGAINST, Decision("reproduced", 0.024), NEITHER]
    assert rules.over_cells(mean, cells, False) == Decision("mixed", pytest.approx(4e-6))  # of the two surest


def test_one_cell_is_the_whole() -> None:
    mean = Decision("undecided", 0.3)
    assert rules.over_cells(mean, [SURE], universal=True) is mean


# ---- what it would take


@pytest.mark.parametrize(("half", "spreads"), [(0.001, (0.0005, 0.0022)), (0.5, (1.0,)), (1.0, (1.0, 1.0))])
def test_with_the_seeds_needed_the_interval_is_as_narrow_as_asked(half: float, spreads: Sequence[float]) -> None:
    def reach(n: int) -> float:
        values = [spread * math.sqrt((n - 1) / n) * np.resize([1.0, -1.0], n) for spread in spreads]
        if n % 2:  # an even number has exactly the spread
            return math.nan
        joint = rules.welch(list(values[0]), list(values[1])) if len(spreads) > 1 else rules.single(list(values[0]), 0)
        return joint.hi - joint.effect

    n = rules.seeds_for(half, spreads)
    assert n is not None
    assert reach(n + n % 2) < half
    assert not reach(n - 2 + n % 2) < half


def test_the_seeds_needed_are_at_least_those_of_a_verdict() -> None:
    assert rules.seeds_for(1.0, [0.0, 0.0]) == rules.FEWEST
    assert rules.seeds_for(1.0, [0.01]) == rules.FEWEST
    assert rules.seeds_for(0.0, [1.0]) is None
    assert rules.seeds_for(1.0, [math.nan]) is None
    assert rules.seeds_for(1e-6, [1.0]) is None


def test_more_seeds_do_not_make_test_images_more() -> None:
    spreads, images = [0.001, 0.001], rules.Images(0.0004**2, 9999)
    alone, with_images = rules.seeds_for(0.001, spreads), rules.seeds_for(0.001, spreads, images)
    assert alone is not None
    assert with_images is not None
    assert with_images > alone
    assert rules.seeds_for(0.001, spreads, rules.Images(0.0006**2, 9999)) is None, "1.96 · 0.0006 is more than that"
