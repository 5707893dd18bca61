"""The fully connected network of §4.1."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from torch import nn

from bnexp.norms import NormFactory

ACTIVATIONS: dict[str, type[nn.Module]] = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU}


class MLP(nn.Sequential):
    """Hidden layers z = g(norm(Wu)), the norm before the nonlinearity (§3.2), and a linear layer to the classes.

    Maps images `[batch, channels, height, width]` to logits `[batch, classes]`. Where the norm replaces
    the bias, the hidden layers have none. The layers are named `linear1`, `norm1`, `hidden1`, …, `classifier`.
    """

    def __init__(self, inputs: int, hidden: Sequence[int], classes: int, norm: NormFactory, activation: str) -> None:
        layers: dict[str, nn.Module] = {"flatten": nn.Flatten()}
        for i, width in enumerate(hidden, 1):
            normed = norm(width)
            layers[f"linear{i}"] = nn.Linear(inputs, width, bias=not getattr(normed, "replaces_bias", False))
            if not isinstance(normed, nn.Identity):
                layers[f"norm{i}"] = normed
            layers[f"hidden{i}"] = ACTIVATIONS[activation]()
            inputs = width
        layers["classifier"] = nn.Linear(inputs, classes)
        super().__init__(OrderedDict(layers))
