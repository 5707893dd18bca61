"""Reports made anew from their records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bnexp.config import ConfigError
from bnexp.console import out
from bnexp.report import ReportError, index
from bnexp.report.conclude import check_writable
from bnexp.report.experiments import described, files
from bnexp.report.printing import print_report
from bnexp.report.writing import write
from bnexp.runs import records
from bnexp.runs.records import RecordsError


def redraw(names: Sequence[str], results: Path, config_dir: Path | None, kind: str = "png") -> None:
    """Judge and draw anew from records: those of experiments under `results` (by default all), or of any folder.

    `kind` is that of the figures.

    Errors: ReportError, when all others are drawn, for those of which it cannot be done.
    """
    known = files(config_dir)
    folders = [_named(Path(name)) for name in names if holds_records(name)]
    experiments = [name for name in names if not holds_records(name)]
    if experiments or not names:
        folders += _under(results, experiments)
    failures: list[str] = []
    for folder in folders:
        try:
            _redraw(folder, known, kind)
        except (RecordsError, ReportError, ConfigError) as error:
            failures.append(str(error))
    for overview in {index.of(folder) for folder in folders if folder.resolve().is_relative_to(results.resolve())}:
        index.write(overview)
        if (page := overview / "index.html").is_file():
            out.print(f"All on one page: {page}", soft_wrap=True)
    if failures:
        raise ReportError("; ".join(failures))


def _named(folder: Path) -> Path:
    """The folder by a path that ends with its name, which may be that of an experiment."""
    return folder if folder.name not in ("", "..") else folder.resolve()


def _redraw(folder: Path, known: dict[str, Path], kind: str) -> None:
    gathered = described(records.load(folder / "records"), folder, known)
    check_writable(str(folder))
    judgements, _ = write(gathered, folder, kind)
    print_report(gathered, judgements)
    out.print(f"Report: {folder / 'README.md'}\n")


def holds_records(folder: str) -> bool:
    """Whether this is a folder with a report's records, such as that of a sweep under the outputs."""
    return (Path(folder) / "records" / "runs.json").is_file()


def reports_near(folder: Path) -> list[str]:
    """Folders with records in or beside one that has none; where it is in none that exists, those around that."""
    base = next(place for place in (folder, *folder.parents, Path()) if place.is_dir())
    around = [path for deeper in ("", "*/", "*/*/") for path in base.glob(f"{deeper}*/records/runs.json")]
    return sorted(str(path.parent.parent) for path in around)


def _under(results: Path, names: Sequence[str]) -> list[Path]:
    """The folders of these experiments' records, or of all."""
    folders = sorted(path.parent.parent for path in results.rglob("records/runs.json"))
    absent = set(names) - {folder.name for folder in folders}
    if absent:
        raise ReportError(
            f"no records of {', '.join(sorted(absent))} under {results}; "
            f"train it first: bnexp run experiment={min(absent)}"
        )
    return [folder for folder in folders if not names or folder.name in names]
