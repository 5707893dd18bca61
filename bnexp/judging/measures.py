"""What claims measure on runs: accuracy, steps to a target, saturation, gradients, how far distributions travel."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Hashable, Iterable, Sequence

import numpy as np
import pandas as pd

from bnexp.judging.words import count
from bnexp.runs.records import Record
from bnexp.stats import steps_to

TRAINS = 0.9
"""The test accuracy from which on a network on MNIST is said to train, in the sweeps."""

CLASSES = {"tiny_imagenet": 50, "imagenet": 1000}
"""Of the data sets that have not ten, for records that do not say it themselves."""

TINY = 1e-9
"""Floor of widths and drifts, below what float32 resolves of inputs of size 1: it only keeps quotients finite."""

VANISHED = 1e-38
"""What a gradient of norm 0 is taken for: the smallest that float32 resolves."""


# Accuracy


def diverged(run: Record) -> bool:
    """Whether the run ended without a network that can be used."""
    return run.summary.get("status") == "diverged" or math.isnan(run.metrics["accuracy"].iloc[-1])


def chance(run: Record) -> float:
    """What guessing scores, and so what a network that diverged does."""
    classes: int = run.summary.get("classes") or CLASSES.get(run.fields.get("data.name", ""), 10)
    return 1 / classes


def learnt_from(guessing: float) -> float:
    """The accuracy from which on a network has learnt something: 3 × chance, or half-way from there to no error."""
    return min(3 * guessing, (1 + guessing) / 2)


def common_chance(runs: Sequence[Record]) -> float:
    """What guessing scores on the data set of these runs."""
    return max(map(chance, runs), default=0.1)


def final_accuracy(run: Record) -> float:
    """Test accuracy at the last evaluation, a fraction; chance for a run that diverged."""
    return chance(run) if diverged(run) else float(run.metrics["accuracy"].iloc[-1])


def highest_accuracy(run: Record) -> float:
    """The maximum that the paper gives (§4.2.2): of all evaluations, those before the last on the monitored images."""
    return max([final_accuracy(run), *(y for y in curve(run)[1] if not math.isnan(y))])


def points_ahead(
    of: Iterable[Record], same: Callable[[Record], Hashable], measure: Callable[[Record], float] = final_accuracy
) -> Callable[[Record], float | None]:
    """Of a run, percentage points more than what the run of `of` measures that is the same; None without one."""
    others = {same(run): measure(run) for run in of}
    return lambda run: 100 * (measure(run) - others[same(run)]) if same(run) in others else None


def validation_accuracy(run: Record) -> float:
    """Of the network at the end, on images set aside from the training data; chance for a run that diverged.

    Chance, too, where no images were set aside, so that the first setting is taken.
    """
    if diverged(run) or "validation_accuracy" not in run.metrics:
        return chance(run)
    return float(run.metrics["validation_accuracy"].iloc[-1])


def curve(run: Record) -> tuple[list[float], list[float]]:
    """Steps, and the test accuracy at each on the images of every evaluation; NaN after divergence."""
    column = "monitored_accuracy" if "monitored_accuracy" in run.metrics else "accuracy"
    return run.metrics["step"].tolist(), run.metrics[column].tolist()


def rises(run: Record) -> float:
    """What the test accuracy gains over the last quarter of the steps."""
    if diverged(run):
        return 0.0
    steps, accuracy = curve(run)
    return float(accuracy[-1] - np.interp(0.75 * steps[-1], steps, accuracy))


def area(run: Record) -> float:
    """The mean test accuracy over the steps; chance from a divergence on."""
    steps, accuracy = curve(run)
    known = [chance(run) if math.isnan(value) else value for value in accuracy]
    return float(np.trapezoid(known, steps) / (steps[-1] - steps[0])) if len(steps) > 1 else known[0]


def trains(run: Record) -> bool:
    """Whether the run ends where a network on MNIST that trains does."""
    return final_accuracy(run) >= TRAINS


def gap(run: Record) -> float | None:
    """Training minus test accuracy at the end; None for a run that diverged, which has none."""
    return None if diverged(run) else float(run.metrics["train_accuracy"].iloc[-1] - run.metrics["accuracy"].iloc[-1])


def companion_noise(run: Record) -> float | None:
    """At the last evaluation; None for a run that diverged."""
    return None if diverged(run) else float(run.metrics["companion_noise"].iloc[-1])


# Steps


def epochs(runs: Sequence[Record]) -> str:
    """The passes over the training examples that the runs make, in words; where they are hardly begun, the steps."""
    known = [
        run.fields["steps"] * run.fields["batch"] / run.fields["data.examples"]
        for run in runs
        if {"steps", "batch", "data.examples"} <= run.fields.keys()
    ]
    if not known:
        return "these epochs"
    if max(known) < 0.01:
        return count(max(run.fields["steps"] for run in runs), "step")
    low, high = (f"{end:.2g}" if end < 10 else f"{end:,.0f}" for end in (min(known), max(known)))
    words = high if low == high else f"{low} to {high}"
    return f"{words} {'epoch' if words == '1' else 'epochs'}"


def length(run: Record) -> float:
    """The steps a run was given; it may have diverged before."""
    return float(run.fields.get("steps") or run.metrics["step"].iloc[-1])


def steps_of(run: Record, target: float) -> float | None:
    """The step at which a run first reaches a test accuracy, at least 1; None when it never does."""
    step = steps_to(*curve(run), target)
    return None if step is None else max(step, 1.0)


def steps_to_reach(target: float) -> Callable[[Record], float]:
    """As `steps_of`, infinity for never."""

    def steps(run: Record) -> float:
        step = steps_of(run, target)
        return math.inf if step is None else step

    return steps


# Layers


def saturated(run: Record) -> float | None:
    """The saturated fraction over hidden layers and evaluations after the first; None where none is finite."""
    table = run.metrics.filter(like="saturated/").iloc[1:].to_numpy(dtype=float)
    return float(np.nanmean(table)) if np.isfinite(table).any() else None


def gradient_norms(run: Record, layer: int) -> np.ndarray:
    """The norm of the gradient at a hidden layer's weights, `[evaluations]`."""
    return np.asarray(np.maximum(run.metrics[f"gradient_norm/linear{layer}"].to_numpy(dtype=float), VANISHED))


