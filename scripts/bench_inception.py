"""How fast Inception trains, beside an ordinary PyTorch loop on the same cores, measured in turns; medians of five."""

from __future__ import annotations

import os
import statistics
import time

import torch
from crew import Crew, Loop, ordinary_loop, timed
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.utils.data import Dataset
from torchvision import transforms

from bnexp import data, models
from bnexp.config import DataConfig, InitConfig, ModelConfig, NormConfig, OptimizerConfig, RunConfig
from bnexp.data.batches import examples_at
from bnexp.data.dataset import coloured
from bnexp.engine.evaluation import Evaluator
from bnexp.engine.schedule import due
from bnexp.engine.single import Single
from bnexp.machine import cores, prepare
from bnexp.models.inception import STEM, TABLE, Inception, Row, narrowed, scaled
from bnexp.seeds import stream

ROUNDS = 5
BATCH = 32
SIDE = 28
"""Of the crop."""
MODULES = ["3a", "3b", "3c", "4a", "4b", "4e", "5a", "5b"]


def main() -> None:
    """Print images per second and ratios."""
    prepare(cores())
    console = Console()
    dataset, source = training_set()
    size = sum(p.numel() for p in network().parameters())
    console.print(
        f"{cores()} cores, torch {torch.__version__}, {source}, batch {BATCH}, inception_small, {size:,} parameters, BN"
    )
    loops: dict[str, tuple[Loop, int]] = {
        "ordinary loop: PIL transforms, DataLoader, NCHW": (ordinary(dataset), 20),
        f"bnexp, 1 network, one process of {cores()} threads": (engine(dataset), 30),
        "the same in bfloat16": (engine(dataset, "bfloat16"), 30),
    }
    every = f"bnexp, {cores()} networks, a process of one thread for each: as launched"
    rates: dict[str, list[float]] = {name: [] for name in [*loops, every]}
    with Crew(own_part) as crew:
        for loop, _ in loops.values():
            loop(4)
        for _ in range(ROUNDS):
            for name, (loop, steps) in loops.items():
                start = time.perf_counter()
                loop(steps)
                rates[name].append(BATCH * steps / (time.perf_counter() - start))
            rates[every].append(BATCH * crew.rate(30))
    medians = {name: statistics.median(by_round) for name, by_round in rates.items()}
    base = next(iter(medians.values()))
    table = Table("how", "images/s", "× the first")
    for name, rate in medians.items():
        table.add_row(name, f"{rate:,.0f}", f"{rate / base:.1f}")
    console.print(table)
    console.print(f"The data takes {data_share(dataset):.1%} of a step's time.")
    step, each, last = costs(dataset)
    run = config()
    count = len(due(run))
    measuring = (count - 1) * each + last
    console.print(
        f"Evaluation and evaluator as in the experiment `inception` ({count} evaluations in {run.steps:,} steps): "
        f"{measuring / (measuring + run.steps * step):.1%} of the time ({1000 * each:.0f} ms each, the last "
        f"{1000 * last:.0f} ms, a step {1000 * step:.1f} ms)\n"
    )


def training_set() -> tuple[data.Dataset, str]:
    """CIFAR-10, or as many random images where it is not: the speed is the same."""
    config = DataConfig(name="cifar10", root=os.environ.get("BNEXP_DATA", "./data"))
    try:
        loaded = data.load(data.resolve(config, print, download=False))
        return loaded, loaded.title
    except data.DataError:
        draw = stream(0, "bench")
        images = torch.randint(256, (50_000, 3, 32, 32), dtype=torch.uint8, generator=draw)
        labels = torch.randint(10, (50_000,), generator=draw)
        made = coloured("random", "random", images, labels, images[:10], labels[:10], 10, {})
        return made, "random images (CIFAR-10 is not there)"


def config(precision: str = "float32") -> RunConfig:
    """BN-x5 of the experiment `inception`."""
    return RunConfig(
        steps=8400,
        evaluations=40,
        spacing="even",
        early_evaluations=20,
        early_steps=500,
        batch=BATCH,
        lr=0.075,
        l2=2e-5,
        data=DataConfig(crop=SIDE, flip=True, distortion=0.1, monitored=2000, validation=5000),
        model=ModelConfig(name="inception_small", activation="relu", modules=MODULES, multiplier=0.1875),
        norm=NormConfig("batch", batches=20),
        init=InitConfig("he", 1.0),
        optimizer=OptimizerConfig("momentum"),
        precision=precision,
    )


def network() -> Inception:
    """The network of `config`."""
    built = models.build(config(), (3, SIDE, SIDE), 10)
    assert isinstance(built, Inception)
    return built


