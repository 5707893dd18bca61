"""The claims of Figure 1 on handmade records of which the verdict is known, and what is said of every claim."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from handmade import (
    BN,
    DIGITS,
    JUDGED,
    PLAIN,
    Fields,
    asked_with,
    is_bn,
    judged,
    noise,
    record,
    records,
    sweep,
    verdicts,
)
from handmade import wandering as moments
from sweeps import made, table

from bnexp import claims
from bnexp.claims import Claim, Control, Judgement, Outcome, Paper, Peculiar, Quantity, Rule, Subject, Verdict, speed
from bnexp.config import ConfigError
from bnexp.judging import measures
from bnexp.judging.claim import of_run
from bnexp.judging.comparing import three_way
from bnexp.judging.judgement import adjusted, judge, size, with_controls
from bnexp.judging.rules import Estimate
from bnexp.report import tables as report
from bnexp.runs.records import Record

FIGURE_1 = ("figure_1", "table")
NAN = math.nan


# ---- claims with a function of their own


def estimate(lo: float, hi: float, n: int = 5) -> Estimate:
    """An effect with this 95 % interval."""
    half = (hi - lo) / 2
    return Estimate((lo + hi) / 2, half / float(scipy.stats.t.ppf(0.975, 10)), 10, n)


@pytest.mark.parametrize(
    ("lo", "hi", "n", "verdict", "why"),
    [
        (0.002, 0.02, 5, "reproduced", "above +0.10 points"),
        (0.001, 0.02, 5, "undecided", "neither above +0.10 points nor below −0.10 points"),
        (-0.02, -0.002, 5, "contradicted", "below −0.10 points"),
        (-0.0009, 0.0009, 5, "no difference", "between the two"),
        (0.002, 0.02, 2, "undecided", "2 seeds, an effect but no verdict: it takes 3"),
        (0.002, 0.02, 0, "undecided", "0 seeds, nothing to compare: it takes 3"),
    ],
)
def test_claims_with_a_function_of_their_own_are_decided_by_the_same_rule(
    lo: float, hi: float, n: int, verdict: str, why: str
) -> None:
    outcome = three_way(estimate(lo, hi, n), "points", 0.001, "so much", "a note", "")
    assert outcome.verdict == verdict
    assert why in outcome.why
    assert outcome.why.endswith("; a note")
    assert (outcome.measured, outcome.n) == ("so much", n)
    assert outcome.ci95 == ((pytest.approx(lo), pytest.approx(hi)) if n else None)


def test_a_ratio_is_given_as_it_is() -> None:
    outcome = three_way(estimate(math.log(2), math.log(8)), "ratio", 0.0, "")
    assert (outcome.effect, outcome.ci95) == (pytest.approx(4), (pytest.approx(2), pytest.approx(8)))
    assert outcome.verdict == "reproduced"


# ---- accuracy


def ending(*finals: tuple[float, float], **fields: Any) -> list[Record]:
    """Runs with these last accuracies without and with BN, a pair for each seed."""
    return [
        record(arm | {"seed": seed} | fields, final)
        for seed, pair in enumerate(finals)
        for arm, final in zip((PLAIN, BN), pair, strict=True)
    ]


BETTER = ((0.970, 0.981), (0.971, 0.982), (0.969, 0.979), (0.970, 0.980))
NOISY = ((0.970, 0.985), (0.980, 0.970), (0.970, 0.980), (0.975, 0.972))
ALIKE = ((0.9700, 0.9704), (0.9702, 0.9706), (0.9698, 0.9702))


@pytest.mark.parametrize(
    ("finals", "verdict"),
    [
        (BETTER, "reproduced"),
        (tuple((bn, plain) for plain, bn in BETTER), "contradicted"),
        (((0.97, 0.97), (0.97, 0.97), (0.97, 0.97)), "no difference"),
        (ALIKE, "no difference"),
        (NOISY, "undecided"),
        (BETTER[:2], "undecided"),
        (BETTER[:1], "undecided"),
        ((), "undecided"),
    ],
    ids=["better", "worse", "equal", "too small to count", "noisy", "two seeds", "one seed", "nothing"],
)
def test_accuracy(finals: tuple[tuple[float, float], ...], verdict: str) -> None:
    found = judged("accuracy", ending(*finals))["higher-accuracy"]
    assert (found.verdict, found.outcome.n) == (verdict, len(finals))
    assert found.flags.keys() == ({"conditional"} if finals else set())
    assert (found.outcome.effect is None) is (not finals)
    assert (found.outcome.ci95 is None) is (len(finals) < 2)


def test_accuracy_is_a_difference_of_fractions() -> None:
    found = judged("accuracy", ending(*BETTER))["higher-accuracy"]
    assert found.outcome.effect == pytest.approx(0.0105)
    assert found.outcome.ci95 is not None
    assert found.outcome.ci95[0] < 0.0105 < found.outcome.ci95[1]
    assert found.outcome.measured.startswith("final test accuracy: 98.05 % with BN, 97.00 % without BN; +1.05 points [")
    assert found.outcome.measured.endswith("n = 4")
    assert (found.unit, found.size) == ("points", "no figure")
    assert (
        found.sentence
        == "Within 1 epoch, the network with BN ends at a higher test accuracy than the same network without."
    )


@pytest.mark.parametrize("last", [NAN, 0.97])
def test_a_diverged_run_counts_as_chance(last: float) -> None:
    runs = ending(*BETTER)
    lost = record(PLAIN, last)
    runs[0] = replace(lost, summary=lost.summary | {"status": "diverged"})
    assert measures.final_accuracy(runs[0]) == 0.1
    found = judged("accuracy", runs)["higher-accuracy"]
    assert {"arm": "without BN", "cell": "", "seed": 0, "value": 0.1} in found.outcome.values


# ---- speed


def arriving(*steps: tuple[int | None, int | None]) -> list[Record]:
    """Runs that reach 98 % at these steps without and with BN, or never 95 %."""
    return [
        record(arm | {"seed": seed}, 0.94 if at is None else 0.98 + noise({"seed": seed}), at or 100)
        for seed, pair in enumerate(steps)
        for arm, at in zip((PLAIN, BN), pair, strict=True)
    ]


@pytest.mark.parametrize(
    ("steps", "verdict", "censored"),
    [
        (((400, 100), (750, 100), (400, 200)), "reproduced", False),
        (((100, 400), (100, 750), (200, 400)), "contradicted", False),
        (((200, 200), (200, 200), (200, 200)), "undecided", False),
        (((400, 100), (100, 400), (200, 200)), "undecided", False),
        (((400, 100), (400, 100)), "undecided", False),
        (((400, 100), (750, 100), (None, 200)), "reproduced", True),
        (((None, 100), (None, 100), (None, 100)), "reproduced", True),
        (((400, 50), (750, 100), (400, None)), "undecided", True),
        (((100, 400), (100, 750), (200, None)), "contradicted", True),
        (((None, None), (None, None), (None, None)), "undecided", True),
    ],
    ids=[
        *("faster", "slower", "equal", "noisy", "two seeds", "one never without", "never without"),
        *("one never with", "slower even so", "never"),
    ],
)
def test_speed(steps: tuple[tuple[int | None, int | None], ...], verdict: str, censored: bool) -> None:
    found = judged("speed", arriving(*steps))
    assert list(found) == ["fewer-steps-95", "fewer-steps-97"]
    assert {judgement.verdict for judgement in found.values()} == {verdict}
    assert {"censored" in judgement.flags for judgement in found.values()} == {censored}
    assert {judgement.outcome.n for judgement in found.values()} == {len(steps)}


def test_speed_is_a_ratio_of_steps() -> None:
    assert measures.steps_of(record(BN, 0.98, 100), 0.95) == pytest.approx(50 + 50 * 0.85 / 0.88), (
        "on the line between evaluations"
    )
    found = judged("speed", arriving((400, 100), (400, 100), (400, 100)))["fewer-steps-95"]
    assert found.outcome.effect == pytest.approx((200 + 200 * 0.85 / 0.88) / (50 + 50 * 0.85 / 0.88), rel=1e-3)
    assert found.unit == "ratio"


def test_an_accuracy_that_is_there_at_once_takes_one_step() -> None:
    metrics = pd.DataFrame({"step": [0, 10], "accuracy": [0.99, 0.99]})
    assert measures.steps_of(replace(record(BN, 0.9), metrics=metrics), 0.95) == 1, "there is a logarithm of it"


def test_reached_says_how_many() -> None:
    runs = [run for run in arriving((400, 100), (None, 200)) if run.norm == "batch"]
    assert speed.reached(runs, 0.95) == speed.Reached(pytest.approx(147.4, abs=0.1), 2, 2)
    runs = [run for run in arriving((400, 100), (None, 200)) if run.norm == "none"]
    assert speed.reached(runs, 0.95).runs == 1
    assert speed.reached(runs, 0.999) == speed.Reached(None, 0, 2)


# ---- stability


def steady(plain: float, bn: float, scale: float = 1.0) -> list[Record]:
    """Means and spreads go to and fro by so much without and with BN, whose inputs are smaller by `scale`."""

    def run(fields: Fields) -> Record:
        far = (bn if is_bn(fields) else plain) * (1 + 100 * noise(fields))
        return record(fields, 0.9, moments=moments(far, far / 2, scale if is_bn(fields) else 1.0))

    return sweep(run)


STABLE = [
    "stable-mean",
    "stable-spread",
    "stable-mean-start",
    "stable-spread-start",
    "stable-mean-raw",
    "stable-spread-raw",
]


@pytest.mark.parametrize(
    ("plain", "bn", "verdict"),
    [(0.5, 0.1, "reproduced"), (0.1, 0.5, "contradicted"), (0.3, 0.3, "undecided")],
    ids=["steadier", "less steady", "equal"],
)
def test_stability(plain: float, bn: float, verdict: str) -> None:
    assert verdicts("stability", steady(plain, bn)) == dict.fromkeys(STABLE, verdict)


def test_a_change_of_scale_alone_is_no_stability() -> None:
    found = verdicts("stability", steady(0.3, 0.3, scale=0.1))
    assert found.pop("stable-mean-raw") == "reproduced", "as it is, the mean of smaller inputs moves less"
    assert found.pop("stable-spread-raw") == "reproduced"
    assert found == dict.fromkeys(STABLE[:-2], "undecided")


def with_moments(steps: Sequence[float], means: Sequence[float], spreads: Sequence[float]) -> Record:
    """A run of one unit."""
    metrics = pd.DataFrame({"step": steps, "accuracy": 0.9})
    of_unit = np.stack([np.array(means), np.square(spreads)], axis=-1)[:, None]
    return replace(record(BN, 0.9), metrics=metrics, moments=of_unit)


def test_a_unit_wanders_as_far_as_the_standard_deviation_over_the_steps() -> None:
    run = with_moments([0, 1, 10, 20, 30], [9, 9, 0, 1, 0], [9, 9, 2, 2, 2])  # start-up until step 3
    assert measures.wander(run, "mean", relative=False) == pytest.approx(0.5)
    assert measures.wander(run, "mean") == pytest.approx(0.25), "in widths"
    assert measures.wander(run, "spread") == pytest.approx(measures.TINY), "it does not move"
    early = measures.wander(run, "mean", started=False, relative=False)
    assert early is not None
    assert early > 3, "the first tenth, until the first evaluation after it"


def test_evaluations_count_by_the_steps_between_them() -> None:
    """Ten evaluations in the first steps after start-up weigh no more than one of the same steps."""
    few = with_moments([0, 1000, 5000, 9000, 10000], [0, 0, 1, 0, 0], [1] * 5)
    dense = with_moments([0, 1000, *range(1001, 1011), 5000, 9000, 10000], [0, 0, *[0] * 10, 1, 0, 0], [1] * 15)
    assert measures.wander(dense, "mean") == pytest.approx(measures.wander(few, "mean"), rel=0.01)


@pytest.mark.parametrize("broken", [None, NAN])
def test_runs_without_finite_moments_are_left_out(broken: float | None) -> None:
    runs = steady(0.5, 0.1)
    kept = runs[0].moments
    assert kept is not None
    runs[0] = replace(runs[0], moments=None if broken is None else np.full_like(kept, broken))
    found = judged("stability", runs)["stable-mean"]
    assert (found.outcome.n, found.verdict) == (2, "undecided")
    assert "nothing to measure in 1 case without BN" in found.outcome.why


def test_a_distribution_of_no_width_stays_finite() -> None:
    runs = sweep(lambda fields: record(fields, 0.9, moments=np.zeros((7, 2, 2))))
    assert [found.outcome.effect for found in judged("stability", runs).values()] == pytest.approx([1.0] * 6)


# ---- figure 1


def figure_1(binary: float, grey: float, seeds: Sequence[int] = JUDGED) -> list[Record]:
    """The four arms on binary images and the two on grey ones, with BN so much better on each."""

    def run(fields: Fields) -> Record:
        gain = (binary if fields["data.binarize"] else grey) * is_bn(fields)
        how = fields.get("norm.statistics")
        if how in ("batch", "moving"):  # drawn, and judged by nobody
            return record(fields, 0.2, 1000, moments=moments(5.0, 0.5))
        at = 200 if gain == 0 else 100 if gain > 0 else 400
        far = 0.5 * 3.0 ** -(np.sign(gain)) * (1 + 20 * noise(fields))
        return record(fields, 0.975 + gain + noise(fields), at, moments=moments(far, far))

    drawn = (BN | {"norm.statistics": how} for how in ("batch", "moving"))
    return [
        *sweep(run, seeds=seeds, data_binarize=(True, False)),
        *sweep(run, tuple(drawn), seeds, data_binarize=(True,)),
    ]


@pytest.mark.parametrize(
    ("binary", "grey"), [(0.01, -0.004), (-0.004, 0.01), (0.0, 0.01)], ids=["as claimed", "other way", "no difference"]
)
def test_figure_1_is_judged_on_each_kind_of_images_as_the_network_is_used(binary: float, grey: float) -> None:
    words = {1: "reproduced", -1: "contradicted", 0: "undecided"}
    found = judged("figure_1", figure_1(binary, grey))
    expected = {identity: words[int(np.sign(binary))] for identity in ("fewer-steps-95", "fewer-steps-97", *STABLE)}
    grey_ids = ("higher-accuracy", "fewer-steps-95", "fewer-steps-97", "stable-mean", "stable-spread")
    expected |= {f"{identity}-grey": words[int(np.sign(grey))] for identity in grey_ids}
    expected["higher-accuracy"] = words[int(np.sign(binary))] if binary else "no difference"
    assert {identity: judgement.verdict for identity, judgement in found.items()} == expected
    assert {i for i, j in found.items() if j.claim.primary} == {"higher-accuracy", "fewer-steps-95"}
    assert found["higher-accuracy"].sentence.endswith("(binary images, lr 0.1, N(0, 0.05²)).")
    assert found["higher-accuracy-grey"].sentence.endswith("(grey images, lr 0.1, N(0, 0.05²)).")


# ---- the table


def test_a_table_of_opposite_signs_is_mixed_whatever_its_mean() -> None:
    said = {0.1: "reproduced", 0.3: "no difference", 1.0: "contradicted"}
    runs = table(lambda fields: {0.1: 1, 0.3: 0, 1.0: -1}[fields["lr"]])
    found = judged("table", runs)["table-accuracy"]
    assert found.verdict == "mixed"
    assert len(found.outcome.cells) == 2 * 3 * 3, "images, initial scales, learning rates"
    for cell in found.outcome.cells:
        assert cell.verdict == said[float(cell.cell.rpartition(" ")[2])]
    assert found.outcome.measured.startswith("final test accuracy (18 cells, from ")


def test_each_network_has_its_own_best_cell() -> None:
    """BN is better everywhere but for the one best cell of the plain network."""

    def run(fields: Fields) -> float:
        best = fields["lr"] == (0.3 if is_bn(fields) else 1.0) and fields["init.scale"] == 0.2
        return 0.94 + 0.01 * is_bn(fields) + (0.02 if is_bn(fields) else 0.03) * best

    axes = {"lr": (0.1, 0.3, 1.0, 3.0), "init_scale": (0.1, 0.2, 0.4), "data_binarize": (True,)}
    found = judged("table", sweep(run, seeds=(*JUDGED, 1000), **axes))
    assert found["table-accuracy"].verdict == "mixed"
    best = found["table-own-best-binary"]
    assert (best.verdict, best.outcome.effect) == ("no difference", pytest.approx(0.0, abs=1e-9))
    assert best.outcome.selected == {
        "with BN": {"lr": 0.3, "init.scale": 0.2},
        "without BN": {"lr": 1.0, "init.scale": 0.2},
    }
    assert found["table-own-best"].outcome.n == 0, "there are no grey images"


def test_a_best_cell_in_the_corner_of_the_table_is_undecided() -> None:
    runs = [run for run in made("table", 1) if run.value("lr") <= 0.3]
    found = judged("table", runs)["table-own-best"]
    assert (found.verdict, "edge" in found.flags) == ("undecided", True)
    assert "lr 0.3 of 0.1 to 0.3" in found.flags["edge"]


def test_the_table_is_of_its_short_runs_and_the_best_of_the_long_ones() -> None:
    longer = [
        replace(run, fields=run.fields | {"steps": 50000})
        for run in table(lambda fields: -1)
        if run.seed in JUDGED and run.value("lr") == 0.3 and run.value("init.scale") == 0.2
    ]
    found = verdicts("table", made("table", 1) + longer)
    assert found["table-accuracy"] == found["table-steps-90"] == "reproduced"
    assert found["table-own-best"] == found["table-own-best-binary"] == "contradicted"


def test_the_table_of_arms_counts_a_diverged_run_as_chance() -> None:
    arms = report.readable(report.arms(records(ending((0.5, 0.9), (0.5, 0.9), (NAN, 0.9)))))
    shown = dict(zip(arms["norm"], zip(arms["n"], arms["final accuracy %"], strict=True), strict=True))
    assert shown["none"][0] == "3 (1 diverged)"
    assert shown["none"][1].startswith("36.67 [")
    assert shown["batch"] == ("3", "90.00 [90.00, 90.00]")


def test_an_interval_of_accuracies_stays_among_shares_and_one_run_has_none() -> None:
    wide = report.arms(records(ending((0.02, 0.9), (0.99, 0.98)))).iloc[0]
    assert (wide["accuracy_lo"], wide["accuracy_hi"]) == (0.0, 1.0)
    one = report.arms(records([record(PLAIN, 0.9)])).iloc[0]
    assert pd.isna(one["accuracy_lo"])
    assert pd.isna(one["accuracy_hi"])


def test_a_setting_that_an_arm_lacks_is_a_dash() -> None:
    """An optimizer's settings are absent from the runs of the others."""
    runs = [record(PLAIN, 0.9), record(PLAIN | {"optimizer.momentum": 0.9}, 0.9)]
    arms = report.readable(report.arms(records(runs)))
    assert sorted(arms["optimizer.momentum"]) == ["0.9", "–"]


