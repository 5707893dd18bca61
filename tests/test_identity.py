"""What decides a claim has a digest, which words and defaults do not change, and which is kept for every claim."""

from __future__ import annotations

import dataclasses
import json
import runpy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from handmade import BN, JUDGED, PLAIN, is_bn, records, sweep

from bnexp import claims
from bnexp.claims import BN as TREATED_BY_DEFAULT
from bnexp.claims import TREATED, Claim, Control, Of, Outcome, Paper, Peculiar, Quantity, Rule, of_run
from bnexp.judging.identity import digest
from bnexp.runs.records import Record

SCRIPT = runpy.run_path(str(Path(__file__).parent.parent / "scripts" / "rules.py"))


def loss(run: Record) -> float:
    return float(run.metrics["loss"].iloc[-1])


def accuracy(run: Record) -> float:
    return float(run.metrics["accuracy"].iloc[-1])


CLAIM = Claim("mine", "§1", "So it is.", Quantity("the loss", of_run(loss)), Rule("difference", 0.1), Paper("Yes."))


def test_the_committed_rules_are_those_of_the_claims() -> None:
    """Where this fails, rules were changed after they had been fixed: do it on purpose, with scripts/rules.py."""
    committed = json.loads(Path(claims.__file__).with_name("rules.json").read_text(encoding="utf-8"))
    assert committed == SCRIPT["digests"]()
    assert len(committed) == sum(len(subject.claims) for subject in claims.REGISTRY.values())
    assert all(len(value) == 64 for value in committed.values())


@pytest.mark.parametrize(
    "words",
    [
        {"source": "§2"},
        {"sentence": "It is said to be so."},
        {"paper": Paper("No.", effect=0.3, outside="Elsewhere.")},
        {"primary": True},
        {"control": Control("if it were not so")},
    ],
    ids=lambda words: next(iter(words)),
)
def test_words_decide_nothing(words: dict[str, Any]) -> None:
    assert digest(replace(CLAIM, **words)) == digest(CLAIM)


DECIDING: dict[str, Claim] = {
    "holds": replace(CLAIM, control=Control("if it were not so", holds=("contradicted",))),
    "guards": replace(CLAIM, control=Control("if it were not so", guards=("theirs",))),
    "id": replace(CLAIM, id="yours"),
    "measure": replace(CLAIM, quantity=Quantity("the loss", of_run(accuracy))),
    "unit": replace(CLAIM, quantity=replace(CLAIM.quantity, unit="ratio")),
    "over": replace(CLAIM, quantity=replace(CLAIM.quantity, over=("lr",))),
    "pooled": replace(CLAIM, quantity=replace(CLAIM.quantity, pooled=True)),
    "of_images": replace(CLAIM, quantity=replace(CLAIM.quantity, of_images=True)),
    "edges": replace(CLAIM, quantity=replace(CLAIM.quantity, edges=2)),
    "kind": replace(CLAIM, rule=Rule("no_worse", 0.1)),
    "margin": replace(CLAIM, rule=Rule("difference", 0.2)),
    "less": replace(CLAIM, rule=Rule("difference", 0.1, less=True)),
    "target": replace(CLAIM, rule=Rule("difference", 0.1, target=1.0)),
    "universal": replace(CLAIM, rule=Rule("difference", 0.1, universal=True)),
    "paired": replace(CLAIM, rule=Rule("difference", 0.1, paired=True)),
    "treated": replace(CLAIM, treated={"norm": "layer"}),
    "treated by name": replace(CLAIM, treated={"norm": TREATED_BY_DEFAULT}),
    "reference": replace(CLAIM, reference={"norm": "layer"}),
    "no reference": replace(CLAIM, reference=None),
    "among": replace(CLAIM, among={"lr": 0.1}),
    "among others": replace(CLAIM, among={"lr": Of("largest")}),
    "among some": replace(CLAIM, among={"lr": Of("among", (0.1, 1.0))}),
    "cells": replace(CLAIM, cells=("lr",)),
    "selected": replace(CLAIM, selected=("lr",)),
    "best_of": replace(CLAIM, selected=("lr",), best_of={"norm": "none"}),
}


def test_whatever_decides_changes_the_digest() -> None:
    digests = {name: digest(changed) for name, changed in DECIDING.items()} | {"as it is": digest(CLAIM)}
    assert len(set(digests.values())) == len(digests)


def test_every_field_either_decides_or_is_words() -> None:
    words = {"source", "sentence", "paper", "primary", "control"}
    assert {f.name for f in dataclasses.fields(Claim)} == words | {"id", "quantity", "rule"} | {
        *("treated", "reference", "among", "cells", "selected", "best_of")
    }
    assert {f.name for f in dataclasses.fields(Rule)} <= DECIDING.keys()
    assert {f.name for f in dataclasses.fields(Quantity)} - {"name"} <= DECIDING.keys()


def test_defaults_are_left_out_so_that_a_new_field_changes_no_digest() -> None:
    explicit = Claim(
        *(CLAIM.id, CLAIM.source, CLAIM.sentence),
        Quantity("the loss", of_run(loss), "points", (), of_images=False),
        Rule("difference", 0.1, less=False, target=0.0, universal=False),
        Paper("Yes.", None, ""),
        treated={"norm": TREATED},
        reference={"norm": "none"},
        among={},
        cells=(),
        selected=(),
    )
    assert digest(explicit) == digest(CLAIM)

    @dataclasses.dataclass(frozen=True)
    class Later(Claim):
        """As a later version may have it."""

        weighted: bool = False

    fields = {f.name: getattr(CLAIM, f.name) for f in dataclasses.fields(CLAIM)}
    assert digest(Later(**fields)) == digest(CLAIM)
    assert digest(Later(**fields, weighted=True)) != digest(CLAIM)


def test_the_order_of_settings_decides_nothing() -> None:
    one = replace(CLAIM, among={"lr": 0.1, "batch": 60})
    assert digest(one) == digest(replace(CLAIM, among={"batch": 60, "lr": 0.1}))


def test_what_a_measure_closes_over_decides() -> None:
    def at_least(level: float) -> Claim:
        return replace(CLAIM, quantity=Quantity("", of_run(lambda run: float(accuracy(run) > level))))

    assert digest(at_least(0.9)) == digest(at_least(0.9))
    assert digest(at_least(0.9)) != digest(at_least(0.95))


def test_of_a_function_its_text_decides() -> None:
    def judge(records: object) -> Outcome:
        return Outcome("undecided", "", "")

    def other(records: object) -> Outcome:
        return Outcome("reproduced", "", "")

    mine = Peculiar("mine", "§1", "So it is.", Paper("Yes."), judge)
    assert digest(mine) == digest(replace(mine, sentence="It is so.", primary=True))
    assert digest(mine) != digest(replace(mine, judge=other))


def test_another_norm_in_the_treated_arm_is_judged_by_the_same_rule() -> None:
    arms = (PLAIN, BN, {"norm.name": "layer"})
    runs = records(sweep(lambda f: 0.95 + 0.01 * is_bn(f), arms, JUDGED))
    digests = [
        {j.id: j.rule_sha256 for j in claims.judge(runs, ["accuracy", "speed"], treated=norm)}
        for norm in ("batch", "layer", "my:Norm")
    ]
    assert digests[0] == digests[1] == digests[2]
    assert all(digests[0].values())
