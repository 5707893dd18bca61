"""`index.html` of a folder of results: one file that needs nothing else, for whoever the results are passed on to."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from jinja2 import Environment, PackageLoader
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from bnexp.drawing.colours import COLOURS, colours
from bnexp.judging.claim import Verdict
from bnexp.judging.words import arm_name, by_verdict, count
from bnexp.report import effects, explanations, sayings
from bnexp.report.experiments import command
from bnexp.report.pictures import inline, png, svg
from bnexp.report.score import counted
from bnexp.version import __version__

VERDICTS = get_args(Verdict)

HELD = {True: "as it should be", False: "not as it should be", None: "undecided"}
"""What is said of a control in place of its verdict, which would read as one on BN."""

Verdicts = Sequence[tuple[Path, Mapping[str, Any]]]


def page(
    results: Path,
    verdict_files: Verdicts,
    asked: Mapping[str, str],
    forest: Figure | None,
    judged: Mapping[str, Mapping[str, Any]],
) -> str:
    """The page in HTML; figures are taken from the SVG files of the reports, where there are some.

    `asked` has the question of each experiment, in the order in which they are answered, and `judged` by their names
    what the norms in BN's place were found to be.
    """
    order = list(asked)
    verdict_files = sorted(verdict_files, key=lambda item: order.index(item[1]["experiment"]))
    rows = [
        _row(verdict, claim, asked[verdict["experiment"]], path.relative_to(results).as_posix(), again)
        for path, verdict in verdict_files
        for again in [command(verdict["experiment"], verdict["scale"], verdict["dataset"]["name"])]
        for claim in sorted(verdict["claims"], key=lambda claim: not claim.get("primary"))
    ]
    found = explanations.found_in(verdict_files)
    template = Environment(loader=PackageLoader("bnexp", "report"), autoescape=True).get_template("page.html")
    return template.render(
        score=score([verdict for _, verdict in verdict_files]),
        verdicts=tuple(dict.fromkeys((*VERDICTS, *HELD.values()))),
        questions=list(dict.fromkeys(asked.values())),
        sayings=[
            (
                saying.sentence,
                by_verdict(claim["verdict"] for _, claim in answers),
                [(a.where, a.experiment, claim, sayings.told(claim)) for a, claim in answers],
            )
            for saying, answers in sayings.answered(found)
        ],
        experiments=[_experiment(path.parent, verdict, results) for path, verdict in verdict_files],
        rows=rows,
        first=_drawing(results / "mnist_activations" / "figures" / "figure_1a.svg"),
        forest="" if forest is None else _element(forest, "effects and intervals of the main claims"),
        explained=_element(explanations.figure(found), "explanations, with the claims for and against them"),
        explanations=[(e, explanations.word(e, found)) for e in explanations.EXPLANATIONS],
        witnesses=_witnesses(found),
        rule=explanations.RULE,
        cause=explanations.CAUSE,
        judged=_judged(judged),
        version=__version__,
        begun=_begun([verdict for _, verdict in verdict_files]),
    )


def _element(figure: Figure, words: str) -> Markup:
    """As a drawing, or where that would be too long as pixels."""
    if drawn := svg(figure):
        return Markup(drawn)
    return Markup('<img src="{}" alt="{}">').format(inline(io.BytesIO(png(figure))), words)


def _begun(of_experiments: Sequence[Mapping[str, Any]]) -> str:
    """From which day to which."""
    stamps = [(verdict.get("stamp") or {}).get("started") or [] for verdict in of_experiments]
    days = sorted({day[:10] for begun in stamps for day in ([begun] if isinstance(begun, str) else begun)})
    return " to ".join(dict.fromkeys([days[0], days[-1]])) if days else ""


def score(of_experiments: Sequence[Mapping[str, Any]]) -> str:
    """How many claims came out how."""
    claims = [claim for verdict in of_experiments for claim in verdict["claims"]]
    return f"{'; '.join([count(len(of_experiments), 'experiment'), *counted(claims)])}." if claims else ""


def _witnesses(found: explanations.Found) -> tuple[int, int]:
    """Of the claims that bear on an explanation, each on its networks, how many are judged, and how many there are."""
    entries = [
        explanations.entry(witness, network, found)
        for explanation in explanations.EXPLANATIONS
        for witness in explanation.witnesses
        for network in explanations.networks(witness)
    ]
    return sum(entry is not None for entry in entries), len(entries)


def _row(verdict: Mapping[str, Any], claim: Mapping[str, Any], question: str, file: str, again: str) -> dict[str, Any]:
    """A claim as the page shows it; `file` is the one it stands in, `again` the command that would make it anew."""
    old = "kind" not in claim
    is_control = bool(claim.get("control"))
    return {
        **claim,
        "word": HELD[claim.get("held")] if is_control else claim["verdict"],
        "role": "control" if is_control else "main" if claim.get("primary") else "further",
        "experiment": verdict["experiment"],
        "question": question,
        "old": old,
        "flags": claim.get("flags") or {},
        "effect": "" if old else effects.effect(claim),
        "interval": "" if old else effects.certainty(claim),
        "strip": "" if old else strip(claim["values"], claim["unit"]),
        "again": again,
        "dataset": verdict["dataset"]["name"],
        "scale": verdict["scale"],
        "file": file if any(value["value"] is not None for value in claim.get("values", ())) else "",
        "stamp": _stamp(verdict.get("stamp", {})),
        "made_by": _stamped(verdict.get("stamp", {}), "command"),
        "data": _stamped(verdict.get("stamp", {}), "data_sha256"),
    }


def _stamp(stamp: Mapping[str, Any]) -> str:
    """On which machine, with what, when and from which commit runs were made."""
    parts = []
    for key, name in STAMPED.items():
        if of_key := _stamped(stamp, key):
            parts.append(f"{name} {(' to ' if key == 'started' else ' or ').join(of_key)}".strip())
    return ", ".join(parts)


def _stamped(stamp: Mapping[str, Any], key: str) -> list[str]:
    """What a stamp has of something, each in words; runs of one experiment may differ in it."""
    known = stamp[key] if isinstance(stamp.get(key), list) else [stamp.get(key)]
    return list(dict.fromkeys(_in_line(key, value) for value in known if value))


STAMPED = {
    **{"platform": "", "device": "on", "threads": "threads a process:", "python": "Python", "versions": ""},
    **{"bnexp": "bnexp", "engine": "engine", "started": "begun", "git_commit": "commit"},
}
"""What is shown of a stamp in a line, and the word in front of it."""

DIGITS = 12
"""Shown of a file's SHA-256."""


