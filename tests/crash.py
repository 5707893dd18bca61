"""A process that is killed at its k-th call that changes a file, and what a power cut at that moment leaves."""

from __future__ import annotations

import builtins
import contextlib
import io
import multiprocessing
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

LOSSES = ("killed", "emptied", "undone")
"""What goes with the process: nothing; what was written into files and not synced; that, and all that was done in a
folder, such as renaming, since it was synced."""

PATCHED = ("open", "fsync", "mkdir", "replace", "rename", "unlink", "remove", "rmdir")
"""The functions of `os` that are watched."""


class Node:
    """A file or a folder as far as it is on the disk: its bytes, or what is in it by name."""

    def __init__(self, content: bytes | dict[str, Node]) -> None:
        self.synced = content
        self.left = content
        """The same, but nothing of a file that was opened anew since."""


class Disk:
    """Counts what changes files under `root`; at call number `last` what is not synced is lost, and the process.

    Python's own ways of writing are watched, and libraries use them, but for the pixels that Pillow writes.
    """

    def __init__(self, root: Path, last: int, loss: str) -> None:
        self.root = root.resolve()
        self.last = last
        self.loss = loss
        self.calls = 0
        self.over = False
        self.lock = threading.RLock()
        self.nodes: dict[int, Node] = {}
        self.top = self._scan(self.root)
        self.plain: dict[str, Any] = {name: getattr(os, name) for name in PATCHED}
        self.plain_open = io.open

    def watch(self) -> None:
        """From now on."""
        self._patch({name: self._counted(self.plain[name]) for name in PATCHED}, self._open)
        self._patch({"open": self._os_open, "fsync": self._fsync, "mkdir": self._mkdir}, self._open)

    @staticmethod
    def _patch(functions: dict[str, Any], opens: Any) -> None:
        for name, function in functions.items():
            setattr(os, name, function)
        builtins.open = io.open = opens

    def call(self, *paths: Any, dir_fd: int | None = None) -> bool:
        """Whether one of these is under the root; then the call is counted, and the last one is not made."""
        if not any(self._path(path, dir_fd).is_relative_to(self.root) for path in paths):
            return False
        with self.lock:  # which no other thread gets any more after the last call
            if self.over:
                return False
            self.calls += 1
            if self.calls == self.last:
                self.over = True
                if self.loss != "killed":
                    self._lose()
                os.kill(os.getpid(), signal.SIGKILL)
        return True

    def _lose(self) -> None:
        if self.loss == "emptied":
            for path in (path for path in self.root.rglob("*") if path.is_file()):
                content = self._node(path).left
                path.write_bytes(content if isinstance(content, bytes) else b"")
            return
        for path in self.root.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        self._restore(self.root, self.top)

    def _restore(self, path: Path, node: Node) -> None:
        if isinstance(node.synced, bytes):
            path.write_bytes(node.synced)
            return
        path.mkdir(exist_ok=True)
        for name, inner in node.synced.items():
            self._restore(path / name, inner)

    @staticmethod
    def _path(path: Any, dir_fd: int | None = None) -> Path:
        if isinstance(path, int):
            return Path(f"/proc/self/fd/{path}").readlink()
        folder = Path.cwd() if dir_fd is None else Path(f"/proc/self/fd/{dir_fd}").readlink()
        return folder / os.fsdecode(path)

    def _scan(self, path: Path) -> Node:
        content = {p.name: self._scan(p) for p in path.iterdir()} if path.is_dir() else path.read_bytes()
        node = self.nodes[path.stat().st_ino] = Node(content)
        return node

    def _node(self, path: Path) -> Node:
        return self.nodes.setdefault(path.stat().st_ino, Node({} if path.is_dir() else b""))

    def _counted(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*paths: Any, dir_fd: int | None = None, **others: Any) -> Any:
            self.call(*paths, dir_fd=dir_fd)
            return function(*paths, **others | ({} if dir_fd is None else {"dir_fd": dir_fd}))

        return counted

    def _mkdir(self, path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        watched = self.call(path, dir_fd=dir_fd)
        self.plain["mkdir"](path, mode, dir_fd=dir_fd)
        if watched:
            self.nodes[os.stat(path, dir_fd=dir_fd).st_ino] = Node({})

    def _os_open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        unnamed = flags & os.O_TMPFILE == os.O_TMPFILE
        creates = flags & os.O_CREAT and not unnamed and not self._path(path, dir_fd).exists()
        watched = creates and self.call(path, dir_fd=dir_fd)
        descriptor: int = self.plain["open"](path, flags, mode, dir_fd=dir_fd)
        if watched:
            self.nodes[os.fstat(descriptor).st_ino] = Node(b"")
        return descriptor

    def _open(self, file: Any, mode: str = "r", buffering: int = -1, *text: Any, **others: Any) -> Any:
        writes = not isinstance(file, int) and others.get("opener") is None and not set("wxa+").isdisjoint(mode)
        is_new = writes and not self._path(file).exists()
        if not (writes and self.call(file)):
            return self.plain_open(file, mode, buffering, *text, **others)
        raw = Raw(self, file, mode.replace("b", "").replace("t", ""))
        if is_new:
            self.nodes[os.fstat(raw.fileno()).st_ino] = Node(b"")
        elif "w" in mode:
            self._node(Path(file)).left = b""
        buffered = (io.BufferedRandom if "+" in mode else io.BufferedWriter)(raw)
        named = {name: value for name, value in others.items() if name in ("encoding", "errors", "newline")}
        return buffered if "b" in mode else io.TextIOWrapper(buffered, *text, **named)

    def _fsync(self, descriptor: Any) -> None:
        descriptor = descriptor if isinstance(descriptor, int) else descriptor.fileno()
        watched = self.call(descriptor)
        self.plain["fsync"](descriptor)
        if watched:
            path = self._path(descriptor)
            node = self._node(path)
            node.synced = {p.name: self._node(p) for p in path.iterdir()} if path.is_dir() else path.read_bytes()
            node.left = node.synced


class Raw(io.FileIO):
    """A file of which each write is counted as the system call that it is."""

    def __init__(self, disk: Disk, file: Any, mode: str) -> None:
        super().__init__(file, mode)
        self.disk = disk

    def write(self, data: Any) -> int:  # type: ignore[override]
        """See `io.FileIO`."""
        self.disk.call(self.fileno())
        return super().write(data)


class Warm:
    """A process that has imported and loaded everything, and forks a child for each job."""

    def __init__(self, prepare: Callable[[], None]) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(prepare, theirs), daemon=True)
        self.process.start()
        theirs.close()

    def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What the function returns in a child."""
        self.pipe.send((function, arguments))
        status, result = self.pipe.recv()
        assert status == 0, f"the child ended with {status}: {result}"
        return result

    def kill(self, root: Path, call: int, loss: str, function: Callable[..., Any], *arguments: Any) -> bool:
        """Run the function and kill it at this call under `root`; whether it came to that."""
        self.pipe.send((_watched, (root, call, loss, function, arguments)))
        status, result = self.pipe.recv()
        assert status in (0, signal.SIGKILL), f"the child ended with {status}: {result}"
        return bool(status == signal.SIGKILL)

    def count(self, root: Path, function: Callable[..., Any], *arguments: Any) -> int:
        """The calls under `root` when nothing happens."""
        calls: int = self.run(_watched, root, 0, "killed", function, arguments)
        return calls

    def close(self) -> None:
        """End it."""
        self.pipe.close()
        self.process.join()


def _watched(root: Path, call: int, loss: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> int:
    disk = Disk(root, call, loss)
    disk.watch()
    function(*arguments)
    return disk.calls


def _serve(prepare: Callable[[], None], jobs: Connection) -> None:
    prepare()
    with contextlib.suppress(EOFError):
        while True:
            function, arguments = jobs.recv()
            ours, theirs = multiprocessing.Pipe(duplex=False)
            child = os.fork()
            if child == 0:
                _child(theirs, function, arguments)
            theirs.close()
            result = None
            with contextlib.suppress(EOFError):
                result = ours.recv()
            _, status = os.waitpid(child, 0)
            jobs.send((status, result))


def _child(answer: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    status = 1
    try:
        answer.send(function(*arguments))
        status = 0
    except BaseException as error:
        answer.send(repr(error))
    finally:
        sys.stdout.flush()
        os._exit(status)
