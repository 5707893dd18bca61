"""Which test images networks classify correctly, packed to bits in a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

IMAGES = "images"
"""The array that says of how many images each of the others is, in their order."""


def packed(correct: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The arrays of such a file, of bool `[images]` by name; nothing for none."""
    if not correct:
        return {}
    images = np.array([len(right) for right in correct.values()])
    return {IMAGES: images, **{name: np.packbits(right) for name, right in correct.items()}}


def read(path: Path) -> dict[str, np.ndarray]:
    """By name, bool `[images]`: the inverse of `packed`. Errors: whatever NumPy raises for a damaged file."""
    with np.load(path) as stored:
        images = stored[IMAGES].tolist()
        names = [name for name in stored.files if name != IMAGES]
        return {name: np.unpackbits(stored[name], count=n).astype(bool) for name, n in zip(names, images, strict=True)}
