"""What `bnexp judge` was asked for, and what it does before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hydra.core.override_parser.overrides_parser import OverridesParser
from rich.markup import escape
from rich.table import Table

from bnexp import paths
from bnexp.command import outcome
from bnexp.command.mistakes import did_you_mean
from bnexp.config import LAUNCH, ConfigError
from bnexp.console import out
from bnexp.judge import candidate as candidates
from bnexp.judge import profile, runs, trial
from bnexp.judge.candidate import Candidate
from bnexp.norms.contract import Result
from bnexp.report.experiments import read as read_experiment

SETTINGS = "norm.settings."
OWN = ("scale", "references")
"""Settings of the command's own meaning."""

REFERENCES = ("package", "train")


@dataclass(frozen=True)
class Request:
    """A candidate, and by what it is judged."""

    candidate: Candidate
    experiments: tuple[str, ...]
    scale: str
    references: str
    overrides: list[str]
    """As `bnexp run` would have them."""


def read(words: Sequence[str], names: str | None) -> Request:
    """The request of a command line. Errors: ConfigError."""
    typed = [word for word in words if "=" not in word]
    if len(typed) != 1:
        raise ConfigError(f"bnexp judge takes one norm, {'not ' + ', '.join(typed) if typed else 'my_norm.py'}")
    settings, chosen, launch = {}, {"scale": "laptop", "references": "package"}, []
    for override in OverridesParser.create().parse_overrides([word for word in words if "=" in word]):
        key, value = override.key_or_group, override.value()
        if key.startswith(SETTINGS):
            settings[key.removeprefix(SETTINGS)] = value
        elif key in OWN:
            chosen[key] = str(value)
        elif key in LAUNCH or key in ("data", "checkpoint"):
            launch.append(str(override.input_line))
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
    overrides = [f"experiment={','.join(experiments)}", f"scale={scale}", *launch]
    return Request(candidate, experiments, scale, references, overrides)


def _experiments(names: str | None, scale: str) -> tuple[str, ...]:
    """Those that are named, themselves or by a subject that they judge. Errors: ConfigError for what is neither."""
    if names is None:
        return runs.EXPERIMENTS[scale]
    by_name: dict[str, str] = {}
    for name, path in paths.experiments().items():
        subjects = profile.subjects(read_experiment(path).claims or ())
        by_name |= {_plain(subject): name for subject in subjects if _plain(subject) not in by_name}
        by_name |= {_plain(name): name} if subjects else {}
    for name in names.split(","):
        if _plain(name) not in by_name:
            raise ConfigError(f"--claims {name}: there is nothing of that name to ask{did_you_mean(name, by_name)}")
    return tuple(dict.fromkeys(by_name[_plain(name)] for name in names.split(",")))


def _plain(name: str) -> str:
    return name.replace("_", "").replace("-", "")


def contract(candidate: Candidate) -> list[Result]:
    """What came of every check, printed."""
    found = trial.contract(candidate)
    table = Table("promise", "kept", title=f"The contract of {candidate.name}", title_justify="left")
    for result in found:
        what = "yes" if result.passed else f"[bold red]no[/]: {escape(result.sentence)}"
        what += f" (expected: {escape(result.expected)})" if result.expected else ""
        table.add_row(f"{escape(result.promise)} [dim]{escape(result.check)}[/]", what)
    broken = [result for result in found if not result.passed]
    if broken:
        out.print(table)
    out.print(f"{candidate.name} keeps {len(found) - len(broken)} of the {len(found)} promises of a norm.")
    return found


def broken(candidate: Candidate, contract: Sequence[Result]) -> str:
    """In a sentence, which promises are not kept."""
    failed = [result for result in contract if not result.fine]
    return f"{candidate.target} breaks {', '.join(result.check for result in failed)}: {failed[0].sentence}"


def begin(request: Request, contract: Sequence[Result]) -> None:
    """Have the jobs that are composed next be those of the candidate. Errors: ConfigError for a broken contract."""
    if not all(result.fine for result in contract):
        raise ConfigError(broken(request.candidate, contract))
    outcome.changes.append(lambda configs: runs.of(configs, request.candidate))
    if request.references == "package":
        outcome.elsewhere.update(runs.references(request.experiments, request.scale))
        if not outcome.elsewhere:
            out.print("What it is held against is trained, too: no records of it come along.", soft_wrap=True)
