"""The arms of the experiments that control an explanation of BN, by hand, as in `sweeps`."""

from __future__ import annotations

import math

from handmade import BN, KINDS, PLAIN, SELECTING, STEPS, Fields, Sign, is_bn, noise, record, sweep

from bnexp.claims.mechanisms import LONGER
from bnexp.claims.noise import EQUAL, GHOSTS
from bnexp.claims.scale_invariance import SAME
from bnexp.runs.records import Record

GROWN = [max(step, 1) for step in STEPS]


def naive_norm(sign: Sign) -> list[Record]:
    """Rates of which 0.1 is best; biases that grow by a power of the steps."""
    naive: Fields = {"norm.name": "naive", "norm.placement": "before"}

    def run(fields: Fields) -> Record:
        worth, outside = sign(fields), fields["norm.name"] == "naive"
        up_to = {1: 0.316, 0: 1.0, -1: 5.62}[worth] if fields.get("norm.outside") == "both" else 1.0
        final = 0.95 - 0.01 * worth * outside - 0.03 * (fields["lr"] != 0.1) + noise(fields)
        grows = 0.2 + (0.15 * worth + noise(fields)) * outside
        measured = {"bias_norm/hidden2": [s**grows for s in GROWN], "loss": 1.5 ** (worth * outside) + noise(fields)}
        return record(fields, final if fields["lr"] <= up_to else 0.3, **measured)

    inside = BN | {"norm.affine": False}
    rates = (0.0316, 0.0562, 0.1, 0.178, 0.316, 0.562, 1, 1.78, 3.16, 5.62, 10.0, 17.8)
    arms = (PLAIN, BN, inside, naive, *(naive | {"norm.outside": what} for what in ("both", "averages")))
    return sweep(run, arms, SELECTING, model_activation=KINDS, lr=rates)


def scale_invariance(sign: Sign) -> list[Record]:
    """Weights of other scales; a grid of rates and L2 weights, in which the product or the quotient decides."""

    def run(fields: Fields) -> Record:
        worth, factor = sign(fields), fields.get("norm.weights")
        final = 0.95 + noise(fields)
        if factor and "norm.rate" in fields:
            final -= {1: 0.0, 0: SAME, -1: 0.01}[worth]
        elif factor:
            final -= 0.01 * worth
        grows = 0.2 - (0.1 * worth + noise(fields)) * is_bn(fields)
        times = {1: 0.1, 0: 1.0, -1: 10.0}[worth] if factor else 1.0
        if "norm.rate" in fields:
            times = {1: 1.0, 0: LONGER, -1: 2.0}[worth] / fields["norm.weights"]
        lengths = [(factor or 1) * s**grows for s in GROWN]
        gradients = [times * (1 + 10 * noise(fields)) / s**grows for s in GROWN]
        return record(fields, final, **{"weight_norm/hidden2": lengths, "gradient_norm/linear2": gradients})

    def decayed(fields: Fields) -> float:
        lr, l2 = math.log10(fields["lr"]), math.log10(fields["l2"])
        product, quotient = lr + l2 + 2.5, lr - l2 - 2.5
        by_product = {1: 1.0, 0: 0.5, -1: 0.0}[sign(fields)] if is_bn(fields) else 0.5
        return 0.9 + 0.02 * (by_product * product + (1 - by_product) * quotient)

    changed = [
        BN | {"norm.weights": factor, "norm.rate": rate} for factor, rate in ((0.1, 0.01), (10, 100), (100, 10000))
    ]
    arms = (PLAIN, BN, *changed, BN | {"norm.weights": 100})
    rates = (0.1, 0.316, 1.0)
    return [
        *sweep(run, arms, model_activation=KINDS, lr=(0.316,)),
        *sweep(decayed, lr=rates, l2=(3.16e-2, 1e-1, 3.16e-1), model_activation=("relu",)),
    ]


def whitening(sign: Sign) -> list[Record]:
    """Rates of which the middle one is best; steps to 95 %."""

    def run(fields: Fields) -> Record:
        worth, pixels = sign(fields), fields.get("data.pixels")
        faster = {1: 100, 0: 200, -1: 400}[worth]
        at = 200 if fields["norm.name"] == "none" and pixels is None else faster
        if pixels == "standardised" or is_bn(fields):
            at = {1: 100, 0: 200, -1: 750}[worth]
        trained = {1: 0.05, 0: 0.1, -1: 0.2}[worth] if pixels == "whitened" else 0.1
        losses = [2.3 if step < at else trained / 4 * math.exp(0.01 * noise(fields)) for step in STEPS]
        accuracy = 0.98 - 0.005 * (fields["lr"] != 0.3) + noise(fields)
        return record(fields, accuracy, at, train_loss_at_inference=losses)

    arms = (PLAIN, BN, BN | {"norm.name": "zca"}, *(PLAIN | {"data.pixels": p} for p in ("standardised", "whitened")))
    return sweep(run, arms, SELECTING, model_activation=KINDS, lr=(0.1, 0.3, 1.0))


def absolute_scale(sign: Sign) -> list[Record]:
    """Ten seeds, for it is a yes or no, in two cells."""

    def run(fields: Fields) -> float:
        worth, of_example = sign(fields), fields["norm.name"] == "layer"
        if worth < 0 and is_bn(fields):
            return 0.05
        return 0.1 if (worth > 0) == of_example else 0.95

    return sweep(run, (PLAIN, BN, BN | {"norm.name": "layer"}), range(10), lr=(0.03, 0.1))


