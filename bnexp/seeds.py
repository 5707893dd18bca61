"""Independent random streams from one seed."""

from __future__ import annotations

import hashlib

import torch


def stream(seed: int, *purpose: str) -> torch.Generator:
    """A CPU generator of its own for each seed and purpose.

    Streams of different purposes are independent, so that drawing more from one (more layers, another
    normalisation) leaves the others as they were: this is what makes arms matched.
    """
    digest = hashlib.sha256("/".join((str(seed), *purpose)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)
