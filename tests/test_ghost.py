"""Ghost batches (Hoffer et al. 2017): every part of a mini-batch as a mini-batch of plain BN."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from bnexp import data, models
from bnexp.config import Config, ConfigError, DataConfig, InitConfig, ModelConfig, NormConfig, RunConfig, validate
from bnexp.engine.evaluation import Evaluation
from bnexp.engine.stacked import Phase, counterpart
from bnexp.engine.train import train
from bnexp.launch import stacks
from bnexp.norms import BatchNorm, estimate_population

FLAT, MAPS = (12, 5), (12, 5, 3, 4)
SHAPES = pytest.mark.parametrize("shape", [FLAT, MAPS], ids=["flat", "maps"])
DIGITS = DataConfig(name="digits")


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) * 2 + 1


def bn(seed: int = 11, **settings: Any) -> BatchNorm:
    norm = BatchNorm(5, **settings).double()
    with torch.no_grad():
        norm.gamma.copy_(normal(5, seed=seed))
        norm.beta.copy_(normal(5, seed=seed + 1))
    return norm


def close(ours: Tensor | None, theirs: Tensor | None) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


@SHAPES
def test_every_ghost_batch_is_normalised_by_itself(shape: tuple[int, ...]) -> None:
    ghost, plain = bn(ghost=4), bn()
    x, dy = normal(*shape), normal(*shape, seed=2)
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    y = ghost(ours)
    expected = torch.cat([plain(part) for part in theirs.split(4)])
    close(y, expected)
    y.backward(dy)
    expected.backward(dy)
    close(ours.grad, theirs.grad)
    close(ghost.gamma.grad, plain.gamma.grad)
    close(ghost.beta.grad, plain.beta.grad)
    assert (y - plain(x)).abs().max() > 0.1


@SHAPES
@pytest.mark.parametrize("statistics", ["moving", "population"])
def test_statistics_for_inference_take_in_one_ghost_batch_after_the_other(
    statistics: str, shape: tuple[int, ...]
) -> None:
    ghost, plain = bn(ghost=4, statistics=statistics), bn(statistics=statistics)
    batches = [normal(*shape, seed=seed) for seed in range(3)]
    parts = [part for batch in batches for part in batch.split(4)]
    for norm, seen in ((ghost, batches), (plain, parts)):
        if statistics == "moving":
            for x in seen:
                norm(x)
        estimate_population(norm, seen)
    close(ghost.mean, plain.mean)
    close(ghost.var, plain.var)
    x = normal(*shape, seed=9)[:7]
    close(ghost(x), plain(x))
    assert plain.mean.abs().max() > 0.1


def test_a_mini_batch_that_does_not_divide_is_refused() -> None:
    with pytest.raises(ValueError, match="12 examples does not divide into ghost batches of 5"):
        bn(ghost=5)(normal(*FLAT))


@pytest.mark.parametrize("statistics", ["moving", "population"])
def test_stacked_it_is_the_same(statistics: str) -> None:
    plain = [bn(seed, ghost=4, statistics=statistics) for seed in (3, 5)]
    layer = counterpart([copy.deepcopy(norm) for norm in plain])
    x, dy = normal(2, *FLAT), normal(2, *FLAT, seed=2)
    y, cache = layer.forward(x, Phase.TRAINING)
    dx, gradients = layer.backward(dy, cache)
    batches = normal(2, 3 * 12, 5, seed=4)
    if layer.begin_estimate():
        layer.batch = 12
        layer.forward(batches, Phase.FROZEN)
        layer.end_estimate()
    for i, norm in enumerate(plain):
        own = x[i].clone().requires_grad_()
        shown = norm(own)
        shown.backward(dy[i])
        close(y[i], shown.detach())
        close(dx[i], own.grad)
        close(gradients[0][i], norm.gamma.grad)
        close(gradients[1][i], norm.beta.grad)
        estimate_population(norm, batches[i].split(12))
        close(layer.buffers["mean"][i], norm.mean)
        close(layer.buffers["var"][i], norm.var)
    before = layer.buffers["mean"].clone()
    layer.forward(x, Phase.FROZEN)
    close(layer.buffers["mean"], before)


def run(**norm: Any) -> RunConfig:
    model = ModelConfig(depth=2, width=20)
    norm = {"batches": 3, **norm}
    return RunConfig(
        steps=30, evaluations=2, batch=24, data=DIGITS, model=model, norm=NormConfig(**norm), init=InitConfig("he", 1.0)
    )


def rows(configs: Sequence[RunConfig]) -> list[Evaluation]:
    return list(train(configs, data.load(DIGITS)))


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("statistics", ["moving", "population"])
def test_one_ghost_batch_is_plain_bn(statistics: str) -> None:
    plain, whole, parts = (rows([run(statistics=statistics, ghost=ghost)])[-1].metrics for ghost in (None, 24, 6))
    assert whole == pytest.approx(plain, rel=1e-6, abs=1e-7)
    assert parts["loss"] != pytest.approx(plain["loss"], rel=1e-3)


def test_companions_are_those_of_the_ghost_batch() -> None:
    """Examples that stay must not fill a ghost batch, or they would seem to have no companions."""
    ghost, small = rows([run(ghost=4)])[0].metrics, rows([replace(run(), batch=4)])[0].metrics
    assert ghost["companion_noise"] == pytest.approx(small["companion_noise"], rel=1e-5)
    assert ghost["companion_noise"] > 0.1


def test_stacks_have_ghost_batches_of_one_size() -> None:
    runs = [replace(run(ghost=ghost), seed=seed) for ghost in (None, 6, 12) for seed in range(2)]
    formed = stacks.form(runs, processes=1, largest=16)
    assert sorted(len({config.norm.ghost for config in stack.configs}) for stack in formed) == [1, 1, 1]


@pytest.mark.parametrize(
    ("norm", "changes", "message"),
    [
        ({"ghost": 7}, {}, "norm.ghost=7 with batch=24: 24 examples must divide into ghost batches of equal size"),
        ({"ghost": 1}, {}, "ghost batches of equal size, at least 2"),
        ({"ghost": 0}, {}, "ghost batches of equal size, at least 2"),
        ({"ghost": 6, "name": "layer"}, {}, "norm.ghost=6 with norm=layer: it is an option of norm=batch"),
        ({"ghost": 6, "statistics": "batch"}, {}, "norm.ghost=6 with norm.statistics=batch"),
        ({"ghost": 24}, {"nproc": 2}, "batch=24 and nproc=2: 12 examples must divide into ghost batches"),
        ({"ghost": 6, "sync": True}, {"nproc": 2}, "norm.ghost=6 with norm.sync=true"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(norm: dict[str, Any], changes: dict[str, Any], message: str) -> None:
    name = "inception_small" if changes else "mlp"
    config = Config(batch=24, norm=NormConfig(**norm), model=ModelConfig(name), **changes)
    with pytest.raises(ConfigError) as error:
        validate(config)
    assert message in str(error.value)


@pytest.mark.parametrize("per_activation", [False, True])
def test_inception_trains_with_it(per_activation: bool) -> None:
    model = ModelConfig("inception_small", activation="relu", modules=["3a", "5b"], multiplier=0.0625)
    norm = NormConfig(ghost=4, per_activation=per_activation)
    network = models.build(RunConfig(batch=8, model=model, norm=norm), (3, 12, 12), 10)
    network(torch.rand(8, 3, 12, 12)).sum().backward()
    assert all(p.grad is not None for p in network.parameters())
