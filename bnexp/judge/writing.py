"""The report on a candidate: the contract, the profile at a glance, every claim with several norms in BN's place."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from bnexp import claims
from bnexp.claims import BN, Judgement, Records
from bnexp.files import write_atomically
from bnexp.judge.candidate import Candidate
from bnexp.judge.profile import Entry
from bnexp.judging.matching import shown
from bnexp.judging.words import arm_name
from bnexp.norms.contract import Result
from bnexp.report import effects
from bnexp.report.forest import COLOURS
from bnexp.report.pictures import save, title


def write(
    folder: Path,
    candidate: Candidate,
    contract: Sequence[Result],
    entries: Sequence[Entry],
    gathered: Sequence[Records],
    kind: str = "png",
) -> None:
    """Write `README.md`, `verdict.json`, `profile.png` and a figure for each experiment's subjects.

    `kind` is that of the figures.
    """
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    pictures: dict[str, str] = {}
    for records in gathered:
        for stem, figure in _figures(records, entries).items():
            save(figure, folder / "figures" / stem, kind)
            pictures[stem] = title(figure)
    if entries:
        save(profile_figure(candidate, entries), folder / "profile", kind)
    write_atomically(folder / "README.md", _readme(candidate, contract, entries, gathered, pictures))
    verdict = {
        "norm": candidate.target,
        "settings": dict(candidate.settings),
        "contract": [vars(result) for result in contract],
        "claims": [_entry(entry) for entry in entries],
    }
    write_atomically(folder / "verdict.json", json.dumps(verdict, indent=1, ensure_ascii=False) + "\n")


def _figures(records: Records, entries: Sequence[Entry]) -> dict[str, Figure]:
    """What the subjects draw, the candidate among the arms."""
    figures: dict[str, Figure] = {}
    for name in dict.fromkeys(entry.subject for entry in entries if entry.experiment == records.experiment):
        subject = claims.REGISTRY[name]
        figures |= subject.figures(records if subject.shows_tuning else shown(records))
    return figures


def _entry(entry: Entry) -> dict[str, Any]:
    return {
        "experiment": entry.experiment,
        "id": entry.claim.id,
        "norms": {norm: judgement.as_dict() for norm, judgement in entry.judgements.items()},
        "against_bn": entry.against_bn.as_dict(),
    }


def profile_figure(candidate: Candidate, entries: Sequence[Entry]) -> Figure:
    """A row a claim, a column a norm in BN's place and one for the candidate against BN, coloured by verdict."""
    norms = list(entries[0].judgements)
    columns = [*norms, None]
    labels = [*(candidate.name if norm == candidate.norm else arm_name(norm) for norm in norms), "against BN"]
    row, left, wide = 0.36, 7.0, 1.5
    height = row * len(entries) + 1.6
    figure = Figure(figsize=(left + wide * len(columns) + 0.3, height), dpi=100)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    axes.set_xlim(0, left + wide * len(columns) + 0.3)
    axes.set_ylim(height, 0)
    axes.text(0.15, 0.3, f"{candidate.name} in BN's place", fontsize=13)
    for i, (verdict, colour) in enumerate(COLOURS.items()):
        axes.plot(0.3 + 1.7 * i, 0.7, "s", color=colour, ms=10)
        axes.text(0.5 + 1.7 * i, 0.7, verdict, va="center", fontsize=10)
    for i, label in enumerate(labels):
        axes.text(left + wide * (i + 0.5), 1.1, textwrap.shorten(label, 20, placeholder="…"), ha="center", fontsize=10)
    for j, entry in enumerate(entries):
        y = 1.45 + row * j
        axes.text(
            0.15,
            y,
            textwrap.shorten(entry.claim.sentence.replace("{epochs}", "so many epochs"), 96, placeholder=" …"),
            va="center",
            fontsize=8.5,
        )
        for i, norm in enumerate(columns):
            judgement = entry.against_bn if norm is None else entry.judgements[norm]
            box = {"boxstyle": "square,pad=0.35", "facecolor": COLOURS[judgement.verdict], "edgecolor": "none"}
            axes.text(
                left + wide * (i + 0.5),
                y,
                effects.brief(judgement.as_dict()) if judgement.n else "–",
                ha="center",
                va="center",
                fontsize=8.5,
                color="white",
                bbox=box,
            )
    return figure


def _readme(
    candidate: Candidate,
    contract: Sequence[Result],
    entries: Sequence[Entry],
    gathered: Sequence[Records],
    pictures: Mapping[str, str],
) -> str:
    broken = [result for result in contract if not result.passed]
    kept = f"It keeps {len(contract) - len(broken)} of the {len(contract)} promises of a norm."
    lines = [f"# {candidate.name}", "", f"`{candidate.target}` in the place of batch normalisation.", "", kept, ""]
    for result in broken:
        expected = f" Expected: {result.expected}." if result.expected else ""
        lines.append(f"- `{result.check}`: {result.sentence}.{expected}")
    if entries:
        lines += ["", "![Every claim with several norms in BN's place](profile.png)", ""]
    for records in gathered:
        of_experiment = [entry for entry in entries if entry.experiment == records.experiment]
        lines += ["", f"## {records.title}", "", f"{records.experiment}: {shown(records).caption}.", ""]
        lines += _table(candidate, of_experiment)
    lines += [line for stem, caption in pictures.items() for line in ("", f"![{caption}](figures/{stem}.png)")]
    lines += ["", "<details><summary>The contract</summary>", "", "| check | promise | kept |", "|---|---|---|"]
    lines += [f"| `{r.check}` | {r.promise} | {'yes' if r.passed else f'**no**: {r.sentence}'} |" for r in contract]
    return "\n".join([*lines, "", "</details>"]) + "\n"


def _table(candidate: Candidate, entries: Sequence[Entry]) -> list[str]:
    if not entries:
        return ["It has no claim that can be asked of another norm."]
    norms = list(entries[0].judgements)
    heads = [candidate.name if norm == candidate.norm else arm_name(norm) for norm in norms]
    rows = [f"| claim | {' | '.join(heads)} | {candidate.name} against BN |", "|---" * (len(norms) + 2) + "|"]
    for entry in entries:
        cells = " | ".join(_cell(entry.judgements[norm]) for norm in norms)
        sentence = entry.judgements.get(BN, entry.against_bn).claim
        rows.append(f"| {sentence} | {cells} | {_cell(entry.against_bn)} |")
    return rows


def _cell(judgement: Judgement) -> str:
    flags = "".join(f", *{flag}*" for flag in judgement.flags if flag != "exploratory")
    size = "" if judgement.size == "no figure" else f", {judgement.size}"
    return f"**{judgement.verdict}**{size}{flags}: {judgement.measured} (n = {judgement.n})"
