"""The form of a claim: what is said, by whom, of which networks, and by which rule it is judged."""

from __future__ import annotations

import difflib
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from matplotlib.figure import Figure
from pandas import DataFrame

from bnexp.config import CHOICES, RunConfig, flatten
from bnexp.runs.records import Record, Records

PLAIN, BN = "none", "batch"
"""The norms that the paper compares in §4.1, as `Record.norm` names them."""

Unit = Literal["points", "ratio", "decades", "decades per layer", "share", "deviations", "nats"] | str
"""Of points and shares the values are fractions; ratios are compared on logarithms; any other unit stands as it is."""

Kind = Literal["difference", "no_worse", "equals", "time", "range", "rate"]
"""How an effect decides."""

Verdict = Literal["reproduced", "contradicted", "no difference", "mixed", "undecided"]


@dataclass(frozen=True)
class Of:
    """The values of a setting that a claim speaks of without naming one."""

    kind: Literal["treated", "largest", "smallest", "above", "among"]
    values: tuple[Any, ...] = ()
    """What they are above, or among; None is for runs without the setting."""


KNOWN = frozenset({"norm", "arm", *flatten(asdict(RunConfig()))})
"""Settings of which claims may speak."""

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
    pooled: bool = False
    """It is a number of all seeds together, compared by the jackknife over them."""
    of_images: bool = False
    """It is the share of the test images that a network at the end classifies correctly."""
    edges: int = 1
    """Of a range on a grid, the ends that the grid blurs."""
    target: Callable[[Record], float | None] | None = None
    """Of steps to an accuracy, which one is asked of a run."""

    @property
    def timed(self) -> bool:
        """Whether it is the steps to a target."""
        return self.name.startswith("steps to ")


def of_run(measure: Callable[[Record], float | None]) -> Callable[[Sequence[Record]], float | None]:
    """The measure of a single run, as a `Quantity` has it."""

    def measured(runs: Sequence[Record]) -> float | None:
        (run,) = runs
        return measure(run)

    return measured


@dataclass(frozen=True)
class Rule:
    """How a quantity decides; docs/protocol.md has the table."""

    kind: Kind
    margin: float = 0.0
    """The smallest effect that counts, in the quantity's unit; of ratios, on natural logarithms."""
    less: bool = False
    """The sentence says that the treated arm has less of it."""
    target: float = 0.0
    """What an arm is held against that has no other; of two arms, the effect that theirs is held against."""
    universal: bool = False
    """The sentence is about every cell, not about their average."""
    paired: bool = False
    """The arms are compared seed by seed, because a seed's runs are the same network, looked at in two ways."""


@dataclass(frozen=True)
class Paper:
    """What our effect stands beside."""

    text: str
    """The paper's figure, or what it says."""
    effect: float | None = None
    """The paper's figure as an effect in the quantity's unit; a ratio as it is."""
    outside: str = ""
    """Evidence at larger scale, and whose."""


@dataclass(frozen=True)
class Control:
    """What makes a claim a control: it checks the measuring, or another explanation, and not BN."""

    fails: str
    """The outcome that would have failed it."""
    holds: tuple[Verdict, ...] = ("reproduced",)
    """Verdicts by which it is as it should be; undecided and mixed are neither."""
    guards: tuple[str, ...] = ()
    """Claims that nothing is said of unless it holds."""

    def __post_init__(self) -> None:
        """Errors: ValueError for verdicts that there are not, and for guards that are no sequence of ids."""
        if odd := set(self.holds) - set(get_args(Verdict)):
            raise ValueError(f"a control holds by {', '.join(sorted(odd))}; choose from {', '.join(get_args(Verdict))}")
        if isinstance(self.guards, str):
            raise ValueError(f"a control guards {self.guards!r}; give a tuple of the claims' ids")