def _in_line(key: str, value: Any) -> str:
    if key == "data_sha256":
        return ", ".join(f"{file} {digest[:DIGITS]}" for file, digest in value.items())
    if isinstance(value, dict):
        return " ".join(f"{name} {version}" for name, version in value.items())
    return str(value)[: {"git_commit": 10, "started": 10}.get(key)]


WIDE, ROW, LEFT, LETTERS = 640, 18, 290, 46
"""Of a strip of dots, in its own units, and the letters in front of a line."""

MOST_LINES = 30

NAMED = {arm_name(name): name for name in COLOURS}
"""By what arms are called, the names under which they have their colours in all figures."""


def hues(arms: Sequence[str]) -> dict[str, str]:
    """A colour for each arm of a strip: its own, else, where no other shares it, that of its norm or network."""
    firsts = Counter(arm.partition(",")[0] for arm in arms)
    keys = []
    for arm in arms:
        first = arm.partition(",")[0]
        keys.append(NAMED.get(arm, NAMED[first] if first in NAMED and firsts[first] == 1 else arm))
    return dict(zip(arms, colours(keys).values(), strict=True))


def strip(values: Sequence[Mapping[str, Any]], unit: str) -> Markup:
    """Every seed's value as a dot and their mean as a stroke, a line an arm and cell; of too many lines nothing."""
    lines: dict[tuple[str, str], list[float]] = {}
    for value in values:
        if value["value"] is not None:
            lines.setdefault((str(value["cell"]), str(value["arm"])), []).append(float(value["value"]))
    known = [value for of_line in lines.values() for value in of_line]
    if not known or len(lines) > MOST_LINES:
        return Markup("")
    low, high = min(known), max(known)
    reach = (high - low) or 1.0
    drawn = []
    of_arms = hues(list(dict.fromkeys(arm for _, arm in sorted(lines))))
    for i, ((cell, arm), of_line) in enumerate(sorted(lines.items())):
        y = ROW * (i + 0.7)
        colour = of_arms[arm]
        label = ", ".join(part for part in (cell, arm) if part)
        label = label if len(label) <= LETTERS else f"{label[: LETTERS - 1]}…"
        drawn.append(f'<text x="{LEFT - 8}" y="{y + 4:.0f}" text-anchor="end">{escape(label)}</text>')
        at = [LEFT + (WIDE - LEFT - 10) * (value - low) / reach for value in of_line]
        middle = sum(at) / len(at)
        drawn.append(f'<path d="M{middle:.1f} {y - 7:.0f}v14" stroke="{colour}" stroke-width="2"/>')
        drawn += [f'<circle cx="{x:.1f}" cy="{y:.0f}" r="3.5" fill="{colour}"/>' for x in at]
    ends = [level_of(end, unit) for end in (low, high)]
    foot = ROW * (len(lines) + 0.9)
    drawn.append(f'<text x="{LEFT}" y="{foot:.0f}">{escape(ends[0])}</text>')
    drawn.append(f'<text x="{WIDE - 10}" y="{foot:.0f}" text-anchor="end">{escape(ends[1])}</text>')
    box = f"0 0 {WIDE} {ROW * (len(lines) + 1.2):.0f}"
    return Markup(f'<svg class="strip" viewBox="{box}" role="img" aria-label="every seed">{"".join(drawn)}</svg>')


