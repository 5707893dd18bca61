"""A network trained on its own: against plain PyTorch, cut short, lost, and spread over processes."""

from __future__ import annotations

import copy
import multiprocessing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, distributed, nn

from bnexp import data, models, norms
from bnexp.config import DataConfig, InitConfig, ModelConfig, NormConfig, OptimizerConfig, RunConfig
from bnexp.data.dataset import Dataset, coloured
from bnexp.engine.evaluation import Evaluation
from bnexp.engine.single import Single
from bnexp.engine.train import train
from bnexp.models import Inception
from bnexp.norms.sync import SyncBatchNorm, synchronised

pytestmark = pytest.mark.usefixtures("one_thread")

DATA = DataConfig(name="made up", crop=12, padding=1, flip=True, distortion=0.2)


def made_up(n: int = 120, side: int = 12) -> Dataset:
    """Pictures of four classes that differ in colour."""
    draw = torch.Generator().manual_seed(3)
    labels = torch.randint(4, (n,), generator=draw)
    centres = torch.tensor([[200, 60, 60], [60, 200, 60], [60, 60, 200], [180, 180, 60]])[labels]
    noise = 40 * torch.randn(n, 3, side, side, generator=draw)
    images = (centres[:, :, None, None] + noise).clamp(0, 255).to(torch.uint8)
    return coloured("made up", "made up", images[:80], labels[:80], images[80:], labels[80:], 4, {})


def config(norm: str = "batch", **changed: Any) -> RunConfig:
    settings: dict[str, Any] = {"steps": 12, "batch": 8, "lr": 0.05, "l2": 0.001, "evaluations": 3, "spacing": "even"}
    return RunConfig(
        **settings | changed,
        data=DATA,
        model=ModelConfig(
            name="inception_small", activation="relu", modules=["3a", "3c", "5b"], multiplier=0.0625, dropout=0.2
        ),
        norm=NormConfig(norm, batches=3, groups=4, warmup=2),
        init=InitConfig("he", 1.0),
        optimizer=OptimizerConfig("momentum"),
    )


def build(run: RunConfig) -> Inception:
    network = models.build(run, (3, 12, 12), 4)
    assert isinstance(network, Inception)
    return network


def metrics(rows: list[Evaluation]) -> list[dict[str, float]]:
    return [row.metrics for row in rows]


@pytest.mark.parametrize("name", ["momentum", "adagrad"])
def test_steps_are_those_of_pytorch(name: str) -> None:
    run = config("batch")
    run.model.dropout = 0.0
    run.optimizer = OptimizerConfig(name)
    network = build(run)
    plain = copy.deepcopy(network)
    single = Single(network, optimizer=run.optimizer)
    decayed = [p for name, p in plain.named_parameters() if name.endswith("weight")]
    others = [p for name, p in plain.named_parameters() if not name.endswith("weight")]
    groups = [{"params": decayed, "weight_decay": 0.01}, {"params": others}]
    optimizer: torch.optim.Optimizer = torch.optim.SGD(groups, lr=0.05, momentum=0.9)
    if name == "adagrad":
        optimizer = torch.optim.Adagrad(groups, lr=0.05, eps=1e-8)
    draw = torch.Generator().manual_seed(0)
    for _ in range(4):
        x, y = torch.randn(1, 8, 3, 12, 12, generator=draw), torch.randint(4, (1, 8), generator=draw)
        loss, gradients = single.back_propagate(x, y)
        single.descend(gradients, torch.tensor([0.05]), torch.tensor([0.01]))
        optimizer.zero_grad()
        expected = nn.functional.cross_entropy(plain(x[0]), y[0])
        expected.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    for (name, p), q in zip(network.named_parameters(), plain.parameters(), strict=True):
        assert torch.allclose(p, q, atol=1e-5), name


def test_what_is_watched_is_the_middle_of_the_map_in_front_of_the_nonlinearity() -> None:
    network = build(config())
    single = Single(network)
    x = torch.randn(5, 3, 12, 12)
    seen: dict[str, Tensor] = {}
    single.infer(x, lambda name, value: seen.update({name: value}))
    assert list(seen) == ["3a", "3c", "5b"]
    module: Any = network.get_submodule("3a")
    first = network.get_submodule("pool1")(network.get_submodule("conv1")(x))
    reduced = torch.split(module.entry(first), module.widths, 1)[1]
    before = module.three[:-1](reduced)
    assert torch.allclose(seen["3a"][0], before[:, :, 3, 3], atol=1e-5)


