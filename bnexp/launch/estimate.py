"""What a command would train, and the time and disk that it takes, from a few measured steps."""

from __future__ import annotations

import dataclasses
import math
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from bnexp import data, targets
from bnexp.config import ModelConfig, NormConfig, RunConfig, run_id
from bnexp.console import out
from bnexp.engine.companions import REPEATS
from bnexp.engine.schedule import due
from bnexp.engine.single import Single
from bnexp.engine.train import train
from bnexp.launch.sink import RunSink
from bnexp.launch.stacks import Settings, Stack, cost
from bnexp.launch.trial import Report, in_a_process, written_by_user
from bnexp.machine import prepare
from bnexp.runs.folder import RunFolder

STEPS = 40
"""Steps measured for each size of networks and mini-batches."""

FEW_STEPS = 8
"""The same for a network on its own, whose steps are long."""

SAMPLE = 6
"""Networks of a stack measured at most; more cost as much, each."""

APART = 20
"""Seconds that measuring what the user wrote may take."""

PATIENCE = 5.0
"""Seconds after which no further kind of network is measured; what is left is scaled from the kinds that were."""


SHOWN = 40
"""Runs listed at most."""


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

    def times(self, factor: float) -> Cost:
        """That of a network whose steps take so many times as long, and its evaluations."""
        return Cost(self.step * factor, self.evaluation * factor, self.last * factor, self.size)


def dry_run(settings: Settings, stacks: Sequence[Stack]) -> None:
    """Print the runs, first those that are not there, and what these will cost; train nothing."""
    missing = {run_id(config) for stack in stacks for config in stack.unfinished(settings)}
    runs = [run for stack in stacks for run in zip(stack.configs, stack.labels, strict=True)]
    runs.sort(key=lambda run: (run_id(run[0]) not in missing, -cost(run[0])))
    table = Table("run", "folder", "steps", "state")
    for config, label in runs[:SHOWN]:
        folder = RunFolder(settings.outputs, config)
        state = "to train" if folder.id in missing else "there"
        table.add_row(label, folder.path.name, f"{config.steps:,}", state)
    out.print(table)
    if len(runs) > SHOWN:
        out.print(f"{SHOWN} of {len(runs):,} runs: first those to train, the costliest before the others.")
    out.print(f"{estimate(settings, stacks)} Nothing was trained.")


def estimate(settings: Settings, stacks: Sequence[Stack]) -> str:
    """The time and the disk that the runs which are not there will take, in a sentence.

    The measured steps leave no trace: their records go to a temporary folder.
    """
    prepare(settings.threads)
    costs = _Costs(settings)
    seconds = size = 0.0
    left = 0
    for stack in stacks:  # the costliest first: the kinds measured are those that count
        missing = len(stack.unfinished(settings))
        if not missing:
            continue
        left += missing
        first, networks = stack.configs[0], len(stack.configs)
        each, evaluations = costs.of(stack), len(due(first))
        seconds += networks * (each.step * stack.steps + each.evaluation * (evaluations - 1) + each.last)
        size += each.size * evaluations * missing
    total = sum(len(stack.configs) for stack in stacks)
    return (
        f"{left} of {_counted(total, 'run')} to train: about {_duration(seconds / settings.processes)} on "
        f"{_counted(settings.processes, 'process', 'processes')} of {_counted(settings.threads, 'thread')} "
        f"({settings.device}), {size / 1e6:,.0f} MB under {settings.outputs}."
    )


def _counted(n: int, one: str, many: str = "") -> str:
    return f"{n:,} {one if n == 1 else many or f'{one}s'}"