def engine(dataset: data.Dataset, precision: str = "float32") -> Loop:
    """The engine's steps, as `bnexp.engine.train.train` takes them."""
    run = config(precision)
    trained = Single(network(), optimizer=run.optimizer, precision=precision)
    order = data.BatchOrder(len(dataset.train_labels), BATCH, [0])
    view, draws = data.View(run.data, dataset), [stream(0, "augmentation")]
    lr, l2 = torch.tensor([run.lr]), torch.tensor([run.l2])

    def loop(steps: int) -> None:
        for images, labels in data.feed(dataset, order, steps):
            _, gradients = trained.back_propagate(view.training(images, draws), labels)
            trained.descend(gradients, lr, l2)

    return loop


def data_share(dataset: data.Dataset) -> float:
    """The part of a step on one thread that making its images takes."""
    torch.set_num_threads(1)
    loop = engine(dataset)
    order, view = data.BatchOrder(len(dataset.train_labels), BATCH, [0]), data.View(config().data, dataset)
    draws = [stream(0, "augmentation")]

    def images() -> None:
        for _ in range(50):
            view.training(examples_at(dataset, order.next())[0], draws)

    loop(5)
    images()
    return timed(images) / 50 / (timed(lambda: loop(30)) / 30)


def costs(dataset: data.Dataset) -> tuple[float, float, float]:
    """Seconds for a step, an evaluation and the last one, of a network on one thread."""
    torch.set_num_threads(1)
    run = config()
    trained = Single(network(), optimizer=run.optimizer)
    order = data.BatchOrder(len(dataset.train_labels), BATCH, [0])
    view = data.View(run.data, dataset)
    evaluator = Evaluator([run], dataset, view, trained, order.examples)
    images, labels = examples_at(dataset, order.next())
    loss, gradients = trained.back_propagate(view.training(images, [stream(0, "augmentation")]), labels)
    loop = engine(dataset)
    rounds = [
        (
            timed(lambda: loop(20)) / 20,
            timed(lambda: list(evaluator.evaluate(0, loss, gradients))),
            timed(lambda: list(evaluator.evaluate(0, loss, gradients, last=True))),
        )
        for _ in range(ROUNDS)
    ]
    step, each, last = (statistics.median(seconds) for seconds in zip(*rounds, strict=True))
    return step, each, last


def own_part() -> Loop:
    """The network that one of the processes trains."""
    return engine(training_set()[0])


# The ordinary loop


class Pictures(Dataset[tuple[Tensor, int]]):
    """PIL pictures in memory, and torchvision's transforms."""

    def __init__(self, dataset: data.Dataset) -> None:
        self.images, self.labels = dataset.train_images, dataset.train_labels
        self.transform = transforms.Compose(
            [
                transforms.ColorJitter(0.1, 0.1, 0.1),
                transforms.RandomCrop(SIDE),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(dataset.centre, dataset.spread),
            ]
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        picture = Image.fromarray(self.images[i].permute(1, 2, 0).numpy())
        return self.transform(picture), int(self.labels[i])


def convolution(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """As everybody writes it."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU())


class Module(nn.Module):
    """An Inception module, each branch on its own."""

    def __init__(self, inputs: int, row: Row) -> None:
        super().__init__()
        three = nn.Sequential(convolution(inputs, row.reduce, 1), convolution(row.reduce, row.three, 3, row.stride))
        double = nn.Sequential(
            convolution(inputs, row.double_reduce, 1),
            convolution(row.double_reduce, row.double, 3),
            convolution(row.double, row.double, 3, row.stride),
        )
        pool: list[nn.Module] = [nn.MaxPool2d(3, row.stride, 1) if row.pool == "max" else nn.AvgPool2d(3, 1, 1)]
        if row.projection:
            pool.append(convolution(inputs, row.projection, 1))
        one = [convolution(inputs, row.one, 1)] if row.one else []
        self.branches = nn.ModuleList([*one, three, double, nn.Sequential(*pool)])
        self.outputs = row.one + row.three + row.double + (row.projection or inputs)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


def ordinary(dataset: data.Dataset) -> Loop:
    """The loop that tutorials show."""
    width = scaled(STEM, 0.1875)
    layers: list[nn.Module] = [convolution(3, width, 3), nn.MaxPool2d(3, 2, 1)]
    for row in TABLE:
        if row.name in MODULES:
            module = Module(width, narrowed(row, 0.1875))
            layers.append(module)
            width = module.outputs
    plain = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))
    assert sum(p.numel() for p in plain.parameters()) == sum(p.numel() for p in network().parameters())
    optimizer = torch.optim.SGD(plain.parameters(), lr=0.075, momentum=0.9, weight_decay=2e-5)
    return ordinary_loop(plain, optimizer, Pictures(dataset), BATCH)


if __name__ == "__main__":
    main()
