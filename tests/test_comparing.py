"""Arms side by side: what is matched, chosen, bounded and counted before a rule decides."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from handmade import BN, JUDGED, PLAIN, TUNING, Fields, is_bn, noise, record, records, sweep

from bnexp import claims
from bnexp.claims import TREATED, Claim, Of, Outcome, Paper, Quantity, Rule, of_run
from bnexp.claims.accuracy import ACCURACY
from bnexp.judging import rules
from bnexp.judging.arms import measured
from bnexp.judging.comparing import compare
from bnexp.judging.judgement import judge
from bnexp.judging.matching import by_cell, choose, having, judged, side_by_side, tuning
from bnexp.judging.measures import (
    decades_that_train,
    final_accuracy,
    highest_accuracy,
    highest_rate,
    lowest_rate,
    steps_to_reach,
    variance_beyond_noise,
)
from bnexp.report.writing import write
from bnexp.runs.records import Record, load

SEEDS = (*JUDGED, *TUNING)


def claim(
    rule: Rule, quantity: Quantity = ACCURACY, sentence: str = "Within {epochs}, so it is.", **more: Any
) -> Claim:
    return Claim("mine", "–", sentence, quantity, rule, Paper("–"), **more)


GAIN = claim(Rule("difference", 0.001))
BN_ARM = {"norm": TREATED}
STEPS = Quantity("steps to 90 %", of_run(steps_to_reach(0.9)), "ratio")
FASTER = claim(Rule("time", less=True), STEPS)
RANGE = Quantity("decades that train", decades_that_train, "decades", over=("lr",))


def better(fields: Fields) -> float:
    return 0.95 + 0.01 * is_bn(fields)


# ---- having


@pytest.mark.parametrize(
    ("wanted", "lrs"),
    [
        (0.3, {0.3}),
        (Of("largest"), {1.0}),
        (Of("smallest"), {0.1}),
        (Of("above", (0.1,)), {0.3, 1.0}),
        (Of("among", (0.1, 1.0, 7.0)), {0.1, 1.0}),
    ],
)
def test_the_runs_that_have_a_setting(wanted: object, lrs: set[float]) -> None:
    runs = sweep(better, lr=(0.1, 0.3, 1.0))
    assert {run.value("lr") for run in having(runs, {"lr": wanted})} == lrs


def test_the_largest_is_of_the_runs_that_have_all_before() -> None:
    runs = [*sweep(better, lr=(0.1, 0.3), model_depth=(3,)), *sweep(better, lr=(9.0,), model_depth=(20,))]
    assert {run.value("lr") for run in having(runs, {"model.depth": 3, "lr": Of("largest")})} == {0.3}


def test_none_is_for_runs_without_the_setting() -> None:
    runs = sweep(better, (PLAIN, BN, BN | {"norm.ghost": 4}))
    assert {run.value("norm") for run in having(runs, {"norm.ghost": None})} == {"none", "batch"}
    of_those = having(runs, {"norm.statistics": Of("among", (None, "moving"))})
    assert {run.value("norm") for run in of_those} == {"none"}


def test_the_treated_norm_is_a_placeholder() -> None:
    runs = sweep(better, (PLAIN, BN, {"norm.name": "layer"}))
    assert {run.norm for run in having(runs, {"norm": TREATED})} == {"batch"}
    assert {run.norm for run in having(runs, {"norm": TREATED}, "layer")} == {"layer"}


def test_seeds_from_1000_on_are_for_tuning() -> None:
    runs = sweep(better, seeds=(0, 999, 1000, 1001))
    assert {run.seed for run in judged(runs)} == {0, 999}
    assert {run.seed for run in tuning(runs)} == {1000, 1001}


# ---- matching


def effect(runs: Sequence[Record], of: Claim = GAIN) -> tuple[float | None, int]:
    outcome = compare(of, runs)
    return outcome.effect, outcome.n


def test_settings_that_vary_are_matched() -> None:
    """The rate at which BN alone was run, and the depth at which nobody else was, have no part in it."""
    runs = [
        *sweep(lambda f: 0.9 + 0.01 * is_bn(f), lr=(0.1,)),
        *sweep(lambda f: 0.8 + 0.03 * is_bn(f), lr=(1.0,)),
        *sweep(lambda f: 0.1, (BN,), lr=(10.0,)),
        *sweep(lambda f: 0.2, (PLAIN,), lr=(0.1,), model_depth=(20,)),
    ]
    assert effect(runs) == (pytest.approx(0.02), 3)


def test_what_is_not_named_as_cells_is_averaged_and_what_is_stands_apart() -> None:
    runs = sweep(lambda f: 0.9 + (0.05 if f["lr"] == 0.1 else -0.01) * is_bn(f), lr=(0.1, 1.0))
    mean, apart = compare(GAIN, runs), compare(replace(GAIN, cells=("lr",)), runs)
    assert mean.effect == pytest.approx(0.02)
    assert mean.cells == []
    assert apart.effect == pytest.approx(0.02)
    assert [(cell.cell, cell.effect) for cell in apart.cells] == [
        ("learning rate 0.1", pytest.approx(0.05)),
        ("learning rate 1", pytest.approx(-0.01)),
    ]
    assert (mean.verdict, apart.verdict) == ("reproduced", "mixed")


def test_settings_of_the_norm_are_no_mismatch() -> None:
    runs = sweep(better, (PLAIN, BN | {"norm.eps": 1e-5, "norm.batches": 20}))
    assert effect(runs) == (pytest.approx(0.01), 3)


def test_a_norm_with_several_settings_is_averaged_over_them() -> None:
    def run(fields: Fields) -> float:
        return 0.95 + {"before": 0.01, "after": 0.03}.get(fields.get("norm.placement", ""), 0.0)

    runs = sweep(run, (PLAIN, BN, BN | {"norm.placement": "after"}))
    assert effect(runs) == (pytest.approx(0.02), 3)
    widest = claim(Rule("range", 0.25), RANGE)
    assert effect(sweep(run, (PLAIN, BN, BN | {"norm.placement": "after"}), lr=(0.1, 1.0)), widest) == (0, 3)


def test_arms_may_differ_in_any_settings_that_they_name() -> None:
    def run(fields: Fields) -> float:
        return 0.9 + 0.01 * fields["model.depth"] * (fields["lr"] == 0.1)

    deeper = replace(GAIN, treated={"model.depth": 5, "lr": 0.1}, reference={"model.depth": 3, "lr": 1.0})
    runs = sweep(run, lr=(0.1, 1.0), model_depth=(3, 5))
    assert effect(runs, deeper) == (pytest.approx(0.05), 3)
    assert compare(deeper, runs).measured.startswith(
        "final test accuracy: 95.00 % hidden layers 5, learning rate 0.1, 90.00 % hidden layers 3, learning rate 1"
    )


def test_larger_mini_batches_take_fewer_steps() -> None:
    def run(fields: Fields) -> Record:
        steps = 12000 // fields["batch"]
        return record(fields | {"steps": steps, "early_steps": steps // 10}, 0.9 + fields["batch"] / 1000)

    larger = replace(GAIN, treated={"batch": 60}, reference={"batch": 10})
    assert effect(sweep(run, batch=(10, 60)), larger) == (pytest.approx(0.05), 3)
    longer = [
        run if run.value("batch") == 60 else replace(run, fields=run.fields | {"l2": 1.0})
        for run in sweep(run, batch=(10, 60))
    ]
    assert effect(longer, larger) == (None, 0), "nothing else follows"


def test_named_arms_differ_in_all_that_they_like() -> None:
    arms = {"inception": {"lr": 0.005, "l2": 1e-4}, "bn_x5": {"lr": 0.025, "l2": 2e-5}}
    runs = [
        record({"arm": name, "norm.name": "batch", "seed": seed, **own}, 0.9 + 0.02 * (name == "bn_x5"))
        for name, own in arms.items()
        for seed in JUDGED
    ]
    higher = replace(GAIN, treated={"arm": "bn_x5"}, reference={"arm": "inception"})
    assert effect(runs, higher) == (pytest.approx(0.02), 3)
    outcome = compare(higher, runs)
    assert "92.00 % BN-x5, 90.00 % Inception" in outcome.measured
    assert outcome.flags["bundle"].endswith("what does it: learning rate, L2 weight")
    one = [run for run in runs if run.fields.update(l2=0.0) is None]
    assert "bundle" not in compare(higher, one).flags


def test_a_difference_may_be_held_against_a_target() -> None:
    """Four times fewer steps: under half of them, but not under an eighth."""
    runs = sweep(lambda f: record(f, 0.9 + 0.001 * f["seed"], at=100 if is_bn(f) else 400))
    half = replace(FASTER, rule=Rule("time", less=True, target=-math.log(2)))
    assert compare(half, runs).verdict == "reproduced"
    assert compare(half, runs).why.endswith("lies above 2.00 times")
    assert compare(replace(half, rule=Rule("time", less=True, target=-math.log(8))), runs).verdict == "contradicted"


def test_a_sentence_names_the_epochs_of_the_runs_that_it_compares() -> None:
    def run(fields: Fields) -> Record:
        return record(fields | {"batch": 60, "data.examples": 600}, 0.9)

    runs = [*sweep(run, steps=(20,)), *sweep(run, seeds=TUNING, steps=(200,)), *sweep(run, steps=(50,))]
    about = replace(GAIN, among={"steps": 20})
    assert judge(about, records(runs)).sentence == "Within 2 epochs, so it is."
    assert judge(about, records(runs)).epochs == "2 epochs"
    barely = [
        replace(r, fields=r.fields | {"steps": 1, "data.examples": 60000}) for r in runs if r.value("steps") == 20
    ]
    assert judge(GAIN, records(barely)).epochs == "1 step"


def test_seeds_are_not_paired_and_the_arms_may_have_different_ones() -> None:
    runs = [*sweep(better, (PLAIN,), (0, 1, 2, 3)), *sweep(better, (BN,), (10, 11, 12))]
    assert effect(runs) == (pytest.approx(0.01, abs=1e-3), 3)


def test_arms_of_the_same_networks_are_compared_seed_by_seed() -> None:
    """Seeds differ by a point, arms by a tenth of one on every seed; a seed that one arm lacks counts for nothing."""
    runs = sweep(lambda f: record(f, 0.9 + 0.01 * f["seed"] + 0.001 * is_bn(f)), seeds=range(6))
    runs.append(record(BN | {"seed": 6}, 0.2))
    rule = Rule("difference", 0.0005)
    assert compare(claim(rule), runs).verdict == "undecided"
    paired = compare(claim(replace(rule, paired=True)), runs)
    assert (paired.verdict, paired.n) == ("reproduced", 6)
    assert paired.effect == pytest.approx(0.001)


def test_of_a_single_arm_seeds_are_paired_with_nothing() -> None:
    runs = sweep(lambda f: record(f, 0.9 + 0.01 * f["seed"]), (BN,), range(4))
    rule = Rule("difference", target=0.92)
    alone = [compare(claim(each, reference=None), runs) for each in (rule, replace(rule, paired=True))]
    assert alone[0] == alone[1]
    assert (alone[0].verdict, alone[0].n) == ("undecided", 4)


def test_seeds_that_lack_cells_are_left_out() -> None:
    def run(fields: Fields) -> float:
        return 0.9 + 0.01 * is_bn(fields) + 0.05 * (fields["lr"] == 1.0)

    runs = sweep(run, seeds=range(4), lr=(0.1, 1.0))
    few = [r for r in runs if not (r.seed == 3 and is_bn(r.fields) and r.value("lr") == 1.0)]
    assert effect(runs) == (pytest.approx(0.01), 4)
    assert effect(few) == (pytest.approx(0.01, abs=1e-3), 3), "its mean would be over the worse rate alone"
    assert effect(few, replace(GAIN, cells=("lr",)))[1] == 3


def test_seeds_that_lack_a_part_of_a_sweep_are_left_out() -> None:
    runs = sweep(lambda fields: 0.95, seeds=range(4), lr=(0.01, 0.1, 1.0))
    few = [run for run in runs if not (run.seed == 3 and is_bn(run.fields) and run.value("lr") == 1.0)]
    assert effect(few, claim(Rule("range", 0.25), RANGE)) == (0, 3)


def test_nothing_in_common_is_nothing_to_compare() -> None:
    runs = [*sweep(better, (PLAIN,), lr=(0.1,)), *sweep(better, (BN,), lr=(1.0,))]
    outcome = compare(GAIN, runs)
    assert (outcome.verdict, outcome.n, outcome.effect, outcome.ci95) == ("undecided", 0, None, None)
    assert outcome.why == "there are no matched runs to compare"


@pytest.mark.parametrize("lacking", ["none", "batch"])
@pytest.mark.parametrize("tuned", [False, True])
def test_a_sentence_about_every_cell_is_undecided_where_an_arm_lacks_one(lacking: str, tuned: bool) -> None:
    """Also where its tuning runs alone are there, the judged ones having other settings than the best."""
    runs = sweep(better, seeds=SEEDS, model_activation=("relu", "sigmoid"), lr=(0.1,))
    every = claim(Rule("difference", 0.001, universal=True), cells=("model.activation",), selected=("lr",) * tuned)
    assert compare(every, runs).verdict == "reproduced"

    def lacks(run: Record) -> bool:
        judged_one = not tuned or run.seed not in TUNING
        return run.norm == lacking and run.value("model.activation") == "sigmoid" and judged_one

    few = [run for run in runs if not lacks(run)]
    outcome = compare(every, few)
    assert outcome.verdict == "undecided"
    assert outcome.flags["cells"] == "nothing is said of sigmoid, of which the sentence speaks, too"
    assert compare(replace(every, rule=Rule("difference", 0.001)), few).verdict == "reproduced", "it is an average"


def test_cells_are_in_order_of_their_numbers() -> None:
    cells = by_cell(sweep(better, batch=(1024, 2, 60)), ["batch"])
    assert [dict(cell)["batch"] for cell in cells] == [2, 60, 1024]


def test_cells_without_a_value_are_cells_too() -> None:
    runs = sweep(better, model_depth=(3,)) + sweep(better, data_classes_per_batch=(2,))
    plain, bn = side_by_side([having(runs, {"norm": norm}) for norm in ("none", "batch")], ())
    assert [dict(cell) for cell in plain] == [dict(cell) for cell in bn]
    assert len(plain) == 2


# ---- the best settings


BEST = replace(GAIN, selected=("lr",))


def tuned(peak: Mapping[str, float], low: float = 0.9, **more: Any) -> list[Record]:
    """Runs that are best at one rate by norm, on validation images of tuning seeds, and nowhere on test images."""

    def run(fields: Fields) -> Record:
        selecting = fields["seed"] in TUNING
        best = fields["lr"] == peak[fields["norm.name"]]
        test = low + noise(fields) if selecting else 0.95 + 0.01 * is_bn(fields) - fields["lr"] / 100 + noise(fields)
        return record(fields, test, validation_accuracy=0.8 + 0.1 * best * selecting)

    return sweep(run, seeds=SEEDS, lr=(0.01, 0.1, 1.0, 10.0), **more)


def test_settings_are_chosen_on_validation_images_of_tuning_seeds_alone() -> None:
    """Test accuracy is best at the lowest rate, and validation accuracy of the judged seeds nowhere."""
    outcome = compare(BEST, tuned({"none": 0.1, "batch": 1.0}))
    assert outcome.selected == {"with BN": {"lr": 1.0}, "without BN": {"lr": 0.1}}
    assert outcome.effect == pytest.approx(0.01 - 0.009)
    assert outcome.n == 3
    assert {value["seed"] for value in outcome.values} == set(JUDGED)
    assert outcome.flags.keys() == {"conditional"}


def test_tuning_runs_alone_have_a_report_too(tmp_path: Path) -> None:
    runs = [run for run in tuned({"batch": 1.0, "none": 1.0}) if run.seed >= 1000]
    judgements, pictures = write(records(runs, claims=("lr_tolerance",)), tmp_path)
    assert {each.verdict for each in judgements} == {"undecided"}
    assert "n = 2 seeds" in (tmp_path / "README.md").read_text()
    assert pictures


def test_validation_accuracy_of_judged_seeds_chooses_nothing() -> None:
    runs = tuned({"none": 0.1, "batch": 1.0})
    misled = [
        replace(run, metrics=run.metrics.assign(validation_accuracy=1.0))
        if run.seed in JUDGED and run.value("lr") == 10.0
        else run
        for run in runs
    ]
    assert compare(BEST, misled).selected == compare(BEST, runs).selected


def test_without_tuning_runs_nothing_is_chosen() -> None:
    outcome = compare(BEST, judged(tuned({"none": 0.1, "batch": 1.0})))
    assert (outcome.verdict, outcome.n, outcome.why) == (
        "undecided",
        0,
        "there are no tuning runs to choose settings by",
    )


def test_each_cell_has_its_own_best() -> None:
    relu = tuned({"none": 0.1, "batch": 0.1}, model_activation=("relu",))
    sigmoid = tuned({"none": 0.1, "batch": 1.0}, model_activation=("sigmoid",))
    outcome = compare(replace(BEST, cells=("model.activation",)), relu + sigmoid)
    assert outcome.selected == {
        "with BN": {"relu": {"lr": 0.1}, "sigmoid": {"lr": 1.0}},
        "without BN": {"relu": {"lr": 0.1}, "sigmoid": {"lr": 0.1}},
    }
    assert [cell.effect for cell in outcome.cells] == [pytest.approx(0.01), pytest.approx(0.001)]


@pytest.mark.parametrize("rates", [(1.0, 0.01, 0.1), (10.0, 3.0), (30.0, 1e-5)])
def test_of_equally_good_settings_the_first_is_chosen_whatever_the_order(rates: tuple[float, ...]) -> None:
    runs = tuning(sweep(lambda fields: record(fields, 0.9), (BN,), SEEDS, lr=rates))
    for ordered in (runs, runs[::-1]):
        choice = choose(ordered, ["lr"])
        assert choice is not None
        assert choice.settings == {"lr": min(rates)}
    assert choose([], ["lr"]) is None


def test_a_run_that_diverged_is_as_bad_as_chance_when_settings_are_chosen() -> None:
    runs = [
        record({"lr": lr, "seed": 1000}, {0.1: 0.2, 1.0: math.nan}[lr], validation_accuracy=0.99 if lr == 1 else 0.2)
        for lr in (0.1, 1.0)
    ]
    choice = choose(runs, ["lr"])
    assert choice is not None
    assert (choice.settings, choice.score) == ({"lr": 0.1}, pytest.approx(0.2))


def judged_prefer(runs: list[Record], peak: Mapping[str, float]) -> list[Record]:
    """The same with validation accuracies of the judged seeds that are best at these rates, by norm."""
    return [
        replace(run, metrics=run.metrics.assign(validation_accuracy=0.8 + 0.1 * (run.value("lr") == peak[run.norm])))
        if run.seed in JUDGED
        else run
        for run in runs
    ]


@pytest.mark.parametrize(
    ("peak", "verdict", "flags"),
    [
        ({"none": 0.1, "batch": 0.1}, "reproduced", set()),
        ({"none": 1.0, "batch": 0.1}, "reproduced", set()),
        ({"none": 0.1, "batch": 1.0}, "undecided", {"choice"}),
        ({"none": 0.1, "batch": 0.01}, "undecided", {"edge"}),
    ],
)
def test_a_verdict_must_stand_with_the_settings_that_the_judged_seeds_would_choose(
    peak: dict[str, float], verdict: str, flags: set[str]
) -> None:
    outcome = compare(BEST, judged_prefer(tuned({"none": 0.1, "batch": 0.1}), peak))
    assert outcome.selected == {"with BN": {"lr": 0.1}, "without BN": {"lr": 0.1}}, "tuning seeds choose"
    assert (outcome.verdict, outcome.flags.keys() - {"conditional"}) == (verdict, flags)
    if flags:
        assert outcome.why.startswith("would be reproduced, but ")
        assert "judged seeds' validation images" in outcome.flags[flags.pop()]


def test_judged_runs_of_other_lengths_choose_nothing() -> None:
    """A chosen setting may be trained for longer."""
    runs = judged_prefer(tuned({"none": 0.1, "batch": 0.1}), {"none": 0.1, "batch": 1.0})
    for run in runs:
        run.fields["steps"] = 2000 if run.seed in JUDGED and run.value("lr") == 0.1 else 1000
    assert compare(BEST, runs).verdict == "reproduced"


def test_judged_runs_as_long_as_those_for_tuning_choose_though_others_are_longer() -> None:
    short = judged_prefer(tuned({"none": 0.1, "batch": 0.1}), {"none": 0.1, "batch": 1.0})
    long = [replace(run, fields=run.fields | {"steps": 2000}) for run in short if run.seed in JUDGED]
    outcome = compare(BEST, [*short, *long])
    assert (outcome.verdict, outcome.flags.keys() - {"conditional"}) == ("undecided", {"choice"})
    assert outcome.selected == {"with BN": {"lr": 0.1}, "without BN": {"lr": 0.1}}


def test_where_nothing_learns_no_rate_is_best_and_none_at_the_edge() -> None:
    runs = [
        record({"lr": lr, "seed": seed}, 0.1, validation_accuracy=0.1 + 0.05 * (lr == 10.0))
        for lr in (0.1, 1.0, 10.0)
        for seed in TUNING
    ]
    choice = choose(runs, ("lr",))
    assert choice is not None
    assert (choice.edge, choice.learns) == ("", False)


def test_an_arm_of_which_nothing_learns_is_named() -> None:
    dead = {"accuracy": 0.1, "validation_accuracy": 0.1}
    runs = [
        replace(run, metrics=run.metrics.assign(**dead)) if run.norm == "none" else run
        for run in tuned({"none": 0.1, "batch": 0.1})
    ]
    outcome = compare(BEST, runs)
    assert outcome.verdict == "reproduced"
    assert outcome.why.endswith("nothing learns at any setting tried: without BN")


@pytest.mark.parametrize(("peak", "edge"), [(0.1, False), (1.0, False), (0.01, True), (10.0, True)])
def test_a_best_setting_at_the_edge_of_its_grid_is_undecided(peak: float, edge: bool) -> None:
    runs = tuned({"none": 0.1, "batch": peak})
    outcome = compare(replace(BEST, rule=Rule("no_worse", 0.2)), runs)
    assert ("edge" in outcome.flags) is edge
    assert outcome.verdict == ("undecided" if edge else "reproduced")
    if edge:
        assert outcome.flags["edge"] == f"chosen at the edge of the grid: with BN: lr {peak:g} of 0.01 to 10"
        assert outcome.why.startswith("would be reproduced, but a best setting stands at the edge of its grid")


def test_a_claim_that_chooses_nothing_has_no_edge() -> None:
    assert "edge" not in compare(GAIN, tuned({"none": 0.01, "batch": 10.0})).flags


@pytest.mark.parametrize(("setting", "bound"), [("model.dropout", 0.0), ("l2", 0.0), ("lr", 0.01)])
def test_dropout_and_l2_of_0_are_no_edge_for_there_is_nothing_beyond(setting: str, bound: float) -> None:
    runs = [record({"seed": seed, setting: value}, 0.95 - value) for seed in TUNING for value in (bound, 0.1, 0.5)]
    choice = choose(runs, [setting])
    assert choice is not None
    assert choice.settings == {setting: bound}
    assert bool(choice.edge) is (setting == "lr")


def test_what_else_was_tried_lies_beyond_the_best() -> None:
    """The arm with Dropout has no rate of 0, but the other has."""
    runs = [record(BN | {"model.dropout": rate, "seed": 1000}, 0.9 - rate) for rate in (0.1, 0.2, 0.3)]
    for tried, edge in (((0.1, 0.2, 0.3), "model.dropout 0.1 of 0.1 to 0.3"), ((0.0, 0.1, 0.2, 0.3), "")):
        choice = choose(runs, ["model.dropout"], {"model.dropout": tried})
        assert choice is not None
        assert (choice.settings, choice.edge) == ({"model.dropout": 0.1}, edge)


def test_words_have_no_edge() -> None:
    runs = [record({"seed": 1000, "init.scheme": name}, 0.9) for name in ("he", "xavier")]
    choice = choose(runs, ["init.scheme"])
    assert choice is not None
    assert choice.edge == ""


def test_settings_that_no_judged_run_has_are_told() -> None:
    runs = [run for run in tuned({"none": 1.0, "batch": 1.0}) if run.seed >= 1000 or run.value("lr") != 1.0]
    outcome = compare(replace(GAIN, selected=("lr",)), runs)
    assert outcome.why == "no judged runs have the settings that were chosen"
    assert outcome.selected == {"with BN": {"lr": 1.0}, "without BN": {"lr": 1.0}}


def test_so_is_whether_networks_train_there() -> None:
    runs = sweep(lambda f: record(f, 0.9 + 0.01 * f["lr"]), seeds=(*range(8), *TUNING), lr=(0.1, 0.3, 1.0))
    trains = Quantity("networks that train", of_run(lambda run: float(final_accuracy(run) >= 0.9)), "share")
    outcome = compare(claim(Rule("rate"), trains, treated=BN_ARM, reference=None, selected=("lr",)), runs)
    assert (outcome.verdict, "edge" in outcome.flags) == ("undecided", True)
    other = claim(Rule("rate"), trains, treated=BN_ARM, reference=None, selected=("lr",), best_of={"norm": "none"})
    assert compare(other, runs).flags["edge"].startswith("chosen at the edge of the grid: without BN: lr 1")


def test_judged_are_the_longest_runs_at_the_chosen_settings() -> None:
    """As in `mnist_table`, where the runs of the table are shorter than those at each network's best."""
    runs = tuned({"none": 0.1, "batch": 0.1})
    longer = [
        record(arm | {"seed": seed, "lr": 0.1, "steps": 50000}, 0.97 + 0.02 * is_bn(arm) + noise({"seed": seed}))
        for arm in (PLAIN, BN)
        for seed in JUDGED
    ]
    assert compare(BEST, runs + longer).effect == pytest.approx(0.02)
    assert compare(replace(GAIN, among={"steps": Of("smallest")}), runs + longer).effect == pytest.approx(0.01)


