"""§5: recomputing the population statistics adapts a network to another domain.

The networks are trained on digits as they are, and tested on digits inverted, rotated, blurred and noisy, and on those
of UCI's, which others wrote and scanned. The statistics of a domain are taken from as many of its images, or from each
mini-batch of it that is classified (Nado et al. 2020). Fainter digits are drawn and not judged: BN undoes a change of
contrast by its statistics, whatever it has learnt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bnexp.claims.mechanisms import AT_THE_END, CELLS
from bnexp.drawing import plots
from bnexp.judging.claim import PLAIN, TREATED, Claim, Control, Paper, Quantity, Rule, of_run
from bnexp.judging.matching import at_their_best, having
from bnexp.judging.measures import metric_at_end
from bnexp.judging.words import arm_name, percent
from bnexp.runs.records import Record, Records

SHOWS_TUNING = True

HALF = 0.5
LEAST = 0.05
"""The loss of accuracy, mean over the seeds, of which a part can be told on 2,000 images."""

NOTHING = 0.005
"""Half a point, a tenth of that: what other statistics may change on images as they are."""

SHIFTS = {
    "inverted": "digits inverted",
    "rotated": "digits rotated by 30°",
    "blurred": "digits blurred, and so of less contrast",
    "noisy": "digits under noise of 0.5",
    "uci": "UCI's handwritten digits, enlarged",
}
"""The domains that are judged, in words."""

DRAWN = SHIFTS | {"faint": "digits of 0.3 times the contrast"}

STATISTICS = {
    "recomputed": ("recomputed population statistics bring", "adapts"),
    "own": ("the statistics of each mini-batch that is classified bring", "adapts-own"),
}
"""What takes the place of the population statistics of the training images, in words, and how claims of it begin."""

FUTURE = "Future work: it may allow the network to generalise to new domains."
PAPERS = {
    "recomputed": Paper(FUTURE),
    "own": Paper(
        f"{FUTURE} At inference an output is to depend on its input alone.",
        outside="ImageNet-C: they recover much of the accuracy (Nado et al. 2020, Schneider et al. 2020)",
    ),
}
NEGATIVE = "Expected is little: with statistics of the negatives a first layer sees the negative of what it has learnt."


def brought_back(shift: str, statistics: str) -> Callable[[Sequence[Record]], float | None]:
    """The part of the accuracy lost, mean over the runs, that other statistics bring back."""

    def measure(runs: Sequence[Record]) -> float | None:
        names = ("kept/unchanged", f"kept/{shift}", f"{statistics}/{shift}")
        known = [tuple(metric_at_end(name)(run) for name in names) for run in runs]
        rows = [row for row in known if None not in row]
        if not rows:
            return None
        unchanged, kept, other = np.array(rows, dtype=float).mean(0)
        return float((other - kept) / (unchanged - kept)) if unchanged - kept > LEAST else None

    return measure


def changed(run: Record) -> float | None:
    """What recomputed statistics add to the accuracy on images as they are."""
    kept, recomputed = (metric_at_end(f"{statistics}/unchanged")(run) for statistics in ("kept", "recomputed"))
    return None if kept is None or recomputed is None else recomputed - kept


def _brings_back(shift: str, statistics: str) -> Claim:
    words, begins = STATISTICS[statistics]
    paper = PAPERS[statistics]
    return Claim(
        f"{begins}-{shift}",
        "§5" if statistics == "recomputed" else "§5, Nado et al. 2020, Schneider et al. 2020",
        f"On {SHIFTS[shift]}, {words} back more than half of what is lost, whatever the nonlinearity with which more "
        f"than {percent(LEAST)} is lost.",
        Quantity(
            "part of the lost accuracy that is brought back", brought_back(shift, statistics), "share", pooled=True
        ),
        Rule("difference", target=HALF, universal=True),
        Paper(f"{paper.text} {NEGATIVE}", outside=paper.outside) if shift == "inverted" else paper,
        {"norm": TREATED},
        None,
        cells=CELLS,
        selected=("lr",),
        primary=statistics == "recomputed" and shift in ("blurred", "noisy"),
    )


CLAIMS = [
    *(_brings_back(shift, statistics) for statistics in STATISTICS for shift in SHIFTS),
    Claim(
        "adapts-unchanged",
        "own check",
        f"On digits as they are, recomputed population statistics change the accuracy by at most {100 * NOTHING:g} "
        "points, whatever the nonlinearity.",
        Quantity("accuracy that recomputed statistics add on digits as they are", of_run(changed)),
        Rule("equals", NOTHING, universal=True),
        Paper("Population statistics are those of the training images; from how many is not said."),
        {"norm": TREATED},
        None,
        cells=CELLS,
        selected=("lr",),
        control=Control(
            "A change would say that statistics of so many test images are others whatever the domain.",
            guards=tuple(f"adapts-{shift}" for shift in SHIFTS),
        ),
    ),
]

SHOWN = {
    "adaptation_own": ("adapts-own-blurred", "adapts-own-noisy"),
}


def figures(records: Records) -> dict[str, Figure]:
    """`adaptation` and `adaptation_own`: the part of the lost accuracy that is brought back, domain by domain."""
    normed = records.of([run for run in records.runs if run.norm != PLAIN])
    return _drawn(normed, "adaptation", "recomputed", "recomputed statistics bring back") | _drawn(
        normed, "adaptation_own", "own", "the statistics of each mini-batch that is classified bring back"
    )


def tables(records: Records) -> dict[str, pd.DataFrame]:
    """The accuracy on every domain, with the statistics of the training images, and with recomputed ones."""
    best = at_their_best(records.runs, ("norm", *CELLS), ("lr",))
    rows = []
    for norm, kind in dict.fromkeys((run.norm, str(run.value(CELLS[0]))) for run in best):
        runs = having(best, {"norm": norm, CELLS[0]: kind})
        row = {"norm": arm_name(norm), "nonlinearity": kind}
        for domain in ("unchanged", *DRAWN):
            kept, recomputed = (_mean_of(runs, f"{of}/{domain}") for of in ("kept", "recomputed"))
            row[domain] = kept if norm == PLAIN else f"{kept} → {recomputed}"
        rows.append(row)
    title = "Test accuracy on other domains, each at its own best rate; with BN, by kept → by recomputed statistics"
    return {title: pd.DataFrame(rows)} if rows else {}


def _mean_of(runs: Sequence[Record], metric: str) -> str:
    known = [y for run in runs if (y := metric_at_end(metric)(run)) is not None]
    return percent(fmean(known), 1) if known else "–"


def _drawn(records: Records, stem: str, statistics: str, words: str) -> dict[str, Figure]:
    measures = {of: _of_one(brought_back(shift, statistics)) for shift, of in DRAWN.items()}
    title = f"Part of the accuracy lost on other domains that {words}"
    when = f"{AT_THE_END}; dotted: {percent(HALF)}"
    return plots.probes_of(records, stem, title, measures, log=False, when=when, fraction=True, mark=HALF)


def _of_one(measure: Callable[[Sequence[Record]], float | None]) -> Callable[[Record], float | None]:
    return lambda run: measure([run])
