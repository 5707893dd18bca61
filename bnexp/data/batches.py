"""Which examples mini-batches are made of, and their images: from memory, or decoded ahead by other processes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from bnexp.config import ConfigError
from bnexp.data.dataset import Dataset
from bnexp.data.folders import FolderImages
from bnexp.machine import cores
from bnexp.seeds import stream

DECODERS = 4
"""Processes that decode pictures for one network, at most."""


class BatchOrder:
    """The mini-batches of N networks: each network's own shuffled passes over the training examples it has.

    These are all, or `used` of them, drawn by the network's seed. A network's batches depend on its seed, these
    numbers and the batch size alone, never on the networks beside it, so networks of equal seeds see equal batches.
    What an epoch leaves over after its last whole batch is dropped. Without `reshuffle` every epoch has the
    mini-batches of the first, in the same order. Raises `ConfigError` if there is not one whole batch.
    """

    examples: Tensor
    """The examples that each network has, int64 [N, used]."""

    def __init__(
        self, examples: int, batch: int, seeds: Sequence[int], used: int | None = None, reshuffle: bool = True
    ) -> None:
        self._used = examples if used is None else min(used, examples)
        if batch > self._used:
            raise ConfigError(f"batch={batch} is larger than the training set of {self._used:,} examples")
        self._batch = batch
        self._reshuffle = reshuffle
        self._generators = {seed: stream(seed, "batches") for seed in seeds}
        rows = {seed: row for row, seed in enumerate(self._generators)}
        self._rows = torch.tensor([rows[seed] for seed in seeds])
        if self._used == examples:
            self.examples = torch.arange(examples).expand(len(seeds), examples)
        else:
            drawn = [torch.randperm(examples, generator=stream(seed, "examples"))[: self._used] for seed in rows]
            self.examples = torch.stack(drawn)[self._rows]
        self._epoch: Tensor | None = None  # int64 [N, used]
        self._end = self._used - self._used % batch
        self._at = self._end

    def next(self) -> Tensor:
        """Indices of each network's next mini-batch, int64 [N, batch]: a view, to be read only."""
        if self._at == self._end:
            if self._epoch is None or self._reshuffle:
                drawn = [torch.randperm(self._used, generator=g) for g in self._generators.values()]
                self._epoch = self.examples.gather(1, torch.stack(drawn)[self._rows])
            self._at = 0
        assert self._epoch is not None
        start, self._at = self._at, self._at + self._batch
        return self._epoch[:, start : self._at]

    def skip(self, batches: int) -> None:
        """Go on as if so many mini-batches had been taken."""
        for _ in range(batches):
            self.next()


def feed(dataset: Dataset, order: BatchOrder, n: int, part: slice = slice(None)) -> Iterator[tuple[Tensor, Tensor]]:
    """The next n mini-batches, or a part of each: uint8 images `[N, B, C, H, W]` and labels `[N, B]`.

    Pictures in files are decoded by a DataLoader's workers; there N is 1.
    """
    indices = (order.next()[:, part] for _ in range(n))
    if isinstance(dataset.train_images, FolderImages):
        yield from _decoded(dataset, dataset.train_images, indices)
    else:
        yield from (examples_at(dataset, batch) for batch in indices)


def examples_at(dataset: Dataset, indices: Tensor) -> tuple[Tensor, Tensor]:
    """Images and labels of `[N, B]` indices of training examples."""
    flat = indices.flatten().to(dataset.train_labels.device)
    images = dataset.train_images.index_select(0, flat).to(flat.device)
    return images.view(*indices.shape, *images.shape[1:]), dataset.train_labels.index_select(0, flat).view_as(indices)


def _decoded(dataset: Dataset, images: FolderImages, batches: Iterator[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
    asked: deque[Tensor] = deque()

    def ask() -> Iterator[list[int]]:
        for indices in batches:
            asked.append(indices)
            yield indices[0].tolist()

    device = dataset.train_labels.device
    loader = DataLoader(
        images,
        batch_sampler=ask(),
        num_workers=min(DECODERS, cores()),
        collate_fn=_as_it_is,
        multiprocessing_context="forkserver",
        pin_memory=device.type == "cuda",
    )
    for pictures in loader:
        indices = asked.popleft().to(device)
        yield pictures.unsqueeze(0).to(device, non_blocking=True), dataset.train_labels[indices]


def _as_it_is(pictures: Any) -> Any:
    return pictures
