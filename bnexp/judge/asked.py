"""What `bnexp judge` was asked for, and what it does before anything is trained."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import OverrideParseException
from rich.markup import escape
from rich.table import Table

from bnexp import paths
from bnexp.command import outcome
from bnexp.command.mistakes import did_you_mean
from bnexp.command.mistakes import settings as known_settings
from bnexp.config import LAUNCH, STAND_INS, ConfigError
from bnexp.console import out
from bnexp.judge import candidate as candidates
from bnexp.judge import profile, runs, trial
from bnexp.judge.candidate import Candidate
from bnexp.judge.trial import Contract
from bnexp.norms.contract import Result
from bnexp.report import verdicts
from bnexp.report.experiments import read as read_experiment
from bnexp.report.experiments import scales

SETTINGS = "norm.settings."
CHOSEN = ("scale", "references")
"""Settings that the command has for itself."""

USUAL = "laptop"

EVERY = "all"
"""In the place of experiments, all that has a claim to ask and the scale."""

LAGS = (
    "At inference it has moving averages of its own, which lag behind the weights; those of a bnexp.norms.BatchNorm in "
    "it would be estimated by Algorithm 2, as BN's are here."
)

REFERENCES = ("package", "train")


@dataclass(frozen=True)
class Request:
    """A candidate, and by what it is judged."""

    candidate: Candidate
    experiments: tuple[str, ...]
    scale: str
    references: str
    launch: Sequence[str]
    """Overrides that say where and how, and on what data."""
    command: str
    """As it was typed."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """By experiment that was asked for and is not judged, why."""

    @property
    def overrides(self) -> list[str]:
        """All of them, as `bnexp run` would have them."""
        return [f"experiment={','.join(self.experiments)}", f"scale={self.scale}", *self.launch]

    def folder(self, results: Path, dataset: str) -> Path:
        """Where the report stands: under the name of the scale, where it is not the usual one, and of a stand-in.

        Where another norm of this name stands already, the name of its module is in front.
        """
        qualifiers = [] if self.scale == USUAL else [self.scale]
        qualifiers += [dataset] if dataset in STAND_INS else []
        judged = results.joinpath(*qualifiers, "judge")
        name, target = self.candidate.name, self.candidate.target
        there = verdicts.read_judged(judged)[0].get(name)
        return judged / (name if there is None or there["norm"] == target else f"{target.partition(':')[0]}.{name}")


def read(words: Sequence[str], names: str | None) -> Request:
    """The request of a command line. Errors: ConfigError."""
    typed = [word for word in words if _names_a_norm(word)]
    if len(typed) != 1:
        raise ConfigError(f"bnexp judge takes one norm, {'not ' + ', '.join(typed) if typed else 'my_norm.py'}")
    settings, chosen, launch = {}, {"scale": USUAL, "references": "package"}, []
    try:
        overrides = OverridesParser.create().parse_overrides([word for word in words if word not in typed])
    except OverrideParseException as error:
        raise ConfigError(f"{error.override}: write KEY=VALUE, and a list as KEY=[1,2]") from error
    for override in overrides:
        key, value = override.key_or_group, override.value()
        if override.is_sweep_override():
            raise ConfigError(f"{override.input_line}: a norm is judged with one value; a list is {key}=[1,2]")
        if key.startswith(SETTINGS):
            settings[key.removeprefix(SETTINGS)] = value
        elif key in CHOSEN:
            chosen[key] = str(value)
        elif key in LAUNCH or key in ("data", "checkpoint"):
            launch.append(str(override.input_line))
        elif key.partition(".")[0] not in known_settings():
            raise ConfigError(f"there is no setting {key}; did you mean {SETTINGS}{key}={value}?")
        else:
            raise ConfigError(
                f"{key}={value} would be another experiment than the one it is held against; bnexp judge takes "
                f"{SETTINGS}KEY, scale, references, data and what says where and how: {', '.join(LAUNCH)}"
            )
    scale, references = chosen["scale"], chosen["references"]
    if scale not in runs.EXPERIMENTS:
        raise ConfigError(f"scale={scale}: a norm is judged at {' or '.join(runs.EXPERIMENTS)}")
    if references not in REFERENCES:
        raise ConfigError(f"references={references}: choose from {', '.join(REFERENCES)}")
    candidate = candidates.read(typed[0], settings)
    experiments = _experiments(names, scale)
    command = shlex.join(["bnexp", "judge", *(["--claims", names] if names else []), *words])
    return Request(candidate, experiments, scale, references, launch, command)


def _names_a_norm(word: str) -> bool:
    """Whether this is no override; a path may have an equals sign in it, too."""
    key, is_override, _ = word.partition("=")
    is_file = word.partition(":")[0].endswith(".py")
    return not is_override or (is_file and key.partition(".")[0] not in known_settings())


def _experiments(names: str | None, scale: str) -> tuple[str, ...]:
    """Those that are named, themselves or by a subject that they judge. Errors: ConfigError for what is neither."""
    if names is None:
        return runs.EXPERIMENTS[scale]
    to_ask = askable()
    if names == EVERY:
        return tuple(_at(scale, to_ask))
    by_name: dict[str, str] = {}
    for experiment, subjects in to_ask.items():
        by_name |= {experiment: experiment} | {subject: experiment for subject in subjects if subject not in by_name}
    by_plain = {_plain(name): experiment for name, experiment in by_name.items()}
    for name in names.split(","):
        if _plain(name) not in by_plain:
            meant = did_you_mean(name, by_name, f"there are {', '.join(sorted(set(by_name.values())))}")
            raise ConfigError(f"--claims {name}: there is nothing of that name to ask{meant}")
    return tuple(dict.fromkeys(by_plain[_plain(name)] for name in names.split(",")))


def _at(scale: str, names: Iterable[str]) -> list[str]:
    """The experiments that have a scale."""
    return [name for name in names if scale in scales(paths.experiments()[name])]


def askable() -> dict[str, list[str]]:
    """By experiment that has a claim to ask of any norm, its subjects that have one."""
    found = {name: profile.subjects(read_experiment(path).claims or ()) for name, path in paths.experiments().items()}
    return {name: subjects for name, subjects in found.items() if subjects}


def _plain(name: str) -> str:
    return name.replace("_", "").replace("-", "")


def contract(candidate: Candidate, as_json: bool = False) -> Contract:
    """What came of every check; those that fail are printed, or all of them as JSON."""
    found = trial.contract(candidate)
    if as_json:
        of_norm = {"norm": candidate.target, "settings": dict(candidate.settings), "lags": found.lags}
        print(json.dumps(of_norm | {"contract": [vars(result) for result in found.results]}, indent=1))
        return found
    failed = [result for result in found.results if not result.passed or not result.fine]
    if failed:
        table = Table("promise", "kept", title=f"The contract of {candidate.name}", title_justify="left")
        for (promise, sentence, expected), kinds in _alike(failed).items():
            what = f"{'[bold red]no[/]: ' * (not expected)}{escape(sentence)}"
            what += f" (expected: {escape(expected)})" if expected else ""
            table.add_row(f"{escape(promise)} [dim]{escape(kinds)}[/]", what)
        out.print(table)
    kept = sum(result.passed for result in found.results)
    out.print(f"{candidate.name} keeps {kept} of the {len(found.results)} promises of a norm that were tried.")
    if found.lags:
        out.print(LAGS, soft_wrap=True)
    return found


def _alike(failed: Sequence[Result]) -> dict[tuple[str, str, str], str]:
    """By promise, sentence and what was expected, the check with the kinds of input on which it came out so."""
    names: dict[tuple[str, str, str], list[str]] = {}
    for result in failed:
        names.setdefault((result.promise, result.sentence, result.expected), []).append(result.check)
    return {
        alike: f"{checks[0].partition('[')[0]}[{', '.join(check.partition('[')[2].rstrip(']') for check in checks)}]"
        for alike, checks in names.items()
    }


def broken(candidate: Candidate, contract: Contract) -> str:
    """In a sentence, which promises are not kept."""
    failed = contract.broken
    names = list(_alike(failed).values())
    return f"{candidate.target} breaks {', '.join(names)}: {failed[0].sentence}"


INPUTS = {"flat": "flat inputs", "maps": "maps"}
"""What a norm is given, in words."""


def suited(request: Request, contract: Contract) -> Request:
    """The request without the experiments whose networks give a norm what this one does not take; each is named.

    Errors: ConfigError for a broken contract, and where no experiment is left.
    """
    if contract.broken:
        raise ConfigError(broken(request.candidate, contract))
    given = {name: runs.inputs(name) for name in request.experiments}
    kept = tuple(name for name, kind in given.items() if kind in contract.inputs)
    target, takes = request.candidate.target, " and ".join(INPUTS[kind] for kind in contract.inputs)
    if not kept:
        others = [name for name in _at(request.scale, askable()) if runs.inputs(name) in contract.inputs]
        raise ConfigError(
            f"{target} takes {takes} alone, which the networks of {', '.join(given)} do not give a norm; "
            f"name others that give it {takes}: --claims {','.join(others)}"
        )
    left_out = {
        name: f"its networks give a norm {INPUTS[kind]}, and {target} takes {takes} alone"
        for name, kind in given.items()
        if name not in kept
    }
    for name, why in left_out.items():
        out.print(f"{name} is left out: {why}.", soft_wrap=True, markup=False)
    return replace(request, experiments=kept, left_out=left_out)


def begin(request: Request) -> None:
    """Have the jobs that are composed next be those of the candidate."""
    outcome.changes.append(lambda configs: runs.of(configs, request.candidate))
    if request.references == "package":
        outcome.elsewhere.update(runs.references(request.experiments, request.scale))
        if not outcome.elsewhere:
            at_usual = request.scale == USUAL
            why = "no records of it come along" if at_usual else f"the records that come along are of scale {USUAL}"
            out.print(f"What it is held against is trained, too: {why}.", soft_wrap=True)
