"""The network of Figure 5: its table, its parts, and that its arms are matched."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bnexp import models, norms
from bnexp.config import MODULES, InitConfig, ModelConfig, NormConfig, RunConfig
from bnexp.models.inception import PRINTED, TABLE, Convolution, Inception, Maker, PooledConvolution
from bnexp.norms import BatchNorm

SMALL = ("3a", "3b", "3c", "4a", "4b", "4e", "5a", "5b")

OUTPUTS = {
    "3a": (256, 28), "3b": (320, 28), "3c": (576, 14), "4a": (576, 14), "4b": (576, 14), "4c": (576, 14),
    "4d": (576, 14), "4e": (1024, 7), "5a": (1024, 7), "5b": (1024, 7),
}  # fmt: skip
"""Feature maps and their side, as Figure 5 prints them."""


def small(norm: str = "batch", **model: Any) -> RunConfig:
    """A network that is quick."""
    settings: dict[str, Any] = {"modules": ["3a", "3c", "5b"], "multiplier": 0.0625, "activation": "relu"} | model
    return RunConfig(
        model=ModelConfig(name="inception_small", **settings),
        norm=NormConfig(norm, groups=4),
        init=InitConfig("he", 1.0),
    )


def build(config: RunConfig, side: int = 16) -> Inception:
    network = models.build(config, (3, side, side), 10)
    assert isinstance(network, Inception)
    return network


def test_every_layer_has_the_output_that_the_paper_prints() -> None:
    make = Maker(lambda features, spatial=False: nn.Identity(), "relu", "before")
    network = Inception((3, 224, 224), 1000, False, TABLE, 1.0, make)
    shapes = {}
    for name, layer in network.named_children():
        layer.register_forward_hook(lambda layer, inputs, y, name=name: shapes.update({name: tuple(y.shape[1:])}))
    with torch.no_grad():
        network(torch.zeros(1, 3, 224, 224))
    assert shapes["conv1"] == (64, 112, 112)
    assert shapes["pool1"] == (64, 56, 56)
    assert shapes["conv2"] == (192, 56, 56)
    assert shapes["pool2"] == (192, 28, 28)
    assert {name: shapes[name] for name in OUTPUTS} == {k: (maps, side, side) for k, (maps, side) in OUTPUTS.items()}
    assert shapes["classifier"] == (1000,)


def test_parameters_stand_where_the_printed_table_puts_them() -> None:
    preset = ModelConfig(name="inception", activation="relu")
    assert models.parameters(preset, NormConfig("none"), (3, 224, 224), 1000, PRINTED) == pytest.approx(
        11.3e6, rel=0.005
    )
    assert models.parameters(preset, NormConfig("none"), (3, 224, 224), 1000) == pytest.approx(11.2e6, rel=0.005)
    for multiplier, expected in ((0.1875, 0.27e6), (0.375, 1.09e6), (0.65, 3.4e6)):
        preset = ModelConfig(name="inception_small", modules=list(SMALL), multiplier=multiplier)
        assert models.parameters(preset, NormConfig("batch"), (3, 32, 32), 10) == pytest.approx(expected, rel=0.03)


def test_the_small_network_has_26_layers() -> None:
    network = build(small(modules=list(SMALL), multiplier=0.1875))
    (deepest,) = [1 + 3 * len(SMALL) + 1]  # the first convolution, the double branch of each module, the classifier
    assert deepest == 26
    assert [name for name, _ in network.named_children() if name[0].isdigit()] == list(SMALL)


def test_the_printed_4c_and_4d_do_not_add_up() -> None:
    sums = {row.name: row.one + row.three + row.double + row.projection for row in PRINTED}
    assert (sums["4c"], sums["4d"]) == (608, 608)


def test_the_first_convolution_is_separable_with_depth_multiplier_8() -> None:
    network = models.build(RunConfig(model=ModelConfig(name="inception", multiplier=0.25)), (3, 64, 64), 10)
    colours = network.get_submodule("colours")
    assert isinstance(colours, nn.Conv2d)
    assert (colours.groups, colours.out_channels, colours.kernel_size, colours.stride) == (3, 24, (7, 7), (2, 2))


def test_convolutions_of_one_input_computed_as_one_are_what_each_is() -> None:
    network = build(small("none"))
    entry = network.get_submodule("3a.entry.conv")
    assert isinstance(entry, Convolution)
    x = torch.randn(2, entry.in_channels, 5, 5)
    separately = [
        nn.functional.conv2d(x, w, b)
        for w, b in zip(torch.split(entry.weight, entry.widths), torch.split(entry.bias, entry.widths), strict=True)  # type: ignore[arg-type]
    ]
    assert torch.allclose(entry(x), torch.cat(separately, 1), atol=1e-6)


@pytest.mark.parametrize("bias", [True, False])
def test_pooling_behind_a_convolution_is_pooling_in_front_of_it_to_the_borders(bias: bool) -> None:
    conv = PooledConvolution(6, [8], 1, bias=bias)
    x = torch.randn(2, 6, 5, 5)
    expected = nn.functional.conv2d(nn.functional.avg_pool2d(x, 3, 1, 1), conv.weight, conv.bias)
    assert torch.allclose(conv(x), expected, atol=1e-6)


@pytest.mark.parametrize("placement", ["before", "after", "input"])
def test_no_norm_comes_between_a_pooling_and_the_convolution_that_is_computed_first(placement: str) -> None:
    network = build(replace(small("batch"), norm=NormConfig("batch", placement=placement)))
    layers = dict(network.get_submodule("3a.projection").named_children())
    conv, norm = layers["conv"], layers["norm"]
    assert isinstance(conv, Convolution)
    assert isinstance(conv, PooledConvolution) == (placement != "input")
    x = torch.randn(4, conv.in_channels, 6, 6)
    y = nn.functional.avg_pool2d(x, 3, 1, 1)
    y = norm(y) if placement == "input" else y
    y = nn.functional.conv2d(y, conv.weight, conv.bias)
    y = norm(y).relu() if placement == "before" else norm(y.relu()) if placement == "after" else y.relu()
    assert torch.allclose(network.get_submodule("3a.projection")(network.get_submodule("3a.pool")(x)), y, atol=1e-5)


@pytest.mark.parametrize("norm", ["batch", "batch_renorm", "layer", "group", "instance"])
def test_a_norm_keeps_to_each_of_the_convolutions_computed_as_one(norm: str) -> None:
    factory = norms.factory(NormConfig(norm, groups=4, warmup=0))
    together = Maker(factory, "relu", "before").unit(6, [8, 16], 1)
    x = torch.randn(4, 6, 5, 5)
    y = together.get_submodule("norm")(together.get_submodule("conv")(x))
    apart = [factory(part.shape[1])(part) for part in torch.split(together.get_submodule("conv")(x), [8, 16], 1)]
    assert torch.allclose(y, torch.cat(apart, 1), atol=1e-5)


def test_arms_start_from_equal_weights_and_only_without_bn_with_biases() -> None:
    plain, bn = build(small("none")), build(small("batch"))
    shared = {name for name, p in plain.named_parameters() if name.endswith("weight") and ".norm" not in name}
    weights = dict(bn.named_parameters())
    assert all(torch.equal(dict(plain.named_parameters())[name], weights[name]) for name in shared)
    assert len(shared) > 15
    biased = {name for name, p in plain.named_modules() if getattr(p, "bias", None) is not None}
    assert biased == {name for name, m in plain.named_modules() if isinstance(m, (nn.Conv2d, nn.Linear))}
    assert [n for n, m in bn.named_modules() if getattr(m, "bias", None) is not None] == ["classifier"]
    assert not any(p.abs().sum() for name, p in plain.named_parameters() if name.endswith("bias"))


def test_weights_do_not_depend_on_the_modules_around() -> None:
    few, many = build(small(modules=["3a"])), build(small(modules=["3a", "3b", "5b"]))
    name = "3a.three.conv.weight"
    assert torch.equal(few.get_parameter(name), many.get_parameter(name))


@pytest.mark.parametrize(
    ("scheme", "std"), [("he", (2 / 72) ** 0.5), ("xavier", (2 / (72 + 72)) ** 0.5), ("gaussian", 1)]
)
def test_initial_weights_of_convolutions(scheme: str, std: float) -> None:
    config = small("none")
    config.init = InitConfig(scheme, 1.25)
    weight = build(config).get_parameter("3a.double2.conv.weight")
    assert weight.shape == (8, 8, 3, 3)
    assert weight.std().item() == pytest.approx(1.25 * std, rel=0.1)


@pytest.mark.parametrize(
    ("placement", "order"),
    [("before", "conv norm hidden"), ("after", "conv hidden norm"), ("input", "norm conv hidden")],
)
def test_the_norm_is_where_it_is_placed(placement: str, order: str) -> None:
    config = small()
    config.norm.placement = placement
    network = build(config)
    assert [name for name, _ in network.get_submodule("3a.three").named_children()] == order.split()
    assert (network.get_submodule("3a.three.conv").bias is None) == (placement == "before")
    assert network(torch.randn(4, 3, 16, 16)).shape == (4, 10)


def test_per_activation_bn_has_statistics_of_every_location() -> None:
    config = small()
    config.norm.per_activation = True
    network = build(config)
    norm = network.get_submodule("5b.three.norm.norm")
    assert isinstance(norm, BatchNorm)
    maps = network.get_submodule("5b.three.conv").out_channels
    assert norm.gamma.shape == (maps * 4 * 4,)  # type: ignore[operator]
    ordinary = network.get_submodule("3a.three.norm")
    assert isinstance(ordinary, BatchNorm)
    assert ordinary.gamma.shape == (8,)
    x = torch.randn(6, int(maps), 4, 4)  # type: ignore[arg-type]
    y = network.get_submodule("5b.three.norm")(x)
    expected = (x - x.mean(0)) / (x.var(0, correction=0) + 1e-5).sqrt()
    assert torch.allclose(y, expected, atol=1e-5)


def test_local_response_normalisation_and_dropout_are_switches() -> None:
    names = [name for name, _ in build(small("none", lrn=True, dropout=0.4)).named_children()]
    assert "lrn1" in names
    assert names[-2:] == ["dropout", "classifier"]
    assert not {"lrn1", "dropout"} & {name for name, _ in build(small()).named_children()}
    large = models.build(RunConfig(model=ModelConfig(name="inception", multiplier=0.125, lrn=True)), (3, 64, 64), 10)
    assert {"lrn1", "lrn2"} <= {name for name, _ in large.named_children()}


def test_one_nonlinearity_of_every_module_is_watched() -> None:
    network = build(small(modules=list(MODULES)))
    assert [name.partition(".")[0] for name in network.watched] == list(MODULES)
    assert all(isinstance(network.get_submodule(name), nn.ReLU) for name in network.watched)


class Halve(nn.Module):
    """A norm as a user might write it."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.features = features

    def forward(self, x: Tensor) -> Tensor:
        assert x.shape[1] == self.features
        return x / 2


def test_a_norm_of_ones_own_works_in_convolutions() -> None:
    config = small("module")
    config.norm.target = "test_inception:Halve"
    assert build(config)(torch.randn(2, 3, 16, 16)).isfinite().all()