def level_of(value: float, unit: str) -> str:
    """The end of a strip's axis; of ratios the values are as they are."""
    return f"{100 * value:.4g} %" if unit in ("points", "share") else f"{value:.4g}"


def _experiment(folder: Path, verdict: Mapping[str, Any], results: Path) -> dict[str, Any]:
    """An experiment's heading, its first drawing, and the pictures beside it."""
    drawings, pictures = (sorted((folder / "figures").glob(f"*.{kind}")) for kind in ("svg", "png"))
    shown = next(filter(None, map(_drawing, drawings)), "")
    if pictures and not shown:
        shown = Markup('<img src="{}" alt="{}">').format(inline(pictures[0]), _in_words(pictures[0]))
    where = folder.relative_to(results).as_posix()
    counts = "; ".join(counted(verdict["claims"]))
    return {
        "name": verdict["experiment"],
        "title": verdict.get("title", verdict["experiment"]),
        "folder": where,
        "counts": counts,
        "drawing": shown,
        "pictures": {_in_words(path): f"{where}/figures/{path.name}" for path in pictures},
    }


def _in_words(picture: Path) -> str:
    return picture.stem.replace("_", " ")


def _drawing(path: Path) -> Markup | str:
    return Markup(path.read_text(encoding="utf-8")) if path.is_file() else ""


AGAINST_BN = "against BN"


def _judged(judged: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The norms that were judged, and by claim what became of it with each of them; empty where there are none.

    Each has columns of its own for BN and layer norm, too: verdicts are adjusted over all that a norm was asked.
    """
    norms: list[dict[str, Any]] = []
    claims: dict[tuple[str, str], dict[str, Any]] = {}
    for name, verdict in judged.items():
        beside = [norm for norm in ("batch", "layer") if any(norm in entry["norms"] for entry in verdict["claims"])]
        columns = {norm: arm_name(norm) for norm in beside}
        columns |= {verdict["norm"]: name, AGAINST_BN: f"{name} {AGAINST_BN}"}
        norms.append(
            {"name": name, "folder": f"judge/{name}", "promises": promises(verdict), "columns": columns}
            | {"told": ", ".join(filter(None, (verdict.get("dataset"), f"scale {verdict['scale']}")))}
        )
        for entry in verdict["claims"]:
            by_norm = {**entry["norms"], AGAINST_BN: entry["against_bn"]}
            row = claims.setdefault(
                (entry["experiment"], entry["id"]),
                {"experiment": entry["experiment"], "sentence": next(iter(by_norm.values()))["claim"], "cells": {}},
            )
            row["cells"][name] = {norm: _cell(of) for norm, of in by_norm.items()}
    return {"norms": norms, "claims": list(claims.values())} if norms else {}


def promises(verdict: Mapping[str, Any]) -> str:
    """How much of the contract a judged norm keeps."""
    kept = sum(bool(result["passed"]) for result in verdict["contract"])
    return f"keeps {kept} of {len(verdict['contract'])} promises of a norm"


def _cell(claim: Mapping[str, Any]) -> dict[str, Any]:
    effect = f"{effects.brief(claim)}, n = {claim['n']}" if claim["n"] else "–"
    flags = [flag for flag in claim["flags"] if flag != "exploratory"]
    return {"verdict": claim["verdict"], "effect": effect, "flags": flags}
