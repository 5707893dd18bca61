"""The claims on Inception on handmade records: as claimed, the other way round, and without a difference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from bnexp import claims
from bnexp.claims import Judgement, ensemble, inception_tuned
from bnexp.claims.figure_3 import reached
from bnexp.claims.inception import TARGETS, target_of
from bnexp.claims.inception_steps import steps_to
from bnexp.runs.records import Record, Records

CIFAR = {"name": "cifar10_jpeg", "title": "CIFAR-10 (JPEG copies)", "stand_in": False, "sha256": {}}
STEPS = [0, 100, 200, 400, 600, 800]
SEEDS = range(6)
CHANGES = {"lr": 0.025, "l2": 2e-5, "decay": 3.0, "model.dropout": 0.0, "model.lrn": False, "data.reshuffle": True}
PLAIN = {"lr": 0.005, "l2": 1e-4, "decay": 0.5, "model.dropout": 0.4, "model.lrn": True, "data.reshuffle": False}
ARMS: dict[str, dict[str, Any]] = {
    "inception": PLAIN | {"norm.name": "none"},
    "bn_baseline": PLAIN | {"norm.name": "batch"},
    "bn_x5": CHANGES | {"norm.name": "batch"},
    "bn_x30": CHANGES | {"norm.name": "batch", "lr": 0.15},
    "bn_x5_sigmoid": CHANGES | {"norm.name": "batch", "model.activation": "sigmoid"},
    "bn_x30_half": CHANGES | {"norm.name": "batch", "lr": 0.15, "steps": 400},
    "bn_x30_fifth": CHANGES | {"norm.name": "batch", "lr": 0.15, "steps": 160},
    "inception_decayed": PLAIN | {"norm.name": "none", "decay": 3.0},
    "inception_changes": CHANGES | {"norm.name": "none"},
    "inception_changes_x1": CHANGES | {"norm.name": "none", "lr": 0.005},
    "inception_x1": PLAIN | {"norm.name": "none"},
    "inception_sigmoid": PLAIN | {"norm.name": "none", "model.activation": "sigmoid"},
    "inception_sigmoid_x5": PLAIN | {"norm.name": "none", "model.activation": "sigmoid", "lr": 0.025},
    "inception_x5": PLAIN | {"norm.name": "none", "lr": 0.025},
    "inception_x9": PLAIN | {"norm.name": "none", "lr": 0.045},
}


def run(arm: str, seed: int, curve: Sequence[float], **fields: Any) -> Record:
    """A run of an arm with this accuracy at `STEPS`."""
    end = curve[-1]
    columns: dict[str, Any] = {"step": STEPS, "accuracy": curve, "monitored_accuracy": curve, "loss": 1.0}
    columns["train_accuracy"] = [value + fields.pop("gap", 0.1) for value in curve]
    columns["validation_accuracy"] = [math.nan] * (len(STEPS) - 1) + [fields.pop("validation", end)]
    settings = {
        "arm": arm, "seed": seed, "steps": 800, "init.scale": 0.8, "data.name": "cifar10_jpeg", "data.examples": 45000,
        "batch": 32, "model.activation": "relu", "norm.per_activation": False,
    } | ARMS[arm] | fields  # fmt: skip
    summary = {"status": "diverged" if math.isnan(end) else "ok", "stamp": {"command": "bnexp"}}
    name = "-".join(map(str, settings.values()))
    correct = np.arange(1000) < 1000 * (0.1 if math.isnan(end) else end)
    return Record(name, settings, summary, pd.DataFrame(columns), correct=correct)


def rising(start: float, end: float, seed: int = 0) -> list[float]:
    """From chance at once to `start`, and level with the `end` from the middle on; a seed is up to 0.4 points off."""
    off = 0.002 * (seed % 3 - 1)
    return [0.1, start + off, (start + end) / 2 + off, end + off, end + off, end + off]


LOST = [0.1, *[math.nan] * 5]
CHANCE = [0.1] * 6


def records(runs: list[Record]) -> Records:
    return Records("handmade", "laptop", CIFAR, runs)


WHOLE = ("inception", "inception_steps", "figure_3", "inception_controls")
"""What the experiment on Figures 2 and 3 names."""


def judged(names: str | Sequence[str], of: Records) -> dict[str, Judgement]:
    return {judgement.id: judgement for judgement in claims.judge(of, [names] if isinstance(names, str) else names)}


AS_CLAIMED = {
    "inception": (0.25, 0.4),
    "bn_baseline": (0.39, 0.5),
    "bn_x5": (0.5, 0.55),
    "bn_x30": (0.38, 0.6),
    "bn_x5_sigmoid": (0.2, 0.305),
    "bn_x30_half": (0.4, 0.57),
    "bn_x30_fifth": (0.4, 0.55),
    "inception_decayed": (0.15, 0.42),
    "inception_changes": (0.2, 0.45),
    "inception_changes_x1": (0.2, 0.45),
    "inception_sigmoid": None,
    "inception_sigmoid_x5": None,
}
OTHERWISE = {
    "inception": (0.5, 0.7),
    "bn_baseline": (0.2, 0.4),
    "bn_x5": (0.2, 0.45),
    "bn_x30": (0.3, 0.42),
    "bn_x5_sigmoid": (0.3, 0.5),
    "bn_x30_half": (0.3, 0.4),
    "bn_x30_fifth": (0.3, 0.4),
    "inception_decayed": (0.45, 0.48),
    "inception_changes": (0.3, 0.5),
    "inception_changes_x1": (0.25, 0.46),
    "inception_sigmoid": (0.3, 0.5),
    "inception_sigmoid_x5": (0.3, 0.5),
}


def arms(curves: dict[str, tuple[float, float] | None], diverge: bool = True, seeds: Sequence[int] = SEEDS) -> Records:
    runs = [run(name, s, rising(*ends, s) if ends else CHANCE) for name, ends in curves.items() for s in seeds]
    for name in ("inception_x5", "inception_x9"):
        runs += [
            run(name, s, LOST if diverge else rising(0.3, 0.5, s), **{"init.scale": scale})
            for scale in (0.8, 1.25)
            for s in seeds
        ]
    runs += [run("inception_x1", s, rising(0.2, 0.4, s), **{"init.scale": 1.25}) for s in seeds]
    return records(runs)


def test_the_papers_table_is_reproduced_where_it_holds() -> None:
    found = judged(WHOLE, arms(AS_CLAIMED))
    assert {name for name, j in found.items() if j.verdict != "reproduced"} == {"at-one-rate", "x1-fails"}
    assert found["x1-fails"].verdict == "contradicted", "as its control should be"
    assert found["at-one-rate"].verdict == "contradicted", "BN is worth more than next to nothing"
    assert len(found) == 33


def test_that_nothing_learns_in_too_few_steps_says_nothing_of_rates() -> None:
    slow = records([*arms(AS_CLAIMED | {"inception": (0.15, 0.4)}).runs])
    found = judged(WHOLE, slow)
    assert found["third-suffices"].verdict == "contradicted"
    guarded = ("x5-fails-fair", "x9-fails-fair", "sigmoid-at-chance", "sigmoid-at-chance-x5")
    assert {found[name].verdict for name in guarded} == {"undecided"}


def test_arms_of_a_fifth_of_the_steps_are_drawn_and_compared() -> None:
    """As in the paper, where those with the changes of §4.2.1 are trained so long."""
    short = [replace(r, fields=r.fields | {"steps": 400}) for r in arms(AS_CLAIMED).runs if r.fields["arm"] == "bn_x5"]
    others = [r for r in arms(AS_CLAIMED).runs if r.fields["arm"] in ("inception", "bn_baseline")]
    subject = claims.REGISTRY["inception"]
    (speed_up,) = (t for title, t in subject.tables(records([*short, *others])).items() if "Times fewer" in title)
    assert set(speed_up) >= {"BN-x5", "BN-Baseline"}
    drawn = subject.figures(records([*short, *others]))["figure_2"]
    assert len(drawn.axes) == 1
    assert "BN-x5" in " ".join(text.get_text() for text in drawn.findobj(Text))


def test_and_contradicted_where_the_opposite_does() -> None:
    found = {name: j.verdict for name, j in judged(WHOLE, arms(OTHERWISE, diverge=False)).items()}
    learn = {"sigmoid-trains", "changes-learn", "x30-gets-there", "at-one-rate", "third-suffices"}
    assert {found.pop(name) for name in learn} == {"reproduced"}
    assert found.pop("x30-later") == "contradicted", "BN-x30 is faster here"
    assert set(found.values()) == {"contradicted"}


@pytest.mark.parametrize("seeds", [0, 1, 2])
def test_fewer_than_three_seeds_decide_nothing(seeds: int) -> None:
    found = judged(WHOLE, arms(AS_CLAIMED, seeds=range(seeds)))
    assert {j.verdict for j in found.values()} == {"undecided"}
    assert {j.outcome.n for j in found.values()} == {seeds}


@pytest.mark.parametrize("seeds", [3, 5])
def test_whether_a_network_fails_takes_six_seeds(seeds: int) -> None:
    found = judged(WHOLE, arms(AS_CLAIMED, seeds=range(seeds)))
    rates = {
        "x5-diverges",
        "x9-diverges-fair",
        "x5-fails-fair",
        "sigmoid-at-chance",
        "sigmoid-trains",
        "third-suffices",
    }
    assert {name for name, judgement in found.items() if judgement.verdict == "undecided"} >= rates


def test_whether_a_rate_diverges_is_asked_at_each_initial_scale() -> None:
    runs = [r for r in arms(AS_CLAIMED).runs if r.fields["arm"] in ("inception_x1", "inception_x5")]
    fair = [run("inception_x5", s, rising(0.3, 0.5, s)) for s in SEEDS]
    found = judged(WHOLE, records([*fair, *(r for r in runs if r.fields["init.scale"] == 1.25)]))
    assert found["x5-diverges"].verdict == "reproduced"
    assert found["x5-diverges-fair"].verdict == "contradicted"


def test_steps_are_counted_to_a_fixed_accuracy() -> None:
    base = run("inception", 0, rising(0.15, 0.4))
    assert target_of(base) == TARGETS[""][1]
    longer = run("inception", 0, rising(0.15, 0.4), steps=8400)
    assert target_of(longer) == TARGETS[""][8_400]
    assert target_of(run("inception", 0, CHANCE, **{"data.name": "imagenet"})) == 0.722
    assert target_of(run("inception", 0, CHANCE, **{"data.name": "tiny_imagenet"})) is None
    assert steps_to({"": {1: 0.25}})([run("inception", 0, rising(0.2, 0.4))]) == pytest.approx(152)
    assert [reached({"": {1: accuracy}})([base]) for accuracy in (0.25, 0.5)] == [1, 0]


def test_named_arms_that_differ_in_much_are_a_bundle() -> None:
    found = judged(WHOLE, arms(AS_CLAIMED))
    assert "dropout" in found["steps-bn_x5"].flags["bundle"]
    assert not {"steps-bn_baseline", "steps-of-bn-at-its-rate", "x30-later", "sigmoid-lower"} & {
        name for name, judgement in found.items() if "bundle" in judgement.flags
    }


def test_figure_3_has_the_papers_columns_and_ours() -> None:
    tables = claims.REGISTRY["inception"].tables(arms(AS_CLAIMED))
    figure_3, speed_ups = tables.values()
    row = figure_3.set_index("network").loc["BN-x5"]
    assert (row["steps to 72.2 % (paper)"], row["max accuracy, monitored images"]) == ("2.1·10⁶", "55.0 %")
    assert figure_3.set_index("network").loc["Inception, lr ×5, He × 1.25", "final accuracy"] == "10.0 % (6 of 6 NaN)"
    assert speed_ups.set_index("test accuracy").loc["31.0 %", "BN-x5-Sigmoid"] == "never"
    assert float(speed_ups.set_index("test accuracy").loc["31.0 %", "BN-x5"]) == pytest.approx(3.4, abs=0.3)


def test_figure_2_shows_longer_trainings_on_a_tuning_seed_beside_the_others() -> None:
    runs = arms(AS_CLAIMED).runs
    long = run("inception", 1000, rising(0.15, 0.6), steps=8000)
    long.metrics["step"] = [10 * step for step in STEPS]
    (figure,) = claims.REGISTRY["inception"].figures(records([*runs, long])).values()
    assert [axes.get_title() for axes in figure.axes] == ["steps 800", "steps 8,000"]
    (alone,) = claims.REGISTRY["inception"].figures(records(list(runs))).values()
    assert len(alone.axes) == 1
    for drawn, told in ((figure, True), (alone, False)):
        assert ("longer trainings" in " ".join(text.get_text() for text in drawn.findobj(Text))) is told


# At its own best


def grid(tuned: float, untuned: float = 0.4) -> Records:
    """Inception and BN-Baseline over rates; that of 0.045 is the best on tuning seeds, and has the end `tuned`."""
    runs = []
    for arm, best in (("inception", tuned), ("bn_baseline", 0.55)):
        for lr in (0.005, 0.045, 0.4):
            end = best if lr == 0.045 else untuned
            for seed in (1000, 1001):
                settings = {"lr": lr, "steps": 80}
                for scale, off in ((0.65, 0.15), (0.8, 0.1), (1, 0.12)):
                    runs.append(run(arm, seed, rising(0.2, end - off, seed), **settings, **{"init.scale": scale}))
            runs += [run(arm, s, rising(0.2, end, s), lr=lr) for s in SEEDS]
    return records(runs)


def test_each_network_is_compared_at_its_own_best() -> None:
    found = judged("inception_tuned", grid(0.5))
    assert found["tuned-accuracy"].outcome.effect == pytest.approx(0.05)
    assert found["tuned-accuracy"].verdict == "reproduced"
    assert found["tuned-accuracy"].outcome.selected == {
        "BN-Baseline": {"lr": 0.045, "init.scale": 0.8},
        "Inception": {"lr": 0.045, "init.scale": 0.8},
    }
    assert judged("inception_tuned", grid(0.6))["tuned-accuracy"].verdict == "contradicted"


def test_a_search_is_drawn_where_both_networks_were_tried() -> None:
    runs = grid(0.5).runs
    for scale, drawn in ((None, True), (0.25, False)):
        kept = [run if scale is None else replace(run, fields=run.fields | {"init.scale": scale}) for run in runs]
        assert ("tuning_curve" in claims.REGISTRY["inception_tuned"].figures(records(kept))) is drawn


def test_full_trainings_choose_where_there_are_some() -> None:
    """Short ones say which of them to try, and what a search finds."""
    runs = list(grid(0.5).runs)
    finalists = ((0.005, 0.6), (0.045, 0.5))
    runs += [run("inception", 1000, rising(0.2, end), lr=lr, **{"init.scale": 0.8}) for lr, end in finalists]
    found = judged("inception_tuned", records(runs))["tuned-accuracy"]
    assert found.outcome.selected["Inception"] == {"lr": 0.005, "init.scale": 0.8}
    assert found.outcome.selected["BN-Baseline"] == {"lr": 0.045, "init.scale": 0.8}
    assert inception_tuned.scores(runs) == inception_tuned.scores(grid(0.5).runs)


def test_the_best_at_the_edge_of_the_full_trainings_is_at_an_edge() -> None:
    """Though shorter ones had settings beyond it."""
    runs = list(grid(0.5).runs)
    lrs = sorted({run.fields["lr"] for run in runs})
    assert lrs[-1] > 0.045
    for lr, end in ((0.005, 0.4), (0.015, 0.5), (0.045, 0.6)):
        runs.append(run("inception", 1000, rising(0.2, end), lr=lr, **{"init.scale": 0.8}))
    found = judged("inception_tuned", records(runs))["tuned-accuracy"]
    assert (found.verdict, found.flags["edge"]) == (
        "undecided",
        "chosen at the edge of the grid: Inception: lr 0.045 of 0.005 to 0.045",
    )


def test_the_accuracy_asked_for_stands_in_the_sentence() -> None:
    found = judged(WHOLE, arms(AS_CLAIMED))
    assert "Inception's accuracy (31 %) is reached" in found["steps-bn_baseline"].sentence


def test_what_a_random_search_finds() -> None:
    """Against all subsets of three of five scores."""
    scores = [0.1, 0.5, 0.2, 0.4, 0.3]
    mean, lowest, highest = inception_tuned.searches(scores)[2]
    assert mean == pytest.approx((6 * 0.5 + 3 * 0.4 + 0.3) / 10)
    assert (lowest, highest) == (0.3, 0.5)
    assert inception_tuned.searches(scores)[0, 0] == pytest.approx(0.3)
    assert inception_tuned.searches(scores)[-1].tolist() == [0.5, 0.5, 0.5]


def test_tuning_has_its_table_and_figures() -> None:
    claim = claims.REGISTRY["inception_tuned"]
    table, speed = claim.tables(grid(0.5)).values()
    assert list(speed) == ["test accuracy", "BN-Baseline"]
    assert table["tries"].tolist() == ["1", "2", "3", "5", "9"]
    assert set(claim.figures(grid(0.5))) == {"tuned", "tuning_curve", "settings"}


# One change at a time


def ablated(**worth: float) -> Records:
    """BN-x5 beside itself with changes switched back, which are worth so much accuracy each, and speed with it."""
    runs = [run("bn_x5", s, rising(0.45, 0.6, s), steps=1800) for s in SEEDS]
    back = {"lr": ("lr", 0.005), "dropout": ("model.dropout", 0.4), "l2": ("l2", 1e-4),
            "companions": ("data.reshuffle", False)}  # fmt: skip
    for name, (setting, value) in back.items():
        lost = worth.get(name, 0.0)
        runs += [
            run("bn_x5", s, rising(0.45 - 4 * lost, 0.6 - lost, s + 1), steps=1800, **{setting: value}) for s in SEEDS
        ]
    runs += [
        run(arm, s, rising(start, 0.5, s), steps=1800)
        for arm, start in (("inception", 0.2), ("inception_x5", 0.3))
        for s in SEEDS
    ]
    runs += [
        run(
            "inception_changes_x1",
            s,
            rising(0.3, 0.5 + 0.01 * worth.get("order", 0.0) * again, s + again),
            **{"data.reshuffle": again},
        )
        for again in (True, False)
        for s in SEEDS
    ]
    return records(runs)


def test_changes_are_judged_by_what_the_paper_says_of_each() -> None:
    found = {
        name: j.verdict
        for name, j in judged("ablation", ablated(lr=0.05, l2=0.05, dropout=0.05, companions=0.05)).items()
    }
    assert set(found.values()) == {"reproduced"}
    assert len(found) == 9


def test_a_change_that_does_nothing() -> None:
    found = {name: j.verdict for name, j in judged("ablation", ablated()).items()}
    assert found["l2-smaller"] == "no difference"
    assert found["lr-harmless"] == found["dropout-harmless"] == found["dropout-overfits"] == "reproduced"
    assert found["companions"] == found["lr-faster"] == found["dropout-faster"] == "undecided"


def test_changes_that_hurt() -> None:
    found = {
        name: j.verdict
        for name, j in judged("ablation", ablated(lr=-0.05, l2=-0.05, companions=-0.05, order=5)).items()
    }
    hurt = {"lr-faster", "lr-harmless", "l2-smaller", "companions", "order-without-bn"}
    assert {name for name, verdict in found.items() if verdict == "contradicted"} == hurt


def test_every_change_has_a_column_in_the_figure() -> None:
    (figure,) = claims.REGISTRY["ablation"].figures(ablated()).values()
    assert [len(axes.get_xticks()) for axes in figure.axes] == [5, 5, 5]


# Norms


def test_norms_are_compared_at_their_own_best_rates() -> None:
    ends = {"none": 0.4, "batch": 0.6, "layer": 0.5, "group": 0.7, "instance": 0.45, "batch_renorm": 0.6}
    runs = []
    for norm, end in ends.items():
        for lr, off in ((0.015, 0.1), (0.045, 0.0), (0.135, 0.2)):
            settings = {"norm.name": norm, "lr": lr}
            runs += [run("inception", s, rising(0.2, end - off, s), **settings) for s in (1000, 1001)]
            runs += [run("inception", s, rising(0.2, end - off, s), **settings) for s in SEEDS]
    found = judged("norms", records(runs))
    assert {name: j.verdict for name, j in found.items() if "steps" not in name} == {
        "norms-bn": "reproduced",
        "norms-layer": "reproduced",
        "norms-group": "contradicted",
        "norms-instance": "reproduced",
        "norms-batch_renorm": "reproduced",
    }
    assert {j.verdict for name, j in found.items() if "steps" in name} == {"reproduced"}
    assert set(claims.REGISTRY["norms"].figures(records(runs))) == {"norms", "norms_rates"}


# Ensembles


def networks(noise: float, shared: float, crops: float, images: int = 600, classes: int = 12) -> Records:
    """Six networks whose errors are partly their own; the second row of predictions is less noisy by `crops`."""
    draw = np.random.RandomState(0)
    truth = np.zeros((images, classes))
    truth[:, 0] = 2.0
    common = shared * draw.normal(size=(images, classes))
    runs = []
    for seed in range(6):
        own = noise * draw.normal(size=(images, classes))
        logits = np.stack([truth + common + own, truth + common + own * crops])
        p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
        plain = run("bn_x30", seed, rising(0.3, 0.6), **{"model.dropout": 0.05 * (seed % 3)})
        runs.append(Record(plain.id, plain.fields, plain.summary, plain.metrics, None, p.astype(np.float16)))
    return records(runs)


def test_averaging_removes_errors_that_are_the_networks_own() -> None:
    found = judged("ensemble", networks(noise=2.0, shared=0.3, crops=0.7))
    assert {j.verdict for j in found.values()} == {"reproduced"}
    assert {j.outcome.n for j in found.values()} == {6}
    assert found["multicrop"].size in ("agrees", "larger", "smaller")


def test_equal_networks_gain_nothing() -> None:
    found = judged("ensemble", networks(noise=0.0, shared=2.0, crops=1.0))
    assert found.pop("ensemble-learns").verdict == "reproduced"
    assert {j.verdict for j in found.values()} == {"undecided"}


def test_networks_that_learn_nothing_are_no_ensemble() -> None:
    runs = networks(noise=2.0, shared=0.3, crops=0.7).runs
    lost = [replace(r, metrics=r.metrics.assign(accuracy=0.1, monitored_accuracy=0.1)) for r in runs]
    assert {j.verdict for name, j in judged("ensemble", records(lost)).items() if name != "ensemble-learns"} == {
        "undecided"
    }


def test_a_late_network_is_not_one_that_never_arrives() -> None:
    """Nor is one that learns nothing a slow one."""
    slow = AS_CLAIMED | {"bn_x30": None, "inception_changes": None}
    found = judged(WHOLE, arms(slow))
    assert found["x30-gets-there"].verdict == found["changes-learn"].verdict == "contradicted"
    assert found["x30-later"].verdict == found["steps-of-bn-at-its-rate"].verdict == "undecided"


def test_more_noise_from_more_crops_contradicts() -> None:
    assert judged("ensemble", networks(noise=1.0, shared=0.3, crops=3.0))["multicrop"].verdict == "contradicted"


def test_top_5_is_told_where_there_are_more_than_ten_classes() -> None:
    tables = claims.REGISTRY["ensemble"].tables(networks(1.0, 1.0, 1.0))
    figure_4 = tables["Figure 4: the paper's errors and ours"]
    assert figure_4["top-5 error (paper)"].tolist() == ["7.82 %", "5.82 %", "4.9 %"]
    assert all("%" in cell for cell in figure_4["top-5 error"])
    few = claims.REGISTRY["ensemble"].tables(networks(1.0, 1.0, 1.0, classes=10))
    assert set(few["Figure 4: the paper's errors and ours"]["top-5 error"]) == {"– (ten classes)"}
    assert "figure_4" in claims.REGISTRY["ensemble"].figures(networks(1.0, 1.0, 1.0))


def test_what_is_wrong_is_counted_by_rank() -> None:
    p = np.array([[0.5, 0.3, 0.2], [0.2, 0.5, 0.3], [0.3, 0.5, 0.2], [math.nan] * 3])
    assert ensemble.wrong(p, 1).tolist() == [False, True, True, True]
    assert ensemble.wrong(p, 2).tolist() == [False, True, False, True]
