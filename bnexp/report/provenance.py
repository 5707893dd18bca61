"""Whether the rules that judge are older than the runs: by the commit that last changed each, and those of the runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bnexp.claims import Judgement
from bnexp.runs.records import Record
from bnexp.runs.stamp import git

RULES = "bnexp/claims/rules.json"
"""The digest of each claim's rule, by the claim's experiment and id."""

YOUNGER = "the rule is younger than the runs"
UNKNOWN = "age of the rule unknown"


def dated(
    judgements: Sequence[Judgement], runs: Sequence[Record], before: Mapping[str, Mapping[str, str | None]]
) -> list[Judgement]:
    """The judgements with the commit of their rules, flagged where a rule is younger than the runs.

    Without git, in a shallow clone, or where the code of the runs is in no commit, the age is unknown; what was known
    of the same rule `before`, by the claim's id, is kept then.
    """
    stamps = [run.summary["stamp"] for run in runs]
    commits = {str(stamp["git_commit"]) for stamp in stamps if stamp.get("git_commit") and not stamp.get("git_dirty")}
    certain = len(stamps) > 0 and all(stamp.get("git_commit") and not stamp.get("git_dirty") for stamp in stamps)
    return [_dated(judgement, commits if certain else set(), before.get(judgement.id, {})) for judgement in judgements]


def _dated(judgement: Judgement, commits: set[str], before: Mapping[str, str | None]) -> Judgement:
    rule = _last_change(judgement.rule_sha256)
    known = [_is_ancestor(rule, commit) for commit in commits] if rule else []
    if not known or None in known:
        if before.get("rule_sha256") == judgement.rule_sha256 and before.get("rule_commit"):
            return replace(judgement, rule_commit=before["rule_commit"])
        return judgement.flagged(age=UNKNOWN)
    if all(known):
        return replace(judgement, rule_commit=rule)
    sentence = "; ".join(filter(None, [judgement.flags.get("exploratory"), YOUNGER]))
    return replace(judgement, rule_commit=rule).flagged(exploratory=sentence)


def _last_change(digest: str) -> str | None:
    """The commit that brought the rule as it is now into the file."""
    commit = git("log", "-S", digest, "--format=%H", "-n", "1", "--", RULES)
    return commit or None


def _is_ancestor(rule: str, commit: str) -> bool | None:
    """Whether the rule's commit is among those that the runs' code came after; None where it cannot be told."""
    if git("cat-file", "-e", f"{commit}^{{commit}}") is None:
        return None
    return git("merge-base", "--is-ancestor", rule, commit) is not None
