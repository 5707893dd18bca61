"""`results/index.html`: what it says, that it needs nothing else, and how it does in a real browser."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from handmade import records
from matplotlib.figure import Figure
from sweeps import made

from bnexp.report import index
from bnexp.report.page import score, strip
from bnexp.report.pictures import MOST, svg
from bnexp.report.writing import write

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

SUBJECTS = ("statistics", "signal_depth")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of results with two reports and a judged norm."""
    folder = tmp_path_factory.mktemp("results")
    for name in SUBJECTS:
        gathered = records(made(name, 1), claims=(name,), title=f"About <{name}>")
        write(replace(gathered, experiment=name), folder / name)
    (folder / "judge" / "Mine").mkdir(parents=True)
    judgement = json.loads((folder / "statistics" / "verdict.json").read_text())["claims"][0]
    verdict = {
        "norm": "mine:Mine",
        "contract": [{"passed": True}, {"passed": False}],
        "claims": [
            {"experiment": "statistics", "id": "a", "norms": {of: judgement}, "against_bn": judgement}
            for of in ("batch", "mine:Mine")
        ],
    }
    verdict["claims"][0]["norms"] |= verdict["claims"].pop()["norms"]
    (folder / "judge" / "Mine" / "verdict.json").write_text(json.dumps(verdict))
    index.write(folder)
    return folder


def test_the_reproducibility_report_has_every_main_claim_and_what_contradicts(results: Path) -> None:
    said = (results / "REPORT.md").read_text(encoding="utf-8")
    headings = ["Scope", "Method", "Results", "What was easy", "What was difficult", "Deviations"]
    assert re.findall(r"^## (.+)$", said, re.MULTILINE) == headings
    assert "{" not in said
    verdicts = [json.loads((results / name / "verdict.json").read_text()) for name in SUBJECTS]
    for verdict in verdicts:
        assert f"`bnexp run experiment={verdict['experiment']} scale=laptop`" in said
        for claim in verdict["claims"]:
            told = (claim["primary"] or claim["verdict"] in ("contradicted", "mixed")) and not claim["control"]
            assert (f"- {claim['claim']} **{claim['verdict'].capitalize()}**" in said) == told


def test_a_figure_that_is_drawn_no_longer_goes(tmp_path: Path) -> None:
    gathered = replace(records(made("affine", 1), claims=("affine",)), experiment="affine")
    write(gathered, tmp_path / "affine")
    drawn = set((tmp_path / "affine" / "figures").iterdir())
    (tmp_path / "affine" / "figures" / "before.png").write_bytes(b"")
    write(gathered, tmp_path / "affine")
    assert set((tmp_path / "affine" / "figures").iterdir()) == drawn


def test_verdicts_alone_are_linked_to_as_there_is_no_report(results: Path, tmp_path: Path) -> None:
    alone = tmp_path / "laptop" / "statistics"
    alone.mkdir(parents=True)
    shutil.copy(results / "statistics" / "verdict.json", alone)
    index.write(alone.parent)
    assert "[statistics](statistics/verdict.json)" in (alone.parent / "README.md").read_text()
    assert "[statistics](statistics/README.md)" in (results / "README.md").read_text()


def text(results: Path) -> str:
    return (results / "index.html").read_text(encoding="utf-8")


def test_every_claim_is_there_with_its_verdict_source_and_seeds(results: Path) -> None:
    page = text(results)
    verdicts = [json.loads((results / name / "verdict.json").read_text()) for name in SUBJECTS]
    claims = [claim for verdict in verdicts for claim in verdict["claims"]]
    assert page.count('<details class="claim"') == len(claims)
    for claim in claims:
        assert claim["claim"].replace("'", "&#39;").replace("<", "&lt;") in page
    assert page.count('class="strip"') > len(claims) / 2
    assert "About &lt;statistics&gt;" in page, "what a report says is no markup"
    assert "keeps 1 of 2 promises" in page
    assert all(f"<th>{name}</th>" in page for name in ("with BN", "Mine", "Mine against BN"))
    assert score(verdicts) in page


def test_it_needs_nothing_else(results: Path) -> None:
    page = text(results)
    assert not re.search(r"""(src|href)=["'](https?:)?//""", page)
    assert "@import" not in page
    assert len(page) < 3_000_000
    assert "figures/" in page, "the other pictures lie beside it"
    for link in re.findall(r'href="([^"#][^"]*)"', re.sub(r"<svg.*?</svg>", "", page, flags=re.DOTALL)):
        assert (results / link).exists() or link.startswith("judge/"), link


