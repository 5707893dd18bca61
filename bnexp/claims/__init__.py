"""The paper's claims, each file judging one on records and drawing it; and the door for claims of one's own.

A `Claim` has a name, a function that judges `Records`, and what it draws. An experiment names the claims that are
judged on its runs: those of `REGISTRY`, or `module:name` for a `Claim`, or a sequence of them, of one's own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from types import ModuleType

from bnexp import targets
from bnexp.claims import (
    ablation,
    accuracy,
    batch_size,
    ensemble,
    gradient_flow,
    inception,
    inception_tuned,
    init_robustness,
    lr_tolerance,
    optimizers,
    placement,
    regularisation,
    saturating,
    speed,
    stability,
    table,
)
from bnexp.claims import statistics as inference
from bnexp.claims.judging import Claim, Judgement, Statement, Verdict, contrast, decide, having, judged, pairs
from bnexp.config import ConfigError
from bnexp.runs.records import Record, Records

__all__ = [
    "REGISTRY",
    "Claim",
    "ClaimError",
    "Judgement",
    "Record",
    "Records",
    "Statement",
    "Verdict",
    "asking",
    "contrast",
    "decide",
    "having",
    "judge",
    "judged",
    "pairs",
    "resolve",
]

_READ_PERCENTILES = (stability, placement, inference)


def _claim(module: ModuleType) -> Claim:
    """The claim of a file: its name is the file's, what it is about the first line of its docstring."""
    return Claim(
        name=module.__name__.rpartition(".")[2],
        judge=module.judge,
        figures=module.figures,
        reads_percentiles=module in _READ_PERCENTILES,
        tables=getattr(module, "tables", lambda records: {}),
        about=(module.__doc__ or "").partition("\n")[0],
    )


REGISTRY: dict[str, Claim] = {
    claim.name: claim
    for claim in map(
        _claim,
        (
            *(accuracy, speed, stability, table),
            *(lr_tolerance, init_robustness, saturating, gradient_flow, batch_size),
            *(optimizers, placement, regularisation, inference),
            *(inception, inception_tuned, ablation, ensemble),
        ),
    )
}
"""The claims that come with bnexp, by name."""


class ClaimError(Exception):
    """A claim that fails on records; the message says which, how and where in its file."""


def resolve(names: Iterable[str]) -> list[Claim]:
    """The claims that an experiment names, in order; `module:name` is imported.

    Errors: ConfigError for a name that is none.
    """
    return [claim for name in names for claim in _resolve(name)]


def _resolve(name: str) -> Sequence[Claim]:
    if name in REGISTRY:
        return [REGISTRY[name]]
    if ":" not in name:
        raise ConfigError(
            f"claims: there is no {name!r}; choose from {', '.join(REGISTRY)}, or write module:name for one of your own"
        )
    value = targets.load("claims", name)
    claims = [value] if isinstance(value, Claim) else value
    if not (isinstance(claims, Sequence) and claims and all(isinstance(claim, Claim) for claim in claims)):
        raise ConfigError(f"claims={name} is of {type(value)}: give a bnexp.claims.Claim, or a list of them")
    return claims


@contextlib.contextmanager
def asking(claim: Claim) -> Iterator[None]:
    """Whatever the claim raises meanwhile is a ClaimError."""
    try:
        yield
    except Exception as error:
        raise ClaimError(f"the claim {claim.name} failed: {targets.place(error)}") from error


def judge(records: Records, names: Iterable[str]) -> list[Judgement]:
    """The judgements of these claims, marked where the data set is a stand-in, and where runs are missing.

    Errors: ConfigError for an unknown name, ClaimError.
    """
    judgements: list[Judgement] = []
    for claim in resolve(names):
        with asking(claim):
            of_claim = claim.judge(records)
            if not (isinstance(of_claim, Sequence) and all(isinstance(each, Judgement) for each in of_claim)):
                raise TypeError(f"judge gave {of_claim!r:.60}, not a list of Judgement")
        judgements += of_claim
    if records.partial:
        judgements = [_marked(each, f"partial: {records.partial}", f"On {records.partial}") for each in judgements]
    if records.dataset["stand_in"]:
        name = {"digits": "UCI digits"}.get(records.dataset["name"], records.dataset["name"])
        why = f"On the stand-in data set ({name}), not MNIST"
        judgements = [_marked(each, "stand-in data", why) for each in judgements]
    return judgements


def _marked(judgement: Judgement, mark: str, why: str) -> Judgement:
    return replace(judgement, claim=f"{judgement.claim} [{mark}]", why=f"{why}: {judgement.why}")
