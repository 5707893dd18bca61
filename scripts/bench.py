"""How fast the engine is, beside an ordinary PyTorch loop, measured in turns in one run; medians of five."""

from __future__ import annotations

import functools
import os
import statistics
import time
from collections.abc import Sequence

import torch
import torchvision
from crew import Crew, Loop, ordinary_loop, timed
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.utils.data import Dataset, TensorDataset

from bnexp import data, models
from bnexp.config import DataConfig, ModelConfig, NormConfig, RunConfig
from bnexp.data.batches import examples_at
from bnexp.engine.evaluation import Evaluator
from bnexp.engine.population import Population
from bnexp.engine.schedule import due
from bnexp.machine import cores, prepare
from bnexp.seeds import stream

ROUNDS = 5
NETWORKS = 32
FIGURE_1 = RunConfig(steps=50_000, evaluations=48, spacing="even", early_evaluations=20, early_steps=2000)
"""The schedule of `mnist_activations`, of which the share of evaluations is told."""


def main() -> None:
    """Print network-steps per second and ratios."""
    prepare(cores())
    console = Console()
    shown, source = training_set()
    console.print(f"{cores()} cores, torch {torch.__version__}, {source}, batch 60, 784-100-100-100-10, sigmoid, SGD")
    for norm in ("batch", "none"):
        measure_norm(norm, shown, console)


def training_set() -> tuple[data.Dataset, str]:
    """MNIST, or as many random images where it is not: the speed is the same."""
    try:
        root = os.environ.get("BNEXP_DATA", "./data")
        return data.load(DataConfig(name="mnist", root=root)), "MNIST"
    except data.DataError:
        draw = stream(0, "bench")
        images = torch.randint(256, (70_000, 1, 28, 28), dtype=torch.uint8, generator=draw)
        labels = torch.randint(10, (70_000,), generator=draw)
        made = data.Dataset(
            "random",
            "random images",
            images[:60_000],
            labels[:60_000],
            images[60_000:],
            labels[60_000:],
            10,
            stand_in=True,
        )
        return made, "random images (MNIST is not there)"


