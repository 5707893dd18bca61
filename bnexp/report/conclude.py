"""Records to verdicts, tables and figures; never trains."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from rich.table import Table

from bnexp import claims, data, paths
from bnexp.claims import overview
from bnexp.config import Config, flatten
from bnexp.console import out
from bnexp.files import locked, write_atomically
from bnexp.report import index, tensorboard
from bnexp.report.tables import arms, markdown, readable
from bnexp.runs import records
from bnexp.runs.folder import RunFolder
from bnexp.runs.records import Record, Records

SHOWN = 24
"""Arms printed at most."""

COLOURS = {"reproduced": "bold green", "contradicted": "bold red", "undecided": "bold yellow", "not run": "dim"}


class ReportError(Exception):
    """Records that cannot be read, or a folder that cannot be written; the message says which and what to do."""


@dataclass(frozen=True)
class Experiment:
    """What a report needs of an experiment's file."""

    name: str
    title: str
    claims: Sequence[str]


OWN = Experiment("runs", "A sweep of your own", [])
"""Runs of no experiment."""


def experiment(name: str) -> Experiment:
    """Read an experiment's file."""
    values = yaml.safe_load(paths.experiments()[name].read_text())
    return Experiment(name, values["title"], values["claims"])


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


def conclude(configs: Sequence[Config], altered: bool) -> None:
    """Judge, draw and print the runs of one command.

    An experiment as its file has it is written to `<results>/<experiment>`, with a folder more for a scale
    other than `laptop` and for stand-in data; anything else, whatever the user altered, to a folder of its
    own under the outputs.
    """
    first = configs[0]
    folders = [RunFolder(first.outputs, c) for c in configs]
    read = [_labelled(folder.read(), config) for folder, config in zip(folders, configs, strict=True)]
    gathered = Records(first.experiment or "runs", first.scale, _dataset(first), read)
    shown = Experiment(gathered.experiment, first.title, first.claims) if first.experiment else OWN
    if len(configs) == 1:
        _print_arms(gathered)
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
    _print(shown, gathered, judgements)
    out.print(f"Report: {target / 'README.md'}\nRuns: {Path(first.outputs) / 'runs'}\nTensorBoard: bnexp view {sweep}")
    if target != sweep:
        index.write(target.parent)


def _labelled(run: Record, config: Config) -> Record:
    return run if config.arm is None else replace(run, fields={"arm": config.arm} | run.fields)


def place(results: Path, gathered: Records) -> Path:
    """The folder of an experiment's results."""
    qualifiers = [] if gathered.scale == "laptop" else [gathered.scale]
    if gathered.dataset["stand_in"]:
        qualifiers.append(gathered.dataset["name"])
    return results.joinpath(*qualifiers, gathered.experiment)


def redraw(names: Sequence[str], results: Path) -> None:
    """Judge and draw anew from records: those of experiments under `results` (by default all), or of any folder."""
    folders = [Path(name) for name in names if holds_records(name)]
    experiments = [name for name in names if not holds_records(name)]
    if experiments or not names:
        folders += _under(results, experiments)
    for folder in folders:
        try:
            gathered = records.load(folder / "records")
        except (OSError, ValueError, KeyError) as error:
            raise ReportError(
                f"the records in {folder / 'records'} are damaged ({error}); restore them, or train again: "
                f"bnexp run experiment={folder.name}"
            ) from error
        shown = experiment(gathered.experiment) if gathered.experiment in paths.experiments() else OWN
        check_writable(str(folder))
        judgements, _ = write(shown, gathered, folder)
        _print(shown, gathered, judgements)
        out.print(f"Report: {folder / 'README.md'}\n")
    for parent in {folder.parent for folder in folders if folder.is_relative_to(results)}:
        index.write(parent)


def holds_records(folder: str) -> bool:
    """Whether this is a folder with a report's records, such as that of a sweep under the outputs."""
    return (Path(folder) / "records" / "runs.json").is_file()


def _under(results: Path, names: Sequence[str]) -> list[Path]:
    """The folders of these experiments' records, or of all."""
    found = sorted(path.parent.parent for path in results.rglob("records/runs.json"))
    absent = set(names) - {folder.name for folder in found}
    if absent:
        raise ReportError(
            f"no records of {', '.join(sorted(absent))} under {results}; "
            f"train it first: bnexp run experiment={min(absent)}"
        )
    return [folder for folder in found if not names or folder.name in names]


