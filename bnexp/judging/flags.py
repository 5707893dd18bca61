"""What makes a verdict doubtful: a word each, with the sentence behind it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from bnexp.judging.arms import Arm, mean
from bnexp.judging.claim import Claim, Verdict
from bnexp.judging.measures import rises
from bnexp.judging.words import count, setting_label


def raised(claim: Claim, arms: Sequence[Arm]) -> dict[str, str]:
    """By word, what is doubtful about comparing these arms."""
    found = {}
    edges = [edge for arm in arms for edge in arm.edges]
    if edges:
        found["edge"] = f"chosen at the edge of the grid: {'; '.join(edges)}"
    elif ends := [arm.label for arm in arms if any(arm.beyond.values()) and not arm.never]:
        found["edge"] = f"could lie beyond the end of the grid, and its interval is open there: {', '.join(ends)}"
    never = [f"{count(arm.never.total(), 'run')} {arm.label}" for arm in arms if arm.never]
    if never:
        found["censored"] = f"the target is not reached in {' and '.join(never)}; the last step stands in"
    if claim.rule.kind == "time" and (few := [arm.label for arm in arms if _looks(claim, arm) < LOOKS]):
        found["coarse"] = (
            f"mostly there after fewer than {LOOKS} evaluations, so that steps are rough: {', '.join(few)}"
        )
    if len(others := _others(claim, arms)) > 1:
        found["bundle"] = f"the arms differ in all of these, and any may be what does it: {', '.join(others)}"
    if claim.quantity.of_images:
        rising = [arm.label for arm in arms if arm.runs and mean(map(rises, arm.runs)) > max(claim.rule.margin, 0.001)]
        if rising:
            found["rising"] = f"still gains more than counts over the last quarter of its steps: {', '.join(rising)}"
        if any(run.correct is None for arm in arms for run in arm.runs):
            found["conditional"] = "on this test set: which images are right was not kept"
    return found


LOOKS = 8
"""Evaluations before a target is reached, from which on the steps to it are known well enough."""


def _looks(claim: Claim, arm: Arm) -> float:
    """The median number of evaluations after step 0 before a run of the arm gets to what is timed."""
    counts = []
    for run in arm.runs:
        reached = claim.quantity.measure([run])
        if reached is not None:
            counts.append(sum(0 < step < reached for step in run.metrics["step"]))
    return statistics.median(counts) if counts else math.inf


APART = 0.05
"""The p of arm × cell below which cells differ in their effects."""


def opposite(claim: Claim, effects: Sequence[float], apart: float | None) -> dict[str, str]:
    """What is doubtful about a mean over cells on both sides of what the claim is held against, if they differ."""
    if claim.rule.universal or claim.rule.kind in ("equals", "no_worse") or apart is None or apart >= APART:
        return {}
    if not min(effects) < claim.bound < max(effects):
        return {}
    return {"opposite": f"the cells' effects are of both signs and differ, so their mean is none (p = {apart:.2g})"}


def _others(claim: Claim, arms: Sequence[Arm]) -> list[str]:
    """The settings in which named arms differ."""
    if "arm" not in claim.treated or len(arms) < 2:
        return []
    left_out = {"arm", "seed", *claim.cells, *claim.quantity.over, *claim.selected}
    names = dict.fromkeys(name for arm in arms for run in arm.runs for name in run.fields if name not in left_out)
    first, second = ({name: {repr(run.fields.get(name)) for run in arm.runs} for name in names} for arm in arms)
    return list(dict.fromkeys(_in_words(name) for name in names if first[name] != second[name]))


def _in_words(name: str) -> str:
    return "normalisation" if name.startswith("norm.") else setting_label(name)


def turned(claim: Claim, verdict: Verdict, arms: Sequence[Arm], flags: Mapping[str, str]) -> tuple[Verdict, list[str]]:
    """The verdict, where a flag does not turn it into undecided, and why it does."""
    if verdict == "undecided":
        return verdict, []
    if any(arm.edges for arm in arms):
        return "undecided", [f"would be {verdict}, but a best setting stands at the edge of its grid"]
    if "opposite" in flags and verdict != "mixed":
        return "undecided", [f"would be {verdict}, but by a mean over effects of both signs"]
    if "rising" in flags and "{epochs}" not in claim.sentence:
        return "undecided", [f"would be {verdict}, but an arm is still rising and the sentence names no budget"]
    return verdict, []
