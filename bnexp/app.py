"""What follows when the jobs of a command are composed, in this order: settled, trained, scored, judged."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict, read_write

from bnexp import claims, data, targets
from bnexp.command import compose, outcome
from bnexp.command.mistakes import did_you_mean
from bnexp.command.typed import OURS, Typed
from bnexp.config import DATASETS, LAUNCH, RESOLVED, STAND_INS, Config, ConfigError, DataConfig, run_id
from bnexp.console import err, out
from bnexp.judge import profile, writing
from bnexp.judge.asked import Request
from bnexp.judge.runs import fitting
from bnexp.judge.trial import Contract
from bnexp.launch import stacks
from bnexp.launch.estimate import dry_run, estimate
from bnexp.launch.inventory import inventory
from bnexp.launch.pool import LaunchError, launch
from bnexp.launch.trial import LIMIT, try_all, try_imports, written_by_user
from bnexp.norms import own
from bnexp.report import experiments, index
from bnexp.report.conclude import check_writable, conclude_partly, gather
from bnexp.report.conclude import conclude as report
from bnexp.report.takeover import take_over
from bnexp.runs.folder import RunFolder
from bnexp.runs.records import Record

LAUNCH_KEYS = {*LAUNCH, "experiment", "scale", "data"}
"""Overrides under which an experiment is still the one in its file, on its data or the stand-in."""

SWEEPING = ("hydra.sweeper", "hydra/sweeper", "hydra.mode")
"""Of Hydra's own settings, those that decide what is run."""

LONG = 1_000_000
"""Steps from which on a training is not begun without a word on its cost."""


def train_jobs(
    context: HydraContext, task: TaskFunction, master: DictConfig, jobs: Sequence[Sequence[str]], first: int
) -> list[JobReturn]:
    """Train all jobs of a sweep together, the first of which has the number `first`; the score of each.

    Hydra's callbacks hear of every job before the training and after it. Errors: ConfigError, DataError, LaunchError.
    """
    sweeper = master.hydra.runtime.choices["hydra/sweeper"]
    composed = compose.configs(context.config_loader, master, jobs)
    if outcome.changes:
        for change in outcome.changes:
            composed = change(composed)
        train(prepare(composed))
        return []  # these are not the jobs that Hydra knows
    configs = prepare(composed, complete=sweeper == OURS)
    _check_arms(configs, context.config_loader.get_group_options("arm"))
    if sweeper != OURS and not outcome.trained and not all(config.data.validation for config in configs):
        err.print(
            f"hydra/sweeper={sweeper} is given accuracies on the test images: data.validation=0 sets no others aside."
        )
    hydra_configs = _configs_for_callbacks(context, master, jobs, first)
    for of_hydra in hydra_configs:
        HydraConfig.instance().set_config(of_hydra)
        context.callbacks.on_job_start(config=of_hydra, task_function=task)
    failure = None
    try:
        train(configs)
    except LaunchError as error:
        failure = error
    taken_over = take_over(configs).runs
    scores = [score(config, taken_over) for config in configs]
    returns = [_returned(job, number, failure) for job, number in zip(jobs, scores, strict=True)]
    for of_hydra, returned in zip(hydra_configs, returns, strict=False):
        context.callbacks.on_job_end(config=of_hydra, job_return=returned)
    if failure is not None:
        raise failure
    return returns


def _check_arms(configs: Sequence[Config], known: Sequence[str]) -> None:
    """ConfigError for a claim that names an arm without a file."""
    for names in dict.fromkeys(tuple(config.claims) for config in configs):
        for claim in (claim for subject in claims.resolve(names) for claim in subject.claims):
            if isinstance(claim, claims.Claim) and (odd := claim.arms - set(known)):
                raise ConfigError(f"the claim {claim.id} has the arm {min(odd)}{did_you_mean(min(odd), known)}")


def prepare(configs: Sequence[Config], complete: bool = True) -> list[Config]:
    """The configs settled, and what the user wrote tried; `complete` where they are all of the command's.

    Errors: those of `settle`; ConfigError for a norm or a network that does not do, or that none of all uses.
    """
    if complete:
        targets.check_used(configs)
    limit = min(LIMIT, configs[0].patience)
    try_imports(configs, limit)
    settled = settle(configs)
    _try_written_by_user(settled, limit)
    return settled


def settle(configs: Sequence[Config]) -> list[Config]:
    """The configs with the sources of what the user wrote, `data.name` no longer `auto`, and `data.examples` a number.

    Errors: ConfigError for a claim, a norm or a network that is not to be had, and for a crop, a mini-batch or classes
    in it that are too large or many for the data; DataError.
    """
    for names in dict.fromkeys(tuple(config.claims) for config in configs):
        claims.resolve(names)
    datasets: dict[str, DataConfig] = {}
    instead: dict[tuple[str, str], str] = {}
    settled = []
    for config in targets.settle(own.settle(configs), "model"):
        key = repr(config.data)
        if key not in datasets:
            datasets[key] = _settle_data(config.data, instead)
        config = dataclasses.replace(config, data=datasets[key])
        if config.batch > (config.data.examples or 0):
            raise ConfigError(
                f"batch={config.batch} is larger than the training set of {config.data.examples:,} examples"
            )
        settled.append(config)
    return settled


