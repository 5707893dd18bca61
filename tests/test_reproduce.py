"""`make reproduce`: the comparison at its end, and what it does when an experiment fails."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bnexp import cli, paths

ROOT = Path(__file__).parent.parent
SCRIPT = runpy.run_path(str(ROOT / "scripts" / "reproduce.py"))


def verdict(word: str, scale: str = "laptop", data: str = "mnist") -> dict[str, Any]:
    claim = {"id": "c", "effect": 0.0123, "verdict": word}
    return {"scale": scale, "dataset": {"name": data}, "claims": [claim]}


def test_equal_verdicts_are_the_same() -> None:
    rows = SCRIPT["compare"]("e", verdict("reproduced"), verdict("reproduced"))
    assert rows == [("e", "c", "reproduced (0.0123)", "reproduced (0.0123)", "same")]


def test_another_verdict_is_different() -> None:
    assert SCRIPT["compare"]("e", verdict("reproduced"), verdict("undecided"))[0][-1] == "DIFFERENT"


@pytest.mark.parametrize("new", [verdict("reproduced", scale="smoke"), verdict("reproduced", data="digits")])
def test_unlike_is_not_compared(new: dict[str, Any]) -> None:
    ((_, _, old, _, same),) = SCRIPT["compare"]("e", verdict("contradicted"), new)
    assert (old, same) == ("not comparable: mnist, laptop", "")


def test_an_experiment_without_verdict_is_named() -> None:
    assert SCRIPT["compare"]("e", None, None)[0][3] == "no new verdict"


def test_a_failing_experiment_is_named_and_the_others_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []

    def main(arguments: Sequence[str]) -> None:
        asked.append(arguments[1])
        sys.exit("experiment=mnist_activations" in arguments)

    monkeypatch.setattr(cli, "main", main)
    monkeypatch.chdir(ROOT)
    assert SCRIPT["main"]("smoke", []) == 1
    assert asked == [f"experiment={name}" for name in paths.experiments()]
    assert len(asked) == 11
    assert "left out: mnist_activations" in capsys.readouterr().out
