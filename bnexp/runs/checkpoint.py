"""The state of a training on disk, so that one cut short goes on where it was."""

from __future__ import annotations

import os
from typing import Any

import torch

from bnexp.runs.folder import RunFolder


class Checkpoint:
    """The last state kept of one run, beside its folder: starting the run anew empties the folder.

    A file that cannot be read counts as none; the run then begins at its first step.
    """

    def __init__(self, folder: RunFolder, every: int, writes: bool = True) -> None:
        self.path = folder.path.with_name(f".{folder.path.name}.checkpoint")
        self.every = every
        self.writes = writes

    def load(self) -> dict[str, Any] | None:
        """The state last kept."""
        try:
            # evaluations are objects of ours, and the file is too
            return torch.load(self.path, weights_only=False)  # type: ignore[no-any-return]
        except Exception:
            return None

    def due(self, step: int) -> bool:
        """Whether the state after so many steps is to be kept."""
        return step % self.every == 0

    def keep(self, state: dict[str, Any]) -> None:
        """Write it whole or not at all; of several processes only the first does."""
        if not self.writes:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_name(f"{self.path.name}.partial")
        with part.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, self.path)

    def remove(self) -> None:
        """The run is finished."""
        self.path.unlink(missing_ok=True)
