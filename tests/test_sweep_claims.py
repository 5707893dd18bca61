"""The claims of the experiments on MNIST, on handmade records: as claimed, otherwise, without a difference, mixed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import pytest
from handmade import (
    BN,
    JUDGED,
    KINDS,
    PLAIN,
    SELECTING,
    STEPS,
    TUNING,
    Fields,
    Sign,
    judged,
    noise,
    record,
    records,
    sweep,
    verdicts,
)
from sweeps import MADE, MECHANISMS, gradient_flow, init_robustness, made, placement, saturating

from bnexp import claims
from bnexp.claims import Claim
from bnexp.claims.adaptation import SHIFTS
from bnexp.claims.gradient_flow import EXPLOSION
from bnexp.claims.noise import EQUAL, FEW, GHOSTS
from bnexp.claims.robustness import AT_ONE_RATE, CHANGES, MAIN
from bnexp.claims.scale_invariance import FACTORS
from bnexp.judging import measures
from bnexp.runs.records import Record

SEEDS = (*JUDGED, *TUNING)
OPPOSITE = {1: "reproduced", 0: "no difference", -1: "contradicted"}
NO_MARGIN = {**OPPOSITE, 0: "undecided"}
NO_WORSE = {**OPPOSITE, 0: "reproduced"}
"""The verdicts by the sign of the records."""

EXPECTED: dict[str, dict[str, Mapping[int, str]]] = {
    "table": {
        "table-accuracy": OPPOSITE,
        "table-trains": OPPOSITE,
        "table-trains-fair": OPPOSITE,
        **{f"table-own-best-steps-{of}{images}": NO_MARGIN for of in (90, 95) for images in ("-binary", "")},
        "table-steps-90": NO_MARGIN,
        "table-own-best-binary": OPPOSITE,
        "table-own-best": OPPOSITE,
    },
    "lr_tolerance": {
        "lr-highest": OPPOSITE,
        "lr-lowest": OPPOSITE,
        "lr-best": OPPOSITE,
        "lr-own-best-accuracy": OPPOSITE,
        "lr-own-best-speed": NO_MARGIN,
        "lr-own-best-speed-95": NO_MARGIN,
        "lr-gain": {1: "contradicted", 0: "reproduced", -1: "reproduced"},
        "lr-own-best-trains-bn": dict.fromkeys(OPPOSITE, "undecided"),  # a yes or no takes six seeds
        "lr-own-best-trains-without": dict.fromkeys(OPPOSITE, "undecided"),
    },
    "optimizers": {
        "optimizers-speed": NO_MARGIN,
        "optimizers-speed-95": NO_MARGIN,
        **{
            f"optimizer-{name}-{what}": OPPOSITE if what == "accuracy" else NO_MARGIN
            for name in ("sgd", "momentum", "adagrad", "adam")
            for what in ("accuracy", "speed", "speed-95", "range")  # the grid blurs both ends by as much as the margin
        },
    },
    "init_robustness": {
        "init-spread": OPPOSITE,
        "init-share": OPPOSITE,
        "init-schemes": OPPOSITE,
        "init-own-best": OPPOSITE,
        "init-large-trains": {**OPPOSITE, 0: "contradicted"},
        "init-huge-trains": {**OPPOSITE, 0: "contradicted"},
    },
    "saturating": {
        "sigmoid-fails-deep": {**OPPOSITE, 0: "contradicted"},
        "sigmoid-trains-with-bn": NO_WORSE,
        "sigmoid-trains-shallow": dict.fromkeys(OPPOSITE, "reproduced"),
        "trains-deep": {1: "undecided", 0: "undecided", -1: "contradicted"},  # where all train there is no more
        "saturating-tanh": OPPOSITE,
        "saturating-relu": OPPOSITE,
        "saturating-residual": OPPOSITE,
        "less-saturated": OPPOSITE,
    },
    "gradient_flow": {
        "gradient-flow": OPPOSITE,
        "gradient-flow-later": OPPOSITE,
        "gradient-flow-start": {1: "contradicted", 0: "no difference", -1: "reproduced"},
        "no-vanishing-with-bn": {**OPPOSITE, 0: "contradicted"},
        "explodes-at-initialisation": NO_MARGIN,
        "steady-at-initialisation-without": {**OPPOSITE, 0: "contradicted"},
    },
    "batch_size": {
        "small-batch-bn": OPPOSITE,
        "small-batch-layer": OPPOSITE,
        "small-batch-group": OPPOSITE,
        "small-batch-batch_renorm": OPPOSITE,
        "usual-batch-bn": NO_WORSE,
        "large-batch-bn": OPPOSITE,
        "small-batch-scaled": OPPOSITE,
        "ghost-costs": OPPOSITE,
        "ghost-explains": OPPOSITE,
        "few-classes-bn": OPPOSITE,
        "few-classes-statistics": OPPOSITE,
        "few-classes-batch_renorm": OPPOSITE,
        "few-classes-layer": OPPOSITE,
        "noise-of-small": NO_MARGIN,
    },
    "placement": {
        "placement-accuracy": NO_WORSE,
        "placement-input": NO_WORSE,
        "placement-speed": NO_MARGIN,
        "placement-sparsity": NO_WORSE,
        "placement-stability": NO_MARGIN,
        "placement-stability-at-rates": NO_MARGIN,
        "placement-stability-at-rates-raw": NO_MARGIN,
        "placement-stable-mean": NO_MARGIN,
        "placement-stable-spread": NO_MARGIN,
        "placement-skewness": OPPOSITE,
        "placement-kurtosis": OPPOSITE,
        "placement-control": OPPOSITE,
    },
    "regularisation": {
        **{f"{what}-can-go-bn{size}": NO_WORSE for what in ("dropout", "l2") for size in ("", "-small")},
        **{
            f"{what}-can-go-without{size}": {1: "contradicted", 0: "reproduced", -1: "reproduced"}
            for what in ("dropout", "l2")
            for size in ("", "-small")
        },
        "weaker-dropout": OPPOSITE,
        "weaker-l2": OPPOSITE,
    },
    "gap": {
        "gap-narrower": OPPOSITE,
        "gap-narrower-0.3": OPPOSITE,
        "gap-narrower-0.05": OPPOSITE,
        "gap-narrower-0.01": OPPOSITE,
        "gap-narrower-0.002": OPPOSITE,
        "gap-at-every-loss": OPPOSITE,
        "gap-accuracies": OPPOSITE,
        "gap-dropout-bn": OPPOSITE,
        "gap-dropout-without": OPPOSITE,
    },
    "statistics": {
        "small-batches-moving": OPPOSITE,
        "small-batches-own": OPPOSITE,
        "statistics-converged": NO_WORSE,
        "one-batch-is-too-few": OPPOSITE,
        "moving-averages-lag": OPPOSITE,
        "moving-averages-wobble": NO_MARGIN,
        "own-statistics": OPPOSITE,
    },
    "covariate_shift": {
        f"shift-{what}{own}": OPPOSITE
        for own in ("", "-own")
        for what in (
            *("fed", "front", "mean", "spread", "w1", "mean-training", "spread-training", "w1-training"),
            *("gradient", "direction"),
        )
    }
    | {"shift-agree": dict.fromkeys(OPPOSITE, "reproduced"), "shift-seen": OPPOSITE},
    "landscape": {
        f"landscape-{what}{own}": OPPOSITE
        for own in ("", "-own")
        for what in ("loss-range", "gradient-change", "smoothness")
    }
    | {"landscape-seen": OPPOSITE},
    "jacobian": {f"jacobian-{what}": OPPOSITE for what in ("unequal", "spread", "spread-start", "median")},
    "random_matrices": {"jacobian-random": {**OPPOSITE, 0: "contradicted"}},
    "signal_depth": {
        "depth-explodes": NO_MARGIN,
        "depth-steady": NO_MARGIN,
        "depth-rank": NO_MARGIN,
        "depth-collapse": NO_MARGIN,
        "depth-shallow": dict.fromkeys(OPPOSITE, "reproduced"),
        "depth-more-directions": {**OPPOSITE, 0: "reproduced"},
        "depth-small-changes": OPPOSITE,
    },
    "more_gaussian": {
        **{f"gaussian-{metric}{of}": OPPOSITE for metric in ("skew", "tails") for of in ("", "-without")},
        **{f"gaussian-{metric}-relu": dict.fromkeys(OPPOSITE, "reproduced") for metric in ("skew", "tails")},
    },
    "robustness": {
        **{f"robust-{change.replace('/', '-')}": OPPOSITE for change in CHANGES},
        **{f"robust-{change.replace('/', '-')}-{at}": OPPOSITE for change in MAIN for at in AT_ONE_RATE},
        "robust-clean": dict.fromkeys(OPPOSITE, "reproduced"),
    },
    "adaptation": {
        **{f"adapts{own}-{shift}": NO_MARGIN for shift in SHIFTS for own in ("", "-own")},
        "adapts-unchanged": dict.fromkeys(OPPOSITE, "reproduced"),
    },
    "step_size": {
        "step-size-survives": OPPOSITE,
        "step-size-gain": {1: "reproduced", 0: "reproduced", -1: "contradicted"},
        "step-size-own": NO_MARGIN,
        "step-size-plain": {1: "reproduced", 0: "contradicted", -1: "reproduced"},
    },
    "affine": {
        "affine-sigmoid": OPPOSITE,
        "affine-relu": OPPOSITE,
        "affine-alone": NO_MARGIN,
        "affine-untrained": dict.fromkeys(OPPOSITE, "reproduced"),
    },
    "naive_norm": {
        f"naive-{what}": OPPOSITE
        for what in (
            *(f"{of}-{activation}" for of in ("biases", "growth") for activation in ("sigmoid", "relu")),
            *("mean", "scaled", "averages", "blows-up", "bn"),
        )
    }
    | {f"naive-loss-{activation}": NO_WORSE for activation in ("sigmoid", "relu")},
    "scale_invariance": {
        **{f"scale-symmetry-{factor:g}": NO_MARGIN for factor in FACTORS},
        "scale-alone": OPPOSITE,
        "scale-gradient": NO_MARGIN,
        "scale-gradient-alone": OPPOSITE,
        "scale-growth": OPPOSITE,
        "scale-grows": dict.fromkeys(OPPOSITE, "reproduced"),
        "scale-longer": OPPOSITE,
        "scale-l2": {**OPPOSITE, 0: "contradicted"},
        "scale-l2-without": OPPOSITE,
    },
    "whitening": {
        "whitening-cheap": NO_WORSE,
        "whitening-zca": NO_MARGIN,
        "whitening-pixels": NO_MARGIN,
        "whitening-standardised": NO_WORSE,
        "whitening-standardised-raw": NO_MARGIN,
        **{f"whitening-{p}-loss-{loss}": NO_MARGIN for p in ("whitened", "standardised") for loss in (0.3, 0.1)},
        "whitening-training": OPPOSITE,
    },
    "absolute_scale": {
        "absolute-scale-more": OPPOSITE,
        "absolute-scale-kept": NO_WORSE,
        **{f"absolute-scale-{of}": {**OPPOSITE, 0: "contradicted"} for of in ("example", "batch", "none")},
    },
    "noise": {
        "noise-gap": OPPOSITE,
        "noise-fits": dict.fromkeys(OPPOSITE, "reproduced"),
        "noise-fits-all": dict.fromkeys(OPPOSITE, "reproduced"),
        **{f"noise-helps-{ghost}": OPPOSITE for ghost in GHOSTS},
        **{f"noise-{what}-{ghost}": NO_MARGIN for what in ("of", "size") for ghost in EQUAL},
        **{f"noise-narrows-{ghost}": OPPOSITE for ghost in EQUAL},
        "noise-dropout-moving": OPPOSITE,
        "noise-moving": NO_WORSE,
        **{f"noise-of-{name}": OPPOSITE for name in FEW},
        "noise-of-mixed": dict.fromkeys(OPPOSITE, "reproduced"),
    },
    "recurrent": {
        **{f"recurrent-{what}": NO_MARGIN for what in ("all", "inputs", "state", "gamma")},
        "recurrent-trains": dict.fromkeys(OPPOSITE, "reproduced"),
        "recurrent-pixels": NO_WORSE,
    },
    "fine_tuning": {"fine-tuning-new": NO_WORSE, "fine-tuning-recomputed": NO_WORSE, "fine-tuning-bn": OPPOSITE},
    "skip_init": {
        "skip-init-steps": {1: "reproduced", 0: "contradicted", -1: "contradicted"},
        "skip-init-accuracy": NO_WORSE,
        "skip-init-needed": NO_MARGIN,
        "branch-smaller": NO_MARGIN,
    },
    "noisy_norm": {
        "noisy-speed": NO_WORSE,
        "noisy-faster": NO_MARGIN,
        "noisy-gain": {1: "reproduced", 0: "undecided", -1: "reproduced"},
        "noisy-accuracy": NO_WORSE,
        "noisy-unstable": OPPOSITE,
        "noisy-drift": OPPOSITE,
    },
    "drifting_norm": {
        **{f"drifting-{what}": NO_MARGIN for what in ("faster", "gain")},
        "drifting-speed": NO_WORSE,
        "drifting-accuracy": NO_WORSE,
        **{f"drifting-{what}": OPPOSITE for what in ("moves", "fed")},
    },
}
"""By subject and claim, where its control holds."""


def unguarded(name: str, found: Mapping[str, str]) -> set[str]:
    """Claims of the subject whose control does not hold, by what was found of the controls."""
    controls = [claim for claim in claims.REGISTRY[name].claims if claim.control and claim.id in found]
    failed = [c.control for c in controls if c.control and found[c.id] not in c.control.holds]
    return {identity for control in failed for identity in control.guards}


@pytest.mark.parametrize("sign", OPPOSITE)
@pytest.mark.parametrize("name", EXPECTED)
def test_the_verdict_follows_the_records(name: str, sign: int) -> None:
    found = judged(name, made(name, sign))
    expected = {identity: of_signs[sign] for identity, of_signs in EXPECTED[name].items()}
    alone = unguarded(name, expected)
    expected |= dict.fromkeys(alone & expected.keys(), "undecided")
    assert {identity: j.verdict for identity, j in found.items()} == expected
    of = {claim.id: claim for claim in claims.REGISTRY[name].claims if isinstance(claim, Claim)}
    for identity, judgement in found.items():
        flags = set() if judgement.claim.primary else {"exploratory"}
        measured = of[identity].quantity if identity in of else None
        flags |= {"conditional"} if measured and measured.of_images else set()
        flags |= {"control"} if identity in alone else set()
        timed = measured and measured.timed and judgement.outcome.effect is not None
        flags |= {"coarse"} if timed else set()  # the handmade runs have few evaluations
        assert set(judgement.flags) == flags, identity
        assert "{epochs}" not in judgement.sentence


def by(setting: str, value: object) -> Sign:
    """As claimed where a setting has this value, and the other way round elsewhere."""
    return lambda fields: 1 if fields.get(setting) == value else -1


OF_NO_CELLS = {
    *("noisy-gain", "shift-agree", "gaussian-skew-relu", "gaussian-tails-relu"),
    *("adapts-unchanged", "robust-clean"),
}

MIXED: dict[str, tuple[Sign, set[str]]] = {
    "table": (by("data.binarize", True), {"table-accuracy", "table-trains", "table-trains-fair", "table-steps-90"}),
    "lr_tolerance": (by("model.activation", "relu"), {i for i in EXPECTED["lr_tolerance"] if "trains" not in i}),
    "optimizers": (by("optimizer.name", "sgd"), {"optimizers-speed", "optimizers-speed-95"}),
    "init_robustness": (
        by("model.activation", "relu"),
        set(EXPECTED["init_robustness"]),
    ),
    "saturating": (by("model.activation", "sigmoid"), {"less-saturated"}),
    "gradient_flow": (
        by("model.activation", "relu"),
        {"gradient-flow", "gradient-flow-later", "gradient-flow-start", "no-vanishing-with-bn"},
    ),
    "batch_size": (
        by("batch", 2),
        {"small-batch-bn", "small-batch-layer", "small-batch-group", "small-batch-batch_renorm", "small-batch-scaled"},
    ),
    "placement": (by("model.activation", "relu"), set(EXPECTED["placement"])),
    "regularisation": (
        lambda fields: 1 if fields["data.examples"] in (500, 10000) else -1,
        set(EXPECTED["regularisation"]),
    ),
    "gap": (by("data.examples", 2000), set(EXPECTED["gap"])),
    "affine": (by("model.activation", "relu"), {"affine-alone"}),
    "step_size": (by("model.activation", "relu"), {"step-size-survives", "step-size-own"}),
    **{
        name: (by("model.activation", "relu"), {i for i in EXPECTED[name] if i not in OF_NO_CELLS})
        for name in (*MECHANISMS, "drifting_norm", "whitening", "fine_tuning")
    },
    "naive_norm": (
        lambda fields: (
            1
            if (fields["model.activation"], fields["lr"] == 1) in {("sigmoid", True), ("relu", False)}
            and fields["lr"] != 0.0316
            else -1
        ),
        set(EXPECTED["naive_norm"]) - {"naive-blows-up"},
    ),
    "scale_invariance": (
        by("model.activation", "relu"),
        {i for i in EXPECTED["scale_invariance"] if not i.startswith(("scale-l2", "scale-grows"))},
    ),
    "absolute_scale": (by("lr", 0.1), set(EXPECTED["absolute_scale"])),
    "recurrent": (by("model.cell", "lstm"), {f"recurrent-{what}" for what in ("all", "inputs", "state")}),
}
"""Where the cells say opposite things, and of which claims."""


@pytest.mark.parametrize("name", MIXED)
def test_what_some_cells_say_and_some_contradict_is_mixed(name: str) -> None:
    sign, ids = MIXED[name]
    found = judged(name, MADE[name](sign))
    ids = ids - unguarded(name, {identity: j.verdict for identity, j in found.items()})
    assert {identity for identity, judgement in found.items() if judgement.verdict == "mixed"} == ids
    for identity in ids:
        assert {"reproduced", "contradicted"} <= {cell.verdict for cell in found[identity].outcome.cells}
        assert found[identity].as_dict()["kind"] == "rate" or "some the opposite" in found[identity].outcome.why


def test_every_claim_on_mnist_is_tested_and_every_one_with_cells_in_several_ways() -> None:
    assert {name: set(of) for name, of in EXPECTED.items()} == {
        name: {claim.id for claim in claims.REGISTRY[name].claims} for name in EXPECTED
    }
    cells = {c.id for n in EXPECTED for c in claims.REGISTRY[n].claims if isinstance(c, Claim) and c.cells}
    alone = {"usual-batch-bn", "large-batch-bn", "trains-deep"}  # of one size each, and of one that fails
    alone |= {
        "recurrent-trains",
        "lr-own-best-trains-bn",
        "lr-own-best-trains-without",
        "step-size-plain",
    }  # which take six seeds
    alone |= {
        "step-size-gain",
        "noisy-gain",
        "naive-blows-up",
        "adapts-unchanged",
        "robust-clean",
        "scale-grows",
        "affine-untrained",
    }  # which hold in all cells, or are not told
    assert cells - {identity for _, ids in MIXED.values() for identity in ids} == {"sigmoid-trains-with-bn", *alone}


@pytest.mark.parametrize("name", EXPECTED)
def test_without_runs_every_judgement_is_there_and_undecided(name: str) -> None:
    found = judged(name, [])
    assert found.keys() == EXPECTED[name].keys()
    for judgement in found.values():
        assert (judgement.verdict, judgement.outcome.n, judgement.outcome.effect, judgement.outcome.ci95) == (
            "undecided",
            0,
            None,
            None,
        )
        assert judgement.outcome.measured == "nothing to compare"


@pytest.mark.parametrize("name", EXPECTED)
def test_two_seeds_have_effects_and_no_verdict(name: str) -> None:
    runs = [run for run in made(name, 1) if run.seed in (0, 1, 1000)]
    found = judged(name, runs)
    assert {j.verdict for j in found.values()} == {"undecided"}
    assert {j.outcome.n for j in found.values()} == {2}
    assert all(j.outcome.effect is not None for j in found.values() if isinstance(j.claim, Claim))


SELECTED = [
    (subject, claim.id)
    for subject in map(claims.REGISTRY.__getitem__, EXPECTED)
    for claim in subject.claims
    if isinstance(claim, Claim) and claim.selected
]


@pytest.mark.parametrize("subject", dict.fromkeys(subject.name for subject, _ in SELECTED))
def test_without_tuning_runs_no_best_setting_is_known(subject: str) -> None:
    found = judged(subject, [run for run in made(subject, 1) if run.seed < 1000])
    for identity in (i for s, i in SELECTED if s.name == subject):
        assert (found[identity].verdict, found[identity].outcome.n) == ("undecided", 0)
        assert "no tuning runs" in found[identity].outcome.why
    alone = unguarded(subject, {identity: judgement.verdict for identity, judgement in found.items()})
    others = found.keys() - {i for _, i in SELECTED} - alone - {"shift-agree"}  # which asks two of them
    assert {i: found[i].verdict for i in others} == {i: EXPECTED[subject][i][1] for i in others}


@pytest.mark.parametrize("name", EXPECTED)
def test_diverged_and_missing_runs_are_no_mishap(name: str) -> None:
    runs = made(name, 1)
    ill = []
    for run in runs[3:-2]:
        if len(ill) in (2, 5):
            metrics = run.metrics.astype(float)
            metrics.loc[3:, metrics.columns != "step"] = math.nan
            run = replace(run, summary=run.summary | {"status": "diverged"}, metrics=metrics)
        ill.append(run)
    assert judged(name, ill).keys() == EXPECTED[name].keys()


@pytest.mark.parametrize(("setting", "value"), [("norm", "batch"), ("norm", "none"), ("model.activation", "relu")])
@pytest.mark.parametrize("name", EXPECTED)
def test_an_experiment_with_an_axis_replaced_can_be_judged(name: str, setting: str, value: str) -> None:
    runs = [run for run in made(name, 1) if run.value(setting) == value]
    assert judged(name, runs).keys() == EXPECTED[name].keys()


# ---- what is particular to one


def test_ranges_are_in_decades_of_what_trains() -> None:
    found = judged("lr_tolerance", made("lr_tolerance", 1))
    assert found["lr-highest"].outcome.effect == pytest.approx(0.5, abs=0.001)
    assert found["lr-lowest"].outcome.effect == pytest.approx(0.5, abs=0.001)
    assert found["lr-best"].outcome.effect == pytest.approx(1.0 / 0.316)
    assert found["lr-own-best-accuracy"].outcome.selected is not None
    assert found["lr-own-best-accuracy"].outcome.selected["without BN"]["sigmoid, hidden layers 9"] == {"lr": 0.316}


def test_an_arm_that_never_trains_has_no_highest_rate_and_its_best_is_at_no_edge() -> None:
    def final(fields: Fields) -> float:
        return 0.2 if fields["norm.name"] == "none" and fields["model.depth"] == 9 else 0.95 - abs(fields["lr"] - 0.3)

    found = judged("lr_tolerance", sweep(final, seeds=SEEDS, lr=(0.28, 0.3, 0.32), model_depth=(3, 9)))
    assert "nothing to measure in 3 cases without BN" in found["lr-highest"].outcome.why
    assert "nothing is said of hidden layers 9" in found["lr-own-best-accuracy"].outcome.why
    assert "edge" not in found["lr-own-best-accuracy"].flags
    assert found["lr-own-best-accuracy"].outcome.n == 3
    assert "nothing is said of hidden layers 9" in found["lr-highest"].outcome.why


def test_each_optimizer_is_judged_by_itself() -> None:
    by_name = {"sgd": 1, "momentum": -1, "adagrad": 0, "adam": 0}
    runs = MADE["optimizers"](lambda fields: by_name[fields["optimizer.name"]])
    found = verdicts("optimizers", [run for run in runs if run.value("optimizer.name") != "adam"])
    assert [found[f"optimizer-{name}-accuracy"] for name in by_name] == [
        *("reproduced", "contradicted", "no difference", "undecided")
    ]
    assert [found[f"optimizer-{name}-range"] for name in by_name] == [
        *("reproduced", "contradicted", "undecided", "undecided")
    ]


@pytest.mark.parametrize(
    ("seeds", "verdict"), [(3, "undecided"), (5, "undecided"), (6, "reproduced"), (10, "reproduced")]
)
def test_six_of_six_is_the_least_that_excludes_one_half(seeds: int, verdict: str) -> None:
    runs = init_robustness(lambda fields: 1, (*range(seeds), 1000))
    assert verdicts("init_robustness", runs)["init-large-trains"] == verdict


@pytest.mark.parametrize(("seeds", "verdict"), [(6, "undecided"), (10, "mixed")])
def test_a_rate_is_said_of_every_nonlinearity(seeds: int, verdict: str) -> None:
    runs = init_robustness(by("model.activation", "relu"), (*range(seeds), 1000))
    found = judged("init_robustness", runs)["init-large-trains"]
    assert (found.verdict, found.outcome.effect) == (verdict, pytest.approx(0.5))
    assert {cell.cell: cell.verdict for cell in found.outcome.cells} == {
        "relu": "reproduced",
        "sigmoid": "contradicted",
    }
    assert f"{seeds} of {seeds} with BN" in found.outcome.measured


def test_two_main_claims_ask_more_than_six_of_six() -> None:
    """p is 1/64 for each, and Holm doubles the smaller."""
    found = judged("saturating", saturating(lambda fields: 1, range(6)))["sigmoid-fails-deep"]
    assert (found.verdict, found.outcome.p, found.p_adjusted) == (
        "undecided",
        pytest.approx(1 / 64),
        pytest.approx(1 / 32),
    )
    assert found.outcome.why.startswith("would be reproduced, but not after Holm")


def test_networks_of_every_depth_must_train() -> None:
    def half(fields: Fields) -> float:
        return 0.97 if fields["model.depth"] == 3 else 0.5

    runs = sweep(half, seeds=range(10), model_depth=(3, 12))
    found = judged("saturating", runs)
    assert found["sigmoid-trains-with-bn"].verdict == "mixed"
    assert (
        "hidden layers 3: 10 of 10 with BN; hidden layers 12: 0 of 10"
        in found["sigmoid-trains-with-bn"].outcome.measured
    )
    assert found["sigmoid-fails-deep"].verdict == "contradicted", "50 % is not chance"
    hopeless = sweep(lambda fields: 0.5, seeds=range(10), model_depth=(3, 12))
    assert verdicts("saturating", hopeless)["sigmoid-trains-shallow"] == "contradicted"


def test_a_network_that_diverged_is_at_chance() -> None:
    ends = {3: 0.95, 12: math.nan}
    runs = [record(PLAIN | {"seed": seed, "model.depth": depth}, ends[depth]) for seed in range(10) for depth in ends]
    assert verdicts("saturating", runs)["sigmoid-fails-deep"] == "reproduced"


def test_it_is_the_worst_step_that_counts() -> None:
    """One step of ten decades among many of none."""
    runs = gradient_flow(lambda fields: 1)
    spoilt = []
    for run in runs:
        if run.norm == "batch":
            metrics = run.metrics.copy()
            metrics.loc[3, "gradient_norm/linear2"] = 1e-10
            run = replace(run, metrics=metrics)
        spoilt.append(run)
    found = verdicts("gradient_flow", spoilt)
    assert (found["gradient-flow"], found["no-vanishing-with-bn"]) == ("contradicted", "contradicted")
    assert found["explodes-at-initialisation"] == "reproduced"


def test_the_explosion_is_the_number_of_theory() -> None:
    assert pow(10, EXPLOSION) == pytest.approx(1.2112, abs=1e-4)
    found = judged("gradient_flow", gradient_flow(lambda fields: 1))["explodes-at-initialisation"]
    assert found.outcome.effect == pytest.approx(EXPLOSION)
    assert found.unit == "decades per layer"


def test_gradients_of_zero_do_not_break_the_logarithm() -> None:
    runs = gradient_flow(lambda fields: 1)
    dead = replace(runs[0], metrics=runs[0].metrics.assign(**{"gradient_norm/linear2": 0.0}))
    assert judged("gradient_flow", [dead, *runs[1:]])


def test_a_shallow_network_has_no_layers_to_compare() -> None:
    assert measures.growths(record({"model.depth": 2}, 0.9)) is None


def test_steps_follow_the_mini_batch_and_are_no_mismatch() -> None:
    """Ghost batches of 4 in mini-batches of 60 are compared with mini-batches of 4, which take more steps."""
    found = judged("batch_size", made("batch_size", 0))
    assert (found["ghost-explains"].outcome.n, found["noise-of-small"].outcome.n) == (3, 3)


def test_a_rate_proportional_to_the_mini_batch_is_the_nearest_there_is() -> None:
    runs = [
        record(arm | {"seed": seed, "batch": 2, "lr": lr}, {0.001: 0.5, 0.003: 0.9, 0.01: 0.7}[lr])
        for arm in (BN, {"norm.name": "group"})
        for seed in range(3)
        for lr in (0.001, 0.003, 0.01)
    ]
    found = judged("batch_size", runs)["small-batch-scaled"]
    assert {value["value"] for value in found.outcome.values} == {0.9}


def test_an_amount_above_0_is_bracketed_by_leaving_it_out() -> None:
    """The smallest L2 weight that was tried is no edge, for 0 was tried, too; the largest is one."""
    runs = made("regularisation", 1)
    found = judged("regularisation", runs)["l2-can-go-bn"]
    assert found.outcome.selected is not None
    assert {settings["l2"] for settings in found.outcome.selected["L2 weight above 0"].values()} == {1e-4}
    assert "edge" not in found.flags
    few = judged("regularisation", [run for run in runs if run.value("l2") < 1e-3])["l2-can-go-bn"]
    assert (few.verdict, "edge" in few.flags) == ("undecided", True)


def test_a_sentence_speaks_of_the_nonlinearity_that_there_is() -> None:
    both = made("landscape", 1)
    alone = [run for run in both if run.value("model.activation") == "relu"]
    said = [judged("landscape", runs)["landscape-loss-range"].sentence for runs in (both, alone)]
    assert said[0].endswith(", whatever the nonlinearity.")
    assert said[1].endswith(", with ReLU.")


def test_figure_1_drawn_with_moving_averages_has_no_part_in_other_claims() -> None:
    runs = [run for run in made("statistics", 1) if run.value("norm.momentum") != 0.1]
    found = verdicts("statistics", runs)
    lost = {"moving-averages-lag", "moving-averages-wobble", "small-batches-moving"}
    assert {i for i, verdict in found.items() if verdict == "undecided"} == lost


def test_moments_that_were_not_kept_leave_stability_undecided() -> None:
    runs = [replace(run, moments=None) for run in placement(lambda fields: 1)]
    found = judged("placement", runs)["placement-stability"]
    assert (found.verdict, found.outcome.n) == ("undecided", 0)
    assert "nothing to measure" in found.outcome.why


# ---- the placebo


def placebo(seeds: int, level: float = 0.97) -> list[Record]:
    """One network on sets of 3 seeds; in the first of each pair of sets it may be another."""

    def run(fields: Fields) -> Record:
        first = fields["seed"] // 3 % 2 == 0
        poor = first and level < 0.9
        final = level if first else 0.97
        if poor and fields["lr"] != 0.316:
            final = 0.97 if fields["lr"] == 1.78 else 0.3
        return record(fields, final + noise(fields), 400 if poor else 100)

    return sweep(run, (BN,), range(seeds), lr=(0.1, 0.316, 1.78, 3.16, 5.62, 10.0))


def test_one_network_is_not_told_from_itself() -> None:
    found = judged("placebo", placebo(60))
    assert {i: j.verdict for i, j in found.items()} == dict.fromkeys(found, "reproduced")
    assert {j.outcome.n for j in found.values()} == {60}
    assert "10 no difference" in found["placebo-difference-margin"].outcome.measured
    assert "10 reproduced" in found["placebo-equals"].outcome.measured
    assert "0 false alarms in 10 pairs, of which 1 are allowed" in found["placebo-difference"].outcome.why


def test_and_a_rule_that_does_raises_an_alarm() -> None:
    found = verdicts("placebo", placebo(60, 0.85))
    assert found == dict.fromkeys(found, "contradicted")


def test_too_few_seeds_for_two_sets_are_no_placebo() -> None:
    assert set(verdicts("placebo", placebo(5)).values()) == {"undecided"}


@pytest.mark.parametrize(
    ("subject", "claim"),
    [
        ("lr_tolerance", "lr-own-best-trains-bn"),
        ("lr_tolerance", "lr-own-best-trains-without"),
        ("step_size", "step-size-plain"),
        ("recurrent", "recurrent-trains"),
    ],
)
@pytest.mark.parametrize(("high", "verdict"), [(0.95, "reproduced"), (0.3, "contradicted")])
def test_whether_networks_train_is_decided_by_six_seeds(subject: str, claim: str, high: float, verdict: str) -> None:
    def final(fields: Fields) -> float:
        return high - 0.005 * (fields["lr"] != 0.3)

    axes = {"model_depth": (3,), "model_cell": ("tanh",), "model_scan": ("rows",), "lr": (0.1, 0.3, 1.0)}
    of_six, of_five = (sweep(final, seeds=(*range(n), 1000), **axes) for n in (6, 5))
    if claim == "step-size-plain":  # that they do not train
        verdict = {"reproduced": "contradicted", "contradicted": "reproduced"}[verdict]
    assert verdicts(subject, of_six)[claim] == verdict
    assert verdicts(subject, of_five)[claim] == "undecided"


def test_a_gain_that_is_there_at_the_plain_networks_rate_is_not_the_larger_rates() -> None:
    """BN takes 50 steps at its own rate and 100 at the plain network's, which takes 1,000: a quarter on logarithms."""

    def run(fields: Fields) -> Record:
        normed, lr = fields["norm.name"] == "batch", fields["lr"]
        at = {0.3: 100, 1.0: 50}.get(lr, 200) if normed else 1000
        high = 0.98 if normed or lr <= 0.3 else 0.5  # it does not bear BN's rate
        return record(fields, high - 0.005 * (lr != (1.0 if normed else 0.3)) + noise(fields), at)

    runs = sweep(run, seeds=(*range(6), 1000), model_activation=("relu",), lr=(0.1, 0.3, 1.0, 3.0))
    assert judged("step_size", runs)["step-size-gain"].verdict == "contradicted"
    (table,) = claims.REGISTRY["step_size"].tables(records(runs)).values()
    (row,) = table.to_dict("records")
    assert (row["saved at its own rate"], row["at the other's"], row["gone"]) == ("20.53 times", "10.06 times", "24 %")


