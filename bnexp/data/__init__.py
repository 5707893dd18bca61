"""Data sets as uint8 tensors in their official splits, read from files that are checked where a checksum is known."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from rich.console import Console

from bnexp.config import DataConfig
from bnexp.data import cifar10, digits, folders, mnist, tiny_imagenet
from bnexp.data.batches import BatchOrder, feed
from bnexp.data.dataset import DataError, Dataset, FileStatus, pixels
from bnexp.data.view import View

__all__ = [
    "BatchOrder",
    "DataError",
    "Dataset",
    "FileStatus",
    "View",
    "feed",
    "fetch",
    "load",
    "pixels",
    "resolve",
    "status",
]

READERS: dict[str, Callable[[str], Dataset]] = {
    "mnist": mnist.read,
    "digits": lambda root: digits.read(),
    "cifar10": cifar10.read,
    "cifar10_jpeg": lambda root: cifar10.read_copies(root).mixed(),
    "tiny_imagenet": lambda root: tiny_imagenet.read(root).mixed(),
    "imagenet": lambda root: folders.read(root).mixed(),
}

BY_HAND = {"tiny_imagenet": tiny_imagenet, "imagenet": folders}
"""Data sets that users must put into place themselves."""


def resolve(config: DataConfig, say: Callable[[str], None], download: bool = True) -> DataConfig:
    """A copy of `config` with the name of a data set that can be loaded in place of `auto`.

    What is missing of MNIST is downloaded, if `download`. Where it cannot be had, `auto` becomes the stand-in, and
    `say` is called with a notice of several lines; `mnist` raises `DataError`. So does a damaged file, for both.
    `cifar10` becomes `cifar10_jpeg` where only the JPEG copies are there; it is downloaded where neither is. Of what
    must be put into place by hand, `DataError` says so where it is not.
    """
    if config.name == "cifar10":
        return _resolve_cifar10(config, download)
    if config.name in BY_HAND and BY_HAND[config.name].status(config.root)[0].state == "missing":
        raise DataError(f"{config.name} is not in {config.root}; {BY_HAND[config.name].ways_out(config.root)}")
    if config.name not in ("auto", "mnist"):
        return dataclasses.replace(config)
    absent, reason = mnist.missing(config.root), ""
    if absent and download:
        try:
            fetch("mnist", config.root)
        except DataError as error:
            absent, reason = mnist.missing(config.root), f" ({error})"
        else:
            absent = []
    if not absent:
        return dataclasses.replace(config, name="mnist")
    lack = f"{mnist.folder(config.root)} lacks {', '.join(absent)}{reason}"
    if config.name == "mnist":
        raise DataError(f"MNIST is not there: {lack}; {mnist.ways_out(config.root)}; or use the stand-in, data=digits")
    say(
        f"{'!' * 80}\n"
        "THIS IS NOT MNIST. These runs use the stand-in: the 1,797 UCI digits of 8x8 pixels that come with\n"
        "scikit-learn. What is measured on them says nothing of the paper's numbers.\n"
        f"Why: {lack}.\n"
        f"To get MNIST: {mnist.ways_out(config.root)}.\n"
        f"To use the stand-in without this notice: data=digits.\n"
        f"{'!' * 80}"
    )
    return dataclasses.replace(config, name="digits")


def _resolve_cifar10(config: DataConfig, download: bool) -> DataConfig:
    found, reason = cifar10.found(config.root), ""
    if found is None and download:
        try:
            fetch("cifar10", config.root)
        except DataError as error:
            reason = f" ({error})"
        found = cifar10.found(config.root)
    if found is None:
        raise DataError(f"CIFAR-10 is not in {config.root}{reason}; {cifar10.ways_out(config.root)}")
    return dataclasses.replace(config, name=found)


def load(config: DataConfig) -> Dataset:
    """The data set that `config` names (`auto` must have been resolved), its validation images set aside.

    Downloads nothing. Raises `DataError` if a file is missing or damaged. Equal calls return the same tensors: do not
    write to them.
    """
    return _load(config.name, config.root, config.binarize, config.validation)


def fetch(name: str, root: str, console: Console | None = None) -> list[Path]:
    """Download what is missing of a data set, with progress on `console` (by default stderr); return the new files.

    Raises `DataError` if the name is unknown, a file that is there is damaged, a download fails, or there is nothing to
    download it from.
    """
    out = console or Console(stderr=True)
    if name == "digits":  # comes with scikit-learn
        return []
    if name == "mnist":
        return mnist.fetch(root, out)
    if name == "cifar10":
        return cifar10.fetch(root, out)
    if name == "cifar10_jpeg":
        raise DataError(f"the JPEG copies of CIFAR-10 are not to be downloaded; {cifar10.ways_out(root)}")
    if name in BY_HAND:
        if BY_HAND[name].status(root)[0].state in ("whole", "there"):
            return []
        raise DataError(f"{name} is not to be downloaded from here; {BY_HAND[name].ways_out(root)}")
    raise DataError(f"there is no data set {name}: choose from {', '.join(READERS)}")


def status(root: str) -> dict[str, list[FileStatus]]:
    """The files of each data set as they are found; nothing is downloaded."""
    return {
        "mnist": mnist.status(root),
        "digits": digits.status(),
        "cifar10": cifar10.status(root),
        "tiny_imagenet": tiny_imagenet.status(root),
        "imagenet": folders.status(root),
    }


@lru_cache(maxsize=2)
def _load(name: str, root: str, binarize: bool, validation: int) -> Dataset:
    if name not in READERS:
        raise ValueError(f"data set {name} must be resolved before it is loaded")
    data = READERS[name](root)
    return (data.binarized() if binarize else data).with_validation(validation)
