"""An experiment and claims of one's own, outside the package: run, listed, reported and redrawn like ours."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Command

from bnexp import app
from bnexp.command import typed
from bnexp.config import Config, DataConfig
from bnexp.report.experiments import command as command_of

EXPERIMENT = """# @package _global_
# Two norms of mine, side by side.
experiment: mine
title: "What I [really] want to know"
claims: [accuracy, my_claims:CLAIMS]
steps: 5
evaluations: 2
model: {width: 10}
hydra:
  mode: MULTIRUN
  sweeper:
    params:
      norm: none,batch
      seed: 0,1
"""

CLAIMS = """
from bnexp.claims import Claim, Paper, Quantity, Rule, of_run

def final_loss(run):
    return float(run.metrics["loss"].iloc[-1])

CLAIMS = [
    Claim(
        "lower-loss",
        "§4.1",
        "Within {epochs}, the loss is lower with BN.",
        Quantity("final test loss", of_run(final_loss), "nats"),
        Rule("difference", 0.01, less=True),
        Paper("No number."),
    )
]
"""

RUN = ("run", "--config-dir", "mine", "experiment=mine", "data=digits")
REPORT = Path("results", "laptop", "digits", "mine")


@pytest.fixture(scope="module")
def trained(spawn: Callable[..., subprocess.Popen[str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an experiment and a claim of one's own, and its report."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "mine" / "experiment").mkdir(parents=True)
    (folder / "mine" / "experiment" / "mine.yaml").write_text(EXPERIMENT)
    (folder / "my_claims.py").write_text(CLAIMS)
    process = spawn(folder, *RUN)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    assert "[stand-in]" in out
    return folder


@pytest.fixture
def own(command: Command, trained: Path, tmp_path: Path) -> Path:
    """A copy of it as the current folder."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    return tmp_path


def ids(folder: Path) -> list[str]:
    return [claim["id"] for claim in json.loads((folder / "verdict.json").read_text())["claims"]]


@pytest.mark.parametrize(
    ("written", "instead", "said"),
    [
        ('Rule("difference", 0.01', 'Rule("differ", 0.01', "has the rule 'differ'; choose from"),
        ("0.01, less", "-0.01, less", "has a margin of -0.01; it must be at least 0"),
        ('Quantity("final test loss", of_run(final_loss), "nats")', '"loss"', "has a quantity that is no bnexp.claims"),
        ("of_run(final_loss)", '"loss"', "has a quantity that measures nothing"),
        ('Paper("No number."),', 'Paper("No number."), {"norm": "bathc"},', "has the arm norm=bathc; choose from"),
        ('Paper("No number."),', 'Paper("No number."), among={"lrr": 1},', "a setting 'lrr' that there is not"),
        ('Paper("No number."),', 'Paper("No number."), cells=("model.dept",),', "did you mean model.depth?"),
        ('Paper("No number."),', 'Paper("No number."), best_of={"nrm": "none"},', "did you mean norm?"),
        ('Rule("difference", 0.01', 'Rule("own", 0.01', "has the rule 'own'; choose from"),
        ("0.01, less", 'float("inf"), less', "has a margin of inf; it must be at least 0, and finite"),
        ('Paper("No number."),', 'Paper("No number."), {"arm": "bn_x55"},', "has the arm bn_x55; did you mean bn_x5?"),
        ('Paper("No number."),', 'Paper("No number."), {"optimizer.name": "adamm"},', "optimizer.name=adamm; choose"),
        ('Paper("No number."),', 'Paper("No number."), among={"model.activation": "Relu"},', "activation=Relu; choose"),
    ],
)
def test_a_claim_that_cannot_be_judged_is_refused_before_training(
    written: str, instead: str, said: str, command: Command, trained: Path, tmp_path: Path
) -> None:
    shutil.copytree(trained / "mine", tmp_path / "mine")
    (tmp_path / "my_claims.py").write_text(CLAIMS.replace(written, instead))
    done = command(*RUN)
    assert done.code == 2
    assert "the claim lower-loss" in done.err
    assert said in done.err
    assert not (tmp_path / "outputs").exists()


