"""How often `bnexp judge` is wrong of norms that are none: nothing, and BN under another name, on disjoint seeds.

`--write` puts the table into docs/judging.md. The seeds of the committed records, those that choose settings apart, are
split in two at random; one half of an arm's runs stands as the candidate's. Nothing is trained.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from bnexp.claims import BN, PLAIN
from bnexp.judge.profile import against_bn, asked, subjects
from bnexp.judge.runs import EXPERIMENTS
from bnexp.judge.writing import LEAST_SEEDS
from bnexp.judging.judgement import judge
from bnexp.runs import records
from bnexp.runs.records import Record, Records

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs" / "judging.md"
BETWEEN = re.compile(r"(<!-- placebos: .*? -->\n).*?(<!-- end of placebos -->)", re.DOTALL)

SPLITS = 20
SEED = 1502_03167
NAME = "placebo:Same"

ALARMS = {"no_worse": ("contradicted",), "equals": ("contradicted",)}
"""Verdicts that are wrong of what is the same; of the other rules `ANY` of these."""
ANY = ("reproduced", "contradicted", "mixed")


def split(runs: Sequence[Record], norm: str, draw: np.random.Generator) -> list[Record]:
    """One half of this norm's seeds as it is, the other as the candidate; other norms' runs as they are."""
    candidates: set[int] = set()
    seeds = sorted({run.seed for run in runs})
    for of_kind in ([s for s in seeds if s < 1000], [s for s in seeds if s >= 1000]):
        candidates |= set(draw.permutation(of_kind)[: len(of_kind) // 2].tolist())
    kept = [run for run in runs if run.norm != norm]
    for run in runs:
        if run.norm == norm:
            fields = {"norm.name": "module", "norm.target": NAME} if run.seed in candidates else {}
            kept.append(replace(run, fields=run.fields | fields))
    return kept


def alarms(gathered: Records, norm: str, draw: np.random.Generator) -> Iterator[tuple[str, bool]]:
    """For one split the claims that compare a candidate with this norm, and whether the verdict is wrong."""
    runs = split(gathered.runs, norm, draw)
    for subject in subjects(gathered.claims):
        for claim in asked(subject):
            compared = against_bn(claim) if norm == BN else claim
            if compared.reference is not None:
                found = judge(compared, replace(gathered, runs=runs), NAME)
                if found.outcome.n >= LEAST_SEEDS:
                    yield claim.id, found.verdict in ALARMS.get(compared.rule.kind, ANY)


def table(results: Path) -> str:
    """A row for each experiment: of how many verdicts on either placebo how many are wrong."""
    lines = ["| experiment | nothing, against no norm | BN by another name, against BN |", "|---|---|---|"]
    wrong: Counter[str] = Counter()
    told: Counter[str] = Counter()
    for name in EXPERIMENTS["laptop"]:
        gathered = records.load(results / name / "records")
        row = []
        for norm in (PLAIN, BN):
            draw = np.random.default_rng(SEED)
            found = [alarm for _ in range(SPLITS) for alarm in alarms(gathered, norm, draw)]
            wrong[norm] += sum(is_wrong for _, is_wrong in found)
            told[norm] += len(found)
            by_claim = Counter(identity for identity, is_wrong in found if is_wrong)
            most = f", most `{by_claim.most_common(1)[0][0]}` with {max(by_claim.values())}" if by_claim else ""
            row.append(f"{sum(by_claim.values())} of {len(found)}{most}" if found else "–, not asked")
        lines.append(f"| `{name}` | {' | '.join(row)} |")
    total = (f"{wrong[norm]} of {told[norm]} ({100 * wrong[norm] / told[norm]:.1f} %)" for norm in (PLAIN, BN))
    return "\n".join([*lines, f"| together | {' | '.join(total)} |"]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="into docs/judging.md")
    options = parser.parse_args()
    made = table(ROOT / "results")
    print(made)
    if options.write:
        text = DOCS.read_text(encoding="utf-8")
        DOCS.write_text(BETWEEN.sub(lambda match: match[1] + made + match[2], text), encoding="utf-8")


if __name__ == "__main__":
    main()
