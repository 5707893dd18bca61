"""A report in its folder: verdicts, table, figures, and the page that shows them."""

from __future__ import annotations

import json
from pathlib import Path

from bnexp import claims
from bnexp.claims import overview
from bnexp.files import write_atomically
from bnexp.report.experiments import Experiment
from bnexp.report.readme import common_stamp, readme
from bnexp.report.tables import arms
from bnexp.runs.records import Records


def write(shown: Experiment, gathered: Records, folder: Path) -> tuple[list[claims.Judgement], dict[str, bytes]]:
    """Write `verdict.json`, `table.csv`, `figures/` and `README.md`; the judgements and the figures as PNG."""
    judgements = claims.judge(gathered, shown.claims)
    drawers = [claims.REGISTRY[name].figures for name in shown.claims] or [overview.figures]
    drawn = {stem: figure for draw in drawers for stem, figure in draw(gathered).items()}
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    pictures = {}
    for stem, figure in drawn.items():
        path = folder / "figures" / f"{stem}.png"
        figure.savefig(path, dpi=100, metadata={"Software": None})
        pictures[stem] = path.read_bytes()
    verdict = {
        "experiment": shown.name,
        "scale": gathered.scale,
        "dataset": {"name": gathered.dataset["name"], "sha256": gathered.dataset["sha256"]},
        "claims": [j.as_dict() for j in judgements],
        "stamp": common_stamp(gathered.runs),
    }
    write_atomically(folder / "verdict.json", json.dumps(verdict, indent=1, ensure_ascii=False) + "\n")
    by_arm = arms(gathered)
    by_arm.to_csv(folder / "table.csv", index=False)
    tables = {title: table for name in shown.claims for title, table in claims.REGISTRY[name].tables(gathered).items()}
    write_atomically(folder / "README.md", readme(shown, gathered, judgements, tables, by_arm, list(pictures)))
    return judgements, pictures
