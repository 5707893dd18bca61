"""Data sets as uint8 tensors in their official splits, read from files that are checked where a checksum is known."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from rich.console import Console

from bnexp import targets
from bnexp.config import DATASETS, STAND_INS, DataConfig
from bnexp.console import err
from bnexp.data import cifar10, digits, folders, mnist, own, tiny_imagenet
from bnexp.data.batches import BatchOrder, feed
from bnexp.data.dataset import DataError, Dataset, FileStatus, coloured, pixels
from bnexp.data.few_classes import FewClasses, Transfer
from bnexp.data.view import View

__all__ = [
    "BatchOrder",
    "DataError",
    "Dataset",
    "FewClasses",
    "FileStatus",
    "Transfer",
    "View",
    "coloured",
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
    "digits_32": lambda root: digits.read_pictures(),
    "cifar10": cifar10.read,
    "cifar10_jpeg": lambda root: cifar10.read_copies(root).mixed(),
    "tiny_imagenet": lambda root: tiny_imagenet.read(root).mixed(),
}
"""Of the data sets with files of their own."""


def resolve(config: DataConfig, say: Callable[[str], None], download: bool = True) -> DataConfig:
    """A copy of `config` with the name of a data set that can be loaded in place of `auto`.

    What is missing of MNIST is downloaded, if `download`. Where it cannot be had, `auto` becomes the stand-in, and
    `say` is called with a notice of several lines; `mnist` raises `DataError`. So does a damaged file, for both.
    `cifar10` becomes `cifar10_jpeg` where only the JPEG copies are there; it is downloaded where neither is. `pictures`
    does as `cifar10`, and where that cannot be had becomes the stand-in for it, with a notice. Of what must be put into
    place by hand, `DataError` says so where it is not. A `folder` or a `target` is read: its `name`
    and `source` are filled in.
    """
    if config.folder is not None or config.target is not None:
        return _resolve_own(config)
    if config.name == "cifar10":
        return _resolve_cifar10(config, download)
    if config.name == "pictures":
        try:
            return _resolve_cifar10(config, download)
        except DataError as error:
            say(_notice("CIFAR-10", "digits_32", "32x32, three equal colours,", str(error)))
            return _stand_in(config, "digits_32", say)
    if config.name == "tiny_imagenet" and tiny_imagenet.place(config.root) is None:
        raise DataError(f"tiny_imagenet is not in {config.root}; {tiny_imagenet.ways_out(config.root)}")
    if config.name in STAND_INS:
        return _stand_in(config, config.name, say)
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
    say(_notice("MNIST", "digits", "8x8 pixels", f"{lack}.\nTo get MNIST: {mnist.ways_out(config.root)}"))
    return _stand_in(config, "digits", say)


def _notice(missing: str, stand_in: str, size: str, why: str) -> str:
    """In several lines, that another data set is used."""
    return (
        f"{'!' * 80}\n"
        f"THIS IS NOT {missing}. These runs use the stand-in: the 1,797 UCI digits of {size} that come with\n"
        "scikit-learn. What is measured on them says nothing of the paper's numbers.\n"
        f"Why: {why}.\n"
        f"To use the stand-in without this notice: data={stand_in}.\n"
        f"{'!' * 80}"
    )


def _stand_in(config: DataConfig, name: str, say: Callable[[str], None]) -> DataConfig:
    """The digits, of which as many are set aside as there can be: experiments ask for 5,000 of the real images."""
    if config.validation > digits.SET_ASIDE:
        say(f"data.validation={config.validation}: of the stand-in's images {digits.SET_ASIDE} are set aside.")
    return dataclasses.replace(config, name=name, validation=min(config.validation, digits.SET_ASIDE))


def _resolve_cifar10(config: DataConfig, download: bool) -> DataConfig:
    variant, reason = cifar10.variant(config.root), ""
    if variant is None and download:
        try:
            fetch("cifar10", config.root)
        except DataError as error:
            reason = f" ({error})"
        variant = cifar10.variant(config.root)
    if variant is None:
        raise DataError(f"CIFAR-10 is not in {config.root}{reason}; {cifar10.ways_out(config.root)}")
    return dataclasses.replace(config, name=variant)


def _resolve_own(config: DataConfig) -> DataConfig:
    if config.folder is not None and folders.status(config.root, config.folder).state == "missing":
        where = folders.place(config.root, config.folder)
        lack = "there are no train/ and val/ in" if config.name in ("auto", "folders") else f"{config.name} is not in"
        raise DataError(f"{lack} {where}; {folders.ways_out(config.root, config.folder)}")
    dataset, name = load(config), config.name
    if name in ("auto", "folders"):
        name = re.sub(r"[^\w.-]+", "_", dataset.name)
        name = f"own_{name}" if name in DATASETS else name  # what is called MNIST in a report is MNIST
    return dataclasses.replace(config, name=name, source=_source(config, dataset))


def _source(config: DataConfig, dataset: Dataset) -> str:
    """Sixteen hexadecimal digits of the SHA-256 of what a folder or a target holds, and of what defines the target."""
    defined = None if config.target is None else targets.source("data.target", config.target)
    return hashlib.sha256(json.dumps([defined, dataset.sha256], sort_keys=True).encode()).hexdigest()[:16]


def load(config: DataConfig) -> Dataset:
    """The data set that `config` names (`auto` must have been resolved), its validation images set aside.

    Downloads nothing. Equal calls return the same tensors: do not write to them. Errors: DataError if a file is missing
    or damaged, or no longer what `config.source` speaks of; ConfigError for a `target` that cannot be used.
    """
    if config.folder is None and config.target is None:
        return _read(config)
    dataset = _read(dataclasses.replace(config, name="auto"))  # once, whatever it is called
    if config.source is None:
        return dataset
    if config.source != _source(config, dataset):
        raise DataError(f"{dataset.title}: other data than when the command began; give the command again")
    return dataclasses.replace(dataset, name=config.name)


def _read(config: DataConfig) -> Dataset:
    keys = (
        "name",
        "root",
        "folder",
        "side",
        "target",
        "settings",
        "binarize",
        "contrast",
        "validation",
        "first_classes",
    )
    return _read_once(json.dumps({key: getattr(config, key) for key in keys}))


@lru_cache(maxsize=2)
def _read_once(fields: str) -> Dataset:
    """The data set of these fields of a config, in JSON."""
    config = DataConfig(**json.loads(fields))
    if config.folder is not None:
        data = folders.read(config.root, config.folder, config.side).mixed()
    elif config.target is not None:
        data = own.read(config).mixed()
    elif config.name in READERS:
        data = READERS[config.name](config.root)
    else:
        raise ValueError(f"data set {config.name} must be resolved before it is loaded")
    data = data.binarized() if config.binarize else data.by_contrast() if config.contrast else data
    data = data.with_validation(config.validation)
    return data if config.first_classes is None else data.tested_beyond(config.first_classes)


def fetch(name: str, root: str, console: Console | None = None) -> list[Path]:
    """Download what is missing of a data set, with progress on `console` (by default stderr); return the new files.

    Raises `DataError` if the name is unknown, a file that is there is damaged, a download fails, or there is nothing to
    download it from.
    """
    out = console or err
    if name in STAND_INS:  # they come with scikit-learn
        return []
    if name == "mnist":
        return mnist.fetch(root, out)
    if name in ("cifar10", "pictures"):
        return cifar10.fetch(root, out)
    found: tuple[FileStatus, str]
    match name:
        case "cifar10_jpeg":
            found = cifar10.status(root)[1], cifar10.ways_out(root)
        case "tiny_imagenet":
            found = tiny_imagenet.status(root)[0], tiny_imagenet.ways_out(root)
        case "imagenet" | "folders":
            folder = "imagenet" if name == "imagenet" else "."
            found = folders.status(root, folder), folders.ways_out(root, folder)
        case _:
            raise DataError(f"there is no data set {name}: choose from {', '.join(DATASETS[1:])}")
    file, ways_out = found
    if file.state not in ("whole", "there"):
        raise DataError(f"{name} is not to be downloaded from here; {ways_out}")
    return []


def status(root: str) -> dict[str, list[FileStatus]]:
    """The files of each data set as they are found; nothing is downloaded."""
    return {
        "mnist": mnist.status(root),
        "digits": digits.status(),
        "cifar10": cifar10.status(root),
        "tiny_imagenet": tiny_imagenet.status(root),
        "imagenet": [folders.status(root, "imagenet")],
    }
