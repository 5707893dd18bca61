"""What is typed after `bnexp run`: flags anywhere, and overrides, checked before Hydra composes anything."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, ValueType

from bnexp import paths
from bnexp.command.mistakes import NO_GRIDS, Parser, did_you_mean, no_setting, settings
from bnexp.config import ConfigError

PARAMS, GRIDS = "hydra.sweeper.params", "hydra.sweeper.grids"
"""The axes of a sweep, for whoever writes them as settings."""

OURS = "bnexp_population"
"""The sweeper and the launcher that come with bnexp, and are chosen where nothing else is."""

FREE = ("norm.settings.", "model.settings.", "data.settings.", "hydra.", "hydra/")
"""How keys begin that are not looked up among the settings."""


@dataclass(frozen=True)
class Typed:
    """A command line of `bnexp run`."""

    help: bool
    flags: list[str]
    """As Hydra takes them."""
    overrides: list[str]
    config_dir: Path | None = None
    """Of configs of the user's, beside ours."""
    replaced: bool = False
    """Whether other configs are in the place of ours."""


def read(arguments: Sequence[str], report: bool = False) -> Typed:
    """Flags and overrides apart, in whatever order they were typed.

    In the words of a `report`, those that are no setting are experiments, and the flag `--results` is one. A list of
    experiments, or axes written as settings of the sweeper, are a sweep without `-m`. Errors: ConfigError for
    what is neither flag nor override, for a choice that cannot be one, and for an axis that there is not.
    """
    parser = _parser()
    if report:
        parser.add_argument("--results")
    options, unknown = parser.parse_known_intermixed_args(arguments)
    for flag in unknown:
        raise ConfigError(_no_flag(flag, parser))
    if report:
        options.overrides = _of_report(options.overrides, options.results)
    if options.resolve and not options.cfg:
        raise ConfigError("--resolve goes with --cfg: bnexp run --cfg job --resolve")
    if not options.help:
        parsed = [_parsed(word) for word in options.overrides]
        axes = [override for override in parsed if override.key_or_group.startswith((PARAMS, GRIDS))]
        sweeper = next((str(o.value()) for o in parsed if o.key_or_group == "hydra/sweeper"), OURS)
        _check_axes(axes, sweeper, options.config_dir)
        if axes or any(o.key_or_group == "experiment" and o.is_sweep_override() for o in parsed):
            options.multirun = not (options.cfg or options.info)
            options.run = False
        if sweeper == OURS:  # Hydra wants a + for an axis that is not there yet
            options.overrides = [f"++{word}" if word.startswith(PARAMS) else word for word in options.overrides]
        options.overrides += _logging(parsed)
    switches = [f"--{name}" for name in ("run", "multirun", "resolve", "hydra-help") if vars(options)[_key(name)]]
    valued = ("cfg", "package", "config-name", "config-dir", "config-path", "info")
    flags = [f"--{name}={vars(options)[_key(name)]}" for name in valued if vars(options)[_key(name)] is not None]
    config_dir = None if options.config_dir is None else Path(options.config_dir)
    replaced = options.config_path is not None or options.config_name not in (None, "config")
    return Typed(options.help, [*switches, *flags], options.overrides, config_dir, replaced)


def _parser() -> Parser:
    """Hydra's flags, but for those that mean nothing here."""
    parser = Parser("run", add_help=False)
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("-h", "--help", action="store_true")
    parser.add_argument("--hydra-help", action="store_true")
    parser.add_argument("--resolve", action="store_true")
    parser.add_argument("-p", "--package")
    parser.add_argument("-cn", "--config-name")
    parser.add_argument("-cd", "--config-dir")
    parser.add_argument("-cp", "--config-path")
    modes = parser.add_mutually_exclusive_group()
    modes.add_argument("-r", "--run", action="store_true")
    modes.add_argument("-m", "--multirun", action="store_true")
    modes.add_argument("-c", "--cfg", choices=["job", "hydra", "all"])
    infos = ["all", "config", "defaults", "defaults-tree", "plugins", "searchpath"]
    modes.add_argument("-i", "--info", nargs="?", const="all", choices=infos)
    return parser


