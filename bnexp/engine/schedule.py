"""When networks are evaluated: often early, for one evaluation costs as much as 40 steps of the paper's network."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bnexp.config import RunConfig


def due(config: RunConfig) -> list[int]:
    """The steps at which a run is evaluated."""
    early = config.early_evaluations, config.early_steps, config.early_spacing
    return schedule(config.steps, config.evaluations, config.spacing, *early)


def schedule(
    steps: int,
    evaluations: int,
    spacing: str = "log",
    early_evaluations: int = 0,
    early_steps: int = 0,
    early_spacing: str = "even",
) -> list[int]:
    """Step 0 and `evaluations` steps up to the last one, log-spaced or even; all where there are no more steps.

    With `early_evaluations`, so many more up to `early_steps`, even or log-spaced: even ones after them then lie
    between `early_steps` and the last step, log-spaced ones where they lie without.
    """
    if early_steps:
        before = schedule(early_steps, early_evaluations, early_spacing)
        first = early_steps if spacing == "even" else 0
        after = schedule(steps - first, evaluations, spacing) if steps > first else []
        return sorted({*(step for step in before if step <= steps), *(first + step for step in after), steps})
    if steps <= evaluations:
        return list(range(steps + 1))
    if spacing == "even":
        return np.linspace(0, steps, evaluations + 1).round().astype(int).tolist()  # type: ignore[no-any-return]
    for points in _widened(evaluations):  # small steps coincide when rounded
        due = np.unique(np.geomspace(steps, 1, points).round().astype(int))
        if len(due) >= evaluations:
            return [0, *due.tolist()]
    raise AssertionError


def _widened(points: int) -> Iterator[int]:
    """More and more points: first one by one, then, where evaluations are nearly as many as steps, in hundredths."""
    yield from range(points, points + 1000)
    points += 1000
    while True:
        yield points
        points += points // 100
