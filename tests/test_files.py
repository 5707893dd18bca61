"""Files whole or as before, and locks that go with their process."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bnexp.files import locked, sync, write_atomically


@pytest.mark.parametrize("content", ["γ and β\n", b"\x00\xff"])
def test_a_file_is_replaced_whole(tmp_path: Path, content: str | bytes) -> None:
    path = tmp_path / "verdict.json"
    path.write_text("before")
    write_atomically(path, content)
    assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_file_that_cannot_be_written_is_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    path = tmp_path / "verdict.json"
    path.write_text("before")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, "after")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_synced_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(os, "fsync", refuse)
    sync(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="Invalid"):
        sync(tmp_path / "file")


HOLD = """
import sys, time
from pathlib import Path
from bnexp.files import locked
with locked([Path(name) for name in sys.argv[1:]], lambda: None):
    print("held", flush=True)
    time.sleep(600)
"""


def test_the_second_waits_until_the_first_is_dead(tmp_path: Path) -> None:
    names = [tmp_path / "runs" / name for name in ("b", "a")]
    holder = subprocess.Popen([sys.executable, "-c", HOLD, *map(str, names)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    waited = threading.Event()

    def waiting() -> None:
        waited.set()
        holder.kill()

    with holder, locked(names, waiting):
        assert waited.is_set()
    with locked(names, lambda: pytest.fail("nobody holds them")):
        assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == [".a.lock", ".b.lock"]
