"""What is left of the accuracy on images that were changed: by noise, by an attacker, by another domain."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from bnexp import norms
from bnexp.data import digits
from bnexp.data.dataset import pixels
from bnexp.engine.copies import copied, put
from bnexp.engine.probes.moment import Moment, Probe

NOISE = (0.1, 0.3, 0.5)
"""Standard deviations of the noise, of the range of the pixels."""

ATTACKS = (0.02, 0.05, 0.1)
"""How far a pixel may be moved."""

PGD_STEPS = 10


def _rotated(x: Tensor) -> Tensor:
    from torchvision.transforms.v2.functional import rotate  # type: ignore[import-untyped]  # slow

    turned: Tensor = rotate(x, 30.0)
    return turned


def _blurred(x: Tensor) -> Tensor:
    from torchvision.transforms.v2.functional import gaussian_blur  # slow

    soft: Tensor = gaussian_blur(x, [7, 7], [2.0, 2.0])
    return soft


SHIFTS: dict[str, Callable[[Tensor], Tensor]] = {
    "inverted": lambda x: x.max() + x.min() - x,
    "rotated": _rotated,
    "blurred": _blurred,
    "faint": lambda x: 0.3 * x,
    "noisy": lambda x: x + 0.5 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0)).to(x),
}
"""Domains that were not trained on, made of test images."""

DOMAINS = ("unchanged", *SHIFTS, "uci")
"""Test images as they are, these, and UCI's handwritten digits: ten classes, too, written and scanned by others."""

STATISTICS = ("kept", "recomputed", "own")
"""Those of the population as they are, those of the new domain, and those of the mini-batch that is classified."""


class Robustness(Probe):
    """The accuracy at the end on many images that were changed, at inference; NaN before the end.

    `clean`, on the images as they are; `under_noise/…`; `under_fgsm/…` and `under_pgd/…` (Goodfellow et al. 2015, Madry
    et al. 2018), by the strength.
    """

    def measure(self, moment: Moment) -> dict[str, float]:
        names = (
            ["clean"]
            + [f"under_noise/{s:g}" for s in NOISE]
            + [f"under_{attack}/{far:g}" for attack in ("fgsm", "pgd") for far in ATTACKS]
        )
        if moment.after is not None:
            return dict.fromkeys(names, math.nan)
        x = moment.many
        noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0)).to(x)
        changed = [x] + [x + strength * noise for strength in NOISE]
        changed += [attacked(moment, x, far, 1) for far in ATTACKS]
        changed += [attacked(moment, x, far, PGD_STEPS) for far in ATTACKS]
        return dict(zip(names, (accuracy(moment, images, moment.many_targets) for images in changed), strict=True))


def attacked(moment: Moment, x: Tensor, far: float, steps: int) -> Tensor:
    """The images moved up the loss, each pixel by at most so far; in one step, or in several smaller ones."""
    length = far if steps == 1 else 2.5 * far / steps
    changed = x.clone()
    for _ in range(steps):
        changed.requires_grad_()
        with torch.enable_grad():
            loss = functional.cross_entropy(moment.logits(changed, moment.before, training=False), moment.many_targets)
            (gradient,) = torch.autograd.grad(loss, changed)
        changed = (x + (changed.detach() + length * gradient.sign() - x).clamp(-far, far)).clamp(x.min(), x.max())
    return changed


class Adaptation(Probe):
    """The accuracy at the end on other domains (§5), at inference; NaN before the end.

    By domain `kept/…` with the population statistics as they are, `recomputed/…` with the domain's (Algorithm 2),
    `own/…` with those of each mini-batch, as large as in training, that is classified. On the first half of a domain's
    images statistics are recomputed, the second half is classified. `…/uci` says nothing of networks of other classes.
    """

    def measure(self, moment: Moment) -> dict[str, float]:
        if moment.after is not None:
            return {f"{statistics}/{domain}": math.nan for domain in DOMAINS for statistics in STATISTICS}
        measured = {}
        for domain in DOMAINS:
            images, labels = of_domain(moment, domain)
            seen, tested = images.chunk(2)
            targets = labels[len(seen) :]
            measured[f"kept/{domain}"] = accuracy(moment, tested, targets)
            measured[f"recomputed/{domain}"] = accuracy(moment, tested, targets, moment.adapted(seen))
            measured[f"own/{domain}"] = accuracy_by_own_statistics(moment, tested, targets)
        return measured


def of_domain(moment: Moment, domain: str) -> tuple[Tensor, Tensor]:
    """Images of a domain as the network takes them, `[M, C, H, W]`, and their labels."""
    x = moment.many
    if domain == "uci":
        small, labels = uci_digits()
        large = functional.interpolate(small.to(x), x.shape[-2:], mode="bilinear").expand(-1, x.shape[1], -1, -1)
        return x.min() + (x.max() - x.min()) * large, labels.to(x.device)
    return (x if domain == "unchanged" else SHIFTS[domain](x)), moment.many_targets


@functools.cache
def uci_digits() -> tuple[Tensor, Tensor]:
    """All that come with scikit-learn, in [0, 1], `[1797, 1, 8, 8]`, and their labels."""
    read = digits.read()
    images = torch.cat([read.train_images, read.test_images])
    return pixels(images), torch.cat([read.train_labels, read.test_labels])


@torch.no_grad()
def accuracy(moment: Moment, images: Tensor, targets: Tensor, tensors: dict[str, Tensor] | None = None) -> float:
    """The fraction of these images that is classified correctly, at inference."""
    return _right(moment.logits(images, tensors or moment.before, training=False), targets)


@torch.no_grad()
def accuracy_by_own_statistics(moment: Moment, images: Tensor, targets: Tensor) -> float:
    """The same of their whole mini-batches, each normalised by its own statistics, where Algorithm 2 gives them."""
    network = copied(moment.network)
    put(moment.before, network)
    norms.estimating(network)
    logits = torch.cat([network(batch) for batch in moment.batches(images)])
    return _right(logits, targets[: len(logits)])


def _right(logits: Tensor, targets: Tensor) -> float:
    """NaN where a logit is not finite."""
    return float((logits.argmax(-1) == targets).float().mean()) if logits.isfinite().all() else math.nan
