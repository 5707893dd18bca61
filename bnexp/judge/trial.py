"""The contract of a norm, tried in a process of its own: what hangs or ends it takes nothing more with it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bnexp import console, targets
from bnexp.config import ConfigError, NormConfig
from bnexp.judge.candidate import Candidate, as_typed
from bnexp.launch.trial import LIMIT, Report, in_a_process
from bnexp.norms import own
from bnexp.norms.contract import FEATURES, SHAPES, Result, failures_expected_of, inputs_of, lags, no_norm, results


@dataclass(frozen=True)
class Contract:
    """What came of every check of a norm."""

    results: Sequence[Result]
    inputs: Sequence[str] = tuple(SHAPES)
    """The kinds of input that it takes."""
    lags: bool = False
    """Whether it keeps averages of its own in the place of population statistics."""

    @property
    def broken(self) -> list[Result]:
        """Those that did not come out as the norm says of itself."""
        return [result for result in self.results if not result.fine]


def contract(candidate: Candidate) -> Contract:
    """Its checks, run. Errors: ConfigError for a norm that is not to be had, and one that ends or hangs."""
    at = "while it was imported"
    with in_a_process(_try, [candidate], LIMIT) as next_outcome:
        while True:
            outcome, value = next_outcome()
            if outcome == "begins":
                at = value
            elif outcome == "lost":
                raise ConfigError(
                    f"{candidate.target}: {value} ({at}); what it does beyond normalising its input does not belong "
                    "into it"
                )
            else:
                break
    if outcome == "refused":
        raise ConfigError(value)
    found: Contract = value
    return found


def _try(candidate: Candidate, report: Report) -> None:
    try:
        with console.overheard() as heard, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            make, settings = candidate.make(), candidate.settings
            if said := heard().strip():
                raise ConfigError(f"{candidate.target} prints {said[:40]!r} while it is imported; leave out print(…)")
            _check_of_itself(candidate, make)
            report("begins", "while it was made")
            config = NormConfig(name="module", target=candidate.target, settings=dict(settings))
            own.factory(config)(FEATURES)
            found = results(make, settings, lambda check: report("begins", f"in the check {check}"))
            sound = all(result.fine for result in found)
            report("tried", Contract(found, inputs_of(make), sound and lags(make, settings)))
    except ConfigError as error:
        report("refused", as_typed(str(error)))
    except BaseException as error:  # no signal reaches this process: an interrupt is the norm's own
        report("refused", f"{candidate.target}: {targets.place(error)}")


def _check_of_itself(candidate: Candidate, make: Any) -> None:
    """ConfigError for what is no norm, and for what a norm cannot say of itself."""
    try:
        if wrong := no_norm(make):
            raise ConfigError(wrong)
        failures_expected_of(make)
    except ConfigError as error:
        raise ConfigError(f"{candidate.target}: {error}") from error
