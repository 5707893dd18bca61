"""What makes a verdict doubtful: a word each, with the sentence behind it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from bnexp.judging.arms import Arm, cell_name, mean
from bnexp.judging.claim import Claim, Verdict
from bnexp.judging.measures import rises
from bnexp.judging.rules import Estimate
from bnexp.judging.words import count, setting_label


def raised(claim: Claim, arms: Sequence[Arm]) -> dict[str, str]:
    """By word, what is doubtful about comparing these arms."""
    found = {}
    edges = [edge for arm in arms for edge in arm.edges]
    if edges:
        found["edge"] = f"chosen at the edge of the grid: {'; '.join(edges)}"
    elif ends := [arm.label for arm in arms if any(arm.beyond.values()) and not arm.never]:
        found["edge"] = f"could lie beyond the end of the grid, and its interval is open there: {', '.join(ends)}"
    lost = [cell_name(cell) for cell in arms[0].lost]
    if lost and (claim.rule.universal or claim.rule.kind == "rate"):
        found["cells"] = f"nothing is said of {'; '.join(lost)}, of which the sentence speaks, too"
    never = [f"{count(arm.never.total(), 'run')} {arm.label}" for arm in arms if arm.never]
    if never:
        found["censored"] = f"the target is not reached in {' and '.join(never)}; the last step stands in"
    if claim.quantity.timed and (rough := [arm.label for arm in arms if _is_coarse(claim, arm)]):
        found["coarse"] = (
            f"mostly there between few or distant evaluations, so that steps are rough: {', '.join(rough)}"
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


LOOKS, APART = 8, 1.5
"""With so many evaluations before a target is reached, and the one after it at most so many times later than the last
before it, the steps to it are known well enough."""


def _is_coarse(claim: Claim, arm: Arm) -> bool:
    """Whether most runs of the arm that get to what is timed do so between few evaluations, or distant ones."""
    rough = []
    for run in arm.runs:
        reached = claim.quantity.measure([run])
        if reached is not None and reached < math.inf:
            before = [step for step in run.metrics["step"] if 0 < step < reached]
            after = next((step for step in run.metrics["step"] if step >= reached), reached)
            rough.append(len(before) < LOOKS or after > APART * before[-1])
    return bool(rough) and statistics.fmean(rough) > 0.5


def opposite(claim: Claim, cells: Sequence[Estimate], verdict: Verdict) -> dict[str, str]:
    """What is doubtful about a mean that decides although a cell's interval lies on the other side of the bound."""
    against = [cell for cell in cells if (cell.hi < claim.bound if verdict == "reproduced" else cell.lo > claim.bound)]
    if claim.rule.universal or verdict not in ("reproduced", "contradicted") or len(cells) < 2 or not against:
        return {}
    return {"opposite": f"the intervals of {len(against)} of {len(cells)} cells lie on the other side"}


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
    if "cells" in flags:
        return "undecided", [f"would be {verdict}, but in some cells there is nothing to compare"]
    if "opposite" in flags and verdict != "mixed":
        return "undecided", [f"would be {verdict}, but by a mean over cells that say the opposite"]
    if "rising" in flags and "{epochs}" not in claim.sentence:
        return "undecided", [f"would be {verdict}, but an arm is still rising and the sentence names no budget"]
    return verdict, []
