"""A data set of the user's: what `data.target` reads, held to what a `Dataset` must be."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bnexp import targets
from bnexp.config import ConfigError, DataConfig
from bnexp.data.dataset import DataError, Dataset

KEY = "data.target"


def read(config: DataConfig) -> Dataset:
    """What the target returns, called with `data.settings`, and with `data.root` if it has a parameter `root`.

    To the digests that it gives of its files one of its images and labels is added, so that these are part of the run's
    id. Errors: ConfigError naming the target; DataError as the target raises it.
    """
    written = f"{KEY}={config.target}"
    make = targets.load(KEY, str(config.target))
    if not callable(make):
        raise ConfigError(f"{written} is no class or function: name one that returns a Dataset")
    arguments = dict(config.settings)
    signature = targets.signature(make)
    if "root" in signature.parameters:
        arguments = {"root": Path(config.root).expanduser()} | arguments
    try:
        signature.bind(**arguments)
    except TypeError as error:
        given = ", ".join(f"{name}={value}" for name, value in arguments.items()) or "nothing"
        raise ConfigError(f"{written} cannot be called with {given}: {error}; see data.settings") from error
    try:
        dataset = make(**arguments)
    except (ConfigError, DataError):
        raise
    except (Exception, SystemExit) as error:
        raise ConfigError(f"{written}: {targets.place(error)}") from error
    fault = _fault(dataset)
    if fault:
        raise ConfigError(f"{written}: {fault}")
    content = hashlib.sha256()
    for tensor in (dataset.train_images, dataset.train_labels, dataset.test_images, dataset.test_labels):
        content.update(f"{tuple(tensor.shape)}\0".encode())
        content.update(tensor.contiguous().numpy().data)
    digests = dataset.sha256 | {"images and labels": content.hexdigest()}
    checked: Dataset = dataset
    return dataclasses.replace(checked, title=checked.title or checked.name, sha256=digests)


def _fault(dataset: Any) -> str | None:
    """What keeps this from being a data set, in words; None where nothing does."""
    if not isinstance(dataset, Dataset):
        missing = ": is its `return` missing?" if dataset is None else ""
        return f"it returns a {type(dataset).__name__} where a bnexp.data.Dataset is needed{missing}"
    if dataset.classes < 2:
        return f"classes={dataset.classes}; at least 2 are needed"
    for part in ("train", "test"):
        images, labels = getattr(dataset, f"{part}_images"), getattr(dataset, f"{part}_labels")
        if not isinstance(images, Tensor) or images.dtype != torch.uint8 or images.dim() != 4:
            return f"{part}_images are {_described(images)}; uint8 [n, colours, height, width] is needed"
        if not isinstance(labels, Tensor) or labels.dtype != torch.int64 or labels.shape != images.shape[:1]:
            return f"{part}_labels are {_described(labels)}; int64 [{len(images)}] is needed, one for each image"
        if not len(labels):
            return f"it has no {part} images"
        low, high = int(labels.min()), int(labels.max())
        if low < 0 or high >= dataset.classes:
            last = dataset.classes - 1
            return f"{part}_labels are from {low} to {high}; with classes={last + 1} they go from 0 to {last}"
    train, test = (list(images.shape[1:]) for images in (dataset.train_images, dataset.test_images))
    if train != test:
        return f"training images are {train}, test images {test}; all must have one shape"
    colours = {len(values) for values in (dataset.centre, dataset.spread)}
    if colours not in ({0}, {train[0]}):
        return f"centre and spread have {sorted(colours)} values for {train[0]} colours"
    return None


def _described(value: Any) -> str:
    return (
        f"{str(value.dtype).removeprefix('torch.')} {list(value.shape)}"
        if isinstance(value, Tensor)
        else repr(type(value).__name__)
    )
