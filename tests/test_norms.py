"""Our BN against PyTorch's, against §3 by hand, and its claims about itself: inference, folding, invariance."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from bnexp.norms import BatchNorm, estimate_population, fold
from bnexp.norms.batch import back_propagate, normalise, normalise_maps

EXACT = 1e-10
"""Tolerance in float64 where two ways to compute the same thing differ by rounding alone."""

FLAT = (16, 5)
MAPS = (6, 5, 3, 4)
SHAPES = pytest.mark.parametrize("shape", [FLAT, MAPS], ids=["flat", "maps"])


def normal(*shape: int, seed: int = 0, mean: float = 0.0, std: float = 1.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator) * std + mean


def close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=EXACT, atol=EXACT)


def bn(features: int = 5, **settings: Any) -> BatchNorm:
    """Our BN in float64, γ and β away from 1 and 0."""
    ours = BatchNorm(features, **settings).double()
    with torch.no_grad():
        ours.gamma.copy_(normal(features, seed=11, mean=1, std=0.3))
        ours.beta.copy_(normal(features, seed=12))
    return ours


def pytorchs(ours: BatchNorm, shape: Sequence[int]) -> nn.BatchNorm1d | nn.BatchNorm2d:
    """PyTorch's BN with the same parameters and buffers."""
    kind = nn.BatchNorm1d if len(shape) == 2 else nn.BatchNorm2d
    theirs = kind(shape[1], eps=ours.eps, momentum=ours.momentum).double()
    with torch.no_grad():
        theirs.weight.copy_(ours.gamma)
        theirs.bias.copy_(ours.beta)
        theirs.running_mean.copy_(ours.mean)
        theirs.running_var.copy_(ours.var)
    return theirs


def per_feature(x: Tensor) -> Tensor:
    """`[batch, features, …]` as `[values, features]`: §3.2 counts each location as an example."""
    return x.transpose(0, 1).flatten(1).t()


# Algorithm 1 against PyTorch


@SHAPES
@pytest.mark.parametrize("eps", [1e-5, 0.1])
def test_training_equals_pytorchs_in_values_and_gradients(shape: tuple[int, ...], eps: float) -> None:
    ours = bn(eps=eps)
    theirs = pytorchs(ours, shape)
    dy = normal(*shape, seed=2)
    x = [normal(*shape, seed=1, mean=3, std=2).requires_grad_() for _ in range(2)]
    y = [norm(own) for norm, own in zip((ours, theirs), x, strict=True)]
    for own in y:
        own.backward(dy)
    close(y[0], y[1])
    close(x[0].grad, x[1].grad)
    close(ours.gamma.grad, theirs.weight.grad)
    close(ours.beta.grad, theirs.bias.grad)
    assert x[0].grad.abs().max() > 1e-3  # there was something to compare


@SHAPES
def test_inference_equals_pytorchs_in_values_and_gradients(shape: tuple[int, ...]) -> None:
    ours = bn()
    ours.mean.copy_(normal(5, seed=3))
    ours.var.copy_(normal(5, seed=4).square() + 0.1)
    theirs = pytorchs(ours, shape)
    x = [normal(*shape, seed=1, mean=3).requires_grad_() for _ in range(2)]
    y = [norm.eval()(own) for norm, own in zip((ours, theirs), x, strict=True)]
    close(y[0], y[1])
    for own in y:
        own.backward(normal(*shape, seed=2))
    close(x[0].grad, x[1].grad)
    close(ours.gamma.grad, theirs.weight.grad)


@SHAPES
@pytest.mark.parametrize("momentum", [0.1, 0.9, 1.0])
def test_moving_averages_equal_pytorchs(shape: tuple[int, ...], momentum: float) -> None:
    ours = bn(statistics="moving", momentum=momentum)
    theirs = pytorchs(ours, shape)
    for step in range(5):
        x = normal(*shape, seed=step, mean=step, std=1 + step)
        ours(x), theirs(x)
    close(ours.mean, theirs.running_mean)
    close(ours.var, theirs.running_var)
    x = normal(*shape, seed=9)
    close(ours.eval()(x), theirs.eval()(x))


def test_momentum_is_the_weight_of_the_newest_mini_batch() -> None:
    norm = BatchNorm(1, statistics="moving", momentum=0.25).double()
    norm(torch.tensor([[1.0], [3.0]], dtype=torch.float64))  # mean 2, unbiased variance 2
    assert norm.mean.item() == pytest.approx(0.75 * 0 + 0.25 * 2)
    assert norm.var.item() == pytest.approx(0.75 * 1 + 0.25 * 2)


