"""Every mistake and failure: one clear line, exit code 2 or 1, no traceback unless asked for."""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Command

from bnexp.command import mistakes
from bnexp.launch import worker
from bnexp.launch.sink import RunSink
from bnexp.runs.records import RecordsError

MISTAKES = [
    ("run stepz=5", "no setting stepz; did you mean steps?"),
    ("run norm.epss=1", "no setting norm.epss; did you mean norm.eps?"),
    ("run norn=batch", "no setting norn; did you mean norm?"),
    ("run norm=bach", "no norm=bach; did you mean batch?"),
    ("run experiment=mnist_activation", "did you mean mnist_activations?"),
    ("run hydra/launcher=bsic", "no hydra/launcher=bsic; did you mean basic?"),
    ("run lr=abc", "lr=abc: Value 'abc' of type 'str' could not be converted to Float"),
    ("run steps=1.5", "steps=1.5"),
    ("run data.binarize=7.5", "data.binarize"),
    ("run lr=0", "lr=0.0 is out of range"),
    ("run lr=-1", "lr=-1.0 is out of range"),
    ("run lr=nan", "lr=nan is out of range"),
    ("run steps=0", "steps=0 is out of range: give at least 1 step"),
    ("run seed=-1", "seed=-1 is out of range"),
    ("run norm.eps=inf", "norm.eps=inf is out of range"),
    ("run norm=batch_renorm norm.r_max=inf", "norm.r_max=inf is out of range"),
    ("run optimizer=adam optimizer.eps=inf", "optimizer.eps=inf is out of range"),
    ("run data.padding=2", "data.padding=2 without data.crop"),
    ("run batch=1", "batch=1 with norm=batch"),
    ("run batch=5000 data=digits", "batch=5000 is larger than the training set"),
    ("run model.depth=0", "model.depth=0 is out of range: give at least 1 hidden layer"),
    (
        "run evaluations=1000000000",
        "evaluations=1000000000 is out of range: give at least 1 evaluation, at most 100,000",
    ),
    ("run data.classes_per_batch=7", "data.classes_per_batch=7 with batch=60: a mini-batch must have equally many"),
    ("run data.classes_per_batch=0", "data.classes_per_batch=0 with batch=60: a mini-batch must have equally many"),
    ("run data.classes_per_batch=2 data.reshuffle=false", "classes are drawn anew for every mini-batch"),
    ("run data.classes_per_batch=20 data=digits", "data.classes_per_batch=20: UCI digits has 10 classes"),
    (
        "run norm.placement=hidden_input model.depth=1",
        "the only hidden layer is the first, whose input is left",
    ),
    ("run norm.placement=hidden_input model=inception_small", "norm.placement=hidden_input with model=inception_small"),
    (
        "run norm=batch_renorm norm.schedule=1.5",
        "norm.schedule=1.5 is out of range: give a part of the training in (0, 1]",
    ),
    ("run norm=batch_renorm norm.schedule=0", "norm.schedule=0.0 is out of range"),
    ("run early_evaluations=5", "early_evaluations=5 with early_steps=0: so many evaluations are made up to so many"),
    ("run early_steps=5", "give early_evaluations too, or neither"),
    ("run early_spacing=log", "there are no early evaluations; give early_evaluations and early_steps, too"),
    ("run early_spacing=odd", "early_spacing=odd"),
    ("run figures=gif", "figures=gif"),
    ("report figures=gif", "gif"),
    ("run model.depth=9223372036854775807", "is out of range: give at least 1 hidden layer, at most 1,000"),
    ("run model.width=100000", "model.depth=3 with model.width=100000: 30,000,000,000 weights; at most 1,000,000,000"),
    ("run model.width=99999999999999999999", "is out of range: give at least 1 unit, at most 100,000"),
    ("run seed=9223372036854775808", "is out of range: give a whole number from 0 to"),
    ("run model=inception_small model.multiplier=1e9", "is out of range: give a factor above 0, at most 8"),
    ("run data.padding=99999", "data.padding=99999 is out of range: give at least 0 pixels, at most 256"),
    ("run norm.batches=9999999999", "is out of range: give at least 1 mini-batch, at most 100,000"),
    ("run model.activation=softplus", "model.activation=softplus: choose from sigmoid, tanh, relu"),
    ("run norm=module", "norm=module without norm.target"),
    ("run norm=module norm.target=nowhere:Norm", "No module named 'nowhere'"),
    ("run +unknown=1", "no setting unknown"),
    ("run +norm.unknown=1", "no setting norm.unknown"),
    ("run lr=[1", "lr"),
    ("run -m norm=none,bach", "no norm=bach; did you mean batch?"),
    ("run -m lr=0.1,abc", "lr: Value 'abc'"),
    ("run -m lrr=0.1,0.2", "no setting lrr; did you mean lr?"),
    ("run -m batch=1,2", "batch=1 with norm=batch"),
    ("rnu", "no command rnu; did you mean run?"),
    ("list zzzqqq", "no experiment zzzqqq; bnexp list has them all"),
    ("run experiment=zzzqqq", "no experiment=zzzqqq; bnexp list has them all"),
    ("report mnist_tabel", "no experiment mnist_tabel; did you mean mnist_table?"),
    ("data mnits", "no data set mnits"),
    ("view", "no runs in outputs"),
    ("run device=tpu", "device=tpu: choose from auto, cpu, cuda"),
    ("run mnist_activations", "settings are written KEY=VALUE; did you mean experiment=mnist_activations?"),
    ("run smoke", "did you mean scale=smoke?"),
    ("run lr", "did you mean lr=…?"),
    ("run qwertyuiop", "bnexp run --help lists them"),
    ("norm=batch seed=1", "did you mean bnexp run norm=batch seed=1?"),
    ("mnist_table", "did you mean bnexp run experiment=mnist_table?"),
    ("--experiment=foo", "did you mean bnexp run experiment=foo?"),
    ("run --experiment=foo", "settings are written without dashes, experiment=foo"),
    ("run --experiment foo", "settings are written without dashes, experiment=…"),
    ("run --multirum lr=0.1", "no flag --multirum; did you mean --multirun?"),
    ("run lr=0.1 --cfg", "expected one argument"),
    ("run --cfg nope", "invalid choice: 'nope'"),
    ("run --resolve", "--resolve goes with --cfg"),
    ("run -m --cfg job", "not allowed with"),
    ("run hydra.swep.dir=x", "no setting hydra.swep.dir; did you mean hydra.sweep.dir?"),
    ("run hydra.sweeper.params={nope:1} -m", "there is no setting nope; bnexp run --help lists them all"),
    ("run hydra.sweeper.params={nope:1}", "there is no setting nope"),
    ("run +hydra.sweeper.params.lrr=1 -m", "there is no setting lrr; did you mean lr?"),
    ("run hydra.sweeper.grids=[{norm:none},{norn:batch}] -m", "there is no setting norn; did you mean norm?"),
    ("run -m hydra/sweeper=basic hydra.sweeper.grids=[{norm:none}]", "with hydra/sweeper=basic: grids, arms that are"),
    ("run hydra/sweeper=basic +hydra.sweeper.grids=[{norm:none}]", "with hydra/sweeper=basic: grids, arms that are"),
    ("run hydra/sweeper=basic experiment=placement", "hydra.sweeper.grids with another hydra/sweeper: grids, arms"),
    ("run model=1e3", "model=1e3: model is chosen by a name; there are: inception, inception_small, mlp"),
    ("run norm=null", "norm=null: norm is chosen by a name; there are: batch"),
    ("run data=1", "data=1: data is chosen by a name"),
    ("run -m norm=none,1", "norm=none,1: norm is chosen by a name"),
    ("run experiment=", "experiment=: experiment is chosen by a name; there are: ablation"),
    ("run experiment=[optimizers,saturating]", "experiment is chosen by a name"),
    ("run hydra/launcher=3", "hydra/launcher=3: hydra/launcher is chosen by a name"),
    ("run ~dry_run", "~dry_run: a setting cannot be taken away; give it a value"),
    ("run ~norm", "~norm: a setting cannot be taken away"),
    ("run ~nope", "no setting nope; bnexp run --help lists them all"),
    ("run -m seed=range(0) norm=none,batch", "seed=range(0): no value, so there is nothing to run"),
    ("run -m lr=interval(0,1)", "lr=interval(0,1): an interval needs a sweeper such as Optuna's"),
    ("run lr=0.1,0.2", "lr=0.1,0.2: to run all of them, add -m; one value that is a list is written lr=[0.1,0.2]"),
    ("run -m outputs=a,b", "outputs=a,b: it goes for the whole command; give one value"),
    ("run experiment=optimizers device=cpu,cuda", "device=cpu,cuda: it goes for the whole command"),
    ("run experiment=optimizers,optimisers", "no experiment=optimisers; did you mean optimizers?"),
    ("run arm=bn_x5", "arm=bn_x5 with model=mlp: it is one of Figure 3's Inceptions; add model=inception_small"),
    ("run --config-name nope", "Cannot find primary config 'nope'"),
    ("view nowhere", "no runs in nowhere"),
    ("view .  --port 70000", "--port 70000: ports go from 1 to 65535"),
    ("view . --port abc", "invalid int value: 'abc'"),
    ("list --nope", "unrecognized arguments: --nope"),
    (f"run outputs={'x' * 5000} lr=0", "lr=0.0 is out of range"),
    (f"run lr={'x' * 5000}", "[…]"),
]


