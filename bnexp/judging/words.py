"""Numbers in words, and arms and settings as reports and figures call them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, get_args

from bnexp.judging.claim import BN, PLAIN, Of, Settings, Verdict

NAMES = {
    PLAIN: "without BN",
    BN: "with BN",
    "noisy_batch": "noisy BN",
    "layer": "layer norm",
    "group": "group norm",
    "batch_renorm": "batch renorm",
    "instance": "instance norm",
    "zca": "ZCA",
    "naive": "naive norm",
    "inception": "Inception",
    "bn_baseline": "BN-Baseline",
    "bn_x5": "BN-x5",
    "bn_x30": "BN-x30",
    "bn_x5_sigmoid": "BN-x5-Sigmoid",
    "bn_x30_half": "BN-x30, half of the steps",
    "bn_x30_fifth": "BN-x30, a fifth of the steps",
    "inception_decayed": "Inception with faster decay",
    "inception_changes": "Inception with the changes of §4.2.1",
    "inception_changes_x1": "Inception with the changes but the rate's",
    "inception_x1": "Inception, lr ×1",
    "inception_x5": "Inception, lr ×5",
    "inception_x9": "Inception, lr ×9",
    "inception_sigmoid": "Inception, sigmoid",
    "inception_sigmoid_x5": "Inception, sigmoid, lr ×5",
}

SETTINGS = {
    "lr": "learning rate",
    "batch": "examples in a mini-batch",
    "steps": "steps",
    "l2": "L2 weight",
    "init.scale": "initial scale",
    "init.scheme": "initial weights",
    "model.depth": "hidden layers",
    "model.width": "units per layer",
    "model.activation": "nonlinearity",
    "model.dropout": "dropout",
    "model.residual": "residual connections",
    "model.skip_init": "SkipInit",
    "model.normed": "norms on",
    "model.first_gamma": "first γ",
    "data.pixels": "pixels",
    "optimizer.name": "optimiser",
    "norm.placement": "placed",
    "norm.statistics": "statistics",
    "norm.batches": "mini-batches k",
    "norm.momentum": "momentum of the averages",
    "norm.ghost": "ghost batch",
    "norm.drift": "drift over steps",
    "norm.affine": "learnt γ and β",
    "norm.transfer": "statistics afterwards",
    "norm.outside": "outside the gradient step:",
    "norm.weights": "initial weights times",
    "norm.rate": "their learning rate times",
    "trained": "training only",
    "decayed": "L2 on layers:",
    "data.examples": "training examples",
    "data.classes_per_batch": "classes in a mini-batch",
    "seed": "seed",
}
"""Settings as figures call them; any other goes by its own name."""

NAMED_ALONE = ("model.activation", "optimizer.name", "init.scheme")
"""Settings whose values say what they are."""

UNITS = {"ratio": "times", "share": "points", "deviations": ""}
"""Units of effects that are called otherwise; skewness and kurtosis have none."""

DIGITS = {"decades": 2}
"""Behind the point, of units that are not written with three."""


def arm_name(arm: str) -> str:
    """An arm as reports and figures call it."""
    return NAMES.get(arm, arm)


def arm_label(settings: Settings, treated: str) -> str:
    """An arm by its settings."""
    parts = []
    for name, value in settings.items():
        if name in ("norm", "arm"):
            parts.append(arm_name(treated if isinstance(value, Of) else str(value)))
        elif value is None or (isinstance(value, Of) and None in value.values):  # where there is no such setting
            continue
        elif isinstance(value, Of):
            parts.append(f"{SETTINGS.get(name, name)} {' '.join([value.kind, *map(str, value.values)])}")
        else:
            parts.append(setting_label(name, value))
    return ", ".join(parts)


def setting_label(setting: str, value: Any = None) -> str:
    """A setting in words, with a value if one is given."""
    name = SETTINGS.get(setting, setting)
    if value is None:
        return name
    if isinstance(value, bool):
        return ("binary" if value else "grey") if setting == "data.binarize" else f"{name} {'on' if value else 'off'}"
    if setting in NAMED_ALONE:
        return str(value)
    if setting in ("norm", "arm"):
        return arm_name(str(value))
    return (
        f"{name} {value:g}"
        if isinstance(value, float)
        else f"{name} {value:,}"
        if isinstance(value, int)
        else f"{name} {value}"
    )


def kind_name(activation: str) -> str:
    """A nonlinearity, as it is written."""
    return activation.replace("relu", "ReLU")


def percent(x: float, digits: int = 0) -> str:
    """A fraction in words."""
    return f"{100 * x:.{digits}f} %"


def count(n: int, noun: str) -> str:
    """A number of things: 1 run, 2 runs."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def span(numbers: Sequence[int]) -> str:
    """From the least to the most, or the one number that they are."""
    low, high = min(numbers, default=0), max(numbers, default=0)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def tally(verdicts: Iterable[str]) -> str:
    """How many of each there are, the agreeing first."""
    return ", ".join(f"{n} {verdict}" for verdict, n in by_verdict(verdicts).items())


def by_verdict(verdicts: Iterable[str]) -> dict[str, int]:
    """The same as numbers."""
    counts = Counter(verdicts)
    return {verdict: counts[verdict] for verdict in get_args(Verdict) if counts[verdict]}


def in_unit(x: float, unit: str) -> float | None:
    """An effect as `verdict.json` has it: a ratio as it is, not its logarithm; None for none."""
    if math.isnan(x):
        return None
    return _exp(x) if unit == "ratio" else x


def on_scale(effect: float, unit: str) -> float:
    """The inverse: an effect of `verdict.json` as words take it."""
    return math.log(effect) if unit == "ratio" and effect > 0 else effect


def interval_in_unit(lo: float, hi: float, unit: str) -> tuple[float, float]:
    """The same of an interval."""
    return (_exp(lo), _exp(hi)) if unit == "ratio" else (lo, hi)


def difference_in(x: float, unit: str) -> str:
    """An effect in words; of ratios it is given as a logarithm."""
    return f"{number_in(x, unit)} {UNITS.get(unit, unit)}".rstrip()


def number_in(x: float, unit: str) -> str:
    """The same without its unit."""
    if unit == "ratio":
        return three_digits(_exp(x))
    x, digits = (100 * x, 2) if unit in ("points", "share") else (x, DIGITS.get(unit, 3))
    return f"{round(x, digits) + 0.0:+.{digits}f}".replace("-", "−")  # no zero is negative


def level_in(x: float, unit: str) -> str:
    """What an arm measures, in words; what is compared by ratios is given as a logarithm."""
    if unit == "ratio":
        return f"{_exp(x):,.0f}" if _exp(x) >= 100 else f"{_exp(x):.3g}"
    if unit in ("points", "share"):
        return percent(x, 2).replace("-", "−")
    return f"{x:.{DIGITS.get(unit, 3)}f}".replace("-", "−")


def three_digits(x: float) -> str:
    """A positive number."""
    return f"{x:.2f}" if x < 9.995 else f"{x:.1f}" if x < 99.95 else f"{x:,.0f}"


def _exp(x: float) -> float:
    return math.exp(x) if x < 700 else math.inf
