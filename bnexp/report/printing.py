"""What a command prints of a report: the verdicts and the arms."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from bnexp.claims import Judgement
from bnexp.console import out
from bnexp.report.experiments import Experiment
from bnexp.report.tables import arms, readable
from bnexp.runs.records import Records

SHOWN = 24
"""Arms printed at most."""

COLOURS = {"reproduced": "bold green", "contradicted": "bold red", "undecided": "bold yellow", "not run": "dim"}


def print_report(shown: Experiment, gathered: Records, judgements: Sequence[Judgement]) -> None:
    """An experiment's arms and verdicts."""
    out.print(f"\n[bold]{shown.name}[/]: {shown.title}")
    if gathered.dataset["stand_in"]:
        out.print("On the STAND-IN data set, not on MNIST: no verdict on the paper.", style="bold red")
    print_arms(gathered)
    if judgements:
        table = Table("claim", "measured", "verdict", title="Verdicts", title_justify="left")
        for j in judgements:
            table.add_row(j.claim, j.measured, f"[{COLOURS[j.verdict]}]{j.verdict}[/]")
        out.print(table)


def print_arms(gathered: Records) -> None:
    """A row per arm, the best of many."""
    by_arm = arms(gathered)
    rows = readable(by_arm)
    shown = rows if len(rows) <= SHOWN else rows.loc[by_arm["accuracy"].nlargest(SHOWN).index]
    table = Table(*shown.columns, title=gathered.caption, title_justify="left")
    for _, row in shown.iterrows():
        table.add_row(*row)
    out.print(table)
    if len(rows) > SHOWN:
        out.print(f"The {SHOWN} best of {len(rows)} arms; all of them are in table.csv.")
