"""What is typed after `bnexp`: flags, lists of experiments, help, and what a shell completes."""

from __future__ import annotations

import os
import pty
import re
import select
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from conftest import Command
from hydra import initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode

from bnexp import claims, cli, config, paths
from bnexp.command import completion, compose, manual, mistakes, typed
from bnexp.judging.matching import having
from bnexp.runs.records import Record


@pytest.fixture
def loader() -> Iterator[ConfigLoader]:
    ConfigStore.instance().store(name="schema", node=config.Config, provider="bnexp")
    with initialize_config_dir(version_base="1.3", config_dir=str(paths.configs().resolve())):
        yield GlobalHydra.instance().config_loader()


def configs(loader: ConfigLoader, line: str) -> list[config.Config]:
    master = loader.load_configuration("config", [*line.split(), "hydra.mode=MULTIRUN"], RunMode.MULTIRUN)
    arguments = [word for word in line.split() if not word.startswith("hydra")]
    return compose.configs(loader, master, compose.jobs(loader, master, arguments))


def test_each_of_several_experiments_has_its_own_axes_and_settings(loader: ConfigLoader) -> None:
    runs = configs(loader, "experiment=mnist_activations,batch_size scale=smoke,laptop seed=0")
    by_part: dict[tuple[str | None, str], list[config.Config]] = {}
    for run in runs:
        by_part.setdefault((run.experiment, run.scale), []).append(run)
    assert {part: len(own) for part, own in by_part.items()} == {
        (name, scale): len(configs(loader, f"experiment={name} scale={scale} seed=0"))
        for name in ("mnist_activations", "batch_size")
        for scale in ("smoke", "laptop")
    }
    assert {(run.experiment, run.scale): run.steps for run in runs if run.batch == 60} == {
        ("mnist_activations", "smoke"): 200, ("mnist_activations", "laptop"): 20_000,
        ("batch_size", "smoke"): 33, ("batch_size", "laptop"): 133,
    }  # fmt: skip


def test_the_number_of_seeds_follows_the_scale(loader: ConfigLoader) -> None:
    runs = configs(loader, "experiment=mnist_activations scale=smoke,laptop")
    assert [sum(run.scale == scale for run in runs) for scale in ("smoke", "laptop")] == [12, 36]


@pytest.mark.parametrize(
    ("line", "flags", "overrides"),
    [
        ("lr=0.1 -m seed=0,1", ["--multirun"], ["lr=0.1", "seed=0,1"]),
        ("lr=0.1 --cfg job --resolve", ["--resolve", "--cfg=job"], ["lr=0.1"]),
        ("experiment=mnist_activations,optimizers", ["--multirun"], ["experiment=mnist_activations,optimizers"]),
        ("experiment=a,b --info config", ["--info=config"], ["experiment=a,b"]),
        ("experiment=a,b --run", ["--multirun"], ["experiment=a,b"]),
        (
            "hydra.verbose=true lr=1",
            [],
            ["hydra.verbose=true", "lr=1", "hydra/hydra_logging=default", "hydra/job_logging=stdout"],
        ),
        ("experiment=mnist_activations --config-dir mine", ["--config-dir=mine"], ["experiment=mnist_activations"]),
    ],
)
def test_flags_stand_anywhere(line: str, flags: list[str], overrides: list[str]) -> None:
    read = typed.read(line.split())
    assert (read.flags, read.overrides, read.help) == (flags, overrides, False)


def test_help_tells_of_every_setting_what_it_means(command: Command) -> None:
    said = command("run", "--help")
    assert (said.code, said.err) == (0, "")
    groups = {"data", "model", "norm", "init", "optimizer", "base"}
    for name in set(mistakes.settings()) - groups:
        assert f"{name}=" in said.out
    for (schema, _), text in manual.docstrings().items():
        assert schema == "ModelKind" or text.split()[0] in said.out
    for part in ("experiment=", "mnist_activations", "--multirun", "Learning rate.", "The normalisation of the hidden"):
        assert part in said.out


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("bnexp r", ["run", "report"]),
        ("bnexp report opt", ["optimizers"]),
        ("bnexp list cl", ["claims"]),
        ("bnexp diff opt", ["optimizers"]),
        ("bnexp diff optimizers:norm=batch pla", ["placebo", "placement"]),
        ("bnexp data cifar", ["cifar10", "cifar10_jpeg"]),
        ("bnexp run norm=", None),
        ("bnexp run -", []),
    ],
)
def test_what_a_shell_is_offered(line: str, offered: list[str] | None) -> None:
    assert completion.words(line, cli.COMMANDS) == offered


