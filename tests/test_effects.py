"""What a verdict's effect is told as, for those who read one line of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bnexp.report.effects import brief, certainty, effect, levels


def claim(verdict: str, cells: Sequence[tuple[float, str]] = (), **fields: Any) -> dict[str, Any]:
    """Of one point, unless the fields say otherwise."""
    return {
        "verdict": verdict,
        "kind": "difference",
        "unit": "points",
        "effect": 0.01,
        "ci95": [0.005, 0.015],
        "cells": [{"cell": f"c{i}", "effect": value, "verdict": said} for i, (value, said) in enumerate(cells)],
        "by_cells": False,
        "values": [{"arm": arm} for arm in ("with BN", "without BN")],
    } | fields


def test_one_cell_has_its_effect_and_interval() -> None:
    one = claim("reproduced")
    assert (effect(one), certainty(one), brief(one)) == ("+1.00 points", "[+0.50, +1.50]", "+1.00 points")


def test_cells_that_differ_are_told_and_never_their_mean() -> None:
    cells = [(0.34, "reproduced"), (0.41, "reproduced")]
    assert (
        effect(claim("reproduced", cells, by_cells=True, held_against="50.00 %"))
        == "from +34.00 to +41.00 points past 50.00 %"
    )
    differ = claim("contradicted", [(-0.04, "contradicted"), (0.004, "undecided")], by_cells=True)
    assert effect(differ) == "from −4.00 to +0.40 points"
    assert certainty(differ) == "of 2 cells 1 contradicted, 1 undecided"
    assert brief(differ) == "contradicted"


def test_a_mean_that_decides_is_told_where_a_cell_is_undecided() -> None:
    assert effect(claim("reproduced", [(0.02, "reproduced"), (0.0, "undecided")])) == "+1.00 points"


def test_ratios_and_open_ends() -> None:
    censored = claim("reproduced", unit="ratio", effect=3.84, ci95=[3.57, None])
    assert (effect(censored), certainty(censored)) == ("at least 3.84 times", "[3.57, open]")


def test_a_ratio_that_could_be_nothing_is_open_below() -> None:
    censored = claim("contradicted", unit="ratio", effect=0.5, ci95=[0.0, 0.8])
    assert (effect(censored), certainty(censored)) == ("at most 0.50 times", "[open, 0.80]")


def test_a_share_of_networks_is_one() -> None:
    share = claim("reproduced", kind="rate", unit="share", effect=1.0, ci95=[0.69, 1.0], values=[{"arm": "without BN"}])
    assert (effect(share), certainty(share)) == ("100 %", "[69 %, 100 %]")


def test_shares_of_one_arm_in_several_cells_are_shares() -> None:
    of_one = {"kind": "rate", "unit": "share", "values": [{"arm": "with BN"}], "by_cells": True}
    alike = claim("reproduced", [(1.0, "reproduced"), (1.0, "reproduced")], **of_one)
    assert effect(alike) == "100 %"
    differ = claim("undecided", [(0.5, "undecided"), (1.0, "reproduced")], **of_one)
    assert effect(differ) == "50 % to 100 %"


def test_without_an_effect_the_verdict_stands() -> None:
    nothing = claim("undecided", effect=None, ci95=None)
    assert (effect(nothing), certainty(nothing), brief(nothing)) == ("", "", "undecided")


def test_levels_are_what_was_measured_with_the_arms_where_they_are_an_answer() -> None:
    words = "final test accuracy: 97.64 % with BN, 96.59 % without BN; +1.05 points [+0.85, +1.25], n = 10"
    assert levels(claim("reproduced", measured=words)) == "final test accuracy: 97.64 % with BN, 96.59 % without BN"
    cells = [(0.01, "reproduced"), (-0.01, "contradicted")]
    by_cells = claim("mixed", cells, by_cells=True, measured="final test accuracy (c0 +1.00 points, c1 −1.00 points)")
    assert levels(by_cells) == "final test accuracy"
    shares = claim("reproduced", cells, kind="rate", measured="networks that train: c0: 6 of 6; c1: 6 of 6")
    assert levels(shares) == "networks that train"
    assert levels({**shares, "by_cells": True}) == "networks that train"
    assert levels(claim("reproduced", measured="slope: 0.084 with BN [0.083, 0.086], n = 10")) == "slope: 0.084 with BN"
