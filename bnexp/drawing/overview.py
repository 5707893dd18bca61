"""Figures of any sweep by what varies in it, for runs that belong to no claim."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from bnexp.drawing import plots
from bnexp.drawing.colours import colours as colours_of
from bnexp.drawing.plots import Layout
from bnexp.judging.measures import common_chance, diverged, final_accuracy
from bnexp.judging.words import arm_name, setting_label
from bnexp.runs.records import Record, Records

MOST = 5
"""Panels of curves beside each other."""

ARMS = 10
"""Curves in a panel."""


def figures(records: Records) -> dict[str, Figure]:
    """`heat_map` where two or more numbers were swept, `lines` where one was, and `curves` over the training.

    Of a single run `curves` alone: its accuracy and its loss.

    Words that were swept, then further numbers, are the rows and columns of panels; over what is left the runs are
    averaged, which the figure says. Each norm is a line, or a row of panels.
    """
    if not records.runs:
        return {}
    if len(records.runs) == 1:
        return {"curves": _curves_of(records)}
    numbers, words = _axes(records)
    drawn = {}
    if len(numbers) >= 2:
        x, y, *others = numbers
        (column,), left = _first([*words, *others], 1)
        drawn["heat_map"] = plots.heat_maps(
            records,
            f"Final test accuracy over {setting_label(x)} and {setting_label(y)}",
            f"Percent, mean over the seeds; a run that diverged counts as chance.{_averaged(left)}",
            x,
            y,
            lambda runs: statistics.fmean(map(final_accuracy, runs)),
            Layout("norm", column),
            Normalize(0, 1),
            lambda v: f"{100 * v:.1f}",
        )
    elif numbers:
        (row, column), left = _first(words, 2)
        drawn["lines"] = plots.lines(
            records,
            f"Final test accuracy against {setting_label(numbers[0])}",
            f"A run that diverged counts as chance.{_averaged(left)}",
            numbers[0],
            final_accuracy,
            "test accuracy",
            Layout(row, column, _arm(records)),
        )
    few = [axis for axis in [*words, *numbers] if len(plots.values(records.runs, axis)) <= MOST]
    (column, row), _ = _first(few, 2)
    arm = _arm(records, [axis for axis in [*words, *numbers] if axis not in (column, row)])
    shown = _best(records, arm)
    fewer = f" The {ARMS} arms that end highest." if len(shown.runs) < len(records.runs) else ""
    drawn["curves"] = plots.curves(
        shown,
        "Test accuracy during training",
        f"A run that diverged counts as chance.{fewer}",
        "accuracy",
        "test accuracy",
        Layout(row, column, arm),
        fill=common_chance(records.runs),
    )
    return drawn


def _best(records: Records, arm: plots.Arm) -> Records:
    """The runs of the arms that end highest, where there are more than can be told apart."""
    ends: dict[str, list[float]] = {}
    for run in records.runs:
        ends.setdefault(arm(run), []).append(final_accuracy(run))
    kept = sorted(ends, key=lambda name: -statistics.fmean(ends[name]))[:ARMS]
    return records.of([run for run in records.runs if arm(run) in kept])


def _curves_of(records: Records) -> Figure:
    """Accuracy and loss of the only run."""
    (run,) = records.runs
    figure, ((accuracy, loss),) = plots.sheet(
        records,
        f"Accuracy and loss during training, {arm_name(run.norm)}",
        f"Seed {run.seed}. Accuracies, and the test loss, are those of the network as it is used; the training loss is "
        "that of the mini-batch." + (" The run diverged." if diverged(run) else ""),
        (9, 4.2),
        columns=2,
    )
    colours = colours_of([run.norm])
    steps = run.metrics["step"]
    for panel, measure in ((accuracy, "accuracy"), (loss, "loss")):
        panel.plot(steps, run.metrics[measure], color=colours[run.norm], label="test")
        panel.plot(steps, run.metrics[f"train_{measure}"], color="0.6", lw=1, label="training", zorder=1)
        panel.set_ylabel(measure)
        panel.legend(frameon=False)
        plots.steps_axis(panel, float(steps.iloc[-1]))
        plots.plain_axes(panel)
    accuracy.yaxis.set_major_formatter(lambda y, _: f"{100 * y:g} %")
    return figure


def _axes(records: Records) -> tuple[list[str], list[str]]:
    """The numbers that were swept, those of most values first, and the words; what differs within a norm is its arm."""
    numbers: list[str] = []
    words: list[str] = []
    for axis in records.axes():
        values = plots.values(records.runs, axis)
        if axis.startswith("norm."):
            continue
        is_number = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)
        (numbers if is_number else words).append(axis)
    return sorted(numbers, key=lambda axis: -len(plots.values(records.runs, axis))), words


def _arm(records: Records, others: Sequence[str] = ()) -> plots.Arm:
    """The norm, with the settings of it, and others, that were swept."""
    of_norm = [axis for axis in records.axes() if axis.startswith("norm.")]

    def arm(run: Record) -> str:
        settings = [f"{axis.removeprefix('norm.')} {run.fields[axis]}" for axis in of_norm if axis in run.fields]
        settings += [setting_label(axis, run.value(axis)) for axis in others]
        return ", ".join([arm_name(run.norm), *settings]) if settings else run.norm

    return arm


def _first(axes: Sequence[str], n: int) -> tuple[list[str | None], Sequence[str]]:
    """The first n axes, None where there are fewer, and the rest."""
    return [axes[i] if i < len(axes) else None for i in range(n)], axes[n:]


def _averaged(left: Sequence[str]) -> str:
    return f" Averaged over {', '.join(map(setting_label, left))}." if left else ""
