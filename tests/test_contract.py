"""The contract of a norm: ours keep it, and each way of breaking it is found by the check that is for it."""

from __future__ import annotations

import os
import random
import re
import sys
import warnings
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bnexp.config import ConfigError
from bnexp.norms import (
    BatchNorm,
    BatchRenorm,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    NaiveNorm,
    NoisyBatchNorm,
    SyncBatchNorm,
    ZCANorm,
    checks,
)
from bnexp.norms.contract import CHECKS, GATES, Result, lags, results


class Plain(nn.Module):
    """Keeps every promise."""

    def __init__(self, features: int, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale
        self.gain = nn.Parameter(torch.ones(features))
        self.register_buffer("mean", torch.zeros(features))

    def forward(self, x: Tensor) -> Tensor:
        places = (1, -1, *(1,) * (x.dim() - 2))
        return x * self.scale * self.gain.view(places)


OURS: dict[str, tuple[Callable[..., nn.Module], dict[str, Any], tuple[str, ...]]] = {
    "batch": (BatchNorm, {}, ("flat", "maps")),
    "moving": (BatchNorm, {"statistics": "moving"}, ("flat", "maps")),
    "sync": (SyncBatchNorm, {}, ("flat", "maps")),
    "noisy": (NoisyBatchNorm, {}, ("flat", "maps")),
    "renorm": (BatchRenorm, {}, ("flat", "maps")),
    "layer": (LayerNorm, {}, ("flat", "maps")),
    "group": (GroupNorm, {"groups": 4}, ("flat", "maps")),
    "instance": (InstanceNorm, {}, ("maps",)),
    "zca": (ZCANorm, {"groups": 4}, ("flat",)),
    "naive": (NaiveNorm, {"outside": "both"}, ("flat", "maps")),
    "averages": (NaiveNorm, {"outside": "averages"}, ("flat", "maps")),
    "plain": (Plain, {"scale": 2.0}, ("flat", "maps")),
}


def broken(make: Callable[..., nn.Module], **settings: Any) -> dict[str, Result]:
    return {result.check: result for result in results(make, settings) if not result.passed}


@pytest.mark.parametrize("name", OURS)
def test_our_own_norms_keep_it(name: str) -> None:
    make, settings, kinds = OURS[name]
    found = results(make, settings)
    assert {result.check for result in found} == {f"{check.name}[{kind}]" for check in CHECKS for kind in kinds}
    assert [result.sentence for result in found if not result.fine] == []


class Wider(Plain):
    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, x], 1)


class Nothing(Plain):
    def forward(self, x: Tensor) -> Tensor:
        super().forward(x)
        return None  # type: ignore[return-value]


class InDouble(Plain):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).float()


class Detached(Plain):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).detach() + x * 0


class Constant(nn.Module):
    def __init__(self, features: int) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        return torch.ones_like(x)


class AllDetached(Constant):
    def forward(self, x: Tensor) -> Tensor:
        return x.detach()


