"""The networks: their shapes and biases, and what arms have in common: initial weights and mini-batches."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import RUN as TINY
from tiny import dataset as tiny_dataset
from torch import Tensor, nn

from bnexp import data, models, norms
from bnexp.config import DataConfig, InitConfig, ModelConfig, NormConfig, RunConfig
from bnexp.engine import train
from bnexp.engine.population import Population
from bnexp.engine.train import Training
from bnexp.norms import BatchNorm
from bnexp.seeds import stream

ROOT = Path(__file__).parent.parent
SHAPE = (1, 8, 8)
NORMS = {
    "none": NormConfig(name="none"),
    "batch": NormConfig(name="batch"),
    "moving": NormConfig(name="batch", statistics="moving"),
    "foreign": NormConfig(name="module", target="torch.nn:LayerNorm"),
    "drawing": NormConfig(name="module", target=f"{__name__}:Drawing"),
}


class Drawing(nn.Module):
    """A norm of a user's that draws random numbers, when made and when used."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(1 + 0.01 * torch.randn(features))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gain + 0.01 * torch.randn_like(x)


class WithLinear(nn.Module):
    """A norm of a user's that contains a linear layer, at first the identity."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.mix = nn.Linear(features, features)
        nn.init.eye_(self.mix.weight)
        nn.init.ones_(self.mix.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.mix(x)


def config(norm: str = "batch", seed: int = 0, scale: float = 0.05, **fields: Any) -> RunConfig:
    model = fields.pop("model", ModelConfig(depth=2, width=12))
    return RunConfig(seed=seed, model=model, norm=NORMS[norm], init=InitConfig(scale=scale), **fields)


def weights(config: RunConfig) -> dict[str, Tensor]:
    """The weights of the affine layers, which all arms have in common."""
    state = models.build(config, SHAPE, 10).state_dict()
    return {name: value for name, value in state.items() if name.startswith(("linear", "classifier"))}


# Shapes and biases


def test_layers_stand_in_the_papers_order() -> None:
    network = models.build(config("batch"), SHAPE, 10)
    kinds = [(name, type(layer)) for name, layer in network.named_children()]
    assert kinds == [
        ("flatten", nn.Flatten),
        ("linear1", nn.Linear),
        ("norm1", BatchNorm),
        ("hidden1", nn.Sigmoid),
        ("linear2", nn.Linear),
        ("norm2", BatchNorm),
        ("hidden2", nn.Sigmoid),
        ("classifier", nn.Linear),
    ]


def test_without_a_norm_nothing_stands_between_affine_map_and_nonlinearity() -> None:
    network = models.build(config("none"), SHAPE, 10)
    assert [name for name, _ in network.named_children()] == [
        "flatten",
        "linear1",
        "hidden1",
        "linear2",
        "hidden2",
        "classifier",
    ]


def test_on_the_hidden_input_the_first_layer_has_no_norm() -> None:
    placed = {}
    for placement in ("input", "hidden_input"):
        run = config("batch")
        run.norm = NormConfig(placement=placement)
        placed[placement] = models.build(run, SHAPE, 10)
    names = [name for name, _ in placed["input"].named_children()]
    assert names == ["flatten", "norm1", "linear1", "hidden1", "norm2", "linear2", "hidden2", "classifier"]
    names.remove("norm1")
    assert [name for name, _ in placed["hidden_input"].named_children()] == names
    ours, theirs = placed["hidden_input"].state_dict(), placed["input"].state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items()), "matched in all else"
    assert placed["hidden_input"].get_submodule("linear1").bias is not None


@pytest.mark.parametrize(("depth", "width"), [(1, 5), (2, 12), (4, 3)])
@pytest.mark.parametrize("norm", ["none", "batch", "foreign"])
def test_shapes(depth: int, width: int, norm: str) -> None:
    network = models.build(config(norm, model=ModelConfig(depth=depth, width=width)), (2, 3, 5), 7)
    sizes = [tuple(layer.weight.shape) for layer in network.modules() if isinstance(layer, nn.Linear)]
    assert sizes == [(width, 30), *[(width, width)] * (depth - 1), (7, width)]
    assert network(torch.rand(4, 2, 3, 5)).shape == (4, 7)


@pytest.mark.parametrize(("activation", "kind"), [("sigmoid", nn.Sigmoid), ("tanh", nn.Tanh), ("relu", nn.ReLU)])
def test_the_nonlinearity_is_the_one_asked_for(activation: str, kind: type[nn.Module]) -> None:
    network = models.build(config(model=ModelConfig(depth=2, width=4, activation=activation)), SHAPE, 10)
    assert type(network.get_submodule("hidden1")) is type(network.get_submodule("hidden2")) is kind


@pytest.mark.parametrize(
    ("norm", "biases"),
    [
        ("none", {"linear1", "linear2", "classifier"}),
        ("batch", {"classifier"}),  # β replaces it (§3.2)
        ("foreign", {"linear1", "linear2", "classifier"}),
    ],
)
def test_the_bias_is_dropped_before_batch_normalisation_alone(norm: str, biases: set[str]) -> None:
    network = models.build(config(norm), SHAPE, 10)
    linears = {name: layer for name, layer in network.named_children() if isinstance(layer, nn.Linear)}
    assert {name for name, layer in linears.items() if layer.bias is not None} == biases
    assert all(layer.bias.eq(0).all() for layer in linears.values() if layer.bias is not None)


def test_a_foreign_norm_may_replace_the_bias(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = written(tmp_path, monkeypatch, "import torch\nclass Mine(torch.nn.LayerNorm):\n    replaces_bias = True\n")
    mlp = models.MLP(64, 1, 12, 10, norms.factory(NormConfig(name="module", target=target)), "tanh")
    assert mlp.get_submodule("linear1").bias is None
    assert mlp.get_submodule("classifier").bias is not None


def test_the_norms_settings_arrive() -> None:
    made = norms.factory(NormConfig(eps=0.25, statistics="moving", momentum=0.75))(6)
    assert isinstance(made, BatchNorm)
    assert (made.eps, made.statistics, made.momentum) == (0.25, "moving", 0.75)
    assert made.gamma.eq(1).all()
    assert made.beta.eq(0).all()
    assert made.gamma.shape == made.beta.shape == made.mean.shape == made.var.shape == (6,)


# Matched: initial weights


def test_initial_weights_are_gaussian_of_the_scale_asked_for() -> None:
    big = weights(config("none", scale=0.3, model=ModelConfig(depth=2, width=400)))
    for name in ("linear1.weight", "linear2.weight"):
        assert big[name].mean().item() == pytest.approx(0, abs=0.01)
        assert big[name].std().item() == pytest.approx(0.3, rel=0.02)
        assert (big[name].abs() < 0.3).float().mean().item() == pytest.approx(0.6827, abs=0.01)


@pytest.mark.parametrize("norm", [name for name in NORMS if name != "none"])
def test_equal_seeds_start_from_equal_weights_whatever_the_norm(norm: str) -> None:
    plain, normed = weights(config("none", seed=3)), weights(config(norm, seed=3))
    common = plain.keys() & normed.keys()
    assert {"linear1.weight", "linear2.weight", "classifier.weight", "classifier.bias"} <= common
    assert all(torch.equal(plain[name], normed[name]) for name in common)


def test_equal_seeds_start_from_equal_weights_whatever_was_drawn_before() -> None:
    first = weights(config(seed=3))
    torch.rand(17)
    second = weights(config(seed=3))
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_a_deeper_network_starts_with_the_same_lower_layers() -> None:
    shallow = weights(config("none", model=ModelConfig(depth=2, width=12)))
    deep = weights(config("none", model=ModelConfig(depth=3, width=12)))
    assert all(torch.equal(value, deep[name]) for name, value in shallow.items())


@pytest.mark.parametrize("scale", [0.2, 0.07, 1e-3])
def test_initial_weights_at_another_scale_are_the_same_up_to_the_factor(scale: float) -> None:
    small, other = weights(config("none", scale=0.05)), weights(config("none", scale=scale))
    for name in ("linear1.weight", "linear2.weight", "classifier.weight"):
        torch.testing.assert_close(other[name], small[name] * (scale / 0.05), rtol=1e-6, atol=0)
    assert other["classifier.bias"].eq(0).all()


def test_different_seeds_and_different_layers_start_from_different_weights() -> None:
    square = ModelConfig(depth=2, width=64)
    first, second = weights(config(seed=0, model=square)), weights(config(seed=1, model=square))
    for name in ("linear1.weight", "linear2.weight", "classifier.weight"):
        assert not torch.isclose(first[name], second[name]).all()
        assert abs(torch.corrcoef(torch.stack([first[name].flatten(), second[name].flatten()]))[0, 1]) < 0.2
    assert (
        abs(torch.corrcoef(torch.stack([first["linear1.weight"].flatten(), first["linear2.weight"].flatten()]))[0, 1])
        < 0.1
    )


def test_a_users_norm_keeps_its_own_initial_weights() -> None:
    mine = NormConfig(name="module", target=f"{__name__}:WithLinear")
    network = models.build(RunConfig(model=ModelConfig(depth=1, width=6), norm=mine), SHAPE, 10)
    assert torch.equal(network.get_parameter("norm1.mix.weight"), torch.eye(6))
    assert torch.equal(network.get_parameter("norm1.mix.bias"), torch.ones(6))


# Matched: mini-batches


def trained_on(monkeypatch: pytest.MonkeyPatch, *configs: RunConfig) -> list[list[tuple[Tensor, Tensor]]]:
    """The mini-batches of images and labels on which each network of one stack was trained."""
    seen: list[list[tuple[Tensor, Tensor]]] = [[] for _ in configs]

    class Recording(Population):
        def back_propagate(self, x: Tensor, labels: Tensor) -> Any:
            for own, *batch in zip(seen, x.clone(), labels.clone(), strict=True):
                own.append((batch[0], batch[1]))
            return super().back_propagate(x, labels)

    monkeypatch.setattr(train, "Population", Recording)
    list(train.train(configs, data.load(DataConfig(name="digits"))))
    return seen


def equal(first: list[tuple[Tensor, Tensor]], second: list[tuple[Tensor, Tensor]]) -> bool:
    return len(first) == len(second) and all(
        torch.equal(a, b) for one, other in zip(first, second, strict=True) for a, b in zip(one, other, strict=True)
    )


def brief(norm: str = "batch", seed: int = 0, **fields: Any) -> RunConfig:
    """Three epochs of the stand-in's 1,297 training examples, with evaluations in between."""
    return config(norm, seed, **{"steps": 40, "batch": 100, "evaluations": 4, **fields})