class _Costs:
    """What networks cost by kind, measured, or after `PATIENCE` scaled from the measured kind that is most alike."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.known: dict[tuple[object, ...], tuple[Cost, RunConfig]] = {}
        self.until = math.inf

    def of(self, stack: Stack) -> Cost:
        """That of a network of the stack."""
        first, kind = stack.configs[0], _timed_by(stack.configs[0])
        if kind in self.known:
            return self.known[kind][0]
        if time.monotonic() > self.until:
            measured, like = max(self.known.values(), key=lambda known: _likeness(_timed_by(known[1]), kind))
            return measured.times(_step(first) / _step(like))
        if not self.known:
            data.load(first.data)  # once, and for the training too
            self.until = time.monotonic() + PATIENCE
        sample = stack.configs[:: math.ceil(len(stack.configs) / SAMPLE)]
        apart = any(map(written_by_user, sample))
        measured = (_measured_apart if apart else _measured)(sample, self.settings)
        self.known[kind] = measured, first
        return measured


def _measured(sample: Sequence[RunConfig], settings: Settings) -> Cost:
    return _measure(sample, settings) if sample[0].model.stacked else _measure_single(sample[0], settings)


def _measured_apart(sample: Sequence[RunConfig], settings: Settings) -> Cost:
    """In a process of its own: what the user wrote may hang or end it. If it does, with BN and a network of ours."""
    with in_a_process(_measure_there, [(sample, settings)], APART) as next_outcome:
        outcome, cost_or_cause = next_outcome()
    if outcome == "measured":
        measured: Cost = cost_or_cause
        return measured
    out.print(f"The time it takes is guessed, for when it was measured, {cost_or_cause}.", soft_wrap=True, markup=False)
    return _measured([_of_ours(config) for config in sample], settings)


def _of_ours(config: RunConfig) -> RunConfig:
    model = ModelConfig() if config.model.name == "module" else config.model
    return dataclasses.replace(config, norm=NormConfig(batches=config.norm.batches), model=model)


def _measure_there(job: tuple[Sequence[RunConfig], Settings], report: Report) -> None:
    sample, settings = job
    try:
        prepare(settings.threads)
        report("measured", _measured(sample, settings))
    except BaseException as error:
        report("failed", f"it ended by {targets.place(error)}")


def _timed_by(config: RunConfig) -> tuple[object, ...]:
    """What decides how long a step and an evaluation take."""
    model, norm = config.model, config.norm
    of_model = model.name, model.depth, model.width, model.multiplier, model.cell, model.scan, tuple(model.modules)
    return *of_model, norm.name, norm.batches, config.batch, config.data.crop


def _likeness(a: tuple[object, ...], b: tuple[object, ...]) -> list[bool]:
    return [one == other for one, other in zip(a, b, strict=True)]


def _step(config: RunConfig) -> float:
    """About how long a step takes, as `stacks.cost` has it."""
    return cost(dataclasses.replace(config, steps=1000, evaluations=1, early_evaluations=0)) / 1000


def _measure(configs: Sequence[RunConfig], settings: Settings) -> Cost:
    short = [
        dataclasses.replace(config, steps=STEPS, evaluations=2, spacing="even", early_evaluations=0, early_steps=0)
        for config in configs
    ]
    began, end, written = _clocked(short, data.load(configs[0].data), settings)
    step = (began[STEPS - 1] - began[STEPS // 2 + 1]) / (STEPS - 2 - STEPS // 2)
    evaluation = began[STEPS // 2 + 1] - began[STEPS // 2] - step
    each = [seconds / len(short) for seconds in (step, evaluation, end - began[STEPS] - step)]
    return Cost(each[0], each[1], each[2], written / 3)


def _measure_single(config: RunConfig, settings: Settings) -> Cost:
    """Of a network on its own: a few steps; what an evaluation takes follows from the number of its images.

    An image takes a third of its time in a step, of which the rest goes backwards.
    """
    dataset = data.load(config.data)
    few = slice(2 * config.batch)
    sample = dataclasses.replace(
        dataset,
        test_images=dataset.test_images[few],
        test_labels=dataset.test_labels[few],
        validation_images=None,
        validation_labels=None,
    )
    short = dataclasses.replace(
        config,
        steps=FEW_STEPS,
        evaluations=1,
        early_evaluations=0,
        early_steps=0,
        predictions=False,
        nproc=1,
        norm=dataclasses.replace(config.norm, batches=1),
        data=dataclasses.replace(config.data, monitored=None, validation=0),
    )
    began, _, written = _clocked([short], sample, settings)
    step = (began[FEW_STEPS] - began[FEW_STEPS // 2]) / (FEW_STEPS - FEW_STEPS // 2) / config.nproc
    tested, known = len(dataset.test_labels), Single.training_images
    every = (config.data.monitored or tested) + known + (config.norm.batches + REPEATS) * config.batch
    last = every + config.data.validation + tested * (bool(config.data.monitored) + 11 * config.predictions)
    forward = step / 3 / config.batch
    return Cost(step, forward * every, forward * last, written / 2)


def _clocked(
    configs: Sequence[RunConfig], dataset: data.Dataset, settings: Settings
) -> tuple[dict[int, float], float, int]:
    """When each step began, the end, and the bytes written of the first run."""
    began: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as temporary:
        sink = RunSink(RunFolder(temporary, configs[0]), {})

        def clock(step: int) -> None:
            began[step] = time.perf_counter()

        for row in train(configs, dataset, settings.device, progress=clock):
            if row.network == 0:
                sink.write(row)
        end = time.perf_counter()
        sink.finish()
        return began, end, sum(path.stat().st_size for path in Path(temporary).rglob("*") if path.is_file())


def _duration(seconds: float) -> str:
    for unit, length in (("days", 86400.0), ("hours", 3600.0), ("min", 60.0)):
        if seconds >= 1.5 * length:
            return f"{seconds / length:,.1f} {unit}"
    return f"{seconds:.0f} s"
