"""The command line as a user has it, on the stand-in data: no network, no MNIST."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from bnexp import cli, machine

machine.wait_without_spinning()  # two processes of two threads each on two cores: three minutes for what takes one

import torch  # noqa: E402 (only now)


@dataclass(frozen=True)
class Said:
    """What a command left."""

    code: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The one line of an error."""
        (line,) = self.err.strip().splitlines()
        return line


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--every", type=int, default=11, help="kill at every so manieth call (default: 11); see test_crash.py"
    )


LONG = ("test_resume", "test_inception_commands", "test_extending", "test_commands", "test_crash", "test_bad_input")
"""The files that take longest: they come first, so that no process is left with one of them at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: LONG.index(item.path.stem) if item.path.stem in LONG else len(LONG))


@pytest.fixture(scope="session")
def every(pytestconfig: pytest.Config) -> int:
    """The distance between two calls at which a process is killed."""
    distance: int = pytestconfig.getoption("--every")
    return distance


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Bit for bit the same needs the same number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


Command = Callable[..., Said]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """Run `bnexp` in this process, in an empty folder; modules imported from there are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    monkeypatch.setattr(sys, "argv", ["bnexp"])

    def run(*arguments: str) -> Said:
        capfd.readouterr()
        with pytest.raises(SystemExit) as exit_:
            cli.main(arguments)
        out, err = capfd.readouterr()
        return Said(int(exit_.value.code or 0), out, err)

    yield run
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


def as_in_a_terminal() -> None:
    """A shell starts background jobs deaf to Ctrl-C, `nohup` to its end, and the tests may run in either."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def spawn() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start `bnexp` as a process of its own, which leads a session; what a failed test left of it is killed."""
    plain = {k: v for k, v in os.environ.items() if k != "HYDRA_FULL_ERROR"}
    started = []

    def start(folder: Path, *arguments: str, environment: Mapping[str, str] = {}) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "bnexp", *arguments],
            cwd=folder,
            env=plain | {"PYTHONPATH": str(Path(cli.__file__).parent.parent)} | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=as_in_a_terminal,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        if process.stdout is not None and not process.stdout.closed:
            process.communicate()
