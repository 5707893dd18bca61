"""What every data set is to the rest of the package: tensors of whole images, and what can go wrong with them."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

CONTRASTS = (1 / 8, 1 / 4, 1 / 2, 1)
"""By class, the factor on an image's pixels where its contrast is the class."""


class DataError(Exception):
    """Data that cannot be had or used; the message says in one line what, where and what to do."""


@dataclass(frozen=True)
class Dataset:
    """A data set in memory, in its official split into training and test examples.

    Images are uint8 [n, colours, height, width], 0 to 255 (`View` in `bnexp.data.view` makes them floats); labels int64
    [n].
    """

    name: str
    """One word for files and tables: as in `bnexp.config.DATASETS`, but for `auto`, or another."""
    title: str
    """The name to print; says so when the images are binarised."""
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    classes: int
    sha256: dict[str, str] = field(default_factory=dict)
    """Hexadecimal digest of each file read, by its name."""
    stand_in: bool = False
    """Whether this only stands in for another (`bnexp.config.STAND_INS`), so that nothing measured on it can be held
    against the paper."""
    centre: tuple[float, ...] = ()
    """Mean of each colour, 0 to 1, that is taken from the inputs; none for images whose inputs are in [0, 1]."""
    spread: tuple[float, ...] = ()
    """Standard deviation of each colour, by which the inputs are divided."""
    validation_images: Tensor | None = None
    """Training images set aside."""
    validation_labels: Tensor | None = None

    def to(self, device: torch.device | str) -> Dataset:
        """The same data set with its tensors on `device`."""
        tensors = {k: v.to(device) for k, v in vars(self).items() if isinstance(v, Tensor)}
        return dataclasses.replace(self, **tensors)  # type: ignore[arg-type]

    def with_validation(self, n: int) -> Dataset:
        """The same data set with n of its training images set aside, always the same ones."""
        if n == 0:
            return self
        examples = len(self.train_labels)
        if n >= examples:
            raise DataError(f"data.validation={n} of {examples:,} training images leaves none to train on")
        order = np.random.RandomState(0).permutation(examples)  # frozen by NumPy's policy, unlike torch.randperm
        aside, kept = (torch.from_numpy(part) for part in (order[:n], np.sort(order[n:])))
        return dataclasses.replace(
            self,
            train_images=subset(self.train_images, kept),
            train_labels=self.train_labels[kept],
            validation_images=subset(self.train_images, aside),
            validation_labels=self.train_labels[aside],
        )

    def tested_beyond(self, first: int) -> Dataset:
        """The same data set, tests and validation on the images of all but the first so many classes."""
        if not first < self.classes:
            raise DataError(f"data.first_classes={first} of {self.classes} classes leaves none for afterwards")
        parts: dict[str, Tensor] = {}
        for part in ("test", "validation"):
            images, labels = getattr(self, f"{part}_images"), getattr(self, f"{part}_labels")
            if images is not None:
                later = (labels >= first).nonzero().flatten()
                parts |= {f"{part}_images": subset(images, later), f"{part}_labels": labels[later]}
        title = f"{self.title}, its last {self.classes - first} classes"
        return dataclasses.replace(self, title=title, **parts)  # type: ignore[arg-type]

    def mixed(self) -> Dataset:
        """The same data set with its training images in another order, always the same: files lie class by class."""
        order = torch.from_numpy(np.random.RandomState(0).permutation(len(self.train_labels)))
        return dataclasses.replace(
            self, train_images=subset(self.train_images, order), train_labels=self.train_labels[order]
        )

    def by_contrast(self) -> Dataset:
        """The same images at the contrasts of `CONTRASTS`, which are the classes; always the same ones at each."""
        if not isinstance(self.train_images, Tensor):
            raise DataError(
                f"data.contrast=true with {self.title}: they are decoded as they are, while they are needed"
            )

        def faded(images: Tensor, seed: int) -> tuple[Tensor, Tensor]:
            labels = torch.from_numpy(np.random.RandomState(seed).permutation(len(images)) % len(CONTRASTS))
            parts = torch.tensor(CONTRASTS)[labels].view(-1, 1, 1, 1)
            return (images * parts).round_().to(torch.uint8), labels

        train, test = faded(self.train_images, 0), faded(self.test_images, 1)
        return dataclasses.replace(
            self,
            title=f"{self.title}, its contrast the class",
            train_images=train[0],
            train_labels=train[1],
            test_images=test[0],
            test_labels=test[1],
            classes=len(CONTRASTS),
        )

    def binarized(self) -> Dataset:
        """The same data set with pixels of 0 or 255 only: 255 where they were above 127."""
        if not isinstance(self.train_images, Tensor):
            raise DataError(
                f"data.binarize=true with {self.title}: they are decoded while they are needed, as they are"
            )
        return dataclasses.replace(
            self,
            title=f"{self.title}, binary",
            train_images=(self.train_images > 127).to(torch.uint8) * 255,
            test_images=(self.test_images > 127).to(torch.uint8) * 255,
        )


def subset(images: Tensor, indices: Tensor) -> Tensor:
    """Some of the images; of pictures in files none is read for it."""
    lazily = getattr(images, "subset", None)  # pictures in files
    return images.index_select(0, indices) if lazily is None else lazily(indices)


@dataclass(frozen=True)
class FileStatus:
    """One file of a data set, as found."""

    name: str
    path: Path
    state: Literal["whole", "missing", "damaged", "there"]
    """`there` is what was not checked."""
    size: int
    """Bytes; 0 if missing."""
    check: str = "SHA-256"
    """What its content was held against."""


def coloured(
    name: str,
    title: str,
    train_images: Tensor,
    train_labels: Tensor,
    test_images: Tensor,
    test_labels: Tensor,
    classes: int,
    sha256: dict[str, str],
) -> Dataset:
    """A data set of photographs, its inputs to be centred and scaled by the training images' statistics."""
    centre, spread = [], []
    values = torch.arange(256)
    for colour in range(train_images.shape[1]):
        counts = torch.bincount(train_images[:, colour].flatten(), minlength=256)  # whole numbers: no matter of threads
        n, total, squares = (int((counts * values**power).sum()) for power in range(3))
        centre.append(total / n / 255)
        spread.append(math.sqrt(n * squares - total**2) / n / 255)
    parts = train_images, train_labels, test_images, test_labels
    return Dataset(name, title, *parts, classes, sha256, centre=tuple(centre), spread=tuple(spread))


def pixels(images: Tensor) -> Tensor:
    """Images as the networks see them: uint8 of 0 to 255 as float32 in [0, 1], of the same shape."""
    return images.to(torch.float32, copy=True).div_(255)
