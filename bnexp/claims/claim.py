"""The form of a claim: what is said, by whom, of which networks, and by which rule it is judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from matplotlib.figure import Figure
from pandas import DataFrame

from bnexp.runs.records import Record, Records
from bnexp.stats import Interval

PLAIN, BN = "none", "batch"
"""The norms that the paper compares in §4.1, as `Record.norm` names them."""

Unit = Literal["points", "ratio", "decades", "decades per layer", "share", "deviations"]

Kind = Literal["difference"]

Verdict = Literal["reproduced", "contradicted", "undecided"]


@dataclass(frozen=True)
class Of:
    """The values of a setting that a claim speaks of without naming one."""

    kind: Literal["treated", "largest", "smallest", "above", "among"]
    values: tuple[Any, ...] = ()


TREATED = Of("treated")
"""The norm that is put to the test: `batch`, unless another is asked for."""

LARGEST, SMALLEST = Of("largest"), Of("smallest")
"""Of the values that there are."""

Settings = Mapping[str, Any]
"""Setting to its value, or to an `Of`."""


@dataclass(frozen=True)
class Quantity:
    """What is measured on the runs of a seed that differ in `over` alone: mostly on a single one.

    `measure` gives None where there is nothing to be measured, and infinity for a target that was never reached.
    Ratios are compared on logarithms.
    """

    name: str
    measure: Callable[[Sequence[Record]], float | None]
    unit: Unit = "points"
    over: tuple[str, ...] = ()


def of_run(measure: Callable[[Record], float | None]) -> Callable[[Sequence[Record]], float | None]:
    """The measure of a single run, as a `Quantity` has it."""

    def measured(runs: Sequence[Record]) -> float | None:
        (run,) = runs
        return measure(run)

    return measured


@dataclass(frozen=True)
class Rule:
    """How a quantity decides."""

    kind: Kind
    margin: float = 0.0
    """The smallest effect that counts, in the quantity's unit; of ratios, on logarithms."""
    less: bool = False
    """The sentence says that the treated arm has less of it."""
    target: float = 0.0
    """Of one arm, or of `equals`, the value that it is held against."""


@dataclass(frozen=True)
class Paper:
    """What there is to be compared with."""

    text: str
    """The paper's figure, or what it says."""


@dataclass(frozen=True)
class Claim:
    """A sentence about networks, and all that decides whether it holds."""

    id: str
    source: str
    """The paper's section, or who says so."""
    sentence: str
    quantity: Quantity
    rule: Rule
    treated: Settings
    """Of the arm that the sentence is about."""
    reference: Settings | None
    """Of the arm that it is compared with; none for a sentence about one arm."""
    paper: Paper
    among: Settings = field(default_factory=dict)
    """Of both arms."""
    selected: tuple[str, ...] = ()
    """Settings at which each arm is at its own best."""


@dataclass(frozen=True)
class Peculiar:
    """A claim whose rule needs code of its own, such as two measures that must agree."""

    id: str
    source: str
    sentence: str
    paper: Paper
    judge: Callable[[Records], Outcome]


@dataclass(frozen=True)
class Outcome:
    """What a rule makes of the runs."""

    measured: str
    interval: Interval
    verdict: Verdict
    why: str


@dataclass(frozen=True)
class Subject:
    """Claims that an experiment names together, and what is drawn of them."""

    name: str
    claims: Sequence[Claim | Peculiar]
    figures: Callable[[Records], dict[str, Figure]] = lambda records: {}
    """File stem to figure."""
    tables: Callable[[Records], dict[str, DataFrame]] = lambda records: {}
    """Title to a table of text for the report."""
    reads_percentiles: bool = False
    """Whether the percentiles must be among the committed records; they are most of a record's size."""
    about: str = ""
    """What is claimed and where, in a line."""