# ---- runs that never arrive


def arriving(bn: Sequence[int | None], plain: Sequence[int | None] = (400, 400, 400), **fields: Any) -> list[Record]:
    """Runs that reach 95 % at these steps, or never."""
    return [
        record(arm | {"seed": seed} | fields, 0.5 if at is None else 0.95 + noise({"seed": seed}), at or 100)
        for arm, of_arm in ((BN, bn), (PLAIN, plain))
        for seed, at in enumerate(of_arm)
    ]


def test_in_the_slow_arm_the_lower_bound_holds_and_there_is_no_upper_one() -> None:
    outcome = compare(FASTER, arriving((100, 100, 200), (400, 750, None)))
    assert outcome.verdict == "reproduced"
    assert outcome.ci95 is not None
    assert outcome.ci95[0] > 1
    assert outcome.ci95[1] == math.inf
    whole = compare(FASTER, arriving((100, 100, 200), (400, 750, 1000)))
    assert whole.ci95 is not None
    assert outcome.ci95[0] == pytest.approx(whole.ci95[0], rel=0.05), "the last step stands in"
    assert whole.ci95[1] < math.inf
    assert outcome.flags["censored"] == "the target is not reached in 1 run without BN; the last step stands in"
    assert "unbounded" in outcome.measured


def test_in_the_treated_arm_it_is_undecided() -> None:
    outcome = compare(FASTER, arriving((100, 100, None), (750, 1000, 1000)))
    assert outcome.verdict == "undecided"
    assert outcome.ci95 is not None
    assert outcome.ci95[0] == 0
    faster = compare(FASTER, arriving((100, 100, 100), (750, 1000, 1000)))
    assert faster.verdict == "reproduced"