@dataclass(frozen=True)
class Claim:
    """A sentence about networks, and all that decides whether it holds."""

    id: str
    source: str
    """The paper's section, a popular account, or a later paper."""
    sentence: str
    """`{epochs}` in it is filled in from the runs, and `{target}` as the quantity has it."""
    quantity: Quantity
    rule: Rule
    paper: Paper
    treated: Settings = field(default_factory=lambda: {"norm": TREATED})
    """Of the arm that the sentence is about."""
    reference: Settings | None = field(default_factory=lambda: {"norm": PLAIN})
    """Of the arm that it is compared with; none for a sentence about one arm."""
    among: Settings = field(default_factory=dict)
    """Of both arms."""
    cells: tuple[str, ...] = ()
    """Settings by whose values it is judged apart; over all others that vary it is averaged."""
    selected: tuple[str, ...] = ()
    """Settings at which each arm is at its own best, on validation images, with seeds that are not judged."""
    best_of: Settings | None = None
    """The arm whose best settings both have; by default each has its own."""
    primary: bool = False
    """One of the experiment's two or three main claims."""
    control: Control | None = None

    @property
    def sign(self) -> float:
        """By which effects are multiplied, so that positive is what the sentence says."""
        return -1.0 if self.rule.less else 1.0

    @property
    def bound(self) -> float:
        """What the effect is held against, positive in the direction of the sentence.

        That of an arm without another is its distance from the rule's target already, but where it is to equal it.
        """
        return self.sign * self.rule.target if self.reference is not None or self.rule.kind == "equals" else 0.0

    def __post_init__(self) -> None:
        """Errors: ValueError for what no rule can be."""
        if self.rule.kind not in get_args(Kind):
            kinds = ", ".join(get_args(Kind))
            raise ValueError(f"the claim {self.id} has the rule {self.rule.kind!r}; choose from {kinds}")
        if not 0 <= self.rule.margin < math.inf:
            raise ValueError(
                f"the claim {self.id} has a margin of {self.rule.margin}; it must be at least 0, and finite"
            )
        if not isinstance(self.quantity, Quantity):
            raise ValueError(f"the claim {self.id} has a quantity that is no bnexp.claims.Quantity: {self.quantity!r}")
        if not callable(self.quantity.measure):
            raise ValueError(f"the claim {self.id} has a quantity that measures nothing: {self.quantity.measure!r}")
        if not isinstance(self.control, Control | None):
            raise ValueError(f"the claim {self.id} has a control that is no bnexp.claims.Control: {self.control!r}")
        if not isinstance(self.treated, Mapping) or not isinstance(self.reference, Mapping | None):
            raise ValueError(f"the claim {self.id} has an arm that is no dictionary of settings")
        for name in itertools.chain(*self.settings, self.cells, self.selected, self.quantity.over):
            if name not in KNOWN and ".settings." not in name:
                near = difflib.get_close_matches(name, KNOWN, 1)
                meant = f"; did you mean {near[0]}?" if near else ""
                raise ValueError(f"the claim {self.id} speaks of a setting {name!r} that there is not{meant}")
        for name, value in itertools.chain.from_iterable(of.items() for of in self.settings):
            choices = CHOICES.get("norm.name" if name == "norm" else name, (value,))
            if isinstance(value, str) and value not in choices and ":" not in value:
                raise ValueError(f"the claim {self.id} has the arm {name}={value}; choose from {', '.join(choices)}")

    @property
    def settings(self) -> tuple[Settings, ...]:
        """Of its arms, of the one whose best settings they have, and of both."""
        return self.treated, self.reference or {}, self.best_of or {}, self.among

    @property
    def arms(self) -> set[str]:
        """The values of `arm` that it names."""
        return {arm for of in self.settings if isinstance(arm := of.get("arm"), str)}


@dataclass(frozen=True)
class Peculiar:
    """A claim whose rule needs code of its own, such as two measures that must agree."""

    id: str
    source: str
    sentence: str
    paper: Paper
    judge: Callable[[Records], Outcome]
    unit: Unit = "points"
    primary: bool = False
    control: Control | None = None
    decides: str = "a rule of its own"
    """Rule, quantity, arms and cells, in a line."""


@dataclass(frozen=True)
class CellOutcome:
    """What the runs of one cell say."""

    cell: str
    effect: float
    ci95: tuple[float, float]
    verdict: Verdict


@dataclass(frozen=True)
class Outcome:
    """What a rule makes of the runs."""

    verdict: Verdict
    why: str
    measured: str
    effect: float | None = None
    """In the quantity's unit; a ratio as it is."""
    ci95: tuple[float, float] | None = None
    n: int = 0
    """Seeds of the arm that has fewer."""
    p: float | None = None
    """One-sided, at the margin, of the verdict; of an undecided claim that of the nearest verdict."""
    values: Sequence[Mapping[str, Any]] = ()
    """`arm`, `cell`, `seed`, `value`."""
    cells: Sequence[CellOutcome] = ()
    by_cells: bool = False
    """Whether the sentence is about each cell, or the cells say opposite things, so that their mean is no answer."""
    selected: Mapping[str, Any] | None = None
    """By arm, and cell where there are several, the settings chosen."""
    flags: Mapping[str, str] = field(default_factory=dict)
    """A word, with the sentence behind it."""
    seeds_needed: int | None = None
    """Of an undecided claim: n at which the interval's half-width would be below the margin."""
    runs: Sequence[Record] = ()
    """What was measured; empty for all that there are."""


@dataclass(frozen=True)
class Subject:
    """Claims that an experiment names together, and what is drawn of them."""

    name: str
    claims: Sequence[Claim | Peculiar]
    figures: Callable[[Records], dict[str, Figure]] = lambda records: {}
    """File stem to figure."""
    tables: Callable[[Records], dict[str, DataFrame]] = lambda records: {}
    """Title to a table of text for the report."""
    reads: tuple[str, ...] = ()
    """Which of `percentiles` and `moments` must be among the committed records; they are most of a record's size."""
    shown: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By the stem of a figure the claims that it shows, which may be none; one that is not here shows the main ones."""
    shows_tuning: bool = False
    """Whether its figures and tables are given tuning runs, too."""
    about: str = ""
    """What is claimed and where, in a line."""