# ---- what is said of a claim


def judgement(verdict: Any, p: float | None, primary: bool, identity: str = "mine") -> Judgement:
    (made_,) = claims.judge(records(ending(*BETTER)), ["accuracy"])
    claim = replace(made_.claim, id=identity, primary=primary)
    return replace(made_, claim=claim, outcome=replace(made_.outcome, verdict=verdict, p=p, flags={}, why="so"))


def test_main_claims_hold_after_holm_and_the_others_stand_as_they_are() -> None:
    main = [judgement("reproduced", p, True, f"main {p}") for p in (0.001, 0.02)]
    further = [judgement("reproduced", p, False, f"further {p}") for p in (0.02, 0.024, 0.5)]
    first, second, *others = adjusted([*main, *further])
    assert (first.verdict, first.p_adjusted) == ("reproduced", pytest.approx(0.002))
    assert (second.verdict, second.p_adjusted) == ("reproduced", pytest.approx(0.02))
    assert [j.verdict for j in others] == ["reproduced"] * 3
    assert [j.p_adjusted for j in others] == pytest.approx([0.036, 0.036, 0.5])
    assert [set(j.flags) for j in (first, second, *others)] == [set(), set(), *[{"exploratory"}] * 3]


def test_a_main_claim_that_holm_does_not_leave_is_undecided() -> None:
    judged_ = adjusted([judgement("contradicted", 0.015, True, "a"), judgement("undecided", 0.2, True, "b")])
    assert [(j.verdict, j.p_adjusted) for j in judged_] == [
        ("undecided", pytest.approx(0.03)),
        ("undecided", pytest.approx(0.2)),
    ]
    assert judged_[0].outcome.why == "would be contradicted, but not after Holm over the experiment's main claims; so"
    assert (judged_[0].outcome.p, judged_[0].outcome.effect) == (0.015, pytest.approx(0.0105)), "the effect stays"


