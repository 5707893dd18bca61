"""What a claim's quantity is on the runs of its arms, by cell and seed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bnexp.judging.claim import Claim, Quantity
from bnexp.judging.matching import (
    FOLLOWS,
    UNBOUNDED,
    Cell,
    Choosing,
    by_cell,
    choose,
    having,
    judged,
    judged_at,
    side_by_side,
    tuning,
    varied,
)
from bnexp.judging.measures import length
from bnexp.judging.words import arm_label, setting_label
from bnexp.runs.records import Record


@dataclass
class Arm:
    """What was measured on one side of a comparison."""

    label: str
    values: dict[Cell, dict[int, list[float]]] = field(default_factory=dict)
    """By cell and seed, one for each combination of the other settings; logarithms of ratios."""
    correct: dict[Cell, dict[int, list[np.ndarray]]] = field(default_factory=dict)
    """In the same way, which test images are classified correctly, where it is known."""
    runs: list[Record] = field(default_factory=list)
    never: Counter[Cell] = field(default_factory=Counter)
    """By cell, values in place of which the last step stands, for the target was not reached."""
    beyond: dict[Cell, set[int]] = field(default_factory=dict)
    """By cell, 1 where values could be larger than is seen, −1 where smaller: at the end of the grid or steps."""
    nothing: Counter[Cell] = field(default_factory=Counter)
    """By cell, values that are missing because there was nothing to measure."""
    chosen: dict[Cell, dict[str, Any]] = field(default_factory=dict)
    edges: list[str] = field(default_factory=list)
    lost: list[Cell] = field(default_factory=list)
    """Cells that one of the arms has, and not both at the settings that are compared."""
    hopeless: list[str] = field(default_factory=list)
    """Of what nothing learns at any of the settings of which one is chosen: the arm, and the cell."""

    def by_seed(self, cells: Iterable[Cell]) -> dict[int, float]:
        """The mean over these cells, of the seeds that have all of them."""
        wanted = list(cells)
        seeds = set.intersection(*(set(self.values[cell]) for cell in wanted)) if wanted else set()
        return {seed: mean(mean(self.values[cell][seed]) for cell in wanted) for seed in sorted(seeds)}

    def table(self, cells: Sequence[Cell]) -> np.ndarray:
        """`[seeds, cells]`, of the seeds that have all of them."""
        return np.array([[mean(self.values[cell][seed]) for cell in cells] for seed in self.by_seed(cells)])

    def images(self, cells: Sequence[Cell], seeds: Iterable[int]) -> np.ndarray | None:
        """`[seeds, images]`, means over these cells; None where it is not known of every run."""
        rows = []
        for seed in seeds:
            known = [self.correct.get(cell, {}).get(seed, []) for cell in cells]
            if not all(known):
                return None
            rows.append(np.mean([np.mean(of_cell, axis=0) for of_cell in known], axis=0))
        return np.array(rows) if rows else None


def measured(claim: Claim, runs: Sequence[Record], treated: str, choosing: Choosing = tuning) -> list[Arm]:
    """The claim's arms, the one that it is about first, with the values in every cell."""
    among = having(runs, claim.among, treated)
    settings = [claim.treated, *([claim.reference] if claim.reference is not None else [])]
    sides = [having(among, arm_settings, treated) for arm_settings in settings]
    of_arms = {name for arm_settings in settings for name in arm_settings}
    apart = {*of_arms, *claim.quantity.over, *claim.selected}
    apart |= {follower for name in of_arms for follower in FOLLOWS.get(name, ())}
    if "arm" in of_arms:  # a named arm differs from another in many settings
        apart |= {name for side in sides for run in side for name in run.fields if name not in claim.cells}
    every = [run for side in sides for run in side]
    named = varied(every, set(claim.cells) - apart)
    arms = [Arm(arm_label(arm_settings, treated)) for arm_settings in settings]
    final = [judged(side) for side in sides]
    if claim.selected:
        compared = {name for name in claim.selected if name in of_arms}
        tried = {name: [run.value(name) for run in among] for name in compared}
        chosen_on = sides if claim.best_of is None else [having(among, claim.best_of, treated)] * len(sides)
        final = [
            _at_the_best(claim, arm, side, chooses, choosing, tried, treated)
            for arm, side, chooses in zip(arms, sides, chosen_on, strict=True)
        ]
    for arm, fine in zip(arms, side_by_side(final, apart, named), strict=True):
        for cell, by_seed in fine.items():
            coarse = tuple((name, value) for name, value in cell if name in claim.cells)
            _measure(claim, arm, coarse, by_seed)
    if named:
        lost = [cell for cell in by_cell(every, named) if cell not in arms[0].values]
        for arm in arms:
            arm.lost = lost
    _keep_complete(arms)
    return arms


