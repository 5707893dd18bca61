"""A network of the user's: what `model.target` makes, held against what training needs of it."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bnexp import targets
from bnexp.config import ConfigError, RunConfig
from bnexp.norms import NormFactory
from bnexp.seeds import stream

KEY = "model.target"


def build(config: RunConfig, shape: tuple[int, ...], classes: int, norm: NormFactory) -> nn.Module:
    """What the target returns, called with the shape of an image, the number of classes, `norm` and `model.settings`.

    It must map images `[B, C, H, W]` to logits `[B, classes]`, and have `watched`, the names of the layers whose inputs
    are looked at. Where it draws random numbers, the run's seed decides. Errors: ConfigError naming the target.
    """
    target, settings = str(config.model.target), config.model.settings
    written = f"{KEY}={target}"
    make = targets.load(KEY, target)
    if not callable(make):
        raise ConfigError(f"{written} is no class or function: name one that returns a network")
    signature = targets.signature(make)
    try:
        signature.bind(shape, classes, norm, **settings)
    except TypeError as error:
        given = "".join(f", {name}={value}" for name, value in settings.items())
        raise ConfigError(f"{written} cannot be called with shape, classes, norm{given}: {error}") from error
    with torch.random.fork_rng(devices=[]), _named(written):
        torch.manual_seed(stream(config.seed, "weights").initial_seed())
        network = make(shape, classes, norm, **settings)
        _check(written, network, shape, classes)
    return network  # type: ignore[no-any-return]


def _check(written: str, network: Any, shape: tuple[int, ...], classes: int) -> None:
    """ConfigError for what is no network that can be trained and looked at."""
    if not isinstance(network, nn.Module):
        missing = ": is its `return` missing?" if network is None else ""
        raise ConfigError(f"{written} returns a {type(network).__name__} where a network is needed{missing}")
    watched = getattr(network, "watched", None)
    if not isinstance(watched, Sequence) or isinstance(watched, str) or not watched:
        raise ConfigError(
            f"{written}: the {type(network).__name__} that it returns has no list `watched`; name the layers whose "
            'inputs are to be looked at, as in network.watched = ["relu1", "relu2"]'
        )
    layers = dict(network.named_modules())
    for name in watched:
        if name not in layers:
            known = ", ".join(list(layers)[1:25])
            raise ConfigError(f"{written}: watched names a layer {name}, which is not in it; there are: {known}")
    inputs: dict[str, list[Tensor]] = {name: [] for name in watched}

    def keep(name: str, layer: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        inputs[name].append(arguments[0])

    with contextlib.ExitStack() as hooks:
        for name in watched:
            hooks.enter_context(layers[name].register_forward_pre_hook(functools.partial(keep, name)))
        logits = infer(network, shape)
    if not isinstance(logits, Tensor) or logits.shape != (2, classes):
        got = list(logits.shape) if isinstance(logits, Tensor) else f"a {type(logits).__name__}"
        raise ConfigError(f"{written}: it maps images {[2, *shape]} to {got}; logits {[2, classes]} are needed")
    for name, seen in inputs.items():
        if len(seen) != 1:
            times = "is not used" if not seen else f"is applied {len(seen)} times: give each place a layer of its own"
            raise ConfigError(f"{written}: the watched layer {name} {times}")
        if seen[0].dim() not in (2, 3, 4):
            raise ConfigError(f"{written}: the watched layer {name} is given {list(seen[0].shape)}; 2 to 4 dimensions")
    if not any(p.dim() > 1 and p.requires_grad for p in network.parameters()):
        raise ConfigError(f"{written}: it has no weights that could be trained")


@torch.no_grad()
def infer(network: nn.Module, shape: tuple[int, ...]) -> Any:
    """What comes out for two black images; leaves the network in training mode."""
    outputs = network.eval()(torch.zeros(2, *shape))
    network.train()
    return outputs


@contextlib.contextmanager
def _named(written: str) -> Iterator[None]:
    """An error in the user's code as a ConfigError with its place."""
    try:
        yield
    except ConfigError:
        raise
    except (Exception, SystemExit) as error:
        raise ConfigError(f"{written}: {targets.place(error)}") from error