def test_claims_of_one_id_keep_their_own_p() -> None:
    one, other, unknown = adjusted([judgement("reproduced", p, False) for p in (0.01, 0.02, None)])
    assert [one.p_adjusted, other.p_adjusted, unknown.p_adjusted] == [pytest.approx(0.02), pytest.approx(0.02), None]


@pytest.mark.parametrize(
    ("figure", "words"), [(None, "no figure"), (0.5, "agrees"), (0.1, "larger"), (0.9, "smaller"), (0.2, "agrees")]
)
def test_the_size_is_held_against_the_papers_figure(figure: float | None, words: str) -> None:
    assert size(figure, Outcome("reproduced", "", "", 0.5, (0.2, 0.8), 5), "points") == words
    assert size(figure, Outcome("undecided", "", "", 0.5, None, 1), "points") == "no figure"


@pytest.mark.parametrize(
    ("unit", "ci95", "figure", "word"),
    [
        ("ratio", (3.0, math.inf), 14.8, "open"),
        ("ratio", (3.0, math.inf), 3.5, "agrees"),
        ("ratio", (3.0, math.inf), 2.0, "larger"),
        ("ratio", (0.0, 6.0), 2.0, "open"),
        ("points", (0.0, 6.0), 2.0, "agrees"),
        ("decades", (-math.inf, 6.0), 2.0, "open"),
    ],
)
def test_an_open_interval_does_not_agree_with_all_that_lies_on_that_side(
    unit: str, ci95: tuple[float, float], figure: float, word: str
) -> None:
    assert size(figure, Outcome("reproduced", "", "", 5.0, ci95, 6), unit) == word


