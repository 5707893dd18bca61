"""Runs and their metrics as tidy tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from bnexp.runs.records import Record


class Frames(NamedTuple):
    """Runs and metrics; `metrics.join(runs, on="run")` has everything beside each other."""

    runs: pd.DataFrame
    """A row per run, the index `run` its id: settings by dotted name, `norm` in one word, and how it ended."""
    metrics: pd.DataFrame
    """A row per run and step: `run`, `step`, `accuracy` (a fraction), `loss`, …; NaN after divergence."""


def frames(runs: Sequence[Record]) -> Frames:
    """The tables of these runs."""
    table = pd.DataFrame([_row(run) for run in runs]).set_index("run")
    metrics = pd.concat([run.metrics.assign(run=run.id) for run in runs], ignore_index=True)
    return Frames(table, metrics[["run", *(name for name in metrics.columns if name != "run")]])


def _row(run: Record) -> dict[str, Any]:
    summary, stamp = run.summary, run.summary["stamp"]
    ends = {f"final_{name}": summary.get(name) for name in ("accuracy", "loss")}
    ends |= {name: summary.get(name) for name in ("status", "diverged_at", "seconds")}
    made = {name: stamp.get(name) for name in ("git_commit", "device", "started")}
    return {"run": run.id, "norm": run.norm, **run.fields, **ends, **made}
