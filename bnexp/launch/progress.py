"""How far an experiment is: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import time
from types import TracebackType

from rich.progress import BarColumn, TaskProgressColumn, TextColumn
from rich.progress import Progress as Bar

from bnexp.console import err

INTERVAL = 10.0
"""Seconds between plain lines."""


class Progress:
    """Counts work done, and network-steps for the rate; a context manager that shows them while it is open."""

    def __init__(self, work: float, networks: int) -> None:
        self.total = work
        self.networks = "1 network" if networks == 1 else f"{networks} networks"
        self.done = self.skipped = 0.0
        self.steps = 0
        self.started = self.printed = time.monotonic()
        self.notes: set[str] = set()
        self.bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[doing]}"),
            console=err,
            disable=not err.is_terminal,
        )
        self.task = self.bar.add_task(self.networks, total=work, doing=self._doing(False))

    def __enter__(self) -> Progress:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()
        if not err.is_terminal and kind is None:
            self._line(False)

    def advance(self, network_steps: int, work: float) -> None:
        """Count steps done, and their part of the work: steps of deep networks take longer."""
        self.steps += network_steps
        self.done += work

    def skip(self, work: float) -> None:
        """Count work that was done before."""
        self.done += work
        self.skipped += work

    def note(self, text: str) -> None:
        """Say something once."""
        if text not in self.notes:
            self.notes.add(text)
            err.print(text, soft_wrap=True, markup=False)

    def refresh(self, evaluating: bool) -> None:
        """Show the present state; `evaluating` says whether that is all that is done."""
        self.bar.update(self.task, completed=self.done, doing=self._doing(evaluating))
        if not err.is_terminal and time.monotonic() - self.printed > INTERVAL:
            self._line(evaluating)

    def _doing(self, evaluating: bool) -> str:
        """What is done, or how fast, and how long it will take once that is known."""
        seconds = time.monotonic() - self.started
        if evaluating:
            doing = "evaluating"
        else:
            idle = "done" if self.done else "starting"
            doing = f"{self.steps / max(seconds, 1e-9):,.0f} steps/s" if self.steps else idle
        work = self.done - self.skipped
        if work < 0.01 * self.total or self.done > 0.9999 * self.total:
            return doing
        return f"{doing}, {seconds * (self.total - self.done) / work:,.0f} s left"

    def _line(self, evaluating: bool) -> None:
        self.printed = time.monotonic()
        err.print(f"{self.networks}: {self.done / self.total:4.0%}, {self._doing(evaluating)}", highlight=False)
