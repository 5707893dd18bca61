"""What the user wrote, tried before training, in a process of its own: what hangs or vanishes takes no more with it."""

from __future__ import annotations

import contextlib
import json
import math
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from bnexp import data, targets
from bnexp.config import Config, ConfigError, RunConfig, from_fields, run_fields
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


def written_by_user(config: RunConfig) -> bool:
    """Whether its norm or its network is one of the user's."""
    return "module" in (config.norm.name, config.model.name)


def try_all(configs: Sequence[RunConfig], limit: int = LIMIT) -> list[Trial]:
    """The trial of each run's network, which is one of the user's or has a norm of theirs; of equal ones there is one.

    One that takes more than `limit` seconds is ended. Errors: ConfigError, as of `try_out`; DataError.
    """
    keys = [_key(config) for config in configs]
    waiting = {key: config for key, config in zip(keys, configs, strict=True) if key not in _trials}
    while waiting:
        jobs = [_job(config) for config in waiting.values()]
        for trial, key in zip(_tried(jobs, limit), list(waiting), strict=False):
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


def try_imports(configs: Sequence[Config], limit: int = LIMIT) -> None:
    """Import what `norm.target`, `model.target` and `data.target` name where it takes nothing with it.

    What is imported here already is not tried. Errors: ConfigError for a module that takes its process along, or more
    than `limit` seconds; what it raises is left to whoever imports it here.
    """
    written = dict.fromkeys(pair for config in configs for pair in _targets(config))
    jobs = [(setting, target) for setting, target in written if target.partition(":")[0] not in sys.modules]
    if not jobs:
        return
    with in_a_process(_import, jobs, limit) as next_outcome:
        for setting, target in jobs:
            outcome, cause = next_outcome()
            if outcome == "lost":
                raise ConfigError(
                    f"{setting}={target}: the module was imported in a process of its own, but {cause}; "
                    "what it does beyond definitions belongs into functions"
                )


def _targets(config: Config) -> Iterator[tuple[str, str]]:
    """What of the user's a run has: the setting and its target."""
    used = {"norm": config.norm.name == "module", "model": config.model.name == "module", "data": True}
    for group, of_the_user in used.items():
        target = getattr(config, group).target
        if of_the_user and target is not None:
            yield f"{group}.target", str(target)


def _tried(jobs: Sequence[_Job], limit: int) -> Iterator[Trial]:
    """The trials one after the other, up to the first that takes the process with it."""
    with in_a_process(_try, jobs, limit) as next_outcome:
        for job in jobs:
            outcome, value = next_outcome()
            if outcome == "refused":
                message, trace = value
                raise ConfigError(message) from _Traceback(f"in the process of the trial\n{trace}")
            if outcome == "passed":
                yield Trial(value)
                continue
            yield Trial(notice=f"{job} was tried before training, but {value}; it is trained all the same.")
            if outcome == "lost":
                return


Job = TypeVar("Job")
Report = Callable[[str, Any], None]
"""Sends an outcome of a job, with what belongs to it."""


@contextlib.contextmanager
def in_a_process(
    work: Callable[[Job, Report], None], jobs: Sequence[Job], limit: int
) -> Iterator[Callable[[], tuple[str, Any]]]:
    """A process that does the jobs one after the other, as long as the context lasts.

    What is yielded waits for the next report, at most `limit` seconds: an outcome, or `lost` and the cause in words.
    """
    warm_up()
    ours, theirs = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=_do, args=(work, jobs, limit, theirs))
    process.start()  # returns when it is forked: the time that the server takes to import PyTorch does not count
    theirs.close()

    def next_outcome() -> tuple[str, Any]:
        try:
            outcome, value = ours.recv() if ours.poll(limit) else ("lost", f"it came to no end in {limit} s")
        except EOFError:
            process.join(GRACE)
            return "lost", f"its process ended, {ended(process.exitcode)}"
        return outcome, value

    try:
        yield next_outcome
    finally:
        process.kill()
        process.join()
        ours.close()


def _do(work: Callable[[Any, Report], None], jobs: Sequence[Any], limit: int, pipe: Connection) -> None:
    """What the process does; it ends by itself, too, where the command was killed meanwhile."""

    def report(outcome: str, value: Any) -> None:
        signal.alarm(math.ceil(limit + GRACE))
        pipe.send((outcome, value))

    signal.alarm(math.ceil(limit + GRACE))
    for job in jobs:
        work(job, report)


def _import(job: tuple[str, str], report: Report) -> None:
    with contextlib.suppress(BaseException):
        targets.load(*job)
    report("imported", "")


def _try(job: _Job, report: Report) -> None:
    try:
        report("passed", try_out(job.config, job.shape, job.classes))
    except ConfigError as error:
        report("refused", (str(error), traceback.format_exc()))
    except BaseException as error:
        report("failed", f"it ended by {targets.place(error)}")
