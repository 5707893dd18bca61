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
from xml.etree import ElementTree

import pytest
from handmade import records
from matplotlib.figure import Figure
from sweeps import made

from bnexp.drawing.colours import BN_COLOUR, COLOURS, PLAIN_COLOUR
from bnexp.report import index, redraw, reproducibility
from bnexp.report.forest import forest
from bnexp.report.page import MOST_LINES, hues, score, strip
from bnexp.report.pictures import MOST, svg
from bnexp.report.writing import _draw_for_the_page as draw_for_the_page
from bnexp.report.writing import write

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

ROOT = Path(__file__).parent.parent

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
        "scale": "laptop",
        "dataset": "MNIST",
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


def test_its_prose_has_the_numbers_of_its_table_and_speaks_of_inception_where_it_is(results: Path) -> None:
    files = [
        (results / name / "verdict.json", json.loads((results / name / "verdict.json").read_text()))
        for name in SUBJECTS
    ]
    for (_, verdict), epochs in zip(files, ("0.5 epochs", "8 to 1,000 epochs"), strict=True):
        verdict |= {"epochs": epochs, "model": {"layers": [4, 5], "parameters": [99710, 100010]}}
    pictures = {
        **files[0][1],
        "experiment": "inception",
        "dataset": {"name": "cifar10", "sha256": {}},
        "epochs": "6 epochs",
    }
    pictures |= {"model": {"layers": [26, 26], "parameters": [272274, 273706]}}
    questions = dict.fromkeys((*SUBJECTS, "inception"), "Why?")
    alone = reproducibility.text(results, files, questions, "")
    assert "4 to 5 layers and 99,710 to 100,010 parameters;\n  trainings end after 0.5 to 1000 epochs" in alone
    assert not re.search("Inception|Figure 5|13.6|Figure 1\\(a\\)|crops", alone)
    assert "Figure 1(b, c), drawn with the usual moving averages" in alone
    both = reproducibility.text(results, [*files, (results / "inception" / "verdict.json", pictures)], questions, "")
    assert "copies of 26 layers and 272,274 to 273,706 parameters on cifar10 in" in both
    assert "trained for 6 epochs; one process in place of many" in both
    assert "13.6 million" in both
    assert "\n\n\n" not in alone + both


def test_a_figure_that_is_drawn_no_longer_goes(tmp_path: Path) -> None:
    gathered = replace(records(made("affine", 1), claims=("affine",)), experiment="affine")
    write(gathered, tmp_path / "affine")
    drawn = set((tmp_path / "affine" / "figures").iterdir())
    (tmp_path / "affine" / "figures" / "before.png").write_bytes(b"")
    write(gathered, tmp_path / "affine")
    assert set((tmp_path / "affine" / "figures").iterdir()) == drawn


def test_a_figure_has_the_verdict_on_what_it_shows_in_its_caption(results: Path) -> None:
    alt = re.findall(r"!\[(.*?)\]\(figures/(\w+)\.png\)", (results / "signal_depth" / "README.md").read_text())
    said = {stem: words for words, stem in alt}
    verdicts = {c["id"]: c for c in json.loads((results / "signal_depth" / "verdict.json").read_text())["claims"]}
    for stem, claim in (("rank", "depth-rank"), ("small_changes", "depth-small-changes")):
        told = f"{verdicts[claim]['verdict'].capitalize()}: {verdicts[claim]['claim']}"
        assert [told in words for words in said.values()] == [name == stem for name in said]
    assert not any("- " in words.replace(" - ", "") for words in said.values()), "a word broken at its hyphen"


def test_verdicts_alone_are_linked_to_as_there_is_no_report(results: Path, tmp_path: Path) -> None:
    alone = tmp_path / "laptop" / "statistics"
    alone.mkdir(parents=True)
    shutil.copy(results / "statistics" / "verdict.json", alone)
    index.write(alone.parent)
    assert "[statistics](statistics/verdict.json)" in (alone.parent / "README.md").read_text()
    assert "[statistics](statistics/README.md)" in (results / "README.md").read_text()


