"""The rules err no oftener than the table in docs/protocol.md says; what is simulated are those of the package."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import get_args

import numpy as np
import pytest

from bnexp.judging import rules
from bnexp.judging.claim import Kind
from bnexp.judging.rules import Decision, Estimate, Images

ROOT = Path(__file__).parent.parent
DOCS = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
DRAWS = 2_000

sys.path.append(str(ROOT / "scripts"))
simulated: ModuleType = importlib.import_module("error_rates")
sys.path.remove(str(ROOT / "scripts"))
CASES = simulated.cases()


def table() -> dict[tuple[str, str], Sequence[str]]:
    """By rule and n, the cells of its row in the docs."""
    between = simulated.BETWEEN.search(DOCS)
    assert between
    rows = [re.split(r" *\| *", line)[1:-1] for line in between[0].splitlines() if line.startswith("| ")]
    assert tuple(rows[0]) == simulated.HEADER
    return {(row[0], f"{row[1]}; {row[2]}"): row[3:] for row in rows[1:]}


def test_the_table_has_every_rule() -> None:
    assert list(table()) == [(case.name, f"{case.n}; {case.spread}") for case in CASES], "run scripts/error_rates.py"
    kinds = {re.match(r".*?`(\w+)`", case.name)[1] for case in CASES}  # type: ignore[index]
    assert kinds == set(get_args(Kind))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.name}, n = {case.n}")
def test_errors_are_as_rare_as_the_table_says(case: simulated.Case) -> None:  # type: ignore[name-defined]
    told = [float(cell) / 100 for cell in table()[case.name, f"{case.n}; {case.spread}"][:2]]
    rates = simulated.rates(case, DRAWS)
    for rate, known in zip((rates.reproduced, rates.contradicted), told, strict=True):
        assert rate <= simulated.tolerated(max(rules.LEVEL, known), DRAWS)


def test_what_errs_oftener_is_named_below_the_table() -> None:
    limit = simulated.tolerated(rules.LEVEL, simulated.DRAWS)
    over = [rule for rule, cells in table().items() if max(map(float, cells[:2])) / 100 > limit + 5e-5]
    for name, n in over:
        assert f"- {name}, n = {n.split(';')[0]}: " in DOCS


# ---- the same as the package's


def groups(seed: int, *shape: int) -> np.ndarray:
    """Values of 200 draws, among them some without any spread."""
    values = np.random.default_rng(seed).normal(0.0, 1.0, (200, *shape))
    values[:5] = np.round(values[:5, ..., -1:], 1)
    return values


def matches(many: simulated.Decisions, one: Sequence[Decision]) -> None:  # type: ignore[name-defined]
    assert [simulated.VERDICTS[number] for number in many.verdict] == [decision.verdict for decision in one]
    assert many.p == pytest.approx([decision.p for decision in one], rel=1e-9, abs=1e-300)


def nth(many: simulated.Estimates, i: int, n: int) -> Estimate:  # type: ignore[name-defined]
    return Estimate(
        float(many.effect[i]),
        float(many.se[i]),
        float(many.df[i]),
        n,
        float(np.broadcast_to(many.lowest, 200)[i]),
        float(np.broadcast_to(many.highest, 200)[i]),
    )


def test_welch_and_single_are_the_packages() -> None:
    a, b = groups(0, 6), 3 * groups(1, 4)
    images = np.abs(groups(2, 1)[:, 0])
    many = simulated.welch(a, b, images, 99)
    plain, single = simulated.welch(a, b), simulated.single(a, 0.3)
    for i in range(200):
        one = rules.welch(list(a[i]), list(b[i]), Images(float(images[i]), 99))
        assert (many.effect[i], many.se[i], many.df[i]) == pytest.approx((one.effect, one.se, one.df))
        one = rules.welch(list(a[i]), list(b[i]))
        assert (plain.effect[i], plain.se[i], plain.df[i]) == pytest.approx((one.effect, one.se, one.df))
        one = rules.single(list(a[i]), 0.3)
        assert (single.effect[i], single.se[i], single.df[i]) == pytest.approx((one.effect, one.se, one.df))


@pytest.mark.parametrize("kind", sorted(set(get_args(Kind)) - {"rate"}))
@pytest.mark.parametrize("margin", [0.0, 0.8])
def test_decisions_are_the_packages(kind: Kind, margin: float) -> None:
    welch = simulated.welch(2 * groups(3, 5), groups(4, 5))
    infinite = np.where(groups(5, 1)[:, 0] > 1, np.inf, 0.0)
    for lowest, highest in ((0.0, 0.0), (0.125, 0.125), (0.0, infinite), (infinite, 0.0)):
        many = simulated.Estimates(welch.effect, welch.se, welch.df, lowest, highest)
        one = [rules.decide(kind, nth(many, i, 5), margin, 0.2) for i in range(200)]
        matches(simulated.decide(kind, many, margin, 0.2), one)


def test_holm_is_the_packages() -> None:
    ps = np.random.default_rng(6).uniform(0, 0.2, (200, 4))
    assert simulated.holm(ps) == pytest.approx(np.array([rules.holm(list(row)) for row in ps]))


@pytest.mark.parametrize("universal", [True, False])
@pytest.mark.parametrize("lift", [-2, 0, 2])
def test_cells_are_the_packages(universal: bool, lift: float) -> None:
    a, b = groups(7, 3, 5) + lift * np.array([[[1.0], [1.0], [-abs(lift) + 1]]]), groups(8, 3, 5) / 2
    each = simulated.decide("difference", simulated.welch(a, b), 0.3)
    mean = simulated.decide("difference", simulated.welch(a.mean(1), b.mean(1)), 0.3)
    one = []
    for i in range(200):
        cells = [Decision(simulated.VERDICTS[each.verdict[i, k]], float(each.p[i, k])) for k in range(each.p.shape[1])]
        whole = Decision(simulated.VERDICTS[mean.verdict[i]], float(mean.p[i]))
        one.append(rules.over_cells(whole, cells, universal))
    matches(simulated.over_cells(mean, each, universal), one)


def test_the_part_of_the_images_is_drawn_as_the_package_measures_it() -> None:
    rng = np.random.default_rng(9)
    pictures = simulated.Pictures(0.02, 0.1, number=60)
    drawn = simulated.images_variance(rng, pictures, 6, 4000)
    noise = np.sqrt(pictures.with_seeds)
    measured = []
    for _ in range(1000):
        a = rng.normal(0, np.sqrt(pictures.of_difference), 60) + noise * rng.standard_normal((6, 60))
        measured.append(rules.images_part(a, noise * rng.standard_normal((6, 60))).variance)
    for quantile in (0.1, 0.5, 0.9):
        assert np.quantile(drawn, quantile) == pytest.approx(np.quantile(measured, quantile), abs=0.1 * 0.02 / 60)
