"""The figures of claims, and of any sweep, on handmade records: complete, and to be read alone."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from handmade import BN, DIGITS, MNIST, PLAIN, STEPS, Fields, asked_with, is_bn, record, records, sweep, wandering
from matplotlib.figure import Figure
from matplotlib.text import Text
from sweeps import MADE, made

from bnexp import claims
from bnexp.claims import stability
from bnexp.config import TUNING
from bnexp.drawing import overview, plots
from bnexp.drawing.colours import COLOURS, colours
from bnexp.judging.matching import judged
from bnexp.runs.records import Record


def words(figure: Figure) -> str:
    """All text of a figure, on one line."""
    return " ".join(" ".join(text.get_text() for text in figure.findobj(Text)).split())


def draw(figure: Figure) -> None:
    """Without what takes longest, to lay it out."""
    figure.set_layout_engine("none")
    figure.savefig(io.BytesIO(), dpi=20)


def percentiles(far: float, units: int = 5) -> np.ndarray:
    """Of units of width 2 whose median goes to and fro."""
    median = far * np.arange(len(STEPS))[:, None] % 2 * np.ones(units)
    return median[:, :, None] + np.array([-1.0, 0.0, 1.0])


def activations() -> list[Record]:
    """The arms of Figure 1."""

    def run(fields: Fields) -> Record:
        far = 0.2 if is_bn(fields) else 0.8
        return record(
            fields, 0.95, moments=wandering(far * (1 + 0.1 * fields["seed"]), far), percentiles=percentiles(far)
        )

    drawn = (BN | {"norm.statistics": how} for how in ("batch", "moving"))
    return [*sweep(run, data_binarize=(True, False)), *sweep(run, tuple(drawn), data_binarize=(True,))]


def with_percentiles(runs: Sequence[Record]) -> list[Record]:
    return [replace(run, percentiles=percentiles(0.5)) for run in runs]


def drawable(name: str) -> list[Record]:
    """The judged runs, of which reports draw."""
    if name in ("figure_1", "accuracy", "stability"):
        runs = activations()
        return (
            runs
            if name == "figure_1"
            else [run for run in runs if run.value("norm.statistics") in (None, "population")]
        )
    return judged(with_percentiles(made(name, 1)))


NAMES = ["accuracy", "stability", "figure_1", *(name for name in MADE if name != "random_matrices")]  # which has none


@pytest.mark.parametrize("dataset", [MNIST, DIGITS], ids=["mnist", "stand-in"])
@pytest.mark.parametrize("name", NAMES)
def test_figures_can_be_read_alone(name: str, dataset: dict[str, Any]) -> None:
    of = records(drawable(name), dataset)
    figures = claims.REGISTRY[name].figures(of)
    assert figures
    for figure in figures.values():
        figure.canvas.draw()  # lays out; pytest makes a warning an error
        text = words(figure)
        assert of.caption.replace(" ", "") in text.replace(" ", ""), "wherever its lines end"
        assert figure.get_suptitle()
        assert ("STAND-IN" in text.replace("- ", "-")) is (dataset is DIGITS)


@pytest.mark.parametrize("name", claims.REGISTRY)
def test_without_runs_nothing_is_drawn(name: str) -> None:
    assert claims.REGISTRY[name].figures(records([])) == {}


@pytest.mark.parametrize("name", NAMES)
def test_every_arm_has_a_colour_of_its_own_in_all_figures(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arms are drawn in what one table says of them, and no two of a figure alike."""
    drawn: list[dict[str, str]] = []

    def spied(arms: Sequence[str]) -> dict[str, str]:
        drawn.append(colours(arms))
        return drawn[-1]

    monkeypatch.setattr(plots, "colours", spied)
    claims.REGISTRY[name].figures(records(drawable(name)))
    assert {arm for of_figure in drawn for arm in of_figure} <= COLOURS.keys()
    assert all(len(set(of_figure.values())) == len(of_figure) for of_figure in drawn)


@pytest.mark.parametrize("name", NAMES)
def test_one_seed_is_drawn(name: str) -> None:
    one = [run for run in drawable(name) if run.seed == 0]
    for figure in claims.REGISTRY[name].figures(records(one)).values():
        draw(figure)


@pytest.mark.parametrize("name", NAMES)
def test_diverged_and_missing_runs_are_drawn(name: str) -> None:
    runs = drawable(name)

    def dead(run: Record) -> Record:
        metrics = run.metrics.astype(float)
        metrics.loc[3:, metrics.columns != "step"] = math.nan
        return replace(run, summary=run.summary | {"status": "diverged"}, metrics=metrics)

    ill = [dead(run) if i in (2, 5) else run for i, run in enumerate(runs[1:-1])]
    assert claims.REGISTRY[name].figures(records(ill))


@pytest.mark.parametrize(("setting", "value"), [("norm", "batch"), ("norm", "none"), ("model.activation", "relu")])
@pytest.mark.parametrize("name", NAMES)
def test_an_experiment_with_an_axis_replaced_is_drawn(name: str, setting: str, value: str) -> None:
    few = [run for run in drawable(name) if run.value(setting) == value]
    for figure in claims.REGISTRY[name].figures(records(few)).values():
        draw(figure)


@pytest.mark.parametrize(
    ("settings", "left"),
    [
        ({"l2": 0.001}, {"l2"}),
        ({"model.dropout": 0.5}, {"dropout", "companion_noise"}),
        ({"model.dropout": 0.5, "l2": 0.001}, set()),
    ],
)
def test_what_is_gone_with_an_axis_is_not_drawn(settings: Fields, left: set[str]) -> None:
    few = [run for run in drawable("regularisation") if all(run.value(name) == x for name, x in settings.items())]
    drawn = claims.REGISTRY["regularisation"].figures(records(few))
    assert set(drawn) == left
    for figure in drawn.values():
        figure.savefig(io.BytesIO())