def test_a_report_ends_with_where_the_page_is(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(results, tmp_path / "results")
    (tmp_path / "results" / "statistics" / "records").mkdir()
    (tmp_path / "results" / "statistics" / "records" / "runs.json").touch()
    monkeypatch.setattr(redraw, "_redraw", lambda folder, known, kind: None)
    redraw.redraw([], tmp_path / "results", None)
    assert capsys.readouterr().out.strip() == f"All on one page: {tmp_path / 'results' / 'index.html'}"


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
    assert "<g>" not in drawn
    ElementTree.fromstring(drawn)
    for i in range(40):
        axes.plot(range(200), [(i * x) % 7 for x in range(200)], "o")
    assert svg(figure) is None
    assert len(svg(figure, 10**9) or "") > MOST


def test_a_drawing_with_too_many_dots_is_thinned_for_the_page_and_no_other(tmp_path: Path) -> None:
    def figure(of: int) -> Figure:
        made = Figure()
        axes = made.subplots()
        axes.loglog([1, 10], [1, 10], label="mean")
        axes.scatter([1 + i / of for i in range(of)], [1 + i % 97 for i in range(of)], label="seeds")
        axes.legend()
        return made

    few, many = figure(100), figure(4000)
    draw_for_the_page({"many": many, "few": few}, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["few.svg"]
    assert len(few.axes[0].collections[0].get_offsets()) == 100
    draw_for_the_page({"many": many}, tmp_path)
    drawn = (tmp_path / "many.svg").read_text(encoding="utf-8")
    assert len(drawn) <= MOST
    assert ("mean" in drawn, "seeds" in drawn) == (True, True)
    assert 200 < drawn.count("<use") < 2500


def test_a_drawing_that_is_rounded_keeps_its_strokes_and_how_they_are_seen_through() -> None:
    figure = Figure()
    figure.subplots().scatter(*[[i % 211 * 0.137 for i in range(size, 1300 + size)] for size in (0, 7)], alpha=0.5, s=4)
    exact = svg(figure, 10**9) or ""
    rounded = svg(figure, len(exact) - 1) or ""
    assert 0 < len(rounded) < len(exact)
    assert re.findall(r"<style>.*?</style>", rounded) == re.findall(r"<style>.*?</style>", exact)
    classes = re.findall(r'class="([^"]*)"', exact)
    assert "opacity: 0.5" in exact
    assert re.findall(r'class="([^"]*)"', rounded) == classes
    assert all(f".{name}{{" in exact for name in classes)
    marks = r'<path id="[^"]*" d="([^"]*)"'
    assert re.findall(marks, rounded) == re.findall(marks, exact)
    assert not re.search(r'<use [^>]*x="[^"]*\.', rounded)


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


def test_arms_of_a_strip_that_differ_have_different_colours() -> None:
    for arms in (
        ["with BN", "with BN, ghost batch 4"],
        ["dropout 0.1", "dropout 0.5"],
        ["Inception", "Inception, sigmoid"],
    ):
        found = hues(arms)
        assert list(found) == arms
        assert len(set(found.values())) == 2, arms
    assert hues(["with BN, dropout 0", "without BN"]) == {"with BN, dropout 0": BN_COLOUR, "without BN": PLAIN_COLOUR}
    assert hues(["Inception, sigmoid"])["Inception, sigmoid"] == COLOURS["inception_sigmoid"], "as in all figures"


def test_where_there_are_too_many_lines_the_file_is_named_that_has_the_values(results: Path, tmp_path: Path) -> None:
    shutil.copytree(results / "statistics", tmp_path / "statistics")
    path = tmp_path / "statistics" / "verdict.json"
    verdict = json.loads(path.read_text())
    many = [{"arm": f"arm {i}", "cell": "", "seed": 0, "value": 0.5} for i in range(MOST_LINES + 1)]
    verdict["claims"][0]["values"], verdict["claims"][1]["values"] = many, []
    path.write_text(json.dumps(verdict))
    index.write(tmp_path)
    assert text(tmp_path).count("Every seed's value is in statistics/verdict.json.") == 1


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


def probed(page: str, tmp_path: Path, width: int, probe: str = PROBE) -> dict[str, Any]:
    """What a script says of a page in a window so wide."""
    page = page.replace("<style>", f"<script>{CATCH}</script><style>", 1)
    page = page.replace("</html>", f"<script>{probe}</script></html>")
    place = tmp_path / "page.html"  # a window is 500 wide at least
    frame = f'<iframe width="{width}" height="1200" style="border: 0" srcdoc="{html.escape(page)}"></iframe>'
    place.write_text(f"<!doctype html><body>{frame}</body>", encoding="utf-8")
    done = opened(place.as_uri(), tmp_path, "--window-size=1600,1300", "--virtual-time-budget=5000")
    found = re.search(r'<pre id="said">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr[-500:]
    said: dict[str, Any] = json.loads(found[1].replace("&gt;", ">").replace("&lt;", "<").replace("&amp;", "&"))
    return said


COMMITTED = ROOT / "results" / "index.html"


@pytest.mark.usefixtures("_browser")
@pytest.mark.parametrize(
    ("committed", "width", "dark"),
    [(False, 400, True), (False, 1400, False), (True, 400, False), (True, 1400, True)],
    ids=lambda value: str(value),
)
def test_in_a_browser(results: Path, tmp_path: Path, committed: bool, width: int, dark: bool) -> None:
    if committed and not COMMITTED.exists():
        pytest.skip("no results lie beside the tests")
    page = text(COMMITTED.parent if committed else results)
    if dark:
        page = page.replace("@media (prefers-color-scheme: dark)", "@media all")
    said = probed(page, tmp_path, width)
    assert said["errors"] == []
    assert said["inner"] == width
    assert said["wide"] <= width, "nothing is wider than the window"
    assert said["clipped"] == 0
    assert 0 < said["words"] < said["experiment"] < said["all"] == said["again"]
    for name in ("question", "verdict", "role"):
        assert all(shown == of_value < said["all"] for _, shown, of_value in said[name]), said[name]
        assert sum(shown for _, shown, _ in said[name]) == said["all"], "each has one of the values"
    assert dict(said["role"][i][:2] for i in range(3))["control"] > 0
    assert said["printed"] == [1, said["all"], 1], "what was closed before printing is closed again"
    assert said["contrast"] >= 4.5, "what WCAG asks for"
    assert said["overlaps"] == 0
    assert said["over"] == [], "words over words in a drawing"
    assert said["faintest"] >= 4.5, "of what is written in drawings"


FIRST = """window.addEventListener("load", () => {
  const picture = document.querySelector(".drawing svg, .drawing img");
  const box = picture.getBoundingClientRect();
  const drawn = picture.querySelectorAll("path").length;
  const said = { errors: window.problems, first: [box.width, box.height], drawn, claims: claims.length };
  window.parent.document.body.insertAdjacentHTML("beforeend", `<pre id="said">${JSON.stringify(said)}</pre>`);
});"""


@pytest.mark.usefixtures("_browser")
@pytest.mark.skipif(not COMMITTED.exists(), reason="no results lie beside the tests")
def test_the_committed_page_opens_and_shows_its_first_picture(tmp_path: Path) -> None:
    logged = ("--enable-logging=stderr", "--virtual-time-budget=5000")
    (tmp_path / "wrong.html").write_text("<p>here</p><script>nothing();</script>")
    assert "CONSOLE" in opened((tmp_path / "wrong.html").as_uri(), tmp_path, *logged).stderr
    done = opened(COMMITTED.as_uri(), tmp_path, *logged)
    assert 'class="claim"' in done.stdout
    assert "CONSOLE" not in done.stderr, done.stderr[-500:]
    said = probed(COMMITTED.read_text(encoding="utf-8"), tmp_path, 1400, FIRST)
    assert said["errors"] == []
    assert said["claims"] > 0
    assert min(said["first"]) > 100, "pixels"
    assert said["drawn"] > 0


def test_controls_are_told_by_whether_they_hold(results: Path, tmp_path: Path) -> None:
    shutil.copytree(results / "statistics", tmp_path / "statistics")
    path = tmp_path / "statistics" / "verdict.json"
    verdict = json.loads(path.read_text())
    for claim, held in zip(verdict["claims"], (True, False, None), strict=False):
        claim |= {"control": "if not", "held": held, "verdict": "reproduced"}
    path.write_text(json.dumps(verdict))
    index.write(tmp_path)
    rows = re.findall(r'<details class="claim".*?</summary>', text(tmp_path), re.DOTALL)
    words = [re.findall(r'<span class="verdict ([^"]*)">([^<]*)<', row)[0] for row in rows if '="control"' in row]
    assert sorted(words)[-3:] == [
        ("as-it-should-be", "control as it should be"),
        ("not-as-it-should-be", "control not as it should be"),
        ("undecided", "control undecided"),
    ]
    assert all('data-verdict="reproduced"' not in row for row in rows if '="control"' in row)


def test_the_stamp_has_machine_versions_engine_and_date(results: Path, tmp_path: Path) -> None:
    shutil.copytree(results / "statistics", tmp_path / "statistics")
    path = tmp_path / "statistics" / "verdict.json"
    stamp = {"platform": "Linux x86_64", "device": "cpu", "threads": [1, 2], "python": "3.12.1", "engine": 4}
    stamp |= {"versions": {"torch": "2.14.1"}, "bnexp": "0.1.0", "git_commit": ["a" * 40, None]}
    stamp |= {"started": ["2026-11-22T03:00:54+00:00", "2026-11-23T03:00:54+00:00"]}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"stamp": stamp}))
    index.write(tmp_path)
    assert (
        "Linux x86_64, on cpu, threads a process: 1 or 2, Python 3.12.1, torch 2.14.1, bnexp 0.1.0, engine 4, "
        f"begun 2026-11-22 to 2026-11-23, commit {'a' * 10}</dd>"
    ) in text(tmp_path)


