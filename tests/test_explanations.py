"""The page of explanations: what verdicts make of them, by rule."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bnexp import claims, paths
from bnexp.report import index
from bnexp.report.experiments import read
from bnexp.report.explanations import (
    EXPLANATIONS,
    INCEPTION,
    MNIST,
    Explanation,
    Witness,
    figure,
    page,
    speaks,
    word,
)

NAMED = [witness for explanation in EXPLANATIONS for witness in explanation.witnesses]

FIRST = Witness("landscape", "landscape-gradient-change", both=True)
DENIES = Witness("noisy_norm", "noisy-faster", denies=True)
FURTHER = Witness("noisy_norm", "noisy-accuracy")
ASIDE = Witness("gap", "gap-narrower", aside="it asks something else")
ALONE = Explanation("On digits", "It works.", "–", (DENIES,))
MADE = Explanation("Made up", "It works.", "–", (FIRST, DENIES, FURTHER, ASIDE))

CHANGE, ELSEWHERE = (("landscape", FIRST.claim), ("landscape_inception", FIRST.claim))
NOISY, ACCURACY, GAP = ((witness.subject, witness.claim) for witness in (DENIES, FURTHER, ASIDE))
FOR = {CHANGE: "reproduced", ELSEWHERE: "reproduced", NOISY: "contradicted"}


def found(verdicts: dict[tuple[str, str], str]) -> dict[tuple[str, str], dict[str, Any]]:
    entry: dict[str, Any] = {
        "claim": "So it is.",
        "flags": {},
        "measured": "much",
        "effect": 0.1,
        "unit": "points",
        "kind": "difference",
        "values": [],
        "cells": [],
        "ci95": None,
    }
    return {key: {**entry, "verdict": verdict, "by_cells": verdict == "mixed"} for key, verdict in verdicts.items()}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, "survives"),
        ({ACCURACY: "contradicted"}, "survives"),
        ({GAP: "contradicted"}, "survives"),
        ({CHANGE: "undecided"}, "open"),
        ({ELSEWHERE: None}, "open"),
        ({ELSEWHERE: "mixed"}, "open"),
        ({NOISY: "no difference"}, "survives"),
        ({NOISY: "undecided"}, "open"),
        ({NOISY: "reproduced"}, "refuted"),
        ({ELSEWHERE: "contradicted"}, "refuted"),
        ({CHANGE: None, NOISY: "reproduced"}, "refuted"),
    ],
)
def test_the_word_follows_the_primary_claims(changed: dict[tuple[str, str], str | None], expected: str) -> None:
    verdicts = {key: verdict for key, verdict in {**FOR, **changed}.items() if verdict is not None}
    assert word(MADE, found(verdicts)) == expected


def test_a_claim_that_denies_it_speaks_against_it_where_it_is_reproduced_and_neither_way_elsewhere() -> None:
    for verdict, says in {"reproduced": "against", "contradicted": "neither"}.items():
        assert speaks(DENIES, {"verdict": verdict}) == says
    for verdict, says in {"reproduced": "for", "contradicted": "against", "mixed": "neither"}.items():
        assert speaks(FIRST, {"verdict": verdict}) == says
    assert speaks(FIRST, None) == "not judged"


@pytest.mark.parametrize(
    ("key", "verdict"), [(CHANGE, "contradicted"), (CHANGE, "reproduced"), (NOISY, "contradicted")]
)
def test_a_claim_with_a_flag_of_doubt_decides_neither_way(key: tuple[str, str], verdict: str) -> None:
    verdicts = found({**FOR, key: verdict})
    assert word(MADE, verdicts) != "open"
    verdicts[key]["flags"] = {"rising": "still gains"}
    assert word(MADE, verdicts) == "open"


def test_what_is_judged_on_digits_alone_survives_there() -> None:
    assert word(ALONE, found({NOISY: "contradicted"})) == "survives on MNIST"
    assert word(ALONE, found({NOISY: "reproduced"})) == "refuted"


def test_a_main_claim_that_decides_nothing_has_its_reason_on_the_page() -> None:
    assert "`noisy-speed` decides nothing here: noisy BN may be slower" in page({})


def test_every_witness_is_a_claim_of_an_experiment_of_its_subjects_name() -> None:
    for witness in NAMED:
        assert witness.claim in {claim.id for claim in claims.REGISTRY[witness.subject].claims}
        assert witness.subject in (read(paths.experiments()[witness.subject]).claims or ())
    for explanation in EXPLANATIONS:
        assert any(witness.primary for witness in explanation.witnesses), "else it would be open for ever"


def test_the_page_has_every_explanation_and_claim_judged_or_not() -> None:
    text = page(found({("covariate_shift", "shift-front"): "contradicted"}))
    assert "## Covariate shift: refuted" in text
    assert "## Smoothness: open" in text
    assert text.count(f"| {MNIST} |") == len(NAMED)
    assert text.count(f"| {INCEPTION} |") == sum(witness.both for witness in NAMED)
    assert "| against | [contradicted](covariate_shift/README.md) | much |" in text
    assert "{epochs}" not in text


def test_the_figure_has_a_cell_for_every_claim_and_network() -> None:
    judged = {("covariate_shift", "shift-front"): "contradicted", ("landscape", "landscape-loss-range"): "mixed"}
    made = figure(found(judged))
    boxes = [text for text in made.axes[0].texts if text.get_bbox_patch() is not None]
    assert len(boxes) == len(NAMED) + sum(witness.both for witness in NAMED)
    shown = [text.get_text() for text in boxes]
    assert shown.count("–") == len(boxes) - 2
    assert {"+10.00 points", "mixed"} <= set(shown)


def test_every_experiment_of_ours_answers_a_question_of_the_overview() -> None:
    assert {read(path).question for path in paths.experiments().values()} == set(index.QUESTIONS)


def test_the_overview_groups_by_question_and_leads_to_the_page(tmp_path: Path) -> None:
    for name in ("placebo", "landscape", "of_mine"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "verdict.json").write_text(
            f'{{"experiment": "{name}", "title": "About {name}", "scale": "smoke", "dataset": {{"name": "mnist"}}, '
            '"claims": []}'
        )
    index.write(tmp_path)
    text = (tmp_path / "README.md").read_text()
    parts = "## Why does it work?", "### About landscape", "## Can the rules be believed?", "### About placebo"
    order = [text.index(part) for part in parts]
    assert order == sorted(order)
    assert text.index("## Other questions") < text.index("### About of_mine")
    assert "(explanations.md)" not in text, "nothing is judged that bears on one"
