"""How far an experiment is: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

INTERVAL = 10.0
"""Seconds between plain lines."""

console = Console(stderr=True)


class Progress:
    """Counts network-steps; a context manager that shows them while it is open."""

    def __init__(self, network_steps: int, networks: int) -> None:
        self.total = network_steps
        self.networks = networks
        self.done = 0
        self.started = self.printed = time.monotonic()
        self.notes: set[str] = set()
        self.bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[rate]} steps/s"),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=console,
            disable=not console.is_terminal,
        )
        self.task = self.bar.add_task(f"{networks} networks", total=network_steps, rate="–")

    def __enter__(self) -> Progress:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()
        if not console.is_terminal:
            self._line()

    def advance(self, network_steps: int) -> None:
        """Count steps done."""
        self.done += network_steps

    def note(self, text: str) -> None:
        """Say something once."""
        if text not in self.notes:
            self.notes.add(text)
            console.print(text, highlight=False, soft_wrap=True)

    def refresh(self) -> None:
        """Show the present state."""
        self.bar.update(self.task, completed=self.done, rate=f"{self._rate():,.0f}")
        if not console.is_terminal and time.monotonic() - self.printed > INTERVAL:
            self._line()

    def _rate(self) -> float:
        return self.done / max(time.monotonic() - self.started, 1e-9)

    def _line(self) -> None:
        self.printed = time.monotonic()
        left = (self.total - self.done) / max(self._rate(), 1e-9)
        remaining = f", {left:,.0f} s left" if 0 < self.done < self.total else ""
        console.print(
            f"{self.networks} networks: {self.done / self.total:4.0%}, {self._rate():,.0f} steps/s{remaining}",
            highlight=False,
        )
