"""From overrides to typed configs: the jobs of a sweep, each composed by Hydra, checked and validated."""

from __future__ import annotations

import copy
import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

from bnexp.config import LAUNCH, Config, ConfigError, choose_module, validate

REPORTED = ("experiment", "scale", "data")
"""What a report is of. A list of these is several sweeps in one command, for an experiment's axes depend on them."""


def jobs(loader: ConfigLoader, master: DictConfig, arguments: Sequence[str]) -> list[list[str]]:
    """The overrides of each job of a sweep, each once: the product of the experiment's axes and of `arguments`.

    `arguments` are the command line's overrides, but for Hydra's own, which are in `master`. Errors: ConfigError for a
    list where one value goes for the whole command, and where no job is left.
    """
    parser = OverridesParser.create(config_loader=loader)
    typed = parser.parse_overrides(list(arguments))
    lists = [override for override in typed if override.is_sweep_override() and override.key_or_group in REPORTED]
    combined: dict[tuple[str, ...], None] = {}
    for choice in _product(lists):
        chosen = {line.partition("=")[0]: line for line in choice}
        lines = [chosen.get(override.get_key_element(), str(override.input_line)) for override in typed]
        sweeper = (_compose(loader, master, lines) if lists else master).hydra.sweeper
        for grid in sweeper.grids or [{}]:
            axes = [f"{key}={value}" for part in (sweeper.params, grid) for key, value in part.items()]
            combined |= dict.fromkeys(map(tuple, _product(parser.parse_overrides([*axes, *lines]))))
    if not combined:
        empty = [str(o.input_line) for o in typed if o.is_discrete_sweep() and not list(o.sweep_iterator())]
        raise ConfigError(f"{' '.join(empty) or 'the sweep'}: no value, so there is nothing to run")
    return [list(job) for job in combined]


def _product(overrides: Iterable[Override]) -> list[list[str]]:
    """Every combination of the overrides' values; an override replaces an earlier one of the same key."""
    axes: dict[str, list[str]] = {}
    for override in overrides:
        key = override.get_key_element()
        if not override.is_sweep_override():
            axes[key] = [str(override.input_line)]
        elif override.key_or_group in LAUNCH:
            raise ConfigError(f"{override.input_line}: it goes for the whole command; give one value")
        elif not override.is_discrete_sweep():
            raise ConfigError(f"{override.input_line}: an interval needs a sweeper such as Optuna's")
        else:
            axes[key] = [f"{key}={value}" for value in override.sweep_string_iterator()]
    return [list(job) for job in itertools.product(*axes.values())]


def configs(loader: ConfigLoader, master: DictConfig, jobs: Sequence[Sequence[str]]) -> list[Config]:
    """The configs of all jobs of a sweep.

    Hydra takes a tenth of a second to compose one; jobs that choose the same groups are copies of one
    composition with their plain values put in.
    """
    parser = OverridesParser.create(config_loader=loader)
    groups: dict[str, bool] = {}
    bases: dict[tuple[str, ...], DictConfig] = {}
    typed = []
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
            check_name(base, base.hydra.runtime.choices)
            with open_dict(base):
                del base["hydra"]
            bases[lines] = base
        composed = copy.deepcopy(bases[lines])
        for override in values:
            OmegaConf.update(composed, override.key_or_group, override.value())
        typed.append(to_config(composed, job))
    return typed


def check_name(composed: DictConfig, choices: Mapping[str, Any]) -> None:
    """ConfigError for runs under the name of another experiment than the chosen one: they would pass for its runs."""
    chosen = choices.get("experiment")
    if composed.get("experiment") not in (None, chosen):
        where = f"experiment={chosen}" if chosen else "without experiment="
        instead = f"`experiment: {chosen}`" if chosen else "no such line"
        raise ConfigError(
            f"{where}: a file says `experiment: {composed.experiment}`, the name of another; write {instead} there, "
            f"or choose experiment={composed.experiment}"
        )


def to_config(composed: DictConfig, overrides: Iterable[str]) -> Config:
    """The typed and validated config of a job with these overrides.

    Errors: ConfigError for a setting that there is not, and for a value that cannot be.
    """
    _refuse_unknown(composed, Config)
    config = OmegaConf.to_object(composed)
    assert isinstance(config, Config)
    choose_module(config, overrides)
    validate(config)
    return config


def _refuse_unknown(node: DictConfig, schema: type, prefix: str = "") -> None:
    """`+key=1` gets past Hydra's own check."""
    fields = {f.name: f for f in dataclasses.fields(schema)}
    for key in node:
        if key not in fields:
            raise ConfigError(f"there is no setting {prefix}{key!s}; there are: {', '.join(fields)}")
        nested = fields[str(key)].default_factory
        if isinstance(nested, type) and dataclasses.is_dataclass(nested):
            _refuse_unknown(node[key], nested, f"{prefix}{key}.")


def _compose(loader: ConfigLoader, master: DictConfig, lines: Sequence[str]) -> DictConfig:
    """A sweep's config with the experiment's axes, of these overrides and those of Hydra's own on the command line."""
    of_hydra = [str(line) for line in master.hydra.overrides.hydra]
    return loader.load_configuration(master.hydra.job.config_name, [*of_hydra, *lines], RunMode.MULTIRUN)