def growths(run: Record) -> np.ndarray | None:
    """Decades of the gradient from the last hidden layer to the second, at each evaluation where they are finite.

    These layers are of one shape, the first is not; negative means vanishing towards the input. None where nothing is
    finite or there is no layer between.
    """
    depth = int(run.value("model.depth"))
    if depth < 3:
        return None
    second, last = (gradient_norms(run, layer) for layer in (2, depth))
    logs = np.log10(second) - np.log10(last)
    return logs[np.isfinite(logs)] if np.isfinite(logs).any() else None


def after_start(run: Record) -> pd.DataFrame:
    """The metrics at the evaluations after start-up, which are evenly spaced."""
    steps = run.metrics["step"]
    late: pd.DataFrame = run.metrics[steps >= START * steps.iloc[-1]]
    return late


def probed(metric: str, ratio: bool = False) -> Callable[[Record], float | None]:
    """What a probe measures after start-up: of a layer by layer metric the mean over the layers, and over the steps.

    Of a `ratio` the geometric mean. None for a run that diverged, and where it was not measured or is finite nowhere.
    """

    def mean(run: Record) -> float | None:
        table = after_start(run).filter(regex=f"^{metric}(/|$)").to_numpy(dtype=float)
        known = table[np.isfinite(table) & (table > 0)] if ratio else table[np.isfinite(table)]
        if diverged(run) or not known.size:
            return None
        return math.exp(float(np.log(known).mean())) if ratio else float(known.mean())

    return mean


def mean_of_layers(metric: str) -> Callable[[Record], list[float]]:
    """A layer by layer metric's mean over the layers, at each evaluation."""
    return lambda run: run.metrics.filter(regex=f"^{metric}(/|$)").mean(axis=1, skipna=False).tolist()


def slope(series: Callable[[Record], Sequence[float]]) -> Callable[[Record], float | None]:
    """Of what is above 0 at each evaluation: its slope over the steps after start-up, both on logarithms.

    None where it is not finite.
    """

    def fitted(run: Record) -> float | None:
        late = after_start(run)
        values = np.asarray(series(run), dtype=float)[late.index]
        if not np.isfinite(values).all() or (values <= 0).any():
            return None
        return float(np.polyfit(np.log10(late["step"]), np.log10(values), 1)[0])

    return fitted


