"""A norm of the user's: chosen, set, known by its source, held to its contract, trained in stacks."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Command
from torch import nn

from bnexp import norms, targets
from bnexp.config import Config, ConfigError, ModelConfig, NormConfig, run_id
from bnexp.engine.contract import try_out
from bnexp.norms import own

MINE = """
import torch
from helping import gain

class Mine(torch.nn.Module):
    def __init__(self, features, groups=1, eps=1e-5):
        super().__init__()
        self.norm = torch.nn.GroupNorm(groups, features, eps)
    def forward(self, x):
        return gain * self.norm(x)

def without_return(features):
    Mine(features)

def knows(features, spatial):
    return torch.nn.Dropout2d() if spatial else torch.nn.Dropout()

class Wider(Mine):
    def forward(self, x):
        return torch.cat([x, x[:, :1]], 1)

class Pair(Mine):
    def forward(self, x):
        return x, x

class Raises(Mine):
    def forward(self, x):
        raise ValueError("not like this")

class Leaves(Mine):
    def forward(self, x):
        raise SystemExit(0)

class Sixty(Mine):
    def forward(self, x):
        return x.view(60, -1) if self.training else x.view(60, -1)

class Cut(Mine):
    def forward(self, x):
        return x.detach().numpy()

shared = torch.nn.Identity
text = "no layer"
"""

DRY = ("run", "-m", "data=digits", "steps=5", "evaluations=1", "dry_run=true")


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`mine.py` and what it imports in the current folder, unknown to tests that come later."""
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "helping.py").write_text("gain = 1.0\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in str(sys.modules[name].__file__):
            del sys.modules[name]


def norm(target: str = "mine:Mine", **settings: object) -> NormConfig:
    return NormConfig(name="module", target=target, settings=settings)


# Chosen and set


@pytest.mark.parametrize(
    ("line", "runs"),
    [
        ("norm.target=mine:Mine norm.settings.groups=2,4,5", 3),
        ("norm.target=mine:Mine +norm.settings.groups=2,4 norm.settings.eps=0.1", 2),
        ("norm.target=mine:Mine ++norm.settings.groups=2,4", 2),
        ("norm=none,batch,module norm.target=mine:Mine norm.settings.groups=2,4", 4),
        ("norm=module norm.target=torch.nn:BatchNorm1d,mine:Mine", 2),
        ("norm.target=bnexp.norms:BatchNorm norm.settings.statistics=moving", 1),
        ("experiment=placement scale=smoke norm.target=mine:Mine model.activation=relu", 0),
    ],
)
def test_a_target_is_chosen_and_its_settings_are_swept(command: Command, line: str, runs: int) -> None:
    said = command(*DRY, *line.split())
    if runs:
        assert f"{runs} of {runs} run{'s' * (runs > 1)} to train" in said.out, said.err
    else:  # the experiment's axes choose norms
        assert said.code == 2
        assert "norm.target=mine:Mine with norm=none,batch: it is for norm=module" in said.line


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("norm=batch norm.target=mine:Mine", "norm.target=mine:Mine with norm=batch: it is for norm=module"),
        ("norm=group norm.settings.groups=4", "norm.settings={'groups': 4} with norm=group: it is for norm=module"),
        ("norm=module", "norm=module without norm.target"),
        ("norm.target=mine:Mine norm.source=0123", "norm.source=0123: it is filled in"),
        ("norm.target=mine:Mine norm.settings.gruops=4", "argument 'gruops'; as norm.settings it takes groups, eps"),
        ("norm.target=torch.nn:GroupNorm", "missing a required argument: 'num_channels'"),
        ("norm.target=mine:text", "norm.target=mine:text is no class or function"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_a_line(command: Command, line: str, message: str) -> None:
    said = command(*DRY, *line.split())
    assert said.code == 2
    assert message in said.line


def test_a_factory_is_told_whether_its_input_is_spatial_if_it_asks() -> None:
    make = norms.factory(norm("mine:knows"))
    assert [type(make(8, spatial)) for spatial in (False, True)] == [nn.Dropout, nn.Dropout2d]
    assert isinstance(norms.factory(norm("mine:shared"))(8, True), nn.Identity)


def test_a_factory_that_returns_no_layer_is_named() -> None:
    with pytest.raises(ConfigError, match="mine:without_return returns None where a layer is needed: is its `return`"):
        norms.factory(norm("mine:without_return"))(8)


# Held to its contract


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("mine:Wider", "norm.target=mine:Wider: Wider maps [60, 100] to [60, 101]; the same shape is needed"),
        ("mine:Pair", "norm.target=mine:Pair: Pair returns a tuple; a tensor is needed"),
        ("mine:Cut", "norm.target=mine:Cut: Cut returns a ndarray; a tensor is needed"),
        (
            "mine:Raises",
            "norm.target=mine:Raises fails on [60, 100]: ValueError: not like this ({folder}/mine.py, line ",
        ),
        ("mine:Leaves", "norm.target=mine:Leaves fails on [60, 100]: SystemExit: 0 ({folder}/mine.py, line "),
        ("mine:Sixty", "norm.target=mine:Sixty fails on [31, 100]: RuntimeError: shape '[60, -1]' is invalid"),
        ("mine:without_return", "norm.target=mine:without_return returns None where a layer is needed"),
        ("torch.nn:BatchNorm2d", "fails on [60, 100]: ValueError: expected 4D input (got 2D input)"),
    ],
)
def test_a_norm_that_breaks_the_contract_is_named_once_before_training(
    tmp_path: Path, target: str, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        try_out(Config(norm=norm(target)), (1, 28, 28), 10)
    assert str(caught.value).startswith(message.format(folder=tmp_path)) or message in str(caught.value)


def test_seeds_of_a_broken_norm_end_in_one_line_and_nothing_is_written(command: Command, tmp_path: Path) -> None:
    said = command("run", "-m", "data=digits", "steps=5", "norm.target=mine:Wider", "seed=0,1")
    assert said.code == 2
    assert said.line.endswith("Wider maps [60, 100] to [60, 101]; the same shape is needed")
    assert not (tmp_path / "outputs").exists()


def test_norms_of_feature_maps_are_tried_too() -> None:
    inception = ModelConfig(name="inception_small", modules=["3a"], multiplier=0.0625)
    try_out(Config(model=inception, norm=norm("mine:Mine", groups=2)), (3, 12, 12), 4)
    with pytest.raises(ConfigError, match=r"Wider maps \[8, 8, 12, 12\] to \[8, 9, 12, 12\]"):
        try_out(Config(model=inception, norm=norm("mine:Wider")), (3, 12, 12), 4)


# Its source


def settled_id(target: str = "mine:Mine") -> str:
    """The id of a run as a command of its own would have it."""
    for name in ("mine", "helping", "deeper.inside"):
        sys.modules.pop(name, None)
    (config,) = own.settle([Config(norm=norm(target))])
    return run_id(config)


@pytest.mark.parametrize("file", ["mine.py", "helping.py", "deeper/inside.py"])
def test_an_edited_file_makes_another_run(tmp_path: Path, file: str) -> None:
    (tmp_path / "helping.py").write_text("gain = 1.0\ndef later():\n    from deeper.inside import more\n")
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "inside.py").write_text("more = 1\n")
    (tmp_path / "unused.py").write_text("")
    before = settled_id()
    (tmp_path / "unused.py").write_text("changed = 1\n")
    assert settled_id() == before
    (tmp_path / file).write_text((tmp_path / file).read_text() + "\nchanged = 1\n")
    assert settled_id() != before


def test_what_comes_with_bnexp_has_no_source_and_what_is_installed_that_of_its_file() -> None:
    assert targets.source("norm.target", "bnexp.norms:BatchNorm") is None
    assert targets.source("norm.target", "torch.nn:BatchNorm1d") is not None


def test_a_norm_that_changes_while_the_command_runs_is_not_trained_under_the_old_id(tmp_path: Path) -> None:
    (config,) = own.settle([Config(norm=norm())])
    targets.check_unchanged(config)
    (tmp_path / "helping.py").write_text("gain = 2.0\n")
    with pytest.raises(ConfigError, match="mine:Mine was changed after the command began"):
        targets.check_unchanged(config)


def test_a_target_counts_for_norm_module_only() -> None:
    plain, batch = Config(norm=NormConfig("none")), Config(norm=NormConfig("batch"))
    with_target = [dataclasses.replace(c, norm=dataclasses.replace(c.norm, target="mine:Mine")) for c in (plain, batch)]
    settled = own.settle([*with_target, Config(norm=norm())])
    assert [run_id(config) for config in settled[:2]] == [run_id(plain), run_id(batch)]
    assert settled[:2] == [plain, batch]
