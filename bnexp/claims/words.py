"""Numbers in words, and arms as reports and figures call them."""

from __future__ import annotations

from collections.abc import Callable

from bnexp.claims.claim import BN, PLAIN
from bnexp.stats import Interval

NAMES = {
    PLAIN: "without BN",
    BN: "with BN",
    "layer": "layer norm",
    "group": "group norm",
    "batch_renorm": "batch renorm",
    "inception": "Inception",
    "bn_baseline": "BN-Baseline",
    "bn_x5": "BN-x5",
    "bn_x30": "BN-x30",
    "bn_x5_sigmoid": "BN-x5-Sigmoid",
    "inception_x5": "Inception, lr ×5",
    "inception_sigmoid": "Inception, sigmoid",
}


def arm_name(arm: str) -> str:
    """An arm as reports and figures call it."""
    return NAMES.get(arm, arm)


def percent(x: float, digits: int = 0) -> str:
    """A fraction in words."""
    return f"{100 * x:.{digits}f} %"


def count(n: int, noun: str) -> str:
    """A number of things: 1 run, 2 runs."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def in_points(interval: Interval) -> str:
    """A difference of fractions, in percentage points."""
    return _with_interval(interval, lambda x: f"{100 * x:+.2f}".replace("-", "−"), " percentage points")


def in_unit(interval: Interval, unit: str, digits: int = 2) -> str:
    """A signed quantity."""
    return _with_interval(interval, lambda x: f"{x:+.{digits}f}".replace("-", "−"), f" {unit}")


def as_ratio(interval: Interval) -> str:
    """A ratio."""
    return _with_interval(interval, _three_digits, " times")


def _with_interval(interval: Interval, form: Callable[[float], str], unit: str) -> str:
    if not interval.n:
        return "nothing to compare"
    if interval.n == 1:
        return f"{form(interval.mean)}{unit} (n = 1, no interval)"
    return f"{form(interval.mean)}{unit} (95 % interval {form(interval.lo)} to {form(interval.hi)}, n = {interval.n})"


def _three_digits(x: float) -> str:
    return f"{x:.2f}" if x < 9.995 else f"{x:.1f}" if x < 99.95 else f"{x:,.0f}"
