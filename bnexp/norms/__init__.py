"""Normalisations, one small file each, and the contract they keep.

A norm is an `nn.Module` made from the number of features, which maps `[batch, features]` (or
`[batch, features, height, width]`) to the same shape. It may say `replaces_bias = True`: the affine map
before it then has no bias. A norm with an attribute `lead` can train many networks at once by itself
(see `bnexp.population`); every other is mapped over the networks as it is.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable

from torch import nn

from bnexp.config import ConfigError, NormConfig
from bnexp.norms.batch import BatchNorm, estimate_population, fold

__all__ = ["BatchNorm", "NormFactory", "estimate_population", "factory", "fold"]

NormFactory = Callable[[int], nn.Module]


def factory(config: NormConfig) -> NormFactory:
    """The maker of the layers that `config` describes.

    Errors: ConfigError where `norm.target` names nothing that can be imported and called.
    """
    if config.name == "none":
        return lambda features: nn.Identity()
    if config.name == "batch":
        return lambda features: BatchNorm(features, config.eps, config.statistics, config.momentum)
    return _named(config.target or "")


def _named(target: str) -> NormFactory:
    module, _, name = target.partition(":")
    advice = "write it as package.module:Class, importable from the current folder"
    try:
        made = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise ConfigError(f"norm.target={target}: {error}; {advice}") from error
    if not callable(made):
        raise ConfigError(f"norm.target={target} is no class or function; {advice}")
    return made  # type: ignore[no-any-return]