@pytest.mark.parametrize(("line", "message"), MISTAKES, ids=[line[:60] for line, _ in MISTAKES])
def test_a_mistake_is_one_line_and_exit_code_2(command: Command, line: str, message: str) -> None:
    said = command(*line.split())
    assert (said.code, said.out) == (2, "")
    assert said.err.strip().splitlines()[-1].startswith("bnexp: ")
    assert message in said.line
    assert len(said.line) < 1200


@pytest.mark.parametrize("line", ["run lr=0", "run -m seed=range(0)", "run experiment=optimizers lr=0"])
def test_nothing_is_written_by_a_mistake(command: Command, tmp_path: Path, line: str) -> None:
    assert command(*line.split()).code == 2
    assert list(tmp_path.iterdir()) == []


def test_a_traceback_is_there_when_asked_for(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    said = command("run", "lr=0")
    assert said.code == 2
    assert "Traceback" in said.err
    assert "Traceback" not in command("run", "--help").err


def test_runs_that_nobody_would_gather_are_refused(command: Command) -> None:
    few = ("model.activation=relu", "model.depth=1", "lr=0.1", "seed=0", "steps=1", "evaluations=1", "early_steps=1")
    hydras = ("hydra/sweeper=basic", "hydra/launcher=basic")
    said = command("run", "experiment=lr_tolerance", *hydras, "data=digits", "data.validation=200", *few)
    assert said.code == 2
    assert "nobody gathers the runs to judge lr_tolerance" in said.err.splitlines()[-1]  # Hydra names the job before it


def test_a_port_that_is_taken_is_named(spawn: Callable[..., subprocess.Popen[str]], tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("localhost", 0))
        taken.listen()
        process = spawn(tmp_path, "view", ".", "--port", str(taken.getsockname()[1]))
        _, err = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "choose another" in err.splitlines()[-1]


def test_mnist_by_name_and_not_to_be_had_names_folder_files_and_ways_out(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bnexp.data.mnist.mirrors", lambda: ["http://127.0.0.1:9/"])
    said = command("run", "data=mnist", f"data.root={tmp_path / 'none'}", "steps=2")
    assert said.code == 1
    last = said.err.strip().splitlines()[-1]
    for part in (str(tmp_path / "none"), "train-images-idx3-ubyte.gz", "bnexp data mnist", "BNEXP_DATA", "data=digits"):
        assert part in last


def test_a_damaged_data_file_is_named(command: Command, tmp_path: Path) -> None:
    raw = tmp_path / "here" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (raw / f"{name}-ubyte.gz").write_bytes(b"cut short")
    said = command("run", f"data.root={tmp_path / 'here'}", "steps=2")
    assert said.code == 1
    assert "train-images-idx3-ubyte.gz" in said.line
    assert "delete" in said.line


@pytest.mark.parametrize("key", ["outputs", "results"])
def test_a_folder_that_cannot_be_written_is_named_before_training(command: Command, tmp_path: Path, key: str) -> None:
    (tmp_path / "file").write_text("")
    said = command("run", "experiment=mnist_activations", "scale=smoke", "data=digits", f"{key}=file/inside")
    assert said.code == 1
    assert "cannot write into file/inside" in said.line
    assert not list(tmp_path.rglob("metrics.csv"))


def test_a_full_disk_while_training_loses_nothing_that_was_finished(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = ("run", "-m", "hydra/launcher=basic", "norm=none,batch", "data=digits", "steps=20", "evaluations=3")
    write = RunSink.write

    def full(self: RunSink, evaluation: Any) -> None:
        if self.folder.config.norm.name == "batch" and evaluation.step > 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(self, evaluation)

    with monkeypatch.context() as patch:
        patch.setattr(RunSink, "write", full)
        said = command(*sweep)
    assert said.code == 1
    assert "No space left on device" in said.err.strip().splitlines()[-1]
    assert "Traceback" not in said.err
    summaries = {path.parent.name.split("-")[1]: path.read_text() for path in tmp_path.rglob("summary.json")}
    assert '"ok"' in summaries["none"]
    assert '"crashed"' in summaries["batch"]
    (log,) = tmp_path.rglob("log.txt")
    assert "Traceback" in log.read_text()
    assert command(*sweep).code == 0  # with room again, the same command does the rest


def test_what_the_disk_refuses_a_thread_of_tensorboard_is_not_told_twice(capfd: pytest.CaptureFixture[str]) -> None:
    def refuse() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = threading.excepthook
    with worker._one_voice():
        writer = threading.Thread(target=refuse)
        writer.start()
        writer.join()
    assert capfd.readouterr().err == ""
    assert threading.excepthook is before


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.EACCES, "Permission denied", "outputs/runs"), "Permission denied: outputs/runs"),
        (OSError(errno.EIO, "Input/output error"), "Input/output error"),
        (
            OSError(errno.ENOSPC, "No space left on device", "results"),
            "No space left on device: results; make room and give the same command again",
        ),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            "No space left on device; make room and give the same command again",
        ),
        (OSError("cannot be mapped"), "cannot be mapped"),
        (RecordsError("the run is damaged"), "the run is damaged"),
        (OSError(), "OSError"),
    ],
)
def test_an_error_of_the_system_says_what_it_is_about_and_what_to_do(error: Exception, message: str) -> None:
    assert mistakes.explain(error) == (1, message)


