"""A run's folder: opened, resumed, finished atomically, read back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from bnexp.config import RunConfig, flatten, run_fields, run_id
from bnexp.files import write_atomically
from bnexp.runs.records import Record

FINISHED = ("ok", "diverged")
"""The states in which a run is a result; `crashed` and `interrupted` ones are trained again."""


class RunFolder:
    """`<outputs>/runs/<name>`, its name made of the arm's main settings and the run's id."""

    def __init__(self, outputs: str | Path, config: RunConfig) -> None:
        self.config = config
        self.id = run_id(config)
        norm = (config.norm.target or config.norm.name).rpartition(":")[2]
        name = f"{config.data.name}-{norm}-lr{config.lr:g}-init{config.init.scale:g}-seed{config.seed}-{self.id}"
        self.path = Path(outputs) / "runs" / name

    def summary(self) -> dict[str, Any] | None:
        """The summary of a finished run, or None."""
        try:
            summary = json.loads((self.path / "summary.json").read_text())
        except (OSError, ValueError):
            return None
        return summary if summary["status"] in FINISHED else None

    def start(self, stamp: dict[str, Any]) -> None:
        """Make the folder anew with config and stamp; what an unfinished attempt left is removed."""
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir(parents=True)
        (self.path / "config.yaml").write_text(yaml.safe_dump(run_fields(self.config), sort_keys=False))
        (self.path / "stamp.json").write_text(json.dumps(stamp, indent=1) + "\n")

    def finish(self, status: str, **values: Any) -> None:
        """Write the summary, last of all."""
        summary = {"id": self.id, "status": status, **values}
        write_atomically(self.path / "summary.json", json.dumps(summary, indent=1) + "\n")

    def read(self) -> Record:
        """The record of a finished run."""
        summary = self.summary()
        assert summary is not None, f"{self.path} is not finished"
        summary["stamp"] = json.loads((self.path / "stamp.json").read_text())
        with np.load(self.path / "activations.npz") as stored:
            last = stored[stored.files[-1]][:, :, :3]
        predictions = None
        if (self.path / "predictions.npz").exists():
            with np.load(self.path / "predictions.npz") as stored:
                predictions = stored["predictions"]
        metrics = pd.read_csv(self.path / "metrics.csv")
        return Record(self.id, flatten(run_fields(self.config)), summary, metrics, last, predictions)
