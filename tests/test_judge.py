"""Somebody's own norm in BN's place: what is typed, which runs it has, and what becomes of the claims."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from conftest import Command
from handmade import BN, PLAIN, Fields, is_bn, records, sweep
from test_arms import resolved

from bnexp import paths
from bnexp.claims import REGISTRY, TREATED, Judgement
from bnexp.config import Config, ConfigError, DataConfig, NormConfig, run_id
from bnexp.judge import asked, runs
from bnexp.judge.candidate import Candidate, read, stands_for
from bnexp.judge.picture import profile_figure
from bnexp.judge.profile import OTHER_MACHINE, Entry, profile, together
from bnexp.judge.profile import asked as asked_of
from bnexp.judge.trial import Contract
from bnexp.judge.writing import _table, write
from bnexp.judging import rules
from bnexp.report.experiments import values_of
from bnexp.runs.records import load

MINE = """
import time
from torch import nn


class Mine(nn.Module):
    def __init__(self, features, scale=1.0):
        super().__init__()
        self.scale = scale

    def forward(self, x):
        return x * self.scale


class _Helper:
    pass
"""

OTHER = "my_norm:Mine"

LAGS = """
from torch import nn


class Lags(nn.Module):
    inputs = ("flat",)

    def __init__(self, features):
        super().__init__()
        self.norm = nn.BatchNorm1d(features)

    def forward(self, x):
        return self.norm(x)
