"""Claims held against records, and what is said of them together: multiplicity, provenance, stand-ins."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, get_args

import scipy

from bnexp.judging import rules
from bnexp.judging.claim import BN, Claim, Outcome, Peculiar, Verdict
from bnexp.judging.comparing import compare
from bnexp.judging.identity import digest
from bnexp.judging.measures import epochs
from bnexp.judging.words import arm_name, kind_name, level_in, percent
from bnexp.runs.records import Record, Records


@dataclass(frozen=True)
class Judgement:
    """What became of a claim."""

    claim: Claim | Peculiar
    sentence: str
    """The claim's, filled in from the runs, with the name of the norm that was put to the test."""
    outcome: Outcome
    """What the rule makes of the runs, and of that the experiment's other claims and its data set."""
    rule_sha256: str
    epochs: str = ""
    """Of the runs that were measured, in words."""
    rule_commit: str | None = None
    p_adjusted: float | None = None
    held: bool | None = None
    """Whether a control is as it should be; None where that is undecided, and of what is no control."""

    def __post_init__(self) -> None:
        if self.verdict not in get_args(Verdict):
            raise ValueError(
                f"the verdict of {self.id} is {self.verdict!r}; choose from {', '.join(get_args(Verdict))}"
            )

    @property
    def id(self) -> str:
        """The claim's."""
        return self.claim.id

    @property
    def verdict(self) -> Verdict:
        """The outcome's."""
        return self.outcome.verdict

    @property
    def flags(self) -> Mapping[str, str]:
        """The outcome's: a word, with the sentence behind it."""
        return self.outcome.flags

    @property
    def unit(self) -> str:
        """Of the effect."""
        return self.claim.unit if isinstance(self.claim, Peculiar) else self.claim.quantity.unit

    @property
    def size(self) -> str:
        """`agrees`, `larger` or `smaller` than the paper's figure, `open` on its side, or `no figure`."""
        return size(self.claim.paper.effect, self.outcome, self.unit)

    def flagged(self, **flags: str) -> Judgement:
        """With these flags, too."""
        return replace(self, outcome=replace(self.outcome, flags={**self.flags, **flags}))

    def undecided(self, because: str) -> Judgement:
        """As undecided, with the verdict that it would have had."""
        why = f"would be {self.verdict}, but {because}; {self.outcome.why}"
        return replace(self, outcome=replace(self.outcome, verdict="undecided", why=why))

    @property
    def held_against(self) -> str | None:
        """The level past which an arm that has no other is to be, in words; None where the effect is that of two."""
        claim = self.claim
        if isinstance(claim, Peculiar) or claim.reference is not None or claim.rule.kind != "difference":
            return None
        return level_in(claim.rule.target, self.unit) if claim.rule.target else None

    def as_dict(self) -> dict[str, Any]:
        """The entry under `claims` of `verdict.json`; docs/protocol.md says what the fields mean.

        As JSON has them: lists for intervals, null for what is not finite.
        """
        claim, outcome = self.claim, self.outcome
        rule = None if isinstance(claim, Peculiar) else claim.rule
        entry = {
            "id": claim.id,
            "source": claim.source,
            "section": claim.source.removeprefix("§") if claim.source.startswith("§") else "–",
            "claim": self.sentence,
            "kind": "own" if rule is None else rule.kind,
            "primary": claim.primary,
            "control": "" if claim.control is None else claim.control.fails,
            "held": self.held,
            "paper": claim.paper.text,
            "paper_effect": claim.paper.effect,
            "outside": claim.paper.outside,
            "measured": outcome.measured,
            "effect": outcome.effect,
            "unit": self.unit,
            "ci95": outcome.ci95,
            "margin": 0.0 if rule is None else rule.margin,
            "held_against": self.held_against,
            "n": outcome.n,
            "epochs": self.epochs,
            "values": outcome.values,
            "cells": [asdict(cell) for cell in outcome.cells],
            "by_cells": outcome.by_cells,
            "selected": outcome.selected,
            "p": outcome.p,
            "p_adjusted": self.p_adjusted,
            "verdict": outcome.verdict,
            "size": self.size,
            "flags": outcome.flags,
            "why": outcome.why,
            "seeds_needed": outcome.seeds_needed,
            "rule_sha256": self.rule_sha256,
            "rule_commit": self.rule_commit,
        }
        plain: dict[str, Any] = _finite(entry)
        return plain


def judge(claim: Claim | Peculiar, records: Records, treated: str = BN) -> Judgement:
    """The claim's verdict on these records; `treated` is the norm that is put to the test."""
    outcome = claim.judge(records) if isinstance(claim, Peculiar) else compare(claim, records.runs, treated)
    runs = outcome.runs or records.runs
    return Judgement(claim, _sentence(claim, runs, treated), replace(outcome, runs=()), digest(claim), epochs(runs))


