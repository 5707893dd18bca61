"""Trains one stack and writes its records."""

from __future__ import annotations

import contextlib
import time
import traceback
import warnings
from collections.abc import Callable, Iterator

import torch

from bnexp import data, runs
from bnexp.runs import RunFolder
from bnexp.sinks import RunSink
from bnexp.stacks import Settings, Stack
from bnexp.train import train

HEARTBEAT = 0.2
"""Seconds between two signs of life."""

Tell = Callable[[str, object], None]


class Interrupted(BaseException):
    """The process was asked to stop."""


def train_stack(stack: Stack, settings: Settings, tell: Tell) -> None:
    """Train the whole stack and write the runs that are not finished; without any, do nothing.

    `tell` hears ("step", steps done), ("waiting", None) while another process holds a run of the stack,
    and ("notice", text). Whatever is raised, the runs are closed first, as crashed or interrupted.
    """
    torch.set_num_threads(settings.threads)
    torch.set_flush_denormal(True)  # saturated units would slow the processor down tenfold
    folders = [RunFolder(settings.outputs, c) for c in stack.configs]
    with runs.locked([f.path for f in folders], lambda: tell("waiting", None)):
        unfinished = [i for i, folder in enumerate(folders) if folder.summary() is None]
        if not unfinished:
            return
        dataset = data.load(stack.configs[0].data)
        stamp = runs.stamp(settings.command, settings.device, settings.threads, dataset.sha256)
        with _closing({i: RunSink(folders[i], stamp) for i in unfinished}) as sinks, _notices(tell):
            torch.manual_seed(stack.configs[0].seed)  # for layers of the user's own that draw
            for evaluation in train(stack.configs, dataset, settings.device, settings.compile, _Heartbeat(tell)):
                if evaluation.network in sinks:
                    sinks[evaluation.network].write(evaluation)


@contextlib.contextmanager
def _closing(sinks: dict[int, RunSink]) -> Iterator[dict[int, RunSink]]:
    """Finish the sinks at the end, or close them with the reason why there was none."""
    try:
        yield sinks
        for sink in sinks.values():
            sink.finish()
    except BaseException as error:
        status = "crashed" if isinstance(error, Exception) else "interrupted"
        for sink in sinks.values():
            with contextlib.suppress(OSError):  # a full disk is no reason to hide what went wrong first
                sink.abandon(status, traceback.format_exc())
        raise


@contextlib.contextmanager
def _notices(tell: Tell) -> Iterator[None]:
    with warnings.catch_warnings(record=True) as caught:
        yield
    for warning in caught:
        tell("notice", str(warning.message))


class _Heartbeat:
    """Passes steps on, a few times a second."""

    def __init__(self, tell: Tell) -> None:
        self.tell = tell
        self.next = 0.0

    def __call__(self, step: int) -> None:
        now = time.monotonic()
        if now >= self.next:
            self.next = now + HEARTBEAT
            self.tell("step", step)
