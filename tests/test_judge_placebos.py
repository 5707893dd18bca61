"""The placebos of `bnexp judge`: halves of an arm's own seeds, of which nothing should be said."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from handmade import noise, records, sweep

SCRIPTS = str(Path(__file__).parent.parent / "scripts")
sys.path.append(SCRIPTS)
placebos: ModuleType = importlib.import_module("judge_placebos")
sys.path.remove(SCRIPTS)

SEEDS = (*range(12), 1000, 1001)


def draw() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_the_halves_share_no_seed_and_each_can_choose_settings(norm: str) -> None:
    runs = placebos.split(sweep(lambda fields: 0.9, seeds=SEEDS, lr=(0.1, 0.3)), norm, draw())
    seeds = {of: {run.seed for run in runs if run.norm == of} for of in (norm, placebos.NAME)}
    assert not seeds[norm] & seeds[placebos.NAME]
    assert [len(half) for half in seeds.values()] == [7, 7]
    assert all(max(half) >= 1000 for half in seeds.values())
    assert len([run for run in runs if run.norm not in seeds]) == 2 * len(SEEDS), "the other norm is as it was"


@pytest.mark.parametrize(("better", "wrong"), [(0.0, False), (0.01, True)])
def test_an_alarm_is_raised_where_the_halves_differ(better: float, wrong: bool) -> None:
    candidates = {
        run.seed
        for run in placebos.split(sweep(lambda f: 0.9, seeds=SEEDS), "none", draw())
        if run.norm == placebos.NAME
    }
    runs = sweep(lambda fields: 0.9 + better * (fields["seed"] in candidates) + noise(fields), seeds=SEEDS)
    found = dict(placebos.alarms(records(runs, claims=("accuracy",)), "none", draw()))
    assert found == {"higher-accuracy": wrong}