def test_by_what_a_claim_was_made_is_stamped_and_what_makes_it_again_is_called_so(
    results: Path, tmp_path: Path
) -> None:
    shutil.copytree(results / "statistics", tmp_path / "statistics")
    path = tmp_path / "statistics" / "verdict.json"
    stamp = {"command": ["bnexp run experiment=gap", "bnexp run seed=1"], "data_sha256": {"images.gz": "ab" * 32}}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"stamp": stamp}))
    index.write(tmp_path)
    page = text(tmp_path)
    made = "<dt>made by</dt><dd><code>bnexp run experiment=gap</code>, <code>bnexp run seed=1</code></dd>"
    assert made in page
    assert "<dt>of the data</dt><dd>images.gz abababababab</dd>" in page
    again = "<dt>to make it again</dt><dd><code>bnexp run experiment=statistics scale=laptop</code>, mnist</dd>"
    assert again in page
    path.write_text(json.dumps(json.loads(path.read_text()) | {"stamp": {}}))
    index.write(tmp_path)
    assert "<dt>made by</dt>" not in text(tmp_path)


def judge_alone(results: Path, folder: Path, **others: Any) -> dict[str, Any]:
    """What a folder holds after `bnexp judge` and nothing else; the verdict."""
    (folder / "judge").mkdir(parents=True)
    verdict: dict[str, Any] = json.loads((results / "judge" / "Mine" / "verdict.json").read_text())
    for name, changes in {"Mine": {}, **others}.items():
        (folder / "judge" / name).mkdir()
        (folder / "judge" / name / "verdict.json").write_text(json.dumps(verdict | changes))
    index.write(folder)
    return verdict


