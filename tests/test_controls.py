"""What controls of explanations are made of: naive norms, whitening, weights of another scale, SkipInit, tasks."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from handmade import BN, Fields, sweep
from tiny import RUN, dataset
from torch import Tensor, nn

from bnexp import data, models
from bnexp.claims.scale_invariance import apart_along
from bnexp.config import TRANSFERS, Config, ConfigError, DataConfig, NormConfig, RunConfig, run_id, validate
from bnexp.data import Transfer, View
from bnexp.data.dataset import CONTRASTS
from bnexp.data.view import LEAST
from bnexp.engine.population import Population
from bnexp.engine.stacked import Phase
from bnexp.engine.train import Training, train
from bnexp.launch.stacks import form
from bnexp.models.mlp import SkipInit
from bnexp.norms import BatchNorm, NaiveNorm, ZCANorm, estimate_population
from bnexp.norms.zca import InverseRoot
from bnexp.runs.records import Record

ZCA = NormConfig("zca", groups=2, batches=2)
NAIVE = [NormConfig("naive", outside=outside, batches=2) for outside in ("mean", "both", "averages")]
NONE = NormConfig("none", batches=2)
RESIDUAL = replace(RUN, model=replace(RUN.model, depth=4, residual=True, skip_init=True, activation="relu"))


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) * 2 + 1


def losses(config: RunConfig) -> list[float]:
    return [evaluation.metrics["loss"] for evaluation in train([config], dataset())]


@pytest.mark.parametrize("norm", [ZCA, *NAIVE], ids=str)
def test_a_stack_computes_what_each_network_would_alone(norm: NormConfig) -> None:
    assert_together([replace(RUN, seed=seed, norm=norm) for seed in (0, 1)])


@pytest.mark.parametrize("activation", ["sigmoid", "relu"])
def test_residual_networks_with_and_without_skip_init_share_a_stack(activation: str) -> None:
    model = replace(RESIDUAL.model, activation=activation)
    skipping = [replace(RESIDUAL, seed=seed, model=model, norm=norm) for seed, norm in ((0, NONE), (1, RUN.norm))]
    assert_together([*skipping, replace(RESIDUAL, model=replace(model, skip_init=False))])


def test_a_zca_network_that_diverges_leaves_those_beside_it_alone() -> None:
    lost = replace(RUN, norm=NormConfig("zca", groups=1, batches=2), lr=1e38)
    lost = replace(lost, model=replace(lost.model, activation="relu"))
    kept = replace(lost, seed=1, lr=0.1)
    ends = [evaluation.metrics["loss"] for evaluation in train([lost, kept], dataset())][-2:]
    assert math.isnan(ends[0])
    assert ends[1] == pytest.approx(losses(kept)[-1], rel=1e-4)


def assert_together(configs: list[RunConfig]) -> None:
    """They share a stack, and what comes out of it is what each network alone gives."""
    assert len(form(configs, processes=1, largest=16)) == 1
    together = [evaluation.metrics for evaluation in train(configs, dataset())]
    for i, config in enumerate(configs):
        for row, alone in zip(together[i :: len(configs)], train([config], dataset()), strict=True):
            assert row == pytest.approx(alone.metrics, rel=1e-4, abs=1e-6, nan_ok=True)


# Whitening


@pytest.mark.parametrize("equal", [False, True], ids=["apart", "equal eigenvalues"])
def test_the_inverse_root_has_its_derivative_even_where_eigenvalues_coincide(equal: bool) -> None:
    x = normal(2, 4, 9)
    sigma = 2 * torch.eye(3, dtype=torch.float64) if equal else x @ x.mT / 9
    root, _, _ = InverseRoot.apply(sigma)
    torch.testing.assert_close(root @ sigma @ root, torch.eye(sigma.shape[-1]).double().expand_as(sigma))
    assert torch.autograd.gradcheck(lambda s: InverseRoot.apply((s + s.mT) / 2)[0], (sigma.requires_grad_(),))


def test_the_features_of_a_group_are_whitened_and_those_of_others_left_alone() -> None:
    y = ZCANorm(8, 2, eps=1e-12).double()(normal(40, 8) @ normal(8, 8, seed=1))
    sigma = (y.T @ y / 40).detach()
    for group in (slice(0, 4), slice(4, 8)):
        torch.testing.assert_close(sigma[group, group], torch.eye(4).double())
    assert sigma[:4, 4:].abs().max() > 0.1
    assert y.mean(0).abs().max() < 1e-10


def test_zca_of_single_features_is_bn() -> None:
    x = normal(20, 6)
    zca, plain = ZCANorm(6, 6).double(), BatchNorm(6).double()
    torch.testing.assert_close(zca(x), plain(x))
    for norm in (zca, plain):
        estimate_population(norm, [x, normal(20, 6, seed=1)])
    torch.testing.assert_close(zca(x), plain(x))


def test_zca_takes_no_feature_maps() -> None:
    with pytest.raises(ValueError, match=r"\[batch, features\]"):
        ZCANorm(4, 2)(torch.rand(3, 4, 2, 2))


# Outside the gradient step


@pytest.mark.parametrize("outside", ["mean", "both"])
@pytest.mark.parametrize("shape", [(12, 5), (12, 5, 3, 3)], ids=["flat", "maps"])
def test_it_normalises_as_bn_but_for_the_gradient(outside: str, shape: tuple[int, ...]) -> None:
    x = normal(*shape).requires_grad_()
    dims = (0, *range(2, len(shape)))
    mean, var = x.mean(dims, keepdim=True), x.var(dims, correction=0, keepdim=True)
    scale = torch.ones_like(var) if outside == "mean" else torch.rsqrt(var + 1e-5)
    y = NaiveNorm(5, outside).double()(x)
    torch.testing.assert_close(y, (x - mean) * scale)
    dy = normal(*shape, seed=1)
    (dx,) = torch.autograd.grad(y, x, dy)
    torch.testing.assert_close(dx, (dy * scale).detach())


def test_a_step_of_the_bias_changes_nothing_and_is_taken_again() -> None:
    layer = nn.Sequential(nn.Linear(3, 4), NaiveNorm(4, "mean")).double()
    x, dy, bias = normal(10, 3), normal(10, 4, seed=1), layer.get_parameter("0.bias")
    before = layer(x)
    (gradient,) = torch.autograd.grad(before, bias, dy)
    assert gradient.abs().min() > 0.1
    with torch.no_grad():
        bias -= 0.5 * gradient
    torch.testing.assert_close(layer(x), before)
    torch.testing.assert_close(torch.autograd.grad(layer(x), bias, dy)[0], gradient)


def test_biases_that_are_trained_alone_grow_without_end_while_the_loss_stays() -> None:
    """§2, by construction: every step is taken again, for none changes what comes out, in training or at inference."""
    torch.manual_seed(0)
    first, second = nn.Linear(6, 5), nn.Linear(5, 4)
    network = nn.Sequential(first, NaiveNorm(5, "mean"), nn.Tanh(), second, NaiveNorm(4, "mean")).double()
    biases = [nn.init.zeros_(layer.bias) for layer in (first, second)]
    x, labels = normal(60, 6), torch.arange(60) % 4
    losses, lengths = [], []
    for step in range(401):
        if step in (0, 100, 400):
            estimate_population(network, x.split(20))
            losses.append(nn.functional.cross_entropy(network(x), labels).item())
            lengths.append([bias.norm().item() for bias in biases])
        network.train()
        loss = nn.functional.cross_entropy(network(x[step % 3 :: 3]), labels[step % 3 :: 3])
        gradients = torch.autograd.grad(loss, biases)
        with torch.no_grad():
            for bias, gradient in zip(biases, gradients, strict=True):
                bias -= gradient
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-9)
    assert [late / early for early, late in zip(*lengths[1:], strict=True)] == pytest.approx([4, 4], rel=0.1)


def test_averages_are_those_before_the_mini_batch() -> None:
    norm, x = NaiveNorm(5, "averages", momentum=0.5).double(), normal(12, 5)
    torch.testing.assert_close(norm(x), x / (1 + 1e-5) ** 0.5)
    torch.testing.assert_close(norm.mean, x.mean(0) / 2)
    torch.testing.assert_close(norm.var, (1 + x.var(0)) / 2)


@pytest.mark.parametrize("outside", ["mean", "both"])
def test_at_inference_it_has_the_population_statistics(outside: str) -> None:
    norm, x = NaiveNorm(5, outside).double(), normal(12, 5)
    estimate_population(norm, [x])
    scale = 1 if outside == "mean" else torch.rsqrt(x.var(0) + 1e-5)
    torch.testing.assert_close(norm(x[:1]), (x[:1] - x.mean(0)) * scale)


def test_it_leaves_the_bias_before_it() -> None:
    network = models.build(replace(RUN, norm=NAIVE[0]), (1, 4, 4), 4)
    assert {name for name, _ in network.named_parameters() if "1" in name} == {"linear1.weight", "linear1.bias"}


# Scale


@pytest.mark.parametrize("factor", [1e-3, 0.1, 10, 1e3])
def test_weights_of_another_scale_at_the_rate_that_makes_up_for_it_train_the_same(factor: float) -> None:
    tiny = replace(RUN.norm, eps=1e-30)
    usual = losses(replace(RUN, norm=tiny))
    assert losses(replace(RUN, norm=replace(tiny, weights=factor, rate=factor**2))) == pytest.approx(usual, rel=1e-3)
    at_the_usual_rate = losses(replace(RUN, norm=replace(tiny, weights=factor)))
    assert at_the_usual_rate[0] == pytest.approx(usual[0], rel=1e-4)
    assert at_the_usual_rate[-1] != pytest.approx(usual[-1], rel=1e-3)


def test_only_the_weights_right_before_a_norm_have_another_scale() -> None:
    usual, larger = (
        models.build(replace(RUN, norm=replace(RUN.norm, weights=f)), (1, 4, 4), 4).state_dict() for f in (1.0, 10.0)
    )
    factors = {name: float((larger[name] / usual[name]).nanmean()) for name in usual if "weight" in name}
    assert factors == pytest.approx({"linear1.weight": 10, "linear2.weight": 10, "classifier.weight": 1})


def test_networks_at_other_rates_share_a_stack() -> None:
    faster = replace(RUN, norm=replace(RUN.norm, weights=10.0, rate=100.0))
    assert_together([RUN, faster, replace(RUN, norm=NONE)])


# Residual branches


def test_with_skip_init_blocks_begin_as_the_identity() -> None:
    network = models.build(RESIDUAL, (1, 4, 4), 4)
    first = nn.Sequential(*list(network.children())[:4])
    x = torch.rand(5, 1, 4, 4)
    torch.testing.assert_close(network(x), network.get_submodule("classifier")(first(x)))
    assert sum(isinstance(layer, SkipInit) for layer in network.modules()) == 3


# Data


@pytest.mark.parametrize("how", ["standardised", "whitened"])
def test_pixels_are_prepared_by_the_training_images(how: str) -> None:
    made = dataset()
    x = View(DataConfig(pixels=how), made).test(made.train_images).flatten(1).double()
    raw = View(DataConfig(), made).test(made.train_images).flatten(1).double()
    torch.testing.assert_close(x.mean(0), torch.zeros(16).double(), atol=1e-5, rtol=0)
    sigma, before = x.T @ x / len(x), torch.cov(raw.T, correction=0)
    if how == "standardised":
        variances = before.diagonal()
        torch.testing.assert_close(sigma.diagonal(), variances / (variances + LEAST), atol=1e-4, rtol=0)
    else:
        values, vectors = torch.linalg.eigh(before)
        torch.testing.assert_close(sigma, vectors * (values / (values + LEAST)) @ vectors.T, atol=1e-4, rtol=0)


@pytest.mark.parametrize("how", ["standardised", "whitened"])
def test_training_and_test_inputs_are_prepared_alike(how: str) -> None:
    made = dataset()
    view = View(DataConfig(pixels=how), made)
    training = view.training(made.test_images[None, :5], [torch.Generator()])[0]
    torch.testing.assert_close(training, view.test(made.test_images[:5]))


def test_of_contrasts_the_class_is_the_factor_whatever_is_shown() -> None:
    digits = data.load(DataConfig(name="digits"))
    faded = data.load(DataConfig(name="digits", contrast=True))
    assert faded.classes == len(CONTRASTS)
    assert "contrast" in faded.title
    for label, factor in enumerate(CONTRASTS):
        of_class = faded.train_labels == label
        expected = (digits.train_images[of_class] * factor).round()
        assert torch.equal(faded.train_images[of_class].float(), expected)
        assert abs(float(of_class.float().mean()) - 1 / len(CONTRASTS)) < 0.01
    shown = [torch.bincount(digits.train_labels[faded.train_labels == c], minlength=10) for c in (0, 3)]
    assert min(map(min, shown)) > 10, "every contrast has every digit"


# Another domain


def halves(transfer: str = "new", **changes: Any) -> RunConfig:
    norm = replace(RUN.norm, transfer=transfer)
    return replace(RUN, norm=norm, data=replace(RUN.data, first_classes=2), **changes)


def test_the_first_classes_come_first_and_then_the_others() -> None:
    labels = torch.arange(60) % 4
    order = Transfer(labels, 10, [0, 1, 0], 2, steps=4)
    drawn = [labels[order.next()] for _ in range(9)]
    assert all((batch < 2).all() for batch in drawn[:4])
    assert all((batch >= 2).all() for batch in drawn[4:])
    assert torch.equal(drawn[3][0], drawn[3][2])
    assert not torch.equal(drawn[3][0], drawn[3][1])
    assert (labels[order.first] < 2).all()
    assert (labels[order.examples] >= 2).all()


@pytest.mark.parametrize("transfer", TRANSFERS)
def test_networks_that_go_on_share_a_stack(transfer: str) -> None:
    assert_together([halves(transfer), halves(transfer, seed=1), halves(transfer, seed=1, lr=0.1)])


def test_until_the_classes_change_the_statistics_are_the_same_and_fixed_ones_stay() -> None:
    found = {how: losses(halves(how, steps=12, evaluations=12)) for how in TRANSFERS}
    for how in ("frozen", "recomputed"):
        assert found[how][:6] == found["new"][:6]
        assert found[how][8:] != found["new"][8:]
    assert found["frozen"][8:] != found["recomputed"][8:]
    training = Training([halves("frozen", steps=12, evaluations=12)], dataset(), "cpu", False, 0, lambda: None)
    kept = [training.network.tensors(0)["norm1.mean"].clone() for _ in training.steps(lambda step: None)]
    assert all(torch.equal(kept[6], later) for later in kept[7:])
    assert not torch.equal(kept[5], kept[6])


def test_fixed_statistics_are_constants_to_the_gradient() -> None:
    population = Population([models.build(RUN, (1, 4, 4), 4)])
    norm = population.leaves["norm1"].layer
    norm.buffers["mean"] += 0.3
    norm.buffers["var"] *= 2
    population.fix_statistics()
    plain = BatchNorm(8)
    plain.load_state_dict({name: t[0] for name, t in (norm.parameters | norm.buffers).items()})
    x, dy = normal(1, 10, 8).float(), normal(1, 10, 8, seed=1).float()
    y, cache = norm.forward(x, Phase.TRAINING)
    leaf = x[0].clone().requires_grad_()
    expected = plain.eval()(leaf)
    torch.testing.assert_close(y[0], expected)
    gradients = torch.autograd.grad(expected, [leaf, plain.gamma, plain.beta], dy[0])
    dx, of_parameters = norm.backward(dy, cache)
    for ours, theirs in zip((dx, *of_parameters), gradients, strict=True):
        torch.testing.assert_close(ours[0], theirs)


def test_what_comes_first_is_not_tested() -> None:
    later = data.load(DataConfig(name="digits", validation=100, first_classes=5))
    assert later.test_labels.min() == 5
    assert later.validation_labels is not None
    assert later.validation_labels.min() == 5
    assert later.train_labels.min() == 0
    assert "last 5 classes" in later.title


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"norm": NormConfig("naive", outside="all")}, "norm.outside=all: choose from mean, both, averages"),
        ({"norm": NormConfig("naive", affine=False)}, "norm.affine=false with norm=naive"),
        ({"norm": NormConfig("none", weights=10)}, "norm.weights=10 with norm=none"),
        (
            {"norm": NormConfig("batch", rate=10, placement="after")},
            "norm.rate=10 with norm=batch, norm.placement=after",
        ),
        ({"norm": NormConfig("batch", rate=0)}, "norm.rate=0 is out of range"),
        ({"norm": NormConfig("zca", groups=7)}, "norm.groups=7 with model.width=100"),
        ({"norm": NormConfig("zca"), "model": replace(RUN.model, name="inception_small")}, "norm=zca with model=incep"),
        ({"model": replace(RUN.model, skip_init=True)}, "model.skip_init=true without model.residual=true"),
        ({"data": DataConfig(pixels="white")}, "data.pixels=white: choose from raw, standardised, whitened"),
        ({"data": DataConfig(pixels="whitened", crop=20)}, "data.pixels=whitened with data.crop"),
        ({"norm": NormConfig(transfer="frozen")}, "norm.transfer=frozen with data.first_classes=None"),
        ({"data": DataConfig(first_classes=0)}, "data.first_classes=0 is out of range"),
        ({"data": DataConfig(first_classes=5, examples=100)}, "data.first_classes=5 with data.examples=100"),
        ({"data": DataConfig(contrast=True, binarize=True)}, "data.contrast=true with data.binarize=true"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        validate(replace(Config(scale="smoke"), **changes))


def test_what_is_outside_makes_another_run() -> None:
    assert len({run_id(replace(RUN, norm=norm)) for norm in NAIVE}) == 3


def by_law(of_lr: float, of_l2: float, slope: float, loud: float, drawn_by: int = 0) -> list[Record]:
    draw = np.random.default_rng(drawn_by)

    def final(fields: Fields) -> float:
        drawn = float(draw.normal(0, loud))
        return 0.8 + slope * (of_lr * math.log10(fields["lr"]) + of_l2 * math.log10(fields["l2"])) + drawn

    return sweep(final, (BN,), range(40), lr=(0.1, 0.316, 1.0), l2=(3.16e-2, 1e-1, 3.16e-1))


@pytest.mark.parametrize(
    ("of_lr", "of_l2", "part"),
    [(1, 1, 0), (1, 0, 1), (0, 1, 1), (1, -1, 4 / 3)],
    ids=["by the product", "by the rate", "by L2", "by the quotient"],
)
def test_the_part_of_the_variance_between_equal_products(of_lr: float, of_l2: float, part: float) -> None:
    runs = by_law(of_lr, of_l2, 0.02, 0.001)
    assert apart_along(runs) == pytest.approx(part, abs=0.05)
    assert apart_along([run for run in runs if run.value("lr") == 0.1]) is None


def test_the_noise_of_seeds_lies_not_between_equal_products() -> None:
    """Here it makes up a quarter of the variance of the means."""
    found = [apart_along(by_law(1, 1, 0.003, 0.005, i)) for i in range(20)]
    assert np.mean([part for part in found if part is not None]) == pytest.approx(0, abs=0.12)
