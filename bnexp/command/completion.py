"""What a shell may put in next; of `bnexp run` Hydra's own completion knows."""

from __future__ import annotations

from collections.abc import Iterable

from bnexp import config, paths


def words(line: str, commands: Iterable[str]) -> list[str] | None:
    """What can stand where the line ends, or None where Hydra is to be asked."""
    typed = line.split()[1:]
    if line.endswith(" ") or not typed:
        typed.append("")
    if len(typed) == 1:
        return _beginning(commands, typed[0])
    if typed[0] == "run":
        return [] if typed[-1].startswith("-") else None
    known = {
        "list": ["claims", "models", *paths.experiments()],
        "report": list(paths.experiments()),
        "diff": list(paths.experiments()),
        "data": list(config.DATASETS[1:]),
    }
    return _beginning(known.get(typed[0], []), typed[-1])


def for_hydra(line: str) -> str:
    """The line of a `bnexp run` as Hydra's completion reads it: overrides alone, of which any may be a list."""
    typed = line.split()[2:]
    overrides = [word for word in typed if not word.startswith("-")]
    return " ".join(["bnexp", "-m", *overrides]) + (" " if line.endswith(" ") else "")


def _beginning(known: Iterable[str], start: str) -> list[str]:
    return [word for word in known if word.startswith(start)]
