"""A run's folder: its name, what is damaged in it, and what of it other versions wrote."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import Command

from bnexp import config
from bnexp.config import (
    DataConfig,
    InitConfig,
    ModelConfig,
    NormConfig,
    OptimizerConfig,
    RunConfig,
    run_id,
)
from bnexp.launch import inventory
from bnexp.launch.sink import RunSink
from bnexp.launch.stacks import Settings, Stack
from bnexp.launch.worker import _closing, train_stack
from bnexp.runs.folder import LONGEST, RunFolder, run_name

MNIST = DataConfig(name="mnist")

NAMES: list[tuple[RunConfig, str]] = [
    (RunConfig(data=MNIST), "mnist-batch-lr0.1-seed0"),
    (RunConfig(data=replace(MNIST, binarize=True), batch=1, seed=3), "mnist-batch-lr0.1-batch1-binary-seed3"),
    (
        RunConfig(data=MNIST, model=ModelConfig(depth=5, activation="relu", dropout=0.5), norm=NormConfig("none")),
        "mnist-none-lr0.1-depth5-relu-dropout0.5-seed0",
    ),
    (
        RunConfig(data=MNIST, optimizer=OptimizerConfig("adam", momentum=0.5), lr=1e-4, init=InitConfig("he", 1)),
        "mnist-batch-lr0.0001-adam-he-init1-seed0",
    ),
    (
        RunConfig(data=MNIST, norm=NormConfig("module", target="my norms:Größe/2"), steps=50),
        "mnist-Gr__e_2-lr0.1-steps50-seed0",
    ),
    (RunConfig(data=MNIST, norm=NormConfig("batch", eps=0.001)), "mnist-batch-lr0.1-eps0.001-seed0"),
    (
        RunConfig(data=MNIST, norm=NormConfig("module", target="m:N", settings={"groups": 4, "parts": ["a b", 2]})),
        "mnist-N-lr0.1-groups4-parts__a_b___2_-seed0",
    ),
    (
        RunConfig(data=DataConfig(name="cifar10"), model=ModelConfig("inception_small", residual=True)),
        "cifar10-batch-lr0.1-inception_small-seed0",
    ),
]


@pytest.mark.parametrize(("run", "name"), NAMES, ids=[name for _, name in NAMES])
def test_a_name_tells_what_is_not_at_its_default_and_can_be_a_files(run: RunConfig, name: str) -> None:
    assert run_name(run) == f"{name}-{run_id(run)}"


def test_a_name_is_not_too_long_for_a_file() -> None:
    model = ModelConfig(depth=11, width=1234, activation="tanh", residual=True, dropout=0.12345)
    run = RunConfig(data=DataConfig(name="d" * 300), model=model, batch=123, steps=123456, l2=1e-9, decay=1.5)
    run.norm = NormConfig("module", target=f"norms:{'N' * 300}", placement="after")
    assert len(run_name(run)) <= LONGEST
    assert run_name(run).endswith(f"-seed0-{run_id(run)}")
    assert "-depth11-width1234-tanh-residual-" in run_name(run)


RUN = ("run", "data=digits", "steps=12", "evaluations=3", "model.depth=1")


CONFIG = RunConfig(steps=12, evaluations=3, data=DataConfig(name="digits", examples=1297), model=ModelConfig(depth=1))


def folder_of(outputs: Path) -> Path:
    (folder,) = (path for path in (outputs / "runs").iterdir() if path.is_dir())
    return folder


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Outputs with a finished run."""
    outputs = tmp_path_factory.mktemp("once") / "outputs"
    settings = Settings("cpu", 1, 1, False, str(outputs), "bnexp", 500, 600)
    train_stack(Stack((CONFIG,)), settings, lambda message, value: None)
    return outputs


@pytest.fixture
def trained(tmp_path: Path, once: Path) -> Path:
    """The folder of a finished run."""
    shutil.copytree(once, tmp_path / "outputs")
    return folder_of(tmp_path / "outputs")


def cut_rows(path: Path) -> None:
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def list_instead(path: Path) -> None:
    path.write_text("[]")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGE: list[tuple[str, Callable[[Path], None], str]] = [
    ("metrics.csv", cut_rows, "metrics.csv"),
    ("metrics.csv", empty, "metrics.csv"),
    ("metrics.csv", Path.unlink, "metrics.csv"),
    ("activations.npz", empty, "activations.npz"),
    ("activations.npz", flip, "activations.npz"),
    ("activations.npz", Path.unlink, "activations.npz"),
    ("stamp.json", empty, "stamp.json"),
    ("stamp.json", list_instead, "stamp.json"),
    ("summary.json", list_instead, "summary.json cannot be read"),
    ("summary.json", empty, "summary.json cannot be read"),
]
IDS = [f"{name} {change.__name__}" for name, change, _ in DAMAGE]


