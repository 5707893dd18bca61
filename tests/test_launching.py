"""Several experiments in one command, other sweepers, callbacks, and what names a run."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from conftest import Command

from bnexp import app
from bnexp.config import Config, DataConfig, InitConfig, ModelConfig, NormConfig
from bnexp.launch import stacks
from bnexp.runs.folder import RunFolder
from bnexp.runs.records import load

TINY = ("data=digits", "steps=4", "evaluations=1", "model.depth=1", "model.width=4", "norm.batches=1")

EXPERIMENT = """# @package _global_
experiment: {name}
title: "{name}"
claims: [accuracy]
lr: {lr}
hydra:
  mode: MULTIRUN
  sweeper:
    params: {{norm: "{norms}", seed: "0,1"}}
"""


@pytest.fixture
def mine(tmp_path: Path) -> str:
    """Two experiments of the user's: one with both networks, one of BN alone."""
    folder = tmp_path / "mine" / "experiment"
    folder.mkdir(parents=True)
    (folder / "first.yaml").write_text(EXPERIMENT.format(name="first", lr=0.1, norms="none,batch"))
    (folder / "second.yaml").write_text(EXPERIMENT.format(name="second", lr=0.2, norms="batch"))
    return "--config-dir=mine"


def test_several_experiments_are_judged_and_reported_each_for_itself(
    command: Command, tmp_path: Path, mine: str
) -> None:
    said = command("run", "experiment=first,second", mine, *TINY)
    assert said.code == 0, said.err
    records = {path.parents[1].name.rpartition("-")[0]: path for path in tmp_path.rglob("records/runs.json")}
    arms = {
        name: sorted((run.norm, run.fields["lr"]) for run in load(path.parent).runs) for name, path in records.items()
    }
    both = [("batch", 0.1), ("batch", 0.1), ("none", 0.1), ("none", 0.1)]
    assert arms == {"first": both, "second": [("batch", 0.2), ("batch", 0.2)]}


def test_where_runs_of_one_experiment_fail_the_others_are_reported(command: Command, tmp_path: Path, mine: str) -> None:
    (tmp_path / "broken.py").write_text(
        "import torch\nclass Norm(torch.nn.Module):\n    def __init__(self, features):\n        super().__init__()\n"
        "        self.calls = 0\n    def forward(self, x):\n        self.calls += 1\n"
        "        if self.calls > 3:\n            raise RuntimeError('no such luck')\n        return x\n"
    )
    second = tmp_path / "mine" / "experiment" / "second.yaml"
    text = EXPERIMENT.format(name="second", lr=0.2, norms="module")
    second.write_text(f"{text}norm: {{target: 'broken:Norm'}}\n")
    said = command("run", "experiment=first,second", mine, *TINY)
    assert said.code == 1
    assert "no such luck" in said.err.strip().splitlines()[-1]
    assert "100%" not in said.err
    assert [path.parents[1].name.rpartition("-")[0] for path in tmp_path.rglob("records/runs.json")] == ["first"]


def test_another_sweeper_has_its_runs_judged(command: Command, tmp_path: Path, mine: str) -> None:
    said = command("run", "experiment=first", "hydra/sweeper=basic", mine, *TINY)
    assert said.code == 0, said.err
    (verdict,) = tmp_path.rglob("verdict.json")
    assert json.loads(verdict.read_text())["experiment"] == "first"


NORM = "import torch\nclass N(torch.nn.LayerNorm):\n    def __init__(self, n): super().__init__(n)\n"


@pytest.mark.parametrize("choice", ["hydra/launcher=basic", "hydra/launcher=joblib", "hydra/sweeper=basic"])
def test_a_norm_of_ones_own_beside_others_whatever_the_launcher(
    spawn: Callable[..., subprocess.Popen[str]], tmp_path: Path, choice: str
) -> None:
    (tmp_path / "m.py").write_text(NORM)
    # joblib keeps its processes, and their current folder, as long as the one that began them
    process = spawn(tmp_path, "run", "-m", "norm=none,module", "norm.target=m:N", choice, *TINY[:-1])
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    assert sorted(path.name.split("-")[1] for path in tmp_path.glob("outputs/runs/[!.]*")) == ["N", "none"]


