"""Where the project's own files lie: beside the package in a source tree, inside it when installed from a wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent


def configs() -> Path:
    """The folder of the Hydra configs."""
    inside = _PACKAGE / "configs"
    return inside if inside.is_dir() else _PACKAGE.parent / "configs"


def references(scale: str, experiment: str) -> Path:
    """The folder of the records of an experiment that come with bnexp."""
    return _PACKAGE / "references" / scale / experiment


def experiments() -> dict[str, Path]:
    """The experiments' files by name."""
    return {path.stem: path for path in sorted((configs() / "experiment").glob("*.yaml"))}


def choices() -> dict[str, list[str]]:
    """The groups of configs, and what there is to choose in each."""
    folders = sorted(folder for folder in configs().iterdir() if folder.is_dir())
    return {folder.name: sorted(file.stem for file in folder.glob("*.yaml")) for folder in folders}
