"""A made-up data set of tiny images, and a run on it that takes no time."""

from __future__ import annotations

import torch

from bnexp.config import DataConfig, ModelConfig, NormConfig, RunConfig
from bnexp.data import Dataset

CLASSES = 4

RUN = RunConfig(
    steps=6,
    batch=10,
    lr=0.3,
    evaluations=3,
    spacing="even",
    data=DataConfig(name="made up", validation=0),
    model=ModelConfig(depth=2, width=8),
    norm=NormConfig(batches=2),
)


def dataset() -> Dataset:
    """60 images of noise to train on, of which 40 are tested, too."""
    draw = torch.Generator().manual_seed(3)
    images, labels = torch.randint(256, (60, 1, 4, 4), generator=draw, dtype=torch.uint8), torch.arange(60) % CLASSES
    return Dataset("made up", "Made up", images, labels, images[:40], labels[:40], classes=CLASSES)
