"""Processes, each training one stack at a time."""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from multiprocessing.util import get_temp_dir
from pathlib import Path
from typing import Any, NoReturn

from bnexp import interrupt, targets
from bnexp.command import mistakes
from bnexp.config import ConfigError
from bnexp.launch.progress import Progress
from bnexp.launch.stacks import Settings, Stack
from bnexp.machine import wait_without_spinning
from bnexp.runs.folder import RunFolder

CONTEXT = multiprocessing.get_context("forkserver")
"""Workers are forked from a server that has imported PyTorch and started no thread: ready in milliseconds."""

TICK = 1.0
"""Seconds between two looks at all workers."""

GRACE = 10.0
"""Seconds that a worker has to close its runs when it is told to stop."""

FOLDER = "BNEXP_TEMPORARY"
"""The variable of the environment that names the folder in which this process and its workers meet."""


LONGEST = 107 - len("/listener-01234567")
"""Bytes of that folder's path: a socket's has at most 107."""


class LaunchError(Exception):
    """Some runs could not be trained; the message names them and the reason."""


def warm_up() -> None:
    """Have the server from which workers are forked import PyTorch while this process does the same.

    Neither it nor the workers hear of the signals that end a command, which may reach all of its processes: the command
    decides, and stops its workers itself. Errors: LaunchError for a folder in which they cannot meet.
    """
    wait_without_spinning()
    folder = get_temp_dir()
    if len(os.fsencode(folder)) > LONGEST:
        raise LaunchError(f"{folder}: sockets can have no path as long as in there; set TMPDIR to a shorter one")
    os.environ[FOLDER] = folder
    CONTEXT.set_forkserver_preload(["bnexp.launch.server"])
    with interrupt.blocked():
        resource_tracker.ensure_running()  # which lets two of the signals through again
        with interrupt.blocked():
            forkserver.ensure_running()


def launch(settings: Settings, stacks: Sequence[Stack]) -> None:
    """Train the stacks that have unfinished runs and show how far it is.

    Errors: LaunchError naming the runs that failed, when all others are done; KeyboardInterrupt, when
    the workers have closed their runs as interrupted.
    """
    waiting = [stack for stack in stacks if stack.unfinished(settings)]
    if not waiting:
        return
    warm_up()
    networks = sum(len(stack.configs) for stack in waiting)
    with Progress(sum(stack.cost for stack in waiting), networks) as progress:
        failures = _Workers(settings, progress).train(waiting)
    if failures:
        raise LaunchError(_described(failures, settings)) from _Tracebacks(failures)


@dataclass
class _Failure:
    stack: Stack
    reason: str
    """In words."""
    traceback: str = ""


class _Tracebacks(Exception):
    """Those of the workers, for whoever asks for tracebacks."""

    def __init__(self, failures: Sequence[_Failure]) -> None:
        by_reason = {failure.reason: failure.traceback for failure in reversed(failures)}
        super().__init__("\n".join(["in the workers", *filter(None, by_reason.values())]))


def _described(failures: Sequence[_Failure], settings: Settings) -> str:
    """Each reason once, with the runs that it cost and a log that has the traceback."""
    by_reason: dict[str, list[Stack]] = {}
    for failure in failures:
        by_reason.setdefault(failure.reason, []).append(failure.stack)
    parts = []
    for reason, stacks in by_reason.items():
        runs = [config for stack in stacks for config in stack.unfinished(settings)]
        logs = [RunFolder(settings.outputs, config).path / "log.txt" for config in runs]
        log = next((f"; the traceback is in {path}" for path in logs if path.exists()), "")
        count = f"{len(runs)} runs failed, {stacks[0]}" if len(runs) != 1 else f"1 run failed, {stacks[0]}"
        parts.append(f"{reason}: {count}{', and in other stacks' if len(stacks) > 1 else ''}{log}")
    return "; ".join(parts)


@dataclass
class _Worker:
    process: BaseProcess
    stack: Stack
    rank: int
    """Among the processes of its stack; the first is the one that reports."""
    steps: int | None = None
    """Those done; none before it is heard."""
    evaluating: bool = False
    silent: float = 0.0
    """Seconds since it was last heard, or told to stop."""
    dismissed: bool = False
    """Told to stop."""

    def dismiss(self) -> None:
        self.process.terminate()
        self.dismissed = True
        self.silent = 0.0


