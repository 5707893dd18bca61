"""The `README.md` of a report."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from bnexp import paths
from bnexp.claims import Judgement
from bnexp.config import flatten
from bnexp.report.tables import markdown, readable
from bnexp.runs.records import Record, Records


def readme(
    gathered: Records,
    judgements: Sequence[Judgement],
    tables: Mapping[str, pd.DataFrame],
    by_arm: pd.DataFrame,
    figures: Sequence[str],
    altered: bool,
) -> str:
    """The verdicts, the figures, the arms, and how it was made; `altered`: not as the experiment's file has it."""
    stamp = common_stamp(gathered.runs)
    lines = [f"# {gathered.experiment}", "", f"{gathered.title}.", "", f"{gathered.caption}.", ""]
    lines += ["| claim | § | the paper | measured | verdict | why |", "|---|---|---|---|---|---|"]
    if gathered.partial:
        lines[2:2] = [f"**Partial: {gathered.partial}**; the verdicts are on these alone.", ""]
    for j in judgements:
        cells = (j.claim, j.section, j.paper, j.measured, f"**{j.verdict}**", j.why)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    for title, table in tables.items():
        lines += ["", f"## {title}", "", *markdown(table)]
    for stem in figures:
        lines += ["", f"![{stem.replace('_', ' ')}](figures/{stem}.png)"]
    lines += ["", "## Arms", "", *markdown(readable(by_arm))]
    if by_arm["diverged"].any():
        lines += ["", "A run that diverged counts as chance."]
    lines += ["", "## How it was made", "", f"`{_command(gathered, altered)}`", ""]
    lines += [f"- {key.replace('_', ' ')}: {_plain(value)}" for key, value in stamp.items() if key != "data_sha256"]
    lines += [f"- settings that all runs share: {_shared(gathered)}"]
    return "\n".join(lines) + "\n"


def common_stamp(runs: Iterable[Record]) -> dict[str, Any]:
    """The runs' stamps as one: where they differ, the list of what occurs."""
    stamps = [run.summary["stamp"] for run in runs]
    common = {}
    for key in dict.fromkeys(key for stamp in stamps for key in stamp):
        values = {json.dumps(stamp.get(key)): stamp.get(key) for stamp in stamps}
        if key == "started":
            common[key] = [min(values.values()), max(values.values())]
        else:
            common[key] = next(iter(values.values())) if len(values) == 1 else list(values.values())
    return common


def _command(gathered: Records, altered: bool) -> str:
    """Of an experiment of ours the command that makes it, else the commands that were given."""
    if not altered and gathered.experiment in paths.experiments():
        return f"bnexp run experiment={gathered.experiment} scale={gathered.scale}"
    return "; ".join(sorted({run.summary["stamp"]["command"] for run in gathered.runs}))


def _shared(gathered: Records) -> str:
    varied = {*gathered.varied(), "seed"}
    fields = gathered.runs[0].fields
    return ", ".join(f"{k}={v}" for k, v in flatten(fields).items() if k not in varied)


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {v}" for k, v in value.items())
    return "; ".join(map(_plain, value)) if isinstance(value, list) else str(value)
