"""Files whose size and SHA-256 are known in advance, and their download."""

from __future__ import annotations

import hashlib
import os
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from bnexp.data.dataset import DataError, FileStatus
from bnexp.files import write_atomically

PATIENCE = 10.0
"""Seconds that a server may take to answer, and then to send more."""


@dataclass(frozen=True)
class KnownFile:
    """A file that can have only one content; `size` in bytes, `sha256` in hexadecimal."""

    name: str
    size: int
    sha256: str

    def difference(self, content: bytes) -> str | None:
        """How `content` differs from this file's, to follow the word "it"; None if it does not."""
        if len(content) != self.size:
            return f"is {len(content):,} bytes long, not {self.size:,}"
        digest = hashlib.sha256(content).hexdigest()
        return None if digest == self.sha256 else f"has SHA-256 {digest}, not {self.sha256}"


def verified(file: KnownFile, path: Path, remedy: str) -> bytes:
    """What stands at `path`; `DataError`, with the remedy, if that is not the file as it was published."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}; see to its permissions") from error
    difference = file.difference(content)
    if difference is not None:
        raise DataError(f"{path} is damaged: it {difference}; {remedy}")
    return content


def status_of(file: KnownFile, folder: Path) -> FileStatus:
    """The file in a folder as it is found."""
    path = folder / file.name
    if not os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises in a folder that may not be searched
        return FileStatus(file.name, path, "missing", 0)
    try:
        verified(file, path, "")
    except DataError:
        return FileStatus(file.name, path, "damaged", path.stat().st_size)
    return FileStatus(file.name, path, "whole", file.size)


def download(files: Sequence[KnownFile], mirrors: Sequence[str], folder: Path, console: Console) -> list[Path]:
    """Download `files` into `folder` and return their paths; a file stands there whole or not at all.

    Each is asked of the mirrors (addresses ending in a slash) in turn. Raises `DataError` with each mirror's reason
    once all have failed, and if the folder cannot be written.
    """
    _check_writable(folder)
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    paths = []
    # A piped bar would print its last state only, so there a line for each file takes its place.
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        for file in files:
            task = progress.add_task(file.name, total=file.size)

            def advance(count: int, task: Any = task) -> None:
                progress.update(task, completed=count)

            content = _first_whole(file, mirrors, advance, console)
            paths.append(folder / file.name)
            _write(paths[-1], content)
    return paths


def _first_whole(file: KnownFile, mirrors: Sequence[str], advance: Callable[[int], None], console: Console) -> bytes:
    reasons = []
    for mirror in mirrors:
        if not console.is_terminal:
            console.print(f"downloading {mirror}{file.name} ({file.size:,} bytes)", soft_wrap=True, highlight=False)
        try:
            content = _get(mirror + file.name, file.size, advance)
        except (OSError, HTTPException) as error:
            if isinstance(error, HTTPError):
                error.close()  # it is a response, with a connection of its own
            reasons.append(f"{mirror} failed ({_reason(error)})")
            continue
        difference = file.difference(content)
        if difference is None:
            return content
        reasons.append(f"what {mirror} sent {difference}")
    raise DataError(f"{file.name} could not be downloaded: {'; '.join(reasons)}")


def _get(url: str, size: int, advance: Callable[[int], None]) -> bytes:
    content = bytearray()
    with _open(url) as response:
        # One byte too many is enough to know the file is the wrong one, however much more would follow.
        while len(content) <= size and (chunk := response.read(min(1 << 16, size + 1 - len(content)))):
            content += chunk
            advance(len(content))
    return bytes(content)


def _open(url: str) -> Any:
    """`urlopen` that gives up after `PATIENCE` seconds in all.

    The time-out of `urlopen` itself is for each of a host's addresses in turn, and not for looking them up: without a
    network it can come to minutes.
    """
    outcome: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def ask() -> None:
        try:
            outcome.put(urlopen(Request(url, headers={"User-Agent": "bnexp"}), timeout=PATIENCE))
        except Exception as error:
            outcome.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        response = outcome.get(timeout=PATIENCE)
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(response, Exception):
        raise response
    return response


def _reason(error: Exception) -> str:
    if isinstance(error, HTTPError):
        return f"HTTP status {error.code}"
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, TimeoutError):
        return f"nothing came for {PATIENCE:g} s"
    text = (cause.strerror if isinstance(cause, OSError) else None) or str(cause) or type(cause).__name__
    return " ".join(text.split())


def _check_writable(folder: Path) -> None:
    """Find out before a download, not after it, and without leaving empty folders behind."""
    # Path.exists would raise in a folder that may not be searched.
    nearest = next(path for path in (folder, *folder.absolute().parents) if os.path.exists(path))  # noqa: PTH110
    if not (nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)):
        raise DataError(f"{folder} cannot be written (see {nearest}); set BNEXP_DATA to a folder of yours")


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror}; set BNEXP_DATA to a folder of yours") from error
