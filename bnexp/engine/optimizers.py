"""How the gradients of many networks become steps, each network's at its own learning rate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from bnexp.config import OptimizerConfig


class SGD:
    """Plain gradient descent: p ← p − lr·g."""

    def step(self, key: str, p: Tensor, g: Tensor, lr: Tensor) -> None:
        """Move parameters `[N, ...]` in place by their gradients; lr `[N, 1, ...]`. `key` names them."""
        p.addcmul_(g, lr, value=-1)

    def state(self) -> dict[str, Any]:
        """What it keeps from one step to the next."""
        return {name: value for name, value in vars(self).items() if isinstance(value, dict)}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from such a state."""
        vars(self).update(state)


class Momentum(SGD):
    """The heavy ball: v ← μ·v + g, p ← p − lr·v (§4.2)."""

    def __init__(self, momentum: float) -> None:
        self.momentum = momentum
        self.velocities: dict[str, Tensor] = {}

    def step(self, key: str, p: Tensor, g: Tensor, lr: Tensor) -> None:
        """See `SGD.step`."""
        if key not in self.velocities:
            self.velocities[key] = torch.zeros_like(p)
        p.addcmul_(self.velocities[key].mul_(self.momentum).add_(g), lr, value=-1)


class Adam(SGD):
    """Kingma & Ba 2015, Algorithm 1."""

    def __init__(self, beta1: float, beta2: float, eps: float) -> None:
        self.beta1, self.beta2, self.eps = beta1, beta2, eps
        self.moments: dict[str, tuple[Tensor, Tensor]] = {}
        self.steps: dict[str, int] = {}

    def step(self, key: str, p: Tensor, g: Tensor, lr: Tensor) -> None:
        """See `SGD.step`."""
        if key not in self.moments:
            self.moments[key] = torch.zeros_like(p), torch.zeros_like(p)
        self.steps[key] = t = self.steps.get(key, 0) + 1
        first, second = self.moments[key]
        first.lerp_(g, 1 - self.beta1)
        second.mul_(self.beta2).addcmul_(g, g, value=1 - self.beta2)
        root = (second / (1 - self.beta2**t)).sqrt_().add_(self.eps)
        p.addcmul_(first / root, lr, value=-1 / (1 - self.beta1**t))


class Adagrad(SGD):
    """Duchi et al. 2011, its diagonal form: s ← s + g², p ← p − lr·g/(√s + ε)."""

    def __init__(self, eps: float) -> None:
        self.eps = eps
        self.squares: dict[str, Tensor] = {}

    def step(self, key: str, p: Tensor, g: Tensor, lr: Tensor) -> None:
        """See `SGD.step`."""
        if key not in self.squares:
            self.squares[key] = torch.zeros_like(p)
        root = self.squares[key].addcmul_(g, g).sqrt().add_(self.eps)
        p.addcmul_(g / root, lr, value=-1)


def build(config: OptimizerConfig) -> SGD:
    """The optimizer that `config` describes."""
    makers: dict[str, Callable[[], SGD]] = {
        "sgd": SGD,
        "momentum": lambda: Momentum(config.momentum),
        "adam": lambda: Adam(config.momentum, config.beta2, config.eps),
        "adagrad": lambda: Adagrad(config.eps),
    }
    return makers[config.name]()