def _try_written_by_user(configs: Sequence[Config], limit: int) -> None:
    """ConfigError for a network or a norm of the user's that cannot be trained; each is tried once."""
    trials = try_all(list(filter(written_by_user, configs)), limit)
    for notice in dict.fromkeys(trial.notice for trial in trials if trial.notice):
        err.print(notice, soft_wrap=True, markup=False)


def _settle_data(config: DataConfig, instead: dict[tuple[str, str], str]) -> DataConfig:
    """`instead` has the stand-ins by name and place of what is not to be had: that is tried and said once a command."""
    wanted = config.name, config.root
    resolved = data.resolve(
        dataclasses.replace(config, name=instead.get(wanted, config.name)),
        lambda notice: err.print(notice, style="bold red", soft_wrap=True),
    )
    if resolved.name in STAND_INS:
        instead[wanted] = resolved.name
    dataset = data.load(resolved)
    data.View(resolved, dataset)  # ConfigError for a crop that does not fit
    few = resolved.classes_per_batch
    if few is not None and few > dataset.classes:
        raise ConfigError(f"data.classes_per_batch={few}: {dataset.title} has {dataset.classes} classes")
    examples = len(dataset.train_labels)
    return dataclasses.replace(resolved, examples=min(resolved.examples or examples, examples))


def train(configs: Sequence[Config]) -> None:
    """Train what is not there yet of a command's settled configs, or with `dry_run` say what would be trained.

    Errors: LaunchError naming the runs that failed, when all others are done; ReportError for folders that cannot be
    written, before that.
    """
    first = configs[0]
    if outcome.partly:
        outcome.trained.extend(configs)
        return
    runs = unique(configs)
    settings, stacked = stacks.plan(first, list(parts(runs).values()))
    taken_over = take_over(runs)
    settings = dataclasses.replace(settings, taken_over=frozenset({*taken_over.runs, *outcome.elsewhere}))
    told = [*inventory(first.outputs, runs), *taken_over.sentences, *fitting(runs, outcome.elsewhere)]
    for sentence in told:
        err.print(sentence, soft_wrap=True)
    if first.dry_run:
        dry_run(settings, stacked)
        return
    check_folders(configs)
    if outcome.changes or max(config.steps for config in configs) >= LONG:
        out.print(estimate(settings, stacked))
    outcome.trained.extend(configs)
    launch(settings, stacked)


def train_one(config: Config) -> float:
    """Train a command's only run, as `train` does; its score."""
    train([config])
    return score(config, take_over([config]).runs)


def train_here(config: Config, choices: Mapping[str, str]) -> float:
    """Train one run in this process, for launchers that have processes of their own; its score.

    `choices` are the command's launcher and sweeper. What the user wrote is not tried here: our sweeper has tried it.
    Errors: ConfigError for an experiment if neither is ours; those of `settle`.
    """
    from bnexp.launch.worker import train_stack  # imports PyTorch

    sweeper, launcher = choices["hydra/sweeper"], choices["hydra/launcher"]
    if config.experiment and sweeper != OURS:
        raise ConfigError(
            f"hydra/sweeper={sweeper} with hydra/launcher={launcher}: nobody gathers the runs to judge "
            f"{config.experiment} on them; leave one of the two out"
        )
    (settled,) = settle([config])
    settings, (stack,) = stacks.plan(settled, [[settled]])
    taken_over = take_over([settled])
    settings = dataclasses.replace(settings, taken_over=frozenset(taken_over.runs))
    for sentence in taken_over.sentences:
        err.print(sentence, soft_wrap=True)
    if settled.dry_run:
        dry_run(settings, [stack])
    elif settled.nproc > 1:
        launch(settings, [stack])
    else:
        alone = dataclasses.replace(settings, threads=1)  # there may be as many such processes as cores
        train_stack(stack, alone, _print_notices)
    reached = score(settled, taken_over.runs)
    if sweeper != OURS:
        out.print(f"{RunFolder(settled.outputs, settled).path}: {reached:.2%}", soft_wrap=True)
    return reached


def _print_notices(message: str, value: object) -> None:
    if message == "notice":
        err.print(value, soft_wrap=True)


def check_folders(configs: Sequence[Config]) -> None:
    """ReportError for a folder that cannot be written, while nothing is trained yet."""
    check_writable(configs[0].outputs)
    if any(config.experiment for config in configs):
        check_writable(configs[0].results)


def score(config: Config, taken_over: Mapping[str, Record]) -> float:
    """What a sweeper may choose a run by: its final accuracy on the validation images, a fraction.

    Where none are set aside (`data.validation=0`), that on the test images; chance for a run that diverged; NaN for one
    that is neither finished nor, by its id, taken over.
    """
    folder = RunFolder(config.outputs, config)
    record = taken_over.get(folder.id)
    summary = folder.summary() if record is None else record.summary
    if summary is None:
        return math.nan
    if summary["status"] == "diverged":
        return 1 / data.load(config.data).classes
    if config.data.validation:
        return float((record or folder.read()).metrics["validation_accuracy"].iloc[-1])
    return float(summary["accuracy"])


