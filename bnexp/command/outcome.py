"""What the jobs of a command came to: Hydra gives the command neither a job's error as it is nor a sweep's runs."""

from __future__ import annotations

from collections.abc import Callable

from bnexp.config import Config
from bnexp.runs.records import Record

failure: list[BaseException] = []
"""What the one job of `bnexp run` raised; Hydra would announce it with a line of its own."""

trained: list[Config] = []
"""The runs that are there when the command ends, to be judged and drawn, as `app.settle` leaves their configs."""

changes: list[Callable[[list[Config]], list[Config]]] = []
"""What a command makes of its jobs before they are settled: `bnexp judge` puts another norm in BN's place."""

elsewhere: dict[str, Record] = {}
"""By id, runs that are not trained, because their records are at hand."""

partly = False
"""Whether the command trains nothing and reports what is there: `bnexp report --partial`."""


def clear(only_report: bool = False) -> None:
    """Forget a command that was run in this process before."""
    global partly
    partly = only_report
    for kept in (failure, trained, changes, elsewhere):
        kept.clear()