@pytest.mark.parametrize("norm", [name for name in NORMS if name != "none"])
def test_equal_seeds_see_equal_mini_batches_whatever_the_norm(norm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (plain,) = trained_on(monkeypatch, brief("none", seed=5))
    (normed,) = trained_on(monkeypatch, brief(norm, seed=5))
    assert len(plain) >= 40
    assert equal(plain, normed)


def test_equal_seeds_see_equal_mini_batches_whatever_the_rest_of_the_arm(monkeypatch: pytest.MonkeyPatch) -> None:
    (one,) = trained_on(monkeypatch, brief(seed=5))
    other = brief(seed=5, scale=1.0, lr=2.0, evaluations=30, model=ModelConfig(depth=1, width=7, activation="relu"))
    (two,) = trained_on(monkeypatch, other)
    assert equal(one, two)


def test_a_networks_mini_batches_do_not_depend_on_those_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    (alone,) = trained_on(monkeypatch, brief(seed=5))
    stack = trained_on(monkeypatch, brief(seed=2), brief(seed=5), brief(seed=2, lr=0.5), brief(seed=5, scale=1.0))
    assert equal(alone, stack[1])
    assert equal(alone, stack[3])
    assert equal(stack[0], stack[2])


def test_different_seeds_see_different_mini_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = trained_on(monkeypatch, brief(seed=0), brief(seed=1))
    assert not any(torch.equal(a[0], b[0]) for a, b in zip(first, second, strict=True))


def test_an_epoch_shows_each_example_once(monkeypatch: pytest.MonkeyPatch) -> None:
    (batches,) = trained_on(monkeypatch, brief("none"))
    images = data.load(DataConfig(name="digits")).train_images
    epoch = torch.cat([x for x, _ in batches[:12]]).flatten(1)  # 12 whole mini-batches of 100 in 1,297 examples
    known = data.pixels(images).flatten(1).unique(dim=0)
    assert len(known) == len(images)  # no two examples are alike
    assert len(epoch.unique(dim=0)) == len(epoch) == 1200
    assert len(torch.cat([known, epoch]).unique(dim=0)) == len(known)


# A norm of the user's own


def written(folder: Path, monkeypatch: pytest.MonkeyPatch, source: str, name: str = "my_norm") -> str:
    """Put a module where Python finds it; the target of its class `Mine`."""
    (folder / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setitem(sys.modules, name, None)  # so that it is taken out again afterwards
    del sys.modules[name]
    importlib.invalidate_caches()
    return f"{name}:Mine"


HALF = """
import torch
class Mine(torch.nn.Module):
    def __init__(self, features):
        super().__init__()
        self.gain = torch.nn.Parameter(torch.full((features,), 0.5))
    def forward(self, x):
        return x * self.gain
def function(features):
    return torch.nn.Identity()
"""


def test_a_users_norm_stands_before_each_nonlinearity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = written(tmp_path, monkeypatch, HALF)
    arm = RunConfig(model=ModelConfig(depth=2, width=6), norm=NormConfig(name="module", target=target))
    network = models.build(arm, SHAPE, 10)
    assert [n for n, layer in network.named_children() if type(layer).__name__ == "Mine"] == ["norm1", "norm2"]
    assert [len(network.get_parameter(f"norm{i}.gain")) for i in (1, 2)] == [6, 6]
    x = torch.rand(3, *SHAPE)
    layers = list(network)
    below = nn.Sequential(*layers[:2])(x)
    torch.testing.assert_close(nn.Sequential(*layers[:4])(x), torch.sigmoid(below / 2))


def test_a_users_norm_is_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = written(tmp_path, monkeypatch, HALF)
    norm = NormConfig(name="module", target=target)
    model = ModelConfig(depth=2, width=12, activation="tanh")
    arm = RunConfig(steps=200, lr=0.5, model=model, norm=norm, init=InitConfig(scale=0.5))
    rows = list(train.train([arm], data.load(DataConfig(name="digits"))))
    assert rows[0].metrics["accuracy"] < 0.4
    assert rows[-1].metrics["accuracy"] > 0.8
    assert rows[-1].metrics["gradient_norm/norm1"] > 0


@pytest.mark.parametrize("trained", ["all", "norms"])
def test_what_a_user_froze_stays_frozen(trained: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frozen = HALF.replace("0.5))", "0.5), requires_grad=False)\n        self.bias = torch.nn.Parameter(torch.zeros(1))")
    target = written(tmp_path, monkeypatch, frozen.replace("* self.gain", "* self.gain + self.bias"))
    arm = RunConfig(model=ModelConfig(depth=2, width=6), norm=NormConfig(name="module", target=target), trained=trained)
    learnt = {name for name, p in models.build(arm, SHAPE, 10).named_parameters() if p.requires_grad}
    assert {name for name in learnt if name.startswith("norm")} == {"norm1.bias", "norm2.bias"}
    assert bool(learnt - {"norm1.bias", "norm2.bias"}) is (trained == "all")


def test_a_function_will_do_in_place_of_a_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = written(tmp_path, monkeypatch, HALF).replace("Mine", "function")
    assert isinstance(norms.factory(NormConfig(name="module", target=target))(3), nn.Identity)


# Initial weights, dropout, residual connections, training examples


@pytest.mark.parametrize(
    ("scheme", "std"), [("xavier", (2 / (784 + 400)) ** 0.5), ("he", (2 / 784) ** 0.5), ("equal_biases", 1.0)]
)
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_schemes_have_the_variance_of_their_papers(scheme: str, std: float, scale: float) -> None:
    run = RunConfig(norm=NORMS["none"], init=InitConfig(scheme, scale), model=ModelConfig(depth=2, width=400))
    network = models.build(run, (1, 28, 28), 10)
    assert network.get_parameter("linear1.weight").std().item() == pytest.approx(std * scale, rel=0.01)
    biases = [value for name, value in network.state_dict().items() if name.endswith("bias")]
    assert len(biases) == 3
    assert all(value.eq(scheme == "equal_biases").all() for value in biases)


def test_orthogonal_weights_are_orthogonal() -> None:
    run = RunConfig(norm=NORMS["none"], init=InitConfig("orthogonal", 2.0), model=ModelConfig(depth=2, width=50))
    weight = models.build(run, SHAPE, 10).get_parameter("linear2.weight")
    torch.testing.assert_close(weight @ weight.t(), 4 * torch.eye(50), rtol=1e-4, atol=1e-4)
    again = models.build(run, SHAPE, 10).get_parameter("linear2.weight")
    assert torch.equal(weight, again)


def test_equal_biases_are_the_classifiers_alone_with_bn() -> None:
    run = RunConfig(init=InitConfig("equal_biases", 0.05), norm=NORMS["batch"], model=ModelConfig(depth=1, width=5))
    network = models.build(run, SHAPE, 10)
    assert network.get_parameter("classifier.bias").eq(1).all()
    assert network.get_parameter("norm1.beta").eq(0).all()


def test_dropout_leaves_out_its_part_and_keeps_the_mean() -> None:
    drop = models.Dropout(0.25, stream(0, "dropout"))
    y = drop(torch.ones(400, 500))
    assert y.eq(0).float().mean().item() == pytest.approx(0.25, abs=0.005)
    assert y.mean().item() == pytest.approx(1, abs=0.01)
    assert y.unique().tolist() == pytest.approx([0, 1 / 0.75])
    assert torch.equal(drop.eval()(torch.ones(3)), torch.ones(3))


def test_what_is_dropped_depends_on_the_seed_and_layer_alone() -> None:
    model = ModelConfig(depth=2, width=30, dropout=0.5)
    (one,), (two,) = ([models.build(config(seed=5, model=model), SHAPE, 10)] for _ in range(2))
    torch.rand(3)
    x = torch.rand(4, 30)
    for name in ("dropout1", "dropout2"):
        assert torch.equal(one.get_submodule(name)(x), two.get_submodule(name)(x))
    assert not torch.equal(one.get_submodule("dropout1")(x), one.get_submodule("dropout2")(x))


def test_residual_connections_add_the_input_of_every_layer_but_the_first() -> None:
    run = config("none", model=ModelConfig(depth=3, width=12, residual=True), scale=0.5)
    network = models.build(run, SHAPE, 10)
    state = network.state_dict()
    x = h = torch.rand(4, *SHAPE)
    h = torch.sigmoid(nn.functional.linear(x.flatten(1), state["linear1.weight"], state["linear1.bias"]))
    for i in (2, 3):
        h = h + torch.sigmoid(nn.functional.linear(h, state[f"linear{i}.weight"], state[f"linear{i}.bias"]))
    torch.testing.assert_close(
        network(x), nn.functional.linear(h, state["classifier.weight"], state["classifier.bias"])
    )


def test_the_textbook_network_is_a_preset(tmp_path: Path) -> None:
    line = [sys.executable, "-m", "bnexp", "run", "model=textbook", "--cfg", "job", "--package", "model"]
    shown = subprocess.run(
        line, capture_output=True, text=True, check=True, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}
    ).stdout
    assert "depth: 1" in shown
    assert "activation: relu" in shown


def test_fewer_training_examples_are_drawn_by_the_seed_and_are_among_more() -> None:
    few, more = (data.BatchOrder(1000, 10, [3, 4, 3], used).examples for used in (50, 200))
    assert few.shape == (3, 50)
    assert torch.equal(few[0], few[2])
    assert not torch.equal(few[0], few[1])
    for a, b in zip(few.tolist(), more.tolist(), strict=True):
        assert set(a) < set(b)
        assert len(set(a)) == 50
    order = data.BatchOrder(1000, 10, [3], 50)
    seen = torch.cat([order.next()[0] for _ in range(5)])
    assert sorted(seen.tolist()) == sorted(few[0].tolist())


@pytest.mark.parametrize("model", ["mlp", "inception_small"])
def test_l2_can_leave_out_the_last_layer(model: str) -> None:
    """Behind BN the scale of weights is nothing, and L2 acts through the rate; the last layer has none behind it."""

    def after_a_step(l2: float, decayed: str) -> dict[str, torch.Tensor]:
        small = ModelConfig(model, depth=2, width=8, modules=["3a"], multiplier=0.0625)
        run = replace(TINY, steps=1, evaluations=1, model=small, l2=l2, decayed=decayed)
        training = Training([run], tiny_dataset(), "cpu", False, 0, lambda: None)
        list(training.steps(lambda step: None))
        return {name: tensor.clone() for name, tensor in training.network.tensors(0).items()}

    without, everywhere, hidden = after_a_step(0, "all"), after_a_step(0.5, "all"), after_a_step(0.5, "hidden")
    decayed = {name for name, tensor in without.items() if not torch.equal(tensor, everywhere[name])}
    assert {name.rpartition(".")[2] for name in decayed if "norm" not in name} == {"weight"}
    assert "classifier.weight" in decayed
    for name, tensor in hidden.items():
        assert torch.equal(tensor, (without if name == "classifier.weight" else everywhere)[name])
