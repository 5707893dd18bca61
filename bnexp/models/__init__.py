"""Networks as plain `nn.Module`s that take a norm factory."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bnexp import norms
from bnexp.config import InitConfig, ModelConfig, NormConfig, RunConfig
from bnexp.models import own
from bnexp.models.dropout import Dropout
from bnexp.models.inception import TABLE, Convolution, Inception, Maker, Row
from bnexp.models.mlp import MLP, Add
from bnexp.models.recurrent import Recurrent
from bnexp.norms import NormFactory
from bnexp.seeds import stream

__all__ = [
    "AFFINE",
    "BUILDERS",
    "MLP",
    "Add",
    "Dropout",
    "Inception",
    "build",
    "in_front_of_norms",
    "layout_of",
    "of_norm",
    "operations",
    "parameters",
]

AFFINE = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
"""The layers whose weights are drawn, and decay."""

OF_NORM = "_of_norm"
"""The attribute by which the layers are known that the maker of norms has made, whatever they are called."""


def layout_of(network: nn.Module) -> torch.memory_format:
    """How a network wants images to lie in memory; it says so by an attribute `channels_last = True`."""
    return torch.channels_last if getattr(network, "channels_last", False) else torch.contiguous_format


@dataclass(frozen=True)
class Plan:
    """What a builder makes a network from."""

    config: RunConfig
    shape: tuple[int, ...]
    """Of one image, `[C, H, W]`."""
    classes: int
    norm: NormFactory
    dropout: Callable[[str], nn.Module]
    """By the layer's name; each draws from a stream of its own."""
    rows: Sequence[Row] = TABLE
    """For Inception: those of Figure 5, or as it is printed."""


def _mlp(plan: Plan) -> nn.Module:
    model = plan.config.model
    return MLP(
        math.prod(plan.shape),
        model.depth,
        model.width,
        plan.classes,
        plan.norm,
        model.activation,
        plan.config.norm.placement,
        plan.dropout if model.dropout else None,
        model.residual,
        model.skip_init,
    )


def _inception(plan: Plan) -> nn.Module:
    model, norm = plan.config.model, plan.config.norm
    return Inception(
        plan.shape,
        plan.classes,
        model.name == "inception_small",
        [row for row in plan.rows if row.name in model.modules],
        model.multiplier,
        Maker(plan.norm, model.activation, norm.placement),
        model.lrn,
        plan.dropout("dropout") if model.dropout else None,
        norm.per_activation,
    )


def _recurrent(plan: Plan) -> nn.Module:
    model = plan.config.model
    how = model.cell, model.scan, model.normed, model.first_gamma
    return Recurrent(plan.shape, model.width, plan.classes, plan.norm, *how)


BUILDERS: dict[str, Callable[[Plan], nn.Module]] = {
    "mlp": _mlp,
    "inception": _inception,
    "inception_small": _inception,
    "recurrent": _recurrent,
    "module": lambda plan: own.build(plan.config, plan.shape, plan.classes, plan.norm),
}
"""By the names in `config.MODELS`."""


def parameters(
    model: ModelConfig, norm: NormConfig, shape: tuple[int, ...], classes: int, rows: Sequence[Row] = TABLE
) -> int:
    """How many parameters a network has."""
    config = RunConfig(model=model, norm=norm)
    with torch.device("meta"):
        network = BUILDERS[model.name](Plan(config, shape, classes, norms.factory(config.norm), _dropout(config), rows))
    return sum(p.numel() for p in network.parameters())


def layers(model: ModelConfig) -> int:
    """The affine maps on the longest way from the input to the logits; of recurrent networks in a time step."""
    if model.name == "mlp":
        return model.depth + 1
    if model.name == "recurrent":
        return 2
    return 2 + 3 * len(model.modules) + (2 if model.name == "inception" else 0)


def build(config: RunConfig, shape: tuple[int, ...], classes: int, rank: int = 0) -> nn.Module:
    """The network of one run with its initial weights, on the CPU.

    `shape` is that of one image. Each layer draws from a stream of its own, named after the layer, so
    layers that two arms have in common start equal whatever else the arms have (matched networks). Where several
    processes train one network, each has its `rank`, and dropout of its own.
    """
    factory = norms.factory(config.norm, config.steps)
    made: list[nn.Module] = []

    def norm(features: int, spatial: bool = False) -> nn.Module:
        made.append(factory(features, spatial))
        return made[-1]

    network = BUILDERS[config.model.name](Plan(config, shape, classes, norm, _dropout(config, rank)))
    for number, norm_layer in enumerate(made):
        if not config.norm.affine:
            norm_layer.requires_grad_(False)
        for layer in norm_layer.modules():
            setattr(layer, OF_NORM, True)
            if isinstance(layer, norms.NoisyBatchNorm):
                of_rank = [f"rank{rank}"] if rank else []
                layer.generator = stream(config.seed, f"noise{number}", *of_rank)
    with torch.no_grad():
        for name, layer in network.named_modules():
            if not of_norm(layer):
                for parameter in layer.parameters(recurse=False) if config.trained == "norms" else ():
                    parameter.requires_grad_(False)
                _initialise(layer, name, config)
        for name in in_front_of_norms(network) if config.norm.weights != 1 else ():
            network.get_parameter(f"{name}.weight").mul_(config.norm.weights)
    return network


def in_front_of_norms(network: nn.Module) -> set[str]:
    """The affine maps of a network from `build` right behind which a norm is defined."""
    names = list(network.named_children())
    return {
        name
        for (name, layer), (_, following) in itertools.pairwise(names)
        if isinstance(layer, AFFINE) and of_norm(following)
    }


def of_norm(layer: nn.Module) -> bool:
    """Whether a layer of a network from `build` is a norm or within one."""
    return bool(getattr(layer, OF_NORM, False))


def operations(network: nn.Module, shape: tuple[int, ...]) -> float:
    """Multiplications and additions for one image, of the products and convolutions in a network, counted."""
    from torch.utils.flop_counter import FlopCounterMode  # slow

    with FlopCounterMode(display=False) as counter:
        own.infer(network, shape)
    return float(counter.get_total_flops()) / 2


def _dropout(config: RunConfig, rank: int = 0) -> Callable[[str], nn.Module]:
    place = (str(rank),) if rank else ()
    return lambda name: Dropout(config.model.dropout, stream(config.seed, "dropout", name, *place))


def _initialise(layer: nn.Module, name: str, config: RunConfig) -> None:
    """Draw the weights of an affine map; other layers are left as they are."""
    if isinstance(layer, Convolution):
        for i, weight in enumerate(torch.split(layer.weight, layer.widths)):
            _draw(weight, config.init, stream(config.seed, "weights", name, str(i)))
    elif isinstance(layer, AFFINE):
        _draw(layer.weight, config.init, stream(config.seed, "weights", name))
    else:
        return
    if layer.bias is not None:
        layer.bias.fill_(config.init.scheme == "equal_biases")


def _draw(weight: Tensor, init: InitConfig, generator: torch.Generator) -> None:
    """Initial weights `[outputs, inputs]`, or those of a convolution `[outputs, inputs, height, width]`."""
    if init.scheme == "orthogonal":
        nn.init.orthogonal_(weight, init.scale, generator)
        return
    inputs, outputs = weight[0].numel(), weight[:, 0].numel()
    unit = {"xavier": math.sqrt(2 / (inputs + outputs)), "he": math.sqrt(2 / inputs)}.get(init.scheme, 1.0)
    weight.normal_(0, unit * init.scale, generator=generator)
