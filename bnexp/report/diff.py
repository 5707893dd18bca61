"""Two runs or two arms beside each other: the settings in which they differ, and how they ended."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import OverrideParseException
from rich.markup import escape
from rich.table import Column, Table

from bnexp.claims.speed import TARGETS, reached
from bnexp.config import ConfigError, flatten
from bnexp.console import out
from bnexp.judging import rules
from bnexp.judging.measures import diverged, final_accuracy
from bnexp.judging.telling import told
from bnexp.report.tables import TARGETED
from bnexp.runs import sources
from bnexp.runs.records import Record, Records
from bnexp.stats import paired


@dataclass(frozen=True)
class Arm:
    """Runs that differ in their seeds only."""

    name: str
    """As the user wrote it."""
    runs: Sequence[Record]


def arm(name: str, outputs: Path, results: Path) -> Arm:
    """The arm written `SOURCE`, or `SOURCE:norm=batch,lr=0.1` where the source has several.

    Errors: ConfigError where there is no such run, or more than one arm; RecordsError.
    """
    parts = re.fullmatch(r"(.+?):([\w./]+=.+)", name)
    source, selection = parts.groups() if parts else (name, "")
    runs = sources.find(source, outputs, results)
    for part in filter(None, re.split(r",(?=[\w./]+=)", selection)):
        setting, _, value = part.partition("=")
        runs = _having(runs, setting, value, source)
    varied = Records(source, "", {}, runs).varied()
    if varied:
        choices = "; ".join(f"{setting}={' or '.join(_values(runs, setting))}" for setting in varied[:4])
        raise ConfigError(
            f"{name} is {len(runs)} runs of several arms; choose one, as in {source}:{_first(runs, varied)} ({choices})"
        )
    return Arm(name, runs)


def _having(runs: Sequence[Record], setting: str, value: str, source: str) -> list[Record]:
    try:
        (parsed,) = OverridesParser.create().parse_overrides([f"{setting}={value}"])
    except OverrideParseException as error:
        raise ConfigError(f"{setting}={value}: {str(error).splitlines()[0]}") from error
    wanted: Any = parsed.value()
    wanted = tuple(wanted) if isinstance(wanted, list) else wanted
    selected = [run for run in runs if run.value(setting) == wanted or str(run.value(setting)) == value]
    if selected:
        return selected
    settings = sorted({"norm", *(name for run in runs for name in run.fields)})
    if setting not in settings:
        close = difflib.get_close_matches(setting, settings, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise ConfigError(f"the runs of {source} have no setting {setting}{hint}")
    raise ConfigError(f"no run of {source} has {setting}={value}; there are {', '.join(_values(runs, setting))}")


def _values(runs: Sequence[Record], setting: str) -> list[str]:
    return list(dict.fromkeys(str(run.value(setting)) for run in runs))


def _first(runs: Sequence[Record], settings: Sequence[str]) -> str:
    return ",".join(f"{setting}={runs[0].value(setting)}" for setting in settings)


def print_diff(a: Arm, b: Arm) -> None:
    """The settings and the origin in which they differ, and their results."""
    for title, rows in (("Settings", _settings(a, b)), ("Origin", _origin(a, b)), ("Results", _results(a, b))):
        columns = (Column(_heading(each.name), overflow="fold") for each in (a, b))
        table = Table("", *columns, title=title, title_justify="left")
        for row in rows:
            table.add_row(*map(escape, row))
        if rows:
            out.print(table)
        elif title == "Settings":
            out.print("Settings: all the same, but for the seed.")
    common = sorted({run.seed for run in a.runs} & {run.seed for run in b.runs})
    if common:
        of_a, of_b = ({run.seed: final_accuracy(run) for run in each.runs} for each in (a, b))
        difference = told(rules.single([*paired(of_a, of_b).values()], 0.0), "points")
        out.print(f"Final accuracy, first minus second on the same seeds: {difference}", soft_wrap=True)


def _heading(name: str) -> str:
    """The arm's name in lines, a setting each, so that a word is cut only where there is no room for it."""
    return escape(re.sub("(?<=[:,])(?=.)", "\n", name))


def _settings(a: Arm, b: Arm) -> list[tuple[str, str, str]]:
    of_a, of_b = ({k: v for k, v in each.runs[0].fields.items() if k != "seed"} for each in (a, b))
    return _differing(of_a, of_b)


def _origin(a: Arm, b: Arm) -> list[tuple[str, str, str]]:
    """What produced them: of each the stamp of its first run."""
    of_a, of_b = (flatten(each.runs[0].summary["stamp"]) for each in (a, b))
    return [row for row in _differing(of_a, of_b) if row[0] not in ("command", "started")]


def _differing(of_a: dict[str, Any], of_b: dict[str, Any]) -> list[tuple[str, str, str]]:
    names = sorted({*of_a, *of_b})
    return [
        (name, str(of_a.get(name, "–")), str(of_b.get(name, "–"))) for name in names if of_a.get(name) != of_b.get(name)
    ]


def _results(a: Arm, b: Arm) -> list[tuple[str, str, str]]:
    of_a, of_b = _ends(a), _ends(b)
    return [(name, of_a.get(name, "–"), of_b.get(name, "–")) for name in of_a | of_b]


def _ends(arm: Arm) -> dict[str, str]:
    """How the runs ended, in words."""
    runs = arm.runs
    accuracy = rules.single([final_accuracy(run) for run in runs], 0.0)
    interval = f" [{100 * accuracy.lo:.2f}, {100 * accuracy.hi:.2f}]" if accuracy.n > 1 else ""
    losses = [run.metrics["loss"].iloc[-1] for run in runs]
    ends = {
        "seeds": ", ".join(str(run.seed) for run in sorted(runs, key=lambda run: run.seed)),
        "diverged": str(sum(map(diverged, runs))),
        "final accuracy %": f"{100 * accuracy.effect:.2f}{interval}",
        "final loss": f"{np.mean(losses):.4g}",
        "seconds a run": f"{np.mean([run.summary.get('seconds', np.nan) for run in runs]):,.1f}",
    }
    if runs[0].fields.get("data.name") in TARGETED:
        for target in TARGETS:
            steps = reached(runs, target)
            some = f" ({steps.runs} of {len(runs)})" if steps.runs < len(runs) else ""
            ends[f"steps to {target:.0%}"] = f"{steps.mean:,.0f}{some}" if steps.runs else "never"
    return ends
