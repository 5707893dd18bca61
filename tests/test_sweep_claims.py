"""The claims of the sweeps on handmade records: as claimed, the other way round, and without a difference."""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from bnexp import claims
from bnexp.claims import Judgement, overview
from bnexp.claims.judging import contrast, own_best
from bnexp.runs.records import Record, Records

MNIST = {"name": "mnist", "title": "MNIST", "stand_in": False, "sha256": {}}
STEPS = [0, 1, 10, 100, 500, 1000]
SEEDS = (0, 1, 2)
OUTCOMES = [(1, "reproduced"), (-1, "contradicted"), (0, "undecided")]
signs = pytest.mark.parametrize(("sign", "verdict"), OUTCOMES, ids=[verdict for _, verdict in OUTCOMES])

Final = Callable[[dict[str, Any]], float | Record]


def record(fields: dict[str, Any], final: float, at: int = 500, q: np.ndarray | None = None, **columns: Any) -> Record:
    """A run that reaches 90 % or its final accuracy at this step; NaN for one that diverged."""
    whole = {"steps": STEPS[-1], "model.depth": 3, "model.activation": "sigmoid", "lr": 0.1, "l2": 0.0} | fields
    curve = [0.1 if step < at else min(0.9, final) for step in STEPS[:-1]] + [final]
    saturated = {f"saturated/hidden{i}": 0.1 for i in range(1, whole["model.depth"] + 1)}
    gradients = {f"gradient_norm/linear{i}": 1.0 for i in range(1, whole["model.depth"] + 1)}
    metrics = pd.DataFrame({"step": STEPS, "accuracy": curve, "loss": 1.0} | saturated | gradients | columns)
    status = "diverged" if math.isnan(final) else "ok"
    summary = {"status": status, "stamp": {"command": "bnexp run -m"}}
    return Record("-".join(map(str, whole.values())), whole, summary, metrics, q)


def sweep(final: Final, norms: Sequence[dict[str, Any]] = (), **axes: Sequence[Any]) -> Records:
    """All combinations, for three seeds; axes are written `model_depth` for `model.depth`."""
    arms = norms or [{"norm.name": "none"}, {"norm.name": "batch", "norm.placement": "before"}]
    names = [name.replace("_", ".") for name in axes]
    runs = []
    for arm, seed, values in itertools.product(arms, SEEDS, itertools.product(*axes.values())):
        fields = arm | {"seed": seed} | dict(zip(names, values, strict=True))
        made = final(fields)
        runs.append(made if isinstance(made, Record) else record(fields, made))
    return Records("handmade", "laptop", MNIST, runs)


def judged(name: str, records: Records) -> dict[str, Judgement]:
    return {judgement.id: judgement for judgement in claims.judge(records, [name])}


def words(figure: Figure) -> str:
    return " ".join(" ".join(text.get_text() for text in figure.findobj(Text)).split())


def is_bn(fields: dict[str, Any]) -> bool:
    return fields["norm.name"] == "batch"


def wandering(far: float) -> np.ndarray:
    """Percentiles of 5 units of width 2 whose median moves to and fro by `far`."""
    median = far * np.array([0, 1, 0, 1, 0, 1])[:, None] * np.ones(5)
    return median[:, :, None] + np.array([-1.0, 0.0, 1.0])


# ---- one sweep of each kind, with BN better (1), worse (-1) or the same (0)


def rates(sign: int, **axes: Sequence[Any]) -> Records:
    ranges = {
        0: {0.1: 0.92, 1.0: 0.95},
        1: {0.01: 0.92, 0.1: 0.93, 1.0: 0.94, 10.0: 0.98},
        -1: {0.1: 0.93},
    }

    def final(fields: dict[str, Any]) -> Record:
        own = ranges[sign if is_bn(fields) else 0]
        at = {0: 500, 1: 100, -1: 1000}[sign if is_bn(fields) else 0]
        return record(fields, own.get(fields["lr"], 0.3), at)

    return sweep(final, lr=(0.01, 0.1, 1.0, 10.0), **axes)


