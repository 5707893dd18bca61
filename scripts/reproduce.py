"""Run every experiment, and say how its verdicts compare with the committed ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Column, Table

from bnexp import cli, data, paths
from bnexp.config import DataConfig
from bnexp.report import index
from bnexp.report.experiments import chosen_data, scales

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "results"
PROTOCOL = "paper"
COMMITTED = "overnight"
DECIDED = {"reproduced", "contradicted"}
TOO_LONG = "the paper's own protocol takes years on a laptop and weeks on a GPU; bnexp run experiment=paper"
Verdict = dict[str, Any]


def main(scale: str, extra: Sequence[str]) -> int:
    """Train and judge all experiments that can be; 1 when one of them could not, 130 when interrupted."""
    os.chdir(ROOT)
    started = time.time()
    names = list(paths.experiments())
    committed = {name: committed_verdict(name, scale) for name in names}
    left_out: dict[str, str] = {}
    failed: dict[str, str] = {}
    for i, name in enumerate(names, 1):
        print(f"\n== {name} ({i} of {len(names)}, scale {scale})", flush=True)
        if why := why_left_out(name, scale, extra):
            left_out[name] = why
            print(f"left out: {why}", flush=True)
            continue
        code = bnexp("run", f"experiment={name}", f"scale={scale}", *extra)
        if code == 130:
            return 130
        if code:
            failed[name] = f"ended with exit code {code}; its last lines above say why"
    index.leave_out(RESULTS if scale == COMMITTED else RESULTS / scale, left_out | failed)
    console = Console(highlight=False)
    columns = ("experiment", Column("claim", overflow="fold"), "committed", "new", "")
    table = Table(*columns, title="New verdicts beside the committed ones")
    for name in names:
        for row in compare(name, committed[name], new_verdict(name, started)):
            table.add_row(*row)
    console.print(table)
    for name, reason in (left_out | failed).items():
        console.print(f"[bold red]left out: {name}[/]: {reason}")
    for page in sorted(RESULTS.rglob("index.html")):
        if page.stat().st_mtime >= started:
            console.print(f"All on one page: {page}", soft_wrap=True)
    return 1 if failed else 0


def why_left_out(name: str, scale: str, extra: Sequence[str]) -> str:
    """Nothing where an experiment can be run."""
    if name == PROTOCOL and scale != "paper":
        return TOO_LONG
    if scale not in (known := scales(paths.experiments()[name])):
        return f"it has no scale {scale}; it has {', '.join(known)}"
    return lacking(name, extra)


def lacking(name: str, extra: Sequence[str]) -> str:
    """Why the data set of an experiment is not to be had; nothing where it is."""
    given = dict(word.split("=", 1) for word in extra if word.startswith("data"))
    if "data" in given:
        return ""
    wanted = chosen_data(name, paths.experiments()) or "auto"
    root = given.get("data.root") or os.environ.get("BNEXP_DATA", "./data")
    try:
        data.resolve(DataConfig(name=wanted, root=root), lambda notice: None)
    except data.DataError as error:
        return str(error)
    return ""


def bnexp(*arguments: str) -> int:
    """Exit code of the command, run in this process: to import PyTorch each time would take longer than `smoke`."""
    try:
        cli.main(arguments)
    except SystemExit as done:
        return int(done.code or 0)


def committed_verdict(name: str, scale: str) -> Verdict | None:
    """The verdict of this scale in the last commit, or, where there is no git, in the files as they are.

    Where none is committed of the scale, that of the scale whose results are committed in full.
    """
    places = [f"results/{name}"] if scale == COMMITTED else [f"results/{scale}/{name}", f"results/{name}"]
    return next(filter(None, map(_committed, places)), None)


def _committed(place: str) -> Verdict | None:
    path = f"{place}/verdict.json"
    shown = subprocess.run(
        ["git", "-C", str(ROOT), "show", f"HEAD:{path}"], capture_output=True, encoding="utf-8", check=False
    )
    text = shown.stdout
    if shown.returncode:
        file = ROOT / path
        text = file.read_text(encoding="utf-8") if file.is_file() else "null"
    verdict: Verdict | None = json.loads(text)
    return verdict


def new_verdict(name: str, since: float) -> Verdict | None:
    """The verdict written since then, wherever under results/ it lies (see `bnexp.report.conclude.place`)."""
    files = [path for path in RESULTS.rglob(f"{name}/verdict.json") if path.stat().st_mtime >= since]
    verdict: Verdict | None = (
        json.loads(max(files, key=lambda p: p.stat().st_mtime).read_text(encoding="utf-8")) if files else None
    )
    return verdict


def compare(name: str, old: Verdict | None, new: Verdict | None) -> list[tuple[str, ...]]:
    """Rows of experiment, claim, committed and new verdict, and whether they are the same.

    Like is compared with like, the same scale and data set; of another scale only opposite verdicts are told.
    """
    if new is None:
        return [(name, "–", "–", "no new verdict", "")]
    alike = old is not None and setting(old) == setting(new)
    if old is not None and not alike and old["dataset"]["name"] == new["dataset"]["name"]:
        return _opposite(name, old, new)
    before = {claim["id"]: claim for claim in old["claims"]} if old is not None and alike else {}
    rows = []
    for claim in new["claims"]:
        known = before.get(claim["id"])
        if known is not None:
            same = "same" if known["verdict"] == claim["verdict"] else "DIFFERENT"
            rows.append((name, claim["id"], words(known), words(claim), same))
        else:
            why = "none" if old is None or alike else f"not comparable: {setting(old)}"
            rows.append((name, claim["id"], why, f"{words(claim)}, {setting(new)}", ""))
    return rows


def _opposite(name: str, old: Verdict, new: Verdict) -> list[tuple[str, ...]]:
    """The claims that one scale reproduces and the other contradicts."""
    before = {claim["id"]: claim for claim in old["claims"]}
    rows = [
        (name, claim["id"], f"{words(before[claim['id']])}, {setting(old)}", words(claim), "OPPOSITE")
        for claim in new["claims"]
        if claim["id"] in before and {claim["verdict"], before[claim["id"]]["verdict"]} == DECIDED
    ]
    return rows or [(name, "all", setting(old), setting(new), "none opposite")]


def setting(verdict: Verdict) -> str:
    """Data set and scale of a verdict."""
    return f"{verdict['dataset']['name']}, {verdict['scale']}"


def words(claim: dict[str, Any]) -> str:
    """A verdict with its effect."""
    return claim["verdict"] + ("" if claim["effect"] is None else f" ({claim['effect']:.3g})")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "laptop", sys.argv[2:]))