def test_unless_it_is_contradicted_even_so() -> None:
    outcome = compare(FASTER, arriving((None, 1000, None), (100, 100, 50)))
    assert outcome.verdict == "contradicted"
    assert outcome.ci95 is not None
    assert outcome.ci95[1] < 1


def test_where_neither_arm_arrives_nothing_is_known() -> None:
    outcome = compare(FASTER, arriving((None, 100, 100), (None, 400, 400)))
    assert (outcome.verdict, outcome.ci95) == ("undecided", (0, math.inf))
    assert "1 run with BN and 1 run without BN" in outcome.flags["censored"]


def test_a_run_that_diverged_enters_at_the_steps_that_it_was_given() -> None:
    runs = [run for run in arriving((100, 100, 100)) if is_bn(run.fields)]
    dead = [
        replace(record(PLAIN | {"seed": seed}, math.nan), metrics=record(PLAIN, math.nan).metrics[:3])
        for seed in JUDGED
    ]
    outcome = compare(FASTER, runs + dead)
    assert [v["value"] for v in outcome.values if v["arm"] == "without BN"] == pytest.approx([1000, 1000, 1000])


def test_a_dead_cell_bounds_no_other() -> None:
    runs = [*arriving((100, 100, 100)), *arriving((None,) * 3, (None,) * 3, lr=9.0)]
    outcome = compare(replace(FASTER, cells=("lr",)), runs)
    assert [cell.verdict for cell in outcome.cells] == ["reproduced", "undecided"]
    assert outcome.cells[0].ci95[1] < math.inf
    assert outcome.cells[1].ci95 == (0, math.inf)


