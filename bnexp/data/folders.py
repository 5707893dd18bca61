"""Pictures in class folders: decoded into memory once where they fit, else while they are needed, as ImageNet's."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from bnexp.data.dataset import DataError, Dataset, FileStatus, coloured
from bnexp.data.decoding import cached, picture

IN_MEMORY = 1 << 30
"""Bytes that the decoded pictures may take in memory."""

READ = 1 << 30
"""Bytes of files that are read for a digest; of more, their names and sizes must do."""

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's training images, as torchvision gives them: for pictures that are not in memory."""


class FolderImages(torch.utils.data.Dataset[Tensor]):
    """Stands for a uint8 tensor `[n, 3, side, side]` of pictures in files; indexing decodes them."""

    def __init__(self, files: list[str], side: int) -> None:
        self.files = files
        self.side = side
        self.shape = (len(files), 3, side, side)
        self.pool: ThreadPoolExecutor | None = None

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, at: Any) -> Tensor:
        if isinstance(at, slice):
            return self._all(self.files[at])
        return square(self.side, self.files[int(at)])

    def __getitems__(self, at: list[int]) -> Tensor:
        """The pictures of a mini-batch, for a DataLoader's worker."""
        return torch.stack([square(self.side, self.files[i]) for i in at])

    def index_select(self, dimension: int, indices: Tensor) -> Tensor:
        """As `Tensor.index_select` along the first dimension."""
        return self._all([self.files[i] for i in indices.tolist()])

    def __getstate__(self) -> dict[str, Any]:
        """Without the threads, for a DataLoader's workers."""
        return vars(self) | {"pool": None}

    def subset(self, kept: Tensor) -> FolderImages:
        """These pictures only."""
        return FolderImages([self.files[i] for i in kept.tolist()], self.side)

    def _all(self, files: list[str]) -> Tensor:
        if self.pool is None:
            self.pool = ThreadPoolExecutor(torch.get_num_threads())
        return torch.stack(list(self.pool.map(partial(square, self.side), files)))


def square(side: int, file: str) -> Tensor:
    """The middle square of a picture scaled to `side` pixels on its shorter side, `[3, side, side]`."""
    with picture(file, file) as opened:
        opened.draft("RGB", (side, side))  # decodes a JPEG at a fraction of its size
        rgb = opened.convert("RGB")
    scale = side / min(rgb.size)
    width, height = (max(side, round(length * scale)) for length in rgb.size)
    left, top = (width - side) // 2, (height - side) // 2
    middle = rgb.resize((width, height), Image.Resampling.BILINEAR).crop((left, top, left + side, top + side))
    return torch.from_numpy(np.array(middle)).permute(2, 0, 1)


def place(root: str, folder: str) -> Path:
    """Where `train/CLASS/…` and `val/CLASS/…` are looked for."""
    return (Path(root).expanduser() / folder).resolve()


def status(root: str, folder: str) -> FileStatus:
    """The folder, as it is found; the pictures are not looked at."""
    base = place(root, folder)
    complete = all((base / part).is_dir() for part in ("train", "val"))
    return FileStatus(base.name, base, "there" if complete else "missing", 0, "nothing")


def ways_out(root: str, folder: str) -> str:
    """What someone without it can do, as one sentence."""
    base = place(root, folder)
    return f"put pictures into {base}/train/CLASS/ and {base}/val/CLASS/, the same classes in both"


def read(root: str, folder: str, side: int) -> Dataset:
    """The pictures as they lie in folders, `val` as test images.

    Those that fit are in memory, and their inputs are scaled by their own statistics, the others' by ImageNet's. The
    digest is of names and contents, of many files only of their names and sizes: all of ImageNet would take an hour.
    Errors: DataError where the folders are not there, a class has no pictures, or the classes differ.
    """
    from torchvision.datasets import ImageFolder  # type: ignore[import-untyped]

    base, parts = place(root, folder), {}
    for part in ("train", "val"):
        try:
            parts[part] = ImageFolder(str(base / part))
        except FileNotFoundError as error:
            reason = " ".join(str(error).split())
            raise DataError(f"{base / part} is not as it should be: {reason}; {ways_out(root, folder)}") from error
    if parts["train"].classes != parts["val"].classes:
        odd = sorted(set(parts["train"].classes) ^ set(parts["val"].classes))
        raise DataError(f"train and val in {base} differ in the classes {', '.join(odd[:3])}; {ways_out(root, folder)}")
    images = {
        part: FolderImages([file for file, _ in image_folder.samples], side) for part, image_folder in parts.items()
    }
    labels = {part: torch.tensor(image_folder.targets) for part, image_folder in parts.items()}
    classes = len(parts["train"].classes)
    title = f"pictures in {base.name}/, {classes} classes"
    digest = {base.name: _digest(base, [file for part in images.values() for file in part.files])}
    if sum(len(part) for part in images.values()) * 3 * side**2 > IN_MEMORY:
        train: Any = images["train"]  # stands for a tensor
        val: Any = images["val"]
        return Dataset(
            base.name, title, train, labels["train"], val, labels["val"], classes, digest, centre=MEAN, spread=STD
        )

    def decode() -> dict[str, Tensor]:
        return {part: pictures[:] for part, pictures in images.items()}

    decoded = cached("folders", hashlib.sha256(f"{digest} {side}".encode()).hexdigest(), decode)
    return coloured(base.name, title, decoded["train"], labels["train"], decoded["val"], labels["val"], classes, digest)


def _digest(base: Path, files: Sequence[str]) -> str:
    """SHA-256 of the files' names, sizes and, if they are not too many, contents."""
    sizes = [Path(file).stat().st_size for file in files]
    few = sum(sizes) <= READ
    digest = hashlib.sha256()
    for file, size in zip(files, sizes, strict=True):
        digest.update(f"{Path(file).relative_to(base).as_posix()}\0{size}\0".encode())
        if few:
            digest.update(Path(file).read_bytes())
    return digest.hexdigest()
