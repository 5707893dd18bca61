"""A norm of the user's, tried in its network before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from bnexp import models, targets
from bnexp.config import ConfigError, RunConfig
from bnexp.engine.copies import copied
from bnexp.norms import own

EXAMPLES = 8
"""Of the mini-batch that a network of convolutions is tried on, at most: all would take as long as a step."""


def check_norm(config: RunConfig, shape: tuple[int, ...], classes: int) -> None:
    """One step and one inference, with what `norm.target` names, on a mini-batch of noise; `shape` is an image's.

    Errors: ConfigError where the norm returns another shape, raises something, or cannot be copied for measuring.
    """
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
