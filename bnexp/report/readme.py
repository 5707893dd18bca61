"""The `README.md` of a report: first what somebody with two minutes reads, then how it is known."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from bnexp import paths
from bnexp.claims import Judgement
from bnexp.config import flatten
from bnexp.judging.matching import shown
from bnexp.judging.measures import epochs
from bnexp.judging.words import percent, span, three_digits
from bnexp.report.experiments import command, header, read
from bnexp.report.score import counted
from bnexp.report.size import model_size
from bnexp.report.tables import markdown, of_frame, readable
from bnexp.runs.records import Record, Records

CONTROLS = {True: "holds", False: "fails", None: "is undecided"}
"""By whether it holds."""


def readme(
    gathered: Records,
    judgements: Sequence[Judgement],
    tables: Mapping[str, pd.DataFrame],
    by_arm: pd.DataFrame,
    figures: Mapping[str, str],
    altered: bool,
) -> str:
    """In short, the claims, the figures with what they show, how it was done, the arms.

    `altered`: not as the experiment's file has it.
    """
    lines = [f"# {gathered.experiment}", "", f"{gathered.title}.{_question(gathered)}", ""]
    lines += [*_in_short(gathered, judgements), ""]
    if gathered.partial:
        lines[2:2] = [f"**Partial: {gathered.partial}**; the verdicts are on these alone.", ""]
    if judgements:
        lines += ["## Claims", "", *_claims(judgements), "", *_notes(judgements)]
    for title, table in tables.items():
        lines += ["", f"## {title}", "", *of_frame(table)]
    for stem, caption in figures.items():
        lines += ["", f"![{caption}](figures/{stem}.png)"]
    lines += ["", *_chosen(judgements), *_how(gathered, altered)]
    lines += ["", "<details><summary>Arms</summary>", "", *of_frame(readable(by_arm))]
    if by_arm["diverged"].any():
        lines += ["", "A run that diverged counts as chance."]
    return "\n".join([*lines, "", "</details>"]) + "\n"


def _question(gathered: Records) -> str:
    """What one of our experiments asks."""
    file = paths.experiments().get(gathered.experiment)
    return f" {question}" if file is not None and (question := read(file).question) else ""


def _in_short(gathered: Records, judgements: Sequence[Judgement]) -> list[str]:
    """The answers to the main claims, or to the first where none is one, and how sure they are."""
    main = [j for j in judgements if j.claim.primary] or [j for j in judgements if j.claim.control is None][:1]
    answers = [f"- {j.sentence} **{j.verdict.capitalize()}**: {j.outcome.measured}." for j in main]
    others = counted([j.as_dict() for j in judgements if j not in main])
    sure = f"{shown(gathered).caption}, {epochs(shown(gathered).runs)}."
    sure += "".join(f" {part.capitalize()}." for part in others)
    return [*answers, "", sure] if answers else [sure]


def _claims(judgements: Sequence[Judgement]) -> list[str]:
    rows = [
        {
            "claim": j.sentence,
            "source": j.claim.source,
            "the paper": j.claim.paper.text + (f" Elsewhere: {outside}." if (outside := j.claim.paper.outside) else ""),
            "measured": j.outcome.measured,
            "n": str(j.outcome.n),
            "verdict": f"**{j.verdict}**" + ("" if j.size == "no figure" else f", {j.size}"),
            "why": j.outcome.why + _controlled(j),
            "flags": ", ".join(j.flags) or "–",
            "p": _p(j),
        }
        for j in judgements
    ]
    return of_frame(pd.DataFrame(rows))


def _controlled(j: Judgement) -> str:
    control = j.claim.control
    return "" if control is None else f"; a control that {CONTROLS[j.held]}: {control.fails}"


def _p(j: Judgement) -> str:
    """As it is and adjusted; 0 is less than can be told."""
    if j.outcome.p is None:
        return "–"
    adjusted = "–" if j.p_adjusted is None else f"{j.p_adjusted:.2g}"
    return f"{j.outcome.p:.2g} ({adjusted})" if j.outcome.p else "< 1e-300"


def _notes(judgements: Sequence[Judgement]) -> list[str]:
    """What the flags say, and what the undecided claims would take."""
    lines = ["p is one-sided, at the margin, of the verdict; in brackets it is adjusted for the number of claims.", ""]
    for flag in dict.fromkeys(flag for j in judgements for flag in j.flags):
        sentences = {j.flags[flag]: j.id for j in judgements if flag in j.flags}
        same = len(sentences) == 1
        lines += [f"- *{flag}*: {text}" + ("" if same else f" ({identity})") for text, identity in sentences.items()]
    for j in judgements:
        needed = j.outcome.seeds_needed or 0
        if j.verdict == "undecided" and needed > j.outcome.n:  # else the effect is near its margin
            times = three_digits(needed / j.outcome.n)
            cost = f"{needed} seeds an arm, {times} times its trainings"
            lines.append(f"- `{j.id}` would have an interval of ± its margin with {cost}.")
    return lines


def _chosen(judgements: Sequence[Judgement]) -> list[str]:
    claims: dict[tuple[str, str, str], list[str]] = {}
    for j in judgements:
        for arm, settings in (j.outcome.selected or {}).items():
            cells = settings if all(isinstance(value, Mapping) for value in settings.values()) else {"": settings}
            for cell, values in cells.items():
                words = ", ".join(f"{name} {value}" for name, value in values.items())
                claims.setdefault((arm, cell or "–", words), []).append(f"`{j.id}`")
    if not claims:
        return []
    rows = [(*row, ", ".join(of_row)) for row, of_row in claims.items()]
    table = markdown(("arm", "where", "chosen", "for"), rows)
    return ["## What was chosen", "", "On validation images, with seeds that are not judged.", "", *table, ""]


DIFFERS = {
    "mlp": "learning rates and initial weights are our own",
    "inception_small": "a copy of the network on small pictures in place of the whole on ImageNet, and fewer epochs; "
    "judged is the accuracy at the last step, where the paper has maxima on test images",
    "recurrent": "the paper trains no recurrent network",
}
"""By model."""


def _how(gathered: Records, altered: bool) -> list[str]:
    """The setting, the networks, the command and the stamp."""
    lines = ["## How it was made", "", f"`{_command(gathered, altered)}`", ""]
    file = paths.experiments().get(gathered.experiment)
    if file is not None and not altered:
        lines += [header(file), ""]
    size = model_size(gathered)
    if size is not None:
        lines.append(f"- networks: {span(size['layers'])} layers, {span(size['parameters'])} parameters")
    stamp = common_stamp(gathered.runs)
    lines += [f"- {key.replace('_', ' ')}: {_plain(value)}" for key, value in stamp.items() if key != "data_sha256"]
    if file is not None and not altered and (differs := DIFFERS.get(gathered.runs[0].value("model.name"))):
        lines.append(f"- where it differs from the paper: {differs}; docs/experiments.md of bnexp has the rest")
    if costs := _costs(gathered.runs):
        lines.append(f"- probes, as parts of the time: {costs}")
    return [*lines, f"- settings that all runs share: {_shared(gathered)}"]


def _costs(runs: Iterable[Record]) -> str:
    """What each probe cost, in parts of the runs' time."""
    measured = [run.summary for run in runs if run.summary.get("probe_seconds")]
    total = sum(summary["seconds"] for summary in measured)
    names = dict.fromkeys(name for summary in measured for name in summary["probe_seconds"])
    parts = {name: sum(summary["probe_seconds"].get(name, 0.0) for summary in measured) / total for name in names}
    return ", ".join(f"{name} {percent(part, 1)}" for name, part in parts.items())


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
        return command(gathered.experiment, gathered.scale, gathered.dataset["name"])
    return "; ".join(sorted({run.summary["stamp"]["command"] for run in gathered.runs}))


def _shared(gathered: Records) -> str:
    varied = {*gathered.varied(), "seed"}
    fields = gathered.runs[0].fields
    return ", ".join(f"{k}={v}" for k, v in flatten(fields).items() if k not in varied)


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {v}" for k, v in value.items())
    return "; ".join(map(_plain, value)) if isinstance(value, list) else str(value)