def test_verdicts_are_the_five_words() -> None:
    with pytest.raises(
        ValueError, match="is 'refuted'; choose from reproduced, contradicted, no difference, mixed, und"
    ):
        judgement("refuted", 0.1, True)


def test_stand_in_data_are_named_in_every_judgement() -> None:
    runs = figure_1(0.01, 0.01)
    found = claims.judge(records(runs, DIGITS), FIGURE_1)
    assert len(found) == 24
    for each in found:
        assert each.sentence.endswith(" [stand-in]")
        assert each.flags["stand-in"] == "on UCI digits, not on MNIST"
    for each in claims.judge(records(runs), FIGURE_1):
        assert "stand-in" not in each.flags
        assert "stand-in" not in each.sentence


def test_so_are_runs_that_are_missing() -> None:
    found = claims.judge(records(ending(*BETTER), planned=10), ["accuracy"])
    assert found[0].sentence.endswith(" [partial]")
    assert found[0].flags["partial"] == "on 8 of 10 runs alone"
    assert found[0].verdict == "reproduced"


def test_judge_takes_the_subjects_named() -> None:
    runs = records(ending(*BETTER))
    assert [j.id for j in claims.judge(runs, ["speed", "accuracy"])] == [
        "fewer-steps-95",
        "fewer-steps-97",
        "higher-accuracy",
    ]
    with pytest.raises(ConfigError, match="'speeed'; choose from accuracy, speed, stability, figure_1, table"):
        claims.judge(runs, ["speeed"])