def measure_norm(norm: str, dataset: data.Dataset, console: Console) -> None:
    """One table: each way of training, all in turn, five times."""
    torch.set_num_threads(cores())
    loops: dict[str, tuple[int, Loop, int]] = {
        "ordinary loop: torchvision.datasets.MNIST, ToTensor, DataLoader": (1, ordinary(norm, pictures(dataset)), 150),
        "ordinary loop: TensorDataset, DataLoader": (1, ordinary(norm, tensors(dataset)), 400),
        "bnexp, 1 network": (1, engine(norm, dataset, 1), 1500),
        "bnexp, 1 network, compile=true": (1, engine(norm, dataset, 1, compile=True), 800),
        f"bnexp, {NETWORKS} networks, one stack, one process": (NETWORKS, engine(norm, dataset, NETWORKS), 60),
        "bnexp, 8 networks with a norm of the user's own": (8, engine("module", dataset, 8), 100),
    }
    if norm == "batch":  # of both norms; measured once
        loops["bnexp, 12 networks of 6 kinds (norm, nonlinearity), one stack"] = 12, together(kinds(), dataset), 80
        loops["bnexp, 12 networks of 6 kinds, a stack for each kind"] = 12, apart(kinds(), dataset), 80
    rates: dict[str, list[float]] = {name: [] for name in loops}
    every = f"bnexp, {NETWORKS} networks, as launched: {cores()} processes"
    rates[every] = []
    with Crew(functools.partial(own_part, norm)) as crew:
        for _, loop, steps in loops.values():
            loop(max(2, steps // 10))
        for _ in range(ROUNDS):
            for name, (networks, loop, steps) in loops.items():
                start = time.perf_counter()
                loop(steps)
                rates[name].append(networks * steps / (time.perf_counter() - start))
            rates[every].append(NETWORKS // cores() * crew.rate(150))
    medians = {name: statistics.median(by_round) for name, by_round in rates.items()}
    base = next(iter(medians.values()))
    table = Table("how", "network-steps/s", "× the first", "networks/min of 50,000 steps", title=f"norm={norm}")
    for name, rate in medians.items():
        table.add_row(name, f"{rate:,.0f}", f"{rate / base:.1f}", f"{rate * 60 / FIGURE_1.steps:.2f}")
    console.print(table)
    step, evaluation = costs(norm, dataset)
    count = len(due(FIGURE_1))
    share = count * evaluation / (count * evaluation + FIGURE_1.steps * step)
    console.print(
        f"Evaluation and evaluator as in `mnist_activations` ({count} evaluations in {FIGURE_1.steps:,} steps): "
        f"{share:.1%} of the time ({1000 * evaluation:.1f} ms each and network, a step {1e6 * step:.0f} μs)\n"
    )


def pictures(dataset: data.Dataset) -> Dataset[tuple[Tensor, int]]:
    """torchvision's own MNIST class and transform, given the images that are loaded already."""
    made = torchvision.datasets.MNIST.__new__(torchvision.datasets.MNIST)
    made.data, made.targets = dataset.train_images.squeeze(1), dataset.train_labels
    made.transform, made.target_transform = torchvision.transforms.ToTensor(), None
    return made  # type: ignore[no-any-return]


def tensors(dataset: data.Dataset) -> Dataset[tuple[Tensor, ...]]:
    """The same as float tensors: the fastest data set a DataLoader can have."""
    return TensorDataset(data.pixels(dataset.train_images), dataset.train_labels)


def ordinary(norm: str, images: Dataset[tuple[Tensor, ...]]) -> Loop:
    """The loop that tutorials show."""
    layers: list[nn.Module] = [nn.Flatten()]
    for fan_in in (784, 100, 100):
        layers += [nn.Linear(fan_in, 100, bias=norm == "none")]
        layers += [nn.BatchNorm1d(100)] if norm == "batch" else []
        layers += [nn.Sigmoid()]
    network = nn.Sequential(*layers, nn.Linear(100, 10))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    return ordinary_loop(network, optimizer, images, 60)


class RowNorm(nn.Module):
    """A norm as a user might write it."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(features))

    def forward(self, x: Tensor) -> Tensor:
        return self.gain * (x - x.mean(1, keepdim=True)) / (x.std(1, keepdim=True) + 1e-5)


def figure_1(norm: str, networks: int) -> list[RunConfig]:
    """Networks of Figure 1 with different seeds."""
    target = "bench:RowNorm" if norm == "module" else None
    return [RunConfig(seed=seed, norm=NormConfig(name=norm, target=target)) for seed in range(networks)]


def kinds() -> list[RunConfig]:
    """Two seeds of each norm and nonlinearity."""
    return [
        RunConfig(seed=seed, norm=NormConfig(name=norm), model=ModelConfig(activation=activation))
        for norm in ("none", "batch")
        for activation in ("sigmoid", "tanh", "relu")
        for seed in range(2)
    ]


def population(configs: Sequence[RunConfig]) -> Population:
    """The networks of these runs, as one."""
    return Population([models.build(config, (1, 28, 28), 10) for config in configs])


def engine(norm: str, dataset: data.Dataset, networks: int, compile: bool = False) -> Loop:
    """The engine's steps on networks of Figure 1."""
    return together(figure_1(norm, networks), dataset, compile)


def apart(configs: Sequence[RunConfig], dataset: data.Dataset) -> Loop:
    """As `together`, with the networks of each kind on their own."""
    parts: dict[str, list[RunConfig]] = {}
    for config in configs:
        parts.setdefault(repr((config.norm, config.model)), []).append(config)
    loops = [together(part, dataset) for part in parts.values()]

    def loop(steps: int) -> None:
        for kind_loop in loops:
            kind_loop(steps)

    return loop


def together(configs: Sequence[RunConfig], dataset: data.Dataset, compile: bool = False) -> Loop:
    """The engine's steps, as `bnexp.engine.train.train` takes them."""
    trained = population(configs)
    order = data.BatchOrder(len(dataset.train_labels), 60, [config.seed for config in configs])
    lr = torch.full((len(configs),), 0.1)
    back_propagate = torch.compile(trained.back_propagate) if compile else trained.back_propagate

    def loop(steps: int) -> None:
        for _ in range(steps):
            _, gradients = back_propagate(*mini_batch(dataset, order))
            trained.descend(gradients, lr)

    return loop


def mini_batch(dataset: data.Dataset, order: data.BatchOrder) -> tuple[Tensor, Tensor]:
    """The next inputs and labels."""
    images, labels = examples_at(dataset, order.next())
    return data.pixels(images), labels


def costs(norm: str, dataset: data.Dataset, networks: int = 8) -> tuple[float, float]:
    """Seconds per network for a step and for an evaluation, in a stack on one thread."""
    torch.set_num_threads(1)
    trained = population(figure_1(norm, networks))
    order = data.BatchOrder(len(dataset.train_labels), 60, range(networks))
    view = data.View(DataConfig(), dataset)
    evaluator = Evaluator(figure_1(norm, networks), dataset, view, trained, order.examples)
    loss, gradients = trained.back_propagate(*mini_batch(dataset, order))

    def evaluate() -> None:
        list(evaluator.evaluate(0, loss, gradients))

    loop = engine(norm, dataset, networks)
    steps, evaluations = [], []
    for _ in range(ROUNDS):
        steps.append(timed(lambda: loop(200)) / 200 / networks)
        evaluations.append(timed(evaluate) / networks)
    return statistics.median(steps), statistics.median(evaluations)


def own_part(norm: str) -> Loop:
    """The part of the networks that one of the processes trains."""
    return engine(norm, training_set()[0], NETWORKS // cores())


if __name__ == "__main__":
    main()
