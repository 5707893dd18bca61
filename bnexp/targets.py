"""What a setting names as `module:name`: imported from the installed packages, then from the current folder."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import difflib
import hashlib
import importlib.util
import inspect
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from bnexp.config import Config, ConfigError, RunConfig


def load(setting: str, target: str) -> Any:
    """What `target` names, written `package.module:name`; `setting` is the key under which the user wrote it.

    Errors: ConfigError where there is no such thing, or where its module fails while it is imported.
    """
    module, _, name = target.partition(":")
    advice = "write it as package.module:name, importable from the current folder"
    if not (module and name):
        raise ConfigError(f"{setting}={target}: it names nothing that can be imported; {advice}")
    imported = _import(f"{setting}={target}", module)
    try:
        return getattr(imported, name)
    except AttributeError as error:
        (near,) = difflib.get_close_matches(name, vars(imported), n=1) or [""]
        meant = f"did you mean {module}:{near}?" if near else advice
        raise ConfigError(f"{setting}={target}: {error}; {meant}") from error


def _import(written: str, module: str) -> ModuleType:
    folder = Path.cwd()
    look_in(folder)
    importlib.invalidate_caches()
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ConfigError(f"{written}: {error}; it is looked for in {folder} and among the packages") from error
    except SyntaxError as error:
        raise ConfigError(f"{written}: {error.msg}: {error.filename}, line {error.lineno}") from error
    except (Exception, SystemExit) as error:
        raise ConfigError(f"{written}: {place(error)}") from error


def look_in(folder: Path) -> None:
    """Let what lies in the folder be imported, here and in the processes begun here."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))  # last: a file of the user's called statistics.py hides nobody else's


def signature(make: Callable[..., Any]) -> inspect.Signature:
    """How something is called; of what is not written in Python anything goes."""
    try:
        return inspect.signature(make)
    except ValueError:
        return inspect.signature(lambda *args, **kwargs: None)


def source(setting: str, target: str) -> str | None:
    """Digest of the files that make `target` what it is, 16 hexadecimal digits; None for what comes with bnexp.

    These are the file that it is named in, the one that defines it, and the user's own files that these import, also
    inside functions and through each other. Of installed packages it is the defining file alone, of Python and bnexp
    none. What a file reads or imports by a computed name is not covered.
    """
    module = target.partition(":")[0]
    defining = getattr(load(setting, target), "__module__", None) or module
    files: dict[str, Path] = {}
    waiting = [module, defining]
    while waiting:
        name = waiting.pop()
        file = file_of(name)
        if file is None or name in files or _of_python_or_bnexp(file):
            continue
        if not _installed(file):
            waiting += _imported(name, file)
        elif name != defining:
            continue
        files[name] = file
    digests = {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in sorted(files.items())}
    return hashlib.sha256(repr(digests).encode()).hexdigest()[:16] if digests else None


def check_used(configs: Sequence[Config]) -> None:
    """ConfigError for a norm or a network of the user's that none of a command's runs uses; the configs are all."""
    for group in ("norm", "model"):
        parts = [getattr(config, group) for config in configs]
        targeted = [part for part in parts if part.target is not None or part.settings]
        if targeted and not any(part.name == "module" for part in targeted):
            key, value = ("target", targeted[0].target) if targeted[0].target else ("settings", targeted[0].settings)
            chosen = ",".join(dict.fromkeys(part.name for part in parts))
            raise ConfigError(
                f"{group}.{key}={value} with {group}={chosen}: it is for {group}=module; "
                f"add {group}=module, or leave {group} out"
            )


def settle(configs: Sequence[Config], group: str) -> list[Config]:
    """Configs, the `norm` or `model` of which a target makes, with the source of the target.

    Where the target is not used they are without it. Errors: ConfigError where it cannot be had.
    """
    sources: dict[str, str | None] = {}
    settled = []
    for config in configs:
        part = getattr(config, group)
        if part.name == "module":
            target = str(part.target)
            if target not in sources:
                sources[target] = source(f"{group}.target", target)
            part = dataclasses.replace(part, source=sources[target])
        else:
            part = dataclasses.replace(part, target=None, settings={})
        settled.append(dataclasses.replace(config, **{group: part}))
    return settled


def check_unchanged(config: RunConfig) -> None:
    """ConfigError where the files of a target are no longer those of which the run's id speaks."""
    for group, part in (("norm", config.norm), ("model", config.model)):
        if part.source is not None and part.source != source(f"{group}.target", str(part.target)):
            raise ConfigError(
                f"{group}.target={part.target} was changed after the command began; give the command again"
            )


def _imported(module: str, file: Path) -> Iterator[str]:
    """The modules that the user's file imports, and the packages around them; those of installed packages may lack."""
    if file.suffix != ".py":
        return
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(file.read_bytes())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            with contextlib.suppress(ImportError):  # in a file that is in no package: one of two ways, tried in turn
                base = importlib.util.resolve_name("." * node.level + (node.module or ""), package or None)
                names = [f"{base}.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            for end in range(1, len(parts) + 1):
                prefix = ".".join(parts[:end])
                imported_file = file_of(prefix)
                if imported_file is not None and _installed(imported_file):
                    break
                yield prefix


def file_of(module: str) -> Path | None:
    """The file of a module, imported or not; None for what has none, such as a folder, and for what is no module."""
    if module in sys.modules:
        file = getattr(sys.modules[module], "__file__", None)
        return Path(file) if file else None
    with contextlib.suppress(Exception):
        spec = importlib.util.find_spec(module)
        if spec is not None and spec.has_location and spec.origin:
            return Path(spec.origin)
    return None


def place(error: BaseException) -> str:
    """An error in a line, with the last place in a file of the user's that it came through."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<")]
    of_the_user = [frame for frame in frames if not _installed(Path(frame.filename))]
    last = (of_the_user or frames)[-1]
    return f"{type(error).__name__}: {error} ({last.filename}, line {last.lineno})"


def _installed(file: Path) -> bool:
    return _of_python_or_bnexp(file) or _of_a_package(file)


def _of_python_or_bnexp(file: Path) -> bool:
    of_python = Path(sysconfig.get_path("stdlib")) in file.parents and not _of_a_package(file)
    return of_python or Path(__file__).parent in file.parents


def _of_a_package(file: Path) -> bool:
    return not {"site-packages", "dist-packages"}.isdisjoint(file.parts)
