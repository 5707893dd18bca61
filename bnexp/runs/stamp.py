"""What produced a run: code, versions, device, data, command line."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from bnexp.config import ENGINE
from bnexp.version import __version__


def stamp(command: str, device: str, threads: int, checksums: dict[str, str]) -> dict[str, Any]:
    """What produced a run: code, versions, device, data, command line."""
    packages = ("torch", "torchvision", "hydra-core", "numpy", "scikit-learn")
    commit, dirty = source_version()
    return {
        "bnexp": __version__,
        "engine": ENGINE,
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


ROOT = Path(__file__).parent.parent.parent


def source_version() -> tuple[str | None, bool | None]:
    """The commit of the source tree and whether its code is changed; None, None where it is no git checkout."""
    commit, changes = git("rev-parse", "HEAD"), git("status", "--porcelain", "--", ".", ":!results")
    return (None, None) if commit is None or changes is None else (commit, bool(changes))


def git(*arguments: str) -> str | None:
    """What git says in our own checkout; None where it fails or there is none."""
    if not (ROOT / ".git").exists():
        return None
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


WHERE = ("outputs", "results", "data.root")
"""Settings that say where things are, and nothing of what was trained."""


def command_line() -> str:
    """The command as the user gave it, also in the processes that it starts; without where things are."""
    return without_places(os.environ.get("BNEXP_COMMAND", "bnexp"))


def without_places(command: str) -> str:
    """A command without the folders that it names, which are those of one machine."""
    try:
        words = shlex.split(command)
    except ValueError:  # no command of a shell's
        return command
    return shlex.join(word for word in words if word.partition("=")[0].lstrip("+") not in WHERE)