def test_looking_leaves_no_trace() -> None:
    run = config("batch")
    run.norm.statistics = "moving"
    single = Single(build(run))
    before = copy.deepcopy(single.network.state_dict())
    single.look(torch.randn(1, 8, 3, 12, 12), lambda name, value: None)
    assert all(torch.equal(value, before[name]) for name, value in single.network.state_dict().items())


def test_population_statistics_are_those_of_algorithm_2() -> None:
    single, other = Single(build(config())), build(config())
    batches = [torch.randn(1, 8, 3, 12, 12) for _ in range(3)]
    single.estimate_statistics(batches, 8)
    norms.estimate_population(other, [x[0] for x in batches])
    for (name, value), expected in zip(single.network.named_buffers(), other.buffers(), strict=True):
        assert torch.allclose(value, expected, atol=1e-5), name


@pytest.mark.parametrize("norm", ["none", "batch", "batch_renorm", "layer", "group", "instance"])
def test_every_norm_trains(norm: str) -> None:
    rows = list(train([config(norm, steps=60, evaluations=1)], made_up()))
    assert [row.step for row in rows] == [0, 60]
    assert rows[-1].metrics["accuracy"] > 0.6 or norm == "instance", "which takes the colours away"
    assert set(rows[-1].layers) == {"3a", "3c", "5b"}
    assert {"gradient_norm/3a", "gradient_norm/5b", "saturated/3c", "companion_noise"} <= set(rows[-1].metrics)


def test_bfloat16_and_compile_train_too() -> None:
    rows = list(train([config(steps=60, evaluations=1, precision="bfloat16")], made_up()))
    assert rows[-1].metrics["accuracy"] > 0.6
    exact = list(train([config(steps=60, evaluations=1)], made_up()))
    assert rows[-1].metrics["loss"] != exact[-1].metrics["loss"]


def test_the_learning_rate_falls_exponentially() -> None:
    """Of an infinitely fast fall only the first step is left."""
    once = list(train([config("none", decay=1e9, evaluations=12)], made_up()))
    losses = [row.metrics["loss"] for row in once]
    assert losses[0] != losses[1]
    assert losses[1:] == [losses[1]] * 12


def test_the_last_evaluation_is_on_all_images_and_the_others_on_some() -> None:
    run = config()
    run.data = replace(DATA, monitored=25, validation=20)
    run.predictions = True
    rows = list(train([run], made_up().with_validation(20)))
    assert [np.isnan(row.metrics["validation_accuracy"]) for row in rows] == [True, True, True, False]
    assert all(row.metrics["monitored_accuracy"] == row.metrics["accuracy"] for row in rows[:-1])
    assert rows[-1].metrics["monitored_accuracy"] * 25 == pytest.approx(
        round(rows[-1].metrics["monitored_accuracy"] * 25)
    )
    predicted = rows[-1].predictions
    assert predicted is not None
    assert predicted.shape == (2, 40, 4)
    assert np.allclose(predicted.astype(float).sum(-1), 1, atol=0.01)
    right = (predicted[0, :, :1] >= predicted[0]).all(1).mean()
    assert right == pytest.approx(rows[-1].metrics["accuracy"]), "the true class comes first"
    assert rows[0].predictions is None
    assert rows[-1].correct is not None
    assert rows[-1].correct.mean() == pytest.approx(rows[-1].metrics["accuracy"])


class Cut(Exception):
    """The training is cut short."""


class Memory:
    """Keeps states in memory, and ends the training when it is told to."""

    def __init__(self, cut: int | None = None) -> None:
        self.state: dict[str, Any] | None = None
        self.cut = cut

    def load(self) -> dict[str, Any] | None:
        return copy.deepcopy(self.state)

    def due(self, step: int) -> bool:
        return step % 3 == 0

    def keep(self, state: dict[str, Any]) -> None:
        self.state = copy.deepcopy(state)
        if self.cut is not None and state["step"] >= self.cut:
            raise Cut


@pytest.mark.parametrize("cut", [3, 6, 9])
@pytest.mark.parametrize("norm", ["batch", "batch_renorm"])
def test_cut_short_and_gone_on_with_it_ends_bit_for_bit_the_same(norm: str, cut: int) -> None:
    whole = list(train([config(norm)], made_up()))
    kept = Memory(cut)
    with pytest.raises(Cut):
        list(train([config(norm)], made_up(), keeper=kept))
    kept.cut = None
    again = list(train([config(norm)], made_up(), keeper=kept))
    assert [row.step for row in again] == [row.step for row in whole]
    assert repr(metrics(again)) == repr(metrics(whole))
    for a, b in zip(again, whole, strict=True):
        assert all(np.array_equal(a.layers[name].statistics, b.layers[name].statistics) for name in a.layers)


