"""Decoded data sets on disk, so that their images are decoded once."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

Tensors = dict[str, Tensor]


def folder() -> Path:
    """`BNEXP_CACHE`, else `bnexp` in the user's cache."""
    own = os.environ.get("BNEXP_CACHE")
    return Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "bnexp"


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
    part = folder() / f".{stem}.{os.getpid()}.part"
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_bytes(content)
            os.replace(part, folder() / f"{stem}-{hashlib.sha256(content).hexdigest()}.pt")
        finally:
            part.unlink(missing_ok=True)
    except OSError:
        pass
    return made
