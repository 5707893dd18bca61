"""Results that are damaged or not there: the file is named, with the way out, and no other experiment suffers."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import Command

from bnexp.report import index, redraw

ROOT = Path(__file__).parent.parent
COMMITTED = ROOT / "results" / "laptop" / "inception_tiny"
PLACE = Path("results", "inception_tiny")
RECORDS = PLACE / "records"
TRAIN = "bnexp run experiment=inception_tiny"

HEAD = json.loads((COMMITTED / "records" / "runs.json").read_text())
NOTHING = {"common": {"fields": {}, "stamp": {}}}


def copied(name: str) -> None:
    """The committed results under another name, without the verdicts, which are of old rules."""
    shutil.copytree(COMMITTED, Path("results", name), ignore=shutil.ignore_patterns("verdict.json"))


@pytest.fixture
def results(command: Command) -> Command:
    """The command in a folder with the results of one experiment."""
    copied(PLACE.name)
    return command


def test_verdicts_by_old_rules_stay_unless_they_are_asked_for(command: Command) -> None:
    shutil.copytree(COMMITTED, PLACE)
    before = (PLACE / "verdict.json").read_bytes()
    said = command("report")
    assert said.code == 0
    assert f"Left as they are, by old rules: {PLACE}; bnexp report NAME judges them anew." in said.out
    assert (PLACE / "verdict.json").read_bytes() == before
    assert command("report", PLACE.name).code == 0
    assert (PLACE / "verdict.json").read_bytes() != before


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("runs.json", b"{", "is damaged (JSONDecodeError"),
        ("runs.json", b"\xff\xfe", "is damaged (UnicodeDecodeError"),
        ("runs.json", b"[]", "is damaged (TypeError"),
        ("runs.json", b'{"runs": []}', "is damaged (ValueError: it names no run"),
        (
            "runs.json",
            json.dumps(HEAD | NOTHING | {"runs": [HEAD["runs"][0] | {"fields": {}}]}).encode(),
            "is damaged (KeyError",
        ),
        ("metrics.csv.gz", None, "is missing"),
        ("metrics.csv.gz", b"", "is damaged (EmptyDataError"),
        ("metrics.csv.gz", b"no gzip", "is damaged (BadGzipFile"),
        ("metrics.csv.gz", (COMMITTED / "records" / "metrics.csv.gz").read_bytes()[:2000], "is damaged (EOFError"),
        ("metrics.csv.gz", gzip.compress(b"step,accuracy,loss,run\n1,0.5,high,x\n", mtime=0), "is damaged (ValueError"),
        ("metrics.csv.gz", gzip.compress(b"step,accuracy,loss,run\n1,0.5,1,x\n", mtime=0), "it lacks 21 of 21 runs"),
        ("percentiles.npz", b"PK no zip", "is damaged ("),
        ("predictions.npz", b"", "is damaged ("),
        ("correct.npz", b"", "is damaged ("),
    ],
)
def test_damaged_records_are_named_with_the_way_out(
    results: Command, file: str, content: bytes | None, message: str
) -> None:
    (RECORDS / file).unlink(missing_ok=True)
    if content is not None:
        (RECORDS / file).write_bytes(content)
    said = results("report")
    assert said.code == 1
    assert f"{RECORDS / file} {message}" in said.line or message in said.line
    assert str(RECORDS / file) in said.line
    assert said.line.endswith(TRAIN)


def test_the_others_are_drawn_all_the_same(results: Command) -> None:
    copied("another")
    (Path("results") / "another" / "records" / "runs.json").write_text("{")
    (PLACE / "README.md").unlink()
    said = results("report")
    assert said.code == 1
    assert "results/another/records/runs.json is damaged" in said.line
    assert (PLACE / "README.md").exists()


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"claims": [{}]}', "null"])
def test_a_damaged_verdict_is_named_in_the_list_and_the_overview(results: Command, content: str) -> None:
    (PLACE / "verdict.json").write_text(content)
    message = "results/inception_tiny/verdict.json is damaged ("
    said = results("list")
    assert said.code == 0
    assert message in said.out
    assert "bnexp report results/inception_tiny" in said.out
    assert message in results("list", "inception_tiny").line
    index.write(Path("results"))
    assert message in (Path("results") / "README.md").read_text()
    assert results("report", "results/inception_tiny").code == 0
    assert "damaged" not in (Path("results") / "README.md").read_text().lower()


WITHOUT_IT: dict[str, Any] = {"norm": "a:B", "scale": "smoke", "contract": []}
WITHOUT_IT |= {"claims": [{"experiment": "gap", "id": "gap", "norms": {}, "against_bn": {}}]}


@pytest.mark.parametrize(
    "content", ["{", "[]", "{}", '{"norm": "a:B", "contract": [], "claims": [{}]}', json.dumps(WITHOUT_IT)]
)
def test_a_judged_norm_may_be_damaged(results: Command, content: str) -> None:
    Path("results", "judge", "Mine").mkdir(parents=True)
    Path("results", "judge", "Mine", "verdict.json").write_text(content)
    said = results("report", "results/inception_tiny")
    assert said.code == 0
    assert "results/judge/Mine/verdict.json is damaged" in said.err
    assert Path("results", "index.html").is_file()


def test_a_report_is_the_same_however_its_folder_is_written(results: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    assert results("report", str(PLACE)).code == 0
    before = (PLACE / "README.md").read_bytes()
    Path("results", "README.md").unlink()
    assert results("report", str(PLACE.resolve())).code == 0
    assert Path("results", "README.md").is_file(), "the overview, too"
    monkeypatch.chdir(PLACE)
    assert results("report", ".").code == 0
    assert Path("README.md").read_bytes() == before


def test_what_was_left_out_may_be_damaged(results: Command, capfd: pytest.CaptureFixture[str]) -> None:
    Path("results", "left_out.json").write_text("[")
    index.write(Path("results"))
    assert "results/left_out.json is damaged" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("outputs/nosuch", "there is no folder outputs/nosuch; did you mean outputs/runs-1a2b3c4d?"),
        ("output/runs-1a2b3c4d", "there is no folder output/runs-1a2b3c4d; did you mean outputs/runs-1a2b3c4d?"),
        ("results/inception_tyni", "did you mean results/inception_tiny?"),
        ("results/smoke/digits/mnist_tabel", "did you mean results/smoke/digits/mnist_table?"),
        ("outputs/runs-1a2b3c44", "there is no folder outputs/runs-1a2b3c44; did you mean outputs/runs-1a2b3c4d?"),
        ("outputs", "there are no records of a sweep in outputs; there are: outputs/runs-1a2b3c4d, outputs/runs-f"),
        ("no/where", "there is no folder no/where"),
        ("inception_tyni", "there is no experiment inception_tyni; did you mean inception_tiny?"),
    ],
)
def test_a_report_of_what_is_not_there_says_what_is(results: Command, name: str, message: str) -> None:
    for place in ("outputs/runs-1a2b3c4d", "outputs/runs-ffffffff", "results/smoke/digits/mnist_table"):
        shutil.copytree(RECORDS, f"{place}/records")
    said = results("report", name)
    assert (said.code, said.out) == (2, "")
    assert message in said.line


def test_damaged_verdicts_and_experiments_do_not_hide_the_list(results: Command) -> None:
    (Path("mine") / "experiment").mkdir(parents=True)
    (Path("mine") / "experiment" / "mine.yaml").write_text("title: [")
    said = results("list", "--config-dir", "mine")
    assert said.code == 1
    assert "mine/experiment/mine.yaml cannot be read as an experiment" in said.line
    assert "there is no experiment in it" in results("list", "--config-dir", "nowhere").line


def test_of_many_that_several_processes_draw_the_damaged_one_is_named_and_the_others_are_told_in_order(
    results: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("another", "broken", "yet_another"):
        copied(name)
    Path("results", "broken", "records", "runs.json").write_text("{")
    alone = results("report", "inception_tiny").out.splitlines()
    monkeypatch.setattr(redraw, "SEVERAL", 1)
    monkeypatch.setattr(redraw, "cores", lambda: 2)
    said = results("report")
    assert said.code == 1
    assert "results/broken/records/runs.json is damaged" in said.line
    told = [line for line in said.out.splitlines() if line.startswith("Report: ")]
    assert told == [f"Report: results/{name}/README.md" for name in ("another", "inception_tiny", "yet_another")]
    assert set(alone) <= set(said.out.splitlines()), "a report is told as if it were alone"
