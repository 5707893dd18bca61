"""What is said of BN, a line each, with the claims that answer it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bnexp.report import effects, explanations
from bnexp.report.explanations import Found
from bnexp.report.tables import markdown


@dataclass(frozen=True)
class Answer:
    """A claim that bears on a saying."""

    experiment: str
    claim: str
    where: str
    """In a few words, of which networks it is."""


@dataclass(frozen=True)
class Saying:
    """What is said of BN, as short as people say it."""

    sentence: str
    answers: tuple[Answer, ...]
    common: bool = True
    """Whether it is said so often that the project's README answers it."""


ITS_BEST = "each at its own best rate"

SAYINGS = (
    Saying(
        "Networks learn faster with it.",
        (
            Answer("mnist_activations", "fewer-steps-95", "one setting"),
            Answer("mnist_table", "table-own-best-steps-95-binary", "each at its own best settings"),
            Answer("optimizers", "optimizers-speed-95", f"four optimizers, {ITS_BEST}"),
            Answer("inception", "steps-bn_baseline", "Inception, BN alone, under half the steps"),
            Answer("inception", "steps-bn_x5", "Inception, with all that BN allows"),
            Answer("inception", "steps-of-bn", "the same, BN and its rate against the other changes alone"),
            Answer("inception_tuned", "tuned-steps", "Inception, each at its own best settings"),
            Answer("recurrent", "recurrent-all", f"recurrent networks, {ITS_BEST}"),
        ),
    ),
    Saying(
        "They end higher.",
        (
            Answer("mnist_activations", "higher-accuracy", "one setting"),
            Answer("mnist_table", "table-own-best-binary", "each at its own best settings"),
            Answer("inception_tuned", "tuned-accuracy", "Inception, each at its own best settings"),
            Answer("norms", "norms-bn", f"Inception, {ITS_BEST}"),
        ),
    ),
    Saying(
        "Higher learning rates can be used.",
        (
            Answer("lr_tolerance", "lr-highest", "three nonlinearities, two depths"),
            Answer("ablation", "lr-faster", "Inception with BN gains by five times the rate"),
        ),
    ),
    Saying(
        "Initial weights need less care.",
        (
            Answer("init_robustness", "init-spread", "how far accuracies spread over them"),
            Answer("init_robustness", "init-share", "how many of them train"),
        ),
    ),
    Saying(
        "Deep networks of sigmoids train.",
        (
            Answer("saturating", "sigmoid-trains-with-bn", "with BN all train"),
            Answer("saturating", "sigmoid-fails-deep", "without BN, 20 layers do not"),
        ),
    ),
    Saying(
        "Signals and gradients keep their size through the layers.",
        (
            Answer("gradient_flow", "gradient-flow", "gradients, at the worst of the training"),
            Answer(
                "gradient_flow",
                "explodes-at-initialisation",
                "gradients, against it: at first they grow by 1.211 a layer",
            ),
            Answer("signal_depth", "depth-small-changes", "small changes of the weights grow less"),
        ),
    ),
    Saying(
        "It regularises.",
        (
            Answer("gap", "gap-at-every-loss", "a narrower gap to the training images, wherever it is read"),
            Answer("noise", "noise-gap", "the more, the noisier its statistics are"),
            Answer("ablation", "companions", "Inception gains by companions that change"),
        ),
    ),
    Saying(
        "Dropout can go.",
        (
            Answer("regularisation", "dropout-can-go-bn", "large training sets"),
            Answer("ablation", "dropout-faster", "Inception learns faster without it"),
        ),
    ),
    Saying(
        "It belongs before the nonlinearity.",
        (Answer("placement", "placement-stability-at-rates", "a more stable mean than after it"),),
    ),
    Saying(
        "Inference needs statistics of many images.",
        (
            Answer("statistics", "one-batch-is-too-few", "one mini-batch is too few"),
            Answer("adaptation", "adapts-blurred", "blurred images want statistics of their own"),
            Answer("adaptation", "adapts-noisy", "so do noisy ones"),
            Answer("fine_tuning", "fine-tuning-new", "so do other digits"),
        ),
    ),
    Saying(
        "Statistics of mini-batches keep what tells examples apart.",
        (Answer("absolute_scale", "absolute-scale-kept", "contrasts, which a mini-batch's statistics keep"),),
        common=False,
    ),
    Saying(
        "γ and β are needed, and learn much.",
        (
            Answer("affine", "affine-sigmoid", "sigmoid networks end higher with them"),
            Answer("affine", "affine-alone", "half of the digits, all else left at random"),
        ),
        common=False,
    ),
    Saying(
        "It hurts with small mini-batches, and on noisy images.",
        (
            Answer("batch_size", "small-batch-bn", "mini-batches of 2 and of 4"),
            Answer("robustness", "robust-noise-0.3", "more is lost under noise"),
            Answer("robustness", "robust-pgd-0.05", "more is lost under attack"),
            Answer("robustness", "robust-pgd-0.05-plain-rate", "the same, both at the plain network's best rate"),
        ),
    ),
    Saying(
        "What goes into the nonlinearities is nearly Gaussian.",
        (
            Answer("more_gaussian", "gaussian-skew", "less skewed than what comes out"),
            Answer("more_gaussian", "gaussian-tails", "its tails, too"),
        ),
        common=False,
    ),
    Saying(
        "The gradient must go through the normalisation.",
        (
            Answer("naive_norm", "naive-biases-sigmoid", "outside it, biases of sigmoid networks grow"),
            Answer("naive_norm", "naive-biases-relu", "so do those of ReLU networks"),
            Answer("naive_norm", "naive-scaled", "with the variance outside it, too, networks end lower"),
        ),
        common=False,
    ),
    Saying(
        "Whitening is not worth its price.",
        (
            Answer("whitening", "whitening-cheap", "BN is as fast, to a factor of 1.5"),
            Answer("whitening", "whitening-pixels", "whitened pixels train faster than raw ones, on test images"),
        ),
        common=False,
    ),
    Saying(
        "Six networks together are better than the best of them.",
        (Answer("ensemble", "ensemble-best", "Inception"),),
        common=False,
    ),
)
"""With the explanations they have every main claim that is no control, but for `paper`'s."""