def test_the_log_rank_test_stands_beside_the_steps() -> None:
    assert "log-rank p = " in compare(FASTER, arriving((100, 50, 200), (400, 750, None))).measured


# ---- ranges


def up_to(grid: Sequence[float], last: Mapping[bool, int], first: int = 1) -> list[Record]:
    """Runs that train from the first of these rates to the last, with BN and without."""
    return sweep(lambda f: record(f, 0.95 if grid[first] <= f["lr"] <= grid[last[is_bn(f)]] else 0.2), lr=grid)


@pytest.mark.parametrize("step", [0.25, 1.0])
def test_a_range_is_never_narrower_than_its_grid(step: float) -> None:
    """On every seed BN trains at one rate more."""
    runs = up_to([10 ** (step * i) for i in range(6)], {False: 3, True: 4})
    outcome = compare(claim(Rule("range", 0.4 * step), RANGE), runs)
    assert outcome.effect == pytest.approx(step)
    assert outcome.ci95 == pytest.approx((0.5 * step, 1.5 * step))
    assert outcome.verdict == "reproduced"
    assert not outcome.flags
    assert compare(claim(Rule("range", 0.6 * step), RANGE), runs).verdict == "undecided"


def test_of_a_range_the_grid_blurs_both_ends() -> None:
    both = replace(RANGE, edges=2)
    runs = up_to([10**-i for i in range(5, -1, -1)], {False: 4, True: 4})
    assert compare(claim(Rule("range", 0.25), RANGE), runs).ci95 == pytest.approx((-0.5, 0.5))
    assert compare(claim(Rule("range", 0.25), both), runs).ci95 == pytest.approx((-1.0, 1.0))


