"""Where the project prints: results to the standard output, progress and notices to the standard error."""

from __future__ import annotations

from rich.console import Console

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)
