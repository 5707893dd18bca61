"""What this machine has, and what training wants of it."""

from __future__ import annotations

import contextlib
import ctypes
import os

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Of `mallopt`, as glibc's malloc.h has them."""


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def prepare(threads: int) -> None:
    """Make this process ready to train, with so many threads.

    Denormals count as 0, for saturated units would slow the processor down tenfold. Memory that is freed is kept,
    where the C library is glibc: the system clears every fresh page, up to a quarter of an evaluation's time.
    """
    import torch  # slow

    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    with contextlib.suppress(AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
