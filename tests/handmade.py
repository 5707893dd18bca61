"""Records made by hand, of which the verdict is known."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from omegaconf import OmegaConf

from bnexp import claims
from bnexp.claims import Judgement
from bnexp.paths import configs
from bnexp.runs.records import Record, Records

MNIST = {"name": "mnist", "title": "MNIST", "stand_in": False, "sha256": {}}
DIGITS = {"name": "digits", "title": "UCI digits", "stand_in": True, "sha256": {}}

STEPS = (0, 50, 100, 200, 400, 750, 1000)
"""Of the evaluations; the last quarter of the training is level, so that nothing is still rising."""

JUDGED, TUNING = (0, 1, 2), (1000, 1001)
"""Seeds."""

SETTINGS: dict[str, Any] = {
    "norm.name": "batch",
    "seed": 0,
    "steps": STEPS[-1],
    "batch": 60,
    "lr": 0.1,
    "l2": 0.0,
    "data.name": "mnist",
    "data.binarize": False,
    "data.examples": 60000,
    "model.depth": 3,
    "model.activation": "sigmoid",
    "model.residual": False,
    "model.dropout": 0.0,
    "init.scheme": "he",
    "init.scale": 1.0,
    "optimizer.name": "sgd",
}

PLAIN: dict[str, Any] = {"norm.name": "none"}
BN: dict[str, Any] = {"norm.name": "batch", "norm.placement": "before", "norm.statistics": "population"}

KINDS = ("sigmoid", "relu")
"""Nonlinearities."""

SELECTING = (*JUDGED, 1000)
"""Seeds of experiments that choose settings."""

Fields = dict[str, Any]
Made = Callable[[Fields], "float | Record"]

Sign = Callable[[Fields], int]
"""Of a run, whether it is as claimed (1), the other way round (−1), or without a difference (0)."""


def record(fields: Fields, final: float, at: int = 100, level: float | None = None, **more: Any) -> Record:
    """A run at chance until it reaches its final accuracy at this step, and which stays there.

    NaN is of a run that diverged; `level` is the accuracy from `at` until the last evaluation, where it is another.
    Columns are numbers, or one for every evaluation; `moments` and `correct` are arrays.
    """
    settings = SETTINGS | fields
    depth = settings["model.depth"]
    height = final if level is None else level
    curve = [0.1 if step < at else height for step in STEPS[:-1]] + [final]
    columns = {"step": STEPS, "accuracy": curve, "loss": 1.0, "validation_accuracy": final}
    columns |= {f"saturated/hidden{i}": 0.1 for i in range(1, depth + 1)}
    columns |= {f"gradient_norm/linear{i}": 1.0 for i in range(1, depth + 1)}
    arrays = {name: more.pop(name) for name in ("moments", "correct", "percentiles") if name in more}
    status = "diverged" if math.isnan(final) else "ok"
    summary = {"status": status, "classes": 10, "stamp": {"command": "bnexp run -m"}}
    metrics = pd.DataFrame(columns | more)
    return Record("-".join(map(str, settings.values())), settings, summary, metrics, **arrays)


def noise(fields: Mapping[str, Any], size: float = 0.0002) -> float:
    """What tells a run from those of other seeds: −, 0 and + this much in turn."""
    return size * (int(fields["seed"]) % 3 - 1)


def sweep(
    make: Made,
    arms: Sequence[Fields] = (PLAIN, BN),
    seeds: Sequence[int] = JUDGED,
    **axes: Sequence[Any],
) -> list[Record]:
    """All combinations; axes are written `model_depth` for `model.depth`. Of a number it is the final accuracy."""
    names = [name.replace("_", ".", 1) for name in axes]
    runs = []
    for arm, seed, values in itertools.product(arms, seeds, itertools.product(*axes.values())):
        fields = arm | {"seed": seed} | dict(zip(names, values, strict=True))
        made = make(fields)
        runs.append(made if isinstance(made, Record) else record(fields, made + noise(fields)))
    return runs


def records(runs: Sequence[Record], dataset: dict[str, Any] = MNIST, **more: Any) -> Records:
    return Records("handmade", "laptop", dataset, runs, **more)


def judged(name: str, runs: Sequence[Record], treated: str = "batch") -> dict[str, Judgement]:
    """The judgements of a subject by their ids."""
    return {judgement.id: judgement for judgement in claims.judge(records(runs), [name], treated)}


def verdicts(name: str, runs: Sequence[Record]) -> dict[str, str]:
    """By id."""
    return {identity: judgement.verdict for identity, judgement in judged(name, runs).items()}


def is_bn(fields: Mapping[str, Any]) -> bool:
    return bool(fields["norm.name"] == "batch")


def wandering(mean: float = 0.0, spread: float = 0.0, scale: float = 1.0, units: int = 4) -> np.ndarray:
    """Moments of units of width 1 whose mean, and whose spread, go to and fro by so much at each evaluation."""
    turn = np.array([(-1.0) ** i for i in range(len(STEPS))])[:, None] * np.ones(units)
    return np.stack([scale * mean * turn, (scale * (1 + spread * turn)) ** 2], axis=-1)


@functools.cache
def _asked_together() -> list[Sequence[str]]:
    """The subjects that each experiment names."""
    return [list(OmegaConf.load(path).claims) for path in (configs() / "experiment").glob("*.yaml")]


def asked_with(name: str) -> set[str]:
    """The claims that every experiment asks which asks those of this subject."""
    asked = [of for of in _asked_together() if name in of]
    together = [{claim.id for each in of for claim in claims.REGISTRY[each].claims} for of in asked]
    return set.intersection(*together) if together else {claim.id for claim in claims.REGISTRY[name].claims}
