"""Runs grouped into stacks, the populations that are trained together, and how this machine trains them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bnexp.config import Config, ConfigError, RunConfig, flatten, run_fields, run_id
from bnexp.machine import cores
from bnexp.runs.folder import RunFolder, run_name
from bnexp.runs.stamp import command_line

LARGEST = {"cpu": 16, "cuda": 32}
"""Networks in a stack at most. On CPUs larger ones leave the cache and gain nothing."""


OVERHEAD = 20
"""Examples in the time of which a step does what does not depend on the size of the mini-batch."""

DEEPER = 0.18
"""What each further hidden layer adds to a step or an evaluation, as a part of that of the network of §4.1."""

EVALUATION = 120
"""Steps that take as long as an evaluation."""

TIME_STEP = 0.01
"""Of a recurrent network, in what a step of the smallest Inception takes."""

OPERATIONS = 27_494_144
"""Of the smallest Inception for an image of 32×32 (`models.operations`), and of one that nobody counted."""


@dataclass(frozen=True)
class Stack:
    """Runs trained together."""

    configs: tuple[RunConfig, ...]
    labels: tuple[str, ...] = ()
    """What tells each run from the others of its command; nothing where it is the only one."""

    @property
    def steps(self) -> int:
        return self.configs[0].steps

    @property
    def cost(self) -> float:
        """In steps of the network of §4.1."""
        return sum(map(cost, self.configs))

    def unfinished(self, settings: Settings) -> list[RunConfig]:
        """The runs of which there is no finished record, here or to be taken over."""
        folders = [RunFolder(settings.outputs, config) for config in self.configs]
        return [f.config for f in folders if f.id not in settings.taken_over and f.summary() is None]

    def __str__(self) -> str:
        first = (self.labels and self.labels[0]) or run_name(self.configs[0])
        return first if len(self.configs) == 1 else f"{first} and {len(self.configs) - 1} more"


@dataclass(frozen=True)
class Settings:
    """How stacks are trained; has no influence on what the runs are."""

    device: str
    processes: int
    threads: int
    """Threads of each process."""
    compile: bool
    outputs: str
    command: str
    checkpoint: int
    """Steps between two checkpoints."""
    patience: int
    """Seconds that a process may be silent."""
    taken_over: frozenset[str] = frozenset()
    """Ids of runs whose records are there, made elsewhere."""


def form(configs: Sequence[RunConfig], processes: int, largest: int) -> list[Stack]:
    """Runs of one shape, cut into stacks of even size, the costliest first.

    Runs in a stack may differ in seed, learning rate, L2 weight, initial weights, nonlinearity, dropout, residual
    connections and norm, but for a norm of the user's. Takes all of an experiment's runs, done or not, so that an
    experiment taken up again has the same stacks.
    """
    alike: dict[str, list[RunConfig]] = {}
    for config in configs:
        alike.setdefault(_shape(config), []).append(config)
    share = sum(map(cost, configs)) / processes
    stacks = []
    for group in alike.values():
        if not group[0].model.stacked:  # convolutions gain nothing by it
            stacks += [Stack((config,)) for config in group]
            continue
        group.sort(key=_kind)  # stable; the population wants networks of a kind to follow each other
        parts = min(max(math.ceil(len(group) / largest), math.ceil(sum(map(cost, group)) / share)), len(group))
        cuts = [round(i * len(group) / parts) for i in range(parts + 1)]
        stacks += [Stack(tuple(group[a:b])) for a, b in itertools.pairwise(cuts)]
    return sorted(stacks, key=lambda stack: -stack.cost)


def _shape(config: RunConfig) -> str:
    """What all runs of a stack have in common."""
    shape = run_fields(config)
    for free in ("seed", "lr", "l2", "init", "norm"):
        del shape[free]
    for free in ("activation", "dropout", "residual", "skip_init"):
        shape["model"].pop(free, None)
    norm = config.norm
    # a user's norm may fail, alone; the rest is the order of the layers, and what an evaluation does for all at once
    alike = (
        norm.target,
        norm.settings,
        norm.placement,
        norm.batches,
        norm.statistics == "batch",
        norm.ghost,
        norm.drift,
        norm.transfer,
    )
    return repr((shape, *alike))


def _kind(config: RunConfig) -> str:
    """What makes the layers of networks in a stack differ in kind."""
    model = config.model
    return repr((run_fields(config)["norm"], model.residual, model.skip_init, model.activation, model.dropout > 0))


def cost(config: RunConfig) -> float:
    """About how long a run takes, in steps of the network of §4.1: what counts is the ratio of two."""
    if not config.model.stacked:
        return _single_cost(config)
    steps = config.steps * (config.batch + OVERHEAD) / (60 + OVERHEAD)
    return (steps + EVALUATION * _evaluations(config)) * (1 + DEEPER * (config.model.depth - 3))


def _evaluations(config: RunConfig) -> int:
    return config.evaluations + config.early_evaluations


def _single_cost(config: RunConfig) -> float:
    """As `cost`; a step of the smallest Inception on 32 examples takes as long as 250 of the network of §4.1."""
    model = config.model
    if model.name == "module":
        from bnexp.launch.trial import operations  # imports PyTorch

        size = (operations(config) or OPERATIONS) / OPERATIONS
    elif model.name == "recurrent":
        size = TIME_STEP * (28 if model.scan == "rows" else 196)
    else:
        size = (config.data.crop or 32) ** 2 / 32**2 * (model.multiplier / 0.1875) ** 1.5 * len(model.modules) / 8
    norm = 0.7 if config.norm.name == "none" else 1.0
    return 250 * size * (config.steps * config.batch / 32 * norm + 40 * _evaluations(config))


def plan(config: Config, parts: Sequence[Sequence[Config]]) -> tuple[Settings, list[Stack]]:
    """Settings and stacks for these runs on this machine; no stack has runs of two parts."""
    device = pick_device(config.device)
    processes = config.processes or (cores() if device == "cpu" else 1)
    label = labels([run for part in parts for run in part])
    stacks = [
        Stack(stack.configs, tuple(label[run_id(run)] for run in stack.configs))
        for part in parts
        for stack in form(part, processes, LARGEST[device])
    ]
    stacks.sort(key=lambda stack: -stack.cost)
    each = max(run.nproc for part in parts for run in part)
    processes = max(1, min(processes // each, len(stacks)))
    threads = max(1, cores() // (processes * each))
    settings = Settings(
        device,
        processes,
        threads,
        config.compile,
        config.outputs,
        command_line(),
        config.checkpoint,
        config.patience,
    )
    return settings, stacks


def labels(configs: Sequence[Config]) -> dict[str, str]:
    """By run id: the settings that differ between these runs, as they are written on a command line.

    What differs only because the arms or the norms do is left out.
    """
    fields = {run_id(c): {"experiment": c.experiment, "arm": c.arm} | flatten(run_fields(c)) for c in configs}
    names = dict.fromkeys(name for values in fields.values() for name in values)
    names.pop("norm.source", None)  # of a norm that has a name
    varied = [name for name in names if len({repr(values.get(name)) for values in fields.values()}) > 1]
    for kind, dependent in (("arm", ""), ("norm.name", "norm.")):
        if kind in varied:
            varied = [v for v in varied if v == kind or not v.startswith(dependent) or _varies_within(kind, v, fields)]
    return {
        run: " ".join(f"{_key(name)}={values[name]}" for name in varied if values.get(name) is not None)
        for run, values in fields.items()
    }


def _varies_within(kind: str, name: str, fields: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether runs that are alike in `kind` differ in this setting."""
    values: dict[str, set[str]] = {}
    for run in fields.values():
        values.setdefault(repr(run.get(kind)), set()).add(repr(run.get(name)))
    return any(len(several) > 1 for several in values.values())


def _key(name: str) -> str:
    """A setting as it is written: a choice by its group."""
    return name.removesuffix(".name").replace("init.scheme", "init")


def pick_device(wanted: str) -> str:
    """`cpu` or `cuda` for `auto`; ConfigError for CUDA that is not there."""
    if wanted == "cpu":
        return wanted
    import torch  # seconds: not before it is needed

    if torch.cuda.is_available():
        return "cuda"
    if wanted == "cuda":
        raise ConfigError("device=cuda: PyTorch finds no CUDA device here; use device=cpu or device=auto")
    return "cpu"