@pytest.mark.parametrize("statistics", ["population", "moving"])
def test_inference_moves_no_average(statistics: str) -> None:
    norm = bn(statistics=statistics).eval()
    norm(normal(*FLAT, mean=4))
    assert norm.mean.eq(0).all()
    assert norm.var.eq(1).all()


def test_population_statistics_do_not_follow_training() -> None:
    norm = bn(statistics="population").train()
    norm(normal(*FLAT, mean=4))
    assert norm.mean.eq(0).all()
    assert norm.var.eq(1).all()


# Algorithm 1 by hand


@SHAPES
def test_gradcheck(shape: tuple[int, ...]) -> None:
    norm = bn()
    inputs = (normal(*shape, seed=1).requires_grad_(), norm.gamma.detach(), norm.beta.detach())

    def transform(x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
        return torch.func.functional_call(norm, {"gamma": gamma, "beta": beta}, (x,))

    assert torch.autograd.gradcheck(transform, tuple(t.requires_grad_() for t in inputs))


@SHAPES
def test_backward_equals_the_six_derivatives_of_section_3(shape: tuple[int, ...]) -> None:
    norm = bn(eps=0.01)
    x = normal(*shape, seed=1, mean=2, std=3).requires_grad_()
    dy = normal(*shape, seed=2)
    norm(x).backward(dy)

    xs, dl_dy, gamma = per_feature(x.detach()), per_feature(dy), norm.gamma.detach()
    m = len(xs)
    mu = xs.sum(0) / m
    var = ((xs - mu) ** 2).sum(0) / m
    x_hat = (xs - mu) / (var + norm.eps) ** 0.5
    dl_dx_hat = dl_dy * gamma
    dl_dvar = (dl_dx_hat * (xs - mu) * -0.5 * (var + norm.eps) ** -1.5).sum(0)
    dl_dmu = (dl_dx_hat * -1 / (var + norm.eps) ** 0.5).sum(0) + dl_dvar * (-2 * (xs - mu)).sum(0) / m
    dl_dx = dl_dx_hat / (var + norm.eps) ** 0.5 + dl_dvar * 2 * (xs - mu) / m + dl_dmu / m
    dl_dgamma = (dl_dy * x_hat).sum(0)
    dl_dbeta = dl_dy.sum(0)

    close(per_feature(x.grad), dl_dx)
    close(norm.gamma.grad, dl_dgamma)
    close(norm.beta.grad, dl_dbeta)


@pytest.mark.parametrize(("precision", "within"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_feature_maps_are_normalised_by_algorithm_1(
    precision: torch.dtype, within: float, layout: torch.memory_format
) -> None:
    """Values, statistics and gradients are those of the written-out algorithm in float64, relative to the largest.

    In float32 they differ by what the sums over 2,048 values round, as those of the written-out algorithm do.
    """
    torch.manual_seed(0)
    x, dy = (torch.randn(8, 5, 16, 16, dtype=torch.float64).to(memory_format=layout) for _ in range(2))
    x = 2 * x + 1
    gamma, beta = torch.rand(5, dtype=torch.float64), torch.rand(5, dtype=torch.float64)
    dims = (0, 2, 3)
    y, x_hat, slope, mu, var = normalise(x, gamma.view(1, 5, 1, 1), beta.view(1, 5, 1, 1), dims, 1e-5)
    expected = [y, mu, var, *back_propagate(dy, x_hat, slope, dims)]
    leaves = [t.to(precision).requires_grad_() for t in (x, gamma, beta)]
    y, mu, var = normalise_maps(*leaves, 1e-5)
    gradients = torch.autograd.grad(y, leaves, dy.to(precision))
    for measured, true in zip([y, mu, var, *gradients], expected, strict=True):
        assert (measured.flatten() - true.flatten()).abs().max() <= within * true.abs().max()


def test_convolution_statistics_are_over_the_batch_and_all_locations() -> None:
    x = normal(*MAPS, mean=3, std=2)
    norm = BatchNorm(5, statistics="moving", momentum=1.0).double()  # the averages are the newest mini-batch's
    y = norm(x)
    values = per_feature(x)
    assert len(values) == 6 * 3 * 4  # m·p·q
    close(norm.mean, values.mean(0))
    close(norm.var, ((values - values.mean(0)) ** 2).sum(0) / (6 * 3 * 4 - 1))
    close(per_feature(y).mean(0), torch.zeros(5, dtype=torch.float64))
    biased = ((values - values.mean(0)) ** 2).sum(0) / (6 * 3 * 4)
    close(per_feature(y).var(0, correction=0), biased / (biased + norm.eps))


@pytest.mark.parametrize("shape", [(1, 5), (1, 5, 1, 1)])
def test_a_single_value_per_feature_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="more than one value per feature"):
        bn()(normal(*shape))


def test_one_example_will_do_at_inference_and_where_a_map_has_several_locations() -> None:
    assert bn().eval()(normal(1, 5)).shape == (1, 5)
    assert bn()(normal(1, 5, 1, 2)).shape == (1, 5, 1, 2)


# Algorithm 2


def test_population_statistics_are_the_averages_of_algorithm_2() -> None:
    norm = bn()
    batches = [normal(*FLAT, seed=i, mean=i, std=1 + i) for i in range(4)]
    estimate_population(norm, batches)
    m = len(batches[0])
    mean = sum(x.sum(0) / m for x in batches) / len(batches)
    biased = [((x - x.sum(0) / m) ** 2).sum(0) / m for x in batches]
    close(norm.mean, mean)
    close(norm.var, m / (m - 1) * sum(biased) / len(batches))


def test_population_statistics_of_a_convolution_count_every_location() -> None:
    norm = bn()
    batches = [normal(*MAPS, seed=i, mean=i) for i in range(3)]
    estimate_population(norm, batches)
    values = [per_feature(x) for x in batches]
    close(norm.mean, torch.stack([v.mean(0) for v in values]).mean(0))
    close(norm.var, torch.stack([v.var(0, correction=1) for v in values]).mean(0))


def two_layers(**settings: Any) -> nn.Sequential:
    torch.manual_seed(0)
    first, second = bn(7, **settings), bn(5, **settings)
    return nn.Sequential(nn.Linear(4, 7), first, nn.Sigmoid(), nn.Linear(7, 5), second).double()


def test_population_statistics_leave_the_weights_and_end_in_inference_mode() -> None:
    network = two_layers().train()
    before = copy.deepcopy(network.state_dict())
    estimate_population(network, [normal(8, 4, seed=i) for i in range(3)])
    after = network.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"1.mean", "1.var", "4.mean", "4.var"}
    assert not any(module.training for module in network.modules())
    assert all(p.grad is None for p in network.parameters())


def test_population_statistics_of_a_deeper_layer_see_mini_batches_normalised_as_in_training() -> None:
    network = two_layers()
    batches = [normal(8, 4, seed=i) for i in range(3)]
    estimate_population(network, batches)
    below = copy.deepcopy(network[:4]).train()
    inputs = [below(x).detach() for x in batches]
    close(network[4].mean, torch.stack([x.mean(0) for x in inputs]).mean(0))
    close(network[4].var, torch.stack([x.var(0, correction=1) for x in inputs]).mean(0))


def test_population_statistics_are_estimated_anew_after_the_weights_change() -> None:
    network, batches = two_layers(), [normal(8, 4, seed=i) for i in range(3)]
    estimate_population(network, batches)
    old = network[1].mean.clone()
    with torch.no_grad():
        network[0].weight.mul_(2)
        network[0].bias.zero_()
    estimate_population(network, batches)
    expected = torch.stack([(x @ network[0].weight.t()).mean(0) for x in batches]).mean(0)
    close(network[1].mean, expected.detach())
    assert (network[1].mean - old).abs().max() > 1e-3


def test_layers_with_moving_averages_keep_them() -> None:
    network = two_layers(statistics="moving")
    network.train()(normal(8, 4, seed=9))
    before = copy.deepcopy(network.state_dict())
    estimate_population(network, [normal(8, 4, seed=i) for i in range(3)])
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not network.training


# Folding (§3.1)


def measured(features: int) -> BatchNorm:
    """A norm with parameters and population statistics that change everything."""
    norm = bn(features)
    norm.mean.copy_(normal(features, seed=5, mean=2))
    norm.var.copy_(normal(features, seed=6).square() + 0.2)
    return norm.eval()


@pytest.mark.parametrize("bias", [True, False])
def test_a_linear_layer_folds(bias: bool) -> None:
    torch.manual_seed(1)
    affine, norm, x = nn.Linear(6, 5, bias=bias).double(), measured(5), normal(9, 6)
    folded = fold(affine, norm)
    assert isinstance(folded, nn.Linear)
    close(folded(x), norm(affine(x)))
    assert (folded(x) - affine(x)).abs().max() > 0.1


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    "settings",
    [
        {"kernel_size": 1},
        {"kernel_size": 3, "stride": 2, "padding": 1},
        {"kernel_size": (3, 2), "stride": (1, 2), "padding": (2, 0), "groups": 2},
        {"kernel_size": 3, "padding": "same", "dilation": 2, "padding_mode": "reflect"},
    ],
    ids=["1x1", "stride", "groups", "same"],
)
def test_a_convolution_folds(settings: dict[str, Any], bias: bool) -> None:
    torch.manual_seed(1)
    affine = nn.Conv2d(4, 6, bias=bias, **settings).double()
    norm, x = measured(6), normal(2, 4, 8, 9)
    folded = fold(affine, norm)
    assert isinstance(folded, nn.Conv2d)
    close(folded(x), norm(affine(x)))
    assert (folded(x) - affine(x)).abs().max() > 0.1


