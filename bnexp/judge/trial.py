"""The contract of a norm, tried in a process of its own: what hangs or ends it takes nothing more with it."""

from __future__ import annotations

import contextlib
import io
import math
import signal
from collections.abc import Sequence
from multiprocessing.connection import Connection

from bnexp import targets
from bnexp.config import ConfigError
from bnexp.judge.candidate import KEY, Candidate
from bnexp.launch.pool import GRACE
from bnexp.launch.trial import LIMIT, in_a_process
from bnexp.norms.contract import Result, results


def contract(candidate: Candidate) -> list[Result]:
    """What came of every check. Errors: ConfigError for a norm that is not to be had, and one that ends or hangs."""
    with in_a_process(_try, [candidate], LIMIT) as next_outcome:
        outcome, value = next_outcome()
    if outcome == "refused":
        raise ConfigError(value)
    if outcome == "lost":
        raise ConfigError(
            f"{KEY}={candidate.target}: its contract was tried in a process of its own, but {value}; what it does "
            "beyond normalising its input does not belong into it"
        )
    found: list[Result] = value
    return found


def _try(jobs: Sequence[Candidate], limit: int, pipe: Connection) -> None:
    """What the process does; it ends also where the command was killed meanwhile."""
    for candidate in jobs:
        signal.alarm(math.ceil(limit + GRACE))
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                pipe.send(("tried", results(candidate.make(), candidate.settings)))
        except ConfigError as error:
            pipe.send(("refused", str(error)))
        except Exception as error:
            pipe.send(("refused", f"{KEY}={candidate.target}: {targets.place(error)}"))
