"""A run's folder: opened, resumed, finished atomically, read back; and the stamp that says how it came about."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from bnexp import __version__
from bnexp.config import RunConfig, flatten, run_fields, run_id
from bnexp.records import Record

FINISHED = ("ok", "diverged")
"""The states in which a run is a result; `crashed` and `interrupted` ones are trained again."""


def write_atomically(path: Path, text: str) -> None:
    """Write a file that is either whole or not there, also after a power cut."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    with partial.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


class RunFolder:
    """`<outputs>/runs/<name>`, its name made of the arm's main settings and the run's id."""

    def __init__(self, outputs: str | Path, config: RunConfig) -> None:
        self.config = config
        self.id = run_id(config)
        norm = (config.norm.target or config.norm.name).rpartition(":")[2]
        name = f"{config.data.name}-{norm}-lr{config.lr:g}-init{config.init.scale:g}-seed{config.seed}-{self.id}"
        self.path = Path(outputs) / "runs" / name

    def summary(self) -> dict[str, Any] | None:
        """The summary of a finished run, or None."""
        try:
            summary = json.loads((self.path / "summary.json").read_text())
        except (OSError, ValueError):
            return None
        return summary if summary["status"] in FINISHED else None

    def start(self, stamp: dict[str, Any]) -> None:
        """Make the folder anew with config and stamp; what an unfinished attempt left is removed."""
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir(parents=True)
        (self.path / "config.yaml").write_text(yaml.safe_dump(run_fields(self.config), sort_keys=False))
        (self.path / "stamp.json").write_text(json.dumps(stamp, indent=1) + "\n")

    def finish(self, status: str, **values: Any) -> None:
        """Write the summary, last of all."""
        summary = {"id": self.id, "status": status, **values}
        write_atomically(self.path / "summary.json", json.dumps(summary, indent=1) + "\n")

    def read(self) -> Record:
        """The record of a finished run."""
        summary = self.summary()
        assert summary is not None, f"{self.path} is not finished"
        summary["stamp"] = json.loads((self.path / "stamp.json").read_text())
        with np.load(self.path / "activations.npz") as stored:
            last = stored[stored.files[-1]][:, :, :3]
        predictions = None
        if (self.path / "predictions.npz").exists():
            with np.load(self.path / "predictions.npz") as stored:
                predictions = stored["predictions"]
        metrics = pd.read_csv(self.path / "metrics.csv")
        return Record(self.id, flatten(run_fields(self.config)), summary, metrics, last, predictions)


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


def stamp(command: str, device: str, threads: int, checksums: dict[str, str]) -> dict[str, Any]:
    """What produced a run: code, versions, device, data, command line."""
    packages = ("torch", "torchvision", "hydra-core", "numpy", "scikit-learn")
    commit, dirty = source_version()
    return {
        "bnexp": __version__,
        "git_commit": commit,
        "git_dirty": dirty,
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in packages},
        "platform": f"{platform.system()} {platform.machine()}",
        "device": device,
        "threads": threads,
        "data_sha256": checksums,
        "command": command,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def source_version() -> tuple[str | None, bool | None]:
    """The commit of the source tree and whether its code is changed; None, None where it is no git checkout."""
    root = Path(__file__).parent.parent

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != root.resolve():
            return None, None
        changes = git("status", "--porcelain", "--", ".", ":!results")
        return git("rev-parse", "HEAD"), bool(changes)
    except (OSError, subprocess.CalledProcessError):
        return None, None


def command_line() -> str:
    """The command as the user gave it, also in the processes that it starts."""
    return os.environ.get("BNEXP_COMMAND", "bnexp")
