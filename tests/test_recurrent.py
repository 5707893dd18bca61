"""Recurrent networks against PyTorch's own, and the norms of their time steps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from tiny import RUN, dataset
from torch import Tensor, nn

from bnexp import models
from bnexp.config import Config, ConfigError, DataConfig, ModelConfig, NormConfig, RunConfig, run_id, validate
from bnexp.engine.train import train
from bnexp.models.recurrent import FORGETS, Recurrent
from bnexp.norms import BatchNorm, estimate_population

NONE = NormConfig("none")


def build(cell: str = "tanh", norm: NormConfig = NONE, **model: Any) -> Recurrent:
    config = replace(RUN, model=ModelConfig("recurrent", width=8, cell=cell, **model), norm=norm)
    network = models.build(config, (1, 6, 5), 4)
    assert isinstance(network, Recurrent)
    return network


def images(n: int = 12) -> Tensor:
    return torch.rand(n, 1, 6, 5, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("cell", ["tanh", "lstm"])
def test_without_norms_it_is_pytorchs(cell: str) -> None:
    ours = build(cell)
    theirs: Any = (nn.LSTM if cell == "lstm" else nn.RNN)(5, 8, batch_first=True)
    bias = ours.of_input.bias.detach().clone()
    if cell == "lstm":
        bias[8:16] += FORGETS
    with torch.no_grad():
        theirs.weight_ih_l0.copy_(ours.of_input.weight)
        theirs.weight_hh_l0.copy_(ours.of_state.weight)
        theirs.bias_ih_l0.copy_(bias)
        theirs.bias_hh_l0.zero_()
    states, _ = theirs(images()[:, 0])
    torch.testing.assert_close(ours(images()), ours.classifier(states[:, -1]))


def test_pixels_are_those_of_an_image_of_half_the_size() -> None:
    network, read = build(scan="pixels"), []
    network.of_input.register_forward_pre_hook(lambda layer, inputs: read.append(inputs[0]))
    network(images())
    assert read[0].shape == (12, 6, 1)
    torch.testing.assert_close(read[0][:, 0, 0], images()[:, 0, :2, :2].mean((1, 2)))


@pytest.mark.parametrize("cell", ["tanh", "lstm"])
@pytest.mark.parametrize("normed", ["inputs", "all"])
def test_every_time_step_has_statistics_of_its_own_and_the_same_gamma(cell: str, normed: str) -> None:
    network = build(cell, NormConfig("batch"), normed=normed)
    norms = [m for m in network.modules() if isinstance(m, BatchNorm)]
    kinds = 1 if normed == "inputs" else 3 if cell == "lstm" else 2
    assert len(norms) == 6 * kinds
    assert len({norm.gamma for norm in norms}) == len({norm.beta for norm in norms}) == kinds
    assert all((norm.gamma == 0.1).all() for norm in norms)
    large = build(cell, NormConfig("batch"), normed=normed, first_gamma=1.0)
    assert all((norm.gamma == 1).all() for norm in large.modules() if isinstance(norm, BatchNorm))
    assert network.of_input.bias is None
    estimate_population(network, [images(), images()])
    seen = norms[:6]
    assert len({tuple(norm.mean.tolist()) for norm in seen}) == 6
    torch.testing.assert_close(seen[0].mean, network.of_input(images()[:, 0, 0]).mean(0))


def test_in_training_inputs_and_states_are_normalised_apart() -> None:
    network = build("tanh", NormConfig("batch"))
    x, state = images()[:, 0], torch.zeros(12, 8)

    def normalised(z: Tensor) -> Tensor:
        return 0.1 * (z - z.mean(0)) * torch.rsqrt(z.var(0, correction=0) + 1e-5)

    for t in range(6):
        of_state = normalised(network.of_state(state)) if t else 0
        state = torch.tanh(normalised(network.of_input(x[:, t])) + of_state)
    torch.testing.assert_close(network(images()), network.classifier(state), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("norm", ["none", "batch", "layer"])
def test_it_is_trained_and_measured(norm: str) -> None:
    config = replace(RUN, model=ModelConfig("recurrent", width=8), norm=NormConfig(norm, batches=2))
    rows = [evaluation.metrics for evaluation in train([config], dataset())]
    assert len(rows) == 4
    assert rows[-1]["train_loss"] == rows[-1]["train_loss"]
    assert {"saturated/hidden", "gradient_norm/hidden"} <= rows[0].keys()


def test_the_probe_of_input_shift_follows_norms_that_share_their_gamma() -> None:
    model = ModelConfig("recurrent", width=8)
    config = replace(RUN, model=model, norm=NormConfig("batch", batches=2), probes=("input_shift", "adaptation"))
    rows = [evaluation.metrics for evaluation in train([config], dataset())]
    assert any(name.startswith("input_shift") or "recomputed" in name for name in rows[-1])


def test_it_reads_grey_images_alone() -> None:
    with pytest.raises(ConfigError, match="these have 3 colours"):
        models.build(replace(RUN, model=ModelConfig("recurrent")), (3, 8, 8), 10)


def test_its_settings_are_part_of_a_run_and_of_no_other_models() -> None:
    own = [
        replace(RUN, model=ModelConfig("recurrent", cell=cell, scan=scan))
        for cell, scan in (("tanh", "rows"), ("lstm", "rows"), ("tanh", "pixels"))
    ]
    assert len(set(map(run_id, own))) == 3
    assert run_id(RunConfig()) == run_id(RunConfig(model=ModelConfig(cell="lstm", scan="pixels", normed="inputs")))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": {"cell": "gru"}}, "model.cell=gru: choose from tanh, lstm"),
        ({"model": {"first_gamma": 0.0}}, "model.first_gamma=0.0: it must be a number above 0"),
        ({"model": {"first_gamma": float("nan")}}, "model.first_gamma=nan: it must be a number above 0"),
        ({"norm": {"name": "group"}}, "norm=group with model=recurrent: choose from none, batch, layer"),
        ({"norm": {"placement": "after"}}, "norm.placement=after with model=recurrent"),
        ({"data": {"crop": 8}}, "data.crop=8 with model=recurrent"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, dict[str, Any]], message: str) -> None:
    config = Config(scale="smoke", model=ModelConfig("recurrent"), data=DataConfig())
    for group, values in changes.items():
        setattr(config, group, replace(getattr(config, group), **values))
    with pytest.raises(ConfigError, match=message):
        validate(config)
