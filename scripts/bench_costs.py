"""What folding saves, and what whitening costs: measured in turns in one run on one thread; medians of five."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping

import torch
from bench import figure_1, mini_batch, population, training_set
from crew import timed
from rich.console import Console
from rich.table import Table
from torch import nn

from bnexp import data, models
from bnexp.config import PIXELS, DataConfig
from bnexp.data.batches import examples_at
from bnexp.machine import prepare
from bnexp.norms import BatchNorm, estimate_population, fold

ROUNDS = 5
NETWORKS = 8
"""In a stack that is trained."""


def main() -> None:
    """Print a table each for inference, for steps with other norms, and for pixels standardised and whitened."""
    prepare(1)
    console = Console()
    dataset, source = training_set()
    console.print(f"One thread, torch {torch.__version__}, {source}, 784-100-100-100-10, sigmoid")
    for batch in (1, 500):
        tell(console, f"inference, batches of {batch}", inference(dataset, batch), 1000 // batch + 50, "μs")
    steps = {norm: training(norm, dataset) for norm in ("none", "batch", "zca")}
    tell(console, f"step of 60 images, in a stack of {NETWORKS}, for each network", steps, 10, "μs", NETWORKS)
    views = {pixels: reading(dataset, pixels) for pixels in PIXELS}
    tell(console, "60 images made ready for a step", views, 50, "μs")
    prepared = {pixels: preparation(dataset, pixels) for pixels in PIXELS if pixels != "raw"}
    tell(console, "preparation of pixels, once", prepared, 1, "ms")


def tell(
    console: Console, title: str, ways: Mapping[str, Callable[[], object]], times: int, unit: str, parts: int = 1
) -> None:
    """A table of the time that each way takes, and of it in that of the first."""

    def repeated(way: Callable[[], object]) -> None:
        for _ in range(times):
            way()

    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way()
    for _ in range(ROUNDS):
        for name, way in ways.items():
            seconds[name].append(timed(lambda way=way: repeated(way)) / times / parts)  # type: ignore[misc]
    medians = {name: statistics.median(by_round) for name, by_round in seconds.items()}
    base = next(iter(medians.values()))
    table = Table("how", unit, "× the first", title=title)
    for name, median in medians.items():
        table.add_row(name, f"{median * {'μs': 1e6, 'ms': 1e3}[unit]:,.1f}", f"{median / base:.2f}")
    console.print(table)


def inference(dataset: data.Dataset, batch: int) -> dict[str, Callable[[], object]]:
    """Without a norm, with BN, and with BN folded into the affine maps."""
    networks = {norm: models.build(figure_1(norm, 1)[0], (1, 28, 28), 10) for norm in ("none", "batch")}
    x = data.pixels(dataset.test_images[:batch])
    estimate_population(networks["batch"], [data.pixels(dataset.train_images[:60])])
    ways = {"no norm": networks["none"].eval(), "BN": networks["batch"].eval(), "BN folded": folded(networks["batch"])}
    torch.testing.assert_close(ways["BN folded"](x), ways["BN"](x), rtol=1e-3, atol=1e-4)

    def inferring(network: nn.Module) -> Callable[[], object]:
        def infer() -> None:
            with torch.inference_mode():
                network(x)

        return infer

    return {name: inferring(network) for name, network in ways.items()}


def folded(network: nn.Module) -> nn.Module:
    """A network with every BN in the affine map before it."""
    layers: list[nn.Module] = []
    for layer in network.children():
        if isinstance(layer, BatchNorm):
            layers[-1] = fold(layers[-1], layer)
        else:
            layers.append(layer)
    return nn.Sequential(*layers).eval()


def training(norm: str, dataset: data.Dataset) -> Callable[[], object]:
    """A step of the engine."""
    trained = population(figure_1(norm, NETWORKS))
    order = data.BatchOrder(len(dataset.train_labels), 60, range(NETWORKS))
    lr = torch.full((NETWORKS,), 0.1)

    def step() -> None:
        _, gradients = trained.back_propagate(*mini_batch(dataset, order))
        trained.descend(gradients, lr)

    return step


def reading(dataset: data.Dataset, pixels: str) -> Callable[[], object]:
    """A mini-batch, as a step is given it."""
    view = data.View(DataConfig(pixels=pixels), dataset)
    order = data.BatchOrder(len(dataset.train_labels), 60, [0])
    return lambda: view.training(examples_at(dataset, order.next())[0], [])


def preparation(dataset: data.Dataset, pixels: str) -> Callable[[], object]:
    """What is computed of the training images beforehand."""
    return lambda: data.View(DataConfig(pixels=pixels), dataset)


if __name__ == "__main__":
    main()
