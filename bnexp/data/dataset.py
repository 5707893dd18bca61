"""What every data set is to the rest of the package: tensors of whole images, and what can go wrong with them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor


class DataError(Exception):
    """Data that cannot be had or used; the message says in one line what, where and what to do."""


@dataclass(frozen=True)
class Dataset:
    """A data set in memory, in its official split into training and test examples.

    Images are uint8 [n, 1, height, width], black 0 to white 255 (`pixels` makes them floats); labels int64 [n].
    """

    name: str
    """`mnist` or `digits`."""
    title: str
    """The name to print; says so when the images are binarised."""
    stand_in: bool
    """Whether this only stands in for MNIST, so that nothing measured on it can be held against the paper."""
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    classes: int
    sha256: dict[str, str]
    """Hexadecimal digest of each file read, by its name."""

    def to(self, device: torch.device | str) -> Dataset:
        """The same data set with its tensors on `device`."""
        tensors = {k: v.to(device) for k, v in vars(self).items() if isinstance(v, Tensor)}
        return dataclasses.replace(self, **tensors)  # type: ignore[arg-type]

    def binarized(self) -> Dataset:
        """The same data set with pixels of 0 or 255 only: 255 where they were above 127."""
        return dataclasses.replace(
            self,
            title=f"{self.title}, binary",
            train_images=(self.train_images > 127).to(torch.uint8) * 255,
            test_images=(self.test_images > 127).to(torch.uint8) * 255,
        )


@dataclass(frozen=True)
class FileStatus:
    """One file of a data set, as found."""

    name: str
    path: Path
    state: Literal["whole", "missing", "damaged"]
    size: int
    """Bytes; 0 if missing."""


def pixels(images: Tensor) -> Tensor:
    """Images as the networks see them: uint8 of 0 to 255 as float32 in [0, 1], of the same shape."""
    return images.to(torch.float32, copy=True).div_(255)
