"""The placebos of `bnexp judge`: halves of an arm's own seeds, of which nothing should be said."""

from __future__ import annotations

import importlib
import math
import re
import sys
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from handmade import BN, PLAIN, STEPS, Fields, noise, record, records, sweep

from bnexp import paths
from bnexp.judge.profile import against_bn, asked, subjects
from bnexp.judge.runs import EXPERIMENTS
from bnexp.report.experiments import read
from bnexp.runs.records import Record

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
    found = placebos.judged(records(runs, claims=("accuracy",)), "none", draw())
    assert {judgement.id: placebos.wrong(judgement) for judgement in found} == {"higher-accuracy": wrong}


LEFT_OUT = ("mnist_table", "lr_tolerance", "init_robustness")
"""Rows of the docs that take longer than the seven others together."""

COLUMNS = {"none": 1, "batch": 2}
"""Of the docs' table, by what a placebo is a half of."""


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """By experiment what `judge_placebos.row` makes of the committed records."""
    names = [name for name in EXPERIMENTS["laptop"] if name not in LEFT_OUT]
    return {name: placebos.row(placebos.ROOT / "results", name) for name in names}


def told() -> dict[str, list[str]]:
    """The rows of the table in the docs by their first cells."""
    (table,) = re.findall(r"<!-- placebos: .*?-->\n(.*?)<!-- end", placebos.DOCS.read_text(encoding="utf-8"), re.DOTALL)
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()[2:]]
    return {row[0].strip("`"): row for row in rows}


def counts(cell: str) -> tuple[int, int]:
    """Of `2 of 280, …` both numbers."""
    (pair,) = re.findall(r"^(\d+) of (\d+)", cell)
    return int(pair[0]), int(pair[1])


def test_the_rows_in_the_docs_are_of_the_committed_records(found: dict[str, Any]) -> None:
    rows = told()
    assert {name: rows[name] for name in found} == {name: list(cells) for name, (_, cells) in found.items()}
    assert rows.keys() >= set(EXPERIMENTS["laptop"])


@pytest.mark.parametrize("norm", COLUMNS)
def test_its_sums_are_of_its_rows_and_of_the_committed_records(norm: str, found: dict[str, Any]) -> None:
    rows = {name: row[COLUMNS[norm]] for name, row in told().items()}
    by_experiment = {name: counts(rows[name]) for name in EXPERIMENTS["laptop"]}
    assert counts(rows["together"]) == tuple(map(sum, zip(*by_experiment.values(), strict=True)))
    every = [list(chain(*each)) for each in zip(*(of_norm[norm] for of_norm, _ in found.values()), strict=True)]
    spoilt, held = placebos.spoilt_and_held(every)
    of_others = sum(by_experiment[name][0] for name in LEFT_OUT)
    assert spoilt <= counts(rows["placebos with a wrong verdict"])[0] <= spoilt + of_others
    holding = counts(rows["the same after Holm, as `bnexp judge` has it"])[0]
    assert holding <= held + of_others, "with more that is asked Holm's adjustment is larger"


# By noise alone

SIX_EACH = (*range(12), 1000, 1001)
"""Halved, six seeds a side, as at `laptop`, and one that chooses settings."""

REDRAWN = 20

SWEEPS: dict[str, dict[str, Sequence[Any]]] = {
    "accuracy": {"data_binarize": (False, True)},
    "speed": {"data_binarize": (False, True)},
    "batch_size": {"batch": (2, 60, 1024)},
    "lr_tolerance": {"lr": (0.01, 0.0316, 0.1, 0.316, 1.0, 3.16), "model_depth": (3,)},
    "saturating": {"model_depth": (3, 12), "model_activation": ("sigmoid", "tanh")},
}
"""Subjects with every kind of rule that is asked of two arms, and settings that they need."""


def noisy(draw: np.random.Generator, name: str, better: Mapping[int, float] | None = None) -> list[Record]:
    """Runs whose accuracies, arrivals, highest rates and failures are drawn; some seeds may be `better` than others."""

    def run(fields: Fields) -> Record:
        by = 0.0 if better is None else better.get(fields["seed"], 0.0)  # in standard deviations
        final = 0.975 + 0.003 * (draw.normal() + by)
        at = 200 * math.exp(0.6 * (draw.normal() - by))
        highest = 0.4 * 10 ** (0.2 * (draw.normal() + by))
        fails = fields.get("model.depth") == 12 and draw.random() < 0.5 - 0.2 * by
        if fields.get("lr", 0.0) > highest or fails:
            return record(fields, 0.1)
        full = {f"saturated/hidden{i}": 0.1 + 0.02 * draw.normal() for i in range(1, fields.get("model.depth", 3) + 1)}
        curve = [final * (1 - 0.9 * math.exp(-4 * step / at)) for step in STEPS]
        return record(fields, curve[-1], accuracy=curve, **full)

    return sweep(run, (PLAIN, BN), SIX_EACH, **SWEEPS[name])


def verdicts_on(norm: str, better: float = 0.0) -> tuple[list[bool], set[str]]:
    """Of the verdicts on a placebo of this norm, over all redraws, which are wrong; and the rules that were asked."""
    draw = np.random.default_rng(placebos.SEED)
    wrong: list[bool] = []
    kinds = set()
    for name in SWEEPS:
        compared = {c.id: (against_bn(c) if norm == "batch" else c).rule.kind for c in asked(name)}
        for redrawn in range(REDRAWN):
            split = np.random.default_rng(redrawn)
            halves = placebos.split(sweep(lambda f: 0.9, seeds=SIX_EACH), norm, np.random.default_rng(redrawn))
            theirs = {run.seed: better for run in halves if run.norm == placebos.NAME}
            found = list(placebos.judged(records(noisy(draw, name, theirs), claims=(name,)), norm, split))
            wrong += map(placebos.wrong, found)
            kinds |= {compared[judgement.id.removesuffix("-against-bn")] for judgement in found}
    return wrong, kinds


@pytest.mark.parametrize(("norm", "column"), [("none", 1), ("batch", 2)])
def test_what_is_alike_but_for_noise_is_wrongly_judged_no_more_often_than_the_docs_say(norm: str, column: int) -> None:
    """Both arms are drawn alike, on seeds of their own, six a side; of so few verdicts the share has an error, too."""
    (row,) = re.findall(r"^\| together \|.*$", placebos.DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    told = float(re.findall(r"\((\d+\.\d) %\)", row)[column - 1]) / 100
    wrong, kinds = verdicts_on(norm)
    assert kinds == {
        (against_bn(claim) if norm == "batch" else claim).rule.kind
        for experiment in EXPERIMENTS["laptop"]
        for subject in subjects(read(paths.experiments()[experiment]).claims or ())
        for claim in asked(subject)
        if norm == "batch" or claim.reference is not None
    }
    assert np.mean(wrong) <= told + 3 * math.sqrt(told * (1 - told) / len(wrong))
    assert np.mean(verdicts_on(norm, better=3.0)[0]) > 0.3, "where there is something, it is found"
