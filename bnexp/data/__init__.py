"""Data sets as uint8 tensors in memory, in their official splits, read only from files whose checksums are right."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from rich.console import Console

from bnexp.config import DataConfig
from bnexp.data import digits, mnist
from bnexp.data.dataset import DataError, Dataset, FileStatus, pixels
from bnexp.data.order import BatchOrder

__all__ = [
    "BatchOrder",
    "DataError",
    "Dataset",
    "FileStatus",
    "fetch",
    "load",
    "own_examples",
    "pixels",
    "resolve",
    "status",
]


def resolve(config: DataConfig, say: Callable[[str], None], download: bool = True) -> DataConfig:
    """A copy of `config` with the name of a data set that can be loaded in place of `auto`.

    What is missing of MNIST is downloaded, if `download`. Where it cannot be had, `auto` becomes the stand-in, and
    `say` is called with a notice of several lines; `mnist` raises `DataError`. So does a damaged file, for both.
    """
    if config.name == "digits":
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


def load(config: DataConfig) -> Dataset:
    """The data set that `config` names (`auto` must have been resolved); downloads nothing.

    Raises `DataError` if a file is missing or damaged. Equal calls return the same tensors: do not write to them.
    """
    return _load(config.name, config.root, config.binarize)


def fetch(name: str, root: str, console: Console | None = None) -> list[Path]:
    """Download what is missing of a data set, with progress on `console` (by default stderr); return the new files.

    Raises `DataError` if the name is unknown, a file that is there is damaged, or a download fails.
    """
    if name == "digits":  # comes with scikit-learn
        return []
    if name != "mnist":
        raise DataError(f"there is no data set {name}: choose from mnist, digits")
    return mnist.fetch(root, console or Console(stderr=True))


def status(root: str) -> dict[str, list[FileStatus]]:
    """The files of each data set as they are found; nothing is downloaded."""
    return {"mnist": mnist.status(root), "digits": digits.status()}


@lru_cache(maxsize=2)
def _load(name: str, root: str, binarize: bool) -> Dataset:
    if name not in ("mnist", "digits"):
        raise ValueError(f"data set {name} must be resolved before it is loaded")
    data = mnist.read(root) if name == "mnist" else digits.read()
    return data.binarized() if binarize else data