def inits(sign: int) -> Records:
    def final(fields: dict[str, Any]) -> float:
        good = fields["init.scale"] == 1
        change = 0.03 * {"xavier": -1, "he": 1, "orthogonal": 0}[fields["init.scheme"]]
        if is_bn(fields) and sign:
            return 0.93 + 0.05 * (sign > 0) + (0 if sign > 0 else 2 * change) - (0 if good or sign > 0 else 0.8)
        return (0.94 if good else 0.5) + change

    return sweep(final, init_scheme=("xavier", "he", "orthogonal"), init_scale=(0.01, 1.0))


def depths(sign: int) -> Records:
    def final(fields: dict[str, Any]) -> Record:
        deep, sigmoid = fields["model.depth"] == 20, fields["model.activation"] == "sigmoid"
        straight = not fields["model.residual"]
        hopeless = deep and sigmoid and straight and sign >= 0
        accuracy = 0.11 if hopeless else 0.92
        if is_bn(fields):
            accuracy = {1: 0.97, -1: 0.9, 0: accuracy}[sign]
        full = {f"saturated/hidden{i}": 0.5 - 0.2 * sign * is_bn(fields) for i in range(1, fields["model.depth"] + 1)}
        return record(fields, accuracy, **full)

    kinds = ("sigmoid", "tanh", "relu")
    return sweep(final, model_depth=(3, 20), model_activation=kinds, model_residual=(False, True))


def slopes(sign: int) -> Records:
    def final(fields: dict[str, Any]) -> Record:
        depth = fields["model.depth"]
        per_layer = 0.1 if sign > 0 else 0.2
        if is_bn(fields):
            per_layer = {1: 0.02, -1: 0.4, 0: 0.2}[sign]
        norms = {f"gradient_norm/linear{i}": 10.0 ** (per_layer * (i - depth)) for i in range(1, depth + 1)}
        return record(fields, 0.9, **norms)

    return sweep(final, model_depth=(3, 20), model_activation=("sigmoid", "tanh", "relu"), model_residual=(False,))


def batches(sign: int) -> Records:
    costs = {"none": 0.1, "batch": 0.1 + 0.05 * sign, "layer": 0.1, "group": 0.1, "batch_renorm": 0.1}

    def final(fields: dict[str, Any]) -> float:
        better = 0.01 * sign * is_bn(fields)
        return 0.95 + better - costs[fields["norm.name"]] * (fields["batch"] in (2, 4))

    return sweep(final, [{"norm.name": name} for name in costs], batch=(2, 4, 60, 1024))


def places(sign: int) -> Records:
    where = {"before": 1, "after": 0, "input": 0}

    def final(fields: dict[str, Any]) -> Record:
        worth = sign * where[fields["norm.placement"]] if is_bn(fields) else -sign
        at = {1: 100, 0: 500, -1: 1000}[worth]
        full = {f"saturated/hidden{i}": 0.5 - 0.2 * worth for i in (1, 2, 3)}
        return record(fields, 0.93 + 0.02 * worth, at, wandering(1.0 - 0.5 * worth), **full)

    arms = [{"norm.name": "none"}, *({"norm.name": "batch", "norm.placement": name} for name in where)]
    return sweep(final, arms, model_activation=("sigmoid", "relu"))


def regularised(sign: int) -> Records:
    def final(fields: dict[str, Any]) -> Record:
        dropped = fields["model.dropout"] > 0
        gap = 0.1 - 0.05 * sign * is_bn(fields) - 0.04 * sign * dropped
        accuracy = (
            0.9 + sign * dropped * (0.02 if not is_bn(fields) else 0.0) - 0.02 * (sign < 0) * is_bn(fields) * dropped
        )
        noise = 0.0 if not is_bn(fields) and not dropped else 0.1 * sign
        return record(fields, accuracy, train_accuracy=accuracy + gap, companion_noise=noise)

    return sweep(final, model_dropout=(0.0, 0.1, 0.5), data_examples=(500, 2000), l2=(0.0, 1e-4))


