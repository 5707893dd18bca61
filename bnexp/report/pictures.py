"""Figures as files."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from PIL import Image

from bnexp.files import write_atomically


def title(figure: Figure) -> str:
    """What a figure says of itself, in a line, for those who cannot see it."""
    words = f"{figure.get_suptitle()}. {figure.get_supxlabel()}"
    return " ".join(words.replace("[", "(").replace("]", ")").split())


def png(figure: Figure) -> bytes:
    """A figure as a file's content."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=100, metadata={"Software": None})
    return content.getvalue()


def save(figure: Figure, path: Path, kind: str) -> bytes:
    """Write a figure as PNG, and of the kind `pdf` as that, too, under another suffix; the PNG."""
    picture = png(figure)
    write_atomically(path.with_name(f"{path.name}.png"), picture)
    path.with_name(f"{path.name}.pdf").unlink(missing_ok=True)
    if kind == "pdf":
        content = io.BytesIO()
        dateless: Any = {"Creator": None, "Producer": None, "CreationDate": None}
        figure.savefig(content, format="pdf", dpi=200, metadata=dateless)
        write_atomically(path.with_name(f"{path.name}.pdf"), content.getvalue())
    return picture


MOST = 50_000
"""Characters of a drawing within a page; of more, it is shown as pixels."""

HUES = 64
"""Colours of such a picture; it is a third as large as with all of them."""

FONTS = "DejaVu Sans, Verdana, sans-serif"
"""Verdana is as wide, where there is no DejaVu."""


DOT = "<use [^>]*/>"
GROUP = re.compile(f"<g((?: [^>]*)?)>((?:{DOT})+)</g>")
STYLE = re.compile(r' style="([^"]*)"')
PLACE = re.compile(r' (?:x|y|d)="[^"]*"')
"""Where something is in the picture."""


def svg(figure: Figure, most: int = MOST) -> str | None:
    """A figure as an element of a page, its text as text; None where it would be longer than `most`."""
    content = io.StringIO()
    settings: Any = {"svg.fonttype": "none", "svg.hashsalt": "bnexp", "path.simplify_threshold": 0.5}
    with matplotlib.rc_context(settings):
        figure.savefig(content, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    drawn = content.getvalue()
    drawn = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", drawn[drawn.index("<svg") :], flags=re.DOTALL)
    drawn = re.sub(r"<[^>]*>", lambda tag: _thinned(tag[0]), drawn)
    drawn = re.sub(r">\s+<", "><", drawn)
    drawn = _ungrouped(GROUP.sub(lambda group: _styled_once(group[1], group[2]), drawn))
    drawn = _short_names(drawn.replace("xlink:href", "href"))
    drawn = _styles_named(drawn)
    if len(drawn) > most:
        drawn = re.sub(r"<(?!path id)[^>]*>", lambda tag: PLACE.sub(lambda place: _whole(place[0]), tag[0]), drawn)
        drawn = re.sub(f"(?:{DOT}){{2,}}", lambda dots: "".join(dict.fromkeys(re.findall(DOT, dots[0]))), drawn)
    return drawn if len(drawn) <= most else None


def inline(file: Path | io.BytesIO) -> str:
    """A PNG file, or what would stand in it, as an address that has all of it, in few colours."""
    content = io.BytesIO()
    with Image.open(file) as picture:
        picture.convert("RGB").quantize(HUES, dither=Image.Dither.NONE).save(content, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"


def _prefix(drawn: str) -> str:
    """Of the names in a drawing, other than of any other drawing on the page."""
    return hashlib.sha256(drawn.encode()).hexdigest()[:4]


def _short_names(drawn: str) -> str:
    """What is referred to by shorter names."""
    prefix = _prefix(drawn)
    names = dict.fromkeys(re.findall(r' id="([mp][0-9a-f]{10})"', drawn))
    for i, name in enumerate(names):
        drawn = drawn.replace(name, f"d{prefix}{i}")
    return drawn


def _thinned(tag: str) -> str:
    """Without the names of groups, to which nothing refers, and with coordinates to a tenth of a pixel."""
    tag = re.sub(r' id="[A-Za-z0-9.]+_\d+"| transform="rotate\(-0 [^"]*"', "", tag)
    tag = re.sub(r"-?\d+\.\d{2,}", lambda number: f"{float(number[0]):.1f}".removesuffix(".0"), tag)
    return re.sub(r"'DejaVu Sans'[^;\"]*", FONTS, " ".join(tag.split()))


def _whole(place: str) -> str:
    """In whole pixels."""
    return re.sub(r'([ "])(-?\d+)\.\d(?=[ "])', r"\1\2", place)


def _ungrouped(drawn: str) -> str:
    """Without groups that say nothing of what they hold."""
    kept: list[str] = []
    saying: list[bool] = []
    for part in re.split(r"(<g(?: [^>]*)?>|</g>)", drawn):
        if part.startswith("<g"):
            saying.append(part != "<g>")
        if not (part == "</g>" and not saying.pop()) and part != "<g>":
            kept.append(part)
    return "".join(kept)


def _styles_named(drawn: str) -> str:
    """Styles in a sheet, which many elements share, instead of in each of them."""
    prefix = _prefix(drawn)
    names = {style: f"s{prefix}{i}" for i, style in enumerate(dict.fromkeys(STYLE.findall(drawn)))}
    sheet = "".join(f".{name}{{{style}}}" for style, name in names.items())
    drawn = STYLE.sub(lambda style: f' class="{names[style[1]]}"', drawn)
    return drawn.replace(">", f"><style>{sheet}</style>", 1)


def _styled_once(group: str, uses: str) -> str:
    """Dots of one style in a group that has it."""
    styles = set(STYLE.findall(uses))
    if len(styles) != 1 or uses.count("style=") != uses.count("<use ") or "style=" in group:
        return f"<g{group}>{uses}</g>"
    return f'<g{group} style="{styles.pop()}">{STYLE.sub("", uses)}</g>'
