"""Inception from the command line: experiments, several processes, kills, bad input, the full protocol."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pictures
import pytest
import torch
from conftest import Command
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from test_resume import finish, results, until

from bnexp.runs.checkpoint import LAYOUT

SMALL = (
    *("model=inception_small", "model.modules=[3a,3c,5b]", "model.multiplier=0.0625", "data=digits", "batch=16"),
    *("norm.batches=2", "evaluations=4", "init=he", "optimizer=momentum", "lr=0.02"),
)


def saved(outputs: Path) -> float:
    """When the newest checkpoint was saved; those being written have another name, until they are renamed."""
    with contextlib.suppress(FileNotFoundError):  # a run that ends removes its own
        return max((path.stat().st_mtime for path in outputs.glob("runs/.[0-9a-f]*.checkpoint")), default=0.0)
    return 0.0


@pytest.fixture(scope="module")
def smoked(tmp_path_factory: pytest.TempPathFactory, spawn: Callable[..., subprocess.Popen[str]]) -> Path:
    """A folder in which `inception` has been run at scale smoke on the stand-in."""
    folder = tmp_path_factory.mktemp("smoked")
    finish(spawn(folder, "run", "experiment=inception", "scale=smoke", "data=digits"))
    return folder


def test_the_arms_are_trained_judged_and_drawn(smoked: Path) -> None:
    folder = smoked / "results" / "smoke" / "digits" / "inception"
    verdict = json.loads((folder / "verdict.json").read_text())
    assert len(verdict["claims"]) == 33
    table = pd.read_csv(folder / "table.csv")
    assert set(table["arm"]) == {
        *("bn_baseline", "bn_x30", "bn_x5", "bn_x5_sigmoid", "inception", "inception_sigmoid"),
        *("inception_changes", "inception_changes_x1", "inception_x1", "inception_x5", "inception_x9", "bn_x30_fifth"),
        *("bn_x30_half", "inception_decayed", "inception_sigmoid_x5"),
    }
    assert "steps_to_95" in table.columns, "the stand-in for MNIST has MNIST's targets"
    readme = (folder / "README.md").read_text()
    assert "## Figure 3: the paper's columns and ours" in readme
    assert (folder / "figures" / "figure_2.png").stat().st_size > 10_000


def test_tensorboard_has_one_layer_of_every_module(smoked: Path) -> None:
    runs = [path for path in (smoked / "outputs" / "runs").iterdir() if not path.name.startswith(".")]
    assert len(runs) == 13 * 2 + 2 * 2 * 2 + 2, "arms, controls at two initial scales, longer ones on a tuning seed"
    events = EventAccumulator(str(runs[0])).Reload()
    modules = ("3a", "3b", "3c", "4a", "4b", "4e", "5a", "5b")
    assert {f"gradient_norm/{name}" for name in modules} <= set(events.Tags()["scalars"])
    assert {f"input_of_nonlinearity/{name}" for name in modules} == set(events.Tags()["histograms"])
    with np.load(runs[0] / "activations.npz") as stored:
        assert stored["5b"].shape[0] == len(pd.read_csv(runs[0] / "metrics.csv"))
    (sweep,) = (smoked / "outputs").glob("inception-*/tensorboard")
    arms = {path.name for path in sweep.iterdir()}
    assert {"hparams", "report"} <= arms
    assert {name.partition("_init.scale")[0] for name in arms} >= {"bn_x5", "bn_baseline"}


def test_killed_it_goes_on_from_its_checkpoint_to_the_same_result(
    spawn: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    sweep = ("run", "-m", *SMALL, "norm=none,batch", "model.dropout=0.2", "steps=60", "checkpoint=5", "processes=2")
    finish(spawn(tmp_path, *sweep, "outputs=whole"))
    for blow in (signal.SIGKILL, signal.SIGTERM):
        before = saved(tmp_path / "cut")
        process = spawn(tmp_path, *sweep, "outputs=cut")
        until(lambda before=before: saved(tmp_path / "cut") > before)
        process.send_signal(blow)
        process.communicate(timeout=60)
    said = finish(spawn(tmp_path, *sweep, "outputs=cut"))
    assert "2 networks" in said
    assert results(tmp_path / "cut") == results(tmp_path / "whole")
    assert not list((tmp_path / "cut").rglob("*.checkpoint*"))


@pytest.mark.parametrize("state", [None, {"step": 3}, {"step": 3, "network": {"network": {}}}])
def test_a_damaged_checkpoint_counts_as_none(command: Command, tmp_path: Path, state: dict[str, Any] | None) -> None:
    """Or one that can be read and has another content than the run."""
    run = ("run", *SMALL, "steps=8", "processes=1")
    assert command(*run, "outputs=whole").code == 0
    (folder,) = (path for path in (tmp_path / "whole" / "runs").iterdir() if path.is_dir())
    (tmp_path / "again" / "runs").mkdir(parents=True)
    damaged = tmp_path / "again" / "runs" / f".{folder.name.rpartition('-')[2]}.checkpoint"
    damaged.write_bytes(b"damaged")
    if state is not None:
        torch.save({"layout": LAYOUT, "id": folder.name.rpartition("-")[2], "state": state}, damaged)
    said = command(*run, "outputs=again")
    assert said.code == 0
    assert damaged.name in said.err
    assert "begins at its first step" in said.err
    assert not damaged.exists()
    assert results(tmp_path / "again") == results(tmp_path / "whole")


def test_two_processes_train_one_network_and_the_first_alone_writes(command: Command, tmp_path: Path) -> None:
    said = command("run", *SMALL, "steps=6", "nproc=2", "norm.sync=true", "init.scale=0.5")
    assert said.code == 0, said.err
    alone = command("run", *SMALL, "steps=6", "init.scale=0.5")
    assert alone.code == 0, alone.err
    both = [path for path in (tmp_path / "outputs" / "runs").iterdir() if path.is_dir()]
    assert len(both) == 2
    losses = [pd.read_csv(path / "metrics.csv")["train_loss"] for path in both]
    assert np.allclose(losses[0], losses[1], rtol=1e-3)


def test_when_one_of_the_processes_fails_the_others_end_and_the_run_is_named(command: Command, tmp_path: Path) -> None:
    (tmp_path / "failing.py").write_text(
        "import torch\n"
        "class Norm(torch.nn.Identity):\n"
        "    def __init__(self, features):\n"
        "        super().__init__()\n"
        "    def forward(self, x):\n"
        "        if torch.distributed.is_initialized() and torch.distributed.get_rank() == 1:\n"
        "            raise RuntimeError('no more')\n"
        "        return x\n"
    )
    said = command("run", *SMALL, "steps=6", "nproc=2", "norm=module", "norm.target=failing:Norm")
    assert said.code == 1
    assert "RuntimeError: no more" in said.err.splitlines()[-1]


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (["nproc=3"], "bnexp: batch=16 with nproc=3: the mini-batch must divide into equal parts"),
        (["model.modules=[3a,6z]"], "bnexp: model.modules=6z: choose from 3a, 3b, 3c, 4a, 4b, 4c, 4d, 4e, 5a, 5b"),
        (["model.modules=[5b,3a]"], "bnexp: model.modules=['5b', '3a'] is out of range: give each once, in order"),
        (["model.modules=[]"], "bnexp: model.modules=[] is out of range: give at least one module"),
        (["norm=group", "norm.groups=10"],
         "bnexp: norm.groups=10 with model=inception_small: feature maps come in multiples of 8; use 1, 2, 4 or 8"),
        (["norm=layer", "norm.per_activation=true"],
         "bnexp: norm.per_activation=true with norm=layer: it is an option of norm=batch"),
        (["data.crop=40"], "bnexp: data.crop=40 is larger than images of 8×8 with data.padding=0"),
        (["arm=bn_x50"], "bnexp: there is no arm=bn_x50; did you mean bn_x5?"),
        (["precision=float16"], "bnexp: precision=float16: choose from float32, bfloat16"),
        (["model=mlp", "nproc=2"], "bnexp: nproc=2 with model=mlp: many such networks are trained as one, in float32; "
                                   "it is for model=inception and model=inception_small"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line(command: Command, settings: list[str], line: str) -> None:
    said = command("run", *SMALL, *settings)
    assert said.code in (1, 2)
    assert said.line == line


def test_group_normalisation_works_with_its_defaults(command: Command, tmp_path: Path) -> None:
    said = command("run", *SMALL, "norm=group", "steps=1")
    assert said.code == 0, said.err
    (folder,) = (path for path in (tmp_path / "outputs" / "runs").iterdir() if path.is_dir())
    assert "groups: 4" in (folder / "config.yaml").read_text()


def test_the_papers_protocol_starts_and_runs(spawn: Callable[..., subprocess.Popen[str]], tmp_path: Path) -> None:
    pictures.imagenet(tmp_path / "data", classes=2, train=10, val=3)
    arms = "arm=inception,bn_baseline"
    small = (
        "experiment=paper",
        arms,
        f"data.root={tmp_path}/data",
        "batch=2",
        "norm.batches=1",
        "model.multiplier=0.25",
    )
    said = finish(spawn(tmp_path, "run", *small, "steps=10", "evaluations=1"))
    assert "100%" in said
    folders = [path for path in (tmp_path / "outputs" / "runs").iterdir() if path.is_dir()]
    assert len(folders) == 2
    for folder in folders:
        assert json.loads((folder / "summary.json").read_text())["status"] in ("ok", "diverged")
        assert pd.read_csv(folder / "metrics.csv")["step"].tolist() == [0, 10]
    (report,) = tmp_path.glob("outputs/**/verdict.json")
    judged = {claim["id"]: claim for claim in json.loads(report.read_text())["claims"]}
    assert {claim["verdict"] for claim in judged.values()} == {"undecided"}, "one seed decides nothing"
    assert (judged["baseline-higher"]["n"], judged["baseline-higher"]["ci95"]) == (1, None)
    assert judged["baseline-higher"]["effect"] is not None


def test_what_the_protocol_costs_is_said_before_it_begins(
    spawn: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    pictures.imagenet(tmp_path / "data", classes=2, train=10, val=3)
    small = ("experiment=paper", "arm=bn_x5", f"data.root={tmp_path}/data", "batch=4", "model.multiplier=0.0625")
    process = spawn(tmp_path, "run", *small)
    until(lambda: any((tmp_path / "outputs").rglob("metrics.csv")))
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert "1 of 1 run to train: about" in out
    assert "days" in out or "hours" in out


def test_models_are_listed_with_their_parameters_beside_the_papers(command: Command) -> None:
    said = " ".join(command("list", "models").out.split())
    assert "11,178,336" in said
    assert "13.6 million" in said
    assert "about 11.3 million" in said