def inferences(sign: int) -> Records:
    arms: list[dict[str, Any]] = [{"norm.name": "none"}]
    arms += [
        {"norm.name": "batch", "norm.statistics": "population", "norm.batches": batches} for batches in (1, 100, 1000)
    ]
    arms += [{"norm.name": "batch", "norm.statistics": "moving", "norm.momentum": own} for own in (0.1, 0.01)]
    arms += [{"norm.name": "batch", "norm.statistics": "batch"}]

    def final(fields: dict[str, Any]) -> Record:
        if not is_bn(fields):
            return record(fields, 0.9, 100, wandering(0.75))
        worse = fields.get("norm.batches") not in (100, 1000)
        exact = fields.get("norm.batches") == 1000 and sign < 0
        return record(fields, 0.95 - 0.02 * sign * worse + 0.01 * exact, 100, wandering(0.5 + 0.5 * sign * worse * 0.9))

    return sweep(final, arms)


EXPERIMENTS: dict[str, tuple[Callable[[int], Records], set[str], set[str]]] = {
    # the sweep, the judgements that follow its sign, and the figures
    "lr_tolerance": (
        lambda sign: rates(sign, model_activation=("sigmoid", "relu"), model_depth=(3, 9)),
        {"lr-range", "lr-highest", "lr-best", "lr-own-best-accuracy", "lr-own-best-speed"},
        {"lr_accuracy", "lr_range"},
    ),
    "optimizers": (
        lambda sign: rates(sign, optimizer_name=("sgd", "momentum", "adam")),
        {f"optimizer-{part}{name}" for part in ("", "speed-", "range-") for name in ("sgd", "momentum", "adam")},
        {"optimizers"},
    ),
    "init_robustness": (
        inits,
        {"init-spread", "init-share", "init-schemes"},
        {"init_accuracy", "init_spread"},
    ),
    "saturating": (
        depths,
        {"saturating-tanh", "saturating-relu", "saturating-residual", "less-saturated"},
        {"depth_accuracy", "saturation"},
    ),
    "gradient_flow": (
        slopes,
        {"gradient-flow-sigmoid", "gradient-flow-tanh", "gradient-flow-relu"},
        {"gradients", "gradients_by_layer"},
    ),
    "batch_size": (
        batches,
        {"small-batch-bn", "small-batch-layer", "small-batch-group", "small-batch-batch_renorm", "large-batch-bn"},
        {"batch_size", "batch_size_excess"},
    ),
    "placement": (
        places,
        {f"placement-{what}" for what in ("accuracy", "input", "speed", "sparsity", "stability", "control")},
        {"placement_accuracy", "placement_sparsity", "placement_drift"},
    ),
    "regularisation": (
        regularised,
        {"narrower-gap", "narrower-gap-dropout", "dropout-needed-without", "companions"},
        {"gap", "regularisation_accuracy", "companion_noise"},
    ),
    "statistics": (
        inferences,
        {"one-batch-is-too-few", "moving-averages-lag", "moving-averages-wobble", "own-statistics"},
        {"statistics_trap", "statistics_accuracy", "statistics_drift"},
    ),
}


@signs
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_verdict_follows_the_records(name: str, sign: int, verdict: str) -> None:
    make, ids, _ = EXPERIMENTS[name]
    found = judged(name, make(sign))
    assert ids <= found.keys()
    assert {i: found[i].verdict for i in ids} == dict.fromkeys(ids, verdict)
    assert all(found[i].n == len(SEEDS) for i in ids)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_without_runs_every_judgement_is_there_and_undecided(name: str) -> None:
    make, _, _ = EXPERIMENTS[name]
    none = Records("handmade", "laptop", MNIST, [])
    found = judged(name, none)
    assert found.keys() == judged(name, make(1)).keys()
    assert {judgement.verdict for judgement in found.values()} == {"undecided"}
    assert all("nothing to compare" in judgement.measured for judgement in found.values())
    assert claims.REGISTRY[name].figures(none) == {}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_one_seed_decides_nothing(name: str) -> None:
    records = EXPERIMENTS[name][0](1)
    one = replace(records, runs=[run for run in records.runs if run.seed == 0])
    assert {judgement.verdict for judgement in judged(name, one).values()} == {"undecided"}
    assert claims.REGISTRY[name].figures(one)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_figures_can_be_read_alone(name: str) -> None:
    make, _, stems = EXPERIMENTS[name]
    figures = claims.REGISTRY[name].figures(make(1))
    assert figures.keys() == stems
    for figure in figures.values():
        text = words(figure)
        assert "MNIST, scale laptop, n = 3 seeds" in text
        assert figure.get_suptitle()
        assert "without BN" in text or name == "placement"


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_diverged_and_missing_runs_are_no_mishap(name: str) -> None:
    records = EXPERIMENTS[name][0](1)
    lost = [*records.runs[2:5], *records.runs[-3:-1]]
    whole = [run for run in records.runs if run not in lost[:2]]

    def dead(run: Record) -> Record:
        metrics = run.metrics.astype(float)
        metrics.loc[3:, metrics.columns != "step"] = math.nan
        return replace(run, summary=run.summary | {"status": "diverged"}, metrics=metrics)

    ill = replace(records, runs=[dead(run) if run in lost[2:] else run for run in whole])
    assert judged(name, ill).keys() == judged(name, records).keys()
    assert claims.REGISTRY[name].figures(ill)