def write(shown: Experiment, gathered: Records, folder: Path) -> tuple[list[claims.Judgement], dict[str, bytes]]:
    """Write `verdict.json`, `table.csv`, `figures/` and `README.md`; the judgements and the figures as PNG."""
    judgements = claims.judge(gathered, shown.claims)
    drawers = [claims.REGISTRY[name].figures for name in shown.claims] or [overview.figures]
    drawn = {stem: figure for draw in drawers for stem, figure in draw(gathered).items()}
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    pictures = {}
    for stem, figure in drawn.items():
        path = folder / "figures" / f"{stem}.png"
        figure.savefig(path, dpi=100, metadata={"Software": None})
        pictures[stem] = path.read_bytes()
    verdict = {
        "experiment": shown.name,
        "scale": gathered.scale,
        "dataset": {"name": gathered.dataset["name"], "sha256": gathered.dataset["sha256"]},
        "claims": [j.as_dict() for j in judgements],
        "stamp": _common_stamp(gathered.runs),
    }
    write_atomically(folder / "verdict.json", json.dumps(verdict, indent=1, ensure_ascii=False) + "\n")
    by_arm = arms(gathered)
    by_arm.to_csv(folder / "table.csv", index=False)
    tables = {title: table for name in shown.claims for title, table in claims.REGISTRY[name].tables(gathered).items()}
    write_atomically(folder / "README.md", _readme(shown, gathered, judgements, tables, by_arm, list(pictures)))
    return judgements, pictures


def _dataset(config: Config) -> dict[str, Any]:
    loaded = data.load(config.data)
    title = loaded.title.removesuffix(", binary")  # an experiment may use both
    return {"name": loaded.name, "title": title, "stand_in": loaded.stand_in, "sha256": loaded.sha256}


def _common_stamp(trained: Iterable[Record]) -> dict[str, Any]:
    """The runs' stamps as one: where they differ, the list of what occurs."""
    stamps = [run.summary["stamp"] for run in trained]
    common = {}
    for key in stamps[0]:
        values = {json.dumps(s[key]): s[key] for s in stamps}
        if key == "started":
            common[key] = [min(values.values()), max(values.values())]
        else:
            common[key] = next(iter(values.values())) if len(values) == 1 else list(values.values())
    return common


def _readme(
    shown: Experiment,
    gathered: Records,
    judgements: Sequence[claims.Judgement],
    tables: Mapping[str, pd.DataFrame],
    by_arm: pd.DataFrame,
    figures: Sequence[str],
) -> str:
    stamp = _common_stamp(gathered.runs)
    lines = [f"# {shown.name}", "", f"{shown.title}.", "", f"{gathered.caption}.", ""]
    lines += ["| claim | § | the paper | measured | verdict | why |", "|---|---|---|---|---|---|"]
    lines += [f"| {j.claim} | {j.section} | {j.paper} | {j.measured} | **{j.verdict}** | {j.why} |" for j in judgements]
    for title, table in tables.items():
        lines += ["", f"## {title}", "", *markdown(table)]
    for stem in figures:
        lines += ["", f"![{stem.replace('_', ' ')}](figures/{stem}.png)"]
    lines += ["", "## Arms", "", *markdown(readable(by_arm))]
    if by_arm["diverged"].any():
        lines += ["", "A run that diverged counts as chance."]
    lines += ["", "## How it was made", "", f"`{_command(gathered)}`", ""]
    lines += [f"- {key.replace('_', ' ')}: {_plain(value)}" for key, value in stamp.items() if key != "data_sha256"]
    lines += [f"- settings that all runs share: {_shared(gathered)}"]
    return "\n".join(lines) + "\n"


def _command(gathered: Records) -> str:
    if gathered.experiment == OWN.name:
        return "; ".join(sorted({run.summary["stamp"]["command"] for run in gathered.runs}))
    return f"bnexp run experiment={gathered.experiment} scale={gathered.scale}"


def _shared(gathered: Records) -> str:
    varied = {*gathered.varied(), "seed"}
    fields = gathered.runs[0].fields
    return ", ".join(f"{k}={v}" for k, v in flatten(fields).items() if k not in varied)


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {v}" for k, v in value.items())
    return "; ".join(map(_plain, value)) if isinstance(value, list) else str(value)


def _print(shown: Experiment, gathered: Records, judgements: Sequence[claims.Judgement]) -> None:
    out.print(f"\n[bold]{shown.name}[/]: {shown.title}")
    if gathered.dataset["stand_in"]:
        out.print("On the STAND-IN data set, not on MNIST: no verdict on the paper.", style="bold red")
    _print_arms(gathered)
    if judgements:
        table = Table("claim", "measured", "verdict", title="Verdicts", title_justify="left")
        for j in judgements:
            table.add_row(j.claim, j.measured, f"[{COLOURS[j.verdict]}]{j.verdict}[/]")
        out.print(table)


def _print_arms(gathered: Records) -> None:
    by_arm = arms(gathered)
    rows = readable(by_arm)
    shown = rows if len(rows) <= SHOWN else rows.loc[by_arm["accuracy"].nlargest(SHOWN).index]
    table = Table(*shown.columns, title=gathered.caption, title_justify="left")
    for _, row in shown.iterrows():
        table.add_row(*row)
    out.print(table)
    if len(rows) > SHOWN:
        out.print(f"The {SHOWN} best of {len(rows)} arms; all of them are in table.csv.")
