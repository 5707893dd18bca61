"""The stand-ins: the 1,797 handwritten digits of 8x8 pixels that come with scikit-learn, from UCI; and larger ones."""

from __future__ import annotations

import dataclasses
import hashlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from bnexp.data.dataset import Dataset, FileStatus, coloured

TEST_EXAMPLES = 500
ARRAYS = "sklearn.datasets.load_digits"

SET_ASIDE = 259
"""Validation images at most: a fifth of the training images."""


def read() -> Dataset:
    """The digits in memory, grey values 0 to 16 as 0 to 255, split into 1,297 training and 500 test examples.

    They have no official split as packaged. This one never varies: of NumPy's `RandomState(0).permutation(1797)`,
    the first 500 are the test examples.
    """
    packaged = np.loadtxt(_file(), delimiter=",")  # as load_digits does, whose import takes a second in each process
    grey = np.round(packaged[:, :-1].reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    labels = packaged[:, -1].astype(np.uint8)
    order = np.random.RandomState(0).permutation(len(labels))  # frozen by NumPy's policy, unlike torch.randperm
    images, targets = torch.from_numpy(grey[order]).unsqueeze(1), torch.from_numpy(labels[order]).long()
    return Dataset(
        name="digits",
        title="UCI digits",
        stand_in=True,
        train_images=images[TEST_EXAMPLES:],
        train_labels=targets[TEST_EXAMPLES:],
        test_images=images[:TEST_EXAMPLES],
        test_labels=targets[:TEST_EXAMPLES],
        classes=10,
        sha256={ARRAYS: hashlib.sha256(grey.tobytes() + labels.tobytes()).hexdigest()},
    )


def read_pictures() -> Dataset:
    """The same in the place of photographs: each pixel four by four, three equal colours."""
    small = read()
    images = [
        part.repeat_interleave(4, 2).repeat_interleave(4, 3).expand(-1, 3, -1, -1).contiguous()
        for part in (small.train_images, small.test_images)
    ]
    parts = images[0], small.train_labels, images[1], small.test_labels
    pictures = coloured("digits_32", "UCI digits at 32 pixels", *parts, small.classes, small.sha256)
    return dataclasses.replace(pictures, stand_in=True)


def status() -> list[FileStatus]:
    """The packaged file; it is as whole as the installation of scikit-learn."""
    path = _file()
    if not path.is_file():
        return [FileStatus(path.name, path, "missing", 0)]
    return [FileStatus(path.name, path, "there", path.stat().st_size, "nothing")]


def _file() -> Path:
    """Where scikit-learn has it, or would: found without importing it."""
    package = find_spec("sklearn")
    origin = package.origin if package is not None and package.origin is not None else "sklearn/__init__.py"
    return Path(origin).parent / "datasets" / "data" / "digits.csv.gz"
