"""Paired differences, steps to a target, the percentiles of Figure 1."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

PERCENTILES = (15, 50, 85)
"""The percentiles of Figure 1(b, c)."""


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
