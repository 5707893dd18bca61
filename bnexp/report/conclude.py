"""What follows a training: its runs are judged, drawn and printed."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bnexp import claims, data
from bnexp.config import Config
from bnexp.console import out
from bnexp.files import locked
from bnexp.report import ReportError, index, tensorboard
from bnexp.report.experiments import OWN, Experiment
from bnexp.report.printing import print_arms, print_report
from bnexp.report.writing import write
from bnexp.runs import records
from bnexp.runs.folder import RunFolder
from bnexp.runs.records import Record, Records


def check_writable(folder: str) -> None:
    """ReportError for a folder in which no file can be made."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = error.strerror or error
        raise ReportError(
            f"cannot write into {folder}: {reason}; choose another folder, outputs=… or results=…"
        ) from error


def conclude(configs: Sequence[Config], altered: bool, taken_over: Mapping[str, Record]) -> None:
    """Judge, draw and print the runs of one command; of those that are not here the record is taken over.

    An experiment as its file has it is written to `<results>/<experiment>`, with a folder more for a scale
    other than `laptop` and for stand-in data; anything else, whatever the user altered, to a folder of its
    own under the outputs.
    """
    first = configs[0]
    folders = [RunFolder(first.outputs, c) for c in configs]
    read = [
        _labelled(taken_over.get(folder.id) or folder.read(), config)
        for folder, config in zip(folders, configs, strict=True)
    ]
    gathered = Records(first.experiment or "runs", first.scale, describe(first), read)
    shown = Experiment(gathered.experiment, first.title, first.claims) if first.experiment else OWN
    if len(configs) == 1:
        print_arms(gathered)
        out.print(f"The run: {folders[0].path}")
        return
    digest = hashlib.sha256(" ".join(sorted(f.id for f in folders)).encode()).hexdigest()[:8]
    sweep = Path(first.outputs) / f"{gathered.experiment}-{digest}"
    target = place(Path(first.results), gathered) if first.experiment and not altered else sweep
    check_writable(str(target))
    with locked([target], lambda: None):
        percentiles = any(claims.REGISTRY[name].reads_percentiles for name in shown.claims)
        records.save(gathered, target / "records", percentiles)
        judgements, figures = write(shown, gathered, target)
        tensorboard.summarise(gathered, judgements, figures, sweep / "tensorboard")
    print_report(shown, gathered, judgements)
    out.print(f"Report: {target / 'README.md'}\nRuns: {Path(first.outputs) / 'runs'}\nTensorBoard: bnexp view {sweep}")
    if target != sweep:
        index.write(target.parent)


def place(results: Path, gathered: Records) -> Path:
    """The folder of an experiment's results."""
    qualifiers = [] if gathered.scale == "laptop" else [gathered.scale]
    if gathered.dataset["stand_in"]:
        qualifiers.append(gathered.dataset["name"])
    return results.joinpath(*qualifiers, gathered.experiment)


def _labelled(run: Record, config: Config) -> Record:
    return run if config.arm is None else replace(run, fields={"arm": config.arm} | run.fields)


def describe(config: Config) -> dict[str, Any]:
    """What records say of a run's data set."""
    loaded = data.load(config.data)
    title = loaded.title.removesuffix(", binary")  # an experiment may use both
    return {"name": loaded.name, "title": title, "stand_in": loaded.stand_in, "sha256": loaded.sha256}
