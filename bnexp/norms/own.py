"""A norm of the user's: the layer that `norm.target` names, its settings and its source."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Sequence
from typing import Any, Protocol

from torch import Tensor, nn

from bnexp import targets
from bnexp.config import Config, ConfigError, NormConfig

KEY = "norm.target"


class NormFactory(Protocol):
    """Makes a norm of so many features, or feature maps where its input is `spatial`."""

    def __call__(self, features: int, spatial: bool = False) -> nn.Module: ...


def factory(config: NormConfig) -> NormFactory:
    """The maker of the layers that `norm.target` names: called with the number of features and `norm.settings`.

    It is told whether its input is `spatial` if it has a parameter of that name. Errors: ConfigError where the target
    cannot be had or is not called like that, and from the maker where what it returns is no layer.
    """
    target = str(config.target)
    make: Any = targets.load(KEY, target)
    if not callable(make):
        raise ConfigError(f"{KEY}={target} is no class or function: name one that is called with the features")
    asks = "spatial" in _checked(target, make, config.settings)

    def maker(features: int, spatial: bool = False) -> nn.Module:
        made: Any = make(features, **({"spatial": spatial} if asks else {}) | config.settings)
        if made is None:
            raise ConfigError(f"{KEY}={target} returns None where a layer is needed: is its `return` missing?")
        if not isinstance(made, nn.Module):
            raise ConfigError(f"{KEY}={target} returns a {type(made).__name__} where an nn.Module is needed")
        made.register_forward_hook(functools.partial(_same_shape, target))
        return made

    return maker


def norms_in(network: nn.Module) -> list[nn.Module]:
    """The layers of a network that came from `norm.target`."""
    return [m for m in network.modules() if any(_of_ours(hook) for hook in m._forward_hooks.values())]


def _of_ours(hook: Any) -> bool:
    return isinstance(hook, functools.partial) and hook.func is _same_shape


def _same_shape(target: str, norm: nn.Module, inputs: tuple[Tensor, ...], output: Any) -> None:
    """The contract of a norm, held against each of its passes."""
    name, (x, *_) = type(norm).__name__, inputs
    if not isinstance(output, Tensor):
        raise ConfigError(f"{KEY}={target}: {name} returns a {type(output).__name__}; a tensor is needed")
    if output.shape != x.shape:
        raise ConfigError(
            f"{KEY}={target}: {name} maps {list(x.shape)} to {list(output.shape)}; the same shape is needed"
        )


def _checked(target: str, make: Any, settings: dict[str, Any]) -> dict[str, inspect.Parameter]:
    """The parameters of the target that can be named; ConfigError where the settings do not fit them."""
    try:
        signature = inspect.signature(make)
    except (TypeError, ValueError):  # one that is not written in Python
        return {}
    named = {
        name: parameter
        for name, parameter in list(signature.parameters.items())[1:]
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }
    filled_in = {"spatial": False} if "spatial" in named else {}
    try:
        signature.bind(1, **filled_in | settings)
    except TypeError as error:
        raise ConfigError(
            f"{KEY}={target} cannot be called with the number of features"
            f"{''.join(f', {name}={value}' for name, value in settings.items())}: {error}; "
            f"as norm.settings it takes {', '.join(named) or 'nothing'}"
        ) from error
    return named


def settle(configs: Sequence[Config]) -> list[Config]:
    """As `targets.settle`; ConfigError also where a norm cannot be called as it would be."""
    settled = targets.settle(configs, "norm")
    for config in settled:
        if config.norm.name == "module":
            factory(config.norm)
    return settled
