"""Put the score and what is found of each saying, from results/, into README.md."""

from __future__ import annotations

import re
from pathlib import Path

from bnexp.report import explanations, sayings, verdicts
from bnexp.report.page import score

ROOT = Path(__file__).parent.parent
SCORE = re.compile(r"(<!-- score: .*? -->\n).*?(<!-- end of score -->)", re.DOTALL)
BETWEEN = re.compile(r"(<!-- verdicts: .*? -->\n).*?(<!-- end of verdicts -->)", re.DOTALL)


def with_verdicts(readme: str) -> str:
    """The README with score and table as the verdicts are now."""
    verdict_files = verdicts.read_all(ROOT / "results")[0]
    told = score([verdict for _, verdict in verdict_files if not verdicts.is_old(verdict)])
    rows = "\n".join(sayings.table(explanations.found_in(verdict_files), "results/", common=True))
    readme = SCORE.sub(lambda match: f"{match[1]}**{told}**\n{match[2]}", readme)
    return BETWEEN.sub(lambda match: f"{match[1]}{rows}\n{match[2]}", readme)


if __name__ == "__main__":
    path = ROOT / "README.md"
    path.write_text(with_verdicts(path.read_text(encoding="utf-8")), encoding="utf-8")
