"""The images of mini-batches as they are needed: from memory, or decoded ahead by other processes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from torch import Tensor
from torch.utils.data import DataLoader

from bnexp.data.dataset import Dataset
from bnexp.data.imagenet import FolderImages
from bnexp.data.order import BatchOrder
from bnexp.machine import cores

READERS = 4
"""Processes that decode pictures for one network, at most."""


def batches(dataset: Dataset, order: BatchOrder, n: int, part: slice = slice(None)) -> Iterator[tuple[Tensor, Tensor]]:
    """The next n mini-batches, or a part of each: uint8 images `[N, B, C, H, W]` and labels `[N, B]`.

    Pictures in files are decoded by a DataLoader's workers; there N is 1.
    """
    indices = (order.next()[:, part] for _ in range(n))
    if isinstance(dataset.train_images, FolderImages):
        yield from _decoded(dataset, dataset.train_images, indices)
    else:
        yield from (taken(dataset, own) for own in indices)


def taken(dataset: Dataset, indices: Tensor) -> tuple[Tensor, Tensor]:
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
        num_workers=min(READERS, cores()),
        collate_fn=_as_it_is,
        multiprocessing_context="forkserver",
        pin_memory=device.type == "cuda",
    )
    for pictures in loader:
        indices = asked.popleft().to(device)
        yield pictures.unsqueeze(0).to(device, non_blocking=True), dataset.train_labels[indices]


def _as_it_is(pictures: Any) -> Any:
    return pictures
