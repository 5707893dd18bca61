"""Experiments by name: those that come with bnexp, those of a `--config-dir`, and what their files say of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import yaml
from omegaconf import OmegaConf

from bnexp import paths
from bnexp.config import OF_FILES, RESOLVED, ConfigError, ModelConfig
from bnexp.report import ReportError
from bnexp.runs.records import Records

OWN = "runs"
"""The name under which runs of no experiment are reported."""

OWN_TITLE = "A sweep of your own"


@dataclass(frozen=True)
class Experiment:
    """What an experiment's file says of it, where title and claims may be inherited; without a file, its records."""

    path: Path | None
    title: str
    claims: tuple[str, ...] | None
    question: str = ""


def files(config_dir: Path | None) -> dict[str, Path]:
    """The experiments' files by name; ours first, as for Hydra.

    Errors: ConfigError for a folder that has none.
    """
    if config_dir is not None and not _in(config_dir):
        raise ConfigError(f"--config-dir {config_dir}: there is no experiment in it; it would be experiment/NAME.yaml")
    return available(config_dir)


def available(config_dir: Path | None) -> dict[str, Path]:
    """As `files`, also for a folder that has other configs only."""
    return ({} if config_dir is None else _in(config_dir)) | paths.experiments()


def _in(config_dir: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted((config_dir / "experiment").glob("*.yaml"))}


def chosen_data(name: str, of_files: Mapping[str, Path]) -> str | None:
    """The `data=` that an experiment's file chooses, or the one that it builds on; None where there is no such file."""
    if name not in of_files:
        return None
    try:
        own = yaml.safe_load(of_files[name].read_text(encoding="utf-8")) or {}
        defaults, below = own.get("defaults", []), _builds_on(own)
    except (OSError, ValueError, AttributeError, yaml.YAMLError):  # it was another when Hydra composed it
        return None
    if (data_of_file := chosen(defaults, "data")) is not None:
        return data_of_file
    inherited = [data for base in below if (data := chosen_data(base, of_files))]
    return inherited[-1] if inherited else "auto"


def command(name: str, scale: str, dataset: str) -> str:
    """What makes an experiment's results on a data set again; it is named where the experiment might take another."""
    asked = chosen_data(name, paths.experiments())
    first = asked if asked in OF_FILES or asked not in RESOLVED else RESOLVED[asked][0]
    other = "" if first in (None, dataset) else f" data={dataset}"
    return f"bnexp run experiment={name} scale={scale}{other}"


def chosen(defaults: Sequence[Any], group: str) -> str | None:
    """The option of a group that a list of defaults chooses, of several the last; None for the usual one."""
    key = f"override /{group}"
    options = [str(each[key]) for each in defaults if isinstance(each, dict) and key in each]
    return options[-1] if options else None


def _builds_on(own: Mapping[str, Any]) -> list[str]:
    """The experiments on which one builds that has these values."""
    named = [name for name in own.get("defaults", []) if isinstance(name, str) and name != "_self_"]
    return [name.removeprefix("/experiment/") for name in named]


def read(path: Path) -> Experiment:
    """An experiment's file. Errors: ReportError for one that cannot be read."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        title, claims, question = values.get("title", ""), values.get("claims"), values.get("question", "")
    except (OSError, ValueError, AttributeError, yaml.YAMLError) as error:
        raise ReportError(f"{path} cannot be read as an experiment: {error}") from error
    return Experiment(path, str(title), tuple(map(str, claims)) if isinstance(claims, list) else None, str(question))


def known(results: Path, config_dir: Path | None) -> dict[str, Experiment]:
    """The experiments that have a file, and those that left records under `results`, by name."""
    experiments = {name: read(path) for name, path in files(config_dir).items()}
    for head in sorted(results.rglob("*/records/runs.json")):
        name = head.parent.parent.name
        if name not in experiments:
            experiments[name] = _of_records(head)
    return dict(sorted(experiments.items()))


def _of_records(head: Path) -> Experiment:
    try:
        values = json.loads(head.read_text(encoding="utf-8"))
        return Experiment(None, str(values["title"]), tuple(map(str, values["claims"])))
    except (OSError, ValueError, LookupError, TypeError) as error:
        return Experiment(None, f"{head} is damaged ({error})", None)


def described(gathered: Records, folder: Path, of_files: dict[str, Path]) -> Records:
    """Records with title and claims: as the experiment's file has them now, else as they were when it was trained.

    For an experiment that the user altered, whose folder is called otherwise, they are those of the time.
    """
    altered = folder.name != gathered.experiment
    path = of_files.get(gathered.experiment)
    if path is not None and not (altered and gathered.title):
        experiment = read(path)
        claims = gathered.claims if experiment.claims is None else experiment.claims
        return replace(gathered, title=experiment.title or gathered.title, claims=claims)
    return gathered if gathered.title else replace(gathered, title=OWN_TITLE)


def header(file: Path) -> str:
    """The comment at the beginning of a config."""
    lines = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        if not line.startswith("# @package"):
            lines.append(line.lstrip("# "))
    return " ".join(lines)


def model(file: Path) -> str:
    """The name of the network that an experiment trains."""
    return str(group_of(values_of(file), "model").get("name", ModelConfig.name))


def group_of(values: Mapping[str, Any], group: str) -> dict[str, Any]:
    """The values of the option that an experiment chooses of a group; none where it leaves the default."""
    name = chosen(values["defaults"], group)
    return {} if name is None else _option(group, name)


def _option(group: str, name: str) -> dict[str, Any]:
    """The values of an option of a group, over those of the options that it builds on."""
    own: dict[str, Any] = yaml.safe_load((paths.configs() / group / f"{name}.yaml").read_text(encoding="utf-8"))
    below = [_option(group, base) for base in own.get("defaults", []) if base != "_self_"]
    return {key: value for values in (*below, own) for key, value in values.items()}


def scales(file: Path) -> list[str]:
    """The scales that an experiment's file has a budget for; all, where it makes no difference."""
    every = sorted(path.stem for path in (paths.configs() / "scale").glob("*.yaml"))
    budget = values_of(file).get("budget", {})
    return [scale for scale in every if scale in budget] or every


def values_of(file: Path) -> dict[str, Any]:
    """An experiment's values as they stand in its file, over those of the experiments that it builds on."""
    own = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    of_files = available(file.parent.parent)
    below = [values_of(of_files[name]) for name in _builds_on(own) if name in of_files]
    values = cast(dict[str, Any], OmegaConf.to_container(OmegaConf.merge(*below, own)))
    return values | {"defaults": [choice for each in (*below, own) for choice in each.get("defaults") or ()]}