class LearnsBeside(Plain):
    """Its parameter has a gradient, its input none."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.detach())


class WithoutEpsilon(Plain):
    def forward(self, x: Tensor) -> Tensor:
        return (x - x.mean(0)) / x.std(0) * self.gain.mean()


class ByTheBatch(Plain):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x - x.mean(0))


class FirstOnly(Plain):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x - x[:1]) if self.training else super().forward(x)


class LearnsAtInference(Plain):
    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            self.mean = self.mean + 1
        return super().forward(x)


class Remembers(Plain):
    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.last = float(x.detach().mean())
        return super().forward(x) + getattr(self, "last", 0.0)


class Lazy(Plain):
    def forward(self, x: Tensor) -> Tensor:
        if not hasattr(self, "late"):
            self.late = nn.Parameter(torch.ones((), dtype=x.dtype))
        return super().forward(x) * self.late


class InPlace(Plain):
    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            x += 1
        return super().forward(x)


class Draws(Plain):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * (1 + torch.rand(()).to(x) * 0)


class DrawsElsewhere(Plain):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * (1 + 0 * random.random() * np.random.rand())


class Counts(Plain):
    steps = 0

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.steps += 1
            return super().forward(x) * self.steps
        return super().forward(x)


class KeepsGraph(Plain):
    def forward(self, x: Tensor) -> Tensor:
        self.kept = super().forward(x)
        return self.kept


class Talks(Plain):
    def forward(self, x: Tensor) -> Tensor:
        print("hello")
        return super().forward(x)


class Complains(Plain):
    def forward(self, x: Tensor) -> Tensor:
        print("careful", file=sys.stderr)
        return super().forward(x)


class WritesBelow(Plain):
    """To the file that standard output is, as what is not written in Python does."""

    def forward(self, x: Tensor) -> Tensor:
        os.write(1, b"hello\n")
        return super().forward(x)


class TalksAtInference(Plain):
    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            print("hello")
        return super().forward(x)


class Warns(Plain):
    def forward(self, x: Tensor) -> Tensor:
        warnings.warn("mind the gap", stacklevel=1)
        return super().forward(x)


class SingleAtInference(Plain):
    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        return y if self.training else y.float()


class InDoubleBackwards(Plain):
    """Its gradient is of no number where its input is of another type than float32."""

    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        return y if x.dtype == torch.float32 else y + (x - x).sqrt()


class Elsewhere(Plain):
    """Once it has been moved to another device it computes something else."""

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Elsewhere:
        self.scale *= 1.1
        return super()._apply(fn, recurse)


class Raises(Plain):
    def forward(self, x: Tensor) -> Tensor:
        raise RuntimeError("not today")


@pytest.mark.parametrize(
    ("make", "names", "words"),
    [
        (Wider, {"keeps_shape"}, "return as many values as came in"),
        (Nothing, {"keeps_shape"}, "is the `return` missing?"),
        (InDouble, {"keeps_dtype"}, "it maps float64 to float32"),
        (Detached, {"finite_gradients"}, "no gradient reaches gain"),
        (WithoutEpsilon, {"constant_input"}, "add ε"),
        (ByTheBatch, {"alone_at_inference"}, "use population statistics there"),
        (FirstOnly, {"order_is_nothing"}, "take statistics over all examples alike"),
        (LearnsAtInference, {"inference_changes_nothing"}, "inference changes mean"),
        (Remembers, {"state_round_trip"}, "keep what it remembers in register_buffer"),
        (Lazy, {"state_round_trip"}, "make all parameters and buffers in __init__"),
        (InPlace, {"leaves_input"}, "write x = x - mean"),
        (Counts, {"state_round_trip"}, "another output in training; keep what it remembers in register_buffer"),
        (Draws, {"no_global_randomness"}, "it draws from the generator of PyTorch; draw from one of its own"),
        (DrawsElsewhere, {"no_global_randomness"}, "of Python and NumPy"),
        (KeepsGraph, {"can_be_copied"}, ".detach()"),
        (Talks, {"is_quiet"}, "it prints 'hello'"),
        (Complains, {"is_quiet"}, "it prints 'careful'"),
        (WritesBelow, {"is_quiet"}, "it prints 'hello'"),
        (TalksAtInference, {"is_quiet"}, "it prints 'hello'"),
        (Warns, {"is_quiet"}, "it warns 'mind the gap'"),
        (SingleAtInference, {"keeps_dtype"}, "it maps float64 to float32 at inference"),
        (InDoubleBackwards, {"keeps_dtype"}, "gradients of float64 are not finite"),
    ],
)
def test_each_way_of_breaking_it_has_a_sentence_with_the_remedy(
    make: type[nn.Module], names: set[str], words: str
) -> None:
    found = broken(make)
    assert {f"{name}[{kind}]" for name in names for kind in ("flat", "maps")} <= found.keys()
    for name in names:
        assert words in found[f"{name}[flat]"].sentence


def test_every_device_has_the_numbers_of_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not broken(Elsewhere)
    monkeypatch.setattr("bnexp.norms.contract.devices", lambda: ["cpu"])  # as if it were another
    assert not broken(Plain)
    found = broken(Elsewhere)
    assert set(found) == {"steps_on[flat]", "steps_on[maps]"}
    assert "after a step on cpu outputs are other than on the CPU" in found["steps_on[flat]"].sentence


@pytest.mark.parametrize("make", [Constant, AllDetached, LearnsBeside])
def test_where_no_gradient_reaches_its_input_that_alone_is_said(make: type[nn.Module]) -> None:
    sentence = "no gradient reaches its input; leave out .detach(), .data and no_grad"
    found = broken(make)
    assert {name.partition("[")[0] for name in found} == {"finite_gradients", "constant_input", "steps_on"}
    assert {result.sentence for result in found.values()} == {sentence}


@pytest.mark.parametrize("make", [Detached, FirstOnly, Draws, Talks, LearnsAtInference, InDoubleBackwards])
def test_and_no_other_is_broken_by_it(make: type[nn.Module]) -> None:
    assert len({name.partition("[")[0] for name in broken(make)}) == 1


def test_what_raises_is_named_once_for_each_kind_of_input() -> None:
    found = broken(Raises)
    assert set(found) == {"keeps_shape[flat]", "keeps_shape[maps]"}
    assert all("RuntimeError: not today (" in result.sentence for result in found.values())
    assert "if it takes no maps, say so: inputs = ('flat',)" in found["keeps_shape[maps]"].sentence
    assert "if it takes maps alone, say so: inputs = ('maps',)" in found["keeps_shape[flat]"].sentence


class Many(Plain):
    """It takes flat inputs alone, and no fewer than five."""

    inputs = ("flat",)
    expected_failures: ClassVar = {"few_examples": "it is for many"}

    def forward(self, x: Tensor) -> Tensor:
        if len(x) < 5:
            raise RuntimeError("too few")
        return super().forward(x)


def test_what_raises_on_some_inputs_alone_is_told_nothing_of_other_kinds() -> None:
    found = {result.check: result for result in results(Many)}["few_examples[flat]"]
    assert "RuntimeError: too few (" in found.sentence
    assert "see to what raises it, or say in expected_failures why it must" in found.sentence
    assert found.fine, "it says so of itself"
    (case,) = (case for case in checks(Many) if case.id == "few_examples[flat]")
    (mark,) = case.marks
    with pytest.raises(mark.kwargs["raises"]):
        case.values[0]()


class WithoutInit(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x


class TakesNothing(WithoutInit):
    def __init__(self) -> None:
        super().__init__()


class ByName(WithoutInit):
    def __init__(self, *, features: int) -> None:
        super().__init__()


class Piece(nn.Linear):
    def __init__(self, inputs: int, units: int) -> None:
        super().__init__(inputs, units)


def network(shape: tuple[int, ...], classes: int, norm: Callable[..., nn.Module]) -> nn.Module:
    return nn.Flatten()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (WithoutInit, "WithoutInit is not made from the number of features; def __init__\\(self, features\\)"),
        (TakesNothing, "TakesNothing is not made from the number of features"),
        (ByName, "ByName is not made from the number of features"),
        (Piece, "Piece is a layer from inputs to units, a piece of a network and no norm"),
        (network, "network makes a network and no norm"),
    ],
)
def test_what_is_not_made_from_features_is_no_norm(make: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        results(make)
    with pytest.raises(ValueError, match=words):
        checks(make)


def test_what_changes_its_input_is_told_that_alone() -> None:
    assert {result.check for result in results(InPlace)} == {
        f"{name}[{kind}]" for name in GATES for kind in ("flat", "maps")
    }


class Expected(Wider):
    expected_failures: ClassVar[dict[str, str]] = {"keeps_shape": "it is a lesson", "steps_on[maps]": "so is this"}


def test_a_norm_may_say_what_it_fails_and_why() -> None:
    found = {result.check: result for result in results(Expected)}
    assert (found["keeps_shape[maps]"].passed, found["keeps_shape[maps]"].fine) == (False, True)
    assert found["keeps_shape[flat]"].expected == "it is a lesson"
    assert found["steps_on[flat]"].expected == ""


class Flat(Plain):
    inputs = ("flat",)

    def forward(self, x: Tensor) -> Tensor:
        assert x.dim() == 2
        return super().forward(x)


def test_what_it_says_that_it_fails_must_be_a_check_and_fail() -> None:
    stale = type("Stale", (Plain,), {"expected_failures": {"keeps_dtype": "I like it"}})
    found = {result.check: result for result in results(stale)}["keeps_dtype[flat]"]
    assert (found.passed, found.fine) == (True, False)
    assert "leave it out of expected_failures (I like it)" in found.sentence


@pytest.mark.parametrize(
    ("inputs", "said", "words"),
    [
        (("flat",), {"keeps_dtyp": "?"}, "expected_failures has 'keeps_dtyp'; did you mean 'keeps_dtype'?"),
        (("flat", "maps"), {"keeps_dtype[mapz]": "?"}, "has 'keeps_dtype[mapz]'; did you mean 'keeps_dtype[maps]'?"),
        (("flat",), {"is_quiet[maps]": "?"}, "has 'is_quiet[maps]'; did you mean 'is_quiet[flat]'?"),
        (("flat",), {"magic": "?"}, "expected_failures has 'magic'; there are: alone_at_inference, can_be_copied, "),
        (
            ("flat",),
            ["keeps_dtype"],
            "expected_failures = ['keeps_dtype'] gives no reasons; write {'keeps_dtype': 'why",
        ),
        ((), {}, "inputs = () leaves nothing; write ('flat',), ('maps',), or leave it out for both"),
        (
            ("images",),
            {},
            "inputs = ('images',): a norm takes 'flat' inputs or 'maps'; write ('flat',), ('maps',), or ",
        ),
        (
            2,
            {},
            "inputs = 2: a norm takes 'flat' inputs or 'maps'; write ('flat',), ('maps',), or leave it out for both",
        ),
    ],
)
def test_what_a_norm_cannot_say_of_itself_is_refused_with_what_it_can(inputs: Any, said: Any, words: str) -> None:
    make = type("Slip", (Plain,), {"inputs": inputs, "expected_failures": said})
    for tried in (results, checks):
        with pytest.raises(ConfigError, match=re.escape(words)):
            tried(make)


class Averages(Plain):
    """Normalises by the mini-batch, with averages of its own."""

    def __init__(self, features: int) -> None:
        super().__init__(features)
        self.batch_norm = nn.BatchNorm1d(features)

    def forward(self, x: Tensor) -> Tensor:
        normed: Tensor = self.batch_norm(x.flatten(2) if x.dim() > 2 else x)
        return normed.view(x.shape)


def test_averages_of_its_own_lag_and_those_of_our_bn_do_not() -> None:
    assert lags(Averages)
    assert not any(map(lags, (BatchNorm, Plain, LayerNorm)))


def test_a_norm_may_say_which_inputs_it_takes() -> None:
    assert {result.check.partition("[")[2] for result in results(Flat)} == {"flat]"}
    assert not broken(Flat)
    assert {r.check.partition("[")[2] for r in results(type("Word", (Flat,), {"inputs": "flat"}))} == {"flat]"}


@pytest.mark.parametrize("check", checks(BatchNorm))
def test_as_cases_of_somebodys_own_tests(check: Callable[[], None]) -> None:
    check()


@pytest.mark.parametrize("check", [case for case in checks(Expected) if "keeps_shape" in case.id])
def test_failures_that_are_expected_are_marked_so(check: Callable[[], None]) -> None:
    check()


def test_it_is_told_whether_its_input_is_spatial() -> None:
    told = []

    def make(features: int, spatial: bool) -> nn.Module:
        told.append(spatial)
        return Plain(features)

    assert all(result.passed for result in results(make))
    assert set(told) == {True, False}