def test_runs_that_fail_are_named_and_the_others_are_trained(command: Command, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(
        "import torch\nclass Norm(torch.nn.Module):\n    def __init__(self, features):\n        super().__init__()\n"
        "        self.passes = 0\n    def forward(self, x):\n        self.passes += 1\n"
        "        if self.passes > 5:\n            raise RuntimeError('no such luck')\n        return x\n"
    )
    grids = "hydra.sweeper.grids=[{norm: none}, {norm: module, norm.target: 'broken:Norm'}]"
    said = command("run", "-m", grids, "seed=0,1", "data=digits", "steps=20", "evaluations=3", "model.depth=1,2")
    assert said.code == 1
    assert "RuntimeError: no such luck" in said.err.strip().splitlines()[-1]
    states = [json.loads(path.read_text())["status"] for path in tmp_path.rglob("summary.json")]
    assert sorted(states) == ["crashed"] * 4 + ["ok"] * 4


def test_a_diverged_network_is_a_result(command: Command, tmp_path: Path) -> None:
    said = command("run", "norm=none", "model.activation=relu", "lr=1e30", "data=digits", "steps=20", "evaluations=3")
    assert said.code == 0
    assert "diverged" in said.out
    (summary,) = tmp_path.rglob("summary.json")
    assert '"diverged"' in summary.read_text()


def test_damaged_records_are_named(command: Command, tmp_path: Path) -> None:
    records = tmp_path / "results" / "mnist_table" / "records"
    records.mkdir(parents=True)
    (records / "runs.json").write_text("{")
    said = command("report")
    assert said.code == 1
    assert "runs.json is damaged" in said.line
