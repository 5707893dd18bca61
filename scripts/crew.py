"""What the benchmarks share: timing, endless batches of a DataLoader, and as many processes as cores."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from bnexp.machine import cores, prepare

Loop = Callable[[int], None]
"""Takes so many steps."""


def timed(work: Callable[[], None]) -> float:
    """Seconds that `work` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def ordinary_loop(network: nn.Module, optimizer: torch.optim.Optimizer, images: Dataset[Any], batch: int) -> Loop:
    """The loop that tutorials show."""
    loader = DataLoader(images, batch_size=batch, shuffle=True, drop_last=True)

    def endless() -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            yield from loader

    batches = endless()

    def loop(steps: int) -> None:
        for _ in range(steps):
            x, y = next(batches)
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(x), y).backward()
            optimizer.step()

    return loop


class Crew:
    """Processes of one thread, as many as cores, each with a loop of its own, as `bnexp.launch.pool` has them.

    `make` makes the loop; it must be a function at the top of a module, or a partial of one.
    """

    def __init__(self, make: Callable[[], Loop]) -> None:
        self.make = make
        self.size = cores()

    def __enter__(self) -> Crew:
        context = multiprocessing.get_context("forkserver")
        start = context.Barrier(self.size)
        self.pool = ProcessPoolExecutor(self.size, context, initializer=_enlist, initargs=(start, self.make))
        self.rate(1)
        return self

    def __exit__(self, *_: object) -> None:
        self.pool.shutdown()

    def rate(self, steps: int) -> float:
        """Steps per second of all processes, from the first to start to the last to end."""
        spans = [job.result() for job in [self.pool.submit(_work, steps) for _ in range(self.size)]]
        return self.size * steps / (max(end for _, end in spans) - min(begin for begin, _ in spans))


def _enlist(start: Any, make: Callable[[], Loop]) -> None:
    """Make a worker ready."""
    global barrier, loop
    prepare(1)
    barrier, loop = start, make()
    loop(5)


def _work(steps: int) -> tuple[float, float]:
    """Take steps at the same time as the other processes; when it began and ended."""
    barrier.wait()  # type: ignore[name-defined]
    begin = time.time()
    loop(steps)  # type: ignore[name-defined]
    return begin, time.time()
