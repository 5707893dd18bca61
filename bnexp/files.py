"""Files that are whole or not there, and locks that go with their process."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path


def write_atomically(path: Path, text: str) -> None:
    """Write a file that is either whole or not there, also after a power cut."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    with partial.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


@contextlib.contextmanager
def locked(names: Iterable[Path], waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the locks of these folders, so that no other process writes into them.

    While another holds one, `waiting` is called several times a second. The locks lie beside the folders
    and go with the process, however it ends.
    """
    with contextlib.ExitStack() as held:
        for path in sorted(names):  # in one order everywhere, or two processes could wait for each other
            path.parent.mkdir(parents=True, exist_ok=True)
            file = held.enter_context(path.with_name(f".{path.name}.lock").open("w"))
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    waiting()
                    time.sleep(0.2)
        yield
