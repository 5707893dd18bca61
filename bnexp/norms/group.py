"""Group normalisation (Wu & He 2018): statistics over groups of an example's features."""

from __future__ import annotations

from torch import nn


class GroupNorm(nn.GroupNorm):
    """PyTorch's own, of `[batch, features]` or `[batch, features, height, width]`.

    y = γ·(x − μ)/√(σ² + ε) + β, with μ and the biased σ² over the features of a group, and over all locations.
    Training and inference are the same: nothing depends on the mini-batch.

    Errors: ValueError where the groups do not divide the features, or a group has a single value.
    """

    replaces_bias = True

    def __init__(self, features: int, groups: int, eps: float = 1e-5) -> None:
        super().__init__(groups, features, eps)
