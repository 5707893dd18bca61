"""Popular accounts: BN helps under any optimizer. Each arm at its own best learning rate, as in `lr_tolerance`."""

from __future__ import annotations

from matplotlib.figure import Figure

from bnexp.claims import panels
from bnexp.claims.accuracy import TRAINS, final_accuracy
from bnexp.claims.judging import Judgement, Statement, having, percent
from bnexp.claims.lr_tolerance import cells, judge_own_best, judge_own_speed, judge_range, own_bests
from bnexp.claims.panels import Layout
from bnexp.runs.records import Records

NAMES = {"sgd": "plain SGD", "momentum": "SGD with momentum", "adam": "Adam"}
SECTION = "4.2"
PAPER = "SGD with momentum on ImageNet; other optimizers are not tried."


def judge(records: Records) -> list[Judgement]:
    """For each optimizer `optimizer-NAME`, `optimizer-speed-NAME` and `optimizer-range-NAME`."""
    judgements = []
    for name, called in NAMES.items():
        of = cells(having(records.runs, {"optimizer.name": name}), "model.activation", "model.depth")
        chosen = own_bests(of)
        better = f"Under {called}, each network at its own best learning rate, the network with BN "
        judgements += [
            judge_own_best(
                chosen,
                Statement(f"optimizer-{name}", SECTION, f"{better}ends at a higher test accuracy.", PAPER),
            ),
            judge_own_speed(
                chosen,
                Statement(
                    f"optimizer-speed-{name}", SECTION, f"{better}reaches {percent(TRAINS)} in fewer steps.", PAPER
                ),
            ),
            judge_range(
                of,
                Statement(
                    f"optimizer-range-{name}",
                    SECTION,
                    f"Under {called}, BN trains over a wider range of learning rates.",
                    PAPER,
                ),
            ),
        ]
    return judgements


def figures(records: Records) -> dict[str, Figure]:
    """`optimizers`: final accuracy against the learning rate under each optimizer."""
    if not records.runs:
        return {}
    return {
        "optimizers": panels.lines(
            records,
            "Final test accuracy against the learning rate under three optimizers",
            "A run that diverged counts as chance.",
            "lr",
            final_accuracy,
            "test accuracy",
            Layout(columns="optimizer.name"),
            (0, 1),
        )
    }
