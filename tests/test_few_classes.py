"""Mini-batches of few classes: how many of each, and that they depend on the seed alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from bnexp import data
from bnexp.config import ConfigError, DataConfig, ModelConfig, NormConfig, RunConfig
from bnexp.data import FewClasses
from bnexp.engine.train import train

LABELS = torch.arange(100) % 10
"""Ten classes of ten examples."""


def batches(order: FewClasses, n: int) -> list[Tensor]:
    return [order.next() for _ in range(n)]


def test_a_mini_batch_has_equally_many_examples_of_so_many_classes() -> None:
    drawn = batches(FewClasses(LABELS, 12, [4], 3), 60)
    of = [LABELS[batch[0]] for batch in drawn]
    for labels in of:
        values, counts = labels.unique(return_counts=True)
        assert len(values) == 3
        assert counts.tolist() == [4, 4, 4]
        assert torch.equal(labels.view(4, 3), labels[:3].expand(4, 3)), "the classes come in turns"
    assert len({tuple(labels[:3].sort().values.tolist()) for labels in of}) > 20, "they are drawn anew"
    assert torch.cat(of).unique().tolist() == list(range(10))


def test_within_a_class_examples_come_in_shuffled_passes() -> None:
    drawn = torch.cat([batch[0] for batch in batches(FewClasses(LABELS, 12, [4], 3), 100)])
    passes = set()
    for label in range(10):
        seen = drawn[LABELS[drawn] == label]
        for one in seen.split(10)[:-1]:
            assert sorted(one.tolist()) == list(range(label, 100, 10))
            passes.add(tuple(one.tolist()))
    assert len(passes) > 80


def test_a_class_of_fewer_examples_than_asked_for_begins_anew_within_the_mini_batch() -> None:
    (batch,) = batches(FewClasses(LABELS, 60, [0], 2), 1)
    examples, times = batch[0].unique(return_counts=True)
    assert (len(examples), times.unique().tolist()) == (20, [3])


def test_the_mini_batches_depend_on_the_seed_alone_and_not_on_the_neighbours() -> None:
    together, alone = FewClasses(LABELS, 12, [3, 9, 3], 4), FewClasses(LABELS, 12, [9], 4)
    skipped = FewClasses(LABELS, 12, [9], 4)
    skipped.skip(20)
    for step in range(30):
        batch = together.next()
        assert batch.shape == (3, 12)
        assert batch.dtype == torch.int64
        assert torch.equal(batch[0], batch[2])
        assert not torch.equal(batch[0], batch[1])
        assert torch.equal(batch[1:2], alone.next())
        if step >= 20:
            assert torch.equal(batch[1:2], skipped.next())


def test_the_examples_used_are_those_of_other_mini_batches() -> None:
    few = FewClasses(LABELS, 12, [3, 4], 2, used=50)
    assert torch.equal(few.examples, data.BatchOrder(100, 12, [3, 4], 50).examples)
    for network, examples in enumerate(few.examples):
        drawn = torch.cat([batch[network] for batch in batches(few, 40)])
        assert set(drawn.tolist()) == set(examples.tolist())


def test_too_few_classes_or_examples_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"data.classes_per_batch=4: the training examples are of 3 classes only"):
        FewClasses(LABELS % 3, 12, [0], 4)
    with pytest.raises(ConfigError, match="batch=120 is larger than the training set of 100 examples"):
        FewClasses(LABELS, 120, [0], 4)


@pytest.mark.usefixtures("one_thread")
def test_networks_are_trained_on_them_and_measured_as_ever() -> None:
    digits = data.load(DataConfig(name="digits"))
    plain = RunConfig(
        steps=40,
        evaluations=2,
        batch=20,
        data=DataConfig(name="digits"),
        model=ModelConfig(depth=1, width=20),
        norm=NormConfig(batches=3),
    )
    few = replace(plain, data=DataConfig(name="digits", classes_per_batch=2))
    together = list(train([few, replace(few, seed=1)], digits))
    alone = list(train([few], digits))
    assert [row.metrics["loss"] for row in together[::2]] == pytest.approx([row.metrics["loss"] for row in alone])
    mixed = list(train([plain], digits))
    assert alone[0].metrics["train_loss"] != mixed[0].metrics["train_loss"]
    assert alone[0].metrics["loss"] == mixed[0].metrics["loss"], "Algorithm 2 has the same mini-batches"
    assert alone[-1].metrics["loss"] != mixed[-1].metrics["loss"]