def parts(configs: Sequence[Config]) -> dict[tuple[str, ...], list[Config]]:
    """The runs by experiment, scale and data set: each of these is stacked, judged and reported for itself."""
    reported: dict[tuple[str, ...], list[Config]] = {}
    for config in configs:
        reported.setdefault((config.experiment or "", config.scale, config.data.name), []).append(config)
    return reported


def unique(configs: Sequence[Config]) -> list[Config]:
    """Each run once: two experiments may have it, and two sizes of a small data set may come to the same."""
    runs: dict[str, Config] = {}
    for config in configs:
        runs.setdefault(run_id(config), config)
    return list(runs.values())


def conclude(configs: Sequence[Config], line: Typed) -> None:
    """Judge and draw the runs of one command, a report for each experiment, scale and data set.

    Where runs failed, only of what is there in full.
    """
    for part in parts(configs).values():
        runs = unique(part)
        other = altered(runs[0], line)
        if outcome.partly:
            conclude_partly(runs, other)
            continue
        taken_over = take_over(runs).runs
        if all(run_id(run) in taken_over or _is_finished(run) for run in runs):
            report(runs, other, taken_over)


def conclude_judge(configs: Sequence[Config], request: Request, contract: Contract) -> None:
    """Judge a norm in BN's place on the runs of one command, and write its report.

    Experiments of which runs failed are named, and not judged.
    """
    first = configs[0]
    entries, gathered, missing = [], [], {}
    for (experiment, _, _), part in parts(configs).items():
        runs = unique(part)
        lacking = [run for run in runs if run_id(run) not in outcome.elsewhere and not _is_finished(run)]
        if lacking:
            missing[experiment] = len(lacking)
            continue
        records = gather(runs, outcome.elsewhere)
        gathered.append(records)
        elsewhere = any(run_id(run) in outcome.elsewhere for run in runs)
        entries += profile.profile(records, profile.subjects(part[0].claims), request.candidate.target, elsewhere)
    entries = profile.together(entries)
    folder = request.folder(Path(first.results), first.data.name)
    check_writable(str(folder))
    writing.write(folder, request, contract, entries, gathered, missing, first.figures)
    for sentence in writing.summary(request, entries, missing):
        out.print(sentence, soft_wrap=True, markup=False)
    index.write(folder.parent.parent)
    out.print(f"Report: {folder / 'README.md'}", soft_wrap=True)
    out.print(f"All norms on one page: {folder.parent.parent / 'index.html'}", soft_wrap=True)


def _is_finished(run: Config) -> bool:
    return RunFolder(run.outputs, run).summary() is not None


def altered(run: Config, line: Typed) -> bool:
    """Whether the experiment of a settled run is another, by what was typed, than the one that its file describes."""
    chosen = {key.lstrip("+~"): value for key, _, value in (word.partition("=") for word in line.overrides)}
    hydras = {key for key in chosen if key.startswith("hydra") and not key.startswith(SWEEPING)}
    if line.replaced or chosen.keys() - LAUNCH_KEYS - hydras:
        return True
    return "data" in chosen and not _on_its_data(run, chosen["data"], line.config_dir)


def _on_its_data(run: Config, typed: str, config_dir: Path | None) -> bool:
    """Whether `data=` chooses what the experiment's file does, what that stands for, or the stand-in."""
    of_file = experiments.chosen_data(run.experiment or "", experiments.available(config_dir))
    if of_file is None or typed == of_file:
        return typed == of_file
    presets = set(typed.split(",")) <= set(DATASETS)  # others may be under a name of ours
    return presets and run.data.target is None and run.data.name in (of_file, *RESOLVED.get(of_file, ()), *STAND_INS)


def _configs_for_callbacks(
    context: HydraContext, master: DictConfig, jobs: Sequence[Sequence[str]], first: int
) -> list[DictConfig]:
    """Each job's config with Hydra's part, as callbacks expect it; none where nobody hears of it, for it takes time."""
    composed = []
    for number, job in enumerate(jobs if master.hydra.callbacks else (), first):
        of_hydra = context.config_loader.load_sweep_config(master, list(job))
        with open_dict(of_hydra):
            of_hydra.hydra.job.id = of_hydra.hydra.job.num = number
            HydraConfig.instance().set_config(of_hydra)
            folder = Path(of_hydra.hydra.sweep.dir) / of_hydra.hydra.sweep.subdir
            with read_write(of_hydra.hydra.runtime):
                of_hydra.hydra.runtime.output_dir = str(folder.absolute())
        composed.append(of_hydra)
    return composed


def _returned(job: Sequence[str], number: float, failure: LaunchError | None) -> JobReturn:
    """What Hydra is told of a job with this score, which has failed if it left no finished run."""
    failed = failure is not None and math.isnan(number)
    returned = JobReturn(overrides=list(job), working_dir=str(Path.cwd()), task_name="bnexp")
    returned.status = JobStatus.FAILED if failed else JobStatus.COMPLETED
    returned.return_value = failure if failed else number
    return returned
