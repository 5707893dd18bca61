"""The training loop: configs in, evaluations out. It knows no folder, no TensorBoard and no claim."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any, Protocol

import numpy as np
import torch

from bnexp import data, models
from bnexp.config import RunConfig
from bnexp.data import BatchOrder, Dataset, View
from bnexp.engine.evaluation import Evaluation, Probes
from bnexp.engine.population import Population
from bnexp.engine.single import Single
from bnexp.models import Inception
from bnexp.seeds import stream

LOST = 50
"""Steps between two looks at whether a network has become NaN."""


class Keeper(Protocol):
    """Keeps the state of a training that may be cut short."""

    def load(self) -> dict[str, Any] | None:
        """The state last kept."""

    def due(self, step: int) -> bool:
        """Whether the state after so many steps is to be kept."""

    def keep(self, state: dict[str, Any]) -> None:
        """Keep it in place of the last."""


def schedule(steps: int, evaluations: int, spacing: str = "log") -> list[int]:
    """Step 0 and `evaluations` steps up to the last one, log-spaced or even; all where there are no more steps."""
    if steps <= evaluations:
        return list(range(steps + 1))
    if spacing == "even":
        return np.linspace(0, steps, evaluations + 1).round().astype(int).tolist()  # type: ignore[no-any-return]
    for points in count(evaluations):  # small steps coincide when rounded: widen until enough are left
        due = np.unique(np.geomspace(steps, 1, points).round().astype(int))
        if len(due) >= evaluations:
            return [0, *due.tolist()]
    raise AssertionError


def train(
    configs: Sequence[RunConfig],
    dataset: Dataset,
    device: str = "cpu",
    compile: bool = False,
    progress: Callable[[int], None] = lambda step: None,
    keeper: Keeper | None = None,
    rank: int = 0,
) -> Iterator[Evaluation]:
    """Train networks of one shape together and yield an evaluation of each at every step of the schedule.

    The configs may differ in what `bnexp.launch.stacks.form` lets differ. `progress` is told each step begun. A state
    that `keeper` has is gone on from, and the evaluations made before are yielded again: of a network on its own.
    Where processes train one network together, each calls this with its `rank`, and the first yields.
    """
    first = configs[0]
    dataset = dataset.to(device)
    view = View(first.data, dataset)
    shape = (dataset.train_images.shape[1], *(view.shape or dataset.train_images.shape[2:]))
    networks = [models.build(c, shape, dataset.classes, rank) for c in configs]
    trained: Population | Single
    if isinstance(networks[0], Inception):
        trained = Single(networks[0], device, first.optimizer, first.precision, first.nproc)
    else:
        trained = Population(networks, device, first.optimizer)
    if compile:
        setattr(trained, trained.compiled, _compiled(getattr(trained, trained.compiled)))
    order = BatchOrder(
        len(dataset.train_labels), first.batch, [c.seed for c in configs], first.data.examples, first.data.reshuffle
    )
    augmentation = [stream(c.seed, "augmentation") for c in configs]
    lr = torch.tensor([c.lr for c in configs], device=device)
    l2 = torch.tensor([c.l2 for c in configs], device=device) if any(c.l2 for c in configs) else None
    probes = Probes(configs, dataset, view, trained, order.own)
    share = first.batch // first.nproc
    part = slice(rank * share, (rank + 1) * share)
    due = schedule(first.steps, first.evaluations, first.spacing)
    begin, done = 0, list[Evaluation]()
    if keeper is not None and isinstance(trained, Single) and (state := keeper.load()) is not None:
        begin, done = state["step"], state["evaluations"]
        trained.restore(state["network"])
        for draw, drawn in zip([*augmentation, *probes.streams], state["streams"], strict=True):
            draw.set_state(drawn)
        torch.set_rng_state(state["torch"])
        order.skip(begin)
        yield from done

    feed = data.feed(dataset, order, first.steps + 1 - begin, part)
    for step, (images, labels) in enumerate(feed, begin):  # [N, B, C, H, W], [N, B]
        progress(step)
        if step > 0 and step % LOST == 0 and trained.lost:
            yield from (e.lost(s) for s in due if s >= step for e in done[-len(configs) :])
            return
        x = view.training(images, augmentation, part, first.batch)
        loss, gradients = trained.back_propagate(x, labels)
        if step in due and rank == 0:
            for evaluation in probes.evaluate(step, loss, gradients, last=step == first.steps):
                done.append(evaluation)
                yield evaluation
        if step < first.steps:
            rate = lr * math.exp(-first.decay * step / first.steps) if first.decay else lr
            trained.descend(gradients, rate, l2)
            if keeper is not None and isinstance(trained, Single) and keeper.due(step + 1):
                streams = [draw.get_state() for draw in [*augmentation, *probes.streams]]
                position = {"step": step + 1, "streams": streams, "torch": torch.get_rng_state()}
                keeper.keep(position | {"network": trained.state(), "evaluations": done})


def _compiled(step: Callable[..., Any]) -> Callable[..., Any]:
    """A function under `torch.compile`, or as it is, with a notice, where no compiler is to be had."""
    compiled = torch.compile(step)

    def attempt(*arguments: Any) -> Any:
        nonlocal compiled
        try:
            return compiled(*arguments)
        except torch._dynamo.exc.TorchDynamoException as error:
            reason = str(error).splitlines()[0]
            warnings.warn(f"compile=true: not compiled, training goes on without: {reason}", stacklevel=2)
            compiled = step
            return step(*arguments)

    return attempt
