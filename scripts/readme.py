"""Put the score and the main claims under results/ into README.md."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bnexp.judging.words import difference_in, number_in, on_scale
from bnexp.report import verdicts
from bnexp.report.page import score

ROOT = Path(__file__).parent.parent
SCORE = re.compile(r"(<!-- score: .*? -->\n).*?(<!-- end of score -->)", re.DOTALL)
BETWEEN = re.compile(r"(<!-- verdicts: .*? -->\n).*?(<!-- end of verdicts -->)", re.DOTALL)


def with_verdicts(readme: str) -> str:
    """The README with score and table as the verdicts are now."""
    of_experiments = [verdict for _, verdict in verdicts.read_all(ROOT / "results")[0]]
    readme = SCORE.sub(lambda match: match[1] + f"**{score(of_experiments)}**\n" + match[2], readme)
    return BETWEEN.sub(lambda match: match[1] + table(of_experiments) + match[2], readme)


def table(of_experiments: Sequence[Mapping[str, Any]]) -> str:
    """A row for the first main claim of each experiment, or of one without for its first that is no control."""
    rows = ["| what is said of BN | what we find | how sure | |", "|---|---|---|---|"]
    for verdict in of_experiments:
        main = [claim for claim in verdict["claims"] if claim.get("primary")]
        for claim in (main or [claim for claim in verdict["claims"] if not claim["control"]])[:1]:
            found = f"**{claim['verdict']}**{_effect(claim)}"
            cells = f", {len(claim['cells'])} cells" if claim["cells"] else ""
            flags = "".join(f", *{flag}*" for flag in claim["flags"])
            sure = f"{_interval(claim)}n = {claim['n']}{cells}{flags}"
            link = f"[{verdict['experiment']}](results/{verdict['experiment']}/README.md)"
            rows.append(f"| {claim['claim']} | {found} | {sure} | {link} |")
    return "\n".join(rows) + "\n"


def _effect(claim: Mapping[str, Any]) -> str:
    """The effect; of cells that say the opposite of each other from the least to the largest."""
    effects = [cell["effect"] for cell in claim["cells"]] if claim["verdict"] == "mixed" else [claim["effect"]]
    known = [on_scale(effect, claim["unit"]) for effect in effects if effect is not None]
    if not known:
        return ""
    before = "at least " if claim["ci95"] is not None and claim["ci95"][1] is None else ""
    if len(known) > 1:
        before = f"from {number_in(min(known), claim['unit'])} to "
    return f": {before}{difference_in(max(known), claim['unit'])}"


def _interval(claim: Mapping[str, Any]) -> str:
    """The 95 % interval; an end that is open is none."""
    if claim["ci95"] is None or claim["verdict"] == "mixed":
        return ""
    ends = ["open" if end is None else number_in(on_scale(end, claim["unit"]), claim["unit"]) for end in claim["ci95"]]
    return f"{ends[0]} to {ends[1]}, "


if __name__ == "__main__":
    path = ROOT / "README.md"
    path.write_text(with_verdicts(path.read_text(encoding="utf-8")), encoding="utf-8")
