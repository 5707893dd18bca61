"""BN with noise behind it, drawn anew or lasting; γ and β left as they are, or trained alone."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from conftest import Command
from tiny import RUN, dataset
from torch import Tensor

from bnexp import models
from bnexp.config import ModelConfig, NormConfig, RunConfig, run_fields, run_id
from bnexp.engine.population import Population
from bnexp.engine.train import Training, train
from bnexp.launch.stacks import form
from bnexp.norms import BatchNorm, NoisyBatchNorm, estimate_population
from bnexp.norms.noisy import AROUND, DEVIATIONS, MEAN, SPREAD, draw, drifted, walked

NOISY = replace(RUN, norm=NormConfig("noisy_batch", batches=2))
DRIFTING = {"norm": NormConfig("noisy_batch", batches=2, drift=3)}
INCEPTION = ModelConfig(name="inception_small", modules=["3a", "3c"], multiplier=0.0625)


def x(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


# Noise


def test_noise_has_a_mean_and_a_width_of_its_own_in_every_mini_batch() -> None:
    scale, shift = draw((4000, 50), torch.Generator().manual_seed(0))
    means, widths = shift.mean(0), scale.mean(0)
    assert float(means.abs().max()) <= MEAN + 0.01
    assert float(means.std()) == pytest.approx(2 * MEAN / 12**0.5, rel=0.2)
    assert 1 - 0.01 <= float(widths.min()) < float(widths.max()) <= SPREAD + 0.01
    assert float((shift - means).abs().max()) <= 2 * AROUND
    assert float((scale - widths).std()) == pytest.approx(AROUND, rel=0.02)


@pytest.mark.parametrize("shape", [(12, 5), (12, 5, 3, 3)])
def test_it_is_bn_scaled_and_shifted_in_training_and_bn_elsewhere(shape: tuple[int, ...]) -> None:
    noisy, plain = NoisyBatchNorm(5), BatchNorm(5)
    noisy.generator.manual_seed(4)
    drawn = draw((12, 5), torch.Generator().manual_seed(4))
    scale, shift = (part.view(12, 5, *(1,) * (len(shape) - 2)) for part in drawn)
    torch.testing.assert_close(noisy(x(*shape)), plain(x(*shape)) * scale + shift)
    estimate_population(noisy, [x(*shape)])
    estimate_population(plain, [x(*shape)])
    torch.testing.assert_close(noisy(x(*shape)), plain(x(*shape)))


def build(**changes: Any) -> torch.nn.Module:
    return models.build(replace(NOISY, **changes), (1, 4, 4), 4)


def test_layers_and_seeds_have_streams_of_their_own() -> None:
    first, again, other = build(), build(), build(seed=1)
    layers: list[Any] = [net.get_submodule(name) for net in (first, again, other) for name in ("norm1", "norm2")]
    states = [layer.generator.get_state() for layer in layers]
    assert torch.equal(states[0], states[2])
    assert not torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[4])


def test_noise_that_lasts_has_the_deviations_of_noise_drawn_anew_and_forgets_in_so_many_steps() -> None:
    generator, walk, walks = torch.Generator().manual_seed(0), torch.zeros(2, 400), []
    for _ in range(200):
        walk = walked(walk, 5, generator)
        walks.append(walk)
    late = torch.stack(walks[50:])
    for part, middle, deviation in zip(drifted(late), (1, 0), DEVIATIONS, strict=True):
        assert float(part.mean()) == pytest.approx(middle, abs=0.01)
        assert float(part.std()) == pytest.approx(deviation, rel=0.03)
    assert float((late[:-5] * late[5:]).mean()) == pytest.approx(math.exp(-1), abs=0.02)
    assert float(draw((2, 100_000), generator)[1].mean(0).std()) == pytest.approx(DEVIATIONS[1], rel=0.03)


@pytest.mark.parametrize("shape", [(12, 5), (12, 5, 3, 3)])
def test_noise_that_lasts_is_there_at_inference_and_moves_in_training_alone(shape: tuple[int, ...]) -> None:
    drifting, plain = NoisyBatchNorm(5, drift=3), BatchNorm(5)
    torch.testing.assert_close(drifting.eval()(x(*shape)), plain.eval()(x(*shape)))
    drifting.train()(x(*shape))
    before = drifting.walk.clone()
    assert float(before.abs().min()) > 0
    estimate_population(drifting, [x(*shape)])
    estimate_population(plain, [x(*shape)])
    scale, shift = (part.view(5, *(1,) * (len(shape) - 2)) for part in drifted(before))
    torch.testing.assert_close(drifting(x(*shape)), plain(x(*shape)) * scale + shift)
    assert torch.equal(drifting.walk, before)


@pytest.mark.parametrize(
    "changes", [{}, DRIFTING, {"trained": "norms"}, {"norm": NormConfig("batch", batches=2, affine=False)}]
)
def test_a_stack_computes_what_each_network_would_alone(changes: dict[str, Any]) -> None:
    configs = [replace(NOISY, seed=seed, **changes) for seed in (0, 1)]
    together = [e.metrics for e in train(configs, dataset())]
    for i, config in enumerate(configs):
        for row, alone in zip(together[i::2], train([config], dataset()), strict=True):
            assert row == pytest.approx(alone.metrics, rel=1e-4, nan_ok=True)


@pytest.mark.parametrize("changes", [{}, DRIFTING])
def test_a_stack_and_autograd_take_the_same_step(changes: dict[str, Any]) -> None:
    plain, population = build(**changes), Population([build(**changes)])
    images, labels = torch.rand(10, 1, 4, 4, generator=torch.Generator().manual_seed(1)), torch.arange(10) % 4
    loss, gradients = population.back_propagate(images[None], labels[None])
    plain.train()
    expected = torch.nn.functional.cross_entropy(plain(images), labels)
    expected.backward()  # type: ignore[no-untyped-call]
    assert float(loss) == pytest.approx(float(expected.detach()), rel=1e-5)
    for key, leaf in population.leaves.items():
        for (name, _), g in zip(leaf.layer.parameters.items(), gradients.get(key, []), strict=True):
            torch.testing.assert_close(g[0], dict(plain.named_parameters())[f"{key}.{name}"].grad, rtol=1e-4, atol=1e-6)


# What is trained


def tensors_after(config: RunConfig) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """A network's parameters before training and after it."""

    training = Training([config], dataset(), "cpu", False, 0, lambda: None)
    before = {name: tensor.clone() for name, tensor in training.network.tensors(0).items()}
    for _ in training.steps(lambda step: None):
        pass
    return before, {name: tensor.clone() for name, tensor in training.network.tensors(0).items()}