def test_no_difference_of_ranges_asks_for_a_grid_finer_than_the_margin() -> None:
    for step, verdict in ((0.2, "no difference"), (1.0, "undecided")):
        runs = up_to([10 ** (step * i) for i in range(6)], {False: 4, True: 4})
        assert compare(claim(Rule("range", 0.25), RANGE), runs).verdict == verdict


@pytest.mark.parametrize(
    ("last", "verdict", "ends"),
    [
        ({False: 5, True: 5}, "undecided", [True, True]),
        ({False: 2, True: 5}, "reproduced", [False, True]),
        ({False: 5, True: 2}, "contradicted", [True, False]),
        ({False: 5, True: 4}, "undecided", [True, False]),
    ],
)
def test_a_range_that_reaches_the_end_of_the_grid_could_be_wider(
    last: Mapping[bool, int], verdict: str, ends: list[bool]
) -> None:
    both = replace(RANGE, edges=2)
    outcome = compare(claim(Rule("range", 0.25), both), up_to([10 ** (0.5 * i) for i in range(6)], last))
    assert outcome.ci95 is not None
    assert [math.isinf(end) for end in outcome.ci95] == ends
    assert outcome.verdict == verdict
    assert "edge" in outcome.flags


@pytest.mark.parametrize(("measure", "first", "open_below"), [(highest_rate, 1, False), (lowest_rate, 0, True)])
def test_a_place_at_the_end_of_the_grid_could_lie_beyond(
    measure: Callable[[Sequence[Record]], float | None], first: int, open_below: bool
) -> None:
    """With and without BN alike at the lower end of the grid, BN alone at its upper end."""
    place = Quantity("place", measure, "decades", over=("lr",))
    runs = up_to([10 ** (0.5 * i) for i in range(6)], {False: 3, True: 5}, first)
    outcome = compare(claim(Rule("range", 0.25), place), runs)
    assert outcome.ci95 is not None
    assert [math.isinf(end) for end in outcome.ci95] == [open_below, True]


