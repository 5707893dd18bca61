"""All that is measured on networks while they train."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bnexp.config import RunConfig
from bnexp.data import Dataset, View
from bnexp.data.batches import examples_at
from bnexp.data.dataset import subset
from bnexp.engine.activations import Activations, Observer, chunks
from bnexp.engine.companions import Companions
from bnexp.engine.network import Gradients, Network
from bnexp.seeds import stream


@dataclass(frozen=True)
class Evaluation:
    """What is measured on one network after `step` steps."""

    network: int
    """Its place among the configs."""
    step: int
    metrics: dict[str, float]
    """`accuracy` (fraction) and `loss` (nats) on test data, `train_accuracy` and `train_loss_at_inference` on training
    examples as if they were test data, `train_loss` and by layer `gradient_norm/…` on the mini-batch to come,
    `companion_noise`, by layer `saturated/…` (fraction) on test data, and if wanted `skewness/…` and `kurtosis/…`
    (`activations.Shape`); with validation images, `validation_accuracy` at the last step, NaN before; where the last
    evaluation is on more images than those before, `monitored_accuracy` always on the same."""
    layers: dict[str, Activations]
    predictions: np.ndarray | None = None
    """At the last step, if wanted: class probabilities of the test images, `[2, images, classes]`, of the middle crop
    and the mean over ten; in every row that of the true class comes first, then the others in order."""
    correct: np.ndarray | None = None
    """At the last step: whether each test image is classified correctly, bool `[images]`; none is by a network that has
    become NaN."""
    costs: dict[str, float] = field(default_factory=dict)
    """At the last step: seconds that each probe has taken, for all networks trained together."""

    def lost(self, step: int, images: int | None = None) -> Evaluation:
        """That of the same network at a later step, when it has become NaN; at the last one with the test `images`."""
        layers = {
            name: Activations(np.full_like(layer.statistics, np.nan), np.nan, None)
            for name, layer in self.layers.items()
        }
        correct = None if images is None else np.zeros(images, dtype=bool)
        return Evaluation(self.network, step, dict.fromkeys(self.metrics, np.nan), layers, correct=correct)

    def plain(self) -> dict[str, Any]:
        """Its content in dicts and tensors, which can be read back without running anything."""
        layers = {
            name: {
                "statistics": torch.from_numpy(layer.statistics),
                "saturated": layer.saturated,
                "histogram": None if layer.histogram is None else [torch.from_numpy(part) for part in layer.histogram],
            }
            for name, layer in self.layers.items()
        }
        predictions, correct = (
            None if array is None else torch.from_numpy(array) for array in (self.predictions, self.correct)
        )
        return {
            "network": self.network,
            "step": self.step,
            "metrics": self.metrics,
            "layers": layers,
            "predictions": predictions,
            "correct": correct,
        }

    @classmethod
    def of_plain(cls, plain: dict[str, Any]) -> Evaluation:
        """The inverse of `plain`."""
        layers = {}
        for name, layer in plain["layers"].items():
            histogram = layer["histogram"] and tuple(part.numpy() for part in layer["histogram"])
            layers[name] = Activations(layer["statistics"].numpy(), layer["saturated"], histogram)
        kept = plain["predictions"], plain.get("correct")  # states of earlier versions are without
        predictions, correct = (None if array is None else array.numpy() for array in kept)
        return cls(plain["network"], plain["step"], plain["metrics"], layers, predictions, correct)


class Evaluator:
    """Measures networks while they train; `examples` are the training examples that each has, int64 `[N, used]`."""

    def __init__(
        self, configs: Sequence[RunConfig], dataset: Dataset, view: View, networks: Network, examples: Tensor
    ) -> None:
        first = configs[0]
        self.dataset = dataset
        self.view = view
        self.beat: Callable[[], None] = lambda: None
        """Called for every mini-batch that is measured."""
        self.networks = networks
        normalised_together = first.nproc == 1 or first.norm.sync
        self.batch = first.batch if normalised_together else first.batch // first.nproc
        """The mini-batch over which training normalises, or of which it normalises every ghost batch."""
        self.batches = max(c.norm.batches for c in configs)
        self.examples = examples
        self.statistics, companions, self.augmentation = (
            [stream(c.seed, name) for c in configs] for name in ("statistics", "companions", "statistics/augmentation")
        )
        self.streams = [*self.statistics, *self.augmentation]
        self.companions = Companions(examples, first.norm.ghost or self.batch, networks.watched[-1], companions)
        # normalised by the test batch's own statistics, a network must be given batches of the size it is trained on
        norms = [c.norm.settings if c.norm.name == "module" else vars(c.norm) for c in configs]
        self.chunk = self.batch if any(norm.get("statistics") == "batch" for norm in norms) else networks.chunk
        self.validates = dataset.validation_labels is not None
        self.predicts = first.predictions
        self.shape = first.shape
        self.monitored = first.data.monitored
        self.observer = self._observer(*self._some(self.monitored or len(dataset.test_labels)))

    def evaluate(self, step: int, loss: Tensor, gradients: Gradients, last: bool = False) -> Iterator[Evaluation]:
        """An evaluation of each network; the last is on all test images."""
        norms = self.networks.gradient_norms(gradients)
        noise = self.companions.noise(
            lambda indices: self._test(examples_at(self.dataset, indices)[0]), self.networks.look
        )
        self.networks.estimate_statistics(self.training_batches(self.examples), self.batch)
        on_training, fitted = self._on_training()
        observed = self.observer.observe(self.networks.infer)
        monitored = [seen.accuracy for seen in observed]
        if last and self.monitored is not None:
            every_image = self._observer(self.dataset.test_images, self.dataset.test_labels)
            observed = every_image.observe(self.networks.infer)
        on_validation = self._validation_accuracy() if last and self.validates else [np.nan] * self.networks.size
        predicted = self._predictions() if last and self.predicts else None
        for i, (train_loss, seen) in enumerate(zip(loss.tolist(), observed, strict=True)):
            metrics = {
                "accuracy": seen.accuracy,
                "loss": seen.loss,
                "train_accuracy": on_training[i],
                "train_loss": train_loss,
                "train_loss_at_inference": fitted[i],
            }
            if self.validates:
                metrics["validation_accuracy"] = on_validation[i]
            if self.monitored is not None:
                metrics["monitored_accuracy"] = monitored[i]
            metrics |= {"companion_noise": noise[i]}
            metrics |= {f"gradient_norm/{name}": value for name, value in norms[i].items()}
            metrics |= {f"saturated/{name}": layer.saturated for name, layer in seen.layers.items()}
            metrics |= {f"skewness/{name}": shape.skewness for name, shape in seen.shapes.items()}
            metrics |= {f"kurtosis/{name}": shape.kurtosis for name, shape in seen.shapes.items()}
            predictions = None if predicted is None else predicted[:, i]
            yield Evaluation(i, step, metrics, seen.layers, predictions, seen.correct if last else None)

    def reference(self, number: int) -> tuple[Tensor, Tensor]:
        """So many test images, always the same, as in tests, `[E, C, H, W]`, and their labels."""
        images, labels = self._some(number)
        return self._test(images), labels

    def _some(self, number: int) -> tuple[Tensor, Tensor]:
        """So many test images with their labels, always the same; they may lie class by class."""
        images, labels = self.dataset.test_images, self.dataset.test_labels
        if number >= len(labels):
            return images, labels
        some = torch.from_numpy(np.random.RandomState(0).permutation(len(labels))[:number]).to(labels.device)
        return subset(images, some), labels[some]

    def _observer(self, images: Tensor, labels: Tensor) -> Observer:
        return Observer(images, labels, self._test, self.networks.nonlinearities, self.chunk, self.shape)

    def _test(self, images: Tensor) -> Tensor:
        self.beat()
        return self.view.test(images)

    def training_batches(self, examples: Tensor) -> Iterator[Tensor]:
        """The training mini-batches of Algorithm 2, as many in each `[N, B, C, H, W]` as the networks take at once.

        Each network's are drawn, and changed as in training, by streams of its own from its `examples`: independently
        of each other and of their classes, whatever `data.classes_per_batch` does to those of the training.
        """
        for rows in chunks(self.batches * self.batch, self.networks.together * self.batch):
            drawn = rows.stop - rows.start
            at = torch.stack([torch.randint(examples.shape[1], (drawn,), generator=d) for d in self.statistics])
            self.beat()
            yield self.view.training(examples_at(self.dataset, examples.gather(1, at))[0], self.augmentation)

    def _on_training(self) -> tuple[list[float], list[float]]:
        """Accuracy and mean loss of the training examples, at inference; NaN when a logit is not finite."""
        indices = self.examples[:, : self.networks.training_images]
        return self._over(examples_at(self.dataset, indices[:, rows]) for rows in chunks(indices.shape[1], self.chunk))

    def _validation_accuracy(self) -> list[float]:
        images, labels = self.dataset.validation_images, self.dataset.validation_labels
        assert images is not None
        assert labels is not None
        parts = ((images[rows].to(labels.device), labels[rows]) for rows in chunks(len(labels), self.chunk))
        return self._over(parts)[0]

    def _over(self, parts: Iterable[tuple[Tensor, Tensor]]) -> tuple[list[float], list[float]]:
        """Each network's accuracy and mean loss over images with their labels; NaN when a logit is not finite."""
        right, loss = torch.zeros(2, self.networks.size, dtype=torch.float64, device=self.dataset.train_labels.device)
        examples = 0
        for images, labels in parts:
            log_p = torch.log_softmax(self.networks.infer(self._test(images)), -1)  # [N, B, classes]
            right += (log_p.argmax(-1) == labels).sum(-1)
            of_class = labels.expand(self.networks.size, -1).unsqueeze(-1)
            loss -= log_p.gather(-1, of_class).sum((1, 2), dtype=torch.float64)
            examples += labels.shape[-1]
        right = torch.where(loss.isfinite(), right, torch.nan)
        return (right / examples).tolist(), (loss / examples).tolist()

    def _predictions(self) -> np.ndarray:
        """`[2, N, images, classes]`."""
        device = self.dataset.test_labels.device
        parts = []
        for rows in chunks(len(self.dataset.test_labels), self.chunk):
            images = self.dataset.test_images[rows].to(device)
            one = torch.softmax(self.networks.infer(self._test(images)), -1)
            ten = torch.stack([torch.softmax(self.networks.infer(crop), -1) for crop in self.view.ten(images)]).mean(0)
            parts.append(torch.stack([one, ten]).cpu())  # [2, N, B, classes]
        p, labels = torch.cat(parts, 2), self.dataset.test_labels.cpu()
        others = torch.arange(p.shape[-1]).expand(len(labels), -1)
        order = torch.cat([labels[:, None], others[others != labels[:, None]].view(len(labels), -1)], 1)
        return p.gather(-1, order.expand(*p.shape[:2], -1, -1)).to(torch.float16).numpy()
