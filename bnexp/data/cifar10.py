"""CIFAR-10: the original in torchvision's layout, or its JPEG copies in a zip; the official 50,000/10,000 split."""

from __future__ import annotations

import codecs
import hashlib
import importlib
import io
import pickle
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from bnexp.data import decoding
from bnexp.data.dataset import DataError, Dataset, FileStatus, coloured
from bnexp.data.decoding import cached
from bnexp.data.download import KnownFile, download, status_of, verified

ARCHIVE = KnownFile(
    "cifar-10-python.tar.gz", 170_498_071, "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"
)
FOLDER = "cifar-10-batches-py"
BATCHES = (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")
REMEDY = f"delete {FOLDER} and run `bnexp data cifar10`"
MIRRORS = ("https://www.cs.toronto.edu/~kriz/",)
COPIES = KnownFile("cifar10-jpeg.zip", 62_191_614, "1d1847f39bd8e017bc174d2379eaccc19672fa031027f1a111f1961ffe84113b")


def variant(root: str) -> str | None:
    """`cifar10` where the original is there, else `cifar10_jpeg` where its copies are, else None."""
    base = Path(root).expanduser()
    if (base / FOLDER).is_dir() or (base / ARCHIVE.name).is_file():
        return "cifar10"
    return "cifar10_jpeg" if (base / COPIES.name).is_file() else None


def status(root: str) -> list[FileStatus]:
    """The original's archive or its folder, and the JPEG copies, as they are found."""
    base = Path(root).expanduser()
    original = status_of(ARCHIVE, base)
    if original.state == "missing" and (base / FOLDER).is_dir():
        size = sum(path.stat().st_size for path in (base / FOLDER).iterdir())
        try:
            _from_folder(base / FOLDER)
        except DataError:
            original = FileStatus(FOLDER, base / FOLDER, "damaged", size, "MD5")
        else:
            original = FileStatus(FOLDER, base / FOLDER, "whole", size, "MD5")
    return [original, status_of(COPIES, base)]


def fetch(root: str, console: Console) -> list[Path]:
    """Download the original's archive if neither it nor its folder is there; return the new file."""
    if variant(root) == "cifar10":
        return []
    return download([ARCHIVE], MIRRORS, Path(root).expanduser(), console)


def ways_out(root: str) -> str:
    """What someone without CIFAR-10 can do, as one sentence."""
    return (
        f"run `bnexp data cifar10` on a machine with a network, or put {ARCHIVE.name}, {FOLDER} or {COPIES.name} into "
        f"{root} by hand, or set BNEXP_DATA (or data.root) to a folder that has one of them"
    )


def read(root: str) -> Dataset:
    """The original in memory, from its archive, else from its folder. Raises `DataError`.

    The archive is checked by SHA-256. Of the files in it only MD5 sums are published: by these the folder is checked,
    and nothing in it is run, whatever it holds.
    """
    base = Path(root).expanduser()
    if (base / ARCHIVE.name).is_file():
        content = verified(ARCHIVE, base / ARCHIVE.name, "delete it and run `bnexp data cifar10`")
        tensors = cached("cifar10", ARCHIVE.sha256, lambda: _tensors(_from_archive(content)))
        digests = {ARCHIVE.name: ARCHIVE.sha256}
    else:
        files = _from_folder(base / FOLDER)
        tensors = _tensors(files)
        digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    images, labels = ([tensors[f"{part}_{what}"] for part in ("train", "test")] for what in ("images", "labels"))
    return _dataset("cifar10", "CIFAR-10", images, labels, digests)


def read_copies(root: str) -> Dataset:
    """The JPEG copies in memory; their pixels are not the original's, nor is their order. Raises `DataError`."""
    path = Path(root).expanduser() / COPIES.name
    if not path.exists():
        raise DataError(f"{COPIES.name} is not in {root}; data=cifar10 is the original")
    verified(COPIES, path, "fetch it again, or delete it for the original")

    def decode() -> dict[str, Tensor]:
        files = {n: c for n, c in decoding.from_zip(path).items() if n.endswith(".jpg")}
        classes = sorted({name.split("/")[1] for name in files})
        tensors = {}
        for part in ("train", "test"):
            pictures = sorted((n, c) for n, c in files.items() if n.startswith(f"{part}/"))
            tensors[f"{part}_images"] = decoding.decoded(pictures)
            tensors[f"{part}_labels"] = torch.tensor([classes.index(name.split("/")[1]) for name, _ in pictures])
        return tensors

    t = cached("cifar10_jpeg", COPIES.sha256, decode)
    images, labels = ([t[f"{part}_{what}"] for part in ("train", "test")] for what in ("images", "labels"))
    return _dataset("cifar10_jpeg", "CIFAR-10 (JPEG copies)", images, labels, {COPIES.name: COPIES.sha256})


def _dataset(name: str, title: str, images: Sequence[Tensor], labels: Sequence[Tensor], sha: dict[str, str]) -> Dataset:
    return coloured(name, title, images[0], labels[0], images[1], labels[1], 10, sha)


def _from_archive(content: bytes) -> dict[str, bytes]:
    """The batches in the archive."""
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        members = {name: archive.extractfile(f"{FOLDER}/{name}") for name in BATCHES}
        return {name: member.read() for name, member in members.items() if member is not None}


def _from_folder(folder: Path) -> dict[str, bytes]:
    """The batches in a folder, by torchvision's MD5 sums those that were published; `DataError` otherwise."""
    from torchvision.datasets import CIFAR10  # type: ignore[import-untyped]  # slow

    files = {}
    for name, md5 in (*CIFAR10.train_list, *CIFAR10.test_list):
        try:
            files[name] = (folder / name).read_bytes()
        except OSError as error:
            raise DataError(f"{folder / name} cannot be read: {error.strerror}; {REMEDY}") from error
        if hashlib.md5(files[name], usedforsecurity=False).hexdigest() != md5:
            raise DataError(f"{folder / name} is damaged: it has not the MD5 sum {md5}; {REMEDY}")
    return files


def _tensors(files: Mapping[str, bytes]) -> dict[str, Tensor]:
    """Images and labels of the batches, in order."""
    tensors = {}
    for part, names in (("train", BATCHES[:-1]), ("test", BATCHES[-1:])):
        batches = [_Arrays(io.BytesIO(files[name]), encoding="latin1").load() for name in names]
        pixels = np.concatenate([batch["data"] for batch in batches])
        tensors[f"{part}_images"] = torch.from_numpy(pixels).view(-1, 3, 32, 32)
        tensors[f"{part}_labels"] = torch.tensor([label for batch in batches for label in batch["labels"]])
    return tensors


class _Arrays(pickle.Unpickler):
    """Reads NumPy's arrays in dicts and lists; a pickle that asks for anything else is refused, so none runs code."""

    def find_class(self, module: str, name: str) -> Any:
        if module in ("numpy", "numpy.core.multiarray", "numpy._core.multiarray", "_codecs"):
            rebuild = importlib.import_module("numpy._core.multiarray")._reconstruct
            known = {"_reconstruct": rebuild, "ndarray": np.ndarray, "dtype": np.dtype, "encode": codecs.encode}
            if name in known:
                return known[name]
        raise DataError(f"a batch of CIFAR-10 asks for {module}.{name}, which no array needs; {REMEDY}")