"""


@pytest.fixture(autouse=True)
def _file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "my_norm.py").write_text(MINE)
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


# What is typed


@pytest.mark.parametrize("typed", ["my_norm.py", "my_norm.py:Mine", "./my_norm.py", OTHER])
def test_a_file_a_class_in_it_or_a_module(typed: str) -> None:
    candidate = read(typed, {"scale": 2})
    assert (candidate.target, candidate.name) == (OTHER, "Mine-scale=2")


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("my_norms.py", "there is no file my_norms.py in"),
        ("two.py", r"it has First, Second; name one, two.py:First"),
        ("none.py", r"it defines no class; name one, none.py:MyNorm"),
        ("broken.py", r"broken.py: .*, line 1"),
        ("mine", "write a file, my_norm.py, or package.module:Class"),
        ("my.norm.py", "Python takes my.norm for a module in a package; call the file my_norm.py"),
        ("deeper/my_norm.py", "Python would import .*my_norm.py in its place"),
        ("statistics.py", "Python would import .*statistics.py in its place"),
        ("my_norm.py:Mein", r"my_norm.py has no Mein; did you mean my_norm.py:Mine\?"),
        ("two.py:Third", r"two.py has no Third; it has First, Second"),
        ("none.py:Mine", r"none.py has no Mine; it defines no class"),
    ],
)
def test_what_names_no_norm_is_refused(typed: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "two.py").write_text("class First: ...\nclass Second: ...\n")
    (tmp_path / "beside.py").write_text(f"class Step(torch.autograd.Function): ...\n{MINE}")
    assert read("beside.py", {}).target == "beside:Mine"
    (tmp_path / "both.py").write_text(f"class Norm(BatchNorm): ...\n{MINE}")
    with pytest.raises(ConfigError, match="it has Norm, Mine; name one"):
        read("both.py", {})
    for name in ("none.py", "my.norm.py"):
        (tmp_path / name).write_text("x = 1\n")
    (tmp_path / "broken.py").write_text("class (\n")
    (tmp_path / "deeper").mkdir()
    read("my_norm.py", {}).make()
    for file in ("deeper/my_norm.py", "statistics.py"):
        (tmp_path / file).write_text(MINE)
    with pytest.raises(ConfigError, match=message):
        read(typed, {})


def test_a_file_whose_path_looks_like_a_setting(tmp_path: Path) -> None:
    (tmp_path / "a=b").mkdir()
    (tmp_path / "a=b" / "zz.py").write_text(MINE)
    assert asked.read(["a=b/zz.py", "scale=smoke"], "saturating").candidate.target == "zz:Mine"
    with pytest.raises(ConfigError, match=r"there is no file a=b/zzz\.py in"):
        asked.read(["a=b/zzz.py:Mine"], None)


@pytest.mark.parametrize("name", ["make", "Imported", "Sometimes", "anything"])
def test_what_a_file_names_need_be_no_class_in_it(name: str, tmp_path: Path) -> None:
    text = "from torch.nn import Identity as Imported\nif True:\n    class Sometimes: ...\ndef make(features): ...\n"
    (tmp_path / "factory.py").write_text(text + "from math import *\n" * (name == "anything"))
    assert read(f"factory.py:{name}", {}).target == f"factory:{name}"


def test_a_file_in_another_folder(command: Command, tmp_path: Path) -> None:
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "my_other_norm.py").write_text(MINE)
    done = command("judge", "--contract", "deeper/my_other_norm.py")
    assert (done.code, done.out.split()[:3]) == (0, ["Mine", "keeps", "30"])


def test_the_help_names_every_setting_that_is_its_own(command: Command) -> None:
    done = command("judge", "--help")
    said = " ".join(done.out.split())
    assert done.code == 0
    for word in (*(f"{key}=" for key in asked.CHOSEN), "norm.settings.", "data=", "dry_run=", *runs.EXPERIMENTS):
        assert word in said, word
    assert all(choice in said for choice in asked.REFERENCES)


def test_a_request_in_full() -> None:
    words = ["my_norm.py", "scale=smoke", "norm.settings.scale=1e-3", "outputs=there", "data=digits"]
    request = asked.read(words, "figure1,batch_size")
    assert request.experiments == ("mnist_activations", "batch_size")
    assert request.candidate.settings == {"scale": 1e-3}
    assert request.command == f"bnexp judge --claims figure1,batch_size {' '.join(words)}"
    spaced = asked.read(["my_norm.py", "norm.settings.scale=[1, 2]", "outputs=over there"], None)
    assert shlex.split(spaced.command)[2:] == ["my_norm.py", "norm.settings.scale=[1, 2]", "outputs=over there"]
    assert request.overrides == [
        "experiment=mnist_activations,batch_size", "scale=smoke", "outputs=there", "data=digits"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "names", "message"),
    [
        (["scale=smoke"], None, "takes one norm, my_norm.py"),
        (["my_norm.py", "other.py"], None, "takes one norm, not my_norm.py, other.py"),
        (["my_norm.py", "lr=0.3"], None, "lr=0.3 would be another experiment"),
        (["my_norm.py", "groups=4"], None, "no setting groups; did you mean norm.settings.groups=4"),
        (["my_norm.py", "norm.settings.groups=[4"], None, "write KEY=VALUE, and a list as KEY="),
        (["my_norm.py", "norm.settings.groups=1,2"], None, r"one value; a list is norm.settings.groups=\[1,2\]"),
        (["my_norm.py", "scale=paper"], None, "scale=paper: a norm is judged at smoke or laptop"),
        (["my_norm.py", "references=none"], None, "references=none: choose from package, train"),
        (
            ["my_norm.py"],
            "batchsize,magic",
            "--claims magic: there is nothing of that name to ask; there are .*batch_size, ",
        ),
        (["my_norm.py"], "figure9", r"nothing of that name to ask; did you mean figure_1\?"),
        (["my_norm.py"], "satturating", r"did you mean saturating\?"),
    ],
)
def test_requests_that_cannot_be(words: list[str], names: str | None, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        asked.read(words, names)


# Its runs


def test_it_has_the_runs_of_bn_as_it_is() -> None:
    def config(seed: int = 0, **norm: Any) -> Config:
        return replace(Config(scale="smoke"), seed=seed, norm=NormConfig(**norm))

    plain, batch, layer = (config(name=name) for name in ("none", "batch", "layer"))
    others = [config(ghost=4), config(statistics="moving"), config(placement="after"), config(affine=False)]
    others += [config(name="group"), config(name="batch_renorm"), replace(config(), trained="norms")]
    assert [stands_for(c) for c in (plain, batch, layer, *others)] == [False, True, *[False] * 8]
    assert stands_for(config(batches=7, momentum=0.3, eps=1e-3))
    candidate = Candidate(OTHER, {"scale": 2.0})
    kept = runs.of([plain, batch, layer, *others, config(seed=1)], candidate)
    assert [c.norm.name for c in kept] == ["none", "batch", "layer", "batch", "module", "module"]
    own = kept[-1]
    assert (own.norm.target, own.norm.settings, own.seed) == (OTHER, {"scale": 2.0}, 1)
    assert run_id(own) != run_id(config(seed=1))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ("scale=laptop", "data=digits"),
            "None of the records that come along fits: they are of mnist, this is digits.",
        ),
        (("scale=smoke", "data=digits"), "is trained, too: the records that come along are of scale laptop."),
    ],
)
def test_it_is_told_which_records_fit(words: tuple[str, ...], told: str, command: Command) -> None:
    done = command("judge", "my_norm.py", "--claims", "saturating", *words, "dry_run=true")
    assert done.code == 0, done.err
    said = " ".join(f"{done.out} {done.err}".split())
    assert told in said


def test_of_the_runs_that_it_is_held_against_those_with_records_are_counted() -> None:
    def config(name: str, seed: int = 0, data: str = "mnist") -> Config:
        return replace(Config(scale="laptop"), seed=seed, norm=NormConfig(name=name), data=DataConfig(data))

    (run,) = sweep(lambda fields: 0.9, (BN,), (0,))
    there = [config("none"), config("batch"), config("batch", 1), config("module")]
    some = {run_id(there[0]): run, run_id(there[1]): run, "of another experiment": run}
    assert runs.fitting(there, some) == ["Records of 2 of the 3 runs that it is held against come along."]
    assert runs.fitting(there[:2], some) == ["Records of all 2 runs that it is held against come along."]
    (odd,) = runs.fitting(there[2:], some)
    assert odd == "None of the records that come along fits: they are of other settings, or of another engine."
    assert "they are of mnist, this is digits" in runs.fitting([config("batch", data="digits")], some)[0]
    assert runs.fitting(there, {}) == []


FLAT = MINE.replace("    def __init__", '    inputs = ("flat",)\n\n    def __init__')
MAPS = FLAT.replace('"flat"', '"maps"')


@pytest.mark.parametrize("name", ["batch_size", "jacobian_inception", "norms", "mnist_activations"])
def test_what_the_norms_of_an_experiment_are_given_is_what_its_networks_give_them(name: str) -> None:
    convolves = resolved(f"experiment={name}", "scale=smoke")["model.name"].startswith("inception")
    assert runs.inputs(name) == ("maps" if convolves else "flat")


def test_an_experiment_whose_networks_give_what_a_norm_does_not_take_is_left_out_and_named(
    command: Command, tmp_path: Path
) -> None:
    (tmp_path / "flat.py").write_text(FLAT)
    words = ("scale=smoke", "data=digits", "dry_run=true")
    done = command("judge", "flat.py", "--claims", "saturating,jacobian_inception", *words)
    assert done.code == 0, done.err
    left = "jacobian_inception is left out: its networks give a norm maps, and flat:Mine takes flat inputs alone."
    assert left in done.out
    assert "Composing the runs of 1 experiment at scale smoke" in done.out
    assert "norm.target" not in done.out + done.err


@pytest.mark.parametrize(
    ("text", "claims", "remedy"),
    [
        (FLAT, ("--claims", "jacobian_inception"), "name others that give it flat inputs: --claims absolute_scale,"),
        (MAPS, (), "name others that give it maps: --claims covariate_shift_inception,"),
    ],
)
def test_where_no_experiment_is_left_those_that_would_do_are_named(
    text: str, claims: tuple[str, ...], remedy: str, command: Command, tmp_path: Path
) -> None:
    (tmp_path / "odd.py").write_text(text)
    done = command("judge", "odd.py", *claims, "scale=smoke")
    assert done.code == 2
    assert "odd:Mine takes " in done.line
    assert remedy in done.line


def test_what_was_left_out_is_in_the_report(tmp_path: Path) -> None:
    request = replace(asked.read(["my_norm.py"], "saturating"), left_out={"norms": "its networks give a norm maps"})
    write(tmp_path / "Mine", request, Contract(()), (), (), {})
    assert "- norms is left out: its networks give a norm maps." in (tmp_path / "Mine" / "README.md").read_text()
    found = json.loads((tmp_path / "Mine" / "verdict.json").read_text())
    assert found["left_out"] == {"norms": "its networks give a norm maps"}


def test_norms_of_one_name_have_a_report_each(tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text(MINE)
    mine, other = (asked.read([file, "scale=smoke"], "saturating") for file in ("my_norm.py", "other.py"))
    folders = []
    for request in (mine, other, mine, other):
        folders.append(request.folder(tmp_path, "mnist"))
        write(folders[-1], request, Contract(()), (), (), {})
    first, second = tmp_path / "smoke" / "judge" / "Mine", tmp_path / "smoke" / "judge" / "other.Mine"
    assert folders == [first, second, first, second], "judged again each has its own"
    assert json.loads((first / "verdict.json").read_text())["norm"] == OTHER
    (first / "verdict.json").write_text("{")
    assert other.folder(tmp_path, "mnist") == first, "what is damaged is of nobody"


SMALL = MINE.replace("return x * self.scale", "assert x.shape[1] == 24\n        return x")


def test_a_norm_that_fails_in_its_network_is_refused_in_the_words_that_were_typed(
    command: Command, tmp_path: Path
) -> None:
    (tmp_path / "small.py").write_text(SMALL)
    done = command("judge", "small.py", "--claims", "saturating", "scale=smoke", "data=digits")
    assert done.code == 2
    assert "small:Mine fails on [60, 100]: AssertionError" in done.err.splitlines()[-1]
    assert "norm.target" not in done.err


# The claims


def candidate_is(like: str) -> list[Any]:
    """Runs of no norm, BN, and a candidate that does as one of them does; each on seeds of its own."""

    def final(fields: Fields) -> float:
        good = is_bn(fields) or (fields.get("norm.target") == OTHER and like == "batch")
        return 0.95 + 0.01 * good

    arms = (PLAIN, BN, {"norm.name": "module", "norm.target": OTHER, "norm.placement": "before"})
    return [
        run for i, arm in enumerate(arms) for run in sweep(final, (arm,), range(10 * i, 10 * i + 10), model_depth=(3,))
    ]


@pytest.mark.parametrize("like", ["batch", "none"])
def test_a_copy_of_bn_does_as_bn_does_and_one_of_nothing_as_nothing(like: str) -> None:
    (entry,) = profile(records(candidate_is(like)), ["accuracy"], OTHER, elsewhere=False)
    found = {norm: judgement.verdict for norm, judgement in entry.judgements.items()}
    assert found == {"batch": "reproduced", OTHER: "reproduced" if like == "batch" else "no difference"}
    assert entry.against_bn.verdict == ("no difference" if like == "batch" else "contradicted")
    assert "Mine" in entry.judgements[OTHER].sentence


def test_verdicts_are_those_that_hold_after_holm_over_all_that_was_asked() -> None:
    (entry,) = profile(records(candidate_is("batch")), ["accuracy"], OTHER, elsewhere=False)

    def at(p: float) -> Entry:
        judged = {norm: with_p(judgement, p) for norm, judgement in entry.judgements.items()}
        return replace(entry, judgements=judged, against_bn=with_p(entry.against_bn, p))

    alone, beside = "reproduced", entry.against_bn.verdict
    for ps, hold in (([0.02], [True]), ([0.02, 0.015, 0.0001], [False, False, True])):
        found = together([at(p) for p in ps])
        for norm, verdict in {**dict.fromkeys(entry.judgements, alone), "against BN": beside}.items():
            judged = [e.judgements.get(norm, e.against_bn) for e in found]
            assert [judgement.verdict for judgement in judged] == [verdict if holds else "undecided" for holds in hold]
            assert [judgement.p_adjusted for judgement in judged] == pytest.approx(rules.holm(ps))


def with_p(judgement: Judgement, p: float) -> Judgement:
    return replace(judgement, outcome=replace(judgement.outcome, p=p))


def test_what_was_trained_elsewhere_is_flagged() -> None:
    here, away = (profile(records(candidate_is("batch")), ["accuracy"], OTHER, e)[0] for e in (False, True))
    assert OTHER_MACHINE not in here.judgements[OTHER].flags
    assert OTHER_MACHINE in away.judgements[OTHER].flags
    assert OTHER_MACHINE in away.against_bn.flags
    assert OTHER_MACHINE not in away.judgements["batch"].flags


def test_only_claims_are_asked_that_fit_any_norm() -> None:
    ids = {claim.id for subject in REGISTRY for claim in asked_of(subject)}
    assert {"higher-accuracy-grey", "lr-highest", "init-spread", "small-batch-bn", "gap-narrower"} <= ids
    assert ids.isdisjoint(
        {"ghost-costs", "small-batch-layer", "robust-pgd-0.05-bn-rate", "noisy-speed", "affine-alone"}
    )
    for subject in REGISTRY:
        for claim in asked_of(subject):
            assert claim.treated["norm"] == TREATED


def test_the_profile_has_a_column_for_every_norm() -> None:
    entries = profile(records(candidate_is("batch")), ["accuracy", "speed"], OTHER, elsewhere=False)
    first = replace(entries[0], judgements={OTHER: entries[0].judgements[OTHER]})
    for shown in (entries, [first, *entries[1:]]):  # BN was not trained in every experiment
        made = profile_figure("Mine", OTHER, "laptop", shown)
        texts = [text.get_text() for text in made.axes[0].texts]
        assert {"with BN", "Mine", "Mine against BN"} <= set(texts)
        boxes = [text for text in made.axes[0].texts if text.get_bbox_patch()]
        assert len(boxes) == 3 * len(entries) - (shown is not entries)


def test_the_docs_name_the_experiments_that_are_asked_and_those_that_could_be() -> None:
    text = (Path(__file__).parent.parent / "docs" / "judging.md").read_text(encoding="utf-8")
    by_default, others = re.findall(r"^- (?:By default|Others have).*?(?=^- )", text, re.MULTILINE | re.DOTALL)
    laptop, smoke = (set(re.findall(r"`(\w+)`", part)) for part in by_default.split("at `scale=smoke`"))
    assert (laptop, smoke) == tuple(set(runs.EXPERIMENTS[scale]) for scale in ("laptop", "smoke"))
    assert set(re.findall(r"`(\w+)`", others)) == set(asked.askable()) - laptop


def test_at_smoke_there_are_the_two_seeds_that_the_docs_speak_of() -> None:
    text = (Path(__file__).parent.parent / "docs" / "judging.md").read_text(encoding="utf-8")
    assert "At `smoke` there are two seeds, on which nothing is judged" in text
    budgets = [values_of(paths.experiments()[name])["budget"]["smoke"] for name in runs.EXPERIMENTS["smoke"]]
    assert {budget["seeds"] for budget in budgets} == {"range(2)", "0,1,1000"}, "the last chooses settings"
    assert rules.FEWEST > 2


# The command


def test_the_contract_alone(command: Command) -> None:
    done = command("judge", "--contract", "my_norm.py")
    last = done.out.strip().splitlines()[-1]
    assert (done.code, last) == (0, "Mine keeps 30 of the 30 promises of a norm that were tried.")


def test_the_contract_as_json(command: Command, tmp_path: Path) -> None:
    found = json.loads(command("judge", "--contract", "--json", "my_norm.py").out)
    assert (found["norm"], found["settings"], found["lags"]) == (OTHER, {}, False)
    assert all(check["passed"] for check in found["contract"])
    (tmp_path / "lags.py").write_text(LAGS)
    assert json.loads(command("judge", "--contract", "--json", "lags.py").out)["lags"]
    (tmp_path / "odd.py").write_text(MINE.replace("return x * self.scale", "return x - x.mean(0)"))
    done = command("judge", "--contract", "--json", "odd.py")
    failed = [check for check in json.loads(done.out)["contract"] if not check["passed"]]
    assert (done.code, failed[0]["check"]) == (2, "alone_at_inference[flat]")
    assert failed[0]["sentence"]
    (tmp_path / "loud.py").write_text(MINE.replace("return x *", "os.system('echo hello'); return x *") + "import os\n")
    loud = command("judge", "--contract", "--json", "loud.py")
    assert {c["check"] for c in json.loads(loud.out)["contract"] if not c["passed"]} == {
        "is_quiet[flat]",
        "is_quiet[maps]",
    }
    refused = command("judge", "--json", "my_norm.py")
    assert (refused.code, refused.out) == (2, "")
    assert "--json goes with --contract" in refused.err


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("return x - x.mean(0)", "breaks alone_at_inference[flat, maps]"),
        ("return x.flatten()", "breaks keeps_shape[flat]"),
        ("raise SystemExit(3)", "breaks keeps_shape[flat]"),
        ("raise KeyboardInterrupt('no')", "odd:Mine: KeyboardInterrupt: no ("),
        ("import os; os._exit(3)", "its process ended, exit code 3 (in the check keeps_shape[flat])"),
        ("time.sleep(60)", "it came to no end in 2 s (in the check keeps_shape[flat])"),
        ("print('hello'); return x", "it prints 'hello'; leave out print"),
        ("import sys; print('oh', file=sys.stderr); return x", "it prints 'oh'; leave out print"),
        ("import os; os.write(1, b'hello\\n'); return x", "it prints 'hello'; leave out print"),
        ("import logging; logging.warning('oh'); return x", "it prints 'WARNING:root:oh'; leave out print"),
    ],
)
def test_what_breaks_it_is_refused_with_a_sentence(
    body: str, words: str, command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("bnexp.judge.trial.LIMIT", 2)
    (tmp_path / "odd.py").write_text(MINE.replace("return x * self.scale", body))
    done = command("judge", "odd.py", "scale=smoke")
    assert done.code == 2
    assert words in done.err
    assert "odd:Mine" in done.err
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "import sys\nprint('hello', file=sys.stderr)\n",
            "odd:Mine prints 'hello' while it is imported; leave out print",
        ),
        ("import os\nos.write(2, b'hello')\n", "odd:Mine prints 'hello' while it is imported; leave out print"),
        ("time.sleep(60)\n", "odd:Mine: it came to no end in 2 s (while it was imported)"),
        ("import os\nos._exit(3)\n", "its process ended, exit code 3 (while it was imported)"),
        ("raise RuntimeError('no')\n", "odd:Mine: RuntimeError: no ("),
        ("raise KeyboardInterrupt('no')\n", "odd:Mine: KeyboardInterrupt: no ("),
        ("Mine.__init__ = lambda self, features: time.sleep(60)\n", "2 s (while it was made)"),
        ("Mine.__init__ = lambda self: None\n", "Mine is not made from the number of features; def __init__(self, "),
        ("class Mine(nn.Linear): ...\n", "Mine is a layer from inputs to units, a piece of a network and no norm"),
        (
            "Mine.inputs = ()\n",
            "bnexp: odd:Mine: inputs = () leaves nothing; write ('flat',), ('maps',), or leave it out",
        ),
        (
            "Mine.expected_failures = {'quiet': ''}\n",
            "odd:Mine: expected_failures has 'quiet'; did you mean 'is_quiet'?",
        ),
        ("del Mine\n", "odd:Mine: module 'odd' has no attribute 'Mine'"),
        ("Min = Mine\ndel Mine\n", "did you mean odd:Min?"),
    ],
)
def test_what_cannot_be_imported_or_made_is_refused_in_the_words_that_were_typed(
    text: str, words: str, command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("bnexp.judge.trial.LIMIT", 2)
    (tmp_path / "odd.py").write_text(MINE + text)
    done = command("judge", "odd.py:Mine", "scale=smoke")
    assert (done.code, done.out) == (2, "")
    assert words in done.line
    assert "norm.target" not in done.line


def test_one_that_ends_its_process_late_is_named_and_what_can_be_judged_is(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After 200 passes in training: in the measuring of the time, and in the training itself."""
    monkeypatch.setattr("bnexp.launch.estimate.PATIENCE", 600)
    late = "global passes\n        passes += self.training\n        passes < 200 or os._exit(3)\n        return x"
    (tmp_path / "late.py").write_text("import os\npasses = 0\n" + MINE.replace("return x * self.scale", late))
    done = command("judge", "late.py", "--claims", "figure_1", "scale=smoke", "data=digits", "processes=1")
    assert done.code == 1
    assert "The time it takes is guessed, for when it was measured, its process ended, exit code 3." in done.out
    assert "late:Mine in BN's place: " in done.err
    text = (tmp_path / "results" / "smoke" / "digits" / "judge" / "Mine" / "README.md").read_text()
    assert "mnist_activations is not judged: " in text


