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
from itertools import chain
from pathlib import Path

import numpy as np

from bnexp.claims import BN, PLAIN, Claim, Judgement
from bnexp.config import TUNING
from bnexp.judge.profile import ASKED, against_bn, asked, subjects
from bnexp.judge.runs import EXPERIMENTS
from bnexp.judging import rules
from bnexp.judging.judgement import after_holm, judge
from bnexp.report.tables import markdown
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
    for of_kind in ([s for s in seeds if s < TUNING], [s for s in seeds if s >= TUNING]):
        candidates |= set(draw.permutation(of_kind)[: len(of_kind) // 2].tolist())
    kept = [run for run in runs if run.norm != norm]
    for run in runs:
        if run.norm == norm:
            fields = {"norm.name": "module", "norm.target": NAME} if run.seed in candidates else {}
            kept.append(replace(run, fields=run.fields | fields))
    return kept


def judged(gathered: Records, norm: str, draw: np.random.Generator) -> Iterator[Judgement]:
    """For one split what is said by the claims that compare a candidate with this norm, each by itself."""
    runs = split(gathered.runs, norm, draw)
    for subject in subjects(gathered.claims):
        for claim in asked(subject):
            compared = against_bn(claim) if norm == BN else claim
            if compared.reference is not None:
                found = judge(compared, replace(gathered, runs=runs), NAME)
                if found.outcome.n >= rules.FEWEST:
                    yield found


def wrong(judgement: Judgement) -> bool:
    """Whether this is said in vain, for what is compared is the same."""
    claim = judgement.claim
    return isinstance(claim, Claim) and judgement.verdict in ALARMS.get(claim.rule.kind, ANY)


def table(results: Path) -> str:
    """A row for each experiment: of how many verdicts on either placebo how many are wrong; and of all together."""
    rows = [row(results, name) for name in EXPERIMENTS["laptop"]]
    total, spoilt, held = [], [], []
    for norm in (PLAIN, BN):
        placebos = [list(chain(*each)) for each in zip(*(splits[norm] for splits, _ in rows), strict=True)]
        every = list(chain(*placebos))
        errors = sum(map(wrong, every))
        total.append(f"{errors} of {len(every)} ({100 * errors / len(every):.1f} %)")
        for of_placebos, count in zip((spoilt, held), spoilt_and_held(placebos), strict=True):
            of_placebos.append(f"{count} of {SPLITS}")
    head = ("experiment", "nothing, against no norm", "BN by another name, against BN")
    by_placebo = [("placebos with a wrong verdict", *spoilt), ("the same after Holm, as `bnexp judge` has it", *held)]
    return "\n".join(markdown(head, [*(cells for _, cells in rows), ("together", *total), *by_placebo])) + "\n"


def spoilt_and_held(placebos: Sequence[Sequence[Judgement]]) -> tuple[int, int]:
    """How many placebos have a wrong verdict among all that is said of them, and how many after Holm."""
    after = [after_holm(each, ASKED) for each in placebos]
    return sum(any(map(wrong, each)) for each in placebos), sum(any(map(wrong, each)) for each in after)


def row(results: Path, name: str) -> tuple[dict[str, list[list[Judgement]]], tuple[str, ...]]:
    """By norm, what is said in an experiment of every placebo; and its row."""
    gathered = records.load(results / name / "records")
    by_norm: dict[str, list[list[Judgement]]] = {}
    cells = []
    for norm in (PLAIN, BN):
        draw = np.random.default_rng(SEED)
        by_norm[norm] = [list(judged(gathered, norm, draw)) for _ in range(SPLITS)]
        every = list(chain(*by_norm[norm]))
        by_claim = Counter(judgement.id.removesuffix("-against-bn") for judgement in every if wrong(judgement))
        most = f", most `{by_claim.most_common(1)[0][0]}` with {max(by_claim.values())}" if by_claim else ""
        cells.append(f"{by_claim.total()} of {len(every)}{most}" if every else "–, not asked")
    return by_norm, (f"`{name}`", *cells)


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
