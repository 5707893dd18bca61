"""Norms of the user's, of all kinds, in a stack: what each network is alone, and untouched by what is measured."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import warnings
from typing import Any

import pytest
import torch
from test_population import build, configs, trained_alone
from torch import Tensor, nn

from bnexp import data, norms
from bnexp.config import NormConfig, RunConfig
from bnexp.data import BatchOrder, pixels
from bnexp.data.batches import examples_at
from bnexp.engine.copies import put
from bnexp.engine.population import Population
from bnexp.engine.single import Single
from bnexp.norms import BatchNorm

pytestmark = pytest.mark.usefixtures("one_thread")


class Derived(BatchNorm):
    """BN with a gain; one of another default of ε."""

    def __init__(self, features: int, gain: float = 1.5) -> None:
        super().__init__(features, eps=0.01)
        self.gain = gain

    def forward(self, x: Tensor) -> Tensor:
        return self.gain * super().forward(x)


class Wrapped(nn.Module):
    def __init__(self, features: int, statistics: str = "population") -> None:
        super().__init__()
        self.inner = BatchNorm(features, statistics=statistics)

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.as_tensor(self.inner(x))


class Branching(nn.Module):
    """What `vmap` refuses."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(features))

    def forward(self, x: Tensor) -> Tensor:
        return self.gain * x if x.mean() > 0 else 2 * x * self.gain


class Remembering(nn.Module):
    """Keeps a moving average in an attribute, and never the same number of passes."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.average: Any = 0.0
        self.passes = 0

    def forward(self, x: Tensor) -> Tensor:
        self.passes += 1
        self.average = 0.9 * self.average + 0.1 * x.mean(0)
        return (x - torch.as_tensor(self.average).detach()) * (1 + 0.01 * self.passes)


class Hoarding(nn.Module):
    """Keeps what it sees in a list."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x.detach().mean(0))
        return x - torch.stack(self.seen[-3:]).mean(0)


