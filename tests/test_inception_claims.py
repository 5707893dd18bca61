"""The claims on Inception on handmade records: as claimed, the other way round, and without a difference."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bnexp import claims
from bnexp.claims import Judgement, ensemble
from bnexp.claims.ablation import CHANGES
from bnexp.runs.records import Record, Records

CIFAR = {"name": "cifar10_jpeg", "title": "CIFAR-10 (JPEG copies)", "stand_in": False, "sha256": {}}
STEPS = [0, 100, 200, 400, 800]
SEEDS = range(6)
LRS = {"inception": 0.005, "bn_baseline": 0.005, "bn_x5": 0.025, "bn_x30": 0.15, "bn_x5_sigmoid": 0.025,
       "inception_x5": 0.025, "inception_sigmoid": 0.005}  # fmt: skip


def run(arm: str, seed: int, curve: list[float], final: float | None = None, **fields: Any) -> Record:
    """A run with this accuracy at `STEPS`; `final` on all test images where it is another."""
    lost = math.isnan(curve[-1])
    end = curve[-1] if final is None else final
    metrics = pd.DataFrame(
        {"step": STEPS, "accuracy": [*curve[:-1], end], "monitored_accuracy": curve, "loss": 1.0,
         "validation_accuracy": [math.nan] * 4 + [fields.pop("validation", end)]}
    )  # fmt: skip
    settings = {
        "arm": arm, "seed": seed, "steps": 800, "lr": LRS[arm], "norm.name": "batch", "init.scale": 1.25,
        "data.name": "cifar10_jpeg", "data.examples": 45000, "batch": 32, "model.dropout": 0.0, "l2": 2e-5,
        "decay": 3.0, "model.lrn": False, "data.reshuffle": True, "data.distortion": 0.1, "norm.per_activation": False,
    } | fields  # fmt: skip
    summary = {"status": "diverged" if lost else "ok", "stamp": {"command": "bnexp"}}
    return Record(f"{arm}-{settings['lr']}-{settings['init.scale']}-{seed}-{fields}", settings, summary, metrics)


def records(runs: list[Record]) -> Records:
    return Records("handmade", "laptop", CIFAR, runs)


def judged(name: str, of: Records) -> dict[str, Judgement]:
    return {judgement.id: judgement for judgement in claims.judge(of, [name])}


def shifted(curve: list[float], seed: int) -> list[float]:
    return [value + 0.002 * seed for value in curve]


AS_CLAIMED = {
    "inception": [0.1, 0.15, 0.2, 0.3, 0.4],
    "bn_baseline": [0.1, 0.2, 0.3, 0.45, 0.5],
    "bn_x5": [0.1, 0.45, 0.5, 0.55, 0.6],
    "bn_x30": [0.1, 0.3, 0.5, 0.6, 0.65],
    "bn_x5_sigmoid": [0.1, 0.2, 0.3, 0.4, 0.5],
    "inception_x5": [0.1, math.nan, math.nan, math.nan, math.nan],
    "inception_sigmoid": [0.1, 0.1, 0.1, 0.1, 0.1],
}

OTHERWISE = {
    "inception": [0.1, 0.7, 0.7, 0.7, 0.7],
    "bn_baseline": [0.1, 0.15, 0.2, 0.3, 0.4],
    "bn_x5": [0.1, 0.2, 0.3, 0.4, 0.5],
    "bn_x30": [0.1, 0.2, 0.3, 0.35, 0.4],
    "bn_x5_sigmoid": [0.1, 0.1, 0.1, 0.1, 0.1],
    "inception_x5": [0.1, 0.5, 0.6, 0.65, 0.7],
    "inception_sigmoid": [0.1, 0.3, 0.4, 0.5, 0.6],
}


def arms(curves: dict[str, list[float]]) -> Records:
    def curve(name: str, seed: int) -> list[float]:
        return curves[name] if name.startswith("inception_") else shifted(curves[name], seed)

    return records([run(name, seed, curve(name, seed)) for name in curves for seed in SEEDS])


def test_the_papers_table_is_reproduced_where_it_holds() -> None:
    verdicts = {name: j.verdict for name, j in judged("inception", arms(AS_CLAIMED)).items()}
    assert set(verdicts.values()) == {"reproduced"}
    assert len(verdicts) == 10


def test_and_contradicted_where_the_opposite_does() -> None:
    found = {name: j.verdict for name, j in judged("inception", arms(OTHERWISE)).items()}
    assert found.pop("sigmoid-lower") == "reproduced", "BN-x5 is above its sigmoid here, too"
    assert found.pop("sigmoid-trains") == "no difference", "at chance, not below it"
    assert found.pop("x30-later") == "undecided", "neither ever gets there"
    assert set(found.values()) == {"contradicted"}


@pytest.mark.parametrize("seeds", [0, 1, 2])
def test_fewer_than_three_seeds_decide_nothing(seeds: int) -> None:
    few = records([r for r in arms(AS_CLAIMED).runs if r.seed < seeds])
    assert {j.verdict for j in judged("inception", few).values()} == {"undecided"}
    assert {j.n for j in judged("inception", few).values()} == {seeds}


@pytest.mark.parametrize("seeds", [3, 5])
def test_whether_a_network_fails_takes_six_seeds(seeds: int) -> None:
    found = judged("inception", records([r for r in arms(AS_CLAIMED).runs if r.seed < seeds]))
    open_ = {name for name, judgement in found.items() if judgement.verdict == "undecided"}
    assert open_ == {"x5-diverges", "sigmoid-at-chance"}


def test_failing_on_some_seeds_is_undecided() -> None:
    runs = [r for r in arms(AS_CLAIMED).runs if not (r.fields["arm"] == "inception_x5" and r.seed == 1)]
    runs.append(run("inception_x5", 1, AS_CLAIMED["inception"]))
    found = judged("inception", records(runs))["x5-diverges"]
    assert found.verdict == "undecided"
    assert found.why.startswith("5 of 6 seeds diverged")
    assert found.effect == pytest.approx(5 / 6)


def test_steps_are_counted_to_inceptions_best_of_the_same_seed() -> None:
    found = judged("inception", arms(AS_CLAIMED))["steps-bn_x5"]
    assert found.effect == pytest.approx(800 / 85.7, rel=0.02)  # 0.4 lies between 0.1 at 0 and 0.45 at 100


def test_figure_3_has_the_papers_columns_and_ours() -> None:
    (table,) = claims.REGISTRY["inception"].tables(arms(AS_CLAIMED)).values()
    row = table.set_index("network").loc["BN-x5"]
    assert row["steps to 72.2 % (paper)"] == "2.1·10⁶"
    assert row["max accuracy"] == "60.5 %"
    assert (
        table.set_index("network").loc["Inception, lr ×5", "final accuracy, all test images"] == "10.0 % (6 of 6 NaN)"
    )
    assert "figure_2" in claims.REGISTRY["inception"].figures(arms(AS_CLAIMED))


# At its own best


def grid(tuned_plain: float, validation: float | None = None) -> Records:
    """Inception at 40 % untuned and at another accuracy at a higher rate; BN-x5 the same at two rates."""
    runs = []
    for seed in SEEDS:
        runs.append(run("inception", seed, shifted([0.1, 0.15, 0.2, 0.3, 0.4], seed)))
        better = [0.1, tuned_plain - 0.2, tuned_plain - 0.1, tuned_plain - 0.05, tuned_plain]
        extra = {} if validation is None else {"validation": validation}
        runs.append(run("inception", seed, shifted(better, seed), lr=0.045, **extra))
        runs += [run("bn_x5", seed, shifted([0.1, 0.45, 0.5, 0.6, 0.65], seed), lr=lr) for lr in (0.025, 0.15)]
        runs.append(run("bn_baseline", seed, shifted([0.1, 0.3, 0.4, 0.5, 0.55], seed)))
        runs.append(run("bn_x5_sigmoid", seed, [0.1, 0.2, 0.3, 0.4, 0.5]))
        runs.append(run("inception_sigmoid", seed, [0.1] * 5))
    return records(runs)


def test_tuning_the_baseline_shrinks_the_speed_up() -> None:
    found = judged("inception_tuned", grid(0.6))
    assert found["tuning-shrinks"].verdict == "reproduced"
    assert found["tuned-higher-bn_x5"].effect == pytest.approx(0.05)
    assert found["tuned-higher-bn_baseline"].verdict == "contradicted"
    assert found["tuned-steps-bn_x5"].verdict == "reproduced"
    assert found["tuned-sigmoid-trains"].verdict == "reproduced"
    assert found["tuned-sigmoid-at-chance"].verdict == "reproduced"


def test_settings_are_chosen_on_validation_images_and_not_on_test_images() -> None:
    found = judged("inception_tuned", grid(0.6, validation=0.1))
    assert found["tuned-higher-bn_x5"].effect == pytest.approx(0.25), "the better one on test data was not chosen"


def test_both_comparisons_stand_beside_each_other() -> None:
    claim = claims.REGISTRY["inception_tuned"]
    (table,) = claim.tables(grid(0.6)).values()
    assert set(table["settings"]) == {"the paper's multiples of one rate", "its own best"}
    assert set(claim.figures(grid(0.6))) == {"untuned", "tuned", "settings"}


# One change at a time

BACK = {"lr": 0.005, "model.dropout": 0.4, "l2": 1e-4, "decay": 0.5, "model.lrn": True, "data.reshuffle": False,
        "data.distortion": 0.4}  # fmt: skip


@pytest.mark.parametrize(("worth", "verdict"), [(0.03, "reproduced"), (-0.03, "contradicted"), (0.0, "no difference")])
def test_a_change_is_worth_what_is_lost_without_it(worth: float, verdict: str) -> None:
    runs = []
    for seed in SEEDS:
        runs.append(run("bn_x5", seed, shifted([0.1, 0.3, 0.4, 0.5, 0.6], seed)))
        few = {"data.examples": 4000}
        runs.append(run("bn_x5", seed, shifted([0.1, 0.2, 0.3, 0.4, 0.5], seed), **few))
        for name, value in BACK.items():
            own = few if name == "data.reshuffle" else {}
            end = (0.5 if own else 0.6) - worth + 0.0003 * (seed == 1)
            runs.append(run("bn_x5", seed, shifted([0.1, 0.2, 0.3, 0.4, end], seed), **{name: value}, **own))
    found = judged("ablation", records(runs))
    assert len(found) == len(CHANGES) == len(BACK)
    assert {j.verdict for j in found.values()} == {verdict}
    assert {j.n for j in found.values()} == {len(SEEDS)}
    assert "6.4 epochs of 4,000 images" in found["helps-reshuffle"].why
    assert "ablation" in claims.REGISTRY["ablation"].figures(records(runs))


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
        plain = run("bn_x30", seed, [0.1, 0.3, 0.4, 0.5, 0.6], **{"model.dropout": 0.05 * (seed % 3)})
        runs.append(Record(plain.id, plain.fields, plain.summary, plain.metrics, None, p.astype(np.float16)))
    return records(runs)


def test_averaging_removes_errors_that_are_the_networks_own() -> None:
    found = judged("ensemble", networks(noise=2.0, shared=0.3, crops=0.7))
    assert {j.verdict for j in found.values()} == {"reproduced"}
    assert {j.n for j in found.values()} == {6}
    assert found["multicrop"].size in ("agrees", "larger", "smaller")


def test_equal_networks_gain_nothing() -> None:
    found = judged("ensemble", networks(noise=0.0, shared=2.0, crops=1.0))
    assert {j.verdict for j in found.values()} == {"undecided"}


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
