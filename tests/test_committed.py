"""The committed verdicts are what today's rules make of the committed records."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from bnexp import claims
from bnexp.claims import inception_tuned
from bnexp.judging.matching import choose, having, tuning
from bnexp.paths import configs
from bnexp.runs import records

RESULTS = Path(__file__).parent.parent / "results"
FOLDERS = sorted(path.parent for path in RESULTS.glob("*/records"))

DATED = {"age", "exploratory"}
"""Flags that depend on git."""


def undated(entry: dict[str, Any]) -> dict[str, Any]:
    entry = {key: value for key, value in entry.items() if key != "rule_commit"}
    return entry | {"flags": {flag: words for flag, words in entry["flags"].items() if flag not in DATED}}


def alike(one: Any, other: Any) -> bool:
    """But for the last digits, which are the machine's."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-12)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    return bool(one == other)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_committed_verdict_follows_from_its_records(folder: Path) -> None:
    gathered = records.load(folder / "records")
    judged = [judgement.as_dict() for judgement in claims.judge(gathered, gathered.claims)]
    committed = json.loads((folder / "verdict.json").read_text(encoding="utf-8"))["claims"]
    now = json.loads(json.dumps(judged))
    assert [entry["id"] for entry in now] == [entry["id"] for entry in committed]
    for entry, kept in zip(now, committed, strict=True):
        assert alike(undated(entry), undated(kept)), f"{entry['id']}: bnexp report {folder.name}"


def test_the_settings_that_are_trained_at_length_are_those_that_tuning_chose() -> None:
    places = (RESULTS / "inception_tuned", RESULTS / "partial" / "inception_tuned")
    folder = next(place for place in places if place.exists())
    runs = tuning(records.load(folder / "records").runs)
    budget = OmegaConf.load(configs() / "experiment" / "inception_tuned.yaml").budget.overnight
    for arm in inception_tuned.ARMS:
        choice = choose(having(runs, {"arm": arm}), inception_tuned.SELECTED)
        assert choice is not None
        assert not choice.edge
        best = budget.best[arm]
        assert choice.settings == {"lr": float(best.lr), "init.scale": float(best.init)}


def test_there_are_such() -> None:
    assert len(FOLDERS) > 10