def test_drawings_are_small_and_keep_what_is_written() -> None:
    figure = Figure()
    axes = figure.subplots()
    axes.plot([0.123456, 1.5], [2.0, 3.987654], "o", label="lr 0.05, N(0, 0.05²)")
    axes.legend()
    drawn = svg(figure)
    assert drawn is not None
    assert "lr 0.05, N(0, 0.05²)" in drawn
    assert drawn.startswith("<svg")
    assert "metadata" not in drawn
    for i in range(40):
        axes.plot(range(200), [(i * x) % 7 for x in range(200)], "o")
    assert svg(figure) is None
    assert len(svg(figure, 10**9) or "") > MOST


def test_two_drawings_on_a_page_share_no_names() -> None:
    names = []
    for values in ([1, 2], [1, 3]):
        figure = Figure()
        figure.subplots().plot(values, "o")
        names.append(set(re.findall(r' id="([^"]+)"', svg(figure) or "")))
    assert names[0]
    assert not {name for name in names[0] if name.startswith("d")} & names[1]


def test_a_strip_has_a_dot_for_every_seed_and_none_for_nothing() -> None:
    values: list[dict[str, Any]] = [
        {"arm": arm, "cell": "", "seed": seed, "value": 0.9 + seed / 100} for arm in ("a", "b") for seed in range(3)
    ]
    assert strip(values, "points").count("<circle") == 6
    assert "90 %" in strip(values, "points")
    assert strip([{**values[0], "value": None}], "points") == ""


PROBE = (Path(__file__).parent / "page_probe.js").read_text()
CATCH = """window.problems = [];
window.addEventListener("error", (event) => window.problems.push(String(event.message)));"""


def opened(page: str, folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    """What the browser makes of a page, its scripts run."""
    quiet = ("--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}", "--dump-dom")
    return subprocess.run([str(BROWSER), *quiet, *flags, page], capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def _browser(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skips where there is none that starts."""
    if BROWSER is None:
        pytest.skip("there is no chromium to open the page in")
    try:
        tried = opened("data:text/html,<p>here</p>", tmp_path_factory.mktemp("browser"))
    except (OSError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"{BROWSER} does not start: {error}")
    if "here" not in tried.stdout:
        pytest.skip(f"{BROWSER} shows nothing: {tried.stderr[-200:]}")


@pytest.mark.usefixtures("_browser")
@pytest.mark.parametrize("width", [400, 1400])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_in_a_browser(results: Path, tmp_path: Path, width: int, dark: bool) -> None:
    page = text(results).replace("<style>", f"<script>{CATCH}</script><style>", 1)
    page = page.replace("</html>", f"<script>{PROBE}</script></html>")
    if dark:
        page = page.replace("@media (prefers-color-scheme: dark)", "@media all")
    place = tmp_path / "page.html"  # a window is 500 wide at least
    frame = f'<iframe width="{width}" height="1200" style="border: 0" srcdoc="{html.escape(page)}"></iframe>'
    place.write_text(f"<!doctype html><body>{frame}</body>", encoding="utf-8")
    done = opened(place.as_uri(), tmp_path, "--window-size=1600,1300", "--virtual-time-budget=5000")
    found = re.search(r'<pre id="said">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr[-500:]
    said = json.loads(found[1].replace("&gt;", ">").replace("&lt;", "<").replace("&amp;", "&"))
    assert said["errors"] == []
    assert said["inner"] == width
    assert said["wide"] <= width, "nothing is wider than the window"
    assert said["clipped"] == 0
    assert 0 < said["words"] < said["experiment"] < said["all"] == said["again"]
    assert 0 < said["primary"] < said["all"]
    assert said["contrast"] >= 4.5, "what WCAG asks for"
    assert said["overlaps"] == 0


def test_the_score_counts_main_claims_first_and_controls_by_whether_they_hold() -> None:
    def claim(verdict: str, primary: bool = False, control: str = "", held: bool | None = None) -> dict[str, Any]:
        return {"verdict": verdict, "primary": primary, "control": control, "held": held}

    of_bn = [claim("reproduced", primary=True), claim("mixed"), claim("undecided")]
    controls = [claim("contradicted", control="if", held=True), claim("undecided", control="if")]
    assert score([{"claims": [*of_bn, *controls]}]) == (
        "1 experiment; 1 main claim: 1 reproduced; 2 further claims: 1 mixed, 1 undecided; "
        "2 controls: 1 as they should be, 1 undecided."
    )
    assert score([]) == ""
