"""What README.md says is so."""

from __future__ import annotations

import re
import runpy
import tomllib
from pathlib import Path

import yaml

from bnexp import claims, paths
from bnexp.report import experiments, verdicts
from bnexp.report.explanations import EXPLANATIONS, SUFFIX, found_in
from bnexp.report.sayings import LABELS, SAYINGS, answered

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_its_verdicts_are_those_of_the_results() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "readme.py"))
    assert script["with_verdicts"](README) == README, "run scripts/readme.py"


def test_its_table_has_about_twelve_rows_and_the_overview_all_of_them() -> None:
    rows = [
        line
        for line in README.partition("<!-- verdicts")[2].partition("<!-- end of verdicts")[0].splitlines()
        if line.startswith("| ")
    ]
    assert 10 <= len(rows) - 1 <= 13
    overview = (ROOT / "results" / "README.md").read_text()
    found = found_in(verdicts.read_all(ROOT / "results")[0])
    told = [saying for saying, _ in answered(found)]
    assert [f"| {saying.sentence} |" in README for saying in told] == [saying.common for saying in told]
    assert all(f"| {saying.sentence} |" in overview for saying in told)


def test_every_main_claim_bears_on_a_saying_or_an_explanation() -> None:
    told = {(answer.experiment, answer.claim) for saying in SAYINGS for answer in saying.answers}
    told |= {
        (experiment, witness.claim)
        for explanation in EXPLANATIONS
        for witness in explanation.witnesses
        for experiment in (witness.subject, witness.subject + SUFFIX)
    }
    judged = {
        (name, claim.id): claim
        for name, path in paths.experiments().items()
        for subject in claims.resolve(experiments.read(path).claims or ())
        for claim in subject.claims
    }
    assert {(answer.experiment, answer.claim) for saying in SAYINGS for answer in saying.answers} <= judged.keys()
    main = {of for of, claim in judged.items() if claim.primary and claim.control is None and of[0] != "paper"}
    assert len(main) > 40
    assert main - told == set()
    assert {of for of in main if of not in LABELS} == set(), "the forest plot has no short words for it"


def test_what_it_links_to_is_there() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_index_of_the_docs_has_every_page_and_is_linked_to() -> None:
    docs = ROOT / "docs"
    assert "](docs/README.md)" in README
    links = re.findall(r"\]\(([^)#]+)\)", (docs / "README.md").read_text())
    assert [link for link in links if not (docs / link).exists()] == []
    pages = {path.name for path in docs.iterdir() if path.suffix in (".md", ".ipynb")} - {"README.md"}
    assert pages | {"experiments/"} <= set(links)


def test_its_test_command_is_the_one_that_ci_runs() -> None:
    assert "`make test` runs the tests" in README
    assert (ROOT / ".ci" / "run").read_text().rstrip().endswith("make test")


def test_the_quick_start_is_what_the_public_ci_runs() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    jobs = workflow["jobs"]
    typed = [step["run"] for step in jobs["quick-start"]["steps"] if "run" in step]
    quick_start = README.partition("## Quick start")[2].partition("```\n")[2].partition("```")[0]
    install, first, _ = (line.partition("  #")[0].strip() for line in quick_start.splitlines())
    assert typed == [install, f"source .venv/bin/activate && {first}", "make reproduce SCALE=smoke"]
    assert "`make reproduce SCALE=smoke`" in README
    assert jobs["tests"]["steps"][-1]["run"] == "make test"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert jobs["quick-start"]["strategy"]["matrix"]["python"][0] == project["requires-python"].removeprefix(">=")