@pytest.mark.parametrize("name", ["accuracy", "table"])
def test_an_arm_of_another_norm_and_one_of_several_settings_are_drawn(name: str) -> None:
    runs = drawable(name)
    more = [replace(run, fields=run.fields | {"norm.name": "layer"}) for run in runs if run.norm == "batch"]
    more += [replace(run, fields=run.fields | {"norm.placement": "after"}) for run in runs if run.norm == "batch"]
    assert claims.REGISTRY[name].figures(records([*runs, *more]))


# ---- any sweep


@pytest.mark.parametrize(
    ("axes", "stems", "parts"),
    [
        ({}, {"curves"}, ["with BN", "without BN"]),
        ({"lr": (0.1, 1.0)}, {"lines", "curves"}, ["against learning rate"]),
        ({"lr": (0.1, 1.0), "model_activation": ("relu", "tanh")}, {"lines", "curves"}, ["relu", "tanh"]),
        ({"lr": (0.1, 1.0), "init_scale": (0.1, 1.0)}, {"heat_map", "curves"}, ["initial scale", "90.0"]),
        (
            {"lr": (0.1, 1.0), "batch": (2, 60), "init_scale": (0.1, 1.0), "l2": (0.0, 0.1)},
            {"heat_map", "curves"},
            ["Averaged over"],
        ),
    ],
)
def test_a_sweep_is_drawn_by_what_varies(axes: dict[str, Any], stems: set[str], parts: list[str]) -> None:
    figures = overview.figures(records(sweep(lambda fields: record(fields, 0.9), **axes)))
    assert figures.keys() == stems
    text = " ".join(map(words, figures.values()))
    assert all(part in text for part in [*parts, "MNIST, scale laptop, n = 3 seeds"])


def test_what_varies_within_a_norm_is_an_arm_of_its_own() -> None:
    arms = [BN | {"norm.placement": place} for place in ("before", "after")]
    (figure,) = overview.figures(records(sweep(lambda fields: 0.9, arms))).values()
    assert "placement before" in words(figure).replace("placed", "placement")
    assert "placement after" in words(figure).replace("placed", "placement")


def test_a_heat_map_shows_each_seed_and_leaves_tuning_out() -> None:
    def run(fields: Fields) -> Record:
        return record(fields, 0.1 if fields["seed"] >= TUNING else 0.5 + 0.1 * fields["seed"])

    runs = sweep(run, [BN], (0, 1, 2, TUNING), lr=(0.1, 1.0), init_scale=(0.1, 1.0))
    drawn = overview.figures(records(runs))["heat_map"]
    (image,) = drawn.axes[0].images
    stripes, numbers = image.get_array()[0], image.get_array()[plots.STRIPE]
    assert stripes.tolist() == pytest.approx([0.5, 0.6, 0.7] * 2)
    assert numbers.tolist() == pytest.approx([0.6] * 6)
    assert [text.get_text() for text in drawn.axes[0].texts] == ["60.0"] * 4


def test_a_single_run_is_drawn() -> None:
    alone = record(PLAIN, 0.9, train_accuracy=0.95, train_loss=0.5)
    assert overview.figures(records([alone])).keys() == {"curves"}


# ---- what is particular to one


def test_the_typical_unit_travels_as_far_as_the_median() -> None:
    far = [5.0, 1.0, 4.0, 2.0, 3.0]
    q = np.array([[[0.0, 0, 0]] * 5, [[d, d, d] for d in far]])
    assert stability.typical_unit(q) == 4
    assert stability.typical_unit(q[:, :4]) == 3, "of 1, 2, 4 and 5 the lower median is 2"
    after_divergence = np.concatenate([q, np.full((1, 5, 3), math.nan)])
    assert stability.typical_unit(after_divergence) == 4


def test_figure_1_takes_the_lowest_seed() -> None:
    runs = [replace(run, percentiles=percentiles(0.1 * (1 + run.seed))) for run in activations()]

    def drawn(of: Sequence[Record]) -> list[Any]:
        (figure,) = [made for stem, made in stability.figures(records(of)).items() if stem == "figure_1bc"]
        return [line.get_ydata().tolist() for axes in figure.axes for line in axes.lines]

    assert drawn(runs) == drawn(runs[::-1])
    assert drawn(runs) == drawn([run for run in runs if run.seed == 0])


@pytest.mark.parametrize("name", claims.REGISTRY)
def test_what_a_figure_is_said_to_show_are_claims_that_are_asked_with_it(name: str) -> None:
    subject = claims.REGISTRY[name]
    assert {of for shown in subject.shown.values() for of in shown} <= asked_with(name)
    if name in NAMES:
        assert subject.shown.keys() <= subject.figures(records(drawable(name))).keys()


@pytest.mark.parametrize(("panels", "rows"), [(1, [1]), (3, [3]), (4, [2, 2]), (5, [3, 2]), (7, [3, 3, 1])])
def test_panels_that_are_many_stand_in_several_rows(panels: int, rows: list[int]) -> None:
    measures = {f"measure {i}": lambda run: float(run.seed) for i in range(panels)}
    figure = plots.dots(records(activations()), "A title", "Dots.", measures)
    places = [axes.get_subplotspec() for axes in figure.axes]
    starts = [place.rowspan.start for place in places if place is not None]
    assert [starts.count(row) for row in sorted(set(starts))] == rows
    assert figure.get_size_inches()[0] <= 11.5