def final_loss(run: Record) -> float:
    return float(run.metrics["loss"].iloc[-1])


LESS = Rule("difference", 0.01, less=True)
LOSS = Claim("lower-loss", "§4.1", "The loss is lower.", Quantity("loss", of_run(final_loss), "nats"), LESS, Paper("–"))
WORDS = Peculiar("words", "–", "So it is.", Paper("–"), lambda records: Outcome("mixed", "so", "much"), "share")
FAILING = Peculiar("failing", "–", "So it is.", Paper("–"), lambda records: records.nothing)  # type: ignore[attr-defined]
MINE = Subject("mine", [LOSS, WORDS], about="what I want to know")


@pytest.mark.parametrize(
    ("name", "ids"),
    [("LOSS", ["lower-loss"]), ("WORDS", ["words"]), ("MINE", ["lower-loss", "words"])],
)
def test_a_claim_a_peculiar_one_and_a_subject_of_ones_own_are_taken(name: str, ids: list[str]) -> None:
    runs = sweep(lambda f: record(f, 0.9, loss=0.5 - 0.1 * is_bn(f) + noise(f)))
    found = {j.id: j for j in claims.judge(records(runs), [f"test_claims:{name}"])}
    assert list(found) == ids
    if "lower-loss" in found:
        assert (found["lower-loss"].verdict, found["lower-loss"].outcome.effect) == ("reproduced", pytest.approx(0.1))
        assert "0.400 with BN, 0.500 without BN; +0.100 nats" in found["lower-loss"].outcome.measured
    if "words" in found:
        assert (found["words"].verdict, found["words"].as_dict()["kind"], found["words"].outcome.why) == (
            "mixed",
            "own",
            "so",
        )
    assert len(found) == len({j.rule_sha256 for j in found.values()})


