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
from bnexp.population import Population
from bnexp.probes.activations import Activations, Observer
from bnexp.seeds import stream


@dataclass(frozen=True)
class Evaluation:
    """What is measured on one network after `step` steps."""

    network: int
    """Its place among the configs."""
    step: int
    metrics: dict[str, float]
    """`accuracy` (fraction) and `loss` (nats) on test data, `train_loss`, and by layer `gradient_norm/…` on the
    mini-batch to come and `saturated/…` (fraction) on test data."""
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

    The configs may differ in `lr`, `init.scale` and `seed` alone. `progress` is told each step begun.
    """
    first = configs[0]
    dataset = dataset.to(device)
    networks = [models.build(c, tuple(dataset.train_images.shape[1:]), dataset.classes) for c in configs]
    population = Population(networks, device)
    order = BatchOrder(len(dataset.train_labels), first.batch, [c.seed for c in configs])
    draws = [stream(c.seed, "statistics") for c in configs]
    lr = torch.tensor([c.lr for c in configs], device=device)
    hidden = [name for name in population.layers if name.startswith("hidden")]
    observer = Observer(population.size, dataset.test_images, dataset.test_labels, first.model.activation, hidden)
    back_propagate = _compiled(population.back_propagate) if compile else population.back_propagate
    due = set(schedule(first.steps, first.evaluations))

    for step in range(first.steps + 1):
        progress(step)
        images, labels = batch_of(dataset, order.next())  # [N, B, C, H, W], [N, B]
        loss, gradients = back_propagate(images, labels)
        if step in due:
            norms = {
                f"gradient_norm/{name}": torch.stack([g.flatten(1).norm(dim=1) for g in own]).norm(dim=0).tolist()
                for name, own in gradients.items()
                if own
            }
            population.estimate_statistics(random_batches(dataset, first, draws))
            observed = observer.observe(population.infer)
            for i, (own_loss, seen) in enumerate(zip(loss.tolist(), observed, strict=True)):
                metrics = {"accuracy": seen.accuracy, "loss": seen.loss, "train_loss": own_loss}
                metrics |= {name: values[i] for name, values in norms.items()}
                metrics |= {f"saturated/{name}": layer.saturated for name, layer in seen.layers.items()}
                yield Evaluation(i, step, metrics, seen.layers)
        if step < first.steps:
            population.descend(gradients, lr)


def batch_of(dataset: Dataset, indices: Tensor) -> tuple[Tensor, Tensor]:
    """Images in [0, 1] and labels of `[N, B]` indices."""
    flat = indices.flatten().to(dataset.train_labels.device)
    images = pixels(dataset.train_images.index_select(0, flat))
    return images.view(*indices.shape, *images.shape[1:]), dataset.train_labels.index_select(0, flat).view_as(indices)


def random_batches(dataset: Dataset, config: RunConfig, draws: Sequence[torch.Generator]) -> Iterator[Tensor]:
    """The training mini-batches of Algorithm 2, `[N, B, C, H, W]`: each network's drawn from its own stream."""
    examples = len(dataset.train_labels)
    for _ in range(config.norm.batches):
        indices = torch.stack([torch.randint(examples, (config.batch,), generator=draw) for draw in draws])
        yield batch_of(dataset, indices)[0]


def _compiled(step: Callable[[Tensor, Tensor], tuple[Tensor, dict[str, list[Tensor]]]]):  # type: ignore[no-untyped-def]
    """The step under `torch.compile`, or as it is, with a notice, where no compiler is to be had."""
    compiled = torch.compile(step)

    def attempt(images: Tensor, labels: Tensor) -> tuple[Tensor, dict[str, list[Tensor]]]:
        nonlocal compiled
        try:
            return compiled(images, labels)
        except torch._dynamo.exc.TorchDynamoException as error:
            reason = str(error).splitlines()[0]
            warnings.warn(f"compile=true: not compiled, training goes on without: {reason}", stacklevel=2)
            compiled = step
            return step(images, labels)

    return attempt