def test_a_norm_of_ones_own_that_no_job_uses_is_refused_whatever_the_launcher(command: Command, tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text(NORM)
    said = command("run", "-m", "norm=none,batch", "norm.target=m:N", "hydra/launcher=basic", *TINY)
    assert (said.code, "norm.target=m:N with norm=none,batch: it is for norm=module" in said.line) == (2, True)
    assert not (tmp_path / "outputs").exists()


def test_a_dry_run_trains_nothing_whatever_the_launcher(command: Command, tmp_path: Path, mine: str) -> None:
    said = command("run", "experiment=second", "hydra/launcher=basic", "dry_run=true", mine, *TINY)
    assert said.code == 0, said.err
    assert "2 of 2 runs to train" in said.out
    assert not (tmp_path / "outputs").exists()


def test_callbacks_hear_of_every_job_and_of_its_accuracy(command: Command, tmp_path: Path) -> None:
    (tmp_path / "hear.py").write_text(
        "from pathlib import Path\nfrom hydra.experimental.callback import Callback\n"
        "from hydra.core.hydra_config import HydraConfig\n"
        "def say(*words):\n    with Path('heard').open('a') as file:\n        print(*words, file=file)\n"
        "class Hear(Callback):\n"
        "    def on_job_start(self, config, **_):\n"
        "        say('start', config.hydra.job.num, config.lr, HydraConfig.get().job.num)\n"
        "    def on_job_end(self, config, job_return, **_):\n"
        "        say('end', config.lr, job_return.status.name, 0 <= job_return.return_value <= 1)\n"
    )
    said = command("run", "-m", "lr=0.1,0.2", "+hydra.callbacks.hear._target_=hear.Hear", *TINY)
    assert said.code == 0, said.err
    lines = (tmp_path / "heard").read_text().splitlines()
    assert lines == ["start 0 0.1 0", "start 1 0.2 1", "end 0.1 COMPLETED True", "end 0.2 COMPLETED True"]


@pytest.mark.parametrize("validation", [0, 300])
def test_a_job_is_worth_its_final_accuracy_on_validation_images_where_there_are_some(
    command: Command, tmp_path: Path, validation: int
) -> None:
    assert command("run", "-m", "seed=0", f"data.validation={validation}", *TINY).code == 0
    (metrics,) = tmp_path.rglob("metrics.csv")
    last = pd.read_csv(metrics).iloc[-1]
    config = Config(
        steps=4, evaluations=1, scale="laptop", outputs=str(tmp_path / "outputs"),
        data=DataConfig("digits", validation=validation), model=ModelConfig(depth=1, width=4),
        norm=NormConfig(batches=1),
    )  # fmt: skip
    (settled,) = app.settle([config])
    assert app.score(settled, {}) == pytest.approx(last["validation_accuracy" if validation else "accuracy"], abs=1e-12)


def test_hydra_may_be_verbose(spawn: Callable[..., subprocess.Popen[str]], tmp_path: Path) -> None:
    process = spawn(tmp_path, "run", "-m", "seed=0", "hydra.verbose=true", *TINY)  # its logging would stay here
    printed = "".join(process.communicate(timeout=120))
    assert process.returncode == 0, printed
    assert "Config search path" in printed
    assert "Traceback" not in printed


def test_runs_are_named_by_what_varies_in_the_command() -> None:
    def labels(*configs: Config) -> list[str]:
        return list(stacks.labels(configs).values())

    base = Config(scale="smoke")
    assert labels(base) == [""]
    deep = Config(model=ModelConfig(depth=9), seed=1, scale="smoke")
    assert labels(base, deep) == ["seed=0 model.depth=3", "seed=1 model.depth=9"]
    others = [
        Config(norm=NormConfig(name), init=InitConfig(scheme), scale="smoke")
        for name, scheme in (("none", "he"), ("layer", "xavier"))
    ]
    assert labels(*others) == ["norm=none init=he", "norm=layer init=xavier"]
    arms = [Config(arm=arm, lr=lr, l2=l2, scale="smoke") for arm, l2 in (("a", 0.0), ("b", 0.1)) for lr in (1.0, 2.0)]
    assert labels(*arms) == ["arm=a lr=1.0", "arm=a lr=2.0", "arm=b lr=1.0", "arm=b lr=2.0"]


def test_a_stack_is_named_by_its_first_run(tmp_path: Path) -> None:
    runs = [Config(seed=seed, scale="smoke", device="cpu", processes=1) for seed in range(3)]
    _, (stack,) = stacks.plan(runs[0], [runs])
    assert str(stack) == "seed=0 and 2 more"
    _, (alone,) = stacks.plan(runs[0], [runs[:1]])
    assert str(alone) == RunFolder("", runs[0]).path.name


def test_a_report_is_of_one_experiment_scale_and_data_set() -> None:
    def run(experiment: str | None, scale: str, dataset: str) -> Config:
        return Config(experiment=experiment, scale=scale, data=DataConfig(dataset))

    runs = [
        run(None, "smoke", "mnist"),
        run("a", "smoke", "mnist"),
        run("a", "smoke", "digits"),
        run("a", "gpu", "mnist"),
    ]
    assert [len(part) for part in app.parts([*runs, *runs]).values()] == [2, 2, 2, 2]


def test_files_in_the_users_folder_hide_nobody_elses(
    spawn: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    for name in ("statistics", "random", "queue", "yaml", "tempfile", "numpy"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('the file of a user')\n")
    (tmp_path / "my_norm.py").write_text("from torch.nn import LayerNorm as Mine\n")
    process = spawn(tmp_path, "run", "norm=module", "norm.target=my_norm:Mine", *TINY[:-1])
    out, err = process.communicate(timeout=300)
    assert (process.returncode, "the file of a user" in out + err) == (0, False), err


def test_ctrl_c_ends_the_view_without_a_word_about_runs(
    spawn: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    process = spawn(tmp_path, "view", ".", "--port", "0")
    assert process.stdout is not None
    assert "Ctrl-C ends it" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, "interrupted" in err) == (0, False)
