"""Where the project prints: results to the standard output, progress and notices to the standard error."""

from __future__ import annotations

import codecs
import contextlib
import errno
import io
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any, TextIO

from rich.console import Console

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

PLAIN = {"—": "-", "–": "-", "−": "-", "×": "x", "…": "~", "’": "'", "→": ">", "·": "."}
"""Characters of as many columns for consoles that lack one."""


def settle() -> None:
    """Let nothing that is printed raise an exception: it is another character that the console lacks, or its end."""
    codecs.register_error("bnexp", _plainly)
    sys.stdout, sys.stderr = _lasting(sys.stdout), _lasting(sys.stderr)


@contextlib.contextmanager
def overheard() -> Iterator[Callable[[], str]]:
    """Keep from its reader what this process writes meanwhile to its standard output and error; the text so far."""
    standard = (1, 2)
    kept = [os.dup(number) for number in standard]
    with tempfile.TemporaryFile() as file:

        def text() -> str:
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0).decode(errors="replace")

        text()  # what was printed before belongs to the reader
        for number in standard:
            os.dup2(file.fileno(), number)
        try:
            yield text
        finally:
            text()
            for number, before in zip(standard, kept, strict=True):
                os.dup2(before, number)
                os.close(before)


class _Lasting(io.FileIO):
    """A file written to nowhere once its reader is gone: `bnexp list | head -1`, or a terminal that was closed."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.EIO):
                raise
            return len(data)


def _lasting(stream: TextIO) -> TextIO:
    if not isinstance(stream, io.TextIOWrapper):  # there is none, or somebody's own
        return stream
    file = _Lasting(stream.fileno(), "wb", closefd=False)
    return io.TextIOWrapper(
        file if stream.write_through else io.BufferedWriter(file),  # as Python does for -u
        encoding=stream.encoding,
        errors="bnexp",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def _plainly(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(PLAIN.get(character, "?") for character in lacking), error.end
