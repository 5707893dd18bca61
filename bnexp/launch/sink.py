"""Evaluations to files and to TensorBoard: one writer per run."""

from __future__ import annotations

import csv
import math
import time
from typing import Any

import numpy as np
from torch.utils.tensorboard import SummaryWriter

from bnexp.engine.activations import Activations
from bnexp.engine.evaluation import Evaluation
from bnexp.runs.correct import packed
from bnexp.runs.folder import RunFolder


class RunSink:
    """Writes one run: `metrics.csv` row by row, arrays and the summary at the end, TensorBoard events."""

    def __init__(self, folder: RunFolder, stamp: dict[str, Any]) -> None:
        folder.start(stamp)
        self.folder = folder
        self.started = time.monotonic()
        self.last: Evaluation | None = None
        self.diverged_at: int | None = None
        self.steps: list[int] = []
        self.statistics: dict[str, list[np.ndarray]] = {}
        self.file = (folder.path / "metrics.csv").open("w", encoding="utf-8", newline="")
        self.table = csv.writer(self.file)
        self.board = SummaryWriter(str(folder.path), max_queue=1000, flush_secs=20)

    def write(self, evaluation: Evaluation) -> None:
        """Take one evaluation."""
        step, metrics = evaluation.step, evaluation.metrics
        if self.last is None:
            self.table.writerow(["step", *metrics])
        self.table.writerow([step, *metrics.values()])
        self.file.flush()
        self.last = evaluation
        if self.diverged_at is None and not math.isfinite(metrics["loss"]):
            self.diverged_at = step
        self.steps.append(step)
        for name, layer in evaluation.layers.items():
            self.statistics.setdefault(name, []).append(layer.statistics)
        self._draw(step, metrics, evaluation.layers)

    def _draw(self, step: int, metrics: dict[str, float], layers: dict[str, Activations]) -> None:
        for name, value in metrics.items():
            self.board.add_scalar(name, value, step)
        for name, layer in layers.items():
            if layer.histogram is None:
                continue
            counts, edges = layer.histogram
            middle = (edges[:-1] + edges[1:]) / 2
            self.board.add_histogram_raw(
                f"input_of_nonlinearity/{name}",
                min=edges[0],
                max=edges[-1],
                num=int(counts.sum()),
                sum=float(counts @ middle),
                sum_squares=float(counts @ middle**2),
                bucket_limits=edges[1:].tolist(),
                bucket_counts=counts.tolist(),
                global_step=step,
            )

    def finish(self) -> None:
        """Close a run that was trained to the end: it is `ok`, or `diverged`."""
        assert self.last is not None
        arrays: dict[str, Any] = {name: np.stack(rows).astype(np.float32) for name, rows in self.statistics.items()}
        np.savez_compressed(self.folder.path / "activations.npz", step=self.steps, **arrays)
        if self.last.predictions is not None:
            np.savez_compressed(self.folder.path / "predictions.npz", predictions=self.last.predictions)
        if self.last.correct is not None:
            np.savez_compressed(self.folder.path / "correct.npz", **packed({"correct": self.last.correct}))
        final = {name: self.last.metrics[name] for name in ("accuracy", "loss")}
        self._close()
        status = "ok" if self.diverged_at is None else "diverged"
        final = {name: value if math.isfinite(value) else None for name, value in final.items()}  # type: ignore[misc]
        costs = {"probe_seconds": self.last.costs} if self.last.costs else {}
        self.folder.finish(status, **final, diverged_at=self.diverged_at, seconds=self._seconds(), **costs)

    def abandon(self, status: str, traceback: str) -> None:
        """Close a run that was `crashed` or `interrupted`, with the traceback in its log."""
        (self.folder.path / "log.txt").write_text(traceback, encoding="utf-8")
        self._close()
        self.folder.finish(status, step=self.last.step if self.last else None, seconds=self._seconds())

    def _seconds(self) -> float:
        return round(time.monotonic() - self.started, 3)

    def _close(self) -> None:
        self.file.close()
        self.board.close()
