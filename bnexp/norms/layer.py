"""Layer normalisation (Ba et al. 2016): statistics over all features of an example."""

from __future__ import annotations

from bnexp.norms.group import GroupNorm


class LayerNorm(GroupNorm):
    """A single group; in a convolution with γ and β per feature map, as Wu & He 2018 have it."""

    def __init__(self, features: int, eps: float = 1e-5) -> None:
        super().__init__(features, 1, eps)