@pytest.mark.parametrize(("setting", "value"), [("norm", "batch"), ("norm", "none"), ("model.activation", "relu")])
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_with_an_axis_replaced_can_be_judged_and_drawn(name: str, setting: str, value: str) -> None:
    records = EXPERIMENTS[name][0](1)
    few = replace(records, runs=[run for run in records.runs if run.value(setting) == value])
    assert judged(name, few).keys() == judged(name, records).keys()
    for figure in claims.REGISTRY[name].figures(few).values():
        figure.savefig(io.BytesIO())


# ---- what is particular to one


def test_ranges_are_in_decades_and_an_arm_that_never_trains_has_none() -> None:
    measured = judged("lr_tolerance", rates(1, model_activation=("sigmoid",), model_depth=(3,)))["lr-range"].measured
    assert "1.00 decades without and 3.00 with BN" in measured
    hopeless = sweep(lambda fields: 0.95 if is_bn(fields) else 0.2, lr=(0.1, 1.0))
    found = judged("lr_tolerance", hopeless)
    assert "1 of 2 arms never train and count as 0 decades" in found["lr-range"].why
    assert found["lr-highest"].measured.endswith("nothing to compare")


def test_no_seed_chooses_the_setting_it_is_judged_at() -> None:
    lucky = {0: 0.1, 1: 1.0, 2: 10.0}  # each seed is best, by far, at a rate that is bad for the others
    runs = sweep(lambda f: 0.99 if f["lr"] == lucky[f["seed"]] else 0.5, lr=(0.1, 1.0, 10.0)).runs
    chosen = own_best(runs, lambda run: run.fields["lr"], lambda run: float(run.metrics["accuracy"].iloc[-1]))
    assert all(run.fields["lr"] != lucky[seed] for seed, run in chosen.items())
    assert all(run.seed == seed for seed, run in chosen.items())
    assert own_best([run for run in runs if run.seed == 0], lambda run: run.id, lambda run: 1.0) == {}


def test_runs_are_contrasted_with_their_match_alone() -> None:
    runs = sweep(lambda f: f["lr"] + 0.1 * is_bn(f), lr=(0.1, 0.2, 0.3)).runs
    bn, plain = ([run for run in runs if run.norm == norm] for norm in ("batch", "none"))
    missing = [run for run in plain if run.fields["lr"] != 0.3 or run.seed == 0]

    def last(run: Record) -> float:
        return float(run.metrics["accuracy"].iloc[-1])

    assert contrast(bn, missing, last) == pytest.approx([0.1, 0.1, 0.1])
    assert contrast(bn, missing[:1], last) == pytest.approx([0.1])


def test_each_own_best_initialisation_is_a_control_of_its_own() -> None:
    found = judged("init_robustness", inits(1))["init-own-best"]
    assert found.verdict == "reproduced"
    assert judged("init_robustness", inits(0))["init-own-best"].verdict == "undecided"


@pytest.mark.parametrize(
    ("deep", "shallow", "verdict"),
    [(0.11, 0.95, "reproduced"), (0.95, 0.95, "contradicted"), (0.11, 0.11, "undecided")],
)
def test_depth_fails_a_sigmoid_network_only_if_a_shallow_one_trains(deep: float, shallow: float, verdict: str) -> None:
    records = sweep(
        lambda f: 0.97 if is_bn(f) else deep if f["model.depth"] == 20 else shallow,
        model_depth=(3, 20),
        model_residual=(False,),
    )
    assert judged("saturating", records)["sigmoid-fails-deep"].verdict == verdict


