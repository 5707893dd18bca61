"""The paper's claims: each file judges one on records, and draws it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

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
    statistics,
    table,
)
from bnexp.claims.judging import Claim, Judgement, Verdict, decide
from bnexp.runs.records import Records

__all__ = ["REGISTRY", "Claim", "Judgement", "Verdict", "decide", "judge"]

_MODULES = (
    *(accuracy, speed, stability, table),
    *(lr_tolerance, init_robustness, saturating, gradient_flow, batch_size),
    *(optimizers, placement, regularisation, statistics),
    *(inception, inception_tuned, ablation, ensemble),
)
_READ_PERCENTILES = (stability, placement, statistics)

REGISTRY: dict[str, Claim] = {
    name: Claim(
        name, module.judge, module.figures, module in _READ_PERCENTILES, getattr(module, "tables", lambda records: {})
    )
    for module in _MODULES
    for name in [module.__name__.rpartition(".")[2]]
}


def judge(records: Records, names: Iterable[str]) -> list[Judgement]:
    """The judgements of these claims, marked where the data set is a stand-in.

    Errors: ValueError for an unknown name.
    """
    claims = [_claim(name) for name in names]
    judged = [judgement for claim in claims for judgement in claim.judge(records)]
    return [_marked(judgement, records) for judgement in judged] if records.dataset["stand_in"] else judged


def _claim(name: str) -> Claim:
    if name not in REGISTRY:
        raise ValueError(f"claims: there is no {name!r}; choose from {', '.join(REGISTRY)}")
    return REGISTRY[name]


def _marked(judgement: Judgement, records: Records) -> Judgement:
    name = {"digits": "UCI digits"}.get(records.dataset["name"], records.dataset["name"])
    return replace(
        judgement,
        claim=f"{judgement.claim} [stand-in data]",
        why=f"On the stand-in data set ({name}), not MNIST: {judgement.why}",
    )
