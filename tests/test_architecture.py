"""The code is built as `docs/architecture.md` says: floors, and what stands at the top level."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROW = re.compile(r"^\| (\d+) \| `([^`]+)` \|", re.MULTILINE)
PLUGIN = "hydra_plugins/bnexp_population/"
TOP = {
    "CHANGELOG.md",
    *("bnexp", "configs", "docs", "examples", "hydra_plugins", "results", "scripts", "tests"),
    *("CITATION.cff", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md", "pyproject.toml"),
}


def rows() -> list[tuple[str, int]]:
    """Module and floor of each row of the table."""
    return [(module, int(floor)) for floor, module in ROW.findall((ROOT / "docs" / "architecture.md").read_text())]


def modules() -> dict[str, list[Path]]:
    """The files of each module, under its name in the table; a package is one module."""
    found: dict[str, list[Path]] = {PLUGIN: sorted((ROOT / PLUGIN).rglob("*.py"))}
    for path in sorted((ROOT / "bnexp").rglob("*.py")):
        first, *deeper = path.relative_to(ROOT / "bnexp").parts
        found.setdefault(f"{first}/" if deeper else first, []).append(path)
    return found


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and module, as the table names it, of each import from bnexp, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: write the package's name instead of dots"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for package, *inner in (name.split(".") for name in names):
            if package == "bnexp":
                yield node.lineno, _in_table(inner)


def _in_table(inner: list[str]) -> str:
    if inner and (ROOT / "bnexp" / inner[0]).is_dir():
        return f"{inner[0]}/"
    if inner and (ROOT / "bnexp" / f"{inner[0]}.py").is_file():
        return f"{inner[0]}.py"
    return "__init__.py"


def test_the_table_lists_every_module_once() -> None:
    assert sorted(module for module, _ in rows()) == sorted(modules())


@pytest.mark.parametrize("module", modules())
def test_imports_only_from_floors_below(module: str) -> None:
    floors = dict(rows())
    upward = [
        f"{path.relative_to(ROOT)}:{line}: {module} (floor {floors[module]}) imports {other} (floor {floors[other]})"
        for path in modules()[module]
        for line, other in imports(path)
        if other != module and floors[other] >= floors[module]
    ]
    assert not upward, "\n".join(upward)


def test_imports_inside_functions_are_seen() -> None:
    assert "app.py" in {other for _, other in imports(ROOT / "bnexp" / "cli.py")}


def test_no_module_for_odds_and_ends() -> None:
    assert not [path for path in (ROOT / "bnexp").rglob("*.py") if path.stem in ("utils", "util", "helpers", "misc")]


def test_the_top_level_holds_what_it_should() -> None:
    def git(*arguments: str) -> str:
        return subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True).stdout

    try:
        if Path(git("rev-parse", "--show-toplevel").strip()).resolve() != ROOT.resolve():
            pytest.skip("inside another git checkout")
        tracked = git("ls-files", "-z").split("\0")
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no git checkout: {error}")
    assert {name.partition("/")[0] for name in tracked if name and not name.startswith(".")} == TOP
