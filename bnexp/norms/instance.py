"""Instance normalisation (Ulyanov et al. 2016): statistics over the locations of one feature map of one example."""

from __future__ import annotations

from torch import Tensor

from bnexp.norms.group import GroupNorm


class InstanceNorm(GroupNorm):
    """A group per feature; of `[batch, features, height, width]`.

    Errors: ValueError for features without locations, as in a fully connected layer, whose variance is 0.
    """

    per_feature = True

    def __init__(self, features: int, eps: float = 1e-5) -> None:
        super().__init__(features, features, eps)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2:].numel() == 1:
            raise ValueError(
                "instance normalisation takes its statistics over the locations of a feature map; "
                f"an input of shape {list(x.shape)} has one location per feature, and variance 0"
            )
        return super().forward(x)
