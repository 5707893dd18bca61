"""A page for every experiment, as its config, its claims and its results have it now."""

from __future__ import annotations

import runpy
from pathlib import Path

from bnexp import paths
from bnexp.claims import REGISTRY
from bnexp.report.experiments import read

ROOT = Path(__file__).parent.parent
MADE: dict[Path, str] = runpy.run_path(str(ROOT / "scripts" / "pages.py"))["pages"]()


def test_they_are_as_the_script_writes_them() -> None:
    committed = {path: path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "experiments").glob("*.md")}
    assert committed == MADE, "run scripts/pages.py"
    assert {path.stem for path in MADE} == set(paths.experiments())


def test_each_has_its_command_every_claim_and_links_that_lead_somewhere() -> None:
    for name, file in paths.experiments().items():
        text = MADE[ROOT / "docs" / "experiments" / f"{name}.md"]
        assert f"bnexp run experiment={name} scale=smoke" in text or name == "paper"
        for subject in read(file).claims or ():
            assert all(f"[`{claim.id}`]" in text for claim in REGISTRY[subject].claims)
        for link in text.split("](")[1:]:
            target, _, line = link.partition(")")[0].partition("#")
            place = (ROOT / "docs" / "experiments" / target).resolve()
            assert place.exists(), link
            if line.startswith("L"):
                assert int(line[1:]) <= len(place.read_text(encoding="utf-8").splitlines())


def test_an_experiment_that_builds_on_another_has_its_scales_and_logs_its_probes() -> None:
    page, below = (MADE[ROOT / "docs" / "experiments" / f"{name}.md"] for name in ("step_size_inception", "jacobian"))
    assert "scale=overnight" in page
    assert "scale=laptop" not in page
    assert "the probes input_shift, gradient_shift" in page
    assert "the probes input_shift, gradient_shift" in below
