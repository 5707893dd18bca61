"""ImageNet, or any other pictures in class folders, too many for memory: decoded when they are needed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from bnexp.data.dataset import DataError, Dataset, FileStatus
from bnexp.data.decoding import picture

SIDE = 256
"""Pictures are scaled to this on their shorter side, and the middle square is kept."""

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's training images, as torchvision gives them."""


class FolderImages(torch.utils.data.Dataset[Tensor]):
    """Stands for a uint8 tensor `[n, 3, SIDE, SIDE]` of pictures in files; indexing decodes them."""

    def __init__(self, files: list[str]) -> None:
        self.files = files
        self.shape = (len(files), 3, SIDE, SIDE)
        self.pool: ThreadPoolExecutor | None = None

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, at: Any) -> Tensor:
        if isinstance(at, slice):
            return self._all(self.files[at])
        return _square(self.files[int(at)])

    def __getitems__(self, at: list[int]) -> Tensor:
        """The pictures of a mini-batch, for a DataLoader's worker."""
        return torch.stack([_square(self.files[i]) for i in at])

    def index_select(self, dimension: int, indices: Tensor) -> Tensor:
        """As `Tensor.index_select` along the first dimension."""
        return self._all([self.files[i] for i in indices.tolist()])

    def __getstate__(self) -> dict[str, Any]:
        """Without the threads, for a DataLoader's workers."""
        return vars(self) | {"pool": None}

    def subset(self, kept: Tensor) -> FolderImages:
        """These pictures only."""
        return FolderImages([self.files[i] for i in kept.tolist()])

    def _all(self, files: list[str]) -> Tensor:
        if self.pool is None:
            self.pool = ThreadPoolExecutor(torch.get_num_threads())
        return torch.stack(list(self.pool.map(_square, files)))


def _square(file: str) -> Tensor:
    """The middle square of a picture, `[3, SIDE, SIDE]`."""
    with picture(file, file) as opened:
        opened.draft("RGB", (SIDE, SIDE))  # decodes a JPEG at a fraction of its size
        whole = opened.convert("RGB")
    scale = SIDE / min(whole.size)
    width, height = (max(SIDE, round(side * scale)) for side in whole.size)
    left, top = (width - SIDE) // 2, (height - SIDE) // 2
    square = whole.resize((width, height), Image.Resampling.BILINEAR).crop((left, top, left + SIDE, top + SIDE))
    return torch.from_numpy(np.array(square)).permute(2, 0, 1)


def folder(root: str) -> Path:
    """Where `train/CLASS/…` and `val/CLASS/…` are looked for."""
    return Path(root).expanduser() / "imagenet"


def status(root: str) -> list[FileStatus]:
    """The folder, as it is found; the pictures are not looked at."""
    there = all((folder(root) / part).is_dir() for part in ("train", "val"))
    return [FileStatus("imagenet", folder(root), "there" if there else "missing", 0, "nothing")]


def ways_out(root: str) -> str:
    """What someone without it can do, as one sentence."""
    return f"put the pictures into {folder(root)}/train/CLASS/ and {folder(root)}/val/CLASS/, the same classes in both"


def read(root: str) -> Dataset:
    """The pictures as they lie in folders, `val` as test images.

    Raises `DataError` where the folders are not there, a class has no pictures, or the classes differ. Its digest is
    of the files' names and sizes: to read all of ImageNet for a checksum would take an hour.
    """
    from torchvision.datasets import ImageFolder  # type: ignore[import-untyped]

    parts = {}
    for part in ("train", "val"):
        try:
            parts[part] = ImageFolder(str(folder(root) / part))
        except FileNotFoundError as error:
            reason = " ".join(str(error).split())
            raise DataError(f"{folder(root) / part} is not as it should be: {reason}; {ways_out(root)}") from error
    if parts["train"].classes != parts["val"].classes:
        odd = sorted(set(parts["train"].classes) ^ set(parts["val"].classes))
        raise DataError(f"train and val in {folder(root)} differ in the classes {', '.join(odd[:3])}; {ways_out(root)}")
    images = {part: FolderImages([file for file, _ in found.samples]) for part, found in parts.items()}
    labels = {part: torch.tensor(found.targets) for part, found in parts.items()}
    return Dataset(
        "imagenet",
        f"pictures in {folder(root).name}/, {len(parts['train'].classes)} classes",
        False,
        images["train"],  # type: ignore[arg-type]  # stands for a tensor
        labels["train"],
        images["val"],  # type: ignore[arg-type]
        labels["val"],
        len(parts["train"].classes),
        {"imagenet": _names(root, images)},
        MEAN,
        STD,
    )


def _names(root: str, images: dict[str, FolderImages]) -> str:
    """SHA-256 of the files' names and sizes."""
    import hashlib

    whole = hashlib.sha256()
    for part in images.values():
        for file in part.files:
            name = Path(file).relative_to(folder(root)).as_posix()
            whole.update(f"{name}\0{Path(file).stat().st_size}\0".encode())
    return whole.hexdigest()
