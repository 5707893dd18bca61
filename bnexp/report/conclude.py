"""What follows a training: its runs are judged, drawn and printed."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bnexp import claims, data
from bnexp.config import Config, run_id
from bnexp.console import out
from bnexp.drawing import overview
from bnexp.files import locked, write_atomically
from bnexp.report import ReportError, index, tensorboard
from bnexp.report.experiments import OWN, OWN_TITLE
from bnexp.report.pictures import png
from bnexp.report.printing import print_arms, print_report
from bnexp.report.writing import write
from bnexp.runs import records, sources
from bnexp.runs.folder import RunFolder
from bnexp.runs.records import Record, Records

COMMITTED = "overnight"
"""The scale whose results are right under the folder of results."""


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
    other than `overnight` and for stand-in data; anything else, whatever the user altered, to a folder of its
    own under the outputs.
    """
    first = configs[0]
    gathered = gather(configs, taken_over)
    if len(configs) == 1 and not (first.experiment or first.claims):
        _conclude_one(gathered, RunFolder(first.outputs, first).path)
    else:
        _report(gathered, configs, altered)


def gather(configs: Sequence[Config], taken_over: Mapping[str, Record]) -> Records:
    """The records of one command's runs; of those that are not here the one that is taken over."""
    folders = [RunFolder(configs[0].outputs, config) for config in configs]
    runs = [
        _labelled(taken_over.get(folder.id) or folder.read(), config)
        for folder, config in zip(folders, configs, strict=True)
    ]
    return _gathered(configs[0], runs)


def conclude_partly(configs: Sequence[Config], altered: bool) -> None:
    """The same of the runs that there are, under the outputs or among the records under the results.

    Marked as partial, in the folder `partial` beside the whole ones. Errors: ReportError where there is no run.
    """
    first = configs[0]
    folders = [RunFolder(first.outputs, config) for config in configs]
    committed = sources.committed({folder.id for folder in folders}, Path(first.results))
    runs = []
    for folder, config in zip(folders, configs, strict=True):
        run = folder.read() if folder.summary() is not None else committed.get(folder.id)
        if run is not None:
            runs.append(_labelled(run, config))
    if not runs:
        where = f"neither in {Path(first.outputs) / 'runs'} nor among the records in {first.results}"
        raise ReportError(f"no run of {first.experiment} at scale {first.scale} is finished, {where}")
    gathered = _gathered(first, runs)
    _report(gathered if len(runs) == len(configs) else replace(gathered, planned=len(configs)), configs, altered)


def _gathered(first: Config, runs: Sequence[Record]) -> Records:
    title = first.title or OWN_TITLE
    return Records(first.experiment or OWN, first.scale, describe(first), runs, title, tuple(first.claims))


def _report(gathered: Records, configs: Sequence[Config], altered: bool) -> None:
    first = configs[0]
    digest = hashlib.sha256(" ".join(sorted(map(run_id, configs))).encode()).hexdigest()[:8]
    sweep = Path(first.outputs) / f"{gathered.experiment}-{digest}"
    target = place(Path(first.results), gathered) if first.experiment and not altered else sweep
    check_writable(str(target))
    with locked([target], lambda: None):
        reads = {name for subject in claims.resolve(gathered.claims) for name in subject.reads}
        records.save(gathered, target / "records", reads)
        judgements, figures = write(gathered, target, first.figures)
        tensorboard.summarise(gathered, judgements, figures, sweep)
    print_report(gathered, judgements)
    out.print(
        f"Report: {target / 'README.md'}\nRuns: {Path(first.outputs) / 'runs'}\nTensorBoard: bnexp view {sweep}",
        soft_wrap=True,
    )
    if target != sweep:
        _index(target, gathered)


def _index(target: Path, gathered: Records) -> None:
    """Write the overview anew; a report of all runs takes the place of one of a part of them."""
    partial = target.parent / index.PARTIAL / target.name
    if not gathered.partial and partial.is_dir():
        shutil.rmtree(partial)
        out.print(f"Removed: {partial}, of a part of these runs", soft_wrap=True)
    index.write(index.of(target))


def _conclude_one(gathered: Records, folder: Path) -> None:
    """Draw a run on its own into its folder."""
    picture = folder / "curves.png"
    write_atomically(picture, png(overview.figures(gathered)["curves"]))
    print_arms(gathered)
    out.print(f"Run: {folder}\nFigure: {picture}\nTensorBoard: bnexp view {folder}", soft_wrap=True)


def place(results: Path, gathered: Records) -> Path:
    """The folder of an experiment's results."""
    qualifiers = [] if gathered.scale == COMMITTED else [gathered.scale]
    if gathered.dataset["stand_in"]:
        qualifiers.append(gathered.dataset["name"])
    if gathered.partial:
        qualifiers.append(index.PARTIAL)
    return results.joinpath(*qualifiers, gathered.experiment)


def _labelled(run: Record, config: Config) -> Record:
    """The record with the arm's name and, for chance, the number of its data's classes."""
    fields = {name: value for name, value in run.fields.items() if name != "arm"}
    fields = fields if config.arm is None else {"arm": config.arm} | fields
    return replace(run, fields=fields, summary=run.summary | {"classes": data.load(config.data).classes})


def describe(config: Config) -> dict[str, Any]:
    """What records say of a run's data set."""
    loaded = data.load(config.data)
    title = loaded.title.removesuffix(", binary")  # an experiment may use both
    return {
        "name": loaded.name,
        "title": title,
        "stand_in": loaded.stand_in,
        "classes": loaded.classes,
        "sha256": loaded.sha256,
    }
