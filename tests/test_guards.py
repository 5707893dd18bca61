"""Nothing is said of claims whose control does not hold: of changed images, of noise and of absolute scale."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from handmade import BN, PLAIN, Fields, judged, sweep
from sweeps import made

from bnexp.claims.adaptation import LEAST, NOTHING, SHIFTS
from bnexp.claims.noise import EQUAL, FEW
from bnexp.claims.robustness import ALIKE, CHANGES
from bnexp.runs.records import Record


def with_metrics(runs: Sequence[Record], of: Callable[[Record], Mapping[str, Any]]) -> list[Record]:
    """The runs with other metrics."""
    return [replace(run, metrics=run.metrics.assign(**of(run))) for run in runs]


def test_nothing_is_said_of_other_domains_where_recomputed_statistics_change_what_there_is_on_this_one() -> None:
    off = {"recomputed/unchanged": 0.9 - 2 * NOTHING}
    found = judged("adaptation", with_metrics(made("adaptation", 1), lambda run: off))
    assert (found["adapts-unchanged"].verdict, found["adapts-unchanged"].held) == ("contradicted", False)
    assert {found[f"adapts-{shift}"].verdict for shift in SHIFTS} == {"undecided"}
    assert {found[f"adapts-own-{shift}"].verdict for shift in SHIFTS} == {"reproduced"}


def test_a_part_of_hardly_anything_is_not_told() -> None:
    kept = {f"kept/{shift}": 0.9 - LEAST / 2 for shift in SHIFTS}
    found = judged("adaptation", with_metrics(made("adaptation", 1), lambda run: kept))
    assert {found[f"adapts-{shift}"].outcome.measured for shift in SHIFTS} == {"nothing to compare"}


def test_what_is_lost_is_compared_where_networks_have_as_much_to_lose() -> None:
    def clean(run: Record) -> dict[str, Any]:
        return {"clean": run.metrics["clean"] - 3 * ALIKE * (run.norm == "none")}

    found = judged("robustness", with_metrics(made("robustness", 1), clean))
    assert found["robust-clean"].held is False
    assert {found[f"robust-{change.replace('/', '-')}"].verdict for change in CHANGES} == {"undecided"}


def test_that_few_classes_hurt_bn_is_told_apart_from_that_few_images_do() -> None:
    def poor(run: Record) -> dict[str, Any]:
        mixed = run.norm == "batch" and run.value("data.classes_per_batch") is None
        return {"accuracy": run.metrics["accuracy"] - 0.05 * mixed}

    found = judged("noise", with_metrics(made("noise", 1), poor))
    assert found["noise-of-mixed"].held is False
    for name in FEW:
        assert found[f"noise-of-{name}"].verdict == "undecided"
        assert found[f"noise-of-{name}"].outcome.effect == pytest.approx(0.02, abs=1e-3)


def test_noise_is_compared_where_the_gaps_are() -> None:
    """Whatever it is at the end: between 2.3 and 0.05 nats, at 0.1, it is nearly that of the evaluation after."""

    def louder(run: Record) -> dict[str, Any]:
        noise = run.metrics["companion_noise"].iloc[-1]
        return {"companion_noise": [noise, noise, *[9 * noise if run.value("norm.ghost") else noise] * 5]}

    found = judged("noise", with_metrics(made("noise", 1), louder))
    for ghost in EQUAL:
        assert found[f"noise-size-{ghost}"].verdict == "reproduced"
        assert found[f"noise-of-{ghost}"].verdict == "reproduced"


def test_of_contrasts_nothing_is_said_where_layer_norm_tells_them() -> None:
    def told(fields: Fields) -> float:
        return {"none": 0.9, "batch": 0.95, "layer": 0.4}[fields["norm.name"]]

    arms = (PLAIN, BN, BN | {"norm.name": "layer"})
    found = judged("absolute_scale", sweep(told, arms, range(10), lr=(0.03, 0.1)))
    assert (found["absolute-scale-example"].held, found["absolute-scale-more"].verdict) == (False, "undecided")
    assert found["absolute-scale-batch"].verdict == "reproduced"
