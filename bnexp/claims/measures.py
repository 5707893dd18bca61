"""What claims measure on runs: accuracy, steps to a target, saturation, gradients, how far distributions travel."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence

import numpy as np

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


def common_chance(runs: Sequence[Record]) -> float:
    """What guessing scores on the data set of these runs."""
    return max(map(chance, runs), default=0.1)


def final_accuracy(run: Record) -> float:
    """Test accuracy at the last evaluation, a fraction; chance for a run that diverged."""
    return chance(run) if diverged(run) else float(run.metrics["accuracy"].iloc[-1])


def validation_accuracy(run: Record) -> float:
    """Of the network at the end, on images set aside from the training data; chance for a run that diverged.

    Chance, too, where no images were set aside, so that the first setting is taken.
    """
    if diverged(run) or "validation_accuracy" not in run.metrics:
        return chance(run)
    return float(run.metrics["validation_accuracy"].iloc[-1])


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


def length(run: Record) -> float:
    """The steps a run was given; it may have diverged before."""
    return float(run.fields.get("steps") or run.metrics["step"].iloc[-1])


def steps_of(run: Record, target: float) -> float | None:
    """The step at which a run first reaches a test accuracy, at least 1; None when it never does."""
    step = steps_to(run.metrics["step"].tolist(), run.metrics["accuracy"].tolist(), target)
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


def growth(run: Record) -> float | None:
    """Decades of the gradient from the last hidden layer to the second, the mean over the evaluations.

    These are of one shape, the first is not; negative means vanishing towards the input. None where nothing is finite
    or there is no layer between.
    """
    depth = int(run.value("model.depth"))
    if depth < 3:
        return None
    second, last = (gradient_norms(run, layer) for layer in (2, depth))
    logs = np.log10(second) - np.log10(last)
    return float(logs[np.isfinite(logs)].mean()) if np.isfinite(logs).any() else None


# Distributions


def raw_drift(q: np.ndarray) -> np.ndarray:
    """Each unit's drift, averaged over the percentiles; q `[evaluations, units, percentiles]` to `[units]`."""
    return np.asarray(np.abs(np.diff(q, axis=0)).sum(axis=0).mean(axis=-1))


def relative_drift(q: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """As `raw_drift`, divided by the unit's mean width over the steps; steps `[evaluations]`."""
    width = np.trapezoid(q[:, :, -1] - q[:, :, 0], steps, axis=0) / (steps[-1] - steps[0])
    return np.asarray(raw_drift(q) / np.maximum(width, TINY))


DRIFTS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "raw": lambda q, steps: raw_drift(q),
    "relative": relative_drift,
}


def drift(run: Record, measure: str) -> float | None:
    """A run's drift averaged over its units; None without percentiles, or where any is not finite."""
    q = run.percentiles
    if q is None or not np.isfinite(q).all():
        return None
    return max(float(DRIFTS[measure](q.astype(np.float64), run.metrics["step"].to_numpy()).mean()), TINY)


# Of the runs of a sweep


def decades_that_train(runs: Sequence[Record]) -> float:
    """From the smallest to the largest learning rate that trains; 0 where one or none does."""
    logs = [math.log10(run.fields["lr"]) for run in runs if trains(run)]
    return max(logs) - min(logs) if logs else 0.0


def highest_rate(runs: Sequence[Record]) -> float | None:
    """The largest learning rate that trains."""
    return max((float(run.fields["lr"]) for run in runs if trains(run)), default=None)


def best_rate(runs: Sequence[Record]) -> float | None:
    """The learning rate of the highest final accuracy, of equally good ones the lowest, if any trains."""
    ordered = sorted((run for run in runs if trains(run)), key=lambda run: float(run.fields["lr"]))
    return float(max(ordered, key=final_accuracy).fields["lr"]) if ordered else None


def spread(runs: Sequence[Record]) -> float:
    """Standard deviation of the final accuracy."""
    return statistics.pstdev(map(final_accuracy, runs))


def share_that_trains(runs: Sequence[Record]) -> float:
    """Of the runs."""
    return statistics.fmean(map(trains, runs))
