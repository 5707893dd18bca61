"""Picture files, in a zip or a folder, decoded into tensors once, and kept on disk from then on."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from bnexp.data.dataset import DataError
from bnexp.files import write_atomically

Tensors = dict[str, Tensor]

SUFFIXES = (".jpg", ".jpeg", ".png")

warnings.simplefilter("error", Image.DecompressionBombWarning)  # decoded by threads it takes gigabytes


def from_zip(path: Path) -> dict[str, bytes]:
    """The files of a zip by their path in it; `DataError` where it is damaged, encrypted or packed in a strange way."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
    except Exception as error:  # zipfile and zlib raise six kinds
        raise DataError(f"{path} cannot be read: {_reason(error)}; fetch it again, or unpack it by hand") from error


def zip_is_whole(path: Path) -> bool:
    """Whether every file in a zip can be read and has the checksum that the zip gives it."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except Exception:
        return False


def from_folder(path: Path) -> dict[str, bytes]:
    """The picture files under a folder by their path in it."""
    paths = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES)
    with ThreadPoolExecutor() as pool:
        return dict(zip([p.relative_to(path).as_posix() for p in paths], pool.map(Path.read_bytes, paths), strict=True))


def digest(files: Iterable[tuple[str, bytes]]) -> str:
    """The SHA-256 of names and contents."""
    sha = hashlib.sha256()
    for name, content in files:
        sha.update(f"{name}\0{len(content)}\0".encode())
        sha.update(content)
    return sha.hexdigest()


def decoded(files: Sequence[tuple[str, bytes]]) -> Tensor:
    """Pictures of one size as uint8 `[n, 3, height, width]`; `DataError` names one that is none."""
    with ThreadPoolExecutor() as pool:
        pictures = list(pool.map(lambda item: _decode(*item), files))
    odd = next((i for i, picture in enumerate(pictures) if picture.shape != pictures[0].shape), None)
    if odd is not None:
        sizes = ["×".join(map(str, pictures[i].shape[:2])) for i in (odd, 0)]
        raise DataError(f"{files[odd][0]} has {sizes[0]} pixels, others {sizes[1]}; all must have one size")
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous()


def _decode(name: str, content: bytes) -> np.ndarray:
    with picture(name, io.BytesIO(content)) as opened:
        return np.asarray(opened.convert("RGB"))  # some are grey


@contextlib.contextmanager
def picture(name: str, file: str | BinaryIO) -> Iterator[Image.Image]:
    """A picture file, opened; `DataError` names one that cannot be decoded, or is too large for it."""
    try:
        with Image.open(file) as opened:
            yield opened
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        most = f"{(Image.MAX_IMAGE_PIXELS or 0) / 1e6:.0f} megapixels"
        raise DataError(f"{name} has more than {most}; scale it down, or take it out") from error
    except Exception as error:  # Pillow's decoders raise whatever they stumble over
        raise DataError(f"{name} is no picture that can be read: {_reason(error)}; fetch it again") from error


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def folder() -> Path:
    """`BNEXP_CACHE`, else `bnexp` in the user's cache."""
    cache = os.environ.get("BNEXP_CACHE")
    return Path(cache) if cache else Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "bnexp"


def cached(name: str, source: str, make: Callable[[], Tensors]) -> Tensors:
    """What `make` returns, kept under `name` and the digest of its `source`.

    The file's own SHA-256 is part of its name: one that does not have it is made anew. A file stands there whole or
    not at all. Where nothing can be written, nothing is kept.
    """
    stem = f"{name}-{source[:16]}"
    for path in folder().glob(f"{stem}-*.pt"):
        content = path.read_bytes()
        if path.stem == f"{stem}-{hashlib.sha256(content).hexdigest()}":
            return torch.load(io.BytesIO(content), weights_only=True)  # type: ignore[no-any-return]
        path.unlink(missing_ok=True)
    made = make()
    buffer = io.BytesIO()
    torch.save(made, buffer)
    content = buffer.getvalue()
    with contextlib.suppress(OSError):
        folder().mkdir(parents=True, exist_ok=True)
        write_atomically(folder() / f"{stem}-{hashlib.sha256(content).hexdigest()}.pt", content)
    return made
