"""What a claim of `verdict.json` found, in words; of cells that differ, by its cells."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean
from typing import Any

from bnexp.judging.words import difference_in, level_in, number_in, on_scale, percent, tally


def effect(claim: Mapping[str, Any]) -> str:
    """The effect in its unit, or the least and the largest of its cells; nothing where there is none."""
    unit = claim["unit"]
    found = [cell["effect"] for cell in claim["cells"]] if claim.get("by_cells") else [claim["effect"]]
    known = [on_scale(value, unit) for value in found if value is not None]
    if not known:
        return ""
    if _is_rate_of_one_arm(claim):
        return " to ".join(dict.fromkeys(map(percent, (min(known), max(known)))))
    past = f" past {claim['held_against']}" if claim.get("held_against") else ""
    if len(known) > 1:
        return f"from {number_in(min(known), unit)} to {difference_in(max(known), unit)}{past}"
    ends = _ends(claim)
    bound = "at least " if ends[1:] == ["open"] else "at most " if ends[:1] == ["open"] else ""
    return f"{bound if ends.count('open') == 1 else ''}{difference_in(known[0], unit)}{past}"


def levels(claim: Mapping[str, Any]) -> str:
    """What was measured, and each arm's mean of it where that is an answer."""
    words = str(claim["measured"]).partition("; ")[0]
    if claim["kind"] == "rate" and claim["cells"]:
        return words.partition(": ")[0]
    if claim.get("by_cells"):
        return words.partition(" (")[0]
    return words.partition(" [")[0]


def level(claim: Mapping[str, Any], arm: str) -> str:
    """An arm's mean over its seeds, of cells the least and the largest; nothing where it has no values.

    It is geometric where effects are ratios; a value of 0 is left out then.
    """
    unit, by_cell = claim["unit"], dict[str, list[float]]()
    for value in claim["values"]:
        if value["arm"] == arm and value["value"] is not None and (unit != "ratio" or value["value"] > 0):
            by_cell.setdefault(value["cell"], []).append(on_scale(value["value"], unit))
    means = [fmean(of_cell) for of_cell in by_cell.values()]
    return " to ".join(dict.fromkeys(level_in(end, unit) for end in (min(means), max(means)))) if means else ""


def certainty(claim: Mapping[str, Any]) -> str:
    """The 95 % interval, an end that is open being none, or what the cells say; nothing where there is neither."""
    if claim.get("by_cells"):
        return f"of {len(claim['cells'])} cells {tally(cell['verdict'] for cell in claim['cells'])}"
    ends = _ends(claim)
    return f"[{', '.join(ends)}]" if ends else ""


def _ends(claim: Mapping[str, Any]) -> list[str]:
    """Of the interval, in words; a ratio's lower end is open where it is 0."""
    if claim["ci95"] is None:
        return []
    if _is_rate_of_one_arm(claim):
        return [percent(end) for end in claim["ci95"]]
    unit = claim["unit"]
    is_open = [end is None or (unit == "ratio" and end == 0) for end in claim["ci95"]]
    return [
        "open" if unbounded else number_in(on_scale(end, unit), unit)
        for end, unbounded in zip(claim["ci95"], is_open, strict=True)
    ]


def _is_rate_of_one_arm(claim: Mapping[str, Any]) -> bool:
    return claim["kind"] == "rate" and len({value["arm"] for value in claim["values"]}) == 1


def brief(claim: Mapping[str, Any]) -> str:
    """The effect where one number is an answer, else the verdict."""
    word = claim.get("by_cells") or claim["effect"] is None
    return str(claim["verdict"]) if word else effect(claim)