def test_definitions_agree_where_both_say_that_nothing_is_reduced_and_nothing_is_said_where_one_is_doubtful() -> None:
    def moved(front: float, gradient: float, best: float = 0.3) -> dict[str, str]:
        def run(fields: Fields) -> Record:
            bn = fields["norm.name"] == "batch"
            final = 0.98 - 0.005 * (fields["lr"] != best) + noise(fields)
            columns = {"moved_w1_front": front if bn else 0.3, "moved_gradient": gradient if bn else 0.3}
            columns |= {"moved_w1_tr": 0.9 if fields["norm.name"] == "noisy_batch" else 0.3}
            return record(fields, final, **{f"{name}/hidden1": y * (1 + noise(fields)) for name, y in columns.items()})

        arms = (PLAIN, BN, {"norm.name": "noisy_batch"})
        runs = sweep(run, arms, SELECTING, model_activation=KINDS, lr=(0.1, 0.3, 1.0))
        return {key: verdicts("covariate_shift", runs)[f"shift-{key}"] for key in ("front", "gradient", "agree")}

    assert moved(0.1, 0.1) == dict.fromkeys(("front", "gradient", "agree"), "reproduced")
    assert moved(0.9, 0.3) == {"front": "contradicted", "gradient": "no difference", "agree": "reproduced"}
    assert moved(0.1, 0.9) == {"front": "reproduced", "gradient": "contradicted", "agree": "contradicted"}
    doubtful = moved(0.1, 0.9, best=1.0)
    assert doubtful["agree"] == "undecided", doubtful


def test_a_network_whose_units_are_dead_survives_nothing() -> None:
    def run(fields: Fields) -> Record:
        dead = fields["norm.name"] == "none" and fields["lr"] in (0.3, 1.0)
        after = 4.0 if fields["lr"] == 3.0 else 2.3 if dead else 0.9  # ln 10 is less than that of the first weights
        final = 0.1 if dead else 0.95 - 0.01 * (fields["lr"] != 0.3) + noise(fields)
        return record(fields, final, loss=[3.0] + [after] * (len(STEPS) - 1))

    runs = sweep(run, seeds=SELECTING, model_activation=KINDS, lr=(0.1, 0.3, 1.0, 3.0))
    assert verdicts("step_size", runs)["step-size-survives"] == "reproduced"


def test_where_each_cell_is_judged_what_its_arms_measure_is_told() -> None:
    moved = judged("covariate_shift", made("covariate_shift", 1))["shift-fed"].outcome
    level = {v["arm"]: v["value"] for v in moved.values if v["cell"].endswith("relu") and v["seed"] == 1}
    assert all(f"{value:.3g} {arm}" in moved.measured for arm, value in level.items()), (moved.measured, level)
