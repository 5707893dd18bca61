"""What is left of the accuracy on images that were changed: by noise, by an attacker, by another domain."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

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
"""Domains that were not trained on."""


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

    `unchanged`, on images as they are; `kept/…` with the population statistics as they are, `recomputed/…` with those
    of the new domain (Algorithm 2). On the first half of many images
    statistics are recomputed, the second half is classified.
    """

    def measure(self, moment: Moment) -> dict[str, float]:
        if moment.after is not None:
            names = [f"{what}/{shift}" for shift in SHIFTS for what in ("kept", "recomputed")]
            return dict.fromkeys(["unchanged", *names], math.nan)
        seen, tested = moment.many.chunk(2)
        targets = moment.many_targets[len(seen) :]
        measured = {"unchanged": accuracy(moment, tested, targets)}
        for shift, change in SHIFTS.items():
            images = change(tested)
            measured[f"kept/{shift}"] = accuracy(moment, images, targets)
            measured[f"recomputed/{shift}"] = accuracy(moment, images, targets, moment.adapted(change(seen)))
        return measured


@torch.no_grad()
def accuracy(moment: Moment, images: Tensor, targets: Tensor, tensors: dict[str, Tensor] | None = None) -> float:
    """The fraction of these images that is classified correctly, at inference."""
    logits = moment.logits(images, tensors or moment.before, training=False)
    return float((logits.argmax(-1) == targets).float().mean()) if logits.isfinite().all() else math.nan