# Distributions


START = 0.1
"""The part of the training that is start-up."""


def wander(run: Record, what: str, started: bool = True, relative: bool = True) -> float | None:
    """How far the `mean` or the `spread` of a unit's input wanders over the steps: its standard deviation over time.

    Over the last hidden layer's units the mean; over the steps after start-up, or those of it. Relative: in widths
    (standard deviations) of the unit's own distribution, the mean over the same steps. None where the moments were not
    kept or are not finite.
    """
    if run.moments is None or not np.isfinite(run.moments).all():
        return None
    steps = run.metrics["step"].to_numpy(dtype=float)
    late = steps >= START * steps[-1]
    at = late if started else ~late | (np.cumsum(late) == 1)
    if at.sum() < 3:
        return None
    steps, moments = steps[at], run.moments[at].astype(np.float64)
    spread = np.sqrt(moments[..., 1])
    series = moments[..., 0] if what == "mean" else spread  # [evaluations, units]
    middle = _over_time(series, steps)
    deviation = np.sqrt(_over_time((series - middle) ** 2, steps))
    width = np.maximum(_over_time(spread, steps), TINY) if relative else 1.0
    return max(float((deviation / width).mean()), TINY)


def _over_time(series: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """The mean over the steps, `[evaluations, units]` to `[units]`."""
    return np.asarray(np.trapezoid(series, steps, axis=0) / (steps[-1] - steps[0]))


def metric_at_end(name: str) -> Callable[[Record], float | None]:
    """A metric at the last evaluation; None where there is none, or it is not finite."""

    def at_end(run: Record) -> float | None:
        value = float(run.metrics[name].iloc[-1]) if name in run.metrics else math.nan
        return value if math.isfinite(value) else None

    return at_end


# Of the runs of a sweep


def decades_that_train(runs: Sequence[Record]) -> float:
    """From the smallest to the largest learning rate that trains; 0 where one or none does."""
    logs = [math.log10(run.fields["lr"]) for run in runs if trains(run)]
    return max(logs) - min(logs) if logs else 0.0


def highest_rate(runs: Sequence[Record]) -> float | None:
    """The largest learning rate that trains, in decades."""
    return max((math.log10(run.fields["lr"]) for run in runs if trains(run)), default=None)


def lowest_rate(runs: Sequence[Record]) -> float | None:
    """The smallest learning rate that trains, in decades."""
    return min((math.log10(run.fields["lr"]) for run in runs if trains(run)), default=None)


def best_rate(runs: Sequence[Record]) -> float | None:
    """The learning rate of the highest validation accuracy, of equally good ones the lowest, if any trains."""
    ordered = sorted((run for run in runs if trains(run)), key=lambda run: float(run.fields["lr"]))
    return float(max(ordered, key=validation_accuracy).fields["lr"]) if ordered else None


def spread(runs: Sequence[Record]) -> float:
    """Standard deviation of the final accuracy."""
    return statistics.pstdev(map(final_accuracy, runs))


def variance_beyond_noise(runs: Sequence[Record]) -> float | None:
    """Variance of the final accuracy that the settings make, beyond what runs of other seeds differ by, in points².

    The variance component of settings in a table of settings and seeds: unbiased, and so now and then negative. None
    of fewer than two settings or seeds.
    """
    settings: dict[str, dict[int, float]] = {}
    for run in runs:
        same = repr(sorted((name, value) for name, value in run.fields.items() if name != "seed"))
        settings.setdefault(same, {})[run.seed] = final_accuracy(run)
    table = np.array(
        [[by_seed[seed] for seed in sorted(by_seed)] for by_seed in settings.values()]
    )  # [settings, seeds]
    if min(table.shape) < 2:
        return None
    left = table - table.mean(0) - table.mean(1, keepdims=True) + table.mean()
    noise = (left**2).sum() / ((table.shape[0] - 1) * (table.shape[1] - 1))
    return 100**2 * float(table.mean(1).var(ddof=1) - noise / table.shape[1])


def share_that_trains(runs: Sequence[Record]) -> float:
    """Of the runs."""
    return statistics.fmean(map(trains, runs))