# ---- the test images


def with_images(share: Mapping[str, float], common: float, images: int = 400) -> list[Record]:
    """Runs whose images are right or not, most of them the same ones on every seed of an arm."""
    draw = np.random.default_rng(0)
    runs = []
    for arm in (PLAIN, BN):
        usual = draw.random(images) < share[arm["norm.name"]]
        for seed in JUDGED:
            own = draw.random(images) < share[arm["norm.name"]]
            right = np.where(draw.random(images) < common, usual, own)
            runs.append(record(arm | {"seed": seed}, float(right.mean()), correct=right))
    return runs


def test_the_images_part_of_the_variance_is_added_where_it_is_known() -> None:
    runs = with_images({"none": 0.90, "batch": 0.94}, common=1.0)  # every seed errs on the same images
    outcome = compare(GAIN, runs)
    blind = compare(GAIN, [replace(run, correct=None) for run in runs])
    assert outcome.effect == blind.effect
    assert blind.ci95 == pytest.approx((blind.effect, blind.effect)), "seeds alone see no variance at all"
    assert outcome.ci95 is not None
    a, b = (np.mean([run.correct for run in runs if run.norm == norm], axis=0) for norm in ("batch", "none"))
    se = np.std(a - b, ddof=1) / math.sqrt(len(a))
    assert (outcome.ci95[1] - outcome.ci95[0]) / 2 == pytest.approx(1.966 * se, rel=0.01)
    assert "conditional" not in outcome.flags
    assert "conditional" in blind.flags


def test_what_seeds_and_images_make_together_is_not_counted_twice() -> None:
    """Where every seed errs on images of its own, the spread over seeds holds all the variance there is."""
    runs = with_images({"none": 0.90, "batch": 0.90}, common=0.0)
    part = rules.images_part(
        *(np.array([run.correct for run in runs if run.norm == norm]) for norm in ("batch", "none"))
    )
    alone = 2 * 0.09 / 400 / 3
    assert part.variance < 0.3 * alone


def test_an_arm_without_its_images_leaves_them_out() -> None:
    runs = with_images({"none": 0.90, "batch": 0.94}, common=1.0)
    half = [replace(run, correct=None) if run.norm == "none" and run.seed == 0 else run for run in runs]
    outcome = compare(GAIN, half)
    assert "conditional" in outcome.flags
    assert outcome.ci95 == pytest.approx((outcome.effect, outcome.effect))


def test_images_are_averaged_over_the_cells_as_the_accuracy_is() -> None:
    runs = with_images({"none": 0.90, "batch": 0.94}, common=1.0)
    twice = [*runs, *(replace(run, fields=run.fields | {"lr": 1.0}) for run in runs)]
    one, two = compare(GAIN, runs), compare(GAIN, twice)
    assert two.ci95 == pytest.approx(one.ci95), "the same images again are no more images"


def test_only_shares_of_test_images_have_images() -> None:
    other = replace(GAIN, quantity=Quantity("something", of_run(final_accuracy)))
    outcome = compare(other, with_images({"none": 0.9, "batch": 0.94}, common=1.0))
    assert outcome.ci95 == pytest.approx((outcome.effect, outcome.effect))
    assert outcome.flags == {}


# ---- what still rises


@pytest.mark.parametrize("arm", ["none", "batch"])
def test_an_arm_that_still_rises_turns_a_sentence_without_a_budget(arm: str) -> None:
    def run(fields: Fields) -> Record:
        final = 0.9 + 0.05 * is_bn(fields) + noise(fields)
        return record(fields, final, level=final - 0.02 if fields["norm.name"] == arm else final)

    bare = compare(replace(GAIN, sentence="So it is."), sweep(run))
    assert (bare.verdict, "rising" in bare.flags) == ("undecided", True)
    assert bare.why.startswith("would be reproduced, but an arm is still rising and the sentence names no budget")
    named = compare(GAIN, sweep(run))
    assert (named.verdict, "rising" in named.flags) == ("reproduced", True)
    assert {"none": "without BN", "batch": "with BN"}[arm] in named.flags["rising"]


def test_a_gain_that_does_not_count_is_no_rise() -> None:
    runs = sweep(lambda f: record(f, 0.95 + 0.01 * is_bn(f), level=0.9495 + 0.01 * is_bn(f)))
    assert compare(replace(GAIN, sentence="So it is."), runs).verdict == "reproduced"


# ---- one arm


def slope(*values: float) -> list[Record]:
    return [record({"seed": seed}, value) for seed, value in enumerate(values)]


@pytest.mark.parametrize(
    ("rule", "verdict"),
    [
        (Rule("equals", 0.01, target=0.5), "reproduced"),
        (Rule("equals", 0.01, target=0.4), "contradicted"),
        (Rule("equals", 0.01, target=0.51), "undecided"),
        (Rule("difference", target=0.4), "reproduced"),
        (Rule("difference", target=0.6), "contradicted"),
        (Rule("difference", target=0.6, less=True), "reproduced"),
        (Rule("difference", 0.05, target=0.5), "no difference"),
        (Rule("no_worse", 0.05, target=0.52), "reproduced"),
    ],
)
def test_one_arm_is_held_against_a_number(rule: Rule, verdict: str) -> None:
    outcome = compare(claim(rule, reference=None), slope(0.499, 0.5, 0.501))
    assert outcome.verdict == verdict
    assert outcome.n == 3
    if rule.kind == "equals":
        assert outcome.effect == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("rule", "end"),
    [
        (Rule("equals", 0.01, target=0.5), "lies between 49.00 % and 51.00 %"),
        (Rule("difference", target=0.4), "lies above 40.00 %"),
        (Rule("difference", target=0.6), "lies below 60.00 %"),
        (Rule("difference", 0.05, target=0.6, less=True), "lies below 55.00 %"),
        (Rule("difference", 0.05, target=0.4, less=True), "lies above 45.00 %"),
        (Rule("no_worse", 0.05, target=0.52), "lies above 47.00 %"),
    ],
)
def test_why_is_told_of_one_arm_by_what_it_measures(rule: Rule, end: str) -> None:
    assert compare(claim(rule, reference=None), slope(0.499, 0.5, 0.501)).why.endswith(end)


