"""Files that are whole or as they were before, and locks that go with their process."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file that is whole or as it was before, also after a power cut; text becomes UTF-8."""
    partial = path.with_name(f".partial-{os.getpid()}-{path.name}")
    for left in path.parent.glob(f".partial-*-{path.name}"):
        if not _alive(int(left.name.split("-")[1])):
            left.unlink(missing_ok=True)
    try:
        partial.write_bytes(content.encode() if isinstance(content, str) else content)
        sync(partial)
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    sync(path.parent)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is somebody else's
        return True
    return True


def digest(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def sync(path: Path) -> None:
    """Have a file's content, or the names in a folder, on the disk before anything that is written later."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if not (path.is_dir() and error.errno in (errno.EINVAL, errno.ENOTSUP)):  # some file systems do so themselves
            raise
    finally:
        os.close(descriptor)


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock of this name."""
    if not _lock(path).exists():
        return False
    try:
        with FileLock(_lock(path)).acquire(timeout=0):
            return False
    except Timeout:
        return True


def _lock(path: Path) -> Path:
    return path.with_name(f".{path.name}.lock")


@contextlib.contextmanager
def locked(names: Iterable[Path], waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the locks of these names, so that no other process writes there; `.NAME.lock` beside each is the lock.

    While another holds one, `waiting` is called several times a second. The locks go with the process, however it ends.
    """
    with contextlib.ExitStack() as held:
        for path in sorted(names):  # in one order everywhere, or two processes could wait for each other
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(_lock(path))
            while True:
                try:
                    held.enter_context(lock.acquire(timeout=0))
                    break
                except Timeout:
                    waiting()
                    time.sleep(0.2)
        yield