def _at_the_best(
    claim: Claim,
    arm: Arm,
    side: Sequence[Record],
    chooses: Sequence[Record],
    choosing: Choosing,
    tried: Mapping[str, Sequence[Any]],
    treated: str,
) -> list[Record]:
    """The judged runs at the settings that suit best in their cell, by those of the runs `chooses` that are `choosing`.

    `tried` is what both arms have of some.
    """
    kept = []
    cells = {tuple((name, run.value(name)) for name in claim.cells) for run in side}
    for cell in sorted(cells, key=repr):
        here = having(side, dict(cell))
        there = having(chooses, dict(cell))
        grids = {name: [run.value(name) for run in there] for name in claim.selected} | dict(tried)
        choice = choose(choosing(there), claim.selected, grids)
        if choice is None:
            continue
        arm.chosen[cell] = choice.settings
        whose = arm.label if claim.best_of is None else arm_label(claim.best_of, treated)
        if not choice.learns:
            arm.hopeless.append(f"{whose}{f' ({cell_name(cell)})' if cell else ''}")
        if choice.edge:
            arm.edges.append(f"{whose}: {choice.edge}{f' ({cell_name(cell)})' if cell else ''}")
        kept += judged_at(here, choice)
    return kept


def _measure(claim: Claim, arm: Arm, cell: Cell, by_seed: Mapping[int, list[Record]]) -> None:
    quantity = claim.quantity
    values, correct = arm.values.setdefault(cell, {}), arm.correct.setdefault(cell, {})
    variants = _together(by_seed, quantity.over)
    if quantity.pooled:
        for of_variant in variants:
            arm.runs += [run for runs in of_variant.values() for run in runs]
            for seed, value in _pseudo_values(quantity, of_variant).items():
                values.setdefault(seed, []).append(value)
        return
    for seed, runs in (item for of_variant in variants for item in of_variant.items()):
        number = quantity.measure(runs)
        if number is None:
            arm.nothing[cell] += 1
            continue
        if number == math.inf:
            number = max(map(length, runs))
            arm.never[cell] += 1
            arm.beyond.setdefault(cell, set()).add(1)
        arm.beyond.setdefault(cell, set()).update(_beyond(quantity, runs, number))
        values.setdefault(seed, []).append(math.log(number) if quantity.unit == "ratio" else float(number))
        arm.runs += runs
        known = [run.correct for run in runs if run.correct is not None]
        if quantity.of_images and len(known) == len(runs):
            correct.setdefault(seed, []).append(np.mean(known, axis=0))


def _pseudo_values(quantity: Quantity, by_seed: Mapping[int, list[Record]]) -> dict[int, float]:
    """What each seed has in a number of all of them: their mean and its error are the jackknife's.

    Source: Tukey 1958.
    """

    def number(left_out: int | None = None) -> float:
        value = quantity.measure([run for seed, runs in by_seed.items() if seed != left_out for run in runs])
        return math.nan if value is None else value

    n, of_all = len(by_seed), number()
    values = (
        {seed: n * of_all - (n - 1) * number(seed) for seed in by_seed} if n > 2 else dict.fromkeys(by_seed, of_all)
    )
    return {seed: value for seed, value in values.items() if math.isfinite(value)}


def _beyond(quantity: Quantity, runs: Sequence[Record], number: float) -> Iterator[int]:
    """Of a place on a grid, or a range of it, where it could lie further: it is another without the grid's end."""
    if not quantity.over or quantity.unit in ("points", "share", "nats"):
        return
    name = quantity.over[0]
    grid = sorted({run.value(name) for run in runs})
    for end, side in ((grid[0], -1), (grid[-1], 1)):
        if UNBOUNDED.get(name) != end and quantity.measure([run for run in runs if run.value(name) != end]) != number:
            yield 1 if quantity.edges == 2 else side


def _together(by_seed: Mapping[int, list[Record]], over: Sequence[str]) -> Iterator[dict[int, list[Record]]]:
    """The runs that are measured together, by seed: equal in all but `over`; one for each norm's settings.

    Seeds that lack some of what others have are left out, so that no range is over fewer settings than another.
    """
    free = {*over, *(follower for name in over for follower in FOLLOWS.get(name, ()))}
    variants: dict[str, dict[int, list[Record]]] = {}
    for seed, runs in by_seed.items():
        for run in runs:
            apart = {name for name in run.fields if name in free or ("norm" in over and name.startswith("norm."))}
            same = run.settings_but({"seed", *apart})
            variants.setdefault(same, {}).setdefault(seed, []).append(run)
    for seeds in variants.values():
        most = max(map(len, seeds.values()))
        yield {seed: runs for seed, runs in seeds.items() if len(runs) == most}


def _keep_complete(arms: Sequence[Arm]) -> None:
    """Leave out seeds that lack settings which others have, so that no mean is over other settings than another."""
    for arm in arms:
        for cell, by_seed in arm.values.items():
            most = max(map(len, by_seed.values()), default=0)
            arm.values[cell] = {seed: values for seed, values in by_seed.items() if len(values) == most}


def cell_name(cell: Cell) -> str:
    """A cell by its settings."""
    return ", ".join(setting_label(name, value) for name, value in cell)


def mean(values: Iterable[float]) -> float:
    """NaN of none."""
    kept = list(values)
    return math.fsum(kept) / len(kept) if kept else math.nan