def test_it_is_reported_and_redrawn_also_without_its_file(command: Command, own: Path) -> None:
    assert ids(REPORT) == ["higher-accuracy", "lower-loss"]
    before = {path: path.read_bytes() for path in REPORT.rglob("*.*")}
    assert {"figure_1a.png", "README.md"} <= {path.name for path in before}
    shutil.rmtree(own / "mine")
    assert command("report", "mine").code == 0
    assert {path: path.read_bytes() for path in REPORT.rglob("*.*")} == before


def test_it_is_redrawn_as_its_file_has_it_now(command: Command, own: Path) -> None:
    file = own / "mine" / "experiment" / "mine.yaml"
    file.write_text(EXPERIMENT.replace("[accuracy, my_claims:CLAIMS]", "[accuracy]").replace("want", "wanted"))
    assert command("report", "--config-dir", "mine", "mine").code == 0
    assert ids(REPORT) == ["higher-accuracy"]
    assert "wanted" in (REPORT / "README.md").read_text()


def test_it_is_listed_with_and_without_its_file(command: Command, own: Path) -> None:
    lines = command("list").out.splitlines()
    assert "mine: What I [really] want to know" in lines
    assert lines[lines.index("mine: What I [really] want to know") + 1] == "  digits, laptop: 2 undecided"
    assert "Two norms of mine" in command("list", "mine", "--config-dir", "mine").out
    shutil.rmtree("results")
    assert "mine" not in command("list").out
    assert "not run yet" in command("list", "--config-dir", "mine").out
    assert (
        "lower-loss: Within so many epochs, the loss is lower with BN."
        in command("list", "mine", "--config-dir", "mine").out
    )


def test_an_altered_one_keeps_the_claims_it_was_altered_to(command: Command, own: Path) -> None:
    assert command(*RUN, "claims=[my_claims:CLAIMS]").code == 0
    (folder,) = (path.parent for path in Path("outputs").glob("mine-*/verdict.json"))
    assert ids(folder) == ["lower-loss"]
    assert command("report", "--config-dir", "mine", str(folder)).code == 0
    assert ids(folder) == ["lower-loss"]


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ("[acuracy]", "claims: there is no 'acuracy'; choose from accuracy, speed"),
        ("[nowhere:CLAIMS]", "claims=nowhere:CLAIMS: No module named 'nowhere'"),
        ("[bnexp.stats:paired]", "claims=bnexp.stats:paired is of <class 'function'>"),
    ],
)
def test_an_unknown_claim_is_a_mistake_before_anything_is_trained(
    command: Command, tmp_path: Path, claims: str, message: str
) -> None:
    said = command("run", "-m", "seed=0,1", "data=digits", "steps=3", "evaluations=2", f"claims={claims}")
    assert said.code == 2
    assert message in said.line
    assert not list(tmp_path.rglob("metrics.csv"))


def test_a_claim_that_fails_is_named_with_its_place_and_can_be_mended(command: Command, tmp_path: Path) -> None:
    (tmp_path / "failing.py").write_text(
        "from bnexp.claims import Paper, Peculiar\n"
        "def judge(records):\n"
        "    return records.nothing\n"
        "MINE = Peculiar('mine', '-', 'So it is.', Paper('-'), judge)\n"
    )
    run = ("run", "-m", "seed=0,1", "data=digits", "steps=3", "evaluations=2", "claims=[failing:MINE]")
    said = command(*run)
    assert said.code == 1
    last = said.err.strip().splitlines()[-1]
    assert "the claim mine failed: AttributeError" in last
    assert "failing.py, line 3)" in last
    (folder,) = (path.parent for path in Path("outputs").glob("runs-*/records"))
    assert f"bnexp report {folder}" in last


