"""Networks from outside the package: named, held to what training needs, trained alone, looked at."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Command
from torch import nn

from bnexp import data, models
from bnexp.config import Config, ConfigError, DataConfig, InitConfig, ModelConfig, NormConfig, RunConfig, run_id
from bnexp.engine.contract import try_out
from bnexp.engine.single import Single
from bnexp.engine.train import train
from bnexp.launch import stacks, trial

MINE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, shape, classes, norm, width=8):
        super().__init__()
        self.conv = nn.Conv2d(shape[0], width, 3, padding=1)
        self.bn = norm(width)
        self.act = nn.ReLU()
        self.mix = nn.Sequential(nn.Flatten(), nn.Linear(width * shape[1] * shape[2], 2 * width), nn.GELU())
        self.head = nn.Linear(2 * width, classes)
        self.gain = nn.Parameter(torch.randn(1))
        self.watched = ["act", "mix.2"]

    def forward(self, x):
        x = self.act(self.bn(self.conv(x)))
        return self.gain * self.head(self.mix(x.view(len(x), -1)))

def none(shape, classes, norm): Net(shape, classes, norm)

def blind(shape, classes, norm):
    net = Net(shape, classes, norm)
    del net.watched
    return net

def elsewhere(shape, classes, norm):
    net = Net(shape, classes, norm)
    net.watched = ["relu1"]
    return net

def twice(shape, classes, norm):
    act = nn.Tanh()
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), act, nn.Linear(16, 16), act, nn.Linear(16, classes))
    net.watched = ["2"]
    return net

def narrow(shape, classes, norm): return Net(shape, classes - 1, norm)

def broken(shape, classes, norm):
    return Net(shape, classes, norm, width="8")

def leaves(shape, classes, norm): raise SystemExit(3)

class Gate(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.inner = nn.Linear(features, features)
    def forward(self, x):
        return x * torch.sigmoid(self.inner(x))

class Named(nn.Sequential):
    def __init__(self, shape, classes, norm):
        super().__init__()
        self.flat = nn.Flatten()
        self.normal = nn.Linear(shape[0] * shape[1] * shape[2], 8)
        self.gate = norm(8)
        self.act = nn.Tanh()
        self.head = nn.Linear(8, classes)
        self.watched = ["act"]

text = "a network"
"""


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`my_net.py` in the current folder, unknown to tests that come later."""
    (tmp_path / "my_net.py").write_text(MINE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    sys.modules.pop("my_net", None)


def own(target: str = "my_net:Net", norm: str = "batch", **settings: object) -> RunConfig:
    return RunConfig(
        steps=40,
        batch=16,
        lr=0.05,
        evaluations=2,
        data=DataConfig(name="digits"),
        model=ModelConfig(name="module", target=target, settings=settings),
        norm=NormConfig(norm, batches=2, groups=4),
        init=InitConfig("he", 1.0),
    )


@pytest.mark.usefixtures("one_thread")
def test_it_is_trained_and_looked_at_where_it_says() -> None:
    run = own(width=12)
    rows = list(train([run], data.load(run.data)))
    assert rows[-1].metrics["accuracy"] > 0.3
    assert rows[-1].layers["act"].statistics.shape == (12, 5)
    assert rows[-1].layers["mix"].statistics.shape == (24, 5)
    assert 0 < rows[-1].metrics["saturated/act"] < 1
    assert np.isnan(rows[-1].metrics["saturated/mix"]), "of GELU nobody has said when it is saturated"
    assert rows[0].metrics["gradient_norm/act"] > 0
    assert rows[0].metrics["gradient_norm/mix"] > 0
    again = list(train([run], data.load(run.data)))
    assert repr([row.metrics for row in again]) == repr([row.metrics for row in rows])


def test_the_weights_in_front_of_a_watched_layer_are_outside_norms_whatever_their_names() -> None:
    run = own("my_net:Named")
    run.norm = NormConfig("module", target="my_net:Gate")
    assert Single(models.build(run, (1, 8, 8), 10)).in_front == {"act": "normal.weight"}


def test_its_weights_are_drawn_by_our_streams_whatever_its_norm() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    plain, normed = (models.build(own(norm=norm), (1, 8, 8), 10) for norm in ("none", "batch"))
    assert torch.equal(torch.get_rng_state(), before)
    for name in ("conv.weight", "head.weight", "gain"):
        assert torch.equal(plain.get_parameter(name), normed.get_parameter(name)), name
    assert plain.get_parameter("conv.weight").std().item() == pytest.approx((2 / 9) ** 0.5, rel=0.3)
    assert not plain.get_parameter("head.bias").any()
    assert isinstance(normed.get_submodule("bn"), nn.Module)
    other = own()
    other.seed = 1
    assert not torch.equal(models.build(other, (1, 8, 8), 10).get_parameter("gain"), plain.get_parameter("gain"))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("my_net:none", "returns a NoneType where a network is needed: is its `return` missing?"),
        ("my_net:blind", "the Net that it returns has no list `watched`"),
        ("my_net:elsewhere", "watched names a layer relu1, which is not in it; there are: conv, bn, act, mix"),
        ("my_net:twice", "the watched layer 2 is applied 2 times: give each place a layer of its own"),
        ("my_net:narrow", r"it maps images [2, 1, 8, 8] to [2, 9]; logits [2, 10] are needed"),
        ("my_net:broken", "my_net.py, line "),
        ("my_net:text", "is no class or function"),
    ],
)
def test_what_cannot_be_trained_is_named_in_a_line(target: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        models.build(own(target), (1, 8, 8), 10)
    assert str(caught.value).startswith(f"model.target={target}")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_settings_that_it_does_not_take_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"my_net:Net cannot be called with shape, classes, norm, wdth=3: .*wdth"):
        models.build(own(wdth=3), (1, 8, 8), 10)


def test_its_cost_is_counted_and_grows_with_it() -> None:
    small, large = own(width=4), own(width=16)
    assert try_out(small, (1, 8, 8), 10) == 2 * (64 * 4 * 9 + 256 * 8 + 8 * 10)
    trial.try_all([small, large])
    assert stacks.cost(large) > 3 * stacks.cost(small)
    assert [len(stack.configs) for stack in stacks.form([small, large], 2, 16)] == [1, 1]


def test_its_source_and_settings_are_part_of_the_id_and_a_norms_place_is_not() -> None:
    def with_(**changed: object) -> Config:
        return Config(model=ModelConfig(name="module", target="my_net:Net", **changed))  # type: ignore[arg-type]

    ids = {run_id(with_()), run_id(with_(source="a")), run_id(with_(source="b")), run_id(with_(settings={"width": 4}))}
    assert len(ids) == 4
    after = with_()
    after.norm.placement = "after"
    assert run_id(after) in ids


def test_from_the_command_line_it_needs_its_target_alone(command: Command, tmp_path: Path) -> None:
    line = (
        *("run", "-m", "data=digits", "steps=6", "evaluations=1", "model.target=my_net:Net", "norm=none,batch"),
        *("model.settings.width=4,8", "norm.batches=2"),
    )
    said = command(*line)
    assert said.code == 0, said.err
    (table,) = (tmp_path / "outputs").glob("runs-*/table.csv")
    assert "model.settings.width" in table.read_text(encoding="utf-8")
    summaries = list((tmp_path / "outputs" / "runs").glob("*/summary.json"))
    assert len(summaries) == 4
    assert {json.loads(path.read_text())["status"] for path in summaries} == {"ok"}
    assert "All runs are there already" in command(*line).err
    sys.modules.pop("my_net")
    (tmp_path / "my_net.py").write_text(MINE.replace("width=8", "width=16"), encoding="utf-8")
    said = command(*line, "dry_run=true")
    assert "there" not in said.out.split(), "an edited file makes other runs"
    assert "4 of 4 runs to train" in said.out


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("model=module", "model=module without model.target"),
        ("model=mlp model.target=my_net:Net", "model.target=my_net:Net with model=mlp: it is for model=module"),
        ("model.target=my_net:Net norm.placement=after", "a network of your own places its norms itself"),
        ("model.target=my_net:narrow", "logits [2, 10] are needed"),
        ("model.target=my_net:leaves", "model.target=my_net:leaves: SystemExit: 3 ("),
        ("model.target=my_net:Net model.source=x", "it is filled in from the files of model.target"),
    ],
)
def test_mistakes_on_the_command_line_are_one_line(command: Command, line: str, message: str) -> None:
    said = command("run", "data=digits", *line.split())
    assert (said.code, said.out) == (2, "")
    assert message in said.line


def test_a_launcher_with_processes_of_its_own_trains_it_in_them(
    spawn: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    line = ("data=digits", "steps=4", "evaluations=1", "model.target=my_net:Net", "norm=none,batch", "norm.batches=1")
    process = spawn(tmp_path, "run", "-m", "hydra/launcher=joblib", *line)
    _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    assert len(list((tmp_path / "outputs" / "runs").glob("*/summary.json"))) == 2
