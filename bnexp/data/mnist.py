"""MNIST from its four idx files, in torchvision's folder layout; the official 60,000/10,000 split."""

from __future__ import annotations

import gzip
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from bnexp.data.dataset import DataError, Dataset, FileStatus
from bnexp.data.download import KnownFile, download, status_of, verified

# Training images and labels, test images and labels; each compressed, as published, and uncompressed.
FILES = (
    (
        KnownFile(
            "train-images-idx3-ubyte.gz", 9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
        ),
        KnownFile(
            "train-images-idx3-ubyte", 47_040_016, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
        ),
    ),
    (
        KnownFile(
            "train-labels-idx1-ubyte.gz", 28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
        ),
        KnownFile(
            "train-labels-idx1-ubyte", 60_008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"
        ),
    ),
    (
        KnownFile(
            "t10k-images-idx3-ubyte.gz", 1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
        ),
        KnownFile(
            "t10k-images-idx3-ubyte", 7_840_016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
        ),
    ),
    (
        KnownFile(
            "t10k-labels-idx1-ubyte.gz", 4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"
        ),
        KnownFile("t10k-labels-idx1-ubyte", 10_008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
    ),
)


def folder(root: str) -> Path:
    """Where the four files are looked for and downloaded to."""
    return Path(root).expanduser() / "MNIST" / "raw"


def mirrors() -> Sequence[str]:
    """Addresses that the files are downloaded from, in the order in which they are tried."""
    from torchvision.datasets import MNIST  # type: ignore[import-untyped]  # slow, so only for a download

    return list(MNIST.mirrors)


def missing(root: str) -> list[str]:
    """Names of the files that are not there in either form; raises `DataError` if one that is there is damaged."""
    absent = []
    for forms in FILES:
        known = _form(forms, root)
        if known is None:
            absent.append(forms[0].name)
        else:
            _content(known, root)
    return absent


def status(root: str) -> list[FileStatus]:
    """The four files as they are found, each in the form that would be read."""
    return [status_of(_form(forms, root) or forms[0], folder(root)) for forms in FILES]


def read(root: str) -> Dataset:
    """MNIST in memory, from files that are all there and whole; raises `DataError` otherwise."""
    tensors, digests = [], {}
    for forms in FILES:
        known = _form(forms, root)
        if known is None:
            raise DataError(f"{folder(root) / forms[0].name} is missing; {ways_out(root)}")
        content = _content(known, root)
        tensors.append(_idx(gzip.decompress(content) if known.name.endswith(".gz") else content))
        digests[known.name] = known.sha256
    train_images, train_labels, test_images, test_labels = tensors
    return Dataset(
        name="mnist",
        title="MNIST",
        stand_in=False,
        train_images=train_images.unsqueeze(1),
        train_labels=train_labels.long(),
        test_images=test_images.unsqueeze(1),
        test_labels=test_labels.long(),
        classes=10,
        sha256=digests,
    )


def fetch(root: str, console: Console) -> list[Path]:
    """Download the files that are missing and return their paths; raises `DataError` if that fails."""
    absent = missing(root)
    if not absent:
        return []
    return download([packed for packed, _ in FILES if packed.name in absent], mirrors(), folder(root), console)


def ways_out(root: str) -> str:
    """What someone without MNIST can do, as one sentence."""
    return (
        f"run `bnexp data mnist` on a machine with a network, or put the four files into {folder(root)} by hand, "
        "or set BNEXP_DATA (or data.root) to a folder that has them in MNIST/raw"
    )


def _form(forms: tuple[KnownFile, KnownFile], root: str) -> KnownFile | None:
    """The form that is there, the compressed one first."""
    # Path.is_file would raise in a folder that may not be searched.
    return next((known for known in forms if os.path.isfile(folder(root) / known.name)), None)  # noqa: PTH113


def _content(known: KnownFile, root: str) -> bytes:
    """What the file holds, after its checks; raises `DataError` if it is not what was published."""
    return verified(known, folder(root) / known.name, "delete it and run `bnexp data mnist`")


def _idx(content: bytes) -> Tensor:
    """The uint8 array of an idx file: two zero bytes, type 8, the number of dimensions, their sizes, the values."""
    dimensions = content[3]
    shape = np.frombuffer(content, ">i4", count=dimensions, offset=4)
    values = np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions)
    return torch.from_numpy(values.reshape(tuple(shape)).copy())
