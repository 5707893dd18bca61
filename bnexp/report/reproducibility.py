"""`REPORT.md` of a folder of results, in the form of reproducibility reports: scope, method, results, deviations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader

from bnexp.judging.words import span
from bnexp.report.effects import certainty, effect
from bnexp.report.experiments import command

UNUSUAL = ("contradicted", "mixed")

PICTURES = ("cifar10", "cifar10_jpeg", "tiny_imagenet", "imagenet")
"""The data of experiments of Inception."""


def text(
    results: Path, verdict_files: Sequence[tuple[Path, Mapping[str, Any]]], questions: Mapping[str, str], score: str
) -> str:
    """The report in Markdown; `questions` are those of the experiments, in the order in which they are answered."""
    verdicts = [verdict for _, verdict in verdict_files]
    main: dict[str, list[dict[str, Any]]] = {question: [] for question in dict.fromkeys(questions.values())}
    against = []
    for verdict in verdicts:
        for claim in verdict["claims"]:
            if claim.get("primary") and not claim.get("control"):
                main[questions[verdict["experiment"]]].append(_said(claim))
            elif claim["verdict"] in UNUSUAL and not claim.get("control"):
                against.append(_said(claim))
    environment = Environment(loader=PackageLoader("bnexp", "report"), autoescape=False, keep_trailing_newline=True)
    return environment.get_template("reproducibility.md").render(
        score=score,
        questions=list(main),
        experiments=[_experiment(path.parent.relative_to(results).as_posix(), v) for path, v in verdict_files],
        commits=_commits(verdicts),
        data=dict(item for verdict in verdicts for item in sorted(verdict["dataset"].get("sha256", {}).items())),
        main={question: said for question, said in main.items() if said},
        against=against,
        mnist=_trained([verdict for verdict in verdicts if verdict["dataset"]["name"] == "mnist"]),
        inception=_trained([verdict for verdict in verdicts if verdict["dataset"]["name"] in PICTURES]),
        names={verdict["experiment"] for verdict in verdicts},
    )


def _trained(verdicts: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Data, sizes of the networks and epochs of several experiments, in words; empty where there are none."""
    known = [verdict for verdict in verdicts if verdict.get("epochs") and verdict.get("model")]
    ends = [end.replace(",", "") for verdict in known for end in re.findall(r"[\d.,]+", verdict["epochs"])]
    if not ends:
        return {}
    low, high = min(ends, key=float), max(ends, key=float)
    return {
        "data": " and ".join(dict.fromkeys(verdict["dataset"]["name"] for verdict in known)),
        "layers": span([number for verdict in known for number in verdict["model"]["layers"]]),
        "parameters": span([number for verdict in known for number in verdict["model"]["parameters"]]),
        "epochs": low if low == high else f"{low} to {high}",
    }


def _said(claim: Mapping[str, Any]) -> dict[str, str]:
    sure = ", ".join(filter(None, (certainty(claim), f"n = {claim['n']}", *claim["flags"])))
    return {"claim": claim["claim"], "verdict": claim["verdict"], "found": effect(claim), "sure": sure}


def _experiment(folder: str, verdict: Mapping[str, Any]) -> dict[str, Any]:
    size = verdict.get("model")
    return {
        "name": verdict["experiment"],
        "folder": folder,
        "data": verdict["dataset"]["name"],
        "networks": "–" if size is None else f"{span(size['layers'])} layers, {span(size['parameters'])} parameters",
        "epochs": str(verdict.get("epochs") or "– epochs").rpartition(" ")[0],
        "n": span([claim["n"] for claim in verdict["claims"] if claim["n"]]),
        "command": command(verdict["experiment"], verdict["scale"], verdict["dataset"]["name"]),
    }


def _commits(verdicts: Iterable[Mapping[str, Any]]) -> list[str]:
    known: dict[str, None] = {}
    for verdict in verdicts:
        commits = verdict.get("stamp", {}).get("git_commit")
        known |= dict.fromkeys(filter(None, commits if isinstance(commits, list) else [commits]))
    return list(known)
