"""Reports made anew from their records."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from bnexp import interrupt, paths
from bnexp.config import ConfigError
from bnexp.console import out
from bnexp.machine import cores
from bnexp.report import ReportError, index, verdicts
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
    failures = [failure for failure in _each(folders, known, kind) if failure]
    for overview in {index.of(folder) for folder in folders if folder.resolve().is_relative_to(results.resolve())}:
        index.write(overview)
        if (page := overview / "index.html").is_file():
            out.print(f"All on one page: {page}", soft_wrap=True)
    if failures:
        raise ReportError("; ".join(failures))


def _named(folder: Path) -> Path:
    """The folder by a path that ends with its name, which may be that of an experiment."""
    return folder if folder.name not in ("", "..") else folder.resolve()


SEVERAL = 4
"""Up to so many reports further processes would not be worth their start."""


def _each(folders: Sequence[Path], known: dict[str, Path], kind: str) -> Iterator[str]:
    """Of every folder why it could not be drawn, or nothing; many are drawn by as many processes as there are cores."""
    if len(folders) <= SEVERAL or cores() == 1:
        for folder in folders:
            yield _redraw(folder, known, kind)
        return
    with ProcessPoolExecutor(cores(), multiprocessing.get_context("spawn")) as pool:
        with interrupt.blocked():  # whoever ends the command has the reports whole that are being drawn
            drawn = {folder: pool.submit(_silently, folder, known, kind) for folder in sorted(folders, key=_size)}
        try:
            for folder in folders:
                printed, failure = drawn[folder].result()
                out.file.write(printed)
                yield failure
        finally:
            pool.shutdown(cancel_futures=True)


def _size(folder: Path) -> int:
    """Of its records, negative: those that take longest are drawn first."""
    return -sum(path.stat().st_size for path in (folder / "records").iterdir())


def _silently(folder: Path, known: dict[str, Path], kind: str) -> tuple[str, str]:
    """What would be printed, to be printed in order, and the failure."""
    with out.capture() as captured:
        failure = _redraw(folder, known, kind)
    return captured.get(), failure


def _redraw(folder: Path, known: dict[str, Path], kind: str) -> str:
    try:
        gathered = described(records.load(folder / "records"), folder, known)
        check_writable(str(folder))
        judgements, _ = write(gathered, folder, kind)
    except (RecordsError, ReportError, ConfigError) as error:
        return str(error)
    print_report(gathered, judgements)
    out.print(f"Report: {folder / 'README.md'}\n")
    return ""


def holds_records(folder: str) -> bool:
    """Whether this is a folder with a report's records, such as that of a sweep under the outputs."""
    return (Path(folder) / "records" / "runs.json").is_file()


def reports_near(folder: Path) -> list[str]:
    """Folders with records in or beside one that has none; where it is in none that exists, those around that."""
    base = next(place for place in (folder, *folder.parents, Path()) if place.is_dir())
    around = [path for deeper in ("", "*/", "*/*/") for path in base.glob(f"{deeper}*/records/runs.json")]
    return sorted(str(path.parent.parent) for path in around)


def _by_old_rules(folder: Path) -> bool:
    try:
        return verdicts.is_old(verdicts.read(folder / "verdict.json"))
    except ReportError:  # it is made anew, whatever it was
        return False


def _under(results: Path, names: Sequence[str]) -> list[Path]:
    """The folders of these experiments' records, or of all but those of ours whose verdicts are of old rules.

    These were about other runs: by today's rules there would be nothing to compare.
    """
    folders = sorted(path.parent.parent for path in results.rglob("records/runs.json"))
    if not names:
        old = [folder for folder in folders if folder.name in paths.experiments() and _by_old_rules(folder)]
        if old:
            left = ", ".join(map(str, old))
            out.print(f"Left as they are, by old rules: {left}; bnexp report NAME judges them anew.", soft_wrap=True)
        return [folder for folder in folders if folder not in old]
    absent = set(names) - {folder.name for folder in folders}
    if absent:
        raise ReportError(
            f"no records of {', '.join(sorted(absent))} under {results}; "
            f"train it first: bnexp run experiment={min(absent)}"
        )
    return [folder for folder in folders if folder.name in names]