def test_a_claim_that_fails_is_named() -> None:
    with pytest.raises(claims.ClaimError, match=r"the claim failing failed: AttributeError.*test_claims.py, line"):
        claims.judge(records([]), ["test_claims:FAILING"])


@pytest.mark.parametrize("name", ["final_loss", "JUDGED", "NAN"])
def test_what_is_no_claim_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"claims=test_claims:{name} is of .*: give a bnexp.claims.Claim"):
        claims.resolve([f"test_claims:{name}"])


@pytest.mark.parametrize("runs", [[], [record(PLAIN, 0.9)], [record(BN | {"seed": s}, 0.9) for s in (0, 1)]])
def test_records_without_both_arms_are_undecided(runs: list[Record]) -> None:
    for each in claims.judge(records(runs), [*FIGURE_1, "accuracy", "speed", "stability"]):
        assert (each.verdict, each.outcome.n, each.outcome.effect) == ("undecided", 0, None)
        assert each.outcome.measured == "nothing to compare"
        json.dumps(each.as_dict(), allow_nan=False)


def test_judgements_are_json_with_the_fields_of_the_protocol() -> None:
    fields = {
        *("id", "source", "section", "claim", "kind", "primary", "paper", "paper_effect", "outside", "measured"),
        *("control", "held", "effect", "unit"),
        *(
            "ci95",
            "margin",
            "held_against",
            "n",
            "epochs",
            "values",
            "cells",
            "by_cells",
            "selected",
            "p",
            "p_adjusted",
            "verdict",
            "size",
            "flags",
            "why",
        ),
        *("seeds_needed", "rule_sha256", "rule_commit"),
    }
    found = claims.judge(records([*figure_1(0.01, 0.0), *made("table", 1)]), FIGURE_1)
    for each in [*found, *claims.judge(records(arriving(*[(None, 100)] * 3)), ["speed"])]:
        values = json.loads(json.dumps(each.as_dict(), allow_nan=False))
        assert values.keys() == fields
        assert values["ci95"] is None or len(values["ci95"]) == 2
        assert all(set(value) == {"arm", "cell", "seed", "value"} for value in values["values"])
    unbounded = replace(each, outcome=replace(each.outcome, effect=NAN, ci95=(0.5, math.inf))).as_dict()
    assert unbounded["effect"] is None
    assert unbounded["ci95"] == [0.5, None]


