"""A report in its folder: verdicts, table, figures, and the page that shows them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from pandas import DataFrame

from bnexp import claims
from bnexp.drawing import overview, plots
from bnexp.files import write_atomically
from bnexp.judging.matching import judged, shown
from bnexp.judging.measures import epochs
from bnexp.report import ReportError, verdicts
from bnexp.report.pictures import save, svg, title
from bnexp.report.provenance import dated
from bnexp.report.readme import common_stamp, readme
from bnexp.report.score import counted
from bnexp.report.size import model_size
from bnexp.report.tables import arms
from bnexp.runs.records import Records


def write(gathered: Records, folder: Path, kind: str = "png") -> tuple[list[claims.Judgement], dict[str, bytes]]:
    """Write `figures/`, `table.csv`, `README.md` and `verdict.json`; the judgements and the figures as PNG.

    With the kind `pdf`, figures are written as that, too.

    Errors: ReportError for a claim that fails.
    """
    try:
        judgements = claims.judge(gathered, gathered.claims)
        figures, tables = _drawn(gathered, judgements)
    except claims.ClaimError as error:
        raise ReportError(f"{error}; the records are kept: mend the claim, then bnexp report {folder}") from error
    judgements = dated(judgements, judged(gathered.runs), verdicts.rules_of(folder / "verdict.json"))
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    for old in (folder / "figures").iterdir():
        if old.stem not in figures:
            old.unlink()
    pictures = {stem: save(figure, folder / "figures" / stem, kind) for stem, figure in figures.items()}
    by_arm = arms(shown(gathered))
    write_atomically(folder / "table.csv", by_arm.to_csv(index=False))
    altered = folder.name != gathered.experiment
    if not altered:
        _draw_for_the_page(figures, folder / "figures")
    titles = {stem: title(figure) for stem, figure in figures.items()}
    write_atomically(folder / "README.md", readme(gathered, judgements, tables, by_arm, titles, altered))
    verdict = json.dumps(_verdict(gathered, judgements), indent=1, ensure_ascii=False)
    write_atomically(folder / "verdict.json", verdict + "\n")
    return judgements, pictures


THINNED = (1, 2, 5)
"""Of a figure's dots, every so manieth is left, each time of what was left before."""


def _draw_for_the_page(figures: Mapping[str, Figure], folder: Path) -> None:
    """The first figure that is small enough as a drawing, which `results/index.html` shows; else the first, thinned."""
    for old in folder.glob("*.svg"):
        old.unlink()
    for every in THINNED:
        for stem, figure in figures.items():
            _keep_dots(figure, every)
            if drawing := svg(figure):
                write_atomically(folder / f"{stem}.svg", drawing)
                return


def _keep_dots(figure: Figure, every: int) -> None:
    """Of the seeds' dots; means keep theirs. What is thinned goes without minor ticks, too."""
    if every == 1:
        return
    for axes in figure.axes:
        axes.minorticks_off()
        for dots in axes.collections:
            if isinstance(dots, PathCollection):
                dots.set_offsets(np.asarray(dots.get_offsets())[::every])


def _drawn(gathered: Records, judgements: Sequence[claims.Judgement]) -> tuple[dict[str, Figure], dict[str, DataFrame]]:
    """The claims' figures with their verdicts, or, where they draw none, those of any sweep; and the claims' tables."""
    figures: dict[str, Figure] = {}
    tables: dict[str, DataFrame] = {}
    for subject in claims.resolve(gathered.claims):
        with claims.asking(subject.name):
            drawn = gathered if subject.shows_tuning else shown(gathered)
            of_subject = subject.figures(drawn)
            tables |= subject.tables(drawn)
        ids = {claim.id for claim in subject.claims}
        of_its_claims = [each for each in judgements if each.id in ids]
        main = [each.id for each in of_its_claims if each.claim.primary]
        for stem, figure in of_subject.items():
            shows = subject.shown.get(stem)
            if shows != ():
                told = _in_words(of_its_claims, main) if shows is None else _in_words(judgements, shows)
                plots.add_to_caption(figure, told)
        figures |= of_subject
    return figures or overview.figures(shown(gathered)), tables


def _in_words(judgements: Sequence[claims.Judgement], shown_by_it: Sequence[str]) -> str:
    """The verdicts on what a figure shows; where that is no claim of its own, all of its subject's, counted."""
    told = [f"{each.verdict.capitalize()}: {each.sentence}" for each in judgements if each.id in shown_by_it]
    return " ".join(told or (f"{part}." for part in counted([each.as_dict() for each in judgements])))


def _verdict(gathered: Records, judgements: list[claims.Judgement]) -> dict[str, Any]:
    return {
        "experiment": gathered.experiment,
        "title": gathered.title,
        "scale": gathered.scale,
        "dataset": {part: gathered.dataset[part] for part in ("name", "title", "sha256")},
        "epochs": epochs(shown(gathered).runs),
        "model": model_size(gathered),
        "claims": [judgement.as_dict() for judgement in judgements],
        **({"partial": {"finished": len(gathered.runs), "planned": gathered.planned}} if gathered.partial else {}),
        "stamp": common_stamp(gathered.runs),
    }
