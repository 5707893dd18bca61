"""Put the score and the main claims under results/ into README.md."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bnexp.judging.words import count
from bnexp.report import verdicts
from bnexp.report.index import primary

ROOT = Path(__file__).parent.parent
SCORE = re.compile(r"(<!-- score: .*? -->\n).*?(<!-- end of score -->)", re.DOTALL)
BETWEEN = re.compile(r"(<!-- verdicts: .*? -->\n).*?(<!-- end of verdicts -->)", re.DOTALL)


def with_verdicts(readme: str) -> str:
    """The README with score and table as the verdicts are now."""
    of_experiments = [verdict for _, verdict in verdicts.read_all(ROOT / "results")[0]]
    readme = SCORE.sub(lambda match: match[1] + score(of_experiments) + match[2], readme)
    return BETWEEN.sub(lambda match: match[1] + table(of_experiments) + match[2], readme)


def score(of_experiments: Sequence[Mapping[str, Any]]) -> str:
    """How many claims came out how; controls, which check our measuring and not BN, are counted apart."""
    claims = [claim for verdict in of_experiments for claim in verdict["claims"]]
    if not claims:
        return ""
    controls = Counter(claim["verdict"] for claim in claims if claim.get("control"))
    tally = Counter(claim["verdict"] for claim in claims if not claim.get("control"))
    judged = f"{count(tally.total(), 'claim')} judged in {count(len(of_experiments), 'experiment')}: {_counts(tally)}"
    held = f"; of {count(controls.total(), 'control')}: {_counts(controls)}" if controls else ""
    return f"**{judged}{held}.**\n"


def _counts(tally: Counter[str]) -> str:
    return ", ".join(f"{tally[word]} {word}" for word in verdicts.WORDS if tally[word])


def table(of_experiments: Sequence[Mapping[str, Any]]) -> str:
    """A row for each main claim."""
    rows = ["| said of BN | what we find | how sure |", "|---|---|---|"]
    for claim in primary(of_experiments):
        link = f"[{claim['experiment']}](results/{claim['experiment']}/README.md)"
        rows.append(f"| {claim['claim']} | **{claim['verdict']}**: {claim['measured']} | n = {claim['n']}, {link} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    path = ROOT / "README.md"
    path.write_text(with_verdicts(path.read_text(encoding="utf-8")), encoding="utf-8")
