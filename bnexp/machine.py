"""What this machine has, and what training wants of it."""

from __future__ import annotations

import contextlib
import ctypes
import os

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Of `mallopt`, as glibc's malloc.h has them."""

SPINNING = {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "KMP_LIBRARY"}
"""How OpenMP's threads wait, as its libraries read it from the environment."""


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def wait_without_spinning() -> None:
    """Have the threads of PyTorch sleep while they wait for each other, here and in processes begun later.

    To be called before PyTorch is imported. They would spin, for milliseconds: of two commands with two threads each on
    two cores every one waits for threads that are not running, and both take 20 times as long. Alone, a network of the
    smallest layers takes up to twice as long. What the user has set stays.
    """
    if not SPINNING & os.environ.keys():
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"


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