@pytest.mark.parametrize(("with_bn", "verdict"), [(0.96, "reproduced"), (0.5, "contradicted"), (0.9, "undecided")])
def test_bn_must_train_what_stays_at_chance_without(with_bn: float, verdict: str) -> None:
    records = sweep(lambda f: with_bn if is_bn(f) else 0.11, model_depth=(12, 20), model_residual=(False,))
    found = judged("saturating", records)["sigmoid-trains-with-bn"]
    assert found.verdict == verdict
    assert "12 layers" in found.measured
    fine = sweep(lambda f: 0.95, model_depth=(12, 20), model_residual=(False,))
    assert "nothing to compare" in judged("saturating", fine)["sigmoid-trains-with-bn"].measured


@pytest.mark.parametrize(
    ("sign", "deep", "shallow"), [(1, "reproduced", "reproduced"), (-1, "contradicted", "reproduced")]
)
def test_gradients_are_steady_below_a_decade(sign: int, deep: str, shallow: str) -> None:
    found = judged("gradient_flow", slopes(sign))
    assert (found["no-vanishing-with-bn"].verdict, found["gradient-flow-shallow"].verdict) == (deep, shallow)


def test_gradients_of_zero_do_not_break_the_logarithm() -> None:
    records = slopes(1)
    first = records.runs[0]
    dead = replace(first, metrics=first.metrics.assign(**{"gradient_norm/linear2": 0.0}))
    assert judged("gradient_flow", replace(records, runs=[dead, *records.runs[1:]]))
    assert claims.REGISTRY["gradient_flow"].figures(replace(records, runs=[dead, *records.runs[1:]]))


THREE = [((0, 0, 0), "reproduced"), ((0.02, 0.02, 0.02), "contradicted"), ((0, 0.001, 0.002), "undecided")]
"""Differences by seed, and whether they stay below what counts."""


@pytest.mark.parametrize(("gains", "verdict"), THREE)
def test_dropout_can_go_if_it_gains_nothing_that_counts(gains: Sequence[float], verdict: str) -> None:
    records = sweep(
        lambda f: record(
            f, 0.9 + gains[f["seed"]] * (f["model.dropout"] > 0), train_accuracy=0.95, companion_noise=0.1
        ),
        model_dropout=(0.0, 0.5),
        data_examples=(500,),
    )
    found = judged("regularisation", records)
    assert found["dropout-can-go"].verdict == verdict
    assert found["combines-with-dropout"].verdict == ("reproduced" if gains[0] else "undecided")


@pytest.mark.parametrize(("off", "verdict"), THREE)
def test_the_reference_must_not_change_with_more_mini_batches(off: Sequence[float], verdict: str) -> None:
    arms = [{"norm.name": "batch", "norm.statistics": "population", "norm.batches": k} for k in (100, 1000)]
    records = sweep(lambda f: 0.95 + off[f["seed"]] * (f["norm.batches"] == 1000), arms)
    assert judged("statistics", records)["statistics-converged"].verdict == verdict


def test_it_is_said_whether_moving_averages_alone_would_refute_figure_1() -> None:
    assert (
        "moving averages alone would refute" in judged("statistics", inferences(1))["moving-averages-wobble"].measured
    )
    assert "comes out the same by both" in judged("statistics", inferences(-1))["moving-averages-wobble"].measured


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
    figures = overview.figures(sweep(lambda fields: 0.9, **axes))
    assert figures.keys() == stems
    text = " ".join(map(words, figures.values()))
    assert all(part in text for part in [*parts, "MNIST, scale laptop, n = 3 seeds"])


def test_what_varies_within_a_norm_is_an_arm_of_its_own() -> None:
    arms = [{"norm.name": "batch", "norm.placement": place} for place in ("before", "after")]
    (figure,) = overview.figures(sweep(lambda fields: 0.9, arms)).values()
    assert "placement before" in words(figure)
    assert "placement after" in words(figure)