def test_a_rate_of_one_arm_has_no_opposite_but_the_opposite_question() -> None:
    trained = Quantity("trains", of_run(lambda run: float(final_accuracy(run) > 0.4)), "share")
    with pytest.raises(ValueError, match="ask the opposite question"):
        compare(claim(Rule("rate", less=True), trained, reference=None), slope(0.5, 0.5, 0.5))


@pytest.mark.parametrize(("less", "verdict"), [(False, "reproduced"), (True, "contradicted")])
def test_two_arms_differ_in_how_many_train(less: bool, verdict: str) -> None:
    trained = Quantity("trains", of_run(lambda run: float(final_accuracy(run) > 0.9)), "share")
    runs = sweep(lambda f: 0.95 if is_bn(f) or f["seed"] == 0 else 0.2, seeds=range(6))
    outcome = compare(claim(Rule("rate", less=less), trained), runs)
    assert (outcome.verdict, outcome.effect) == (verdict, pytest.approx(5 / 6 * (-1 if less else 1)))
    assert "6 of 6 with BN, 1 of 6 without BN" in outcome.measured
    assert compare(claim(Rule("rate"), trained), sweep(lambda f: 0.95, seeds=range(6))).verdict == "undecided"


# ---- the values


def again(of: Claim, outcome: Outcome) -> tuple[float, tuple[float, float]]:
    """Effect and interval from the values in the outcome by the rule alone."""
    logs = of.quantity.unit == "ratio"
    sign = -1 if of.rule.less else 1
    arms: dict[str, dict[int, list[float]]] = {}
    for value in outcome.values:
        number = math.log(value["value"]) if logs else value["value"]
        arms.setdefault(value["arm"], {}).setdefault(value["seed"], []).append(sign * number)
    means = [[float(np.mean(values)) for values in seeds.values()] for seeds in arms.values()]
    estimate = rules.welch(*means) if len(means) == 2 else rules.single(means[0], 0.0)
    ends = (estimate.lo, estimate.hi)
    return (math.exp(estimate.effect), (math.exp(ends[0]), math.exp(ends[1]))) if logs else (estimate.effect, ends)


@pytest.mark.parametrize(
    "of",
    [
        GAIN,
        replace(GAIN, cells=("lr",)),
        replace(GAIN, rule=Rule("no_worse", 0.01, less=True)),
        replace(GAIN, rule=Rule("equals", 0.01)),
        FASTER,
        replace(FASTER, cells=("lr",)),
        replace(GAIN, rule=Rule("equals", 0.01, target=0.9), reference=None),
    ],
)  # fmt: skip
def test_effect_and_interval_follow_from_the_values(of: Claim) -> None:
    def run(fields: Fields) -> Record:
        draw = np.random.default_rng([fields["seed"], is_bn(fields), int(10 * fields["lr"])])
        return record(fields, 0.93 + 0.01 * is_bn(fields) + draw.normal(0, 0.004), 100 if is_bn(fields) else 400)

    outcome = compare(of, sweep(run, seeds=range(5), lr=(0.1, 1.0)))
    expected, ends = again(of, outcome)
    assert outcome.effect == pytest.approx(expected)
    assert outcome.ci95 == pytest.approx(ends)
    assert {"arm", "cell", "seed", "value"} == set(outcome.values[0])
    assert len(outcome.values) == (2 if of.reference else 1) * 5 * (2 if of.cells else 1)


def test_a_cell_without_any_effect_has_an_effect_of_0() -> None:
    runs = sweep(lambda f: record(f, 0.9 + 0.05 * is_bn(f) * (f["lr"] == 1.0)), lr=(0.1, 1.0))
    outcome = compare(replace(GAIN, cells=("lr",)), runs)
    assert [cell.effect for cell in outcome.cells] == [0, pytest.approx(0.05)]


def test_a_sentence_about_every_cell_says_what_the_cells_are() -> None:
    every = replace(GAIN, rule=Rule("difference", 0.001, universal=True), cells=("lr",))
    gains = {0.1: 0.05, 1.0: 0.05, 3.0: 0.0}
    outcome = compare(every, sweep(lambda f: 0.9 + gains[f["lr"]] * is_bn(f), lr=tuple(gains)))
    assert outcome.verdict == "undecided"
    assert outcome.why == "it is said of every one of 3 cells: 2 reproduced, 1 no difference"
    assert (
        compare(
            replace(every, rule=Rule("difference", 0.001)),
            sweep(lambda f: 0.9 + gains[f["lr"]] * is_bn(f), lr=tuple(gains)),
        ).verdict
        == "reproduced"
    )


def test_an_undecided_claim_says_at_which_n_its_interval_would_be_narrow_enough() -> None:
    def run(fields: Fields) -> float:
        return 0.9 + 0.02 * (fields["seed"] % 2) + 0.001 * is_bn(fields)

    outcome = compare(replace(GAIN, rule=Rule("difference", 0.005)), sweep(run, seeds=range(6)))
    assert outcome.verdict == "undecided"
    assert outcome.seeds_needed is not None
    assert 30 < outcome.seeds_needed < 60
    assert compare(replace(GAIN, rule=Rule("difference")), sweep(run, seeds=range(6))).seeds_needed is None


# ---- another norm in the treated arm


def test_the_treated_norm_can_be_exchanged_for_another() -> None:
    ends = {"none": 0.95, "batch": 0.97, "layer": 0.93}
    arms = (PLAIN, BN, {"norm.name": "layer", "norm.placement": "before"})
    runs = records(sweep(lambda f: ends[f["norm.name"]], arms))
    (bn,) = claims.judge(runs, ["accuracy"])
    (layer,) = claims.judge(runs, ["accuracy"], treated="layer")
    assert (bn.verdict, bn.outcome.effect) == ("reproduced", pytest.approx(0.02))
    assert (layer.verdict, layer.outcome.effect) == ("contradicted", pytest.approx(-0.02))
    assert "93.00 % layer norm, 95.00 % without BN" in layer.outcome.measured
    assert bn.rule_sha256 == layer.rule_sha256


