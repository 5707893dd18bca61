"""Trains one stack and writes its records."""

from __future__ import annotations

import contextlib
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from datetime import timedelta

import torch
from torch import distributed

from bnexp import data, targets
from bnexp.engine.train import train
from bnexp.files import locked
from bnexp.launch.sink import RunSink
from bnexp.launch.stacks import Settings, Stack
from bnexp.machine import prepare
from bnexp.runs.checkpoint import Checkpoint
from bnexp.runs.folder import RunFolder
from bnexp.runs.stamp import stamp

HEARTBEAT = 0.2
"""Seconds between two signs of life."""

PATIENCE = timedelta(days=1)
"""How long processes that train one network wait for each other: one may be evaluating, or waiting for a lock."""

Tell = Callable[[str, object], None]


def train_stack(stack: Stack, settings: Settings, tell: Tell, meeting: str = "") -> None:
    """Train the whole stack and write the runs that are not finished; without any, do nothing.

    A network over several processes is trained with those that `assist`, which are met at the file `meeting`.
    `tell` hears ("step" or "evaluating", steps done), ("waiting", None) while another process holds a run of the stack,
    and ("notice", text). Whatever is raised, the runs are closed first, as crashed or interrupted.
    """
    prepare(settings.threads)
    folders = [RunFolder(settings.outputs, c) for c in stack.configs]
    with locked([f.lock for f in folders], lambda: tell("waiting", None)):
        missing = stack.unfinished(settings)
        unfinished = [i for i, config in enumerate(stack.configs) if config in missing]
        kept = _checkpoint(stack, settings, notice=lambda text: tell("notice", text))
        if not unfinished:
            if kept is not None:  # of a process killed between the last two things that it does
                kept.remove()
            return
        targets.check_unchanged(stack.configs[0])
        dataset = data.load(stack.configs[0].data)
        made_by = stamp(settings.command, settings.device, settings.threads, dataset.sha256)
        with (
            _group(stack, settings, 0, meeting),
            _closing({i: RunSink(folders[i], made_by) for i in unfinished}) as sinks,
            _notices(tell),
            _one_voice(),
        ):
            torch.manual_seed(stack.configs[0].seed)  # for layers of the user's own that draw
            beat = _Heartbeat(tell)
            how = settings.device, settings.compile, beat.train, kept
            for evaluation in train(stack.configs, dataset, *how, evaluating=beat.evaluate):
                if evaluation.network in sinks:
                    sinks[evaluation.network].write(evaluation)
        if kept is not None:
            kept.remove()


def assist(stack: Stack, settings: Settings, rank: int, meeting: str) -> None:
    """Work on the stack's only network as one of several processes, but the first, which does all the writing."""
    prepare(settings.threads)
    dataset = data.load(stack.configs[0].data)
    kept = _checkpoint(stack, settings, writes=False)
    with _group(stack, settings, rank, meeting):
        for _ in train(stack.configs, dataset, settings.device, settings.compile, keeper=kept, rank=rank):
            pass


@contextlib.contextmanager
def _group(stack: Stack, settings: Settings, rank: int, meeting: str) -> Iterator[None]:
    """The process group of a network over several processes while it is open."""
    size = stack.configs[0].nproc
    if size == 1:
        yield
        return
    if settings.device == "cuda":
        torch.cuda.set_device(rank % torch.cuda.device_count())
    backend = "nccl" if settings.device == "cuda" else "gloo"
    distributed.init_process_group(backend, f"file://{meeting}", PATIENCE, size, rank)
    try:
        yield
    finally:
        distributed.destroy_process_group()


def _checkpoint(
    stack: Stack, settings: Settings, writes: bool = True, notice: Callable[[str], None] = lambda text: None
) -> Checkpoint | None:
    """Of a network on its own; the others are trained in minutes."""
    first = stack.configs[0]
    if first.model.stacked:
        return None
    return Checkpoint(RunFolder(settings.outputs, first), settings.checkpoint, writes, notice)


@contextlib.contextmanager
def _closing(sinks: dict[int, RunSink]) -> Iterator[dict[int, RunSink]]:
    """Finish the sinks at the end, or close those that are not finished with the reason why there was no end."""
    try:
        yield sinks
        for sink in sinks.values():
            sink.finish()
    except BaseException as error:
        status = "interrupted" if isinstance(error, KeyboardInterrupt) else "crashed"
        for sink in sinks.values():
            with contextlib.suppress(OSError):  # a full disk is no reason to hide what went wrong first
                if sink.folder.summary() is None:
                    sink.abandon(status, traceback.format_exc())
        if isinstance(error, SystemExit):  # of the user's own code, which does not end the command
            raise RuntimeError(f"sys.exit({error.code}) was called").with_traceback(error.__traceback__) from None
        raise


@contextlib.contextmanager
def _notices(tell: Tell) -> Iterator[None]:
    """Pass warnings on when they are given."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: tell("notice", str(message))
        yield


@contextlib.contextmanager
def _one_voice() -> Iterator[None]:
    """What the system refuses TensorBoard's threads is not printed by them: it refuses the run's other files, too."""
    before = threading.excepthook
    threading.excepthook = lambda failed: None if isinstance(failed.exc_value, OSError) else before(failed)
    try:
        yield
    finally:
        threading.excepthook = before


class _Heartbeat:
    """Passes on which step it is, a few times a second."""

    def __init__(self, tell: Tell) -> None:
        self.tell = tell
        self.next = 0.0
        self.step = 0

    def train(self, step: int) -> None:
        self.step = step
        self._pass_on("step")

    def evaluate(self) -> None:
        self._pass_on("evaluating")

    def _pass_on(self, doing: str) -> None:
        now = time.monotonic()
        if now >= self.next:
            self.next = now + HEARTBEAT
            self.tell(doing, self.step)
