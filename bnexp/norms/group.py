"""Group normalisation (Wu & He 2018), and layer and instance normalisation: the same over all features, or one."""

from __future__ import annotations

from torch import Tensor, nn


class GroupNorm(nn.GroupNorm):
    """PyTorch's own, of `[batch, features]` or `[batch, features, height, width]`.

    y = γ·(x − μ)/√(σ² + ε) + β, with μ and the biased σ² over the features of a group, and over all locations.
    Training and inference are the same: nothing depends on the mini-batch.

    Errors: ValueError where the groups do not divide the features, or a group has a single value.
    """

    replaces_bias = True

    def __init__(self, features: int, groups: int, eps: float = 1e-5) -> None:
        super().__init__(groups, features, eps)


class LayerNorm(GroupNorm):
    """Layer normalisation (Ba et al. 2016): a single group.

    In a convolution with γ and β per feature map, as Wu & He 2018 have it.
    """

    def __init__(self, features: int, eps: float = 1e-5) -> None:
        super().__init__(features, 1, eps)


class InstanceNorm(GroupNorm):
    """Instance normalisation (Ulyanov et al. 2016): a group per feature; of `[batch, features, height, width]`.

    Errors: ValueError for features without locations, as in a fully connected layer, whose variance is 0.
    """

    per_feature = True
    inputs = ("maps",)

    def __init__(self, features: int, eps: float = 1e-5) -> None:
        super().__init__(features, features, eps)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2:].numel() == 1:
            raise ValueError(
                "instance normalisation takes its statistics over the locations of a feature map; "
                f"an input of shape {list(x.shape)} has one location per feature, and variance 0"
            )
        return super().forward(x)