def test_so_it_can_in_claims_that_name_settings_beside_the_norm() -> None:
    ends = {"none": 0.95, "batch": 0.97, "layer": 0.93}
    arms = (PLAIN, BN, {"norm.name": "layer"})
    runs = records(sweep(lambda f: ends[f["norm.name"]], arms, data_binarize=(True, False)))
    found = {j.id: j for j in claims.judge(runs, ["figure_1"], treated="layer")}
    assert (found["higher-accuracy"].verdict, found["higher-accuracy-grey"].verdict) == ("contradicted",) * 2


SATURATING = Path(__file__).parent.parent / "results" / "saturating" / "records"


@pytest.mark.skipif(not SATURATING.exists(), reason="no results lie beside the tests")
def test_records_under_the_name_of_another_norm_have_the_same_verdicts() -> None:
    known = load(SATURATING)
    of_layer = [
        replace(run, fields=run.fields | {"norm.name": "layer"}) if run.norm == "batch" else run for run in known.runs
    ]
    bn = claims.judge(known, known.claims)
    layer = claims.judge(replace(known, runs=of_layer), known.claims, treated="layer")
    assert len(bn) >= 8
    assert [(j.id, j.verdict, j.outcome.effect) for j in layer] == [(j.id, j.verdict, j.outcome.effect) for j in bn]
    for j, of_bn in zip(layer, bn, strict=True):
        assert ("layer norm" in j.sentence) == ("BN" in of_bn.sentence), "its name stands in the sentence"


def test_measured_values_are_of_the_arm_of_which_the_sentence_is_first() -> None:
    arms = measured(GAIN, sweep(better), "batch")
    assert [arm.label for arm in arms] == ["with BN", "without BN"]


# ---- numbers of all seeds together

BEYOND = Quantity(
    "variance beyond the seeds'", variance_beyond_noise, "square points", over=("init.scale",), pooled=True
)


def scattered(effect: float, seeds: int = 100) -> list[Record]:
    """Runs whose accuracies scatter by a point; without BN the initial scales differ by `effect`, too."""
    draw = np.random.default_rng(0)

    def final(fields: Fields) -> float:
        return 0.9 + 0.01 * draw.standard_normal() + (not is_bn(fields)) * effect * (fields["init.scale"] - 1)

    return sweep(final, (PLAIN, BN), seeds=range(seeds), init_scale=(0.0, 1.0, 2.0))


def test_what_seeds_differ_by_is_no_spread_over_settings() -> None:
    judgement = judge(claim(Rule("difference", 0.5, less=True), BEYOND), records(scattered(0.0)))
    assert judgement.verdict == "no difference"
    plain = [value["value"] for value in judgement.outcome.values if value["arm"] == "without BN"]
    assert abs(np.mean(plain)) < 0.02, "that of one seed's runs is 1"


def test_a_spread_beyond_the_seeds_is_the_settings_own() -> None:
    judgement = judge(claim(Rule("difference", 0.5, less=True), BEYOND), records(scattered(0.03)))
    assert judgement.verdict == "reproduced"
    assert judgement.outcome.effect == pytest.approx(3**2, abs=0.5)


def test_a_number_of_all_seeds_is_compared_by_the_jackknife() -> None:
    runs = scattered(0.03, seeds=6)
    plain = [run for run in runs if run.norm == "none"]
    without = [variance_beyond_noise([run for run in plain if run.seed != seed]) for seed in range(6)]
    (arm,) = measured(claim(Rule("difference"), BEYOND, treated={"norm": "none"}, reference=None), runs, "batch")
    by_seed = list(arm.by_seed([()]).values())
    by_hand = rules.jackknife(variance_beyond_noise(plain), without)
    assert np.var(by_seed, ddof=1) / 6 == pytest.approx(by_hand.se**2)
    assert np.mean(by_seed) == pytest.approx(by_hand.effect), "the variance component has no bias to be taken away"


# ---- averages over cells that say the opposite


@pytest.mark.parametrize(
    ("at_9", "spread", "verdict", "flagged"),
    [(-0.004, 1, "undecided", True), (-0.004, 30, "reproduced", False), (0.004, 1, "reproduced", False)],
    ids=["the other side", "perhaps", "the same side"],
)
def test_a_mean_does_not_decide_against_one_of_its_cells(
    at_9: float, spread: float, verdict: str, flagged: bool
) -> None:
    def final(fields: Fields) -> float:
        deep = fields["model.depth"] == 9
        return 0.9 + (at_9 if deep else 0.03) * is_bn(fields) + spread * noise(fields) * deep

    within = replace(GAIN, rule=Rule("difference", 0.005), cells=("model.depth",))  # no cell is contradicted
    found = compare(within, sweep(final, seeds=range(6), model_depth=(3, 9)))
    assert "contradicted" not in {cell.verdict for cell in found.cells}
    assert (found.verdict, "opposite" in found.flags) == (verdict, flagged)
    if flagged:
        assert found.why.startswith("would be reproduced, but by a mean over cells that say the opposite")


@pytest.mark.parametrize(("every", "rough"), [(20, ": with BN"), (2, "")])
def test_steps_that_are_read_between_few_evaluations_are_rough(every: int, rough: str) -> None:
    steps = list(range(0, 301, every))

    def run(fields: Fields) -> Record:
        at = 60 if is_bn(fields) else 200
        metrics = pd.DataFrame({"step": steps, "accuracy": [0.1 if step < at else 0.97 for step in steps]})
        return replace(record(fields, 0.97), metrics=metrics)

    flag = compare(FASTER, sweep(run)).flags.get("coarse", "")
    assert flag.endswith(rough)
    assert bool(flag) == bool(rough)


def test_the_highest_accuracy_is_at_least_the_last_though_that_is_of_other_images() -> None:
    run = record({"seed": 0}, 0.9, monitored_accuracy=[0.1, 0.2, 0.5, 0.8, 0.7, 0.85, 0.88])
    assert highest_accuracy(run) == 0.9
    better_before = record({"seed": 0}, 0.9, monitored_accuracy=[0.1, 0.2, 0.95, 0.8, 0.7, 0.85, 0.88])
    assert highest_accuracy(better_before) == 0.95
