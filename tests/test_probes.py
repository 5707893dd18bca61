"""What is measured, against plain computations; and that measuring changes nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from bnexp import data, models
from bnexp.config import DataConfig, InitConfig, ModelConfig, NormConfig, RunConfig
from bnexp.data import BatchOrder, pixels
from bnexp.data.batches import examples_at
from bnexp.engine.activations import Infer, Observation, Observer, chunks, shape
from bnexp.engine.companions import Companions
from bnexp.engine.evaluation import Evaluation
from bnexp.engine.population import Population
from bnexp.engine.schedule import due, schedule
from bnexp.engine.train import train
from bnexp.models.mlp import ACTIVATIONS
from bnexp.seeds import stream

DIGITS = DataConfig(name="digits")
INIT = InitConfig(scale=0.3)


def observe(x: Tensor, logits: Tensor, labels: Tensor, activation: str = "sigmoid") -> Observation:
    """One network whose only hidden layer has these inputs, `[examples, units]`, whatever the images."""
    images = torch.arange(len(x), dtype=torch.uint8).view(-1, 1, 1, 1)

    def infer(seen: Tensor, watch: object) -> Tensor:
        rows = (seen.flatten() * 255).round().long()
        watch("hidden1", x[rows].unsqueeze(0))  # type: ignore[operator]
        return logits[rows].unsqueeze(0)

    ready: Infer = infer
    (seen,) = Observer(images, labels, pixels, {"hidden1": [ACTIVATIONS[activation]]}, 500).observe(ready)
    return seen


def test_percentiles_mean_and_variance_are_exact() -> None:
    draw = torch.Generator().manual_seed(0)
    x = 3 * torch.randn(253, 7, generator=draw) + 100 * torch.rand(7, generator=draw)
    seen = observe(x, torch.zeros(253, 10), torch.zeros(253, dtype=torch.long))
    statistics = seen.layers["hidden1"].statistics
    exact = x.double().numpy()
    np.testing.assert_allclose(statistics[:, :3], np.percentile(exact, [15, 50, 85], axis=0).T, rtol=1e-6)
    np.testing.assert_allclose(statistics[:, 3], exact.mean(0), rtol=1e-5)
    np.testing.assert_allclose(statistics[:, 4], exact.var(0), rtol=1e-3)


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu"])
def test_saturated_is_a_slope_below_a_tenth_of_the_greatest(activation: str) -> None:
    x = torch.linspace(-6, 6, 200).view(100, 2).requires_grad_()
    function = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu}[activation]
    (slope,) = torch.autograd.grad(function(x).sum(), x)
    greatest = {"sigmoid": 0.25, "tanh": 1, "relu": 1}[activation]
    expected = (slope < greatest / 10).float().mean().item()
    seen = observe(x.detach(), torch.zeros(100, 10), torch.zeros(100, dtype=torch.long), activation)
    assert seen.layers["hidden1"].saturated == pytest.approx(expected, abs=1e-6)
    assert 0.2 < expected < 0.8


def test_shape_is_skewness_and_excess_kurtosis_of_the_units() -> None:
    draw = torch.Generator().manual_seed(0)
    x = torch.stack([torch.randn(5000, generator=draw), 40 - 3 * torch.rand(5000, generator=draw).log()], 1)
    exact = x.double().numpy()
    seen = shape(x)
    assert seen.skewness == pytest.approx(np.abs(stats.skew(exact)).mean(), rel=1e-4)
    assert seen.kurtosis == pytest.approx(np.abs(stats.kurtosis(exact)).mean(), rel=1e-4)
    normal, uniform = shape(x[:, :1]), shape(torch.rand(5000, 4, generator=draw))
    assert normal.skewness < 0.1
    assert normal.kurtosis < 0.2
    assert uniform.skewness < 0.1
    assert uniform.kurtosis == pytest.approx(1.2, abs=0.05)
    constant = torch.cat([x, torch.full((5000, 1), 0.4)], 1)
    assert shape(constant).skewness == pytest.approx(seen.skewness, rel=1e-6), "a unit that is constant is left out"
    assert math.isnan(shape(torch.zeros(9, 2)).kurtosis)
    x[7, 0] = math.inf
    assert math.isnan(shape(x).skewness)


@pytest.mark.parametrize("model", ["mlp", "inception_small"])
def test_shape_is_measured_where_it_is_asked_for(model: str) -> None:
    chosen = ModelConfig(model, depth=2, width=12, modules=["3a", "5b"], multiplier=0.0625)
    few = DataConfig("digits", monitored=30)
    plain = RunConfig(steps=2, evaluations=1, batch=8, data=few, model=chosen, norm=NormConfig(batches=2))
    without, measured = (list(train([run], data.load(DIGITS))) for run in (plain, replace(plain, shape=True)))
    layers = list(without[0].layers)
    added = {f"{name}/{layer}" for name in ("skewness", "kurtosis") for layer in layers}
    for before, after in zip(without, measured, strict=True):
        assert set(after.metrics) - set(before.metrics) == added
        assert {name: after.metrics[name] for name in before.metrics} == pytest.approx(before.metrics, nan_ok=True)
        assert all(after.metrics[name] > 0 for name in added)


def test_accuracy_and_loss() -> None:
    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0], [3.0, 0.0], [0.0, 0.0]])
    labels = torch.tensor([0, 1, 1, 0])
    seen = observe(torch.zeros(4, 1), logits, labels)
    right = [math.exp(2) / (math.exp(2) + 1), math.e / (math.e + 1), 1 / (math.exp(3) + 1), 0.5]
    assert seen.accuracy == pytest.approx(0.75)
    assert seen.loss == pytest.approx(-sum(map(math.log, right)) / 4, rel=1e-6)


def test_a_network_of_nan_is_nan_and_says_nothing() -> None:
    nan = torch.full((20, 3), math.nan)
    seen = observe(nan, torch.full((20, 10), math.nan), torch.zeros(20, dtype=torch.long))
    assert math.isnan(seen.accuracy)
    assert math.isnan(seen.loss)
    assert np.isnan(seen.layers["hidden1"].statistics).all()
    assert seen.layers["hidden1"].histogram is None


def test_values_that_hardly_differ_have_a_histogram_too() -> None:
    # NumPy cannot cut a range of a few float32 steps into 30 bins; deep networks without BN have such layers
    x = torch.full((20, 3), 0.4)
    x[1:, 0] = torch.nextafter(x[1:, 0], torch.tensor(1.0))
    seen = observe(x, torch.zeros(20, 10), torch.zeros(20, dtype=torch.long))
    assert seen.layers["hidden1"].histogram is not None
    assert seen.layers["hidden1"].histogram[0].sum() == 60


@pytest.mark.parametrize(
    ("steps", "evaluations"), [(50_000, 100), (1_000, 10), (200, 120), (7, 100), (1, 1), (3, 1), (900, 2)]
)
def test_the_schedule_is_log_spaced_from_0_to_the_last_step(steps: int, evaluations: int) -> None:
    due = schedule(steps, evaluations)
    assert (due[0], due[-1]) == (0, steps)
    assert due == sorted(set(due))
    assert len(due) - 1 == pytest.approx(min(steps, evaluations), abs=2)
    late = [b / a for a, b in zip(due[-6:], due[-5:], strict=False) if a > 100]
    assert all(ratio == pytest.approx(late[0], rel=0.02) for ratio in late)


def test_early_evaluations_are_even_and_the_others_follow_them() -> None:
    even = schedule(1000, 4, "even", early_evaluations=5, early_steps=50)
    assert even == [0, 10, 20, 30, 40, 50, 288, 525, 762, 1000]
    assert schedule(30, 4, "even", early_evaluations=5, early_steps=50) == [0, 10, 20, 30], "of a shorter training"
    assert schedule(25, 4, "even", early_evaluations=5, early_steps=50) == [0, 10, 20, 25]
    merged = schedule(1000, 10, "log", early_evaluations=5, early_steps=50)
    assert set(merged) == {*schedule(1000, 10), 0, 10, 20, 30, 40, 50}
    assert merged == sorted(set(merged))
    log = schedule(1000, 4, "even", early_evaluations=5, early_steps=50, early_spacing="log")
    assert log == [0, 1, 3, 7, 19, 50, 288, 525, 762, 1000]
    assert schedule(6, 9, "even", 9, 3) == list(range(7)), "all where there are no more steps"
    run = RunConfig(steps=30, evaluations=2, spacing="even", early_evaluations=2, early_steps=4, data=DIGITS)
    assert due(run) == [0, 2, 4, 17, 30]
    run.model = ModelConfig(depth=1, width=5)
    assert [row.step for row in train([run], data.load(DIGITS))] == due(run)


def rows(evaluations: int, norm: NormConfig) -> list[Evaluation]:
    model = ModelConfig(depth=2, width=20)
    runs = [
        RunConfig(
            seed=s,
            steps=60,
            evaluations=evaluations,
            norm=norm,
            model=model,
            data=DIGITS,
            init=INIT,
        )
        for s in (0, 1)
    ]
    return list(train(runs, data.load(DIGITS)))


@pytest.mark.parametrize(
    "norm", [NormConfig("none"), NormConfig("batch", statistics="moving"), NormConfig("batch_renorm", warmup=5)]
)
def test_measuring_more_often_changes_nothing(norm: NormConfig) -> None:
    seldom, often = rows(4, norm), rows(50, norm)
    assert len(often) > len(seldom)
    assert [row.metrics for row in seldom[-2:]] == [row.metrics for row in often[-2:]]


def test_training_twice_gives_the_same_rows() -> None:
    first, second = rows(10, NormConfig("batch")), rows(10, NormConfig("batch"))
    assert [row.metrics for row in first] == [row.metrics for row in second]


def test_gradient_norms_are_those_of_autograd() -> None:
    config = RunConfig(steps=1, evaluations=1, data=DIGITS, model=ModelConfig(depth=1, width=20), init=INIT)
    first, *_ = train([config], data.load(DIGITS))
    digits = data.load(DIGITS)
    network = models.build(config, (1, 8, 8), 10)
    indices = BatchOrder(len(digits.train_labels), config.batch, [config.seed]).next()[0]
    loss = nn.functional.cross_entropy(network(pixels(digits.train_images[indices])), digits.train_labels[indices])
    loss.backward()  # type: ignore[no-untyped-call]
    for name in ("linear1", "norm1", "classifier"):
        own = [p.grad.flatten() for p in network.get_submodule(name).parameters() if p.grad is not None]
        assert first.metrics[f"gradient_norm/{name}"] == pytest.approx(torch.cat(own).norm().item(), rel=1e-4)
    assert first.metrics["train_loss"] == pytest.approx(loss.item(), rel=1e-5)


# Companions


def noise(config: RunConfig, seeds: Sequence[int] = (0, 1)) -> list[float]:
    digits = data.load(DIGITS)
    runs = [replace(config, seed=seed, data=DIGITS) for seed in seeds]
    population = Population([models.build(run, (1, 8, 8), 10) for run in runs])
    own = BatchOrder(len(digits.train_labels), config.batch, seeds).examples
    draws = [stream(seed, "companions") for seed in seeds]
    companions = Companions(own, config.batch, f"hidden{config.model.depth}", draws)
    images = lambda indices: pixels(examples_at(digits, indices)[0])  # noqa: E731
    first, second = companions.noise(images, population.look), companions.noise(images, population.look)
    assert first == second, "measuring again must find the same"
    return first


def test_companions_make_noise_with_bn_alone_and_less_in_larger_mini_batches() -> None:
    plain = noise(RunConfig(norm=NormConfig("none"), init=INIT))
    assert plain == pytest.approx([0, 0], abs=1e-6)
    assert noise(RunConfig(norm=NormConfig("layer"), init=INIT)) == pytest.approx([0, 0], abs=1e-6)
    small, large = (noise(RunConfig(norm=NormConfig("batch"), init=INIT, batch=batch)) for batch in (8, 128))
    assert min(small) > 2 * max(large) > 0


def test_dropout_makes_noise_too() -> None:
    dropped = RunConfig(norm=NormConfig("none"), init=INIT, model=ModelConfig(dropout=0.5))
    digits = data.load(DIGITS)
    population = Population([models.build(replace(dropped, data=DIGITS), (1, 8, 8), 10)])
    own = BatchOrder(len(digits.train_labels), 60, [0]).examples
    companions = Companions(own, 60, "hidden3", [stream(0, "companions")])
    (found,) = companions.noise(lambda indices: pixels(examples_at(digits, indices)[0]), population.look)
    assert found > 0.05


def test_training_accuracy_is_on_the_networks_own_examples() -> None:
    few = DataConfig(name="digits", examples=60)
    run = RunConfig(steps=300, evaluations=2, lr=1.0, data=few, norm=NormConfig("batch"), init=INIT)
    last = list(train([run], data.load(DIGITS)))[-1].metrics
    assert last["train_accuracy"] == 1
    assert last["accuracy"] < 0.9


def test_training_loss_at_inference_is_that_of_the_training_examples_without_dropout() -> None:
    few = DataConfig(name="digits", examples=60)
    run = RunConfig(steps=1, evaluations=1, batch=60, data=few, norm=NormConfig("none"), init=INIT)
    first, *_ = train([run], data.load(DIGITS))
    assert first.metrics["train_loss_at_inference"] == pytest.approx(first.metrics["train_loss"], rel=1e-5)
    dropped, *_ = train([replace(run, model=ModelConfig(dropout=0.5))], data.load(DIGITS))
    assert dropped.metrics["train_loss_at_inference"] == first.metrics["train_loss_at_inference"]
    assert dropped.metrics["train_loss"] != first.metrics["train_loss"]


def test_a_last_image_left_over_goes_with_those_before() -> None:
    assert [(s.start, s.stop) for s in chunks(10, 3)] == [(0, 3), (3, 6), (6, 10)]
    assert [(s.start, s.stop) for s in chunks(11, 3)] == [(0, 3), (3, 6), (6, 9), (9, 11)]
    assert [(s.start, s.stop) for s in chunks(1, 3)] == [(0, 1)]


def test_the_test_batchs_own_statistics_are_those_of_batches_as_in_training() -> None:
    run = RunConfig(
        steps=1, evaluations=1, data=DIGITS, norm=NormConfig("batch", statistics="batch"), init=INIT, batch=25
    )
    first, *_ = train([run], data.load(DIGITS))
    digits = data.load(DIGITS)
    network = models.build(run, (1, 8, 8), 10).eval()
    right = [
        (network(pixels(digits.test_images[rows])).argmax(-1) == digits.test_labels[rows]).sum().item()
        for rows in chunks(len(digits.test_labels), 25)
    ]
    assert first.metrics["accuracy"] == pytest.approx(sum(right) / len(digits.test_labels))
