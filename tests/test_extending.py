"""Every example of docs/extending.md, run as it stands there."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Command

TEXT = (Path(__file__).parent.parent / "docs" / "extending.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(section: str) -> Iterator[tuple[str, str]]:
    """The language and the text of each block of a section, in order."""
    yield from BLOCK.findall(SECTIONS[section])


@pytest.mark.parametrize("section", SECTIONS)
def test_an_example_does_what_the_text_says(
    section: str, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    ran = 0
    for language, text in blocks(section):
        if language in ("python", "yaml") and (named := re.match(r"# (\S+\.(?:py|yaml))\n", text)):
            path = tmp_path / named[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.partition("\n")[2], encoding="utf-8")  # Hydra reads a first line
        elif language == "python":
            exec(compile(text, f"docs/extending.md, {section}", "exec"), {})
            ran += 1
        else:
            for line in text.replace("\\\n", "").splitlines():
                program, *arguments = shlex.split(line, comments=True)
                assert program == "bnexp"
                result = command(*arguments)
                assert result.code == 0, f"{line}\n{result.err}"
                ran += 1
    assert ran


def test_every_door_has_its_section() -> None:
    assert list(SECTIONS) == ["A norm", "A data set", "A model", "An experiment", "A claim", "In Python"]
