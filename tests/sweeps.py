"""The arms of every experiment on MNIST, by hand: as claimed (1), the other way round (−1) or without a difference (0).

Which of them may depend on the cell, so that some say one thing and some another.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from controls import CONTROLS
from handmade import BN, KINDS, PLAIN, SELECTING, STEPS, Fields, Sign, is_bn, noise, record, sweep, wandering

from bnexp.claims.adaptation import SHIFTS, STATISTICS
from bnexp.claims.batch_size import ABOUT
from bnexp.claims.gradient_flow import EXPLOSION, PRECISELY
from bnexp.claims.random_matrices import OFF, SPREAD
from bnexp.claims.robustness import CHANGES
from bnexp.runs.records import Record

RATES = (0.00562, 0.01, 0.0178, 0.0316, 0.0562, 0.1, 0.178, 0.316, 0.562, 1.0, 1.78, 3.16, 5.62)
"""Of the middle of the grid of `lr_tolerance`, a quarter of a decade apart."""


def table(sign: Sign, **more: Any) -> list[Record]:
    """Learning rates and initial scales, of which the second ones are best, and the last ones may come to nothing."""

    def run(fields: Fields) -> Record:
        off = abs(math.log10(fields["lr"] / 0.3)) + abs(math.log10(fields["init.scale"] / 0.2))
        worth = sign(fields) if is_bn(fields) else 0
        high = 0.97 - 0.005 * off + 0.01 * worth + noise(fields)
        lost = fields["lr"] == 1 and fields["init.scale"] == 0.4 and sign(fields) == (-1 if is_bn(fields) else 1)
        return record(fields, 0.85 if lost else high, {1: 100, 0: 200, -1: 400}[worth], high, **more)

    axes = {"lr": (0.1, 0.3, 1.0), "init_scale": (0.1, 0.2, 0.4), "data_binarize": (False, True)}
    return sweep(run, seeds=SELECTING, **axes)


def rates(sign: Sign, **axes: Sequence[Any]) -> list[Record]:
    """From the smallest to the largest rate that trains, the best one inside, and the step of arrival."""
    trains = {0: (0.0316, 0.316, 1.0, 200), 1: (0.01, 1.0, 3.16, 100), -1: (0.1, 0.1, 0.316, 400)}

    def run(fields: Fields) -> Record:
        worth = sign(fields) if is_bn(fields) else 0
        low, best, high, at = trains[worth]
        final = 0.3
        if low <= fields["lr"] <= high:
            final = 0.97 + 0.015 * worth + 0.005 * (fields["lr"] == best)
        return record(fields, final + noise(fields), at)

    return sweep(run, seeds=SELECTING, lr=RATES, **axes)


def lr_tolerance(sign: Sign) -> list[Record]:
    return rates(sign, model_activation=KINDS, model_depth=(3, 9))


def optimizers(sign: Sign) -> list[Record]:
    return rates(sign, optimizer_name=("sgd", "momentum", "adagrad", "adam"))


def init_robustness(sign: Sign, seeds: Sequence[int] = (*range(10), 1000)) -> list[Record]:
    """One arm for which everything will do, and one that needs care."""
    schemes = {"gaussian": 0.0, "xavier": -0.02, "he": 0.01, "orthogonal": -0.01}

    def run(fields: Fields) -> float:
        worth = sign(fields)
        scheme, scale = fields["init.scheme"], fields["init.scale"]
        best = 0.002 * (scheme == "he" and scale == 1)
        if worth == (1 if is_bn(fields) else -1):
            return 0.97 + best
        return 0.3 if scale != 1 or scheme == "gaussian" else 0.94 + schemes[scheme] + best

    axes = {"init_scheme": tuple(schemes), "init_scale": (0.01, 0.1, 1.0, 10.0), "model_activation": KINDS}
    return sweep(run, seeds=seeds, **axes)


def saturating(sign: Sign, seeds: Sequence[int] = range(10)) -> list[Record]:
    def run(fields: Fields) -> Record:
        worth = sign(fields)
        depth = fields["model.depth"]
        sigmoid = fields["model.activation"] == "sigmoid" and not fields["model.residual"]
        final = {1: 0.97, 0: 0.92, -1: 0.85 if sigmoid else 0.91}[worth] if is_bn(fields) else 0.92
        if sigmoid and depth == 12 and worth > 0 and not is_bn(fields):
            final = 0.11
        full = 0.5 - 0.2 * worth * is_bn(fields)
        return record(fields, final + noise(fields), **{f"saturated/hidden{i}": full for i in range(1, depth + 1)})

    kinds = ("sigmoid", "tanh", "relu")
    large: dict[str, Sequence[Any]] = {"model_activation": kinds[:2], "model_residual": (False,), "init_scale": (3.0,)}
    return [
        *sweep(run, seeds=seeds, model_depth=(3, 12), model_activation=kinds, model_residual=(False, True)),
        *sweep(run, seeds=seeds, model_depth=(3, 12), **large),
    ]


def gradient_flow(sign: Sign) -> list[Record]:
    """Decades by which the gradient grows for each layer towards the input: at step 0, and at the worst step."""
    off = EXPLOSION + PRECISELY
    first = {1: (EXPLOSION, 0.0), 0: (off, off), -1: (0.0, 0.1)}
    worst = {1: (0.02, 0.2), 0: (0.2, 0.2), -1: (0.4, 0.2)}

    def run(fields: Fields) -> Record:
        depth, arm, worth = fields["model.depth"], 0 if is_bn(fields) else 1, sign(fields)
        slopes = np.array([first[worth][arm], *[0.0] * (len(STEPS) - 2), worst[worth][arm]]) + noise(fields)
        norms = {f"gradient_norm/linear{i}": 10.0 ** (slopes * (depth - i)) for i in range(1, depth + 1)}
        return record(fields, 0.9, **norms)

    return sweep(run, model_depth=(3, 12), model_activation=("sigmoid", "tanh", "relu"))


def batch_size(sign: Sign) -> list[Record]:
    """Each size at rates around that which is proportional to it, and ghost batches and two classes at 60."""
    layer, group = ({"norm.name": name, "norm.placement": "before"} for name in ("layer", "group"))
    renorm = {"norm.name": "batch_renorm", "norm.placement": "before", "norm.schedule": 0.5}

    ends = {1: {"small": 0.89, "few": 0.93, "moving": 0.89, "ghost": 0.89, "usual": 0.97}, 0: {}}
    ends[-1] = {"small": 0.99, "few": 0.97, "moving": 0.98, "ghost": 0.97, "usual": 0.95}

    def run(fields: Fields) -> Record:
        worth, batch = sign(fields), fields["batch"]
        rate = 0.1 * batch / 60
        fields = fields | {"lr": rate * fields["lr"], "steps": 55000 // batch}
        case = "few" if "data.classes_per_batch" in fields else "ghost" if "norm.ghost" in fields else "usual"
        case = "small" if batch in (2, 4) else "moving" if fields.get("norm.statistics") == "moving" else case
        final = ends[worth].get(case, 0.96) if is_bn(fields) else 0.96
        final -= 0.01 * (not math.isclose(fields["lr"], rate))
        more = {1: 1.0, 0: ABOUT, -1: 0.3}[worth] * math.sqrt(60 / 4) if batch == 4 else 1.0
        return record(fields, final + noise(fields), companion_noise=0.1 * more + noise(fields) / 10)

    around = (1 / 3, 1.0, 3.0)
    return [
        *sweep(run, (PLAIN, BN, layer, group, renorm), SELECTING, batch=(2, 4, 60, 1024), lr=around),
        *sweep(run, (BN | {"norm.ghost": 4},), SELECTING, batch=(60,), lr=around),
        *sweep(
            run,
            (PLAIN, BN, BN | {"norm.statistics": "moving"}, layer, renorm),
            SELECTING,
            batch=(60,),
            lr=around,
            data_classes_per_batch=(2,),
        ),
    ]


def placement(sign: Sign) -> list[Record]:
    def run(fields: Fields) -> Record:
        place = fields.get("norm.placement", "none")
        worth = sign(fields) * {"none": -1, "before": 0, "after": 1, "hidden_input": 1}[place]
        calm = sign(fields) * {"none": -1, "before": 1, "after": 0, "hidden_input": 0}[place]
        near = 0.005 * (fields["lr"] == 0.3)
        far = {1: 0.2, 0: 0.4, -1: 0.8}[calm] * (1 + 20 * noise(fields))
        shape = {1: 0.1, 0: 0.5, -1: 1.0}[calm] + noise(fields)
        return record(
            fields,
            0.95 + 0.01 * worth + near + noise(fields),
            {1: 100, 0: 200, -1: 400}[worth],
            moments=wandering(far, far / 2),
            **{f"saturated/hidden{i}": 0.5 - 0.2 * calm for i in (1, 2, 3)},
            **{f"{name}/hidden3": shape for name in ("skewness", "kurtosis")},
        )

    arms = (PLAIN, *({**BN, "norm.placement": place} for place in ("before", "after", "hidden_input")))
    return sweep(run, arms, SELECTING, model_activation=KINDS, lr=(0.03, 0.3, 3.0))


def regularisation(sign: Sign) -> list[Record]:
    """Of the rates and weights above 0 the middle one and the smaller one are best."""

    def run(fields: Fields) -> Record:
        worth, dropout, l2 = sign(fields), fields["model.dropout"], fields["l2"]
        needs = worth == (-1 if is_bn(fields) else 1)  # dropout and L2 improve it
        final = 0.94 - 0.005 * (dropout in (0.1, 0.5)) - 0.005 * (l2 == 1e-3)
        if worth:
            final += (0.02 if needs else -0.02) * ((dropout > 0) + (l2 > 0))
        return record(fields, final + noise(fields), companion_noise=0.1)

    sizes = (500, 2000, 10000, 55000)
    axes = {"model_dropout": (0.0, 0.1, 0.25, 0.5), "l2": (0.0, 1e-4, 1e-3), "data_examples": sizes}
    return sweep(run, seeds=SELECTING, **axes)


def gap(sign: Sign) -> list[Record]:
    """Training losses fall alike; what of the test loss is left differs."""

    def run(fields: Fields) -> Record:
        worth, dropout = sign(fields), fields["model.dropout"] > 0
        wide = 0.4 - 0.2 * worth * is_bn(fields) - 0.1 * worth * dropout
        trained = [2.3, 1.0, 0.4, 0.2, 0.08, 0.008, 0.001]
        measured = {
            "train_loss_at_inference": trained,
            "train_accuracy": [0.1, *[0.99] * 6],
            "loss": [loss + wide + noise(fields) for loss in trained],
            "accuracy": [0.1, *[0.99 - wide / 10 + noise(fields)] * 6],
        }
        return record(fields, 0.97, **measured)

    return sweep(run, model_dropout=(0.0, 0.1), data_examples=(500, 2000, 10000))


def statistics(sign: Sign) -> list[Record]:
    """The same networks, with other statistics at inference."""
    arms: list[Fields] = [
        PLAIN,
        *(BN | {"norm.batches": batches} for batches in (1, 100, 1000)),
        *(BN | {"norm.statistics": "moving", "norm.momentum": momentum} for momentum in (0.01, 0.1, 0.9)),
        BN | {"norm.statistics": "batch"},
    ]

    def run(fields: Fields) -> Record:
        worth, batches = sign(fields), fields.get("norm.batches")
        other = batches == 1 or fields.get("norm.statistics") in ("moving", "batch")
        final = 0.95 - 0.01 * worth * other + 0.01 * (batches == 1000 and fields["batch"] == 60 and worth < 0)
        far = (0.2 + 0.1 * worth * other) * (1 + 20 * noise(fields))
        return record(fields, final + noise(fields), moments=wandering(far, far / 2))

    small = [arm for arm in arms if arm.get("norm.batches") not in (1, 100) and arm.get("norm.momentum") in (None, 0.1)]
    return [*sweep(run, arms, batch=(60,)), *sweep(run, small, batch=(6,))]


def mechanisms(sign: Sign) -> list[Record]:
    """No norm, BN and noisy BN over rates of which the middle one is best, with what the probes measure."""
    noisy = {"norm.name": "noisy_batch", "norm.placement": "before"}

    def run(fields: Fields) -> Record:
        worth, name = sign(fields), fields["norm.name"]
        less = 1.0 - 0.5 * worth * (name == "batch") + noise(fields)
        calm = 1.0 + 0.5 * worth + noise(fields) if name == "noisy_batch" else less
        at = {1: 100, 0: 100, -1: 400}[worth] if name == "noisy_batch" else 200 if worth and name == "none" else 100
        final = 0.97 + 0.01 * min(worth, 0) * (name == "noisy_batch") - 0.005 * (fields["lr"] != 0.3)
        probes = {f"{probe}/hidden2": less for probe in ("moved_spread", "moved_w1")}
        probes |= {"moved_mean/hidden2": 1.0 - 0.5 * worth * (name != "none") + noise(fields)}
        probes |= {"moved_w1_fed/hidden2": less, "moved_w1_front/hidden2": less}
        probes |= {"moved_w1_tr/hidden2": calm}
        probes |= {"moved_gradient/hidden2": less, "turned_gradient/hidden2": less, "moved_spread_tr/hidden2": less}
        probes |= {"loss_range": less * (1 + 0.5 * worth * (fields["lr"] == 1.0))}
        probes |= dict.fromkeys(("gradient_change", "smoothness"), less)
        probes |= {"jacobian_spread/hidden2": less, "jacobian_median/hidden2": -less, "moved_mean_tr/hidden2": calm}
        probes |= {"jacobian_unequal/hidden2": less}
        for metric in ("skew", "tails"):
            probes |= {f"{metric}_in/hidden2": 0.5 + noise(fields), f"{metric}_out/hidden2": 0.5 + 0.3 * worth}
        probes |= {f"under_{change}": 0.5 - 0.1 * worth * (name == "batch") + noise(fields) for change in CHANGES}
        probes |= {"clean": 0.9 - noise(fields), "kept/unchanged": 0.9, "recomputed/unchanged": 0.9 + noise(fields)}
        probes |= {f"kept/{shift}": 0.5 for shift in SHIFTS}
        for statistics in STATISTICS:
            probes |= {f"{statistics}/{shift}": 0.7 + 0.1 * worth + noise(fields) for shift in SHIFTS}
        return record(fields, final + noise(fields), at, **probes)

    return sweep(run, (PLAIN, BN, noisy), SELECTING, model_activation=KINDS, lr=(0.1, 0.3, 1.0))


def drifting_norm(sign: Sign) -> list[Record]:
    """Rates of which the middle one is best; what drifts moves more than what has no norm."""
    drifting = {"norm.name": "noisy_batch", "norm.placement": "before", "norm.drift": 200}

    def run(fields: Fields) -> Record:
        worth, drifts = sign(fields), "norm.drift" in fields
        at = 200 if fields["norm.name"] == "none" else {1: 100, 0: 200, -1: 400}[worth]
        moves = (1.0 + 0.5 * worth * drifts) * (1 + noise(fields))
        final = 0.97 + 0.01 * min(worth, 0) * drifts - 0.005 * (fields["lr"] != 0.3) + noise(fields)
        return record(fields, final, at, **dict.fromkeys(("moved_mean/hidden2", "moved_w1_fed/hidden2"), moves))

    return sweep(run, (PLAIN, BN, drifting), SELECTING, model_activation=KINDS, lr=(0.1, 0.3, 1.0))


def signal_depth(sign: Sign) -> list[Record]:
    """Slopes of gradients and of small changes, and ranks, at step 0."""
    off = EXPLOSION + PRECISELY
    slopes = {1: (EXPLOSION, 0.0), 0: (off, PRECISELY), -1: (0.0, 0.1)}
    ranks = {1: (60.0, 2.0), 0: (50.0, 3.0), -1: (5.0, 20.0)}

    def run(fields: Fields) -> Record:
        worth, arm, depth = sign(fields), 0 if is_bn(fields) else 1, fields["model.depth"]
        off = noise(fields)
        grows = 0.05 - 0.02 * worth * is_bn(fields) + off
        metrics = {}
        for i in range(1, depth + 1):
            metrics[f"gradient_norm/linear{i}"] = 10 ** ((slopes[worth][arm] + off) * (depth - i))
            metrics[f"sensitivity/hidden{i}"] = 0.01 * 10 ** (grows * i)
            metrics[f"rank/hidden{i}"] = (60.0 if depth == 3 and arm else ranks[worth][arm]) + 10 * off
        return record(fields | {"model.width": 100}, 0.1, **metrics)

    return sweep(run, model_depth=(3, 12), model_activation=("relu",))


def random_matrices(sign: Sign) -> list[Record]:
    """How far singular values spread at step 0."""

    def run(fields: Fields) -> Record:
        spread = SPREAD + (0 if sign(fields) > 0 else 2 * OFF) + noise(fields)
        return record(fields, 0.95, **{"jacobian_spread/hidden2": spread})

    return sweep(run, (PLAIN,), model_activation=("relu",))


def step_size(sign: Sign) -> list[Record]:
    """BN's best rate is three times the plain network's, at which both are as fast, or BN is slower.

    Of these rates the one survives larger ones, or the other. Six seeds, for some of it is a yes or no.
    """
    survived = {1: (1.0, 0.1), 0: (0.3, 0.3), -1: (0.1, 1.0)}

    def run(fields: Fields) -> Record:
        worth, lr = sign(fields), fields["lr"]
        best = 1.0 if is_bn(fields) else 0.3
        loss = [1.0] + [0.9 if lr <= survived[worth][not is_bn(fields)] else 2.0] * (len(STEPS) - 1)
        if not is_bn(fields) and lr > 0.3 and worth:
            return record(fields, 0.5, loss=loss)
        at = {1: 200, 0: 160, -1: 100}[worth] if is_bn(fields) and lr == 0.3 else 200
        if is_bn(fields) and lr == 1.0:
            at = {1: 100, 0: 200, -1: 400}[worth]
        final = 0.98 - 0.005 * (lr != best) + noise(fields)
        accuracy = [0.1, *(final if step >= at else 0.4 for step in STEPS[1:])]
        return record(fields, final, at, loss=loss, accuracy=accuracy)

    return sweep(run, seeds=(*range(6), 1000), model_activation=KINDS, lr=(0.03, 0.1, 0.3, 1.0, 3.0))


def affine(sign: Sign) -> list[Record]:
    """γ and β learnt, not learnt, and alone."""

    def run(fields: Fields) -> float:
        worth = sign(fields)
        best = -0.005 * (fields["lr"] != 0.3)
        if fields.get("trained"):
            return 0.5 + 0.1 * worth + best
        return 0.95 - 0.01 * worth * ("norm.affine" in fields) + best

    arms = (BN, BN | {"norm.affine": False}, BN | {"trained": "norms"})
    return sweep(run, arms, SELECTING, model_activation=KINDS, lr=(0.1, 0.3, 1.0))


MECHANISMS = ("covariate_shift", "landscape", "jacobian", "noisy_norm", "more_gaussian", "robustness", "adaptation")
"""The subjects of one set of runs."""

MADE: dict[str, Callable[[Sign], list[Record]]] = {
    "table": table,
    "lr_tolerance": lr_tolerance,
    "optimizers": optimizers,
    "init_robustness": init_robustness,
    "saturating": saturating,
    "gradient_flow": gradient_flow,
    "batch_size": batch_size,
    "placement": placement,
    "regularisation": regularisation,
    "gap": gap,
    "statistics": statistics,
    "drifting_norm": drifting_norm,
    "signal_depth": signal_depth,
    "affine": affine,
    "step_size": step_size,
    "random_matrices": random_matrices,
    **dict.fromkeys(MECHANISMS, mechanisms),
    **CONTROLS,
}


def made(name: str, sign: int) -> list[Record]:
    """The subject's runs where all cells say the same."""
    return MADE[name](lambda fields: sign)
