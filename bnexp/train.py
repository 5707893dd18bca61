"""The training loop: configs in, evaluations out. It knows no folder, no TensorBoard and no claim."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
import torch
from torch import Tensor

from bnexp import models
from bnexp.config import RunConfig
from bnexp.data import Dataset, pixels
from bnexp.data.order import BatchOrder
from bnexp.population import Gradients, Population
from bnexp.probes.activations import CHUNK, Activations, Observer, chunks
from bnexp.probes.companions import Companions
from bnexp.seeds import stream

TRAINING_IMAGES = 2000
"""Of a network's own training examples, those on which its training accuracy is measured."""


@dataclass(frozen=True)
class Evaluation:
    """What is measured on one network after `step` steps."""

    network: int
    """Its place among the configs."""
    step: int
    metrics: dict[str, float]
    """`accuracy` (fraction) and `loss` (nats) on test data, `train_accuracy` at inference, `train_loss` and by layer
    `gradient_norm/…` on the mini-batch to come, `companion_noise`, by layer `saturated/…` (fraction) on test data."""
    layers: dict[str, Activations]


def schedule(steps: int, evaluations: int) -> list[int]:
    """Step 0 and `evaluations` log-spaced steps up to the last one; all of them where there are no more steps."""
    if steps <= evaluations:
        return list(range(steps + 1))
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
) -> Iterator[Evaluation]:
    """Train networks of one shape together and yield an evaluation of each at every step of the schedule.

    The configs may differ in what `bnexp.stacks.form` lets differ. `progress` is told each step begun.
    """
    first = configs[0]
    seeds = [c.seed for c in configs]
    dataset = dataset.to(device)
    networks = [models.build(c, tuple(dataset.train_images.shape[1:]), dataset.classes) for c in configs]
    population = Population(networks, device, first.optimizer)
    order = BatchOrder(len(dataset.train_labels), first.batch, seeds, first.data.examples)
    lr = torch.tensor([c.lr for c in configs], device=device)
    l2 = torch.tensor([c.l2 for c in configs], device=device) if any(c.l2 for c in configs) else None
    probes = Probes(configs, dataset, population, order.own)
    back_propagate = _compiled(population.back_propagate) if compile else population.back_propagate
    due = set(schedule(first.steps, first.evaluations))

    for step in range(first.steps + 1):
        progress(step)
        images, labels = batch_of(dataset, order.next())  # [N, B, C, H, W], [N, B]
        loss, gradients = back_propagate(images, labels)
        if step in due:
            yield from probes.evaluate(step, loss, gradients)
        if step < first.steps:
            population.descend(gradients, lr, l2)


class Probes:
    """All that is measured on a population."""

    def __init__(self, configs: Sequence[RunConfig], dataset: Dataset, population: Population, own: Tensor) -> None:
        self.dataset = dataset
        self.population = population
        self.batch = configs[0].batch
        self.batches = max(c.norm.batches for c in configs)
        self.own = own
        self.statistics, companions = ([stream(c.seed, name) for c in configs] for name in ("statistics", "companions"))
        hidden = [name for name in population.positions if name.startswith("hidden")]
        self.companions = Companions(own, self.batch, hidden[-1], companions)
        # normalised by the test batch's own statistics, a network must be given batches of the size it is trained on
        self.chunk = self.batch if any(c.norm.statistics == "batch" for c in configs) else CHUNK
        activations = [c.model.activation for c in configs]
        self.observer = Observer(dataset.test_images, dataset.test_labels, activations, hidden, self.chunk)

    def evaluate(self, step: int, loss: Tensor, gradients: Gradients) -> Iterator[Evaluation]:
        """An evaluation of each network."""
        norms = self._gradient_norms(gradients)
        noise = self.companions.noise(lambda indices: batch_of(self.dataset, indices)[0], self.population.look)
        self.population.estimate_statistics(
            random_batches(self.dataset, self.own, self.batch, self.batches, self.statistics)
        )
        known = self._training_accuracy()
        observed = self.observer.observe(self.population.infer)
        for i, (own_loss, seen) in enumerate(zip(loss.tolist(), observed, strict=True)):
            metrics = {"accuracy": seen.accuracy, "loss": seen.loss, "train_accuracy": known[i], "train_loss": own_loss}
            metrics |= {"companion_noise": noise[i]} | norms[i]
            metrics |= {f"saturated/{name}": layer.saturated for name, layer in seen.layers.items()}
            yield Evaluation(i, step, metrics, seen.layers)

    def _gradient_norms(self, gradients: Gradients) -> list[dict[str, float]]:
        """By network: the norm of all of a layer's gradients, by layer from the first on."""
        norms: list[dict[str, float]] = [{} for _ in range(self.population.size)]
        for key, leaf in self.population.leaves.items():
            if gradients.get(key):
                whole = torch.stack([g.flatten(1).norm(dim=1) for g in gradients[key]]).norm(dim=0)
                for own, value in zip(norms[leaf.rows], whole.tolist(), strict=True):
                    own[f"gradient_norm/{leaf.position}"] = value
        return norms

    def _training_accuracy(self) -> list[float]:
        """Fraction of the training examples, at inference; NaN when a logit is not finite."""
        indices = self.own[:, :TRAINING_IMAGES]
        correct = torch.zeros(self.population.size, device=self.dataset.train_labels.device)
        for rows in chunks(indices.shape[1], self.chunk):
            images, labels = batch_of(self.dataset, indices[:, rows])
            logits = self.population.infer(images)
            correct += (logits.argmax(-1) == labels).sum(-1) + torch.where(
                logits.isfinite().all(-1).all(-1), 0, torch.nan
            )
        return (correct / indices.shape[1]).tolist()


def batch_of(dataset: Dataset, indices: Tensor) -> tuple[Tensor, Tensor]:
    """Images in [0, 1] and labels of `[N, B]` indices."""
    flat = indices.flatten().to(dataset.train_labels.device)
    images = pixels(dataset.train_images.index_select(0, flat))
    return images.view(*indices.shape, *images.shape[1:]), dataset.train_labels.index_select(0, flat).view_as(indices)


def random_batches(
    dataset: Dataset, own: Tensor, batch: int, batches: int, draws: Sequence[torch.Generator]
) -> Iterator[Tensor]:
    """The training mini-batches of Algorithm 2, `[N, B, C, H, W]`.

    Each network's are drawn by its own stream from its own examples, `[N, n]`.
    """
    for _ in range(batches):
        at = torch.stack([torch.randint(own.shape[1], (batch,), generator=draw) for draw in draws])
        yield batch_of(dataset, own.gather(1, at))[0]


def _compiled(step: Callable[[Tensor, Tensor], tuple[Tensor, Gradients]]):  # type: ignore[no-untyped-def]
    """The step under `torch.compile`, or as it is, with a notice, where no compiler is to be had."""
    compiled = torch.compile(step)

    def attempt(images: Tensor, labels: Tensor) -> tuple[Tensor, Gradients]:
        nonlocal compiled
        try:
            return compiled(images, labels)
        except torch._dynamo.exc.TorchDynamoException as error:
            reason = str(error).splitlines()[0]
            warnings.warn(f"compile=true: not compiled, training goes on without: {reason}", stacklevel=2)
            compiled = step
            return step(images, labels)

    return attempt
