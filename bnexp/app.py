"""The Hydra side: composed configs to runs, and what follows when all are trained."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf, open_dict

from bnexp import claims, data, models, targets
from bnexp.config import Config, ConfigError, choose_module, run_id, validate
from bnexp.console import err, out
from bnexp.engine.contract import check_norm
from bnexp.launch import stacks
from bnexp.launch.estimate import dry_run, estimate
from bnexp.launch.inventory import inventory
from bnexp.launch.pool import launch
from bnexp.norms import own
from bnexp.report.conclude import check_writable
from bnexp.report.conclude import conclude as report
from bnexp.report.takeover import take_over

LAUNCH_KEYS = {
    *("experiment", "scale", "data", "data.root", "device", "processes", "compile", "checkpoint", "patience"),
    *("outputs", "results", "reuse", "hydra/launcher"),
}
"""Overrides under which an experiment is still the one in its file."""

LONG = 1_000_000
"""Steps from which on a training is not begun without a word on its cost."""


def to_config(composed: DictConfig, overrides: Iterable[str] = ()) -> Config:
    """The typed and validated config of a job with these overrides. Errors: ConfigError."""
    _refuse_unknown(composed, Config)
    config = OmegaConf.to_object(composed)
    assert isinstance(config, Config)
    choose_module(config, overrides)
    validate(config)
    claims.resolve(config.claims)
    return config


def compose_jobs(loader: ConfigLoader, master: DictConfig, jobs: Sequence[Sequence[str]]) -> list[Config]:
    """The configs of all jobs of a sweep.

    Hydra takes a tenth of a second to compose one; jobs that choose the same groups are copies of one
    composition with their plain values put in.
    """
    parser = OverridesParser.create(config_loader=loader)
    groups: dict[str, bool] = {}
    bases: dict[tuple[str, ...], DictConfig] = {}
    configs = []
    for job in jobs:
        choices: list[Override] = []
        values: list[Override] = []
        for override in parser.parse_overrides(list(job)):
            key = override.key_or_group
            if key not in groups:
                groups[key] = bool(loader.get_group_options(key)) or key.startswith("hydra")
            plain = not (groups[key] or override.is_add() or override.is_delete())
            (values if plain else choices).append(override)
        lines = tuple(str(choice.input_line) for choice in choices)
        if lines not in bases:
            base = loader.load_sweep_config(master, list(lines))
            with open_dict(base):
                del base["hydra"]
            bases[lines] = base
        composed = copy.deepcopy(bases[lines])
        for override in values:
            OmegaConf.update(composed, override.key_or_group, override.value())
        configs.append(to_config(composed, job))
    return configs


def train_all(configs: Sequence[Config]) -> list[Config]:
    """Train what is not there yet, or with `dry_run` say what would be trained; the configs, `auto` data settled."""
    settled = _settle_data(_settle_targets(configs))
    first = settled[0]
    for config in settled:
        _check_batch(config)
    _check_norms(settled)
    settings, stacked = stacks.plan(first, settled)
    taken_over = take_over(settled)
    settings = dataclasses.replace(settings, taken_over=frozenset(taken_over.runs))
    for sentence in [*inventory(first.outputs, settled), *taken_over.sentences]:
        err.print(sentence, soft_wrap=True)
    if first.dry_run:
        dry_run(settings, stacked)
        return settled
    check_folders(first.outputs, first.results if first.experiment else None)
    if max(config.steps for config in settled) >= LONG:
        out.print(estimate(settings, stacked))
    launch(settings, stacked)
    return settled


def conclude(configs: Sequence[Config], overrides: Sequence[str]) -> None:
    """Judge and draw the runs of one command, and print what came out."""
    if configs[0].dry_run:
        return
    configs = list({run_id(config): config for config in configs}.values())
    keys = {line.lstrip("+~").partition("=")[0] for line in overrides}
    altered = {key for key in keys if not key.startswith("hydra.launcher.")} - LAUNCH_KEYS
    report(configs, altered=bool(altered), taken_over=take_over(configs).runs)


def train_here(config: Config) -> Config:
    """Train one run in this process, for launchers that have processes of their own."""
    from bnexp.launch.worker import train_stack  # imports PyTorch

    (settled,) = _settle_data(_settle_targets([config]))
    _check_batch(settled)
    _check_norms([settled])
    settings, (stack,) = stacks.plan(settled, [settled])
    if settled.nproc > 1:
        launch(settings, [stack])
        return settled
    alone = dataclasses.replace(settings, threads=1)  # there may be as many such processes as cores
    train_stack(stack, alone, _print_notices)
    return settled


def _print_notices(message: str, value: object) -> None:
    if message == "notice":
        err.print(value, soft_wrap=True)


def _notice(text: str) -> None:
    err.print(text, style="bold red", soft_wrap=True)


def check_folders(outputs: str, results: str | None) -> None:
    """ReportError for a folder that cannot be written, while nothing is trained yet."""
    for folder in (outputs, results):
        if folder is not None:
            check_writable(folder)


def _settle_targets(configs: Sequence[Config]) -> list[Config]:
    """The configs with the sources of their norms and models. Errors: ConfigError for one that is not to be had."""
    return targets.settle(own.settle(configs), "model")


def _check_batch(config: Config) -> None:
    dataset = data.load(config.data)
    view = data.View(config.data, dataset)  # ConfigError for a crop that does not fit
    if config.model.name == "module":
        models.operations(config, view.inputs, dataset.classes)  # ConfigError for a network that cannot be trained
    examples = config.data.examples
    if examples is not None and config.batch > examples:
        raise ConfigError(f"batch={config.batch} is larger than the training set of {examples:,} examples")


def _check_norms(configs: Sequence[Config]) -> None:
    """ConfigError for a norm of the user's that does not do in its network; each is tried once."""
    tried: dict[str, Config] = {}
    for config in configs:
        if config.norm.name == "module":
            tried.setdefault(repr((config.norm, config.model, config.data, config.batch, config.nproc)), config)
    for config in tried.values():
        dataset = data.load(config.data)
        shape = data.View(config.data, dataset).shape or dataset.train_images.shape[2:]
        check_norm(config, (dataset.train_images.shape[1], *shape), dataset.classes)


def _settle_data(configs: Sequence[Config]) -> list[Config]:
    """The configs with `data.name` no longer `auto` and `data.examples` a number, at most all there are.

    On a small data set two of an experiment's sizes can come to the same run, which is kept once.
    """
    settled: dict[str, Any] = {}
    runs: dict[str, Config] = {}
    for config in configs:
        key = repr(config.data)
        if key not in settled:
            found = data.resolve(config.data, _notice)
            there = len(data.load(found).train_labels)
            settled[key] = dataclasses.replace(found, examples=min(found.examples or there, there))
        config = dataclasses.replace(config, data=settled[key])
        runs.setdefault(run_id(config), config)
    return list(runs.values())


def _refuse_unknown(node: DictConfig, schema: type, prefix: str = "") -> None:
    """`+key=1` gets past Hydra's own check."""
    fields = {f.name: f for f in dataclasses.fields(schema)}
    for key in node:
        if key not in fields:
            raise ConfigError(f"there is no setting {prefix}{key!s}; there are: {', '.join(fields)}")
        nested = fields[str(key)].default_factory
        if isinstance(nested, type) and dataclasses.is_dataclass(nested):
            _refuse_unknown(node[key], nested, f"{prefix}{key}.")
