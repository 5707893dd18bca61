"""What the user wrote is tried before training, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import Command

from bnexp.config import Config, DataConfig, ModelConfig, NormConfig
from bnexp.launch import trial

MINE = """
import os, signal, time
import torch

class Mine(torch.nn.Module):
    def __init__(self, features):
        super().__init__()
    def forward(self, x):
        with open("processes", "a") as file:
            print(os.getpid(), file=file)
        return self.through(x)
    def through(self, x):
        return x

class Vanishes(Mine):
    def through(self, x):
        os._exit(0)

class Killed(Mine):
    def through(self, x):
        os.kill(os.getpid(), signal.SIGKILL)

class Interrupts(Mine):
    def through(self, x):
        raise KeyboardInterrupt("of mine")

class Hangs(Mine):
    def through(self, x):
        time.sleep(1000)

class Wider(Mine):
    def through(self, x):
        return torch.cat([x, x[:, :1]], 1)
"""


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "of_mine.py").write_text(MINE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(trial, "_trials", {})
    yield
    sys.modules.pop("of_mine", None)


def run(name: str, seed: int = 0) -> Config:
    return Config(
        seed=seed,
        data=DataConfig("digits"),
        model=ModelConfig(depth=1, width=4),
        norm=NormConfig("module", target=f"of_mine:{name}"),
    )


def processes() -> list[int]:
    return [int(line) for line in Path("processes").read_text().split()]


def test_a_norm_that_keeps_its_contract_is_tried_once_for_all_seeds_and_elsewhere() -> None:
    assert trial.try_all([run("Mine"), run("Mine", seed=1)]) == 2 * [trial.Trial()]
    passes = len(processes())
    assert trial.try_all([run("Mine", seed=2)]) == [trial.Trial()]
    assert len(processes()) == passes
    assert os.getpid() not in processes()


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("Vanishes", "its process ended, exit code 0"),
        ("Killed", "its process ended, killed, perhaps for want of memory"),
        ("Interrupts", "it ended by KeyboardInterrupt: of mine ("),
        ("Hangs", "it came to no end in 1 s"),
    ],
)
def test_what_takes_its_process_with_it_says_nothing_and_leaves_no_process(name: str, cause: str) -> None:
    outcome, passed = trial.try_all([run(name), run("Mine")], limit=1)
    assert passed == trial.Trial()
    assert outcome.notice.startswith(f"norm.target=of_mine:{name} was tried before training, but {cause}")
    assert outcome.notice.endswith("; it is trained all the same.")
    for process in processes():
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)


def test_a_broken_contract_is_a_mistake_with_its_traceback_for_whoever_asks(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = ("run", "-m", "data=digits", "steps=5", "norm.target=of_mine:Wider", "seed=0,1")
    said = command(*line)
    assert (said.code, said.out) == (2, "")
    assert said.line.endswith("Wider maps [60, 100] to [60, 101]; the same shape is needed")
    assert not (tmp_path / "outputs").exists()
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    said = command(*line)
    assert said.code == 2
    assert "contract.py" in said.err
    assert said.err.splitlines()[-1].endswith("the same shape is needed")


@pytest.mark.parametrize(
    ("setting", "text", "cause"),
    [
        ("norm.target", "import os\nos._exit(0)\n", "its process ended, exit code 0"),
        ("model.target", "while True:\n    pass\n", "it came to no end in 2 s"),
        ("data.target", "import os\nos._exit(0)\n", "its process ended, exit code 0"),
    ],
)
def test_a_module_that_takes_its_process_along_or_hangs_is_refused_before_the_command_imports_it(
    spawn: Callable[..., subprocess.Popen[str]], tmp_path: Path, setting: str, text: str, cause: str
) -> None:
    (tmp_path / "ending.py").write_text(text, encoding="utf-8")
    data_set = () if setting == "data.target" else ("data=digits",)
    process = spawn(tmp_path, "run", f"{setting}=ending:make", *data_set, "steps=5", "patience=2")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "")
    assert f"{setting}=ending:make: the module was imported in a process of its own, but {cause}" in err
    assert not (tmp_path / "outputs").exists()


def test_without_a_target_or_with_one_that_is_imported_already_no_process_is_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trial, "warm_up", lambda: pytest.fail("a process was started"))
    plain = Config(norm=NormConfig("batch", target="of_mine:Mine"), data=DataConfig("digits"))
    trial.try_imports([plain, Config(norm=NormConfig("module", target="torch.nn:BatchNorm1d"))])
