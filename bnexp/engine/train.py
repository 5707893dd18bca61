"""The training loop: configs in, evaluations out. It knows no folder, no TensorBoard and no claim."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Protocol

import torch
from torch import nn

from bnexp import data, models
from bnexp.config import RunConfig
from bnexp.data import BatchOrder, Dataset, FewClasses, Transfer, View
from bnexp.engine.evaluation import Evaluation, Evaluator
from bnexp.engine.network import Network, Resumable
from bnexp.engine.population import Population
from bnexp.engine.probes import MANY, REFERENCE, Instruments
from bnexp.engine.schedule import due
from bnexp.engine.single import Single
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

    def refuse(self, reason: str) -> None:
        """Say that the state last kept does not fit."""


def train(
    configs: Sequence[RunConfig],
    dataset: Dataset,
    device: str = "cpu",
    compile: bool = False,
    progress: Callable[[int], None] = lambda step: None,
    keeper: Keeper | None = None,
    rank: int = 0,
    evaluating: Callable[[], None] = lambda: None,
) -> Iterator[Evaluation]:
    """Train networks of one shape together and yield an evaluation of each at every step of the schedule.

    The configs may differ in what `bnexp.launch.stacks.form` lets differ. `progress` is told each step begun, and
    `evaluating` called for each mini-batch of an evaluation. Where processes train one network together, each calls
    this with its `rank`, and the first yields. Of a network on its own, a state that `keeper` has is gone on from, and
    the evaluations made before are yielded again.
    """
    begin = partial(Training, configs, dataset.to(device), device, compile, rank, evaluating)
    training = begin()
    evaluations: list[Evaluation] = []
    if keeper is not None and (state := keeper.load()) is not None:
        try:
            evaluations = training.restore(state)
        except Exception as error:  # there is no end to what does not fit
            keeper.refuse(f"{type(error).__name__}: {error}")
            training = begin()
    yield from evaluations
    for evaluated in training.steps(progress):
        evaluations += evaluated
        yield from evaluated
        if keeper is not None and training.step <= training.last and keeper.due(training.step):
            keeper.keep(training.state(evaluations))


class Training:
    """Networks, the data they are fed and what is measured on them: all that a step needs, and its random streams."""

    def __init__(
        self,
        configs: Sequence[RunConfig],
        dataset: Dataset,
        device: str,
        compile: bool,
        rank: int,
        evaluating: Callable[[], None],
    ) -> None:
        first = configs[0]
        self.step = 0
        """The step to be taken next."""
        self.last = first.steps
        self.due = due(first)
        self.dataset = dataset
        self.view = View(first.data, dataset)
        plain = [models.build(c, self.view.inputs, dataset.classes, rank).to(device) for c in configs]
        self.network = _network(plain, configs, device)
        if compile:
            setattr(self.network, self.network.compiled, _compiled(getattr(self.network, self.network.compiled)))
        self.lr = torch.tensor([c.lr for c in configs], device=device)
        self.l2 = torch.tensor([c.l2 for c in configs], device=device) if any(c.l2 for c in configs) else None
        self.decay = first.decay
        self.order = _order(configs, dataset)
        self.batch = first.batch
        share = first.batch // first.nproc
        self.part = slice(rank * share, (rank + 1) * share)
        """Of every mini-batch, what this process works on."""
        self.evaluates = rank == 0
        self.fixes = first.norm.transfer if first.norm.transfer != "new" else ""
        """Whose statistics are constants in the second half, if they are."""
        self.augmentation = [stream(c.seed, "augmentation") for c in configs]
        self.evaluator = Evaluator(configs, dataset, self.view, self.network, self.order.examples)
        self.evaluator.beat = evaluating
        self.instruments: Instruments | None = None
        if first.probes and self.evaluates:
            reference, many = self.evaluator.reference(REFERENCE), self.evaluator.reference(MANY)
            batch = first.norm.ghost or self.evaluator.batch
            seeds = [c.seed for c in configs]
            self.instruments = Instruments(first.probes, plain, self.network, reference, many, batch, seeds)
        self.latest: list[Evaluation] = []
        """The last evaluation of each network."""

    def steps(self, progress: Callable[[int], None]) -> Iterator[list[Evaluation]]:
        """Take the steps that are left; after each, the evaluations that were due before it."""
        feed = data.feed(self.dataset, self.order, self.last + 1 - self.step, self.part)
        for step, (images, labels) in enumerate(feed, self.step):  # uint8 [N, B, C, H, W], int64 [N, B]
            progress(step)
            if self.fixes and step == self.last // 2:
                self.fix_statistics()
            x = self.view.training(images, self.augmentation, self.part, self.batch)
            loss, gradients = self.network.back_propagate(x, labels)  # [N], [N, …] each
            evaluations = []
            if step in self.due and self.evaluates:
                evaluations = list(self.evaluator.evaluate(step, loss, gradients, last=step == self.last))
                self.latest = evaluations
            before = self.instruments.tensors() if self.instruments and evaluations else None
            if step < self.last:
                self.network.descend(gradients, self.rate(step), self.l2)
            if self.instruments and before:
                after = self.instruments.tensors() if step < self.last else None
                for evaluation, measured in zip(
                    evaluations, self.instruments.measure(step, before, after, x, labels), strict=True
                ):
                    evaluation.metrics.update(measured)
                    evaluation.costs.update(self.instruments.seconds if step == self.last else {})
            self.step = step + 1
            yield evaluations
            if self.step % LOST == 0 and self.network.lost:
                yield self.skip()
                return

    def fix_statistics(self) -> None:
        """Make the population statistics, of the examples so far or of those to come, constants of the training."""
        assert isinstance(self.order, Transfer)
        assert isinstance(self.network, Population)
        examples = self.order.first if self.fixes == "frozen" else self.order.examples
        self.network.estimate_statistics(self.evaluator.training_batches(examples), self.evaluator.batch)
        self.network.fix_statistics()

    def rate(self, step: int) -> torch.Tensor:
        """The learning rates of a step, `[N]`."""
        return self.lr * math.exp(-self.decay * step / self.last) if self.decay else self.lr

    def skip(self) -> list[Evaluation]:
        """The evaluations still due, of networks that have become NaN; nothing is computed for them."""
        images = {self.last: len(self.dataset.test_labels)}
        steps = [step for step in self.due if step >= self.step]
        self.step = self.last + 1
        return [evaluation.lost(step, images.get(step)) for step in steps for evaluation in self.latest]

    def state(self, evaluations: Sequence[Evaluation]) -> dict[str, Any]:
        """All that the next steps depend on, and the evaluations so far, as plain data."""
        return {
            "step": self.step,
            "streams": [generator.get_state() for generator in self._streams],
            "torch": torch.get_rng_state(),
            "network": self._resumable.state(),
            "probes": self.instruments.state() if self.instruments else [],
            "evaluations": [evaluation.plain() for evaluation in evaluations],
        }

    def restore(self, state: dict[str, Any]) -> list[Evaluation]:
        """Go on from such a state; the evaluations it holds."""
        evaluations = [Evaluation.of_plain(plain) for plain in state["evaluations"]]
        self.latest = evaluations[-self.network.size :]
        self.step = state["step"]
        self.order.skip(self.step)
        self._resumable.restore(state["network"])
        if self.instruments:
            self.instruments.restore(state["probes"])
        for generator, kept in zip(self._streams, state["streams"], strict=True):
            generator.set_state(kept)
        torch.set_rng_state(state["torch"])  # last: it outlives a training whose state does not fit
        return evaluations

    @property
    def _streams(self) -> list[torch.Generator]:
        return [*self.augmentation, *self.evaluator.streams]

    @property
    def _resumable(self) -> Resumable:
        assert isinstance(self.network, Single), "stacks are trained in minutes and have no checkpoints"
        return self.network


def _order(configs: Sequence[RunConfig], dataset: Dataset) -> BatchOrder:
    """The mini-batches of these runs."""
    first, seeds = configs[0], [c.seed for c in configs]
    if first.data.first_classes is not None:
        labels = dataset.train_labels.cpu()
        return Transfer(labels, first.batch, seeds, first.data.first_classes, first.steps // 2)
    if first.data.classes_per_batch is not None:
        labels = dataset.train_labels.cpu()
        return FewClasses(labels, first.batch, seeds, first.data.classes_per_batch, first.data.examples)
    return BatchOrder(len(dataset.train_labels), first.batch, seeds, first.data.examples, first.data.reshuffle)


def _network(networks: Sequence[nn.Module], configs: Sequence[RunConfig], device: str) -> Network:
    """These networks as they are trained."""
    first = configs[0]
    if first.model.stacked:
        return Population(networks, device, first.optimizer, [c.norm.rate for c in configs], first.decayed)
    return Single(networks[0], device, first.optimizer, first.precision, first.nproc, first.decayed)


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
