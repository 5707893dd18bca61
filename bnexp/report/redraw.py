"""Reports made anew from their records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bnexp import paths
from bnexp.console import out
from bnexp.report import ReportError, index
from bnexp.report.conclude import check_writable
from bnexp.report.experiments import OWN, experiment
from bnexp.report.printing import print_report
from bnexp.report.writing import write
from bnexp.runs import records


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
        print_report(shown, gathered, judgements)
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