@pytest.mark.parametrize("model", [NOISY.model, INCEPTION], ids=["mlp", "inception"])
@pytest.mark.parametrize("l2", [0.0, 0.1])
def test_the_norms_alone_are_trained(model: ModelConfig, l2: float) -> None:
    norm = NormConfig("batch", batches=2)
    before, after = tensors_after(replace(NOISY, model=model, trained="norms", l2=l2, norm=norm))
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert {name.rpartition(".")[2] for name in moved} == {"gamma", "beta", "mean", "var"}


@pytest.mark.parametrize("model", [NOISY.model, INCEPTION], ids=["mlp", "inception"])
@pytest.mark.parametrize("norm", ["batch", "layer", "noisy_batch"])
def test_gamma_and_beta_may_stay_as_they_are(model: ModelConfig, norm: str) -> None:
    before, after = tensors_after(replace(NOISY, model=model, norm=NormConfig(norm, batches=2, affine=False)))
    kept = {name for name in before if torch.equal(before[name], after[name])}
    names = {"gamma", "beta"} if "batch" in norm else {"weight", "bias"}
    assert kept == {name for name in before if "norm" in name and name.rpartition(".")[2] in names}


def test_networks_with_and_without_them_share_a_stack() -> None:
    configs = [replace(NOISY, norm=NormConfig("batch", batches=2, affine=affine)) for affine in (True, False)]
    assert len(form(configs, processes=1, largest=16)) == 1
    together = [e.metrics for e in train(configs, dataset())]
    for i, config in enumerate(configs):
        for row, alone in zip(together[i::2], train([config], dataset()), strict=True):
            assert row["accuracy"] == pytest.approx(alone.metrics["accuracy"])


def test_noise_that_lasts_has_stacks_of_its_own_and_another_id() -> None:
    drifting, anew = replace(NOISY, **DRIFTING), replace(NOISY, **DRIFTING, seed=1)
    anew = replace(anew, norm=replace(anew.norm, drift=None))
    assert len(form([drifting, anew], processes=1, largest=16)) == 2
    assert run_id(drifting) != run_id(replace(drifting, norm=anew.norm))
    assert "drift" not in run_fields(anew)["norm"]


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (["norm=batch", "norm.drift=5"], "bnexp: norm.drift=5 with norm=batch: it is an option of norm=noisy_batch"),
        (["norm=noisy_batch", "norm.drift=0"], "bnexp: norm.drift=0 is out of range: give at least 1"),
    ],
)
def test_what_cannot_drift_is_refused(command: Command, settings: list[str], line: str) -> None:
    said = command("run", "data=digits", *settings)
    assert (said.code, said.line) == (2, line)
