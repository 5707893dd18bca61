"""Processes, each training one stack at a time."""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
import time
from collections.abc import Sequence
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from multiprocessing.util import get_temp_dir
from pathlib import Path
from typing import Any, NoReturn

from bnexp import interrupt
from bnexp.launch.progress import Progress
from bnexp.launch.stacks import Settings, Stack
from bnexp.machine import wait_without_spinning

CONTEXT = multiprocessing.get_context("forkserver")
"""Workers are forked from a server that has imported PyTorch and started no thread: ready in milliseconds."""

FOLDER = "BNEXP_TEMPORARY"
"""The variable of the environment that names the folder in which this process and its workers meet."""


class LaunchError(Exception):
    """Some runs could not be trained; the message names them and the reason."""


def warm_up() -> None:
    """Have the server from which workers are forked import PyTorch while this process does the same.

    Neither it nor the workers hear of the signals that end a command, which may reach all of its processes: the command
    decides, and stops its workers itself.
    """
    wait_without_spinning()
    os.environ[FOLDER] = get_temp_dir()
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
    waiting = [stack for stack in stacks if stack.unfinished(settings.outputs)]
    if not waiting:
        return
    warm_up()
    networks = sum(len(stack.configs) for stack in waiting)
    with Progress(sum(stack.cost for stack in waiting), networks) as progress:
        failures = _Workers(settings, progress).train(waiting)
    if failures:
        raise LaunchError("; ".join(failures))


class _Workers:
    def __init__(self, settings: Settings, progress: Progress) -> None:
        self.settings = settings
        self.progress = progress
        self.busy: dict[Connection, tuple[BaseProcess, Stack]] = {}
        self.steps: dict[Connection, int] = {}  # of the first process of each stack
        self.dismissed: set[Connection] = set()  # helpers of a first process that needs them no longer
        self.failures: dict[str, str] = {}  # by the stack, in words
        self.meetings = Path(tempfile.mkdtemp(dir=get_temp_dir()))

    def train(self, stacks: Sequence[Stack]) -> list[str]:
        """Train all stacks; a message for each that failed."""
        queue = list(stacks)
        try:
            while queue or self.busy:
                while queue and len({id(stack) for _, stack in self.busy.values()}) < self.settings.processes:
                    self._start(queue.pop(0))
                for pipe in wait(list(self.busy), timeout=1):
                    assert isinstance(pipe, Connection)
                    self._listen(pipe)
                self.progress.refresh()
        except BaseException:
            self._stop()
            raise
        return [f"{stack}: {reason}" for stack, reason in self.failures.items()]

    def _start(self, stack: Stack) -> None:
        """A process for the stack, or as many as its network wants."""
        meeting = self.meetings / str(id(stack))
        for rank in range(stack.configs[0].nproc):
            ours, theirs = CONTEXT.Pipe(duplex=False)
            arguments = stack, self.settings, theirs, rank, str(meeting)
            process = CONTEXT.Process(target=_work, args=arguments)
            process.start()
            theirs.close()
            self.busy[ours] = (process, stack)
            if rank == 0:
                self.steps[ours] = 0

    def _listen(self, pipe: Connection) -> None:
        process, stack = self.busy[pipe]
        try:
            message, value = pipe.recv()
        except EOFError:
            process.join()
            del self.busy[pipe]
            if process.exitcode != 0 and pipe not in self.dismissed:
                self.failures.setdefault(str(stack), f"the process died, exit code {process.exitcode}")
            for other, (helper, of) in self.busy.items():
                if of is stack and (process.exitcode != 0 or pipe in self.steps):  # they would wait for ever
                    self.dismissed.add(other)
                    helper.terminate()
            message, value = "step", stack.steps
        if message == "step" and pipe not in self.steps:
            return
        if message == "step":
            steps = value - self.steps[pipe]
            self.progress.advance(steps * len(stack.configs), stack.cost * steps / stack.steps)
            self.steps[pipe] = value
        elif message == "waiting":
            self.progress.note(f"{stack}: another command is training them; waiting for it")
        elif message == "notice":
            self.progress.note(value)
        else:
            self.failures[str(stack)] = value

    def _stop(self) -> None:
        for process, _ in self.busy.values():
            process.terminate()
        deadline = time.monotonic() + 10
        for process, _ in self.busy.values():
            process.join(max(0.0, deadline - time.monotonic()))
            process.kill()


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
    except Exception as error:
        tell("failed", f"{type(error).__name__}: {error}")
        raise SystemExit(1) from None