def test_a_lost_network_is_evaluated_to_the_end_without_being_computed() -> None:
    steps: list[int] = []
    run = config("none", lr=1e9, steps=1000, evaluations=10)
    rows = list(train([run], made_up(), progress=steps.append))
    assert [row.step for row in rows] == [0, *range(100, 1001, 100)]
    assert all(np.isnan(row.metrics["loss"]) for row in rows[1:])
    assert set(rows[-1].metrics) == set(rows[0].metrics)
    assert np.isnan(rows[-1].layers["3a"].statistics).all()
    assert [row.correct is None for row in rows] == [True] * 10 + [False]
    assert not np.any(rows[-1].correct)
    assert max(steps) < 200


# Several processes


def _in_group(rank: int, meeting: str, results: Any, what: str) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", f"file://{meeting}", world_size=2, rank=rank)
    results.put((rank, {"statistics": _statistics, "training": _training}[what](rank)))
    distributed.destroy_process_group()


def _statistics(rank: int) -> list[Any]:
    torch.manual_seed(0)
    x, weights = torch.randn(10, 4, 3, 3), torch.randn(10, 4, 3, 3)
    layer = SyncBatchNorm(4)
    own = x[5 * rank : 5 * rank + 5].clone().requires_grad_()
    with synchronised():
        y = layer(own)
    (y * weights[5 * rank : 5 * rank + 5]).sum().backward()
    assert own.grad is not None
    return [t.detach().tolist() for t in (y, own.grad)]


def _training(rank: int) -> list[list[float]]:
    return [
        [row.metrics["train_loss"] for row in train([doubled(nproc=2, sync=sync)], made_up(), rank=rank)]
        for sync in (True, False)
    ]


def doubled(nproc: int, sync: bool) -> RunConfig:
    """Twenty steps with mini-batches of 16, without dropout."""
    run = config(nproc=nproc, steps=20, evaluations=5, lr=0.01, batch=16)
    run.model.dropout = 0.0
    run.norm.sync = sync
    return run


def two_processes(what: str, folder: Path) -> dict[int, Any]:
    """What two processes of a group find."""
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    workers = [
        context.Process(target=_in_group, args=(rank, str(folder / "meeting"), results, what)) for rank in (0, 1)
    ]
    for worker in workers:
        worker.start()
    found = dict(results.get(timeout=120) for _ in workers)
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    return found


def test_synchronised_bn_is_bn_of_the_whole_mini_batch(tmp_path: Path) -> None:
    found = two_processes("statistics", tmp_path)
    torch.manual_seed(0)
    x, weights = torch.randn(10, 4, 3, 3, requires_grad=True), torch.randn(10, 4, 3, 3)
    y = norms.BatchNorm(4)(x)
    (y * weights).sum().backward()
    assert x.grad is not None
    for i, expected in enumerate((y.detach(), x.grad)):
        assert torch.allclose(torch.tensor(found[0][i] + found[1][i]), expected, atol=1e-5)


def test_two_processes_with_synchronised_bn_follow_one_of_the_doubled_batch(tmp_path: Path) -> None:
    found = two_processes("training", tmp_path)
    assert found[1] == [[], []], "the first process alone yields"
    alone = [row.metrics["train_loss"] for row in train([doubled(nproc=1, sync=False)], made_up())]
    together, apart = found[0]
    assert together[:3] == pytest.approx(alone[:3], rel=1e-4)
    assert together == pytest.approx(alone, rel=0.02), "rounding, which differs, grows from step to step"
    assert max(abs(a - b) for a, b in zip(apart, alone, strict=True)) > 0.01, "per-replica statistics are others"


def test_outside_training_steps_nobody_waits() -> None:
    layer = SyncBatchNorm(3)
    x = torch.randn(4, 3, 2, 2)
    assert torch.equal(layer(x), norms.BatchNorm(3)(x))


def test_digits_train_as_pictures_of_one_colour() -> None:
    run = config(steps=40, evaluations=1)
    run.data = DataConfig(name="digits")
    rows = list(train([run], data.load(run.data)))
    assert rows[-1].metrics["accuracy"] > rows[0].metrics["accuracy"]
