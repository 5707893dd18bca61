"""Signals that ask a command to end: Ctrl-C, SIGTERM, and SIGHUP when its terminal is closed."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

CODE = 130
"""Exit code of a command that was interrupted."""


@contextlib.contextmanager
def heeded() -> Iterator[list[int]]:
    """Raise KeyboardInterrupt at the first of the signals, while this is open, and ignore those that follow it.

    It yields what came, for a library may make another error of a KeyboardInterrupt in its midst (omegaconf does).
    While a module is imported the process ends at once instead: what is raised there can get lost, and nothing is open
    that would have to be closed. A signal that is ignored already (`nohup`) stays so.
    """
    before = {number: signal.getsignal(number) for number in SIGNALS}
    came: list[int] = []
    heeded = [number for number, handler in before.items() if handler is not signal.SIG_IGN]

    def stop(number: int, frame: FrameType | None) -> None:
        for other in heeded:
            signal.signal(other, signal.SIG_IGN)
        came.append(number)
        if _imports(frame):
            leave(number, frame)
        raise KeyboardInterrupt

    for number in heeded:
        signal.signal(number, stop)
    try:
        yield came
    finally:
        for number in heeded:
            signal.signal(number, before[number])


def leave(*_: Any) -> None:
    """End this process at once, in a line."""
    with contextlib.suppress(OSError):
        os.write(2, b"bnexp: interrupted\n")
    os._exit(CODE)


@contextlib.contextmanager
def blocked() -> Iterator[None]:
    """Hold the signals back while this is open; a process begun meanwhile never hears them, nor do its children."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _imports(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
