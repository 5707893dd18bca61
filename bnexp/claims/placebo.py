"""The rules put to the test: one network on disjoint sets of seeds, compared with itself in pairs by each kind of rule.

A rule that tells a network from itself raises a false alarm. With a margin of 0 a rule may do so in one pair of twenty
by its own level, and more than three are an alarm; with a margin any is one. Where a rule asks whether two are alike,
saying that they are not is the false alarm; how often it says that they are is its power. Every second pair has six
seeds a side, as the sweeps do. Whether a run trains is asked where about half of them do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from bnexp.claims.accuracy import ACCURACY, SMALLEST
from bnexp.claims.lr_tolerance import HIGHEST, NARROWEST
from bnexp.claims.saturating import TRAINED
from bnexp.claims.speed import steps_to
from bnexp.judging.claim import PLAIN, Claim, Control, Of, Outcome, Paper, Peculiar, Quantity, Rule, Settings, Verdict
from bnexp.judging.claim import SMALLEST as LEAST
from bnexp.judging.comparing import compare
from bnexp.runs.records import Record, Records

SETS = 40
"""Disjoint sets of seeds, two a pair."""

FEWEST = 3
"""Seeds in a set."""

ALLOWED = 3
"""False alarms among twenty pairs, where there is no margin."""

RATE = 0.316
"""The learning rate at which single runs are compared."""

SWEEPS = 6
"""Seeds a side in every second pair."""

ALIKE = ("no_worse", "equals")
"""The rules under which being alike is what the sentence says."""


POINT = 0.01
"""What networks that are alike differ by at most: more than seeds make."""

EDGE = {"lr": Of("above", (1.0,))}
"""Where the largest rate that trains is sought."""


def _claim(identity: str, quantity: Quantity, rule: Rule, among: Settings) -> Claim:
    # its epochs are named, or what is still rising would be undecided, and no false alarm could be seen
    return Claim(
        identity,
        "own check",
        "Within {epochs}, one network is told from itself.",
        quantity,
        rule,
        Paper("–"),
        among=among,
    )


RULES = [
    _claim("difference", ACCURACY, Rule("difference"), {"lr": RATE}),
    _claim("difference-margin", ACCURACY, Rule("difference", SMALLEST), {"lr": RATE}),
    _claim("no-worse", ACCURACY, Rule("no_worse", POINT), {"lr": RATE}),
    _claim("equals", ACCURACY, Rule("equals", POINT), {"lr": RATE}),
    _claim("time", steps_to(0.8), Rule("time", less=True), {"lr": RATE}),
    _claim("range", HIGHEST, Rule("range", NARROWEST), EDGE),
    _claim("rate", TRAINED, Rule("rate"), {"lr": LEAST}),
]


def pairs(runs: Sequence[Record]) -> Iterator[list[Record]]:
    """The runs of two sets of seeds, those of the second under the name of another arm."""
    seeds = sorted({run.seed for run in runs})
    size = max(len(seeds) // SETS, FEWEST)
    sets = [seeds[i : i + size] for i in range(0, len(seeds) - size + 1, size)]
    for i, (a, b) in enumerate(zip(sets[::2], sets[1::2], strict=False)):
        a, b = (seeds[:SWEEPS] if i % 2 else seeds for seeds in (a, b))
        yield [
            *(run for run in runs if run.seed in a),
            *(replace(run, fields=run.fields | {"norm.name": PLAIN}) for run in runs if run.seed in b),
        ]


def _judge(claim: Claim) -> Callable[[Records], Outcome]:
    def judge(records: Records) -> Outcome:
        compared = (compare(claim, pair) for pair in pairs(records.runs))
        verdicts = Counter(outcome.verdict for outcome in compared if outcome.n)
        n = verdicts.total()
        false = verdicts["contradicted"] + (0 if claim.rule.kind in ALIKE else verdicts["reproduced"])
        allowed = 0 if claim.rule.margin else ALLOWED * n // 20
        counts = ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items()))
        why = f"{false} false alarms in {n} pairs, of which {allowed} are allowed"
        if not n:
            return Outcome("undecided", "there are no two sets of seeds", "nothing to compare")
        verdict: Verdict = "reproduced" if false <= allowed else "contradicted"
        return Outcome(verdict, why, f"{n} pairs: {counts}", false / n, n=len({run.seed for run in records.runs}))

    return judge


CLAIMS = [
    Peculiar(
        f"placebo-{claim.id}",
        "own check",
        f"The rule `{claim.rule.kind}`"
        + (f" with its margin of {claim.rule.margin:g}" if claim.rule.margin else "")
        + " does not tell a network from itself.",
        Paper("–"),
        _judge(claim),
        "share",
        control=Control(
            "more false alarms than the rule's level allows would mean that no verdict by it can be believed"
        ),
        decides=f"false alarms of {claim.rule.kind}, margin {claim.rule.margin:g}: {claim.quantity.name}; BN against "
        f"BN on other seeds; at most {0 if claim.rule.margin else ALLOWED} of 20 pairs",
    )
    for claim in RULES
]
