"""Figures as files."""

from __future__ import annotations

import io

from matplotlib.figure import Figure


def title(figure: Figure) -> str:
    """What a figure says of itself, in a line, for those who cannot see it."""
    words = f"{figure.get_suptitle()}. {figure.get_supxlabel()}"
    return " ".join(words.replace("[", "(").replace("]", ")").split())


def png(figure: Figure) -> bytes:
    """A figure as a file's content."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=100, metadata={"Software": None})
    return content.getvalue()
