"""Mini-batches of few classes, whose examples are not independent of each other (Ioffe 2017, §4.3)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from bnexp.config import ConfigError
from bnexp.data.batches import BatchOrder
from bnexp.seeds import stream


class FewClasses(BatchOrder):
    """The mini-batches of N networks, each with examples of `classes` classes that are drawn anew for it.

    There are equally many of each class, and they come in turns: the first ones of all the classes, then the second
    ones, and so on. Within a class they are shuffled passes over those that the network has; the next pass begins where
    one ends, be it within a mini-batch. A network's mini-batches depend on its seed, the labels and these numbers
    alone. Raises `ConfigError` if there is not one whole mini-batch or a network has examples of fewer classes.
    """

    def __init__(self, labels: Tensor, batch: int, seeds: Sequence[int], classes: int, used: int | None = None) -> None:
        super().__init__(len(labels), batch, seeds, used)
        self._classes = classes
        self._each = batch // classes
        self._draws = [
            _Passes(examples, labels, stream(seed, "classes"))
            for seed, examples in dict(zip(seeds, self.examples, strict=True)).items()
        ]
        least = min(len(draw.members) for draw in self._draws)
        if classes > least:
            raise ConfigError(f"data.classes_per_batch={classes}: the training examples are of {least} classes only")

    def next(self) -> Tensor:
        """See `BatchOrder.next`."""
        drawn = [draw.batch(self._classes, self._each) for draw in self._draws]
        return torch.stack(drawn)[self._rows]


class Transfer(BatchOrder):
    """The mini-batches of N networks, of the first classes for so many steps, then of the others.

    Within each half they are as a `BatchOrder` of its examples has them.
    """

    def __init__(self, labels: Tensor, batch: int, seeds: Sequence[int], classes: int, steps: int) -> None:
        at = [(labels < classes).nonzero().flatten(), (labels >= classes).nonzero().flatten()]
        self._halves = [BatchOrder(len(examples), batch, seeds) for examples in at]
        self._at_half = at
        self.first, self.examples = (examples.expand(len(seeds), -1) for examples in at)
        self._steps = steps
        self._taken = 0

    def next(self) -> Tensor:
        """See `BatchOrder.next`."""
        half = int(self._taken >= self._steps)
        self._taken += 1
        return self._at_half[half][self._halves[half].next()]


class _Passes:
    """One network's examples, class by class in shuffled passes."""

    def __init__(self, examples: Tensor, labels: Tensor, generator: torch.Generator) -> None:
        known = labels[examples]
        self.members = [examples[known == label] for label in sorted(set(known.tolist()))]
        """By class: its examples."""
        self.rest = [examples[:0] for _ in self.members]
        """By class: what is left of the present pass."""
        self.generator = generator

    def batch(self, classes: int, each: int) -> Tensor:
        """So many examples of each of so many classes, int64 `[each · classes]`."""
        chosen = torch.randperm(len(self.members), generator=self.generator)[:classes].tolist()
        return torch.stack([self._next(label, each) for label in chosen], 1).flatten()

    def _next(self, label: int, n: int) -> Tensor:
        members = self.members[label]
        while len(self.rest[label]) < n:
            shuffled = members[torch.randperm(len(members), generator=self.generator)]
            self.rest[label] = torch.cat([self.rest[label], shuffled])
        drawn, self.rest[label] = self.rest[label].tensor_split([n])
        return drawn
