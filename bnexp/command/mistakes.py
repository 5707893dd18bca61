"""What went wrong, in one line: exit codes and messages of errors, and what may have been meant."""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import errno
import re
from collections.abc import Iterable
from typing import NoReturn

from bnexp import config

LONGEST = 1000
"""Characters of a message, about a screen of lines."""

LISTED = 24
"""Names listed at most where none is like the one that was typed."""


ALL = "bnexp list has them all"
"""Where to find the experiments."""

NO_GRIDS = "grids, arms that are no product, are for bnexp's own sweeper; leave hydra/sweeper out"


class Parser(argparse.ArgumentParser):
    """Of a sub-command, whose errors are ConfigErrors, in a line, without the usage."""

    def __init__(self, command: str, description: str = "", add_help: bool = True) -> None:
        super().__init__(prog=f"bnexp {command}", description=description, add_help=add_help, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        raise config.ConfigError(f"{self.prog}: {message}; {self.prog} --help says what it takes")


def explain(error: Exception) -> tuple[int, str]:
    """Exit code and message of an error: 2 for a mistake in what was asked for, 1 for everything else."""
    text = str(error)
    if isinstance(error, config.ConfigError):
        return 2, text
    if type(error).__module__.startswith(("hydra.", "omegaconf.")):
        return 2, _explain_hydra(error)
    if type(error).__name__ in ("DataError", "LaunchError", "RecordsError", "ReportError"):
        return 1, text
    if isinstance(error, OSError):
        return 1, of_the_system(error)
    return 1, f"{type(error).__name__}: {text} (HYDRA_FULL_ERROR=1 shows the traceback)"


def of_the_system(error: OSError, where: str = "") -> str:
    """An error of the system with what it is about, else with `where` it happened; and what to do, if that is known."""
    name = error.filename or where
    about = f": {name}" if name else ""
    room = "; make room and give the same command again" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
    return f"{error.strerror or str(error) or type(error).__name__}{about}{room}"


def in_a_line(message: str) -> str:
    """The message as one line, without the middle of one that nobody would read."""
    line = " ".join(message.split())
    return line if len(line) <= LONGEST else f"{line[: 2 * LONGEST // 3]} […] {line[-LONGEST // 4 :]}"


def nearest(word: str, known: Iterable[str]) -> str:
    """The end of a sentence: which of these, if any, is most like the word."""
    (name,) = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.5) or [""]
    return f"; did you mean {name}?" if name else ""


def did_you_mean(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """The end of a sentence: what is most like the word, else all there is, or `otherwise`."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {close[0]}?"
    known = f"there are: {', '.join(names)}" if len(names) <= LISTED else otherwise
    return f"; {known}" if known else ""


def settings(schema: type = config.Config, prefix: str = "") -> list[str]:
    """All settings by dotted name."""
    names = []
    for field in dataclasses.fields(schema):
        names.append(f"{prefix}{field.name}")
        inner = field.default_factory
        if isinstance(inner, type) and dataclasses.is_dataclass(inner):
            names += settings(inner, f"{prefix}{field.name}.")
    return names


def no_setting(key: str) -> str:
    """That there is no such setting, and which one may have been meant: ours, or one of Hydra's."""
    if not key.startswith("hydra."):
        return f"there is no setting {key}{did_you_mean(key, settings(), 'bnexp run --help lists them all')}"
    from hydra.conf import HydraConf

    known = [name for name in settings(HydraConf, "hydra.") if name.startswith("hydra.")]
    return f"there is no setting {key}{did_you_mean(key, known, 'bnexp run --hydra-help lists them')}"


def _explain_hydra(error: BaseException) -> str:
    """Hydra's messages with what was meant, and without its advice, which does not fit here."""
    text = str(error)
    if text.startswith("Error merging override") and error.__cause__ is not None:
        return f"{text.splitlines()[0].removeprefix('Error merging override ')}: {error.__cause__}".splitlines()[0]
    if missing := re.search(r"Could not find '(.+?)/([^/']*)'", text):
        group, option = missing.groups()
        options = re.findall(r"^\t(\S+)$", text, re.MULTILINE)
        return f"there is no {group}={option}{did_you_mean(option, options, ALL if group == 'experiment' else '')}"
    if absent := re.search(r"Interpolation key 'budget\.(\w+)", text):
        return f"the experiment has no scale={absent[1]}; bnexp list EXPERIMENT says which it has"
    if "hydra.sweeper.grids[" in text:
        return 'hydra.sweeper.grids: values are text, as on the command line: lr: "0.1,1"'
    if "hydra.sweeper.grids" in text:
        return f"hydra.sweeper.grids with another hydra/sweeper: {NO_GRIDS}"
    if swept := re.search(r"Ambiguous value for argument '(.+)'|Sweep parameters '(.+)' requires", text):
        line = swept[1] or swept[2]
        key, _, values = line.partition("=")
        return f"{line}: to run all of them, add -m; one value that is a list is written {key}=[{values}]"
    if override := getattr(error, "override", None):
        return f"{override}: {text.splitlines()[0]}"
    named = re.search(r"full_key: (\S+)", text) or re.search(r"Could not override '([^']+)'", text)
    if named is None:
        return text
    key = named[1]
    return f"{key}: {text.splitlines()[0]}" if key in settings() else no_setting(key)
