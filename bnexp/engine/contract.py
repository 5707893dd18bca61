"""What the user wrote of a network, tried in it before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from bnexp import models, targets
from bnexp.config import ConfigError, RunConfig
from bnexp.engine.copies import copied
from bnexp.norms import own

EXAMPLES = 8
"""Of the mini-batch that a network of convolutions is tried on, at most: all would take as long as a step."""


def try_out(config: RunConfig, shape: tuple[int, ...], classes: int) -> float | None:
    """Build a run's network and try what `norm.target` names; `shape` is an image's.

    Returns the operations of a network of the user's for one image, of others None. Errors: ConfigError for a network
    that cannot be trained or looked at, and where the norm returns another shape, raises something, or cannot be copied
    for measuring.
    """
    if config.norm.name == "module":
        network = _with_its_norm(config, shape, classes)
    else:
        network = models.build(config, shape, classes)
    return models.operations(network, shape) if config.model.name == "module" else None


def _with_its_norm(config: RunConfig, shape: tuple[int, ...], classes: int) -> nn.Module:
    """The network after one step and one inference on a mini-batch of noise."""
    examples = config.batch // config.nproc
    if config.model.name != "mlp":
        examples = min(examples, EXAMPLES)
    inputs: list[Sequence[int]] = []
    with torch.random.fork_rng([]):
        x = torch.rand(examples, *shape)
        try:
            network = models.build(config, shape, classes)
            for norm in own.norms_in(network):
                copied(norm)
                norm.register_forward_pre_hook(lambda _, given: inputs.append(list(given[0].shape)))
            network.train()(x).square().mean().backward()
            network.eval()(x[: examples // 2 + 1])
        except ConfigError:
            raise
        except (Exception, SystemExit) as error:
            given = f" on {inputs[-1]}" if inputs else ""
            raise ConfigError(f"{own.KEY}={config.norm.target} fails{given}: {targets.place(error)}") from error
    return network