def unfilled(sentence: str, epochs: str = "so many epochs", target: str = "a fixed accuracy") -> str:
    """A claim's sentence where no runs fill it in."""
    return sentence.replace("{epochs}", epochs).replace("{target}", target)


def _sentence(claim: Claim | Peculiar, runs: Sequence[Record], treated: str) -> str:
    """With the runs' epochs, their target, their nonlinearity where they have one; of another norm than BN its name."""
    target = None if isinstance(claim, Peculiar) else claim.quantity.target
    asked = sorted({accuracy for run in runs if (accuracy := target(run)) is not None}) if target else []
    words = (
        {"target": " and ".join(percent(x, 1 if round(100 * x) != round(100 * x, 1) else 0) for x in asked)}
        if asked
        else {}
    )
    filled = unfilled(claim.sentence, epochs(runs), **words)
    kinds = {str(run.value("model.activation")) for run in runs}
    if len(kinds) == 1:
        kind = kind_name(kinds.pop())
        filled = re.sub(r"whatever the nonlinearity(?! and)", f"with {kind}", filled)
    return filled if treated == BN else re.sub(r"\bBN\b", arm_name(treated), filled)


def size(paper: float | None, outcome: Outcome, unit: str) -> str:
    """Whether our interval contains the paper's figure, lies above or below it, or is open on that side."""
    if paper is None or outcome.ci95 is None or outcome.effect is None:
        return "no figure"
    lo, hi = outcome.ci95
    nothing = 0 if unit == "ratio" else -math.inf
    if (hi == math.inf and paper > outcome.effect) or (lo == nothing and paper < outcome.effect):
        return "open"
    return "agrees" if lo <= paper <= hi else "larger" if lo > paper else "smaller"


def adjusted(judgements: Sequence[Judgement]) -> list[Judgement]:
    """An experiment's judgements with p-values for their number.

    Verdicts of primary claims hold after Holm over them; the others stand as they are, with Benjamini and Hochberg's
    p within the experiment beside them.
    """
    further = [j for j in judgements if not j.claim.primary]
    ps = _adjusted_ps(further, _benjamini_hochberg)
    others = (_further(judgement, p) for judgement, p in zip(further, ps, strict=True))
    main = iter(after_holm([j for j in judgements if j.claim.primary], "the experiment's main claims"))
    return [next(main if j.claim.primary else others) for j in judgements]


def after_holm(judgements: Sequence[Judgement], over: str) -> list[Judgement]:
    """With their p after Holm over all of them, undecided where that is too large; `over` says what they are."""
    ps = _adjusted_ps(judgements, rules.holm)
    return [_held(judgement, p, over) for judgement, p in zip(judgements, ps, strict=True)]


def _adjusted_ps(
    judgements: Sequence[Judgement], adjust: Callable[[Sequence[float]], list[float]]
) -> list[float | None]:
    known = iter(adjust([p for judgement in judgements if (p := judgement.outcome.p) is not None]))
    return [None if judgement.outcome.p is None else next(known) for judgement in judgements]


def _benjamini_hochberg(ps: Sequence[float]) -> list[float]:
    return list(map(float, scipy.stats.false_discovery_control(ps))) if ps else []


def _further(judgement: Judgement, p: float | None) -> Judgement:
    judgement = replace(judgement, p_adjusted=p)
    return judgement.flagged(exploratory="decided by itself, one of the experiment's further claims")


def _held(judgement: Judgement, p: float | None, over: str) -> Judgement:
    judgement = replace(judgement, p_adjusted=p)
    if judgement.verdict == "undecided" or p is None or p < rules.LEVEL:
        return judgement
    return judgement.undecided(f"not after Holm over {over}")


def with_controls(judgements: Sequence[Judgement]) -> list[Judgement]:
    """With what became of the controls: a claim that is guarded by one which does not hold is undecided.

    A control may be guarded itself.
    """
    found = list(judgements)
    while True:
        held = [_holds(judgement) for judgement in found]
        failed = {
            guarded: judgement
            for judgement, holds in zip(found, held, strict=True)
            if judgement.claim.control is not None and not holds
            for guarded in judgement.claim.control.guards
        }
        guarded = [_without_its_control(j, failed[j.id]) if j.id in failed else j for j in found]
        if guarded == found:
            return [replace(judgement, held=holds) for judgement, holds in zip(found, held, strict=True)]
        found = guarded


def _holds(judgement: Judgement) -> bool | None:
    control = judgement.claim.control
    if control is None or judgement.verdict in ("undecided", "mixed"):
        return None
    return judgement.verdict in control.holds


def _without_its_control(judgement: Judgement, control: Judgement) -> Judgement:
    if "control" in judgement.flags:
        return judgement
    sentence = f"its control {control.id} is {control.verdict}"
    doubted = judgement.flagged(control=sentence)
    return doubted if doubted.verdict == "undecided" else doubted.undecided(sentence)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
