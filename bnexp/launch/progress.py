"""How far an experiment is: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import time
from types import TracebackType

from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from bnexp.console import err

INTERVAL = 10.0
"""Seconds between plain lines."""


class Progress:
    """Counts work done, and network-steps for the rate; a context manager that shows them while it is open."""

    def __init__(self, work: float, networks: int) -> None:
        self.total = work
        self.networks = networks
        self.done = 0.0
        self.steps = 0
        self.started = self.printed = time.monotonic()
        self.notes: set[str] = set()
        self.bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[rate]} steps/s"),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=err,
            disable=not err.is_terminal,
        )
        self.task = self.bar.add_task(f"{networks} networks", total=work, rate="–")

    def __enter__(self) -> Progress:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()
        if not err.is_terminal:
            self._line()

    def advance(self, network_steps: int, work: float) -> None:
        """Count steps done, and their part of the work: steps of deep networks take longer."""
        self.steps += network_steps
        self.done += work

    def note(self, text: str) -> None:
        """Say something once."""
        if text not in self.notes:
            self.notes.add(text)
            err.print(text, soft_wrap=True)

    def refresh(self) -> None:
        """Show the present state."""
        self.bar.update(self.task, completed=self.done, rate=f"{self._rate():,.0f}")
        if not err.is_terminal and time.monotonic() - self.printed > INTERVAL:
            self._line()

    def _rate(self) -> float:
        return self.steps / max(time.monotonic() - self.started, 1e-9)

    def _line(self) -> None:
        self.printed = time.monotonic()
        left = (time.monotonic() - self.started) * (self.total / max(self.done, 1e-9) - 1)
        remaining = f", {left:,.0f} s left" if 0.01 < self.done / self.total < 0.9999 else ""  # not before it is known
        err.print(
            f"{self.networks} networks: {self.done / self.total:4.0%}, {self._rate():,.0f} steps/s{remaining}",
            highlight=False,
        )
