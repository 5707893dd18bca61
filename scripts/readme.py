"""Put the table of verdicts under results/ into README.md."""

from __future__ import annotations

import re
from pathlib import Path

from bnexp.report.index import verdict_table

ROOT = Path(__file__).parent.parent
BETWEEN = re.compile(r"(<!-- verdicts: .*? -->\n).*?(<!-- end of verdicts -->)", re.DOTALL)


def with_verdicts(readme: str) -> str:
    """The README with the table as the verdicts are now."""
    table = verdict_table(ROOT / "results", brief=True).replace("](", "](results/")
    return BETWEEN.sub(lambda found: found[1] + table + found[2], readme)


if __name__ == "__main__":
    path = ROOT / "README.md"
    path.write_text(with_verdicts(path.read_text(encoding="utf-8")), encoding="utf-8")
