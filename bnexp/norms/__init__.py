"""Normalisations, one small file each, and the contract they keep.

A norm is an `nn.Module` made from the number of features, which maps `[batch, features]` (or
`[batch, features, height, width]`) to the same shape. It may say `replaces_bias = True`: an affine map right
before it then has no bias; and `per_feature = True`: what becomes of a feature depends on no other. Those here have
a counterpart for many networks at once in `bnexp.engine.stacked`; any other (`own`) is used as it is.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from bnexp.config import NormConfig
from bnexp.norms import own
from bnexp.norms.batch import BatchNorm, estimate_population, estimating, fold
from bnexp.norms.batch_renorm import BatchRenorm, ramps
from bnexp.norms.contract import checks
from bnexp.norms.group import GroupNorm, InstanceNorm, LayerNorm
from bnexp.norms.naive import NaiveNorm
from bnexp.norms.noisy import NoisyBatchNorm
from bnexp.norms.own import NormFactory
from bnexp.norms.sync import SyncBatchNorm
from bnexp.norms.zca import ZCANorm

__all__ = [
    "BatchNorm",
    "BatchRenorm",
    "GroupNorm",
    "InstanceNorm",
    "LayerNorm",
    "NaiveNorm",
    "NoisyBatchNorm",
    "NormFactory",
    "SyncBatchNorm",
    "ZCANorm",
    "checks",
    "estimate_population",
    "estimating",
    "factory",
    "fold",
]


def factory(config: NormConfig, steps: int = 0) -> NormFactory:
    """The maker of the layers that `config` describes, in a training of so many steps; `norm.schedule` needs to know.

    Errors: ConfigError where `norm.target` names nothing that can be imported, and called with `norm.settings`.
    """
    c = config
    makers: dict[str, Callable[[int], nn.Module]] = {
        "none": lambda features: nn.Identity(),
        "batch": lambda features: (SyncBatchNorm if c.sync else BatchNorm)(
            features, c.eps, c.statistics, c.momentum, c.ghost
        ),
        "noisy_batch": lambda features: NoisyBatchNorm(features, c.drift, eps=c.eps),
        "batch_renorm": lambda features: BatchRenorm(features, c.eps, c.momentum, c.r_max, c.d_max, *ramps(c, steps)),
        "layer": lambda features: LayerNorm(features, c.eps),
        "group": lambda features: GroupNorm(features, c.groups, c.eps),
        "instance": lambda features: InstanceNorm(features, c.eps),
        "zca": lambda features: ZCANorm(features, c.groups, c.eps),
        "naive": lambda features: NaiveNorm(features, c.outside, c.eps, c.momentum),
    }
    if c.name == "module":
        return own.factory(c)

    def maker(features: int, spatial: bool = False) -> nn.Module:
        return makers[c.name](features)

    return maker