def _of_report(words: Sequence[str], results: str | None) -> list[str]:
    """The overrides that the words of a report stand for."""
    overrides = [word for word in words if "=" in word or word.startswith("~")]
    names = [word for word in words if word not in overrides]
    if names:
        overrides.append(f"experiment={','.join(names)}")
    if not any(word.startswith("experiment=") for word in overrides):
        raise ConfigError("bnexp report --partial: of which experiment? bnexp report --partial NAME [KEY=VALUE …]")
    return [*overrides, *([f"results={results}"] if results is not None else [])]


def _key(flag: str) -> str:
    return flag.replace("-", "_")


def _no_flag(flag: str, parser: Parser) -> str:
    name, _, value = flag.lstrip("-").partition("=")
    if name in settings() or name in paths.choices():
        return f"{flag}: settings are written without dashes, {name}={value or '…'}"
    flags = [option for action in parser._actions for option in action.option_strings if option.startswith("--")]
    return f"there is no flag {flag}{did_you_mean(flag, flags)}"


def _parsed(word: str) -> Override:
    """Errors: ConfigError for what is no KEY=VALUE, what takes a setting away, and a choice without a name."""
    if "=" not in word and not word.startswith("~"):
        raise ConfigError(f"{word}: settings are written KEY=VALUE{_meant(word)}")
    (override,) = OverridesParser.create().parse_overrides([word])
    key = override.key_or_group
    if override.is_delete() and not override.is_hydra_override():
        known = key in settings() or key in paths.choices()
        raise ConfigError(f"{word}: a setting cannot be taken away; give it a value" if known else no_setting(key))
    if key in paths.choices() or key.startswith("hydra/"):
        globbed = override.value_type == ValueType.GLOB_CHOICE_SWEEP
        chosen = list(override.sweep_iterator()) if override.is_discrete_sweep() and not globbed else [override.value()]
        if not all(chosen) or any(isinstance(name, bool | int | float | list | dict) for name in chosen):
            options = "; there are: " + ", ".join(paths.choices()[key]) if key in paths.choices() else ""
            raise ConfigError(f"{word}: {key} is chosen by a name{options}")
    return override


def _check_axes(axes: Sequence[Override], sweeper: str, config_dir: str | None) -> None:
    """ConfigError for an axis that is no setting, and for grids where the sweeper has none."""
    for override in axes:
        key, value = override.key_or_group, override.value()
        if key.startswith(GRIDS) and sweeper != OURS:
            raise ConfigError(f"{override.input_line} with hydra/sweeper={sweeper}: {NO_GRIDS}")
        inner = key.removeprefix(PARAMS).lstrip(".")
        names = [inner] if inner else [str(name) for grid in _grids(value) for name in grid]
        for name in () if key.startswith(f"{GRIDS}.") else names:
            of_the_user = config_dir is not None and (Path(config_dir) / name).is_dir()
            if not (name in settings() or name in paths.choices() or name.startswith(FREE) or of_the_user):
                raise ConfigError(no_setting(name))


def _grids(value: object) -> list[dict[object, object]]:
    """The small sweeps in a value, which may be one alone."""
    return [grid for grid in (value if isinstance(value, list) else [value]) if isinstance(grid, dict)]


def _logging(overrides: Sequence[Override]) -> list[str]:
    """Of `hydra.verbose=…`: what lets it be seen, for Hydra's logging is off here."""
    chosen = {override.key_or_group: override.value() for override in overrides}
    if not chosen.get("hydra.verbose") or "hydra/hydra_logging" in chosen or "hydra/job_logging" in chosen:
        return []
    return ["hydra/hydra_logging=default", "hydra/job_logging=stdout"]


def _meant(word: str) -> str:
    """The KEY=VALUE that a lone word may stand for."""
    by_name: dict[str, list[str]] = {name: [f"{name}=…"] for name in settings()}
    for group, options in paths.choices().items():
        for option in options:
            by_name.setdefault(option, []).append(f"{group}={option}")
    (name,) = difflib.get_close_matches(word, by_name, n=1, cutoff=0.7) or [""]
    return f"; did you mean {' or '.join(by_name[name])}?" if name else "; bnexp run --help lists them"
