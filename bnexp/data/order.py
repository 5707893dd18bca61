"""The order in which a population's networks see the training set."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from bnexp.config import ConfigError
from bnexp.seeds import stream


class BatchOrder:
    """The mini-batches of N networks: each network's own shuffled passes over the training set.

    A network's batches depend on its seed, the number of examples and the batch size alone, never on the networks
    beside it, so networks of equal seeds see equal batches. What an epoch leaves over after its last whole batch is
    dropped. Raises `ConfigError` if there is not one whole batch.
    """

    def __init__(self, examples: int, batch: int, seeds: Sequence[int]) -> None:
        if batch > examples:
            raise ConfigError(f"batch={batch} is larger than the training set of {examples:,} examples")
        self._examples = examples
        self._batch = batch
        self._generators = {seed: stream(seed, "batches") for seed in seeds}
        rows = {seed: row for row, seed in enumerate(self._generators)}
        self._rows = torch.tensor([rows[seed] for seed in seeds])
        self._epoch: Tensor  # int64 [N, examples]
        self._end = examples - examples % batch
        self._at = self._end

    def next(self) -> Tensor:
        """Indices of each network's next mini-batch, int64 [N, batch]: a view, to be read only."""
        if self._at == self._end:
            drawn = [torch.randperm(self._examples, generator=g) for g in self._generators.values()]
            self._epoch = torch.stack(drawn)[self._rows]
            self._at = 0
        start, self._at = self._at, self._at + self._batch
        return self._epoch[:, start : self._at]
