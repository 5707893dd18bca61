"""§3.4: how much an example's activations depend on the companions in its mini-batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

REPEATS = 16
"""Mini-batches of new companions."""

EXAMPLES = 8
"""Examples that stay, at most; never more than half the mini-batch."""

Look = Callable[[Tensor, Callable[[str, Tensor], None]], None]


class Companions:
    """Measures N networks as in training, as often as it is asked, always on the same mini-batches.

    `examples` are the training examples that each network has, `[N, examples]`; `layer` names a nonlinearity. Each
    network's stream draws its examples that stay and the companions that come and go.
    """

    def __init__(self, examples: Tensor, batch: int, layer: str, draws: Sequence[torch.Generator]) -> None:
        self.layer = layer
        self.kept = max(1, min(EXAMPLES, batch // 2))

        def draw(n: int) -> Tensor:
            at = torch.stack([torch.randint(examples.shape[1], (n,), generator=draw) for draw in draws])
            return examples.gather(1, at)

        staying = draw(self.kept)  # [N, kept]
        self.batches = [torch.cat([staying, draw(batch - self.kept)], 1) for _ in range(REPEATS)]  # [N, B] each

    def noise(self, images: Callable[[Tensor], Tensor], look: Look) -> list[float]:
        """Standard deviation of an activation over the companions, in standard deviations over the examples.

        The activation is the input of the nonlinearity in training mode; variances are averaged over examples and
        units. `images` maps indices `[N, B]` to images; `look` is `Population.look`.
        """
        seen: list[Tensor] = []

        def watch(name: str, x: Tensor) -> None:
            if name == self.layer:
                seen.append(x)

        for indices in self.batches:
            look(images(indices), watch)
        x = torch.stack(seen, 1)  # [N, repeats, B, units]
        by_companions = x[:, :, : self.kept].var(1).mean((1, 2))
        by_example = x.flatten(1, 2).var(1).mean(1)
        ratio: list[float] = (by_companions / by_example).sqrt().tolist()
        return ratio
