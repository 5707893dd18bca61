"""50 classes of Tiny ImageNet, every fourth of its 200 class ids in order: 25,000 training and 2,500 test images."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from bnexp.data import decoding
from bnexp.data.dataset import DataError, Dataset, FileStatus, coloured
from bnexp.data.decoding import cached
from bnexp.data.download import KnownFile, status_of, verified

SUBSET = KnownFile(
    "tiny-imagenet-50.zip", 57_315_407, "a6b1e4c586496be6ca8fa6cd33055c4c3e78b578300765dcce049a0c6a16eb2a"
)
FORMS = ("tiny-imagenet-50", "tiny-imagenet-50.zip", "tiny-imagenet-200", "tiny-imagenet-200.zip")
"""Folders and zips that are read, the first that is there; of the 200 classes, the same 50."""
EVERY = 4


def place(root: str) -> Path | None:
    """The folder or zip that would be read."""
    paths = [Path(root).expanduser() / form for form in FORMS]
    return next((path for path in paths if path.exists()), None)


def status(root: str) -> list[FileStatus]:
    """The form that would be read, as it is found."""
    path = place(root)
    if path is None or path.name == SUBSET.name:
        return [status_of(SUBSET, Path(root).expanduser())]
    if path.is_file():
        state: Literal["whole", "damaged"] = "whole" if decoding.zip_is_whole(path) else "damaged"
        return [FileStatus(path.name, path, state, path.stat().st_size, "CRC-32")]
    return [FileStatus(path.name, path, "there", sum(p.stat().st_size for p in path.rglob("*")), "nothing")]


def ways_out(root: str) -> str:
    """What someone without it can do, as one sentence."""
    return (
        f"put {FORMS[-1]} (of CS231n at Stanford), the folder in it, or {SUBSET.name} into {root}, "
        "or set BNEXP_DATA (or data.root) to a folder that has one of them"
    )


def read(root: str) -> Dataset:
    """The 50 classes in memory, the validation images of the original as test images. Raises `DataError`."""
    path = place(root)
    if path is None:
        raise DataError(f"Tiny ImageNet is not in {root}; {ways_out(root)}")
    if path.is_file():
        content = verified(SUBSET, path, "fetch it again") if path.name == SUBSET.name else path.read_bytes()
        sha = decoding.digest([("", content)])
        files = {}
    else:
        files = decoding.from_folder(path)
        sha = decoding.digest(files.items())

    def decode() -> dict[str, Tensor]:
        every = files or decoding.from_zip(path)
        annotations = _annotations(path, every)
        tensors = {}
        classes: list[str] = []
        for part in ("train", "val"):
            pictures = {n: c for n, c in every.items() if f"{part}/" in n and n.endswith(".JPEG")}
            wnids = {n: annotations.get(n.rpartition("/")[2]) or _wnid(n) for n in pictures}
            classes = classes or _subset(sorted(set(wnids.values())))
            kept = sorted(n for n in pictures if wnids[n] in classes)
            if not kept:
                raise DataError(f"{path} has no pictures in {part}/CLASS/…; {ways_out(root)}")
            tensors[f"{part}_images"] = decoding.decoded([(n, pictures[n]) for n in kept])
            tensors[f"{part}_labels"] = torch.tensor([classes.index(wnids[n]) for n in kept])
        return tensors

    t = cached("tiny_imagenet", sha, decode)
    classes = int(t["train_labels"].max()) + 1
    title = f"Tiny ImageNet, {classes} classes"
    parts = t["train_images"], t["train_labels"], t["val_images"], t["val_labels"]
    return coloured("tiny_imagenet", title, *parts, classes, {path.name: sha})


def _subset(wnids: list[str]) -> list[str]:
    return wnids[::EVERY] if len(wnids) == 200 else wnids


def _wnid(name: str) -> str:
    """The class id in a path such as `train/n01443537/images/n01443537_0.JPEG`."""
    return next((part for part in reversed(name.split("/")[:-1]) if part != "images"), "")


def _annotations(path: Path, files: dict[str, bytes]) -> dict[str, str]:
    """Validation picture to class id, where the original's list of them is there."""
    if path.is_dir():
        lists = {p.name: p.read_bytes() for p in path.rglob("val_annotations.txt")}
    else:
        lists = {n: c for n, c in files.items() if n.endswith("val_annotations.txt")}
    annotations: dict[str, str] = {}
    for name, content in lists.items():
        try:
            lines = [line.split("\t") for line in content.decode().splitlines()]
            annotations |= {line[0]: line[1] for line in lines}
        except (UnicodeDecodeError, IndexError) as error:
            raise DataError(f"{name} in {path} is no list of PICTURE<tab>CLASS in UTF-8; fetch it again") from error
    return annotations
