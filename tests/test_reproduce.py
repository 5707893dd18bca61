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


def test_on_other_data_nothing_is_compared() -> None:
    ((_, _, old, _, same),) = SCRIPT["compare"]("e", verdict("contradicted"), verdict("reproduced", data="digits"))
    assert (old, same) == ("not comparable: mnist, laptop", "")


@pytest.mark.parametrize(("before", "told"), [("contradicted", "OPPOSITE"), ("undecided", "none opposite")])
def test_of_another_scale_only_opposite_verdicts_are_told(before: str, told: str) -> None:
    ((*_, same),) = SCRIPT["compare"]("e", verdict(before, scale="overnight"), verdict("reproduced"))
    assert same == told


def test_an_experiment_without_verdict_is_named() -> None:
    assert SCRIPT["compare"]("e", None, None)[0][3] == "no new verdict"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The experiments that were run, of which `mnist_activations` fails; the results go elsewhere."""
    asked: list[str] = []

    def main(arguments: Sequence[str]) -> None:
        asked.append(arguments[1].removeprefix("experiment="))
        sys.exit("experiment=mnist_activations" in arguments)

    monkeypatch.setattr(cli, "main", main)
    monkeypatch.setitem(SCRIPT["main"].__globals__, "RESULTS", tmp_path)
    monkeypatch.chdir(ROOT)
    return asked


def test_a_failing_experiment_is_named_and_the_others_run(asked: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert SCRIPT["main"]("smoke", ["data=digits"]) == 1
    assert asked == [name for name in paths.experiments() if name != "paper"]
    assert len(asked) > 20
    assert "left out: mnist_activations" in capsys.readouterr().out


def test_experiments_whose_data_is_not_to_be_had_are_named_at_the_end_and_in_the_results(
    asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bnexp.data.mnist.mirrors", lambda: ["http://127.0.0.1:9/"])
    monkeypatch.setattr("bnexp.data.cifar10.MIRRORS", ["http://127.0.0.1:9/"])
    SCRIPT["main"]("laptop", [f"data.root={tmp_path / 'none'}"])
    too_long = {"ablation", "inception_tuned", "norms"}  # they have no such scale
    too_long |= {name for name in paths.experiments() if name.endswith("_inception")}
    absent = {"inception_tiny", "paper", *too_long}
    assert asked == [name for name in paths.experiments() if name not in absent], "others have a stand-in"
    end = capsys.readouterr().out.rpartition("New verdicts")[2]
    readme = (tmp_path / "laptop" / "README.md").read_text().partition("## Left out")[2]
    for name in absent:
        assert f"left out: {name}" in end
        assert f"`{name}`: " in readme


def test_without_a_scale_no_data_is_asked_for(tmp_path: Path) -> None:
    why, nowhere = SCRIPT["why_left_out"], [f"data.root={tmp_path}"]
    assert "it has no scale laptop" in why("inception_tiny", "laptop", nowhere)
    assert "put tiny-imagenet-200.zip" in why("inception_tiny", "smoke", nowhere)
