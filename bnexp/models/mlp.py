"""The fully connected network of §4.1, and its variants."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import Tensor, nn

from bnexp.norms import NormFactory

ACTIVATIONS: dict[str, type[nn.Module]] = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU}


class Add(nn.Module):
    """A residual connection: the sequence it stands in adds the input of its layer `source` here."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.source = source

    def extra_repr(self) -> str:
        return self.source

    def forward(self, x: Tensor, earlier: Tensor) -> Tensor:
        return x + earlier


class SkipInit(nn.Module):
    """A learnt factor on a residual branch, 0 at first, so that a block begins as the identity (De & Smith 2020)."""

    def __init__(self) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.alpha


class MLP(nn.Sequential):
    """Hidden layers z = g(norm(Wu)), the norm before the nonlinearity (§3.2), and a linear layer to the classes.

    Maps images `[batch, channels, height, width]` to logits `[batch, classes]`. Placed `after`, the norm is
    z = norm(g(Wu + b)); on the `input`, z = g(W norm(u) + b), and so on the `hidden_input`, where the first layer has
    no norm. A hidden layer has no bias where a norm that replaces it comes right behind. `dropout` makes the layer that
    follows hidden layer i, by its name, or None for none at all; with `residual` every hidden layer but the first adds
    its input, with `skip_init` to a branch that begins at 0. The layers are named `linear1`, `norm1`, `hidden1`,
    `dropout1`, `skip2`, `add2`, …, `classifier`.
    """

    def __init__(
        self,
        inputs: int,
        depth: int,
        width: int,
        classes: int,
        norm: NormFactory,
        activation: str,
        placement: str = "before",
        dropout: Callable[[str], nn.Module] | None = None,
        residual: bool = False,
        skip_init: bool = False,
    ) -> None:
        layers: dict[str, nn.Module] = {"flatten": nn.Flatten()}
        for i in range(1, depth + 1):
            on_input = placement in ("input", "hidden_input")
            bare = placement == "hidden_input" and i == 1
            normed = nn.Identity() if bare else norm(inputs if on_input else width)
            without_bias = placement == "before" and getattr(normed, "replaces_bias", False)
            block: dict[str, nn.Module] = {
                f"linear{i}": nn.Linear(inputs, width, bias=not without_bias),
                f"hidden{i}": ACTIVATIONS[activation](),
            }
            if type(normed) is not nn.Identity:
                block = _inserted(block, f"norm{i}", normed, 0 if on_input else {"before": 1, "after": 2}[placement])
            if dropout is not None:
                block[f"dropout{i}"] = dropout(f"dropout{i}")
            if residual and i > 1:
                block |= {f"skip{i}": SkipInit()} if skip_init else {}
                block[f"add{i}"] = Add(next(iter(block)))
            layers |= block
            inputs = width
        layers["classifier"] = nn.Linear(inputs, classes)
        super().__init__(OrderedDict(layers))

    def forward(self, x: Tensor) -> Tensor:
        inputs = {}
        for name, layer in self.named_children():
            inputs[name] = x
            x = layer(x, inputs[layer.source]) if isinstance(layer, Add) else layer(x)
        return x


def _inserted(layers: dict[str, nn.Module], name: str, layer: nn.Module, at: int) -> dict[str, nn.Module]:
    items = list(layers.items())
    return dict([*items[:at], (name, layer), *items[at:]])
