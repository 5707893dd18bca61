"""Pairing by seed, steps to a target."""

from __future__ import annotations

import math

import pytest

from bnexp.stats import paired, steps_to


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