@pytest.mark.parametrize(
    ("words", "data", "other"),
    [
        ("experiment=mnist_activations", "mnist", False),
        ("experiment=mnist_activations data=mnist", "mnist", False),
        ("experiment=mnist_activations data=digits scale=smoke outputs=x", "digits", False),
        ("experiment=mnist_activations data=mnist,digits hydra/launcher=basic", "digits", False),
        ("experiment=mnist_activations data=mnist,cifar10", "mnist", False),
        ("experiment=mnist_activations data=mnist,cifar10", "cifar10", True),
        ("experiment=mnist_activations data=cifar10", "cifar10_jpeg", True),
        ("experiment=mnist_activations data=of_mine", "mnist", True),
        ("experiment=mnist_activations data.target=x:y", "mnist", True),
        ("experiment=mnist_activations -cp=elsewhere", "mnist", True),
        ("experiment=mnist_activations -cn=other", "mnist", True),
        ("experiment=inception data=cifar10", "cifar10_jpeg", False),
        ("experiment=inception data=mnist", "mnist", True),
        ("experiment=mine data=of_mine --config-dir=conf", "photos", False),
        ("experiment=built data=of_mine --config-dir=conf", "photos", False),
        ("experiment=built data=mnist --config-dir=conf", "mnist", True),
        ("experiment=elsewhere data=mnist", "mnist", True),
    ],
)
def test_an_experiment_on_other_data_or_of_other_configs_is_an_altered_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, data: str, other: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf" / "experiment").mkdir(parents=True)
    for name, text in (("mine", "defaults: [{override /data: of_mine}]"), ("built", "defaults: [mine, _self_]")):
        (tmp_path / "conf" / "experiment" / f"{name}.yaml").write_text(text)
    line = typed.read(words.split())
    config = Config(experiment=line.overrides[0].partition("=")[2], data=DataConfig(data))
    assert app.altered(config, line) is other


@pytest.mark.parametrize(
    ("experiment", "data", "said"),
    [
        ("inception", "cifar10_jpeg", " data=cifar10_jpeg"),
        ("inception", "cifar10", ""),
        ("lr_tolerance", "digits", " data=digits"),
        ("lr_tolerance", "mnist", ""),
    ],
)
def test_what_a_report_says_that_makes_it_makes_it(experiment: str, data: str, said: str) -> None:
    words = command_of(experiment, "overnight", data)
    assert words == f"bnexp run experiment={experiment} scale=overnight{said}"
    line = typed.read(words.removeprefix("bnexp run ").split())
    assert not app.altered(Config(experiment=experiment, data=DataConfig(data)), line)


@pytest.mark.parametrize("more", [(), ("hydra.mode=RUN", "norm=none", "seed=0")])
@pytest.mark.parametrize("text", [EXPERIMENT, "# @package _global_\ndefaults: [mnist_table]\n"])
def test_a_file_under_the_name_of_another_experiment_is_refused(
    command: Command, tmp_path: Path, text: str, more: tuple[str, ...]
) -> None:
    (tmp_path / "conf" / "experiment").mkdir(parents=True)
    (tmp_path / "conf" / "experiment" / "imposter.yaml").write_text(text)
    said = command("run", "--config-dir=conf", "experiment=imposter", "data=digits", "scale=smoke", *more)
    assert (said.code, said.out) == (2, "")
    assert "experiment=imposter: a file says `experiment: m" in said.line
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize("value", ["0.1", "[0.1, 1]", "null", "false"])
def test_what_is_no_text_among_the_values_of_grids_is_refused(command: Command, tmp_path: Path, value: str) -> None:
    (tmp_path / "conf" / "experiment").mkdir(parents=True)
    grids = (
        "# @package _global_\nexperiment: mine\nhydra: {mode: MULTIRUN, sweeper: {grids: [{norm: none, lr: VALUE}]}}\n"
    )
    (tmp_path / "conf" / "experiment" / "mine.yaml").write_text(grids.replace("VALUE", value))
    said = command("run", "--config-dir=conf", "experiment=mine", "data=digits")
    assert said.code == 2
    assert "values are text, as on the command line" in said.line
