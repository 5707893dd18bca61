"""Runs read back: as tables in Python, and beside each other by `bnexp diff`."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib
import pandas as pd
import pytest
from conftest import Command

import bnexp
from bnexp import console
from bnexp.config import ConfigError
from bnexp.runs.records import RecordsError

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "results"
COMMITTED = RESULTS / "mnist_activations"
PLAIN = "mnist_activations:norm=none,data.binarize=True"
BN = "mnist_activations:norm=batch,data.binarize=True,norm.statistics=population"

Spawn = Callable[..., subprocess.Popen[str]]


@pytest.fixture(scope="module")
def trained(spawn: Spawn, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a sweep of two small networks."""
    folder = tmp_path_factory.mktemp("trained")
    sweep = ("run", "-m", "norm=none,batch", "model.width=10", "data=digits", "steps=5", "evaluations=2")
    process = spawn(folder, *sweep)
    _, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    return folder


@pytest.fixture
def here(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it as the current folder."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_folder(here: Path, norm: str) -> Path:
    (folder,) = (here / "outputs" / "runs").glob(f"digits-{norm}-*")
    return folder


def test_an_experiment_is_two_tidy_tables() -> None:
    runs, metrics = bnexp.load("mnist_activations", results=RESULTS)
    assert sorted(runs["norm"].unique()) == ["batch", "none"]
    assert len(runs) == 60
    assert not metrics.duplicated(["run", "step"]).any()
    last = metrics[metrics["step"] == 50_000].set_index("run")["accuracy"]
    assert last.to_dict() == pytest.approx(runs["final_accuracy"].to_dict())
    pd.testing.assert_frame_equal(bnexp.load(COMMITTED).metrics, metrics)
    assert len(metrics.join(runs, on="run")) == len(metrics)


def test_outputs_a_run_and_an_id_are_read_alike(here: Path) -> None:
    everything = bnexp.load("outputs")
    folder = run_folder(here, "batch")
    one = bnexp.load(folder)
    digits = folder.name.rpartition("-")[2]
    assert list(one.runs.index) == [digits]
    pd.testing.assert_frame_equal(bnexp.load(digits[:6]).metrics, one.metrics)
    assert set(everything.runs["norm"]) == {"none", "batch"}
    assert one.metrics["step"].tolist() == everything.metrics.query(f"run == '{digits}'")["step"].tolist() == [0, 1, 5]
    report = bnexp.load(next(Path("outputs").glob("runs-*")))
    pd.testing.assert_frame_equal(report.runs.sort_index(), everything.runs.sort_index(), check_like=True)


def test_runs_that_are_not_there_or_damaged_are_said(here: Path) -> None:
    with pytest.raises(ConfigError, match="no runs by the name of nosuch"):
        bnexp.load("nosuch")
    (here / "empty").mkdir()
    with pytest.raises(ConfigError, match="no finished run in empty"):
        bnexp.load("empty")
    folder = run_folder(here, "batch")
    (folder / "metrics.csv").write_bytes(b"\xff")
    with pytest.raises(RecordsError, match=f"{folder.name} is damaged"):
        bnexp.load(folder)


def test_importing_it_takes_nothing_heavy() -> None:
    code = "import sys, bnexp; assert not {'pandas', 'numpy', 'torch', 'matplotlib'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_notebook_runs_as_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = json.loads((ROOT / "docs" / "notebook.ipynb").read_text(encoding="utf-8"))
    monkeypatch.chdir(ROOT / "docs")
    matplotlib.use("agg")
    cells: dict[str, object] = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), cells)
    (plain, bn) = cells["axes"].get_lines()  # type: ignore[attr-defined]
    assert (plain.get_label(), bn.get_label()) == ("batch", "none")


def test_two_arms_differ_in_settings_and_results(command: Command) -> None:
    said = command("diff", PLAIN, BN, "--results", str(RESULTS))
    assert said.code == 0, said.err
    text = " ".join(said.out.split())
    for part in ("norm.name", "96.59", "97.64", "−1.05 points"):
        assert part in text
    assert "│ lr " not in text


@pytest.mark.parametrize(
    ("a", "b", "rows"),
    [
        (
            PLAIN,
            BN,
            ["┃ mnist_activations: ", "│ 96.59 [96.48, 96.71] ", "│ 97.64 [97.56, 97.73] ", "│ never "],
        ),
        (
            "mnist_table:norm=batch,data.binarize=True,init.scale=5e-2,lr=3e-2,steps=15000",
            BN,
            ["┃ init.scale=5e-2, ", "│ 96.18 [95.95, 96.42] ", "│ 14,504 (4 of 7) "],
        ),
    ],
)
def test_at_eighty_columns_intervals_stay_in_a_line(
    command: Command, monkeypatch: pytest.MonkeyPatch, a: str, b: str, rows: list[str]
) -> None:
    monkeypatch.setattr(console.out, "_width", 80)
    said = command("diff", a, b, "--results", str(RESULTS))
    assert said.code == 0, said.err
    for part in rows:
        assert part in said.out
    difference = said.out.splitlines()[-1]
    assert re.fullmatch(r"Final accuracy, .*: −\d\.\d\d points \[−.*, −.*\], n = \d+", difference)
    assert max(len(line) for line in said.out.splitlines()[:-1]) <= 80


def test_two_runs_differ_in_settings_and_results(command: Command, here: Path) -> None:
    plain, bn = (run_folder(here, norm) for norm in ("none", "batch"))
    said = command("diff", str(plain.relative_to(here)), bn.name.rpartition("-")[2])
    assert said.code == 0, said.err
    assert "norm.name" in said.out
    assert " points, n = 1" in said.out
    assert "all the same" in command("diff", plain.name.rpartition("-")[2], str(plain)).out


@pytest.mark.parametrize(
    ("which", "message"),
    [
        ("nosuch", "there are no runs by the name of nosuch"),
        ("/no/such/folder", "there are no runs by the name of /no/such/folder"),
        ("**x", "there are no runs by the name of **x"),
        ("mnist_activations:norm=[batch", "norm=[batch"),
        ("mnist_activations", "mnist_activations is 60 runs of several arms; choose one, as in mnist_activations:data"),
        ("mnist_activations:norm=layer", "no run of mnist_activations has norm=layer; there are none, batch"),
        ("mnist_activations:nrom=none", "have no setting nrom; did you mean norm?"),
    ],
)
def test_what_is_no_arm_is_a_mistake(command: Command, which: str, message: str) -> None:
    said = command("diff", which, BN, "--results", str(RESULTS))
    assert said.code == 2
    assert message in said.line
