"""Check the claims of the Batch Normalization paper (Ioffe & Szegedy 2015) on your own machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bnexp.version import __version__ as __version__

if TYPE_CHECKING:
    from bnexp.runs.frames import Frames


def load(source: str | Path, outputs: str | Path = "outputs", results: str | Path = "results") -> Frames:
    """Runs and metrics of an experiment, a report's folder, the outputs, or one run, as two pandas tables.

    Errors: ConfigError where `source` names no finished runs, RecordsError where they are damaged.
    """
    from bnexp.runs.frames import frames  # pandas takes a moment: `import bnexp` shall not
    from bnexp.runs.sources import find

    return frames(find(source, Path(outputs), Path(results)))
