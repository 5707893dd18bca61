"""Layer, group and instance normalisation against PyTorch's and their formulas; batch renormalisation by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from bnexp import norms
from bnexp.config import NORM_FIELDS, ConfigError, ModelConfig, NormConfig, RunConfig, from_fields, run_fields, run_id
from bnexp.engine.stacked import Phase, counterpart
from bnexp.models import build
from bnexp.norms import BatchNorm, BatchRenorm, GroupNorm, InstanceNorm, LayerNorm

FLAT, MAPS = (7, 12), (6, 12, 3, 4)
SHAPES = pytest.mark.parametrize("shape", [FLAT, MAPS], ids=["flat", "maps"])


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) * 2 + 1


def randomised(norm: nn.Module) -> nn.Module:
    """In float64, its parameters away from 1 and 0."""
    norm = norm.double()
    with torch.no_grad():
        for i, p in enumerate(norm.parameters()):
            p.copy_(normal(*p.shape, seed=i + 5))
    return norm


def same(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


@SHAPES
@pytest.mark.parametrize(("groups", "eps"), [(1, 1e-5), (3, 0.1), (4, 1e-5)])
def test_group_norm_is_the_formula_of_its_paper(shape: tuple[int, ...], groups: int, eps: float) -> None:
    norm = randomised(GroupNorm(12, groups, eps))
    x = normal(*shape)
    cut = x.reshape(shape[0], groups, -1)
    mean = cut.mean(-1, keepdim=True)
    var = ((cut - mean) ** 2).mean(-1, keepdim=True)
    x_hat = ((cut - mean) / (var + eps).sqrt()).reshape(shape)
    over = (1, 12, *(1,) * (len(shape) - 2))
    same(norm(x), x_hat * norm.weight.view(over) + norm.bias.view(over))


def test_layer_norm_is_pytorchs() -> None:
    ours, theirs = randomised(LayerNorm(12, 0.01)), nn.LayerNorm(12, 0.01).double()
    theirs.load_state_dict(ours.state_dict())
    same(ours(normal(*FLAT)), theirs(normal(*FLAT)))


def test_instance_norm_is_pytorchs() -> None:
    ours, theirs = randomised(InstanceNorm(12, 0.01)), nn.InstanceNorm2d(12, 0.01, affine=True).double()
    theirs.load_state_dict(ours.state_dict())
    same(ours(normal(*MAPS)), theirs(normal(*MAPS)))


@pytest.mark.parametrize("shape", [FLAT, (6, 12, 1, 1)])
def test_instance_norm_without_locations_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="one location per feature, and variance 0"):
        InstanceNorm(12)(torch.rand(*shape))


@SHAPES
@pytest.mark.parametrize("name", ["layer", "group"])
def test_what_norms_an_example_knows_nothing_of_its_companions(name: str, shape: tuple[int, ...]) -> None:
    norm = norms.factory(NormConfig(name=name, groups=4))(12).double()
    x = normal(*shape)
    same(norm(x)[:2], norm(x[:2]))
    same(norm(x), norm.eval()(x))


# Batch renormalisation (Ioffe 2017, Algorithm 1)


@SHAPES
def test_batch_renorm_is_the_algorithm_of_its_paper(shape: tuple[int, ...]) -> None:
    norm = randomised(BatchRenorm(12, eps=1e-3, momentum=0.2, r_max=1.2, d_max=0.3, warmup=0, r_ramp=0, d_ramp=0))
    mean, sigma = normal(12, seed=8), normal(12, seed=9).abs() + 0.5
    norm.mean.copy_(mean)
    norm.sigma.copy_(sigma)
    norm.steps.fill_(1)
    x = normal(*shape).requires_grad_()
    flat = x.transpose(0, 1).flatten(1)  # [features, examples]
    mu_b = flat.mean(1)
    sigma_b = (1e-3 + ((flat - mu_b[:, None]) ** 2).mean(1)).sqrt()
    r = (sigma_b / sigma).clamp(1 / 1.2, 1.2).detach()
    d = ((mu_b - mean) / sigma).clamp(-0.3, 0.3).detach()
    assert len({1 / 1.2, 1.2} & set(r.tolist())) > 0, "some r must be limited"
    x_hat = (flat - mu_b[:, None]) / sigma_b[:, None] * r[:, None] + d[:, None]
    y = norm.gamma[:, None] * x_hat + norm.beta[:, None]
    ours = norm(x)
    same(ours.transpose(0, 1).flatten(1), y)
    dy = normal(*shape, seed=3)
    (expected,) = torch.autograd.grad((y * dy.transpose(0, 1).flatten(1)).sum(), x, retain_graph=True)
    (gradient,) = torch.autograd.grad((ours * dy).sum(), x)
    same(gradient, expected)
    same(norm.mean, mean + 0.2 * (mu_b.detach() - mean))
    same(norm.sigma, sigma + 0.2 * (sigma_b.detach() - sigma))
    shown = norm.eval()(x)
    over = (1, 12, *(1,) * (len(shape) - 2))
    same(shown, (x - norm.mean.view(over)) / norm.sigma.view(over) * norm.gamma.view(over) + norm.beta.view(over))


def test_batch_renorm_is_batch_norm_while_the_limits_are_shut() -> None:
    renorm = BatchRenorm(12, warmup=3).double()
    x = normal(*FLAT)
    for _ in range(3):
        same(renorm(x), BatchNorm(12).double()(x))


@pytest.mark.parametrize(
    ("steps", "limits"),
    [(0, (1, 0)), (500, (1, 0)), (1500, (1 + 2 * 1000 / 3500, 2.5)), (2500, (1 + 2 * 2000 / 3500, 5))],
)
def test_the_limits_open_as_scheduled(steps: int, limits: tuple[float, float]) -> None:
    assert BatchRenorm(3).limits(steps) == pytest.approx(limits)


@pytest.mark.parametrize(("schedule", "ends"), [(0.8, (800, 500)), (0.4, (400, 250)), (1.0, (1000, 625))])
def test_the_limits_open_over_a_part_of_the_training(schedule: float, ends: tuple[int, int]) -> None:
    """In the paper's proportions r's limit is open after 8 of 8 parts and d's after 5, and both are shut for one."""
    norm = NormConfig(name="batch_renorm", schedule=schedule)
    network = build(RunConfig(steps=1000, norm=norm, model=ModelConfig(depth=1, width=3)), (1, 2, 2), 10)
    renorm = network.get_submodule("norm1")
    assert isinstance(renorm, BatchRenorm)
    r_end, d_end = ends
    assert renorm.limits(r_end // 8) == (1, 0)
    assert renorm.limits(r_end // 8 + 1) > (1, 0)
    assert renorm.limits(r_end) == (3, 5)
    assert renorm.limits(r_end - 1)[0] < 3
    assert renorm.limits(d_end)[1] == 5
    assert renorm.limits(d_end - 1)[1] < 5


def test_without_a_part_of_the_training_the_limits_open_in_steps() -> None:
    for steps in (100, 100_000):
        network = build(RunConfig(steps=steps, norm=NormConfig(name="batch_renorm")), (1, 2, 2), 10)
        assert repr(network.get_submodule("norm1")).endswith("warmup=500, r_ramp=3500, d_ramp=2000)")


def test_of_batch_renorm_alone_the_schedule_is_part_of_the_run() -> None:
    plain, scheduled = (RunConfig(norm=NormConfig(schedule=schedule)) for schedule in (None, 0.5))
    assert run_id(plain) == run_id(scheduled)
    plain.norm.name = scheduled.norm.name = "batch_renorm"
    assert run_id(plain) != run_id(scheduled)
    assert BatchRenorm(3).limits(10**6) == (3, 5)


def test_batch_renorm_refuses_a_single_example() -> None:
    with pytest.raises(ValueError, match="more than one value"):
        BatchRenorm(12)(torch.rand(1, 12))


def test_a_look_at_many_networks_leaves_no_trace() -> None:
    layer = counterpart([BatchRenorm(12, warmup=0), BatchRenorm(12, warmup=0)])
    layer.forward(torch.rand(2, 5, 12), Phase.TRAINING)
    before = {name: value.clone() for name, value in layer.buffers.items()}
    layer.forward(torch.rand(2, 5, 12), Phase.FROZEN)
    layer.forward(torch.rand(2, 5, 12), Phase.INFERENCE)
    assert all(torch.equal(value, before[name]) for name, value in layer.buffers.items())


# In a network


@pytest.mark.parametrize("placement", ["before", "after", "input"])
@pytest.mark.parametrize("name", ["batch", "batch_renorm", "layer", "group"])
def test_a_bias_is_dropped_only_right_before_a_norm(name: str, placement: str) -> None:
    if (name, placement) == ("group", "input"):
        return  # 64 pixels make no groups of 10
    run = RunConfig(norm=NormConfig(name=name, placement=placement), model=ModelConfig(depth=2, width=20))
    network = build(run, (1, 8, 8), 10)
    names = [n for n, _ in network.named_children()]
    order = {"before": "linear1 norm1 hidden1", "after": "linear1 hidden1 norm1", "input": "norm1 linear1 hidden1"}
    assert " ".join(names[1:4]) == order[placement]
    assert (network.get_submodule("linear1").bias is None) == (placement == "before")
    assert network(torch.rand(4, 1, 8, 8)).shape == (4, 10)


@pytest.mark.parametrize("name", [name for name in NORM_FIELDS if name not in ("none", "module")])
def test_only_settings_that_have_an_effect_count(name: str) -> None:
    run = RunConfig(norm=NormConfig(name=name))
    other = RunConfig(norm=NormConfig(name=name, target="not:used"))
    assert run_id(run) == run_id(other)
    assert run_id(run) != run_id(RunConfig(norm=NormConfig(name=name, eps=0.1)))
    assert run_fields(from_fields(run_fields(run))) == run_fields(run)


def test_each_kind_of_statistics_has_settings_of_its_own() -> None:
    def fields(statistics: str) -> set[str]:
        return set(run_fields(RunConfig(norm=NormConfig(statistics=statistics)))["norm"])

    assert fields("population") - fields("batch") == {"batches"}
    assert fields("moving") - fields("batch") == {"momentum"}


def test_every_norm_of_the_config_can_be_made() -> None:
    for name in NORM_FIELDS:
        if name != "module":
            assert isinstance(norms.factory(NormConfig(name=name))(20), nn.Module)
    with pytest.raises(ConfigError):
        norms.factory(NormConfig(name="module"))


def test_the_mini_batchs_own_statistics_serve_at_inference_if_asked_for() -> None:
    norm = BatchNorm(12, statistics="batch").double()
    x = normal(*FLAT)
    same(norm.eval()(x), norm.train()(x))
    assert not torch.allclose(norm.eval()(x[:3])[0], norm.eval()(x)[0])
