"""Write bnexp/references: of the runs at `laptop`, those that `bnexp judge` holds a norm against."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from bnexp import paths
from bnexp.judge.runs import EXPERIMENTS, HELD_AGAINST
from bnexp.runs import records
from bnexp.runs.records import Record

SCALE = "laptop"
BY_LAYER = ("saturating", "gradient_flow")
"""Experiments whose claims read what is measured layer by layer."""

STAMPED = ("engine", "git_commit", "git_dirty", "platform", "device", "command", "started")

MOST = 5 * 2**20
"""Bytes: they are part of the wheel."""


def main(results: Path) -> None:
    """Of the experiments whose records lie under these results; without what single images say, which is most of it."""
    size = 0
    for name in EXPERIMENTS[SCALE]:
        whole = results / SCALE / name / "records"
        if (whole / "runs.json").exists():
            gathered = records.load(whole)
            kept = [slim(run, name in BY_LAYER) for run in gathered.runs if is_held_against(run)]
            records.save(replace(gathered, runs=kept), folder := paths.references(SCALE, name), ("moments",))
            print(f"{name}: {len(kept)} runs", *(f"{file.name} {file.stat().st_size:,}" for file in folder.iterdir()))
            size += sum(file.stat().st_size for file in folder.iterdir())
    print(f"{size:,} bytes in all")
    if size > MOST:
        sys.exit(f"that is more than {MOST:,}")


def slim(run: Record, by_layer: bool) -> Record:
    """The run without what single images say and, unless `by_layer`, without what is measured layer by layer.

    Accuracies are multiples of one image, so six digits behind the point are all.
    """
    columns = [name for name in run.metrics if by_layer or "/" not in name]
    stamp = {name: run.summary["stamp"][name] for name in STAMPED}
    summary = {name: run.summary[name] for name in ("status", "classes")} | {"stamp": stamp}
    return replace(run, summary=summary, metrics=run.metrics[columns].round(6), correct=None, percentiles=None)


def is_held_against(run: Record) -> bool:
    """Whether the run is of a norm that others are held against, BN as it is meant for use."""
    usual = run.fields.get("norm.statistics") in (None, "population") and run.fields.get("norm.ghost") is None
    return run.norm in HELD_AGAINST and usual


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "results"))