class _Workers:
    def __init__(self, settings: Settings, progress: Progress) -> None:
        self.settings = settings
        self.progress = progress
        self.busy: dict[Connection, _Worker] = {}
        self.failures: list[_Failure] = []
        self.meetings = Path(tempfile.mkdtemp(dir=get_temp_dir()))
        self.last_look = time.monotonic()

    def train(self, stacks: Sequence[Stack]) -> list[_Failure]:
        """Train all stacks; those that failed."""
        queue = list(stacks)
        try:
            while queue or self.busy:
                while queue and len({id(worker.stack) for worker in self.busy.values()}) < self.settings.processes:
                    self._start(queue.pop(0))
                for pipe in wait(list(self.busy), timeout=TICK):
                    assert isinstance(pipe, Connection)
                    self._listen(pipe)
                self._watch()
                reporting = [worker.evaluating for worker in self.busy.values() if worker.rank == 0]
                self.progress.refresh(bool(reporting) and all(reporting))
        except BaseException:
            self._stop()
            raise
        return self.failures

    def _start(self, stack: Stack) -> None:
        """A process for the stack, or as many as its network wants."""
        meeting = self.meetings / str(id(stack))
        for rank in range(stack.configs[0].nproc):
            ours, theirs = CONTEXT.Pipe(duplex=False)
            process = CONTEXT.Process(target=_work, args=(stack, self.settings, theirs, rank, str(meeting)))
            process.start()
            theirs.close()
            self.busy[ours] = _Worker(process, stack, rank)

    def _listen(self, pipe: Connection) -> None:
        worker = self.busy[pipe]
        try:
            message, value = pipe.recv()
        except EOFError:
            self._close(pipe)
            return
        worker.silent = 0.0
        if message in ("step", "evaluating"):
            worker.evaluating = message == "evaluating"
            self._advance(worker, value)
        elif message == "waiting":
            self.progress.note(f"{worker.stack}: another command is training them; waiting for it")
        elif message == "notice":
            self.progress.note(value)
        elif not worker.dismissed:
            self._fail(worker.stack, *value)

    def _advance(self, worker: _Worker, step: int) -> None:
        stack, steps = worker.stack, step - (worker.steps or 0)
        work = stack.cost * steps / stack.steps
        if worker.steps is None:
            self.progress.skip(work)  # of a training that goes on, or that another command has done
        else:
            self.progress.advance(steps * len(stack.configs), work)
        worker.steps = step

    def _close(self, pipe: Connection) -> None:
        """A process has ended: done is what the folders say, whatever its exit code."""
        worker = self.busy.pop(pipe)
        worker.process.join()
        failed = worker.stack.unfinished(self.settings) if worker.rank == 0 else worker.process.exitcode != 0
        if failed and not worker.dismissed:
            self._fail(worker.stack, f"a worker ended before its runs were done, {ended(worker.process.exitcode)}")
        if worker.rank == 0 and not failed:
            self._advance(worker, worker.stack.steps)
        for other in self.busy.values():
            if (
                other.stack is worker.stack and not other.dismissed and (worker.rank == 0 or failed)
            ):  # they would wait for ever
                other.dismiss()

    def _fail(self, stack: Stack, reason: str, traceback: str = "") -> None:
        """Keep the first reason of each stack."""
        if all(failure.stack is not stack for failure in self.failures):
            self.failures.append(_Failure(stack, reason, traceback))

    def _watch(self) -> None:
        """Stop workers that have been silent for too long; those told to stop that do not, are killed."""
        now = time.monotonic()
        passed = min(now - self.last_look, 2 * TICK)  # no more, for the whole command may have been suspended
        self.last_look = now
        for worker in self.busy.values():
            worker.silent += passed
            if worker.dismissed and worker.silent > GRACE:
                worker.process.kill()
            elif worker.rank == 0 and not worker.dismissed and worker.silent > self.settings.patience:
                self._fail(worker.stack, f"nothing was heard of a worker for {self.settings.patience} s (patience)")
                worker.dismiss()

    def _stop(self) -> None:
        for worker in self.busy.values():
            worker.process.terminate()
        deadline = time.monotonic() + GRACE
        for worker in self.busy.values():
            worker.process.join(max(0.0, deadline - time.monotonic()))
            worker.process.kill()


def ended(code: int | None) -> str:
    """An exit code in words."""
    if code == -signal.SIGKILL:
        return "killed, perhaps for want of memory"
    return f"by {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit code {code}"


def _work(stack: Stack, settings: Settings, pipe: Connection, rank: int, meeting: str) -> None:
    """What a worker process does: the whole stack, or its part of the stack's only network.

    Ends, too, when nobody listens any more: its command is gone.
    """
    from bnexp.launch.worker import assist, train_stack

    def stop(*_: Any) -> NoReturn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise KeyboardInterrupt

    def tell(message: str, value: object) -> None:
        try:
            pipe.send((message, value))
        except BrokenPipeError:
            raise KeyboardInterrupt from None

    signal.signal(signal.SIGTERM, stop)
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        if rank == 0:
            train_stack(stack, settings, tell, meeting)
        else:
            assist(stack, settings, rank, meeting)
    except KeyboardInterrupt:
        raise SystemExit(1) from None
    except BaseException as error:
        tell("failed", (_reason(error, settings), traceback.format_exc()))
        raise SystemExit(1) from None


def _reason(error: BaseException, settings: Settings) -> str:
    """An error in words; those of the system with what they are about, others with the user's line."""
    if isinstance(error, OSError) and error.strerror:
        return mistakes.of_the_system(error, settings.outputs)
    if isinstance(error, ConfigError) or type(error).__name__ == "DataError":  # whose import takes PyTorch
        return str(error)
    return targets.place(error)