def test_judged_norms_are_named_and_linked_to_where_there_is_nothing_else(results: Path, tmp_path: Path) -> None:
    judge_alone(results, tmp_path)
    told = "- [Mine](judge/Mine/README.md) keeps 1 of 2 promises of a norm; of 1 claim asked 1 "
    assert f"## Norms in BN's place\n\n{told}" in (tmp_path / "README.md").read_text()
    assert told in (results / "README.md").read_text()
    page = text(tmp_path)
    assert re.findall(r"<h2[^>]*>([^<]*)", page) == ["Judged norms"], "what would be empty is not there"
    for empty in ('class="filters"', 'href="#claims"', 'href="#why"', "<strong></strong>", "addEventListener"):
        assert empty not in page
    assert re.findall(r"<h2[^>]*>([^<]*)", text(results))[-1] == "Judged norms"


@pytest.mark.usefixtures("_browser")
def test_a_page_of_judged_norms_alone_in_a_browser(results: Path, tmp_path: Path) -> None:
    judge_alone(results, tmp_path / "results")
    said = probed(text(tmp_path / "results"), tmp_path, 400, ALONE)
    assert said["errors"] == []
    assert said["wide"] <= 400


ALONE = """window.addEventListener("load", () => {
  const said = { errors: window.problems, wide: document.documentElement.scrollWidth };
  window.parent.document.body.insertAdjacentHTML("beforeend", `<pre id="said">${JSON.stringify(said)}</pre>`);
});"""