@pytest.mark.skipif(not Path("/bin/bash").exists(), reason="needs bash")
def test_a_real_bash_completes(tmp_path: Path) -> None:
    """The line grows by what the Tab key puts in; a wrong `eval` or a message on the way would be seen, too."""
    (tmp_path / "bnexp").write_text(f"#!{sys.executable}\nfrom bnexp.cli import main\nmain()\n")
    (tmp_path / "bnexp").chmod(0o755)
    child, terminal = pty.fork()
    if child == 0:
        os.environ |= {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PS1": "$ ", "TERM": "dumb"}
        os.environ["PYTHONPATH"] = str(Path(cli.__file__).parent.parent)
        os.execv("/bin/bash", ["bash", "--norc", "--noprofile", "-i"])
    seen = ""

    def shows(text: str) -> bool:
        nonlocal seen
        deadline = time.monotonic() + 120
        while text not in seen and time.monotonic() < deadline:
            if select.select([terminal], [], [], 0.2)[0]:
                seen += re.sub(r"[\x07\x08]|\x1b\[[\d;?]*[A-Za-z]", "", os.read(terminal, 4096).decode())
        return text in seen

    def types(keys: str) -> None:
        nonlocal seen
        seen = ""
        os.write(terminal, keys.encode())

    try:
        types('eval "$(bnexp -sc install=bash)"; echo ready\n')
        assert shows("ready\r\n"), seen
        types("bnexp run experiment=mnist_a\t")
        assert shows("experiment=mnist_activations"), seen
        types("\x15bnexp run norm=none,batch -m opti\t")
        assert shows("optimizer"), seen
        types("\x15bnexp rep\t")
        assert shows("report"), seen
        types("\x15bnexp run norm=b\t")
        assert shows("norm=batch"), seen
        types("\t\t")
        assert shows("batch_renorm"), seen
        assert "rror" not in seen
    finally:
        os.write(terminal, b"\x15exit\n")
        os.close(terminal)
        os.waitpid(child, 0)


@pytest.mark.parametrize(
    ("line", "runs"),
    [
        ("hydra.sweeper.params={lr:'0.1,0.2'}", 2),
        ("hydra.sweeper.params.lr='0.1,0.2' seed=0,1", 4),
        ("+hydra.sweeper.params={norm:'none,batch',norm.batches:'2'}", 2),
        ("hydra.sweeper.grids=[{norm:none},{norm:batch,lr:'0.1,0.2'}]", 3),
    ],
)
def test_axes_written_as_settings_of_the_sweeper_are_a_sweep(command: Command, line: str, runs: int) -> None:
    said = command("run", "data=digits", "steps=5", "evaluations=1", "dry_run=true", *line.split())
    assert said.code == 0, said.err
    assert f"{runs} of {runs} runs to train" in said.out


@pytest.mark.parametrize("name", [name for name in paths.experiments() if name != "paper"])
def test_every_claim_finds_runs_of_its_arms_in_its_experiment(loader: ConfigLoader, name: str) -> None:
    """0.1² is not 0.01: a setting that no run has would leave a claim without an arm for ever.

    At the smallest scale, but where that tries no L2; `paper` leaves out an arm that a claim is about.
    """
    scale = "overnight" if name == "regularisation" else "smoke"
    composed = configs(loader, f"experiment={name} scale={scale} seed=0")
    runs = [
        Record("", config.flatten(config.run_fields(each)) | {"arm": each.arm}, {}, pd.DataFrame()) for each in composed
    ]
    for claim in (claim for subject in composed[0].claims for claim in claims.REGISTRY[subject].claims):
        for arm in (claim.treated, claim.reference) if isinstance(claim, claims.Claim) else ():
            assert arm is None or having(having(runs, claim.among), arm), (claim.id, arm)