def test_folding_leaves_the_layers_as_they_were() -> None:
    affine, norm = nn.Linear(6, 5).double(), measured(5)
    before = copy.deepcopy([affine.state_dict(), norm.state_dict()])
    fold(affine, norm)
    for layer, old in zip((affine, norm), before, strict=True):
        assert all(torch.equal(value, old[name]) for name, value in layer.state_dict().items())


# What the paper says of the transform; exact for ε → 0, so with an ε far below the variances

TINY = 1e-14


@SHAPES
def test_identity_is_restored(shape: tuple[int, ...]) -> None:
    """§3: γ = √Var[x] and β = E[x] give x back."""
    x = normal(*shape, seed=1, mean=3, std=2)
    values = per_feature(x)
    norm = bn(eps=TINY)
    with torch.no_grad():
        norm.gamma.copy_(values.var(0, correction=0).sqrt())
        norm.beta.copy_(values.mean(0))
    close(norm(x), x)
    with torch.no_grad():
        norm.gamma.copy_(values.var(0, correction=1).sqrt())  # Algorithm 2 has the unbiased variance
    estimate_population(norm, [x])
    close(norm(x), x)


def test_identity_is_restored_after_training() -> None:
    """§3: whatever γ and β have become, others make every BN of a trained network the identity at inference."""
    torch.manual_seed(0)
    flat = nn.Sequential(nn.Linear(6, 5), bn(eps=TINY), nn.Sigmoid(), nn.Linear(5, 4), bn(4, eps=TINY))
    maps = nn.Sequential(nn.Conv2d(2, 5, 3), bn(eps=TINY), nn.ReLU(), nn.Conv2d(5, 4, 1), bn(4, eps=TINY))
    for network, shape in ((flat.double(), (40, 6)), (maps.double(), (40, 2, 6, 5))):
        x, labels = normal(*shape, seed=1, mean=3, std=2), torch.arange(shape[0]) % 4
        optimizer = torch.optim.SGD(network.parameters(), lr=0.5)
        losses = []
        for _ in range(30):
            optimizer.zero_grad()
            losses.append(functional.cross_entropy(network(x).reshape(len(x), 4, -1).mean(2), labels))
            losses[-1].backward()
            optimizer.step()
        assert losses[-1] < 0.9 * losses[0]
        estimate_population(network, x.split(10))
        without = nn.Sequential(*(nn.Identity() if isinstance(layer, BatchNorm) else layer for layer in network))
        with torch.no_grad():
            assert (network(x) - without(x)).abs().max() > 0.1
            for norm in (layer for layer in network if isinstance(layer, BatchNorm)):
                norm.gamma.copy_(norm.var.sqrt())
                norm.beta.copy_(norm.mean)
        close(network(x), without(x))


