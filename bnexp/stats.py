"""Intervals over seeds, paired differences, steps to a target."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student_t

PERCENTILES = (15, 50, 85)
"""The percentiles of Figure 1(b, c)."""


@dataclass(frozen=True)
class Interval:
    """A mean and its confidence interval."""

    mean: float
    lo: float
    hi: float
    n: int
    """Values behind it; with fewer than two the interval is everything."""


def t_interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """Student's t interval of the mean; unbounded for one value, and of mean NaN for none."""
    n = len(values)
    if n < 2:
        return Interval(float(values[0]) if n else math.nan, -math.inf, math.inf, n)
    mean = float(np.mean(values))
    half = float(student_t.ppf((1 + level) / 2, n - 1) * np.std(values, ddof=1) / math.sqrt(n))
    return Interval(mean, mean - half, mean + half, n)


def paired(a: Mapping[int, float], b: Mapping[int, float]) -> dict[int, float]:
    """By seed, of those that both have and in their order, a − b."""
    return {seed: a[seed] - b[seed] for seed in sorted(a.keys() & b.keys())}


def steps_to(steps: Sequence[float], accuracy: Sequence[float], target: float) -> float | None:
    """The step at which accuracy first reaches the target, None when it never does.

    Interpolated linearly between the evaluation that reaches it and the one before; an accuracy of NaN reaches nothing.
    """
    for i, (step, value) in enumerate(zip(steps, accuracy, strict=True)):
        if not value >= target:
            continue
        if i == 0 or math.isnan(accuracy[i - 1]):
            return float(step)
        part = (target - accuracy[i - 1]) / (value - accuracy[i - 1])
        return float(steps[i - 1] + part * (step - steps[i - 1]))
    return None