def noise_of_statistics(sign: Sign) -> list[Record]:
    """What ghost batches and Dropout add, and the noise that they make; six seeds, for some of it is a yes or no."""

    def run(fields: Fields) -> Record:
        worth, ghost, rate = sign(fields), fields.get("norm.ghost"), fields.get("model.dropout")
        moving = fields.get("norm.statistics") == "moving"
        final, loud = 0.93 + noise(fields), 0.25 * (1 + 20 * noise(fields))
        if ghost:
            final, loud = final + 0.02 * worth, 0.5 * (1 + 20 * noise(fields))
        elif rate in EQUAL.values():
            final += {1: 0.02, 0: 0.005, -1: 0.02}[worth]
            loud = {1: 0.5, 0: 0.5 * math.exp(0.1), -1: 1.0}[worth] * (1 + 20 * noise(fields))
        if moving:
            final -= 0.02 * worth if rate else 0.02 * max(-worth, 0)
        if fields.get("data.classes_per_batch"):
            final -= 0.02 * worth * is_bn(fields)
        final -= 0.005 * (fields.get("lr") in (0.01, 0.3))
        fitted = {"train_accuracy": [0.1, *[1.0] * 6], "train_loss_at_inference": [2.3, *[0.05] * 6]}
        gap = 2 * (0.95 - final)
        return record(fields, final, **fitted, loss=[2.3 + gap, *[0.05 + gap] * 6], companion_noise=loud)

    moving = BN | {"norm.statistics": "moving"}
    small, seeds = {"data_examples": (2000,)}, range(6)
    return [
        *sweep(run, (BN,), seeds, model_dropout=(0.0, 0.02, 0.06, 0.5), **small),
        *sweep(run, [BN | {"norm.ghost": examples} for examples in GHOSTS], seeds, **small),
        *sweep(run, (moving,), seeds, model_dropout=(0.0, 0.5), **small),
        *sweep(run, seeds=(*seeds, 1000), data_classes_per_batch=(1, 2), lr=(0.01, 0.03, 0.3), **small),
        *sweep(run, seeds=(*seeds, 1000), lr=(0.01, 0.03, 0.3), **small),
    ]


def skip_init(sign: Sign) -> list[Record]:
    """Rates of which the middle one is best."""

    def run(fields: Fields) -> Record:
        worth, skips = sign(fields), "model.skip_init" in fields
        at = {1: 100, 0: 200, -1: 750}[worth] if skips else {1: 100, 0: 100, -1: 200}[worth]
        if not skips and not is_bn(fields):
            at = 200 if worth >= 0 else 400
        final = 0.97 + 0.01 * min(worth, 0) * skips - 0.005 * (fields["lr"] != 0.1) + noise(fields)
        branch = 1 - 0.5 * worth * is_bn(fields) + noise(fields)
        return record(fields, final, at, **{"branch/add12": branch})

    arms = (PLAIN, BN, PLAIN | {"model.skip_init": True})
    return sweep(run, arms, SELECTING, model_depth=(12,), lr=(0.03, 0.1, 0.3))


def fine_tuning(sign: Sign) -> list[Record]:
    """Rates of which the middle one is best."""

    def run(fields: Fields) -> float:
        worth, fixed = sign(fields), "norm.transfer" in fields
        final = 0.95 - 0.005 * (fields["lr"] != 0.3) - 0.01 * worth * (not fixed and not is_bn(fields))
        recomputed = fields.get("norm.transfer") == "recomputed"
        return final + 0.01 * (worth < 0) * (fixed and not recomputed)

    arms = (PLAIN, BN, *(BN | {"norm.transfer": how} for how in ("frozen", "recomputed")))
    return sweep(run, arms, SELECTING, model_activation=KINDS, lr=(0.1, 0.3, 1.0))


def recurrent(sign: Sign) -> list[Record]:
    """Rates of which the middle one is best; seven seeds, for some of it is a yes or no."""

    def run(fields: Fields) -> Record:
        worth, on_all = sign(fields), fields.get("model.normed") == "all"
        at = 200 if not is_bn(fields) else {1: 100, 0: 200, -1: 750}[worth]
        if is_bn(fields) and on_all and worth:
            at = {1: 50, -1: 1000}[worth]
        if fields.get("model.first_gamma") == 1:
            at = 200
        high = 0.3 if fields["model.scan"] == "pixels" and worth >= 0 else 0.95
        return record(fields, high - 0.005 * (fields["lr"] != 0.1) + noise(fields), at)

    seeds, rates = (*range(6), 1000), (0.03, 0.1, 0.3)
    normed = [BN | {"model.normed": where, "model.first_gamma": 0.1} for where in ("inputs", "all")]
    saturated = BN | {"model.normed": "all", "model.first_gamma": 1.0}
    return [
        *sweep(run, (PLAIN, *normed, saturated), seeds, model_cell=("tanh", "lstm"), model_scan=("rows",), lr=rates),
        *sweep(run, (PLAIN,), seeds, model_cell=("tanh",), model_scan=("pixels",), lr=rates),
    ]


CONTROLS = {
    "naive_norm": naive_norm,
    "scale_invariance": scale_invariance,
    "whitening": whitening,
    "absolute_scale": absolute_scale,
    "noise": noise_of_statistics,
    "skip_init": skip_init,
    "fine_tuning": fine_tuning,
    "recurrent": recurrent,
}
