"""What a command prints of a report: the verdicts and the arms."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from bnexp.claims import Judgement
from bnexp.console import out
from bnexp.report.tables import arms, readable
from bnexp.runs.records import Records

SHOWN = 24
"""Arms printed at most."""

COLOURS = {
    "reproduced": "bold green",
    "contradicted": "bold red",
    "no difference": "bold cyan",
    "mixed": "bold magenta",
    "undecided": "bold yellow",
}


def print_report(gathered: Records, judgements: Sequence[Judgement]) -> None:
    """An experiment's arms and verdicts."""
    out.print(f"\n[bold]{escape(gathered.experiment)}[/]: {escape(gathered.title)}")
    if gathered.stands_in_for:
        notice = f"On the STAND-IN data set, not on {gathered.stands_in_for}: no verdict on the paper."
        out.print(notice, style="bold red")
    if gathered.partial:
        out.print(f"PARTIAL: {gathered.partial}; the verdicts are on these alone.", style="bold red")
    print_arms(gathered)
    if judgements:
        table = Table("claim", "measured", "verdict", title="Verdicts", title_justify="left")
        for j in judgements:
            flags = f"\n{', '.join(j.flags)}" if j.flags else ""
            table.add_row(
                escape(j.sentence), escape(j.outcome.measured), f"[{COLOURS[j.verdict]}]{j.verdict}[/]{flags}"
            )
        out.print(table)


def print_arms(gathered: Records) -> None:
    """A row per arm, the best of many."""
    by_arm = arms(gathered)
    rows = readable(by_arm)
    best = rows if len(rows) <= SHOWN else rows.loc[by_arm["accuracy"].nlargest(SHOWN).index]
    table = Table(*best.columns, title=escape(gathered.caption), title_justify="left")
    for _, row in best.iterrows():
        table.add_row(*map(escape, row))
    out.print(table)
    if len(rows) > SHOWN:
        out.print(f"The {SHOWN} best of {len(rows)} arms; all of them are in table.csv.")