@pytest.mark.parametrize("digests", [True, False], ids=["digests", "older"])
@pytest.mark.parametrize(("name", "change", "said"), DAMAGE, ids=IDS)
def test_a_damaged_run_is_named_and_counts_as_not_trained(
    trained: Path, name: str, change: Callable[[Path], None], said: str, digests: bool
) -> None:
    """Also where it was finished before summaries held digests."""
    if not digests:
        without_digests(trained)
    run = RunFolder(trained.parent.parent, CONFIG)
    assert run.summary() is not None
    change(trained / name)
    assert said in run.state().damage
    (line,) = inventory.inventory(str(trained.parent.parent), [CONFIG])
    assert line == f"{trained}: {run.state().damage}; it counts as not trained."


def without_digests(folder: Path) -> None:
    summary = json.loads((folder / "summary.json").read_text())
    del summary["sha256"]
    (folder / "summary.json").write_text(json.dumps(summary))


def test_the_same_command_trains_a_damaged_run_again(
    command: Command, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bnexp.launch.stacks.cores", lambda: 1)  # as many threads as the run was trained with
    before = (trained / "metrics.csv").read_bytes()
    cut_rows(trained / "metrics.csv")
    said = command(*RUN)
    assert said.code == 0
    assert f"{trained.name}: metrics.csv is not as it was written; it counts as not trained." in said.err
    assert (trained / "metrics.csv").read_bytes() == before
    assert "All runs are there already" in command(*RUN).err


def test_a_finished_run_is_found_under_an_older_name(command: Command, trained: Path) -> None:
    older = trained.rename(trained.with_name(f"digits-batch-{trained.name[-12:]}"))
    without_digests(older)
    assert "All runs are there already" in command(*RUN).err
    assert folder_of(older.parent.parent) == older
    empty(older / "stamp.json")
    assert command(*RUN).code == 0
    assert folder_of(older.parent.parent) == trained


def test_runs_of_an_older_engine_are_counted_and_trained_anew(
    command: Command, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = run_id(CONFIG, 2)
    monkeypatch.setattr(config, "ENGINE", 2)
    for function in (run_id, run_name, RunFolder.__init__):
        monkeypatch.setattr(function, "__defaults__", (2,))
    monkeypatch.setattr(inventory, "ENGINE", 2)
    outputs = str(trained.parent.parent)
    (line,) = inventory.inventory(outputs, [CONFIG])
    assert line.startswith("1 of 1 runs are there from an older engine, whose numbers were others (this is engine 2)")
    shutil.copytree(trained, trained.with_name(RunFolder(outputs, CONFIG).name))
    summary = json.loads((trained / "summary.json").read_text()) | {"id": newer}
    (RunFolder(outputs, CONFIG).path / "summary.json").write_text(json.dumps(summary))
    (line,) = inventory.inventory(outputs, [CONFIG])
    assert "All runs are there already" in line


def test_a_thousand_finished_runs_are_read_once(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted, not timed: files that have not changed are not read again."""
    run = RunFolder(trained.parent.parent, CONFIG)
    read: list[Path] = []
    whole = Path.read_bytes

    def counted(path: Path) -> bytes:
        read.append(path)
        return whole(path)

    monkeypatch.setattr(Path, "read_bytes", counted)
    for _ in range(5):
        assert RunFolder(tmp_path / "outputs", CONFIG).summary() is not None
    files = ["activations.npz", "config.yaml", "correct.npz", "metrics.csv", "stamp.json"]
    assert sorted(path.name for path in read) == files
    os.utime(trained / "metrics.csv", (1, 1))
    assert run.summary() is not None
    assert len(read) == 2 * len(files)


def test_a_run_finished_before_it_is_interrupted_stays_finished(tmp_path: Path) -> None:
    """The signal may come when the summary is written and others of the stack are not."""

    class Sink(RunSink):
        def __init__(self, run: RunFolder, fails: bool) -> None:
            run.start({})
            self.folder, self.fails = run, fails

        def finish(self) -> None:
            self.folder.finish("ok", accuracy=0.5)
            if self.fails:
                raise KeyboardInterrupt

        def abandon(self, status: str, traceback: str) -> None:
            self.folder.finish(status)

    folders = [RunFolder(tmp_path, RunConfig(seed=seed, data=MNIST)) for seed in range(3)]
    sinks: dict[int, Any] = {seed: Sink(folder, fails=seed == 1) for seed, folder in enumerate(folders)}
    with pytest.raises(KeyboardInterrupt), _closing(sinks):
        pass
    assert [folder.summary() is not None for folder in folders] == [True, True, False]