class Counting(nn.Module):
    """State that `vmap` takes: the passes, and a buffer that is put in anew."""

    passes = 0
    shift: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("shift", torch.zeros(features), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        self.passes += 1
        if self.training:
            self.shift = 0.9 * self.shift + 0.1 * x.mean(0).detach()
        return (x - self.shift) * (1 + 0.01 * self.passes)


class InPlace(nn.Module):
    """Changes its input, and has a parameter that is not learnt."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.fixed = nn.Parameter(torch.full((features,), 0.7), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        x -= x.mean(1, keepdim=True)
        return x.mul_(self.fixed)


class Noisy(nn.Module):
    def __init__(self, features: int) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        return x + 0.01 * torch.randn_like(x)


REFUSED_BY_VMAP = ("Branching", "Remembering", "Hoarding")
DETERMINISTIC = ("Derived", "Wrapped", "Branching", "Remembering", "Hoarding", "Counting", "InPlace")


def runs(name: str, **settings: object) -> list[RunConfig]:
    return configs(NormConfig(name="module", target=f"{__name__}:{name}", settings=settings), "tanh")


def trained_together(configured: list[RunConfig], steps: int, measured: bool = False) -> Population:
    """In float64; with a look, Algorithm 2 and an inference after every step if wanted."""
    digits = data.load(configured[0].data)
    population = Population([network.double() for network in build(configured)])
    order = BatchOrder(len(digits.train_labels), configured[0].batch, [config.seed for config in configured])
    lr = torch.tensor([config.lr for config in configured], dtype=torch.float64)
    torch.manual_seed(0)
    for _ in range(steps):
        images, labels = examples_at(digits, order.next())
        x = pixels(images).double()
        _, gradients = population.back_propagate(x, labels)
        if measured:
            population.look(x, lambda name, value: None)
            population.estimate_statistics([x, x], x.shape[1])
            population.infer(x)
        population.descend(gradients, lr)
    return population


def expected_notice(name: str) -> contextlib.AbstractContextManager[object]:
    if name in REFUSED_BY_VMAP:
        return pytest.warns(UserWarning, match=f"^{name} is computed for one network at a time, which takes longer: ")
    return warnings.catch_warnings()


@pytest.mark.parametrize("name", DETERMINISTIC)
def test_in_a_stack_it_is_what_it_is_alone(name: str) -> None:
    configured = runs(name)
    with expected_notice(name):
        population = trained_together(configured, 40, measured=True)
    for i, (network, config) in enumerate(zip(build(configured), configured, strict=True)):
        plain = network.double()
        trained_alone(plain, config, 40)
        for key, value in population.tensors(i).items():
            if not isinstance(plain.get_submodule(key.rpartition(".")[0]), BatchNorm) or "gamma" in key:
                alone = dict(plain.named_parameters()) | dict(plain.named_buffers())
                torch.testing.assert_close(value, alone[key], rtol=1e-6, atol=1e-8, msg=lambda m, k=key: f"{k}: {m}")


@pytest.mark.parametrize("name", ["Derived", "Wrapped"])
def test_what_is_made_of_batch_norm_has_algorithm_2_in_a_stack(name: str) -> None:
    configured = runs(name)
    population = trained_together(configured, 5)
    networks = [network.double() for network in build(configured)]
    batches = [torch.rand(3, 20, 1, 8, 8, dtype=torch.float64) for _ in range(3)]
    for i, network in enumerate(networks):
        put(population.tensors(i), network)
    population.estimate_statistics(batches, 20)
    for i, network in enumerate(networks):
        norms.estimate_population(network, [batch[i] for batch in batches])
        x = torch.rand(7, 1, 8, 8, dtype=torch.float64)
        torch.testing.assert_close(population.infer(x)[i], network(x))
        buffers = [key for key, _ in network.named_buffers()]
        assert [key.rpartition(".")[2] for key in buffers] == ["mean", "var"] * 2
        for key in buffers:
            torch.testing.assert_close(population.tensors(i)[key], network.get_buffer(key))


@pytest.mark.parametrize("name", [*DETERMINISTIC, "Noisy"])
@pytest.mark.filterwarnings("ignore:.* is computed for one network at a time")
def test_measuring_a_stack_changes_nothing_in_its_training(name: str) -> None:
    untouched, measured = (trained_together(runs(name), 4, measured) for measured in (False, True))
    for key, leaf in untouched.leaves.items():
        for parameter, value in leaf.layer.parameters.items():
            assert torch.equal(value, measured.leaves[key].layer.parameters[parameter]), f"{key}.{parameter}"


@pytest.mark.parametrize("name", ["Derived", "Remembering", "Noisy"])
def test_measuring_a_single_network_changes_nothing_in_its_training(name: str) -> None:
    """Each kind of pass by itself: the output that follows is the one without it."""
    (config, *_) = runs(name)
    network: Any = build([config])[0]
    network.watched = ["hidden1", "hidden2"]
    x = torch.rand(1, 20, 1, 8, 8)
    outputs = []
    for measured in (False, True):
        single = Single(copy.deepcopy(network))
        single._watching = lambda network, watch: contextlib.nullcontext()  # type: ignore[method-assign,assignment]
        torch.manual_seed(0)
        for _ in range(2):
            if measured:
                single.look(x, lambda name, value: None)
                single.estimate_statistics([x, x], 20)
                single.infer(x)
            loss, _ = single.back_propagate(x, torch.zeros(1, 20, dtype=torch.int64))
        outputs.append(loss)
    assert torch.equal(*outputs)


def test_algorithm_2_reaches_what_is_derived_from_batch_norm_in_a_single_network() -> None:
    network: Any = build(runs("Derived"))[0]
    network.watched = []
    x = torch.rand(1, 20, 1, 8, 8)
    Single(network).estimate_statistics([x], 20)
    assert not torch.equal(network.norm1.var, torch.ones(30))
    assert network.norm1.average is None


def test_equal_modules_of_different_settings_are_not_taken_for_one_kind() -> None:
    mixed = [runs("Derived", gain=gain)[0] for gain in (1.0, 3.0)]
    population = Population(build(mixed))
    assert len(population.positions["norm1"]) == 2
    x = torch.rand(4, 1, 8, 8)
    for i, network in enumerate(build(mixed)):
        torch.testing.assert_close(population.infer(x)[i], network.eval()(x))


def test_a_stack_has_one_target_with_one_set_of_settings() -> None:
    from bnexp.launch import stacks

    several = [*runs("Derived"), *runs("Derived", gain=2.0), *(dataclasses.replace(c) for c in runs("Wrapped"))]
    formed = stacks.form(several, processes=1, largest=16)
    assert sorted(len(stack.configs) for stack in formed) == [3, 3, 3]
