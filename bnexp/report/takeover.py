"""Finished runs taken over from an experiment's records, so that long trainings survive a change of machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bnexp.config import Config, flatten, run_fields
from bnexp.report import ReportError
from bnexp.report.conclude import describe, place
from bnexp.runs import records
from bnexp.runs.folder import RunFolder
from bnexp.runs.records import Record, Records


@dataclass
class TakenOver:
    """What is taken over for a command's runs."""

    runs: dict[str, Record] = field(default_factory=dict)
    """By id."""
    sentences: list[str] = field(default_factory=list)
    """What is to be said of it."""


def take_over(configs: Sequence[Config]) -> TakenOver:
    """The records of those runs that are not finished here and may be taken over: `reuse=true`.

    They are looked for where the experiment's report goes, and that of a part of its runs. The id tells settings and
    engine, and the stamp the data.
    Errors: ReportError for records that are damaged.
    """
    wanted: dict[tuple[Path, Path], list[Config]] = {}
    for config in configs:
        if config.reuse and RunFolder(config.outputs, config).summary() is None:
            head = Records(str(config.experiment), config.scale, describe(config), [])
            heads = head, replace(head, planned=0)  # of all of its runs, and of a part of them
            all_runs, part = (place(Path(config.results), each) / "records" for each in heads)
            wanted.setdefault((all_runs, part), []).append(config)
    reused = TakenOver()
    for folders, missing in wanted.items():
        present = [folder for folder in folders if (folder / "runs.json").exists()]
        if not present:
            reused.sentences.append(f"reuse=true: there are no records in {folders[0]}.")
        for folder in present:
            _take(reused, folder, [c for c in missing if RunFolder(c.outputs, c).id not in reused.runs])
    return reused


def _take(reused: TakenOver, folder: Path, missing: Sequence[Config]) -> None:
    try:
        kept = {run.id: run for run in records.load(folder).runs}
    except (OSError, ValueError, KeyError) as error:
        raise ReportError(f"reuse=true: {error}; or leave it out") from error
    commits: Counter[str] = Counter()
    other = 0
    for config in missing:
        run = kept.get(RunFolder(config.outputs, config).id)
        if run is None:
            continue
        stamp, digests = run.summary["stamp"], describe(config)["sha256"]
        if any(digests.get(name, digest) != digest for name, digest in stamp["data_sha256"].items()):
            other += 1
            continue
        reused.runs[run.id] = replace(run, fields=flatten(run_fields(config)))
        commits[(stamp["git_commit"] or "unknown")[:10]] += 1
    if other:
        what = "1 run" if other == 1 else f"{other} runs"
        reused.sentences.append(f"reuse=true: of {what} in {folder} the data is other than here; trained anew.")
    made_at = ", ".join(f"{commit} ({n})" for commit, n in commits.most_common())
    reused.sentences.append(
        f"{'1 run is' if commits.total() == 1 else f'{commits.total()} runs are'} taken over from {folder}, made at "
        f"commit {made_at}."
        if commits
        else f"reuse=true: {folder} has none of the runs that are missing."
    )
