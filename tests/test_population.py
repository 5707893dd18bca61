"""The population against the same networks trained alone by an ordinary loop."""

from __future__ import annotations

import copy
import os
import shutil
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bnexp import data, models, norms
from bnexp.config import DataConfig, InitConfig, ModelConfig, NormConfig, OptimizerConfig, RunConfig
from bnexp.data import BatchOrder, pixels
from bnexp.data.batches import examples_at
from bnexp.engine.copies import put
from bnexp.engine.population import Population
from bnexp.engine.stacked import ONE_DNN, WIDE
from bnexp.engine.train import train
from bnexp.launch import stacks

pytestmark = pytest.mark.usefixtures("one_thread")

DIGITS = DataConfig(name="digits")


class RowNorm(nn.Module):
    """A norm as a user might write it."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(features))

    def forward(self, x: Tensor) -> Tensor:
        return self.gain * (x - x.mean(1, keepdim=True)) / (x.var(1, keepdim=True) + 0.01).sqrt()


NORMS = {
    "none": NormConfig(name="none"),
    "population": NormConfig(name="batch"),
    "moving": NormConfig(name="batch", statistics="moving"),
    "ghost": NormConfig(name="batch", ghost=5),
    "layer": NormConfig(name="layer"),
    "group": NormConfig(name="group", groups=3),  # groups of 3 units amplify rounding without bound
    "renorm": NormConfig(name="batch_renorm", warmup=50, r_ramp=80, d_ramp=60),
    "own": NormConfig(name="module", target=f"{__name__}:RowNorm"),
    "torch": NormConfig(name="module", target="torch.nn:BatchNorm1d"),
}


def configs(norm: NormConfig, activation: str = "sigmoid") -> list[RunConfig]:
    model = ModelConfig(depth=2, width=30, activation=activation)
    settings = [(0, 0.1, 0.1), (1, 0.02, 0.2), (0, 0.3, 0.05)]
    return [
        RunConfig(seed=s, lr=lr, init=InitConfig("gaussian", i), norm=norm, model=model, data=DIGITS, batch=20)
        for s, lr, i in settings
    ]


def build(
    runs: Sequence[RunConfig], shape: tuple[int, ...] = (1, 8, 8), dtype: torch.dtype = torch.float32
) -> list[nn.Sequential]:
    return [models.build(config, shape, 10).to(dtype) for config in runs]


def trained_alone(network: nn.Sequential, config: RunConfig, steps: int) -> None:
    digits = data.load(DIGITS)
    order = BatchOrder(len(digits.train_labels), config.batch, [config.seed])
    weights = [layer.weight for n, layer in network.named_children() if n.startswith(("linear", "classifier"))]
    others = [p for p in network.parameters() if not any(p is weight for weight in weights)]
    groups = [{"params": weights, "weight_decay": config.l2}, {"params": others}]
    optimizer = {
        "sgd": lambda: torch.optim.SGD(groups, lr=config.lr),
        "momentum": lambda: torch.optim.SGD(groups, lr=config.lr, momentum=0.9),
        "adam": lambda: torch.optim.Adam(groups, lr=config.lr),
        "adagrad": lambda: torch.optim.Adagrad(groups, lr=config.lr, eps=1e-8),
    }[config.optimizer.name]()
    network.train()
    for _ in range(steps):
        indices = order.next()[0]
        optimizer.zero_grad()
        logits = network(pixels(digits.train_images[indices]).double())
        nn.functional.cross_entropy(logits, digits.train_labels[indices]).backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def trained_together(
    runs: Sequence[RunConfig], steps: int, lr: Sequence[float] | None = None, dtype: torch.dtype = torch.float32
) -> Population:
    digits = data.load(DIGITS)
    population = Population(build(runs, dtype=dtype), optimizer=runs[0].optimizer)
    order = BatchOrder(len(digits.train_labels), runs[0].batch, [config.seed for config in runs])
    rates = torch.tensor([config.lr for config in runs] if lr is None else lr, dtype=dtype)
    l2 = torch.tensor([config.l2 for config in runs], dtype=dtype)
    for _ in range(steps):
        images, labels = examples_at(digits, order.next())
        _, gradients = population.back_propagate(pixels(images).to(dtype), labels)
        population.descend(gradients, rates, l2)
    return population


def assert_follows(runs: Sequence[RunConfig], steps: int) -> None:
    """Trained together they are what each is alone; in float64, for some networks multiply rounding by a million."""
    stacked = trained_together(runs, steps, dtype=torch.float64)
    for i, (network, config) in enumerate(zip(build(runs, dtype=torch.float64), runs, strict=True)):
        before = {name: value.clone() for name, value in network.state_dict().items()}
        trained_alone(network, config, steps)
        for name, value in network.state_dict().items():
            own = stacked.tensors(i)[name]
            torch.testing.assert_close(own, value, rtol=1e-5, atol=1e-7, msg=lambda m, n=f"{i} {name}": f"{n}: {m}")
        moved = max(float((p.detach() - before[n]).abs().max()) for n, p in network.named_parameters())
        assert moved > 0.01, "nothing was learnt, so nothing is shown"


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu"])
@pytest.mark.parametrize("norm", NORMS)
def test_a_stacked_network_follows_the_same_network_trained_alone(norm: str, activation: str) -> None:
    assert_follows(configs(NORMS[norm], activation), 200)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", "adagrad"])
def test_every_optimizer_is_that_of_pytorch(optimizer: str) -> None:
    runs = [replace(run, optimizer=OptimizerConfig(name=optimizer)) for run in configs(NORMS["population"])]
    assert_follows(runs, 100)


@pytest.mark.parametrize("placement", ["before", "after", "input", "hidden_input"])
def test_placements_residuals_dropout_and_l2_follow_too(placement: str) -> None:
    norm = NormConfig(name="batch", placement=placement)
    model = ModelConfig(depth=4, width=20, activation="tanh", residual=True, dropout=0.2)
    assert_follows([replace(run, norm=norm, model=model, l2=0.01) for run in configs(NORMS["none"])], 100)


def test_a_stack_of_all_kinds_at_once_follows_too() -> None:
    arms = [
        ("none", "sigmoid", False, 0.0, 0.0),
        ("none", "relu", True, 0.25, 0.0),
        ("population", "relu", True, 0.5, 0.001),
        ("population", "tanh", False, 0.0, 0.0),
        ("layer", "tanh", True, 0.1, 0.0),
        ("renorm", "sigmoid", False, 0.0, 0.0),
    ]
    runs = [
        RunConfig(
            seed=seed,
            batch=20,
            lr=0.1,
            l2=l2,
            data=DIGITS,
            norm=NORMS[norm],
            init=InitConfig("he", 1.0),
            model=ModelConfig(depth=3, width=20, activation=activation, residual=residual, dropout=dropout),
        )
        for seed, (norm, activation, residual, dropout, l2) in enumerate(arms)
    ]
    (stack,) = stacks.form(runs, processes=1, largest=16)
    assert sorted(run.seed for run in stack.configs) == list(range(6))
    population = Population(build(stack.configs))
    assert len(population.positions["linear1"]) > 1
    assert_follows(stack.configs, 60)


def test_convolutions_and_their_norms_are_mapped_over_the_networks() -> None:
    def network(seed: int) -> nn.Sequential:
        torch.manual_seed(seed)
        made = nn.Sequential(
            OrderedDict(
                conv=nn.Conv2d(1, 6, 3),
                norm=norms.InstanceNorm(6),
                hidden=nn.ReLU(),
                flatten=nn.Flatten(),
                classifier=nn.Linear(6 * 36, 10),
            )
        )
        return made.double()

    networks = [network(seed) for seed in (1, 2)]
    images = torch.rand(2, 5, 1, 8, 8, dtype=torch.float64)
    labels = torch.randint(10, (2, 5))
    loss, gradients = Population(networks).back_propagate(images, labels)
    for i, plain in enumerate(networks):
        own = nn.functional.cross_entropy(plain(images[i]), labels[i])
        own.backward()  # type: ignore[no-untyped-call]
        torch.testing.assert_close(loss[i], own.detach())
        for name, gradient in zip(("weight", "bias"), gradients["conv"], strict=True):
            torch.testing.assert_close(gradient[i], plain.get_parameter(f"conv.{name}").grad)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu"])
def test_gradients_are_those_of_autograd(norm: str, activation: str) -> None:
    networks = [network.double() for network in build(configs(NORMS[norm], activation))]
    population = Population(networks)
    draw = torch.Generator().manual_seed(0)
    images = torch.rand(3, 20, 1, 8, 8, dtype=torch.float64, generator=draw)
    labels = torch.randint(10, (3, 20), generator=draw)
    loss, gradients = population.back_propagate(images, labels)
    for i, network in enumerate(networks):
        own = nn.functional.cross_entropy(network(images[i]), labels[i])
        own.backward()  # type: ignore[no-untyped-call]
        torch.testing.assert_close(loss[i], own.detach(), rtol=1e-10, atol=1e-12)
        for name, leaf in population.leaves.items():
            for parameter, gradient in zip(leaf.layer.parameters, gradients.get(name, []), strict=True):
                expected = network.get_parameter(f"{name}.{parameter}").grad
                assert expected is not None
                torch.testing.assert_close(gradient[i], expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("norm", NORMS)
def test_a_network_that_goes_to_nan_leaves_the_others_bit_for_bit(norm: str) -> None:
    runs = configs(NORMS[norm], "relu")
    well = trained_together(runs, 60)
    ill = trained_together(runs, 60, [runs[0].lr, float("inf"), runs[2].lr])
    assert any(value.isnan().any() for value in ill.tensors(1).values())
    for i in (0, 2):
        for name, value in well.tensors(i).items():
            assert torch.equal(value, ill.tensors(i)[name]), name


@pytest.mark.parametrize("norm", NORMS)
def test_inference_and_statistics_are_those_of_the_plain_networks(norm: str) -> None:
    runs = configs(NORMS[norm])
    population = trained_together(runs, 20)
    networks = build(runs)
    batches = [torch.rand(3, 20, 1, 8, 8, generator=torch.Generator().manual_seed(i)) for i in range(4)]
    population.estimate_statistics(batches, 20)
    for i, network in enumerate(networks):
        put(population.tensors(i), network)
    images = torch.rand(7, 1, 8, 8)
    for i, network in enumerate(networks):
        plain = copy.deepcopy(network)
        norms.estimate_population(plain, [batch[i] for batch in batches])
        for name, value in plain.state_dict().items():
            torch.testing.assert_close(population.tensors(i)[name], value, msg=lambda m, n=name: f"{n}: {m}")
        torch.testing.assert_close(population.infer(images)[i], plain(images), rtol=1e-4, atol=1e-5)
        own = population.infer(images.expand(3, *images.shape))
        torch.testing.assert_close(own, population.infer(images))


@pytest.mark.skipif(ONE_DNN is None, reason="this build of PyTorch is without oneDNN")
def test_wide_layers_give_the_products_of_narrow_ones() -> None:
    runs = configs(NORMS["none"])
    side = 17
    assert side * side >= WIDE
    networks = build(runs, (1, side, side))
    images, labels = torch.rand(3, 20, 1, side, side), torch.randint(10, (3, 20))
    population = Population(networks)
    assert population.leaves["linear1"].layer.one_dnn  # type: ignore[attr-defined]
    _, gradients = population.back_propagate(images, labels)
    wide, shared = gradients["linear1"][0].clone(), population.infer(images[0])
    population.leaves["linear1"].layer.one_dnn = None  # type: ignore[attr-defined]  # as in a build without it
    _, gradients = population.back_propagate(images, labels)
    torch.testing.assert_close(wide, gradients["linear1"][0], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(shared, population.infer(images[0]), rtol=1e-4, atol=1e-5)


def losses(compile: bool) -> list[dict[str, float]]:
    runs = [RunConfig(seed=s, steps=12, evaluations=3, data=DIGITS, batch=20) for s in range(2)]
    return [row.metrics for row in train(runs, data.load(DIGITS), compile=compile)]


@pytest.mark.skipif(not (shutil.which("g++") or shutil.which("clang++")), reason="needs a C++ compiler")
@pytest.mark.filterwarnings("ignore")  # PyTorch's own, while it compiles
def test_compiled_it_computes_the_same() -> None:
    for ours, compiled in zip(losses(False), losses(True), strict=True):
        assert compiled == pytest.approx(ours, rel=1e-3, abs=1e-4)


def test_without_a_compiler_it_goes_on_with_a_notice(tmp_path: Path) -> None:
    code = (
        "import warnings\nfrom bnexp import data\nfrom bnexp.config import DataConfig, RunConfig\n"
        "from bnexp.engine.train import train\n"
        "digits = DataConfig(name='digits')\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always')\n"
        "    rows = list(train([RunConfig(steps=3, evaluations=1, data=digits)], data.load(digits), compile=True))\n"
        "assert rows[-1].step == 3\n"
        "assert any('training goes on without' in str(w.message) for w in caught), [str(w.message) for w in caught]\n"
    )
    environment: dict[str, Any] = os.environ | {
        "CXX": str(tmp_path / "none"),
        "PATH": str(tmp_path),
        "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache"),
        "PYTHONPATH": str(Path(__file__).parent.parent),
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
