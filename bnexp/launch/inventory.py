"""What of a command's runs is there already, what is not, and why, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from bnexp.config import ENGINE, RunConfig
from bnexp.runs.folder import RunFolder

NAMED = 10
"""Damaged runs named at most."""


def inventory(outputs: str, configs: Sequence[RunConfig]) -> Iterator[str]:
    """A sentence on the runs that are finished, on each that is damaged, and on those of an older engine."""
    states = {folder: folder.state() for folder in (RunFolder(outputs, config) for config in configs)}
    finished = sum(state.summary is not None for state in states.values())
    if finished:
        what = "All runs are" if finished == len(configs) else f"{finished} of {len(configs)} runs are"
        yield f"{what} there already, under {Path(outputs) / 'runs'}."
    damaged = [f"{folder.path}: {state.damage}" for folder, state in states.items() if state.damage]
    for line in damaged[:NAMED]:
        yield f"{line}; it counts as not trained."
    if len(damaged) > NAMED:
        yield f"The same goes for {len(damaged) - NAMED} more damaged runs."
    older = [f.config for f, state in states.items() if state.summary is None and _older(outputs, f.config)]
    if older:
        yield (
            f"{len(older)} of {len(configs)} runs are there from an older engine, whose numbers were others (this is "
            f"engine {ENGINE}); they count as not trained."
        )


def _older(outputs: str, config: RunConfig) -> bool:
    """Whether an older engine has finished this run."""
    return any(RunFolder(outputs, config, engine).summary() is not None for engine in range(1, ENGINE))
