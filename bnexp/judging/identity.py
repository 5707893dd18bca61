"""What decides a claim, as a digest: so that a rule that was changed after the runs is seen to have been."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any

from bnexp.judging.claim import Claim, Of, Peculiar

WORDS = ("source", "sentence", "paper", "primary", "fails", "decides")
"""Fields that decide nothing, or only which p-values are adjusted together."""


def digest(claim: Claim | Peculiar) -> str:
    """SHA-256 of the canonical JSON of the claim's deciding fields; of a function its source."""
    content = json.dumps(_plain(claim), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()


def _plain(value: Any) -> Any:
    """Fields at their default are left out, so that a new field changes no digest."""
    if isinstance(value, Of):
        return {value.kind: list(value.values)}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {
            f.name: getattr(value, f.name)
            for f in dataclasses.fields(value)
            if f.name not in WORDS and getattr(value, f.name) != _default(f)
        }
        plain = {name: _plain(item) for name, item in fields.items()}
        return {name: item for name, item in plain.items() if name != "control" or item}  # else it is words alone
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return _source(value) if callable(value) else value


def _default(f: dataclasses.Field[Any]) -> Any:
    if f.default_factory is not dataclasses.MISSING:
        return f.default_factory()
    return f.default


def _source(function: Callable[..., Any]) -> Any:
    """The text of a function, with what it closes over."""
    try:
        text = inspect.getsource(function)
    except (OSError, TypeError):
        text = repr(function)
    cells = [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]
    return [" ".join(text.split()), *map(_plain, cells)]
