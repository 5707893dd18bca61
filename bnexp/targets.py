"""What a setting names as `module:name`: imported from the installed packages, then from the current folder."""

from __future__ import annotations

import importlib
import sys
import sysconfig
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from bnexp.config import ConfigError


def load(setting: str, target: str) -> Any:
    """What `target` names, written `package.module:name`; `setting` is the key under which the user wrote it.

    Errors: ConfigError where there is no such thing, or where its module fails while it is imported.
    """
    module, _, name = target.partition(":")
    advice = "write it as package.module:name, importable from the current folder"
    if not (module and name):
        raise ConfigError(f"{setting}={target}: it names nothing that can be imported; {advice}")
    try:
        return getattr(_import(f"{setting}={target}", module), name)
    except AttributeError as error:
        raise ConfigError(f"{setting}={target}: {error}; {advice}") from error


def _import(written: str, module: str) -> ModuleType:
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.append(folder)  # last: a file of the user's called statistics.py hides nobody else's
    importlib.invalidate_caches()
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ConfigError(f"{written}: {error}; it is looked for in {folder} and among the packages") from error
    except SyntaxError as error:
        raise ConfigError(f"{written}: {error.msg}: {error.filename}, line {error.lineno}") from error
    except (Exception, SystemExit) as error:
        raise ConfigError(f"{written}: {place(error)}") from error


def place(error: BaseException) -> str:
    """An error in a line, with the last place in a file of the user's that it came through."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<")]
    of_the_user = [frame for frame in frames if not _installed(Path(frame.filename))]
    last = (of_the_user or frames)[-1]
    return f"{type(error).__name__}: {error} ({last.filename}, line {last.lineno})"


def _installed(file: Path) -> bool:
    folders = {Path(__file__).parent, *(Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib"))}
    return not folders.isdisjoint(file.parents)
