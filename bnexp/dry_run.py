"""What a command would train, and the time and disk it would take, from a few measured steps."""

from __future__ import annotations

import dataclasses
import math
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.table import Table

from bnexp import data, runs
from bnexp.config import RunConfig, run_id
from bnexp.report import out
from bnexp.sinks import RunSink
from bnexp.stacks import Settings, Stack
from bnexp.train import schedule, train

STEPS = 40
"""Steps measured for each size of networks and mini-batches."""

SAMPLE = 6
"""Networks of a stack measured at most; more cost as much, each."""


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a network costs in a stack."""

    step: float
    """Seconds for a step."""
    evaluation: float
    """Seconds for an evaluation."""
    last: float
    """Seconds for the last one, which may be on more images."""
    size: float
    """Bytes on disk for an evaluation of one run."""


def dry_run(settings: Settings, stacks: Sequence[Stack]) -> None:
    """Print the runs, which of them are there, and what the others will cost; train nothing.

    The measured steps leave no trace: their records go to a temporary folder.
    """
    torch.set_num_threads(settings.threads)
    costs: dict[tuple[object, ...], Cost] = {}
    seconds = size = 0.0
    table = Table("run", "steps", "state")
    for stack in stacks:
        missing = {run_id(config) for config in stack.unfinished(settings.outputs)}
        for config in stack.configs:
            folder = runs.RunFolder(settings.outputs, config)
            table.add_row(folder.path.name, f"{config.steps:,}", "to train" if folder.id in missing else "there")
        if not missing:
            continue
        first, networks = stack.configs[0], len(stack.configs)
        kind = first.model.name, first.model.depth, first.model.width, first.batch, first.norm.batches, first.norm.name
        if kind not in costs:
            costs[kind] = _measure(stack.configs[:: math.ceil(networks / SAMPLE)], settings)
        evaluations = len(schedule(stack.steps, first.evaluations))
        cost = costs[kind]
        seconds += networks * (cost.step * stack.steps + cost.evaluation * (evaluations - 1) + cost.last)
        size += costs[kind].size * evaluations * len(missing)
    out.print(table)
    total = sum(len(stack.configs) for stack in stacks)
    left = sum(len(stack.unfinished(settings.outputs)) for stack in stacks)
    out.print(
        f"{left} of {total} runs to train: about {_duration(seconds / settings.processes)} on {settings.processes} "
        f"processes of {settings.threads} threads ({settings.device}), {size / 1e6:,.0f} MB under {settings.outputs}. "
        "Nothing was trained."
    )


def _measure(configs: Sequence[RunConfig], settings: Settings) -> Cost:
    short = [dataclasses.replace(config, steps=STEPS, evaluations=2, spacing="even") for config in configs]
    began: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as temporary:
        sink = RunSink(runs.RunFolder(temporary, short[0]), {})
        dataset = data.load(configs[0].data)

        def clock(step: int) -> None:
            began[step] = time.perf_counter()

        evaluations = 0
        for row in train(short, dataset, settings.device, progress=clock):
            if row.network == 0:
                sink.write(row)
                evaluations += 1
        end = time.perf_counter()
        sink.finish()
        written = sum(path.stat().st_size for path in Path(temporary).rglob("*") if path.is_file())
    step = (began[STEPS - 1] - began[STEPS // 2 + 1]) / (STEPS - 2 - STEPS // 2)
    middle = began[STEPS // 2 + 1] - began[STEPS // 2] - step
    each = [seconds / len(short) for seconds in (step, middle, end - began[STEPS] - step)]
    return Cost(each[0], each[1], each[2], written / evaluations)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.1f} min"
