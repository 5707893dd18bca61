"""What `bnexp list`, `bnexp list models` and `bnexp data` print."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from rich.padding import Padding
from rich.table import Column, Table

from bnexp import claims, data, models, paths
from bnexp.config import ModelConfig
from bnexp.console import out
from bnexp.models.inception import PAPER_PARAMETERS, PRINTED
from bnexp.report.experiments import experiment
from bnexp.report.printing import COLOURS
from bnexp.runs.records import Records


def print_experiments(results: Path) -> None:
    """Every experiment with its claims: what the paper says, and the newest verdict under `results`."""
    for name in paths.experiments():
        shown = experiment(name)
        out.print(f"[bold]{name}[/]: {shown.title}")
        found = sorted(results.rglob(f"{name}/verdict.json"), key=lambda path: path.stat().st_mtime)
        if found:
            verdict = json.loads(found[-1].read_text())
            judged = verdict["claims"]
            out.print(f"  {verdict['dataset']['name']}, scale {verdict['scale']}, {found[-1].parent}")
        else:
            nothing = Records(name, "", {"name": "", "title": "", "stand_in": False, "sha256": {}}, [])
            judged = [j.as_dict() | {"verdict": "not run"} for j in claims.judge(nothing, shown.claims)]
            out.print(f"  not run yet: bnexp run experiment={name}")
        for claim in judged:
            word = claim["verdict"]
            out.print(f"  [{COLOURS[word]}]{word}[/] §{claim['section']}: {claim['claim']}")
            out.print(Padding(f"the paper: {claim['paper']}\nmeasured: {claim['measured']}", (0, 0, 0, 4)))
        out.print()


def print_models() -> None:
    """Every `model=` with its parameters, without and with BN, and what the paper says of its own."""
    table = Table(Column("model", no_wrap=True), "input", "classes", "parameters without BN", "with BN", "what it is")
    for name in sorted(path.stem for path in (paths.configs() / "model").glob("*.yaml")):
        shape, classes = ((3, 224, 224), 1000) if name == "inception" else ((3, 32, 32), 10)
        shape = (1, 28, 28) if not name.startswith("inception") else shape
        first = (paths.configs() / "model" / f"{name}.yaml").read_text(encoding="utf-8").splitlines()[0].lstrip("# ")
        if name == "module":
            table.add_row(name, "–", "–", "–", "–", first)
            continue
        counts = [f"{models.parameters(_model(name), norm, shape, classes):,}" for norm in ("none", "batch")]
        table.add_row(name, "×".join(map(str, shape)), f"{classes:,}", *counts, first)
    out.print(table)
    printed = models.parameters(_model("inception"), "none", (3, 224, 224), 1000, PRINTED)
    out.print(
        f"The paper says {PAPER_PARAMETERS / 1e6:.1f} million parameters of its network (Figure 5). The table as "
        f"printed gives about {printed / 1e6:.1f} million, with biases and without BN, and no reading of it that we "
        "tried gives more. Its modules 4c and 4d add up to 608 outputs and not the 576 printed beside them; "
        "model=inception has a projection of 96 there instead of 128, and 576."
    )


def _model(name: str) -> ModelConfig:
    """The settings of a preset."""
    values: dict[str, Any] = {}
    while name:
        own = yaml.safe_load((paths.configs() / "model" / f"{name}.yaml").read_text())
        (name,) = own.pop("defaults", [""])
        values = own | values
    return ModelConfig(**values)


def print_data(files: Mapping[str, Sequence[data.FileStatus]], root: str) -> None:
    """The files of each data set, their state and what it was found by."""
    table = Table("data set", Column("file", overflow="fold"), "state", "bytes", "checked by")
    base = Path(root).expanduser()
    for name, statuses in files.items():
        for file in statuses:
            path = file.path.relative_to(base) if file.path.is_relative_to(base) else file.path
            size = f"{file.size:,}" if file.size else "–"
            table.add_row(name, str(path), file.state, size, "–" if file.state == "missing" else file.check)
    out.print(table)
    out.print(f"Looked for under {root}: data.root, or BNEXP_DATA. What is there but unchecked is read as it is.")
