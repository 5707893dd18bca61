"""What the jobs of a command came to: Hydra gives the command neither a job's error as it is nor a sweep's runs."""

from __future__ import annotations

from bnexp.config import Config

failure: list[BaseException] = []
"""What the one job of `bnexp run` raised; Hydra would announce it with a line of its own."""

trained: list[Config] = []
"""The runs that are there when the command ends, to be judged and drawn, as `app.settle` leaves their configs."""


def clear() -> None:
    """Forget a command that was run in this process before."""
    failure.clear()
    trained.clear()
