"""CIFAR-10: the original in torchvision's layout, or its JPEG copies in a zip; the official 50,000/10,000 split."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console
from torch import Tensor

from bnexp.data import decoding
from bnexp.data.dataset import DataError, Dataset, FileStatus, coloured
from bnexp.data.decoding import cached
from bnexp.data.download import KnownFile, download, status_of, whole

ARCHIVE = KnownFile(
    "cifar-10-python.tar.gz", 170_498_071, "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"
)
FOLDER = "cifar-10-batches-py"
MIRRORS = ("https://www.cs.toronto.edu/~kriz/",)
COPIES = KnownFile("cifar10-jpeg.zip", 62_191_614, "1d1847f39bd8e017bc174d2379eaccc19672fa031027f1a111f1961ffe84113b")


def found(root: str) -> str | None:
    """`cifar10` where the original is there, else `cifar10_jpeg` where its copies are; `DataError` for damaged ones."""
    base = Path(root).expanduser()
    if (base / FOLDER).is_dir() or (base / ARCHIVE.name).is_file():
        return "cifar10"
    return "cifar10_jpeg" if (base / COPIES.name).is_file() else None


def status(root: str) -> list[FileStatus]:
    """The original's archive or its folder, and the JPEG copies, as they are found."""
    base = Path(root).expanduser()
    unpacked = base / FOLDER
    if unpacked.is_dir():
        size = sum(path.stat().st_size for path in unpacked.iterdir())
        original = FileStatus(FOLDER, unpacked, "whole" if _unpacked(root) else "damaged", size)
    else:
        original = status_of(ARCHIVE, base)
    return [original, status_of(COPIES, base)]


def fetch(root: str, console: Console) -> list[Path]:
    """Download the original's archive if neither it nor its folder is there; return the new file."""
    if found(root) == "cifar10":
        return []
    return download([ARCHIVE], MIRRORS, Path(root).expanduser(), console)


def ways_out(root: str) -> str:
    """What someone without CIFAR-10 can do, as one sentence."""
    return (
        f"run `bnexp data cifar10` on a machine with a network, or put {ARCHIVE.name}, {FOLDER} or {COPIES.name} into "
        f"{root} by hand, or set BNEXP_DATA (or data.root) to a folder that has one of them"
    )


def read(root: str) -> Dataset:
    """The original in memory; unpacks the archive if its folder is not there. Raises `DataError`."""
    from torchvision.datasets import CIFAR10  # type: ignore[import-untyped]

    if not (Path(root).expanduser() / FOLDER).is_dir():
        _unpack(root)
    if not _unpacked(root):
        raise DataError(f"{Path(root) / FOLDER} is damaged; delete it and run `bnexp data cifar10`")
    parts = [CIFAR10(str(Path(root).expanduser()), train=train) for train in (True, False)]
    images = [torch.from_numpy(part.data).permute(0, 3, 1, 2).contiguous() for part in parts]
    labels = [torch.tensor(part.targets) for part in parts]
    files = sorted((Path(root).expanduser() / FOLDER).glob("*_batch*"))
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    return _dataset("cifar10", "CIFAR-10", images, labels, digests)


def read_copies(root: str) -> Dataset:
    """The JPEG copies in memory; their pixels are not the original's, nor is their order. Raises `DataError`."""
    path = Path(root).expanduser() / COPIES.name
    whole(COPIES, path, "fetch it again, or delete it for the original")

    def decode() -> dict[str, Tensor]:
        files = {n: c for n, c in decoding.from_zip(path).items() if n.endswith(".jpg")}
        classes = sorted({name.split("/")[1] for name in files})
        tensors = {}
        for part in ("train", "test"):
            own = sorted((n, c) for n, c in files.items() if n.startswith(f"{part}/"))
            tensors[f"{part}_images"] = decoding.decoded(own)
            tensors[f"{part}_labels"] = torch.tensor([classes.index(name.split("/")[1]) for name, _ in own])
        return tensors

    t = cached("cifar10_jpeg", COPIES.sha256, decode)
    images, labels = ([t[f"{part}_{what}"] for part in ("train", "test")] for what in ("images", "labels"))
    return _dataset("cifar10_jpeg", "CIFAR-10 (JPEG copies)", images, labels, {COPIES.name: COPIES.sha256})


def _dataset(name: str, title: str, images: Sequence[Tensor], labels: Sequence[Tensor], sha: dict[str, str]) -> Dataset:
    return coloured(name, title, images[0], labels[0], images[1], labels[1], 10, sha)


def _unpack(root: str) -> None:
    from torchvision.datasets.utils import extract_archive  # type: ignore[import-untyped]

    path = Path(root).expanduser() / ARCHIVE.name
    whole(ARCHIVE, path, "delete it and run `bnexp data cifar10`")
    try:
        extract_archive(str(path), str(path.parent))
    except OSError as error:
        raise DataError(f"{path} cannot be unpacked: {error.strerror}; {ways_out(root)}") from error


def _unpacked(root: str) -> bool:
    """Whether the folder is whole, by torchvision's own checksums."""
    from torchvision.datasets import CIFAR10

    try:
        CIFAR10(str(Path(root).expanduser()))
    except RuntimeError:
        return False
    return True
