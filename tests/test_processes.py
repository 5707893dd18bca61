"""Processes, signals and consoles: how a command ends, and what it leaves behind."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bnexp import cli, interrupt, machine

Spawn = Callable[..., subprocess.Popen[str]]

RESULTS = Path(__file__).parent.parent / "results"

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = int(next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt")), 16)
    return bool(caught >> (number - 1) & 1)


def session(leader: int) -> list[str]:
    """The processes of a session that are left."""
    left = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, sid = path.read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(sid) == leader and state != "Z":
            left.append(path.parent.name)
    return left


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder whose path is short enough for sockets in it."""
    with tempfile.TemporaryDirectory(prefix="t") as folder:
        yield Path(folder)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="what a process catches is read in /proc")
@pytest.mark.parametrize(("number", "seconds"), [(SIGNALS[0], 0.0), (SIGNALS[1], 1.0), (SIGNALS[2], 3.0)])
def test_ended_in_the_first_seconds_it_leaves_a_line_and_nothing_else(
    spawn: Spawn, tmp_path: Path, temporary: Path, number: signal.Signals, seconds: float
) -> None:
    sweep = ("run", "-m", "seed=0,1", "data=digits", "steps=1000000", "evaluations=2")
    places = {"TMPDIR": str(temporary), "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "of_pytorch")}
    process = spawn(tmp_path, *sweep, environment=places)
    until(lambda: catches(process.pid, signal.SIGHUP))
    time.sleep(seconds)
    os.killpg(process.pid, number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    estimate = r"2 of 2 runs to train: about [\d.,]+ \w+ on [\w ]+ \(cpu\), 0 MB under outputs\."  # on a fast machine
    assert re.fullmatch(f"({estimate})?", " ".join(out.split())), out
    (line,) = err.splitlines()
    assert line.startswith("bnexp: interrupted")
    until(lambda: not session(process.pid))  # a server in the midst of its imports ends after them
    assert list(temporary.iterdir()) == []


def test_a_folder_in_which_workers_cannot_meet_is_named(spawn: Spawn, tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 25)
    folder.mkdir()
    process = spawn(tmp_path, "run", "data=digits", "steps=5", environment={"TMPDIR": str(folder)})
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err.splitlines()[-1].startswith(f"bnexp: {folder}")
    assert "set TMPDIR to a shorter one" in err


def test_the_first_signal_interrupts_and_those_ignored_stay_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as `nohup` does
    try:
        with interrupt.heeded():
            os.kill(os.getpid(), signal.SIGHUP)
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGINT)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_an_interrupt_that_a_library_makes_another_error_of_is_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def dispatch(arguments: list[str]) -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        except KeyboardInterrupt:
            raise AttributeError("of a library") from None

    monkeypatch.setattr("bnexp.cli._dispatch", dispatch)
    with pytest.raises(SystemExit) as ended:
        cli.main(["run"])
    assert ended.value.code == 130
    assert capsys.readouterr().err.startswith("bnexp: interrupted")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_console_without_a_character_gets_another(tmp_path: Path, encoding: str) -> None:
    environment = os.environ | {"PYTHONIOENCODING": encoding, "PYTHONPATH": str(Path(interrupt.__file__).parent.parent)}
    for arguments, text in ((["--help"], "usage: bnexp COMMAND ~"), (["wrong—§→"], "no command wrong-")):
        command = [sys.executable, "-m", "bnexp", *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False, timeout=60)
        assert text in (done.stdout + done.stderr).decode(encoding)
        assert b"Traceback" not in done.stderr


def test_in_the_plainest_locale_everything_is_listed(spawn: Spawn, tmp_path: Path) -> None:
    shutil.copytree(RESULTS / "laptop" / "inception_tiny", tmp_path / "results" / "größer")
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": ""}
    for arguments, text in (
        (["list"], "\ngr????er: "),
        (["list", "gradient_flow"], "?3.3, ?5: gradients from the last layer"),
    ):
        process = spawn(tmp_path, *arguments, environment=plain)
        out, err = process.communicate(timeout=60)
        assert text in out
        assert (process.returncode, err) == (0, "")


@pytest.mark.parametrize(("arguments", "code"), [(["--help"], 0), (["wrong"], 2)])
def test_a_pipe_that_ends_is_silent(tmp_path: Path, arguments: list[str], code: int) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(interrupt.__file__).parent.parent)}
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "bnexp", *arguments]
    for broken in ("stdout", "stderr"):
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | {broken: writer}
        done = subprocess.run(command, cwd=tmp_path, env=environment, check=False, timeout=60, **streams)
        assert done.returncode == code
        assert b"Error" not in (done.stdout or b"") + (done.stderr or b"")
    os.close(writer)


def test_threads_do_not_spin_unless_the_user_wants_them_to(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in machine.SPINNING:
        monkeypatch.delenv(name, raising=False)
    machine.wait_without_spinning()
    assert os.environ.pop("OMP_WAIT_POLICY") == "PASSIVE"
    monkeypatch.setenv("GOMP_SPINCOUNT", "1000")
    machine.wait_without_spinning()
    assert "OMP_WAIT_POLICY" not in os.environ


NORMS = """
import os, sys, time
import torch

class Norm(torch.nn.Module):
    def __init__(self, features):
        super().__init__()
        self.passes = 0

class Raises(Norm):
    def forward(self, x):
        self.passes += 1
        if self.passes > 5:  # in a worker, not where it is tried before
            raise RuntimeError("no such luck")
        return x

class Exits(Norm):
    def forward(self, x):
        self.passes += 1
        if self.passes > 5:
            sys.exit(0)
        return x

class Vanishes(Norm):
    def forward(self, x):
        os._exit(0)

class Hangs(Norm):
    def forward(self, x):
        time.sleep(1000)
"""


def test_each_norm_that_fails_is_named_once_and_the_rest_is_trained(spawn: Spawn, tmp_path: Path) -> None:
    (tmp_path / "norms.py").write_text(NORMS)
    names = ("Raises", "Exits", "Vanishes", "Hangs")
    grids = ", ".join(f"{{norm: module, norm.target: 'norms:{name}'}}" for name in names)
    sweep = (f"hydra.sweeper.grids=[{{norm: none}}, {grids}]", "seed=0,1", "data=digits", "steps=20", "evaluations=2")
    process = spawn(tmp_path, "run", "-m", *sweep, "patience=5", environment={"HYDRA_FULL_ERROR": "1"})
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    for target, cause in (("Vanishes", "its process ended, exit code 0"), ("Hangs", "it came to no end in 5 s")):
        assert f"norm.target=norms:{target} was tried before training, but {cause}; it is trained all the same." in err
    assert err.count("Traceback (most recent call last):\n") >= 3  # two of workers, and the command's
    line = err.splitlines()[-1]
    for part in ("RuntimeError: no such luck (", "norms.py, line 14", "sys.exit(0) was called", "line 21", "log.txt"):
        assert line.count(part) >= 1
    assert line.count("no such luck") == 1
    assert "a worker ended before its runs were done, exit code 0" in line
    assert "nothing was heard of a worker for 5 s" in line
    states = [json.loads(path.read_text())["status"] for path in tmp_path.rglob("summary.json")]
    assert states.count("ok") == 2
