"""Verdicts read back: `verdict.json` of a report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from bnexp.claims import Verdict
from bnexp.report import ReportError

PARTS = ("section", "claim", "paper", "measured", "n", "verdict")
"""What is shown of a judgement."""


JUDGED, OF_CLAIM = {"norm", "scale", "contract", "claims"}, {"experiment", "id", "norms", "against_bn"}
"""What is shown of a norm in BN's place, and of every claim that was asked of it."""


def read(path: Path) -> dict[str, Any]:
    """What a report's `verdict.json` holds. Errors: ReportError for one that is damaged."""
    try:
        verdict: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        words = [verdict["experiment"], verdict["scale"], verdict["dataset"]["name"]]
        words += [str(judgement[part]) for judgement in verdict["claims"] for part in PARTS]
        if "partial" in verdict:
            words += [str(verdict["partial"][part]) for part in ("finished", "planned")]
        if not all(isinstance(word, str) for word in words):
            raise TypeError("a name is no text")
        if odd := {judgement["verdict"] for judgement in verdict["claims"]} - set(get_args(Verdict)):
            raise ValueError(f"{odd.pop()} is no verdict")
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ReportError(f"{path} is damaged ({error}); {_way_out(path)}") from error
    return verdict


def entries(verdict: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The entries of its claims, each with the experiment and the data set's title as `data`."""
    of = {"experiment": verdict["experiment"], "data": verdict["dataset"].get("title", "")}
    return [{**claim, **of} for claim in verdict["claims"]]


def read_all(results: Path) -> tuple[list[tuple[Path, dict[str, Any]]], list[str]]:
    """The verdicts of the experiments right under `results`, each with its path; and what is wrong with the others."""
    verdicts, damaged = [], []
    for path in sorted(results.glob("*/verdict.json")):
        try:
            verdicts.append((path, read(path)))
        except ReportError as error:
            damaged.append(str(error))
    return verdicts, damaged


def read_judged(judge: Path) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """By name what the norms of `results/judge` were found to be; and what is wrong with the others."""
    found, damaged = {}, []
    for path in sorted(judge.glob("*/verdict.json")):
        try:
            verdict = json.loads(path.read_text(encoding="utf-8"))
            whole = verdict.keys() >= JUDGED and all(claim.keys() >= OF_CLAIM for claim in verdict["claims"])
            if not whole or not all(verdict["norm"] in claim["norms"] for claim in verdict["claims"]):
                raise ValueError("it is not whole")
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            damaged.append(f"{path} is damaged ({error}); restore it, or judge the norm again: bnexp judge")
        else:
            found[path.parent.name] = verdict
    return found, damaged


def is_old(verdict: Mapping[str, Any]) -> bool:
    """Whether its claims were judged by the rules from before docs/protocol.md."""
    return any("kind" not in claim for claim in verdict["claims"])


def rules_of(path: Path) -> dict[str, dict[str, str | None]]:
    """By claim, the rule that judged it and the commit of the rule, as far as the report has them."""
    try:
        claims = json.loads(path.read_text(encoding="utf-8"))["claims"]
        return {str(c["id"]): {key: c.get(key) for key in ("rule_sha256", "rule_commit")} for c in claims}
    except (OSError, ValueError, LookupError, TypeError):
        return {}


def _way_out(path: Path) -> str:
    if (path.parent / "records" / "runs.json").is_file():
        return f"write it anew: bnexp report {path.parent}"
    return f"restore it, or train again: bnexp run experiment={path.parent.name}"