def test_every_claim_names_its_source_and_every_control_what_would_have_failed_it() -> None:
    for subject in claims.REGISTRY.values():
        main = [claim for claim in subject.claims if claim.primary]
        assert len(main) <= 3
        for claim in subject.claims:
            assert claim.source
            assert claim.sentence.endswith(".")
            assert claim.paper.text
            if claim.control is not None:
                fails = claim.control.fails
                assert "would" in fails or fails.startswith(("if", "without"))
                assert set(claim.control.guards) <= asked_with(subject.name) - {claim.id}


# ---- controls

GUARD = Control("if it does not, nothing is known", guards=("gain",))


@pytest.mark.parametrize(
    ("worth", "holds", "held", "verdict"),
    [
        (0.01, ("reproduced",), True, "reproduced"),
        (-0.01, ("reproduced",), False, "undecided"),
        (0.0, ("reproduced",), None, "undecided"),
        (-0.01, ("contradicted",), True, "reproduced"),
    ],
)
def test_a_claim_says_nothing_unless_its_control_holds(
    worth: float, holds: tuple[Verdict, ...], held: bool | None, verdict: str
) -> None:
    def of_control(run: Record) -> float:
        return worth * (run.norm == "batch") + noise({"seed": run.seed})

    control = Claim(
        *("control", "–", "It does.", Quantity("it", of_run(of_control)), Rule("difference"), Paper("–")),
        control=replace(GUARD, holds=holds),
    )
    accuracy = Quantity("accuracy", of_run(measures.final_accuracy))
    entries = [Claim("gain", "–", "BN gains.", accuracy, Rule("difference"), Paper("–")), control]
    runs = records(sweep(lambda fields: 0.9 + 0.01 * is_bn(fields) + noise(fields)))
    found = with_controls(adjusted([judge(claim, runs) for claim in entries]))
    assert [judgement.id for judgement in found] == ["gain", "control"]
    assert (found[1].held, found[0].verdict, found[0].held) == (held, verdict, None)
    assert ("control" in found[0].flags) == (not held)
    again = with_controls([replace(found[1], held=None), replace(found[0])])
    assert [j.verdict for j in again] == [found[1].verdict, verdict], "in whatever order"
    if not held:
        assert found[0].outcome.why.startswith("would be reproduced, but its control control is")


