"""What README.md says is so."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_its_verdicts_are_those_of_the_results() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "readme.py"))
    assert script["with_verdicts"](README) == README, "run scripts/readme.py"


def test_what_it_links_to_is_there() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_its_test_command_is_the_one_that_ci_runs() -> None:
    assert "`make test` runs the tests" in README
    assert (ROOT / ".ci" / "run").read_text().rstrip().endswith("make test")
