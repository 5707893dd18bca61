"""Put the score and the main claims under results/ into README.md."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bnexp.report import index, verdicts
from bnexp.report.effects import certainty, effect, levels
from bnexp.report.page import score

ROOT = Path(__file__).parent.parent
SCORE = re.compile(r"(<!-- score: .*? -->\n).*?(<!-- end of score -->)", re.DOTALL)
BETWEEN = re.compile(r"(<!-- verdicts: .*? -->\n).*?(<!-- end of verdicts -->)", re.DOTALL)


def with_verdicts(readme: str) -> str:
    """The README with score and table as the verdicts are now."""
    found = {v["experiment"]: v for _, v in verdicts.read_all(ROOT / "results")[0] if not verdicts.is_old(v)}
    of_experiments = [found[name] for name in index.questions(found.values())]  # in the order of what they answer
    readme = SCORE.sub(lambda match: match[1] + f"**{score(of_experiments)}**\n" + match[2], readme)
    return BETWEEN.sub(lambda match: match[1] + table(of_experiments) + match[2], readme)


def table(of_experiments: Sequence[Mapping[str, Any]]) -> str:
    """A row for every main claim, or of an experiment without for its first; controls are not about BN."""
    rows = ["| what is said of BN | what we find | how sure | |", "|---|---|---|---|"]
    for verdict in of_experiments:
        of_bn = [claim for claim in verdict["claims"] if not claim["control"]]
        for claim in [claim for claim in of_bn if claim.get("primary")] or of_bn[:1]:
            found = f"**{claim['verdict']}**: {effect(claim)} ({levels(claim)})"
            apart = effect({**claim, "by_cells": True}) if claim["kind"] != "rate" else ""
            cells = f"{len(claim['cells'])} cells {apart}" if claim["cells"] and not claim.get("by_cells") else ""
            flags = (f"*{flag}*" for flag in claim["flags"])
            sure = ", ".join(filter(None, (certainty(claim), f"n = {claim['n']}", cells, *flags)))
            link = f"[{verdict['experiment']}](results/{verdict['experiment']}/README.md)"
            rows.append(f"| {claim['claim']} | {found} | {sure} | {link} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    path = ROOT / "README.md"
    path.write_text(with_verdicts(path.read_text(encoding="utf-8")), encoding="utf-8")