def answered(found: Found) -> list[tuple[Saying, list[tuple[Answer, Mapping[str, Any]]]]]:
    """The sayings that something is found of, each with its answers and their entries of `verdict.json`."""
    known = []
    for saying in SAYINGS:
        answers = [(answer, found.get((answer.experiment, answer.claim))) for answer in saying.answers]
        known.append((saying, [(answer, claim) for answer, claim in answers if claim is not None]))
    return [(saying, answers) for saying, answers in known if answers]


def _labels() -> Iterator[tuple[tuple[str, str], str]]:
    for saying in SAYINGS:
        for answer in saying.answers:
            yield (answer.experiment, answer.claim), f"{saying.sentence.removesuffix('.')}: {answer.where}"
    for explanation in explanations.EXPLANATIONS:
        for witness in explanation.witnesses:
            for network in explanations.networks(witness) if witness.short else ():
                words = f"{explanation.name}{', against it' * witness.denies}: {witness.short}"
                on_inception = network == explanations.INCEPTION
                yield witness.on(network), f"{words}, {network}" if on_inception else words


LABELS = dict(_labels())
"""By experiment and main claim what it answers, in the order in which people ask."""


def table(found: Found, results: str = "", common: bool = False) -> list[str]:
    """In Markdown, a row for each saying that something is found of, and one of the explanations.

    `results` is the way from the page to the folder of results; `common` leaves out what is seldom said.
    """
    rows = []
    for saying, answers in answered(found):
        if common and not saying.common:
            continue
        lines = []
        for answer, claim in answers:
            where = f"[{answer.where}]({results}{answer.experiment}/README.md)"
            lines.append(f"**{claim['verdict'].capitalize()}**, {where}: {told(claim)}")
        rows.append((saying.sentence, "<br>".join(lines)))
    words: dict[str, list[str]] = {}
    for explanation in explanations.EXPLANATIONS if explanations.judged(found) else ():
        words.setdefault(explanations.word(explanation, found), []).append(explanation.name.lower())
    lines = [f"**{word[:1].upper()}{word[1:]}**: {', '.join(names)}" for word, names in words.items()]
    if lines:
        rows.append((f"[Why it works]({results}explanations.md).", "<br>".join(lines)))
    return markdown(("what is said of BN", "what we find, and how sure"), rows)


def told(claim: Mapping[str, Any]) -> str:
    """The effect with what was measured, its interval or what its cells say, n, data set, epochs and flags."""
    apart = effects.effect({**claim, "by_cells": True}) if claim["kind"] != "rate" else ""
    cells = f"{len(claim['cells'])} cells {apart}" if claim["cells"] and not claim.get("by_cells") else ""
    flags = (f"*{flag}*" for flag in claim["flags"])
    measured = f"{effects.effect(claim)} ({effects.levels(claim)})"
    of_runs = f"n = {claim['n']}", claim.get("data"), claim.get("epochs")
    return ", ".join(filter(None, (measured, effects.certainty(claim), *of_runs, cells, *flags)))
