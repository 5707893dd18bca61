"""`make reproduce`: the comparison at its end, and what it does when an experiment fails."""

from __future__ import annotations

import runpy
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

SCRIPT = runpy.run_path(str(Path(__file__).parent.parent / "scripts" / "reproduce.py"))


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

    def run(command: list[str], **_: Any) -> Any:
        asked.append(command)
        code = 1 if "experiment=mnist_activations" in command or command[0] == "git" else 0
        return SimpleNamespace(returncode=code, stdout="")

    monkeypatch.setattr(subprocess, "run", run)
    assert SCRIPT["main"]("smoke", []) == 1
    assert [command[4] for command in asked if "run" in command] == [
        "experiment=mnist_activations",
        "experiment=mnist_table",
    ]
    assert "left out: mnist_activations" in capsys.readouterr().out