def test_a_control_that_is_guarded_itself_does_not_hold_unless_it_may() -> None:
    def claim(identity: str, worth: float, guards: tuple[str, ...]) -> Claim:
        measure = Quantity("it", of_run(lambda run: worth * (run.norm == "batch") + noise({"seed": run.seed})))
        control = replace(GUARD, guards=guards)
        return Claim(identity, "–", "It is.", measure, Rule("difference"), Paper("–"), control=control)

    entries = [claim("gain", 0.01, ()), claim("second", 0.01, ("gain",)), claim("first", -0.01, ("second",))]
    runs = records(sweep(lambda fields: 0.9))
    found = with_controls(adjusted([judge(each, runs) for each in entries]))
    assert [(j.verdict, j.held) for j in found] == [("undecided", None), ("undecided", None), ("contradicted", False)]


@pytest.mark.parametrize("odd", [{"holds": ("reproducd",)}, {"guards": "gain"}])
def test_a_control_says_what_there_is(odd: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"reproducd|'gain'"):
        Control("if it were not so", **odd)


def test_subjects_that_share_claims_lose_none() -> None:
    runs = records(sweep(lambda fields: 0.9 + 0.01 * is_bn(fields) + noise(fields)))
    both = claims.judge(runs, ["accuracy", "figure_1"])
    assert len(both) == sum(len(claims.REGISTRY[name].claims) for name in ("accuracy", "figure_1"))
