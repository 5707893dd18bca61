"""The norm that is put to the test, as it is typed: a file, a class in it, or `package.module:Class`."""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bnexp import targets
from bnexp.config import Config, ConfigError, NormConfig
from bnexp.norms import own

NO_NORM = ("Function", "NamedTuple", "Enum", "Protocol", "Exception", "Error")
"""How the names of classes end whose children are no norms."""


@dataclass(frozen=True)
class Candidate:
    """A norm of somebody's."""

    target: str
    """`package.module:Class`."""
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What its report is called: one word, that a folder can have."""
        words = [self.target.rpartition(":")[2], *(f"{key}={value}" for key, value in self.settings.items())]
        return re.sub(r"[^\w.=-]+", "_", "-".join(words))

    def make(self) -> Any:
        """The class or function itself. Errors: ConfigError where it is not to be had."""
        return targets.load(own.KEY, self.target)

    def in_place_of_bn(self, config: Config) -> Config:
        """The run with this norm."""
        norm = replace(config.norm, name="module", target=self.target, settings=dict(self.settings))
        return replace(config, norm=norm)


def as_typed(message: str) -> str:
    """What is said of a norm, without the setting by which `bnexp run` has it: nobody typed that."""
    return message.replace(f"{own.KEY}=", "")


def read(typed: str, settings: Mapping[str, Any]) -> Candidate:
    """What `my_norm.py`, `my_norm.py:Class` or `package.module:Class` names.

    Errors: ConfigError for a file that is not there, and where it has no class that could be meant, or several.
    """
    place, _, name = typed.partition(":")
    if not place.endswith(".py"):
        if not name:
            raise ConfigError(f"{typed}: write a file, my_norm.py, or package.module:Class")
        return Candidate(typed, settings)
    path = Path(place)
    if not path.is_file():
        raise ConfigError(f"{typed}: there is no file {place} in {Path.cwd()}")
    if "." in path.stem:
        name = f"{path.stem.replace('.', '_')}.py"
        raise ConfigError(f"{typed}: Python takes {path.stem} for a module in a package; call the file {name}")
    targets.look_in(path.resolve().parent)
    imported = targets.file_of(path.stem)
    if imported is not None and imported.resolve() != path.resolve():
        raise ConfigError(f"{typed}: Python would import {imported} in its place; give the file another name")
    tree = _parsed(path)
    classes = _classes(tree)
    if name and not _may_have(tree, name):
        (near,) = difflib.get_close_matches(name, classes, n=1) or [""]
        has = f"it has {', '.join(classes)}" if classes else "it defines no class"
        raise ConfigError(f"{typed}: {place} has no {name}; {f'did you mean {place}:{near}?' if near else has}")
    if not name:
        if len(classes) != 1:
            found = f"it has {', '.join(classes)}" if classes else "it defines no class"
            raise ConfigError(f"{typed}: {found}; name one, {place}:{classes[0] if classes else 'MyNorm'}")
        (name,) = classes
    return Candidate(f"{path.stem}:{name}", settings)


def _parsed(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_bytes())
    except SyntaxError as error:
        raise ConfigError(f"{path}: {error.msg}, line {error.lineno}") from error


def _may_have(tree: ast.Module, name: str) -> bool:
    """Whether the file names it anywhere, or imports what cannot be told."""
    for node in ast.walk(tree):
        named = [getattr(node, "name", None), getattr(node, "id", None), getattr(node, "asname", None)]
        if name in named or "*" in named:
            return True
    return False


def _classes(tree: ast.Module) -> Sequence[str]:
    """The classes that a file defines and that may be a norm; not those whose names begin with an underscore."""
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
    return [node.name for node in classes if not any(ast.unparse(base).endswith(NO_NORM) for base in node.bases)]


PLAIN_BN = NormConfig()
FREE = ("name", "eps", "batches", "momentum", "groups")
"""Settings in which plain BN may differ: they make it no other norm, or are none of its own."""


def stands_for(config: Config) -> bool:
    """Whether a run has BN as it is, in whose place another norm can be put."""
    norm = config.norm
    same = all(getattr(norm, name) == getattr(PLAIN_BN, name) for name in vars(PLAIN_BN) if name not in FREE)
    return norm.name == "batch" and config.trained == "all" and same
