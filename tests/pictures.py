"""Small data sets of pictures, made up: classes differ in colour, so that a network can tell them apart."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = ((220, 40, 40), (40, 200, 60), (50, 60, 220), (200, 200, 40))


def picture(label: int, number: int, size: tuple[int, int] = (32, 32), grey: bool = False, kind: str = "JPEG") -> bytes:
    """A noisy picture in the colour of its class."""
    draw = np.random.RandomState(1000 * label + number)
    pixels = np.clip(np.array(COLOURS[label % 4]) + draw.normal(0, 40, (size[1], size[0], 3)), 0, 255).astype(np.uint8)
    whole = Image.fromarray(pixels)
    out = io.BytesIO()
    (whole.convert("L") if grey else whole).save(out, kind)
    return out.getvalue()


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    """A zip, stored."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def folders(root: Path, files: dict[str, bytes]) -> Path:
    """The files on disk."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def imagenet(root: Path, classes: int = 4, train: int = 12, val: int = 4, size: tuple[int, int] = (40, 50)) -> Path:
    """`<root>/imagenet` as `data=imagenet` wants it."""
    files = {
        f"{part}/class{label}/{n}.JPEG": picture(label, n + 500 * (part == "val"), size)
        for part, count in (("train", train), ("val", val))
        for label in range(classes)
        for n in range(count)
    }
    folders(root / "imagenet", files)
    return root
