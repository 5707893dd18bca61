"""Processes, signals and consoles: how a command ends, and what it leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bnexp import interrupt, machine

Spawn = Callable[..., subprocess.Popen[str]]

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


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="what a process catches is read in /proc")
@pytest.mark.parametrize(("number", "seconds"), [(SIGNALS[0], 0.0), (SIGNALS[1], 1.0), (SIGNALS[2], 3.0)])
def test_ended_in_the_first_seconds_it_leaves_a_line_and_nothing_else(
    spawn: Spawn, tmp_path: Path, number: signal.Signals, seconds: float
) -> None:
    (tmp_path / "temporary").mkdir()
    sweep = ("run", "-m", "seed=0,1", "data=digits", "steps=1000000", "evaluations=2")
    process = spawn(tmp_path, *sweep, environment={"TMPDIR": str(tmp_path / "temporary")})
    until(lambda: catches(process.pid, signal.SIGHUP))
    time.sleep(seconds)
    os.killpg(process.pid, number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    (line,) = err.splitlines()
    assert line.startswith("bnexp: interrupted")
    until(lambda: not session(process.pid))  # a server in the midst of its imports ends after them
    assert list((tmp_path / "temporary").iterdir()) == []


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


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_console_without_a_character_gets_another(tmp_path: Path, encoding: str) -> None:
    environment = os.environ | {"PYTHONIOENCODING": encoding, "PYTHONPATH": str(Path(interrupt.__file__).parent.parent)}
    for arguments, text in ((["--help"], "usage: bnexp COMMAND ~"), (["wrong—§→"], "no command wrong-")):
        command = [sys.executable, "-m", "bnexp", *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False, timeout=60)
        assert text in (done.stdout + done.stderr).decode(encoding)
        assert b"Traceback" not in done.stderr


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
