"""What an experiment's file says of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import yaml

from bnexp import paths


@dataclass(frozen=True)
class Experiment:
    """What a report needs of an experiment's file."""

    name: str
    title: str
    claims: Sequence[str]


OWN = Experiment("runs", "A sweep of your own", [])
"""Runs of no experiment."""


def experiment(name: str) -> Experiment:
    """Read an experiment's file."""
    values = yaml.safe_load(paths.experiments()[name].read_text())
    return Experiment(name, values["title"], values["claims"])
