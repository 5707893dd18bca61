"""What a claim of `verdict.json` found, in words; of cells that differ, by its cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bnexp.judging.words import difference_in, number_in, on_scale, percent, tally


def by_cells(claim: Mapping[str, Any]) -> bool:
    """Whether the cells say different things, so that their mean is no answer."""
    return len({cell["verdict"] for cell in claim["cells"]}) > 1 and claim["verdict"] != "reproduced"


def effect(claim: Mapping[str, Any]) -> str:
    """The effect in its unit, or the least and the largest of its cells; nothing where there is none."""
    unit = claim["unit"]
    found = [cell["effect"] for cell in claim["cells"]] if by_cells(claim) else [claim["effect"]]
    known = [on_scale(value, unit) for value in found if value is not None]
    if not known:
        return ""
    if len(known) > 1:
        return f"from {number_in(min(known), unit)} to {difference_in(max(known), unit)}"
    if _is_rate_of_one_arm(claim):
        return percent(known[0])
    unbounded = claim["ci95"] is not None and claim["ci95"][1] is None and claim["ci95"][0] is not None
    return f"{'at least ' if unbounded else ''}{difference_in(known[0], unit)}"


def certainty(claim: Mapping[str, Any]) -> str:
    """The 95 % interval, an end that is open being none, or what the cells say; nothing where there is neither."""
    if by_cells(claim):
        return f"of {len(claim['cells'])} cells {tally(cell['verdict'] for cell in claim['cells'])}"
    if claim["ci95"] is None:
        return ""
    unit = claim["unit"]
    if _is_rate_of_one_arm(claim):
        return f"[{', '.join(map(percent, claim['ci95']))}]"
    ends = ("open" if end is None else number_in(on_scale(end, unit), unit) for end in claim["ci95"])
    return f"[{', '.join(ends)}]"


def _is_rate_of_one_arm(claim: Mapping[str, Any]) -> bool:
    return claim["kind"] == "rate" and len({value["arm"] for value in claim["values"]}) == 1


def brief(claim: Mapping[str, Any]) -> str:
    """The effect where one number is an answer, else the verdict."""
    word = claim["verdict"] == "mixed" or by_cells(claim) or claim["effect"] is None
    return str(claim["verdict"]) if word else effect(claim)
