"""What the jobs of a command came to: Hydra gives the command neither a job's error as it is nor a sweep's runs."""

from __future__ import annotations

from bnexp.config import Config

failure: list[BaseException] = []
"""What the one job of `bnexp run` raised; Hydra would announce it with a line of its own."""

trained: list[Config] = []
"""The runs that are there when the command ends, to be judged and drawn, as `app.settle` leaves their configs."""

partly = False
"""Whether the command trains nothing and reports what is there: `bnexp report --partial`."""


def clear(only_report: bool = False) -> None:
    """Forget a command that was run in this process before."""
    global partly
    partly = only_report
    failure.clear()
    trained.clear()
