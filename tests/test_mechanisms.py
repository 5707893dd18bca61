"""What explanations of BN speak of: each probe against the same computed by hand, and that none leaves a trace."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from tiny import CLASSES, RUN, dataset
from torch import Tensor, nn
from torch.func import functional_call, jacrev
from torch.nn import functional

from bnexp.config import PROBES, Config, ConfigError, ModelConfig, NormConfig, RunConfig, validate
from bnexp.engine import probes
from bnexp.engine.probes.gaussian import Gaussian, shape
from bnexp.engine.probes.jacobian import Jacobian, told, unequal
from bnexp.engine.probes.landscape import PARTS, Landscape
from bnexp.engine.probes.moment import Moment, weights_in_front
from bnexp.engine.probes.robustness import DOMAINS, Adaptation, Robustness, attacked, of_domain
from bnexp.engine.probes.shift import GradientShift, InputShift, moved
from bnexp.engine.probes.signal import Signal, Weights, rank
from bnexp.engine.train import Training, train
from bnexp.models.mlp import MLP
from bnexp.norms import BatchNorm, NoisyBatchNorm


def network(norm: bool = True, activation: str = "tanh") -> MLP:
    torch.manual_seed(0)
    return MLP(16, 3, 6, CLASSES, BatchNorm if norm else lambda features: nn.Identity(), activation)


def moment(net: nn.Module, step: float = 0.1) -> Moment:
    """Before and after a step against the gradient of a mini-batch of 12 images."""
    draw = torch.Generator().manual_seed(1)
    x, labels = torch.rand(12, 1, 4, 4, generator=draw), torch.randint(CLASSES, (12,), generator=draw)
    net.train()
    functional.cross_entropy(net(x), labels).backward()
    before = {name: t.detach().clone() for name, t in (*net.named_parameters(), *net.named_buffers())}
    after = before | {name: p.detach() - step * p.grad for name, p in net.named_parameters() if p.grad is not None}
    layers = {name: name for name, _ in net.named_children() if name.startswith("hidden")}
    seen, targets = torch.rand(26, 1, 4, 4, generator=draw), torch.arange(26) % CLASSES
    weights = weights_in_front(net, layers)
    return Moment(7, 0, net, before, after, x, labels, seen, targets, seen, targets, 12, layers, weights)


def loss(at: Moment, tensors: dict[str, Tensor]) -> Tensor:
    """By hand, in training."""
    at.network.train()
    return functional.cross_entropy(functional_call(at.network, tensors, (at.x,)), at.labels)


# Shift


def test_a_distribution_that_moves_by_its_width_has_moved_by_one() -> None:
    draw = torch.Generator().manual_seed(0)
    old = torch.randn(100, 5, generator=draw).sort(0).values
    assert moved(old, old + old.std(0)) == pytest.approx({"mean": 1.0, "spread": 0.0, "w1": 1.0}, abs=1e-6)
    wider = moved(old, old.mean(0) + math.e * (old - old.mean(0)))
    assert (wider["mean"], wider["spread"]) == pytest.approx((0.0, 1.0), abs=1e-6)
    assert all(map(math.isnan, moved(None, old).values()))


def test_units_that_are_constant_are_left_out() -> None:
    old = torch.arange(10.0)[:, None].repeat(1, 2)
    dead = old * torch.tensor([1.0, 0.0])
    assert moved(dead, dead + old.std(0))["mean"] == pytest.approx(1.0)


def test_inputs_are_compared_with_those_of_the_measurement_before_in_training_and_at_inference() -> None:
    at, probe = moment(network()), InputShift()
    first, second = probe.measure(at), probe.measure(at)
    assert all(map(math.isnan, first.values()))
    assert set(second.values()) == {0.0}
    assert {name.partition("/")[0] for name in second} == {
        f"moved_{what}{of}" for what in ("mean", "spread", "w1") for of in ("", "_fed", "_front", "_tr")
    }
    assert "moved_w1_fed/hidden1" not in second, "images do not move"
    shifted = replace(at, before=at.before | {"norm2.beta": at.before["norm2.beta"] + 1})
    third = probe.measure(shifted)
    assert third["moved_mean/hidden1"] == third["moved_mean_tr/hidden1"] == 0
    assert third["moved_mean_tr/hidden2"] == pytest.approx(1.0, rel=0.05), "in training a BN's inputs have width γ"
    assert third["moved_mean_front/hidden2"] == third["moved_mean_fed/hidden2"] == 0, "they are in front of that BN"
    assert third["moved_mean_fed/hidden3"] > 0.1, "what it makes of it goes on to the next layer"


def test_behind_bn_inputs_do_not_see_that_weights_below_are_scaled() -> None:
    at, probe = moment(network()), InputShift()
    probe.measure(at)
    scaled = {name: 3 * t if name == "linear2.weight" else t for name, t in at.before.items()}
    measured = probe.measure(replace(at, before=at.before | scaled))
    assert measured["moved_spread_front/hidden2"] == pytest.approx(math.log(3), rel=1e-4)
    assert measured["moved_w1/hidden2"] == pytest.approx(0.0, abs=1e-3)


def test_inputs_do_not_move_where_only_the_population_statistics_are_estimated_anew() -> None:
    """Of few mini-batches they differ from one evaluation to the next; that is no covariate shift."""
    at, probe = moment(network()), InputShift()
    anew = {name: t + 0.3 if name.endswith("mean") else t for name, t in at.before.items()}
    assert anew.keys() == at.before.keys()
    assert any(not torch.equal(anew[name], at.before[name]) for name in anew)
    probe.measure(at)
    assert set(probe.measure(replace(at, before=anew)).values()) == {0.0}


def test_noise_is_another_at_every_step() -> None:
    noisy = MLP(16, 3, 6, CLASSES, NoisyBatchNorm, "tanh")
    at, probe = moment(noisy), InputShift()
    probe.measure(at)
    assert probe.measure(at)["moved_mean_tr/hidden2"] == 0, "the same noise at the same step"
    moves = probe.measure(replace(at, step=8))
    assert moves["moved_mean_tr/hidden2"] > 0.1
    assert moves["moved_mean/hidden2"] == 0, "there is none at inference"
    other = InputShift()
    other.measure(replace(at, seed=1))
    assert other.measure(replace(at, seed=1, step=8))["moved_mean_tr/hidden2"] != moves["moved_mean_tr/hidden2"]


@pytest.mark.parametrize("norm", [True, False])
def test_a_layers_gradient_is_taken_again_when_those_below_have_made_their_step(norm: bool) -> None:
    at = moment(network(norm))
    measured = GradientShift().measure(at)
    assert at.after is not None
    names = [name for name, _ in at.network.named_parameters()]
    for label in ("hidden2", "hidden3"):
        weight = at.weights[label]
        below = {name: at.after[name] for name in names[: names.index(weight)]}
        gradients = []
        for tensors in (dict(at.before), dict(at.before) | below):
            leaf = tensors[weight].clone().requires_grad_()
            gradients.append(torch.autograd.grad(loss(at, tensors | {weight: leaf}), leaf)[0].flatten())
        old, new = gradients
        assert measured[f"moved_gradient/{label}"] == pytest.approx(float((new - old).norm() / old.norm()), rel=1e-4)
        cosine = float(functional.cosine_similarity(new.double(), old.double(), 0))
        assert math.cos(math.radians(measured[f"turned_gradient/{label}"])) == pytest.approx(cosine, abs=1e-6)
    assert "moved_gradient/hidden1" not in measured
    still = {name: torch.zeros_like(t) if "classifier" in name else t for name, t in at.before.items()}
    assert math.isnan(GradientShift().measure(replace(at, before=still, after=still))["turned_gradient/hidden2"])
    assert all(map(math.isnan, GradientShift().measure(replace(at, after=None)).values()))


# Landscape


def test_the_loss_is_looked_at_along_the_step() -> None:
    at = moment(network(), step=2.0)
    measured = Landscape().measure(at)
    assert at.after is not None
    losses, gradients = [], []
    for part in (0.0, *PARTS):
        there = {n: t + part * (at.after[n] - t) for n, t in at.before.items() if t.is_floating_point()}
        leaves = {name: there[name].requires_grad_() for name, _ in at.network.named_parameters()}
        value = loss(at, there | leaves)
        losses.append(float(value.detach()))
        gradients.append(torch.cat([g.flatten() for g in torch.autograd.grad(value, list(leaves.values()))]))
    changes = [float((g - gradients[0]).norm()) for g in gradients[1:]]
    length = 2.0 * float(gradients[0].norm())
    assert measured["loss_range"] == pytest.approx(max(losses) - min(losses), rel=1e-4)
    assert measured["gradient_change"] == pytest.approx(max(changes) / float(gradients[0].norm()), rel=1e-4)
    ratios = [change / (part * length) for change, part in zip(changes, PARTS, strict=True)]
    assert measured["smoothness"] == pytest.approx(max(ratios), rel=1e-4)


# Jacobian


@pytest.mark.parametrize("norm", [True, False])
def test_the_jacobian_is_that_between_inputs_of_nonlinearities_in_their_widths(norm: bool) -> None:
    net = network(norm)
    at = moment(net)
    measured = Jacobian().measure(at)
    inputs = at.inputs(at.reference, at.before, training=False)
    net.eval()
    net.load_state_dict(dict(at.before))
    above = nn.Sequential(net.hidden1, *([net.linear2, net.norm2] if norm else [net.linear2]))
    scale = inputs["hidden1"].std(0) / inputs["hidden2"].std(0)[:, None]
    jacobians = torch.stack([jacrev(lambda u: above(u[None])[0])(u).detach() * scale for u in inputs["hidden1"][:4]])
    assert (measured["jacobian_median/hidden2"], measured["jacobian_spread/hidden2"]) == pytest.approx(
        told(jacobians), rel=1e-3
    )


def test_singular_values_are_told_by_their_logarithms() -> None:
    median, spread = told(torch.diag(torch.tensor([0.1, 1.0, 10.0]))[None])
    assert (median, spread) == (pytest.approx(0.0, abs=1e-6), pytest.approx(1.0))
    assert told(torch.diag(torch.tensor([0.0, 1.0, 1.0]))[None]) == (pytest.approx(0.0), pytest.approx(0.0))
    assert all(map(math.isnan, told(torch.full((1, 2, 2), math.nan))))


class Branches(nn.Module):
    """Two nonlinearities side by side, and one behind them without weights of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.flatten = nn.Flatten()
        self.left, self.hidden1 = nn.Linear(16, 5), nn.Tanh()
        self.right, self.hidden2 = nn.Linear(16, 5), nn.Tanh()
        self.hidden3 = nn.Tanh()
        self.classifier = nn.Linear(5, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.flatten(x)
        joined: Tensor = self.hidden1(self.left(x)) + self.hidden2(self.right(x))
        logits: Tensor = self.classifier(self.hidden3(joined))
        return logits


def test_layers_side_by_side_have_a_jacobian_of_0_and_no_finite_logarithm() -> None:
    at = moment(Branches())
    measured = Jacobian().measure(at)
    assert math.isnan(measured["jacobian_median/hidden2"])
    assert math.isfinite(measured["jacobian_median/hidden3"])
    for probe in (GradientShift(), InputShift(), Landscape(), Signal(), Weights()):
        assert probe.measure(at)


# Signal


def test_the_rank_counts_directions() -> None:
    draw = torch.Generator().manual_seed(0)
    assert rank(torch.randn(200, 10, generator=draw)) == 10
    assert rank(torch.randn(200, 1, generator=draw) @ torch.randn(1, 10, generator=draw)) == 1


def test_signals_scale_and_answer_to_small_changes() -> None:
    at = moment(network(norm=False, activation="relu"))
    measured = Signal().measure(at)
    assert measured["sensitivity/hidden1"] == pytest.approx(0.01, rel=0.6)
    twice = {name: 2 * at.before[name] for name in ("linear1.weight", "linear1.bias")}
    doubled = Signal().measure(replace(at, before={**at.before, **twice}))
    assert doubled["scale/hidden1"] == pytest.approx(2 * measured["scale/hidden1"])
    assert Weights().measure(at)["weight_norm/hidden2"] == pytest.approx(float(at.before["linear2.weight"].norm()))


def test_small_changes_are_measured_in_the_width_of_the_inputs_and_not_in_what_all_examples_have_in_common() -> None:
    at = moment(network(norm=False))
    shifted = {**at.before, "linear1.bias": at.before["linear1.bias"] + 100}
    before, after = (Signal().measure(m)["sensitivity/hidden1"] for m in (at, replace(at, before=shifted)))
    assert after == pytest.approx(before, rel=1e-3)


# Shape


def test_normal_inputs_have_neither_skewness_nor_tails_and_what_a_relu_makes_of_them_has() -> None:
    x = torch.randn(100_000, 3, generator=torch.Generator().manual_seed(0))
    assert shape(x) == (pytest.approx(0, abs=0.03), pytest.approx(0, abs=0.05))
    skewness, kurtosis = shape(torch.relu(x))
    assert (skewness, kurtosis) == (pytest.approx(1.64, abs=0.05), pytest.approx(2.41, abs=0.1))
    assert shape(torch.cat([x, torch.zeros(len(x), 1)], 1))[0] < 0.05, "constant units are left out"
    measured = Gaussian().measure(moment(network(activation="relu")))
    assert measured["skew_in/hidden2"] < measured["skew_out/hidden2"]


# Changed images


def at_end(net: nn.Module) -> Moment:
    return replace(moment(net), after=None)


def test_an_attack_moves_no_pixel_too_far_and_raises_the_loss() -> None:
    at = at_end(network(activation="relu"))
    x = at.many

    def loss_on(images: Tensor) -> float:
        return float(functional.cross_entropy(at.logits(images, at.before, training=False), at.many_targets))

    fgsm, pgd = attacked(at, x, 0.1, 1), attacked(at, x, 0.1, 10)
    for images in (fgsm, pgd):
        assert float((images - x).abs().max()) <= 0.1 + 1e-6
        assert x.min() <= images.min() <= images.max() <= x.max()
    assert loss_on(x) < loss_on(fgsm) < loss_on(pgd)
    measured = Robustness().measure(at)
    assert measured["under_pgd/0.1"] <= measured["under_pgd/0.02"]
    assert set(Robustness().measure(moment(network()))) == set(measured), "and NaN before the end"


def test_recomputed_statistics_undo_a_change_of_contrast() -> None:
    """What is scaled and shifted before an affine map with BN behind it is the same once BN has seen it."""
    at = at_end(network())
    faint = 0.3 * at.reference + 0.2
    clean = at.logits(at.reference, at.adapted(at.reference), training=False)
    torch.testing.assert_close(at.logits(faint, at.adapted(faint), training=False), clean, rtol=1e-2, atol=1e-2)
    assert set(Adaptation().measure(at)) == set(Adaptation().measure(moment(network())))
    measured = Adaptation().measure(at)
    for statistics in ("recomputed", "own"):
        assert measured[f"{statistics}/faint"] == measured[f"{statistics}/unchanged"]


def test_a_negative_is_the_negative_to_a_first_layer_whose_statistics_are_recomputed() -> None:
    at = at_end(network())
    negative, _ = of_domain(at, "inverted")
    as_it_is = at.inputs(at.many, at.adapted(at.many), training=False)["hidden1"]
    inverted = at.inputs(negative, at.adapted(negative), training=False)["hidden1"]
    torch.testing.assert_close(inverted, -as_it_is, rtol=1e-2, atol=1e-2)


def test_own_statistics_are_those_of_the_mini_batch_without_dropout() -> None:
    net = MLP(16, 3, 6, CLASSES, BatchNorm, "relu", dropout=lambda name: nn.Dropout(0.5))
    at = replace(at_end(net), batch=6)
    tested = at.many[13:25]  # of the second half, 13 images, the whole mini-batches
    net.load_state_dict(dict(at.before))
    net.eval()
    for layer in net.modules():
        if isinstance(layer, BatchNorm):
            layer.train()
    with torch.no_grad():
        right = torch.cat([net(tested[:6]), net(tested[6:])]).argmax(-1) == at.many_targets[13:25]
    measured = Adaptation().measure(at)
    assert measured["own/unchanged"] == pytest.approx(float(right.float().mean()))
    assert measured == Adaptation().measure(at), "and nothing of it is left behind"
    without = Adaptation().measure(at_end(network(norm=False)))
    for domain in DOMAINS:
        assert without[f"recomputed/{domain}"] == without[f"kept/{domain}"]


def test_ucis_digits_are_as_large_as_the_networks_images_and_as_bright() -> None:
    at = replace(at_end(network()), many=2 * torch.rand(26, 3, 28, 28) - 1)
    images, labels = of_domain(at, "uci")
    assert images.shape == (1797, 3, 28, 28)
    assert labels.bincount().tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert (float(images.min()), float(images.max())) == pytest.approx((-1, 1), abs=1e-2)
    ink = (images - images.min()).mean((1, 2, 3))
    middle = (images - images.min())[..., 11:17, 11:17].mean((1, 2, 3))
    empty = torch.stack([middle[labels == digit].mean() / ink[labels == digit].mean() for digit in (0, 1)])
    assert empty[0] < 0.5 < 1.5 < empty[1], "a nought is empty in the middle, a one is not"


def test_noise_is_another_on_the_images_that_are_classified_than_on_those_for_the_statistics() -> None:
    at = at_end(network())
    seen, tested = (of_domain(at, "noisy")[0] - at.many).chunk(2)
    assert not torch.allclose(seen, tested, atol=0.1)


# In training

SMALL = {"name": "inception_small", "modules": ["3a", "3c"], "multiplier": 0.0625, "dropout": 0.3}


def metrics(configs: Sequence[RunConfig]) -> list[dict[str, float]]:
    return [evaluation.metrics for evaluation in train(configs, dataset())]


def stack(**more: Any) -> list[RunConfig]:
    runs = [replace(RUN, norm=replace(RUN.norm, name=name), **more) for name in ("none", "batch")]
    return [replace(run, seed=seed) for run in runs for seed in (0, 1)]


@pytest.mark.parametrize("single", [False, True], ids=["stack", "single"])
@pytest.mark.parametrize("norm", ["batch", "noisy_batch", "batch_renorm"])
def test_probes_leave_no_trace(single: bool, norm: str) -> None:
    run = replace(RUN, norm=replace(RUN.norm, name=norm))
    runs = [replace(run, model=replace(RUN.model, **SMALL))] if single else [*stack()[:2], run, replace(run, seed=1)]
    without = metrics(runs)
    probed = metrics([replace(run, probes=list(PROBES)) for run in runs])
    assert len(probed) == len(without) == 4 * len(runs)
    for plain, more in zip(without, probed, strict=True):
        assert {name: more[name] for name in plain} == pytest.approx(plain, abs=0, nan_ok=True)
        assert len(more) > len(plain) + 10


def test_columns_are_the_same_at_every_step_and_each_layer_has_its_own() -> None:
    measured = metrics(stack(probes=list(PROBES)))
    for network in range(4):
        assert len({tuple(row) for row in measured[network::4]}) == 1
    assert {"moved_w1/hidden2", "jacobian_spread/hidden2", "rank/hidden1", "loss_range"} <= set(measured[0])
    at_end = [n for n in measured[0] if n.startswith(("under_", "kept/", "recomputed/", "own/", "clean"))]
    assert all(math.isfinite(measured[4][name]) for name in measured[4] if name not in at_end)
    assert all(math.isfinite(measured[-1][name]) for name in at_end)


def test_what_probes_remember_goes_with_a_checkpoint() -> None:
    config = replace(RUN, probes=["input_shift"], model=replace(RUN.model, **SMALL))

    def begin() -> Training:
        return Training([config], dataset(), "cpu", False, 0, lambda: None)

    whole = [e.metrics for evaluated in begin().steps(lambda step: None) for e in evaluated]
    first, again, made = begin(), begin(), []
    for evaluated in first.steps(lambda step: None):
        made += evaluated
        if first.step == 3:
            break
    again.restore(first.state(made))
    rest = [e.metrics for evaluated in again.steps(lambda step: None) for e in evaluated]
    for row, before in zip([e.metrics for e in made] + rest, whole, strict=True):
        assert row == pytest.approx(before, abs=0, nan_ok=True)


def test_what_probes_cost_is_told_at_the_end() -> None:
    *_, last = train(stack(probes=["landscape"]), dataset())
    assert set(last.costs) == {"landscape"}
    assert last.costs["landscape"] > 0


@pytest.mark.parametrize(
    "changes",
    [
        {"model": ModelConfig(depth=1, width=8)},
        {"trained": "norms", "norm": NormConfig("batch", placement="after", batches=2)},
        {"batch": 20, "norm": NormConfig("batch", ghost=10, batches=2)},
    ],
)
def test_any_network_can_be_probed(changes: dict[str, Any]) -> None:
    (*_, last) = metrics([replace(RUN, probes=list(PROBES), **changes)])
    assert "rank/hidden1" in last


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ({"probes": ["weights", "jacobian"]}, "name each once, in the order"),
        ({"trained": "norms", "norm": NormConfig("none")}, "trained=norms needs a norm"),
        ({"norm": NormConfig("none", affine=False)}, "norm.affine=false with norm=none"),
    ],
)
def test_what_would_have_no_effect_is_refused(words: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        validate(Config(scale="laptop", **words))


def test_the_names_are_those_of_the_settings() -> None:
    assert tuple(probes.PROBES) == PROBES


def test_of_equal_singular_values_none_differs_and_dead_units_count() -> None:
    rotation = torch.linalg.qr(torch.randn(2, 6, 6, generator=torch.Generator().manual_seed(0))).Q
    assert unequal(3 * rotation) == pytest.approx(0, abs=1e-3)
    dead = rotation.clone()
    dead[:, 3:] = 0
    assert unequal(dead) == pytest.approx(0.5**0.5, abs=1e-3)
    assert told(dead)[1] == pytest.approx(0, abs=1e-3), "of those that are not 0 alone"
    assert math.isnan(unequal(dead * math.nan))
    assert math.isnan(unequal(dead * 0))
    assert unequal(torch.stack([dead[0], 0 * dead[0]])) == pytest.approx(0.5**0.5, abs=1e-3)
