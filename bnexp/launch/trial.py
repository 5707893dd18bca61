"""What the user wrote, tried before training, in a process of its own: what hangs or vanishes takes no more with it."""

from __future__ import annotations

import json
import math
import signal
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from bnexp import data, targets
from bnexp.config import ConfigError, RunConfig, from_fields, run_fields
from bnexp.engine.contract import try_out
from bnexp.launch.pool import CONTEXT, GRACE, ended, warm_up

LIMIT = 30
"""Seconds that a trial may take."""


@dataclass(frozen=True)
class Trial:
    """What a trial came to, where nothing was found wrong."""

    operations: float | None = None
    """Multiplications and additions of a network of the user's, for one image; None where they were not counted."""
    notice: str = ""
    """What kept the trial from its end, in a sentence: it then says nothing of what was tried."""


@dataclass(frozen=True)
class _Job:
    config: RunConfig
    shape: tuple[int, ...]
    classes: int

    def __str__(self) -> str:
        """What is tried, as it is written on a command line."""
        named = {"norm": self.config.norm.target, "model": self.config.model.target}
        return " with ".join(f"{group}.target={target}" for group, target in named.items() if target)


_trials: dict[str, Trial] = {}


def try_all(configs: Sequence[RunConfig], limit: int = LIMIT) -> list[Trial]:
    """The trial of each run's network, which is one of the user's or has a norm of theirs; of equal ones there is one.

    One that takes more than `limit` seconds is ended. Errors: ConfigError, as of `try_out`; DataError.
    """
    keys = [_key(config) for config in configs]
    waiting = {key: config for key, config in zip(keys, configs, strict=True) if key not in _trials}
    while waiting:
        jobs = [_job(config) for config in waiting.values()]
        for trial, key in zip(_in_a_process(jobs, limit), list(waiting), strict=False):
            _trials[key] = trial
            del waiting[key]
    return [_trials[key] for key in keys]


def operations(config: RunConfig) -> float | None:
    """Those of a run's network for one image, if it was tried in this process and they were counted."""
    trial = _trials.get(_key(config))
    return trial.operations if trial is not None else None


def _key(config: RunConfig) -> str:
    """What a trial depends on."""
    fields = run_fields(config)
    return json.dumps({name: fields.get(name) for name in ("batch", "nproc", "data", "model", "norm")})


def _job(config: RunConfig) -> _Job:
    dataset = data.load(config.data)
    return _Job(from_fields(run_fields(config)), data.View(config.data, dataset).inputs, dataset.classes)


class _Traceback(Exception):
    """That of the other process, for whoever asks for tracebacks."""


def _in_a_process(jobs: Sequence[_Job], limit: int) -> Iterator[Trial]:
    """The trials one after the other, up to the first that takes the process with it."""
    warm_up()
    ours, theirs = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=_try, args=(jobs, limit, theirs))
    process.start()  # returns when it is forked: the time that the server takes to import PyTorch does not count
    theirs.close()
    try:
        for job in jobs:
            outcome: str
            value: Any
            try:
                outcome, value = ours.recv() if ours.poll(limit) else ["lost", f"it came to no end in {limit} s"]
            except EOFError:
                process.join(GRACE)
                outcome, value = "lost", f"its process ended, {ended(process.exitcode)}"
            if outcome == "refused":
                message, trace = value
                raise ConfigError(message) from _Traceback(f"in the process of the trial\n{trace}")
            if outcome == "passed":
                yield Trial(value)
                continue
            yield Trial(notice=f"{job} was tried before training, but {value}; it is trained all the same.")
            if outcome == "lost":
                return
    finally:
        process.kill()
        process.join()
        ours.close()


def _try(jobs: Sequence[_Job], limit: int, pipe: Connection) -> None:
    """What the process does; it ends also where the command was killed meanwhile."""
    for job in jobs:
        signal.alarm(math.ceil(limit + GRACE))
        try:
            pipe.send(("passed", try_out(job.config, job.shape, job.classes)))
        except ConfigError as error:
            pipe.send(("refused", (str(error), traceback.format_exc())))
        except BaseException as error:
            pipe.send(("failed", f"it ended by {targets.place(error)}"))