# The examples

EXAMPLES = Path(__file__).parent.parent / "examples"


MODEL = "weight_standardisation.py"


@pytest.mark.parametrize("name", sorted({path.name for path in EXAMPLES.glob("*.py")} - {MODEL}))
def test_the_examples_keep_it_but_for_the_lesson(
    name: str, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_text((EXAMPLES / name).read_text())
    done = command("judge", "--contract", name)
    if name == "centring.py":
        assert done.code == 2
        assert "breaks alone_at_inference[flat, maps]: " in done.err
        assert "use population statistics there" in done.err
    else:
        assert (done.code, done.err) == (0, "")


def test_what_norms_weights_is_a_model_that_trains(command: Command, tmp_path: Path) -> None:
    (tmp_path / MODEL).write_text((EXAMPLES / MODEL).read_text())
    for name in ("", ":build"):
        refused = command("judge", "--contract", f"{MODEL}{name}")
        assert refused.code == 2
        assert "no norm; a network of your own, made by a function, is tried by bnexp run model.target=" in refused.line
    run = ("run", "-m", "model.target=weight_standardisation:build", "norm=none,batch", "data=digits", "steps=300")
    done = command(*run, "lr=0.5", "evaluations=2")
    assert done.code == 0, done.err
    ends = [json.loads(path.read_text())["accuracy"] for path in (tmp_path / "outputs").rglob("summary.json")]
    assert len(ends) == 2
    assert min(ends) > 0.5


def test_an_example_is_judged_from_end_to_end(command: Command, tmp_path: Path) -> None:
    (tmp_path / "rms_norm.py").write_text((EXAMPLES / "rms_norm.py").read_text())
    words = ("judge", "rms_norm.py", "--claims", "saturating", "scale=smoke", "data=digits")
    done = command(*words)
    assert done.code == 0, done.err
    assert "runs to train: about" in done.out
    folder = tmp_path / "results" / "smoke" / "digits" / "judge" / "RMSNorm"
    assert "with RMSNorm: " in done.out
    assert "All norms on one page: results/smoke/digits/index.html" in done.out
    assert "](judge/RMSNorm/README.md)" in (folder.parent.parent / "README.md").read_text()
    assert {path.name for path in folder.iterdir()} == {"README.md", "verdict.json", "profile.png", "figures", "claims"}
    found = json.loads((folder / "verdict.json").read_text())
    measured = {e["id"] for e in found["claims"] if any(norm["values"] for norm in e["norms"].values())}
    assert {path.stem for path in (folder / "claims" / "saturating").iterdir()} == measured
    text = (folder / "README.md").read_text()
    assert set(re.findall(r"\(claims/saturating/([\w.-]+)\.png\)", text)) == measured
    assert len(found["contract"]) == 30
    assert {tuple(entry["norms"]) for entry in found["claims"]} == {("batch", "rms_norm:RMSNorm")}
    assert {entry["experiment"] for entry in found["claims"]} == {"saturating"}
    assert "STAND-IN" in text
    assert "RMSNorm against BN" in text
    again = command(*words)
    assert "All runs are there already" in again.err


@pytest.mark.parametrize("name", runs.EXPERIMENTS["laptop"])
def test_the_records_that_come_along_are_as_long_as_what_they_stand_beside(name: str) -> None:
    """Those of other budgets would fit no run, and everything would be trained."""
    folder = paths.references("laptop", name)
    if not folder.exists():
        pytest.skip(f"no records of {name} come along")
    lengths = {(run.value("batch"), run.value("steps"), run.value("evaluations")) for run in load(folder).runs}
    budget = values_of(paths.experiments()[name])["budget"]["laptop"]
    for batch, steps, evaluations in lengths:
        now = resolved(f"experiment={name}", "scale=laptop", f"batch={batch}") | budget
        assert (now["steps"], now["evaluations"]) == (steps, evaluations)


def test_everything_that_can_be_asked_is_asked_by_one_word() -> None:
    request = asked.read(["my_norm.py"], "all")
    assert set(runs.EXPERIMENTS["laptop"]) < set(request.experiments) < set(asked.askable())


def test_the_report_has_what_each_norm_measures_and_what_no_norm_does() -> None:
    (entry,) = profile(records(candidate_is("batch")), ["accuracy"], OTHER, elsewhere=False)
    head, _, row = _table(read("my_norm.py", {}), [entry], ())
    assert head == "| claim | without BN | with BN | Mine | Mine against BN |"
    cells = [cell.strip() for cell in row.split(" | ")]
    plain, bn = (values(entry.judgements["batch"], arm) for arm in ("without BN", "with BN"))
    assert cells[1] == f"{100 * fmean(plain):.2f} %"
    assert f"<br>{100 * fmean(bn):.2f} %, " in cells[2]


def values(judgement: Judgement, arm: str) -> list[float]:
    return [value["value"] for value in judgement.outcome.values if value["arm"] == arm]


def test_the_records_that_come_along_are_of_what_norms_are_held_against_and_small() -> None:
    """Of the experiments at `laptop` that have been run; a wheel holds them."""
    folders = [folder for name in runs.EXPERIMENTS["laptop"] if (folder := paths.references("laptop", name)).exists()]
    assert folders
    heads = [json.loads((folder / "runs.json").read_text(encoding="utf-8")) for folder in folders]
    assert {(head["scale"], head["dataset"]["stand_in"]) for head in heads} == {("laptop", False)}
    found = runs.references(runs.EXPERIMENTS["laptop"], "laptop")
    assert found.keys() == {run["id"] for head in heads for run in head["runs"]}
    assert {"none", "batch"} <= {run.norm for run in found.values()} <= set(runs.HELD_AGAINST)
    assert sum(file.stat().st_size for folder in folders for file in folder.iterdir()) < 5 * 2**20
