"""Intervals against known values, pairing by seed, steps to a target."""

from __future__ import annotations

import math

import pytest

from bnexp.stats import Interval, paired, steps_to, t_interval


def test_t_interval_of_known_values() -> None:
    # the mean of 1…5 is 3, its standard error √(2.5/5), and Student's t at 97.5 % with 4 degrees of freedom 2.776445
    interval = t_interval([1, 2, 3, 4, 5])
    half = 2.776445 * math.sqrt(0.5)
    assert (interval.mean, interval.n) == (3, 5)
    assert interval.lo == pytest.approx(3 - half, abs=1e-5)
    assert interval.hi == pytest.approx(3 + half, abs=1e-5)


def test_t_interval_at_another_level() -> None:
    interval = t_interval([0, 2], level=0.9)  # t at 95 % with 1 degree of freedom is 6.313752, the standard error 1
    assert (interval.lo, interval.hi) == pytest.approx((1 - 6.313752, 1 + 6.313752), abs=1e-5)


def test_one_value_bounds_nothing() -> None:
    assert t_interval([2.5]) == Interval(2.5, -math.inf, math.inf, 1)


def test_no_value_has_no_mean() -> None:
    interval = t_interval([])
    assert math.isnan(interval.mean)
    assert (interval.lo, interval.hi, interval.n) == (-math.inf, math.inf, 0)


def test_equal_values_leave_no_width() -> None:
    assert t_interval([0.25, 0.25, 0.25]) == Interval(0.25, 0.25, 0.25, 3)


def test_paired_takes_shared_seeds_in_order() -> None:
    differences = paired({3: 5.0, 1: 2.0, 7: 0.0}, {1: 0.5, 3: 1.0, 2: 9.0})
    assert list(differences.items()) == [(1, 1.5), (3, 4.0)]


def test_steps_to_interpolates_between_evaluations() -> None:
    assert steps_to([0, 100, 200], [0.1, 0.9, 1.0], 0.95) == pytest.approx(150)


def test_steps_to_counts_the_first_crossing() -> None:
    assert steps_to([0, 10, 20, 30], [0.0, 0.96, 0.90, 0.97], 0.96) == pytest.approx(10)


def test_steps_to_at_once_and_never() -> None:
    assert steps_to([0, 10], [0.96, 0.97], 0.95) == 0
    assert steps_to([0, 10], [0.1, 0.94], 0.95) is None
    assert steps_to([], [], 0.95) is None


def test_steps_to_passes_over_nan() -> None:
    nan = math.nan
    assert steps_to([0, 10, 20], [nan, nan, 0.99], 0.95) == 20
    assert steps_to([0, 10, 20], [0.1, nan, nan], 0.95) is None