def test_each_judged_norm_has_what_bn_was_found_to_be_beside_it(results: Path, tmp_path: Path) -> None:
    """Verdicts are adjusted over all that a norm was asked, and another may have been asked more."""
    entry = json.loads((results / "judge" / "Mine" / "verdict.json").read_text())["claims"][0]
    bn, mine = ({**entry["norms"]["batch"], "verdict": word} for word in ("undecided", "mixed"))
    entry |= {"norms": {"batch": bn, "other:Other": mine}, "against_bn": mine}
    verdict = judge_alone(results, tmp_path, Other={"norm": "other:Other", "scale": "smoke", "claims": [entry]})
    (row,) = re.findall(r"<tr><td>(?:(?!<tr>).)*?</tr>", text(tmp_path).partition('id="judged"')[2], re.DOTALL)
    words = re.findall(r'<span class="verdict [^"]*">([^<]*)', row)
    first = verdict["claims"][0]["norms"]["batch"]["verdict"]
    assert words == [first, first, first, "undecided", "mixed", "mixed"]
    heads = re.findall(r'<th colspan="(\d)">(.*?)</th>', text(tmp_path))
    assert heads == [("3", "Mine, MNIST, scale laptop"), ("3", "Other, MNIST, scale smoke")]


def test_every_main_claim_with_effects_is_in_the_forest() -> None:
    claims = [
        {**claim, "experiment": verdict["experiment"]}
        for path in sorted((ROOT / "results").glob("*/verdict.json"))
        for verdict in [json.loads(path.read_text())]
        for claim in verdict["claims"]
        if claim.get("primary") and not claim.get("control")
    ]
    picture = forest(claims)
    assert picture is not None
    drawn = sum(len(axes.get_yticks()) for axes in picture.axes)
    assert drawn == len([claim for claim in claims if claim["values"] or claim["effect"] is not None])


def test_of_explanations_nothing_is_said_where_none_of_their_claims_is_judged(tmp_path: Path) -> None:
    write(
        replace(records(made("optimizers", 1), claims=("optimizers",)), experiment="optimizers"),
        tmp_path / "optimizers",
    )
    index.write(tmp_path)
    overview = (tmp_path / "README.md").read_text()
    assert "| Networks learn faster with it. |" in overview
    assert "explanations.md" not in overview


def test_the_page_says_how_many_claims_on_explanations_are_judged(results: Path) -> None:
    assert "most are not judged yet" in text(results)
    assert "<th></th>" not in text(results)


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
