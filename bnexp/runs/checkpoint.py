"""The state of a training on disk, so that one cut short goes on where it was."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from bnexp.files import write_atomically
from bnexp.runs.folder import RunFolder

LAYOUT = 2
"""Raised by hand when a state's content changes. The first held objects, which only running code could read."""


class Checkpoint:
    """The last state kept of one run, beside its folder: starting the run anew empties the folder.

    A state is of tensors, numbers, words, lists, tuples and dicts, which are read without running anything. `notice`
    is told, in a sentence, of a file that cannot be used or written; the training then does without.
    """

    def __init__(
        self, folder: RunFolder, every: int, writes: bool = True, notice: Callable[[str], None] = lambda text: None
    ) -> None:
        self.name = folder.name
        self.id = folder.id
        self.path = folder.runs / f".{folder.id}.checkpoint"
        self.every = every
        self.writes = writes
        self.notice = notice

    def load(self) -> dict[str, Any] | None:
        """The state last kept, or None."""
        for path in self._files():
            if path.name.startswith(".partial-"):  # its process was killed
                continue
            try:
                return read(path, self.id)
            except ValueError as error:
                self.notice(f"{path} is {error}; {self.name} begins at its first step")
        return None

    def due(self, step: int) -> bool:
        """Whether the state after so many steps is to be kept."""
        return step % self.every == 0

    def keep(self, state: dict[str, Any]) -> None:
        """Write it whole or not at all; of several processes only the first does."""
        if not self.writes:
            return
        buffer = io.BytesIO()
        torch.save({"layout": LAYOUT, "id": self.id, "state": state}, buffer)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self.path, buffer.getvalue())
        except OSError as error:
            self.notice(
                f"{self.path} cannot be written: {error.strerror or error}; {self.name} goes on, and cut short it "
                "would begin at an earlier step"
            )

    def refuse(self, reason: str) -> None:
        """Say that the state last kept does not fit the run."""
        reason = reason.partition("\n")[0]
        self.notice(f"{self.path} does not fit ({reason}); {self.name} begins at its first step")

    def remove(self) -> None:
        """The run is finished."""
        for path in self._files():
            path.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        """The file, and those under the names that earlier versions gave it."""
        return sorted(self.path.parent.glob(f".*{self.id}.checkpoint"))


def read(path: Path, id: str, device: str | None = None) -> dict[str, Any]:
    """The state in a file, on `device`, by default where it was; ValueError for what is none of the run `id`."""
    try:
        content = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # there is no end to what is raised
        raise ValueError("damaged, or holds more than plain data") from error
    mark = {"layout": LAYOUT, "id": id}
    if not isinstance(content, dict) or {key: content.get(key) for key in mark} != mark:
        raise ValueError("of another version of bnexp")
    state: dict[str, Any] = content["state"]
    return state
