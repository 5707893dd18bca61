"""Images set aside for choosing settings: the same for every seed, never trained on, measured at the end."""

from __future__ import annotations

import hashlib
import math
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from bnexp import data
from bnexp.config import DataConfig, ModelConfig, NormConfig, RunConfig
from bnexp.data import Dataset, mnist
from bnexp.engine.evaluation import Evaluation
from bnexp.engine.train import train
from bnexp.launch import stacks

pytestmark = pytest.mark.usefixtures("one_thread")

ASIDE = {"digits": 300, "mnist": 5000}


@pytest.fixture(params=ASIDE)
def config(request: pytest.FixtureRequest) -> DataConfig:
    """The stand-in, and MNIST where it is."""
    root = os.environ.get("BNEXP_DATA", "nowhere")
    if request.param == "mnist" and mnist.missing(root):
        pytest.skip("needs the real MNIST: set BNEXP_DATA to a folder that has it in MNIST/raw")
    return DataConfig(name=request.param, root=root, validation=ASIDE[request.param])


def pictures(images: Tensor, labels: Tensor) -> Counter[tuple[bytes, int]]:
    flat = images.flatten(1).numpy()
    digests = [hashlib.sha1(image.tobytes()).digest() for image in flat]
    return Counter(zip(digests, labels.tolist(), strict=True))


@pytest.mark.parametrize("binarize", [False, True])
def test_they_are_training_images_cut_from_the_training_set(config: DataConfig, binarize: bool) -> None:
    every = data.load(replace(config, validation=0, binarize=binarize))
    split = data.load(replace(config, binarize=binarize))
    assert split.validation_images is not None
    assert split.validation_labels is not None
    assert len(split.validation_labels) == len(split.validation_images) == config.validation
    assert len(split.train_labels) == len(every.train_labels) - config.validation
    kept = pictures(split.train_images, split.train_labels)
    aside = pictures(split.validation_images, split.validation_labels)
    assert kept + aside == pictures(every.train_images, every.train_labels)
    assert torch.equal(split.test_images, every.test_images)
    assert split.validation_labels.bincount().min() > 0.05 * config.validation, "of all classes"


def run(config: DataConfig, norm: str, seed: int) -> RunConfig:
    return RunConfig(
        seed=seed,
        steps=20,
        evaluations=2,
        lr=0.5,
        data=replace(config, examples=500),
        norm=NormConfig(norm, batches=2),
        model=ModelConfig(depth=1, width=10),
    )


def rows(runs: Sequence[RunConfig], dataset: Dataset) -> list[Evaluation]:
    return list(train(runs, dataset))


def test_a_stack_is_measured_on_them_at_the_end(config: DataConfig) -> None:
    runs = [run(config, norm, seed) for norm in ("none", "batch") for seed in (0, 1)]
    (stack,) = stacks.form(runs, processes=1, largest=16)
    split = data.load(config)
    tested = replace(split, validation_images=split.test_images, validation_labels=split.test_labels)
    together = rows(stack.configs, tested)
    for row in together[:-4]:
        assert math.isnan(row.metrics["validation_accuracy"])
    for row in together[-4:]:
        assert row.metrics["validation_accuracy"] == pytest.approx(row.metrics["accuracy"], abs=1e-6)
    measured = [row.metrics["validation_accuracy"] for row in rows(stack.configs, split)[-4:]]
    assert len(set(measured)) == 4
    for value in measured:
        assert value * config.validation == pytest.approx(round(value * config.validation), abs=0.01)


def test_nothing_but_their_own_accuracy_depends_on_them(config: DataConfig) -> None:
    split = data.load(config)
    assert split.validation_images is not None
    black = replace(split, validation_images=torch.zeros_like(split.validation_images))
    for row, other in zip(rows([run(config, "batch", 3)], split), rows([run(config, "batch", 3)], black), strict=True):
        metrics, others = dict(row.metrics), dict(other.metrics)
        last = metrics.pop("validation_accuracy"), others.pop("validation_accuracy")
        assert metrics == others
    assert last[0] != last[1]