@pytest.mark.parametrize("a", [1e-3, 0.1, 7.5, 1e3])
@pytest.mark.parametrize(
    ("affine", "inputs", "weights"),
    [(functional.linear, (16, 4), (5, 4)), (functional.conv2d, (6, 4, 5, 5), (5, 4, 3, 2))],
    ids=["linear", "convolution"],
)
def test_scale_invariance(
    affine: Callable[[Tensor, Tensor], Tensor], inputs: tuple[int, ...], weights: tuple[int, ...], a: float
) -> None:
    """§3.3: BN((aW)u) = BN(Wu), the same gradient to u, and 1/a of it to the weights.

    What ε adds to a variance of about a² is a part of it far below the tolerance: at most 1e-18 of 1e-6.
    """
    norm = bn(eps=1e-18)
    y, du, dw = [], [], []
    for factor in (1.0, a):
        u = normal(*inputs, seed=1).requires_grad_()
        w = (normal(*weights, seed=2) * factor).requires_grad_()
        y.append(norm(affine(u, w)))
        y[-1].backward(normal(*y[-1].shape, seed=3))
        du.append(u.grad)
        dw.append(w.grad)
    close(y[1], y[0])
    close(du[1], du[0])
    close(a * dw[1], dw[0])
    assert dw[0].abs().max() > 1e-3
