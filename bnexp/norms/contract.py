"""The contract of a norm, as named checks; each that fails says what is wrong and what to do.

A norm may say of itself, as attributes of its class: `inputs`, the kinds of input that it takes, ("flat", "maps") by
default; `random = True`, where its outputs in training are drawn; `expected_failures`, by check why it fails.
"""

from __future__ import annotations

import contextlib
import copy
import difflib
import io
import random
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from bnexp import console, targets
from bnexp.config import ConfigError
from bnexp.norms.batch import BatchNorm

FEATURES = 24
SHAPES = {"flat": (), "maps": (4, 3)}
"""Of an input `[batch, features, …]`, what follows the features."""

EXAMPLES = 8

CLOSE = 1e-4
"""Of float32 outputs of size 1: what the order of sums makes is less."""

ALIKE = 1e-2
"""The same of two devices: what TF32 makes, in which GPUs convolve by PyTorch's default, is less."""


class Broken(AssertionError):
    """A promise that a norm does not keep; the message says what is wrong, and what to do."""


def inputs_of(make: Callable[..., nn.Module]) -> tuple[str, ...]:
    """The kinds of input that a norm says it takes. Errors: ConfigError for others, and where there is none."""
    said = getattr(make, "inputs", tuple(SHAPES))
    kinds = (said,) if isinstance(said, str) else tuple(said) if isinstance(said, Collection) else ()
    if not kinds or not SHAPES.keys() >= set(kinds):
        wrong = " leaves nothing" if said == () else ": a norm takes 'flat' inputs or 'maps'"
        raise ConfigError(f"inputs = {said!r}{wrong}; write ('flat',), ('maps',), or leave it out for both")
    return kinds


def failures_expected_of(make: Callable[..., nn.Module]) -> Mapping[str, str]:
    """By check why a norm fails it, as it says. Errors: ConfigError for what is no check of its, and for no reasons."""
    said: Any = getattr(make, "expected_failures", {})
    if not isinstance(said, Mapping):
        raise ConfigError(f"expected_failures = {said!r} gives no reasons; write {{'keeps_dtype': 'why it fails'}}")
    names = sorted(check.name for check in CHECKS)
    known = [*names, *(f"{name}[{kind}]" for name in names for kind in inputs_of(make))]
    for name in said:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            meant = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names)}"
            raise ConfigError(f"expected_failures has {name!r}; {meant}")
    return dict(said)


@dataclass(frozen=True)
class Fixture:
    """What a check is given: new norms of one kind, and inputs for them."""

    make: Callable[..., nn.Module]
    """Called with the number of features, and `spatial` where it has such a parameter."""
    settings: Mapping[str, Any] = field(default_factory=dict)

    def norm(self, kind: str) -> nn.Module:
        """A new one, in training, in float32."""
        spatial = {"spatial": kind == "maps"} if "spatial" in targets.signature(self.make).parameters else {}
        return self.make(FEATURES, **(spatial | dict(self.settings))).train()

    @property
    def random(self) -> bool:
        """Whether it says that its outputs in training are drawn."""
        return bool(getattr(self.make, "random", False))

    def x(self, kind: str, examples: int = EXAMPLES, seed: int = 0) -> Tensor:
        """An input away from mean 0 and variance 1."""
        draw = torch.Generator().manual_seed(seed)
        shape = (examples, FEATURES, *SHAPES[kind])
        return torch.randn(*shape, generator=draw) * 2 + 1


@dataclass(frozen=True)
class Check:
    """A promise, and how it is tried on one kind of input."""

    name: str
    promise: str
    run: Callable[[Fixture, str], None]


def _needs(holds: bool, wrong: str, remedy: str) -> None:
    if not holds:
        raise Broken(f"{wrong}; {remedy}")


def _close(a: Tensor, b: Tensor, within: float = CLOSE) -> bool:
    return bool(torch.allclose(a, b, rtol=within, atol=within, equal_nan=True))


def _back_propagate(loss: Tensor, x: Tensor) -> None:
    """Give the parameters, and x, their gradients."""
    if loss.requires_grad:
        loss.backward()  # type: ignore[no-untyped-call]
    _needs(x.grad is not None, "no gradient reaches its input", "leave out .detach(), .data and no_grad")


# ---- The checks


def keeps_shape(c: Fixture, kind: str) -> None:
    """Outputs have the shape of inputs."""
    for norm in (c.norm(kind), c.norm(kind).eval()):
        y = norm(c.x(kind))
        wrong = f"it returns a {type(y).__name__}"
        _needs(isinstance(y, Tensor), wrong, "return a tensor: is the `return` missing?")
        shapes = f"it maps {list(c.x(kind).shape)} to {list(y.shape)}"
        _needs(y.shape == c.x(kind).shape, shapes, "return as many values as came in, in the same places")


def keeps_dtype(c: Fixture, kind: str) -> None:
    """Outputs are of the inputs' type, float32, float64 or bfloat16, and gradients of each are finite."""
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        norm, x = c.norm(kind).to(dtype), c.x(kind).to(dtype).requires_grad_()
        y = norm(x)
        for made, when in ((y, ""), (c.norm(kind).to(dtype).eval()(x), " at inference")):
            wrong = f"it maps {dtype} to {made.dtype}{when}".replace("torch.", "")
            _needs(
                made.dtype == dtype, wrong, "make constants of the input's type: x.new_zeros(…), torch.zeros(…).to(x)"
            )
        named = str(dtype).removeprefix("torch.")
        _needs(bool(y.isfinite().all()), f"outputs of {named} are not finite", "add ε where it divides")
        if y.requires_grad:
            y.square().sum().backward()
        gradients = [p.grad for p in (x, *norm.parameters()) if p.grad is not None]
        finite = all(bool(gradient.isfinite().all()) for gradient in gradients)
        _needs(finite, f"gradients of {named} are not finite", "add ε before roots and quotients")


def finite_gradients(c: Fixture, kind: str) -> None:
    """Gradients reach the input and every parameter, and are finite."""
    norm, x = c.norm(kind), c.x(kind).requires_grad_()
    _back_propagate(norm(x).square().sum(), x)
    for name, p in [("its input", x), *norm.named_parameters()]:
        if not p.requires_grad:
            continue
        _needs(
            p.grad is not None,
            f"no gradient reaches {name}",
            "leave out .detach(), .data and no_grad, or the parameter",
        )
        assert p.grad is not None
        _needs(
            bool(p.grad.isfinite().all()), f"the gradient of {name} is not finite", "add ε before roots and quotients"
        )


def constant_input(c: Fixture, kind: str) -> None:
    """An input without any variance gives finite outputs and gradients."""
    for value in (0.0, 3.0):
        norm, x = c.norm(kind), torch.full_like(c.x(kind), value).requires_grad_()
        y = norm(x)
        _back_propagate(y.sum(), x)
        assert x.grad is not None
        finite = bool(y.isfinite().all() and x.grad.isfinite().all())
        _needs(
            finite,
            f"where every input is {value:g}, outputs or gradients are not finite",
            "add ε to what it divides by",
        )


def few_examples(c: Fixture, kind: str) -> None:
    """It trains on two examples, and one is enough at inference; one in training works, or is a ValueError."""
    norm = c.norm(kind)
    _needs(
        bool(norm(c.x(kind, 2)).isfinite().all()), "outputs for two examples are not finite", "add ε to the variance"
    )
    y = norm.eval()(c.x(kind, 1))
    _needs(
        bool(y.isfinite().all()), "outputs for one example at inference are not finite", "keep population statistics"
    )
    with contextlib.suppress(ValueError):
        y = norm.train()(c.x(kind, 1))
        wrong = "outputs for one example in training are not finite"
        _needs(bool(y.isfinite().all()), wrong, "raise a ValueError that says how many it needs")


def alone_at_inference(c: Fixture, kind: str) -> None:
    """At inference what becomes of an example depends on no other."""
    norm, x = c.norm(kind), c.x(kind)
    norm(x)
    norm.eval()
    whole, alone = norm(x), torch.cat([norm(part) for part in torch.split(x, 1)])
    wrong = "at inference an example's output depends on the others in the mini-batch"
    _needs(_close(whole, alone), wrong, "use population statistics there, kept in buffers: `if not self.training`")


def order_is_nothing(c: Fixture, kind: str) -> None:
    """The order of the examples in a mini-batch changes nothing but the order of the outputs."""
    if c.random:
        return
    x = c.x(kind)
    straight, turned = (copy.deepcopy(c.norm(kind))(part) for part in (x, x.flip(0)))
    wrong = "in another order the examples have other outputs"
    _needs(_close(straight, turned.flip(0)), wrong, "take statistics over all examples alike")


def inference_changes_nothing(c: Fixture, kind: str) -> None:
    """Inference leaves parameters and buffers as they are, and gives the same every time."""
    norm, x = c.norm(kind), c.x(kind)
    norm(x)
    norm.eval()
    before = {name: tensor.clone() for name, tensor in norm.state_dict().items()}
    first, again = norm(x), norm(x)
    moved = [name for name, tensor in norm.state_dict().items() if not torch.equal(tensor, before[name])]
    _needs(not moved, f"inference changes {', '.join(moved)}", "update statistics only `if self.training`")
    _needs(torch.equal(first, again), "inference gives another output the second time", "draw nothing there")


def state_round_trip(c: Fixture, kind: str) -> None:
    """All that it knows is in its parameters and buffers: a new one with its state does the same."""
    norm, x = c.norm(kind), c.x(kind)
    for seed in range(3):
        norm(c.x(kind, seed=seed))
    other = c.norm(kind)
    try:
        other.load_state_dict(norm.state_dict())
    except RuntimeError as error:
        raise Broken(
            f"its state does not fit a new one ({str(error).splitlines()[-1].strip()}); "
            "make all parameters and buffers in __init__"
        ) from error
    remedy = "keep what it remembers in register_buffer(…)"
    same = _close(norm.eval()(x), other.eval()(x))
    _needs(same, "a new norm with its state gives another output at inference", remedy)
    same = c.random or _close(norm.train()(x), other.train()(x))
    _needs(same, "a new norm with its state gives another output in training", remedy)


def leaves_input(c: Fixture, kind: str) -> None:
    """It does not change its input."""
    for norm in (c.norm(kind), c.norm(kind).eval()):
        x = c.x(kind)
        before = x.clone()
        norm(x)
        _needs(torch.equal(x, before), "it changes its input in place", "write x = x - mean in place of x -= mean")


def no_global_randomness(c: Fixture, kind: str) -> None:
    """It takes nothing from generators of others, so that arms with it and without see the same mini-batches."""
    norm = c.norm(kind)
    before = _generators()
    norm(c.x(kind))
    norm.eval()(c.x(kind))
    drawn = [name for name, state in _generators().items() if state != before[name]]
    remedy = "draw from one of its own: torch.Generator().manual_seed(0), made in __init__"
    _needs(not drawn, f"it draws from the generator of {' and '.join(drawn)}", remedy)


def _generators() -> dict[str, object]:
    """The states of those that everybody shares."""
    kind, keys, *rest = np.random.get_state()
    numpy = kind, bytes(keys), *rest  # type: ignore[arg-type]
    return {"PyTorch": bytes(torch.get_rng_state().numpy()), "Python": random.getstate(), "NumPy": numpy}


def can_be_copied(c: Fixture, kind: str) -> None:
    """A deep copy of it, after training steps, does the same."""
    norm, x = c.norm(kind), c.x(kind).requires_grad_()
    y = norm(x)
    if y.requires_grad:
        y.sum().backward()
    try:
        other = copy.deepcopy(norm)
    except Exception as error:
        raise Broken(
            f"it cannot be copied ({error}); keep no tensors with gradients in attributes: .detach()"
        ) from error
    _needs(_close(norm.eval()(x), other.eval()(x)), "a copy gives another output", "keep its state in buffers")


def stacks(c: Fixture, kind: str) -> None:
    """Many networks at once, by torch.func.vmap, have the outputs that each has alone; or each is computed alone."""
    norms = [c.norm(kind) for _ in range(3)]
    x = torch.stack([c.x(kind, seed=seed) for seed in range(3)])
    alone = torch.stack([copy.deepcopy(norm)(part) for norm, part in zip(norms, x, strict=True)])
    tensors = [dict(norm.named_parameters()) | dict(norm.named_buffers()) for norm in norms]
    stacked = {name: torch.stack([of[name].detach() for of in tensors]) for name in tensors[0]}
    one = copy.deepcopy(norms[0])
    try:
        together = torch.func.vmap(lambda t, part: functional_call(one, t, (part,)), randomness="different")(stacked, x)
    except Exception:  # it is then computed for one network at a time, which takes longer
        return
    if c.random:
        return
    wrong = "for several networks at once it computes something else than for each"
    _needs(_close(together, alone), wrong, "keep no tensors in attributes; use buffers, and replace them whole")


def steps_on(c: Fixture, kind: str) -> None:
    """A step of gradient descent goes through it on every device at hand, to the outputs that the CPU has."""
    layer = nn.Conv2d(FEATURES, FEATURES, 1) if kind == "maps" else nn.Linear(FEATURES, FEATURES)
    network = nn.Sequential(layer, c.norm(kind))
    others = {device: copy.deepcopy(network).to(device) for device in devices()}
    on_cpu = _after_a_step("cpu", network, c.x(kind))
    for device, other in others.items():
        same = _close(_after_a_step(device, other, c.x(kind)), on_cpu, ALIKE)
        wrong = f"after a step on {device} outputs are other than on the CPU"
        _needs(c.random or same, wrong, "make tensors on the input's device, and compute the same on each")


def devices() -> list[str]:
    """Those at hand beside the CPU."""
    known = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    return [name for name, is_there in known.items() if is_there]


def _after_a_step(device: str, network: nn.Module, x: Tensor) -> Tensor:
    x = x.to(device).requires_grad_()
    _back_propagate(network(x).square().mean(), x)
    with torch.no_grad():
        for p in network.parameters():
            if p.grad is not None:
                p.sub_(p.grad, alpha=0.1)
        y: Tensor = network(x).cpu()
    _needs(bool(y.isfinite().all()), f"after a step on {device} outputs are not finite", "add ε to what it divides by")
    return y


def is_quiet(c: Fixture, kind: str) -> None:
    """It prints nothing, nor complains, in training and at inference."""
    printed = io.StringIO()
    with (
        console.overheard() as heard,
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
        warnings.catch_warnings(record=True) as complaints,
    ):
        warnings.simplefilter("always")
        norm = c.norm(kind)
        y = norm(c.x(kind).requires_grad_())
        if y.requires_grad:
            y.sum().backward()
        norm.eval()(c.x(kind))
        written = printed.getvalue() + heard()  # a process's streams need not be those of Python
    line = written.strip().partition("\n")[0]
    _needs(not written, f"it prints {line[:40]!r}", "leave out print(…)")
    said = [str(each.message) for each in complaints if not issubclass(each.category, DeprecationWarning)]
    _needs(not said, f"it warns {''.join(said[:1]).strip()[:80]!r}", "see to what is warned of, at every step")


CHECKS = tuple(
    Check(run.__name__, (run.__doc__ or "").rstrip("."), run)
    for run in (
        *(keeps_shape, leaves_input, keeps_dtype, finite_gradients, constant_input, few_examples),
        *(alone_at_inference, order_is_nothing, inference_changes_nothing, state_round_trip, no_global_randomness),
        *(can_be_copied, stacks, steps_on, is_quiet),
    )
)

GATES = ("keeps_shape", "leaves_input")
"""Checks without which the others on that kind of input would all fail for the same reason; they are left out then."""


def lags(make: Callable[..., nn.Module], settings: Mapping[str, Any] | None = None) -> bool:
    """Whether it normalises by the mini-batch and keeps averages of its own for inference.

    They lag behind the weights; those of a `BatchNorm` are estimated by Algorithm 2.
    """
    c = Fixture(make, dict(settings or {}))
    kind = inputs_of(make)[0]
    norm, x = c.norm(kind), c.x(kind)
    if c.random or any(isinstance(layer, BatchNorm) for layer in norm.modules()):
        return False
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        before = {name: tensor.clone() for name, tensor in norm.named_buffers()}
        whole, half = norm(x), norm(x[: len(x) // 2])
        moved = any(not torch.equal(tensor, before[name]) for name, tensor in norm.named_buffers())
    return moved and not _close(whole[: len(half)], half)


PIECES = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
"""Layers from so many inputs to so many units."""

AS_A_MODEL = "a network of your own, made by a function, is tried by bnexp run model.target=module:function"

OTHER_KIND = {
    "flat": "if it takes maps alone, say so: inputs = ('maps',)",
    "maps": "if it takes no maps, say so: inputs = ('flat',)",
}
"""By kind of input, what to do where a norm is not for it."""

ANY = "see to what raises it, or say in expected_failures why it must"


def no_norm(make: Callable[..., Any]) -> str:
    """What is wrong with something that cannot be made from the number of features, in a sentence; empty of others."""
    name = getattr(make, "__name__", str(make))
    parameters = targets.signature(make).parameters
    if isinstance(make, type) and issubclass(make, PIECES):
        return f"{name} is a layer from inputs to units, a piece of a network and no norm; {AS_A_MODEL}"
    if {"shape", "classes"} <= parameters.keys():
        return f"{name} makes a network and no norm; {AS_A_MODEL}"
    positional = any(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters.values())
    starred = any(p.kind == p.VAR_POSITIONAL for p in parameters.values())
    if positional or (starred and getattr(make, "__init__", None) is not nn.Module.__init__):
        return ""
    return f"{name} is not made from the number of features; def __init__(self, features) has to take it"


# ---- How they are run


@dataclass(frozen=True)
class Result:
    """What came of a check."""

    check: str
    """Its name, with the kind of input: `keeps_shape[flat]`."""
    promise: str
    passed: bool
    sentence: str = ""
    """What is wrong, and what to do."""
    expected: str = ""
    """Why the norm is expected to fail it."""

    @property
    def fine(self) -> bool:
        """Whether it came out as the norm says of itself."""
        return self.passed != bool(self.expected)


def results(
    make: Callable[..., nn.Module],
    settings: Mapping[str, Any] | None = None,
    begins: Callable[[str], object] = lambda check: None,
) -> list[Result]:
    """Every check that is for this norm, run; `begins` is told of each before.

    Errors: ConfigError for what is no norm, and for what a norm cannot say of itself.
    """
    found: list[Result] = []
    closed: set[str] = set()
    for fixture, check, kind in _chosen(make, settings or {}):
        if kind in closed:
            continue
        begins(f"{check.name}[{kind}]")
        found.append(_result(fixture, check, kind))
        if check.name in GATES and not found[-1].fine:
            closed.add(kind)
    return found


def checks(make: Callable[..., nn.Module], **settings: Any) -> Sequence[Any]:
    """The checks as parameters of a pytest: `@pytest.mark.parametrize("check", checks(MyNorm))`, then `check()`.

    Those that the norm is expected to fail are marked so.
    """
    import pytest

    cases = []
    for fixture, check, kind in _chosen(make, settings):
        reason = _expected(fixture, check, kind)
        marks = [pytest.mark.xfail(reason=reason, raises=Broken, strict=True)] if reason else []
        cases.append(pytest.param(_Bound(fixture, check, kind), id=f"{check.name}[{kind}]", marks=marks))
    return cases


@dataclass(frozen=True)
class _Bound:
    """A check of a norm on one kind of input; to be called."""

    fixture: Fixture
    check: Check
    kind: str

    def __call__(self) -> None:
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                self.check.run(self.fixture, self.kind)
            except Broken:
                raise
            except (Exception, SystemExit) as error:
                is_for_another = self.check.name == GATES[0] and len(inputs_of(self.fixture.make)) > 1
                remedy = OTHER_KIND[self.kind] if is_for_another else ANY
                raise Broken(f"it fails: {targets.place(error)}; {remedy}") from error


def _chosen(make: Callable[..., nn.Module], settings: Mapping[str, Any]) -> Iterator[tuple[Fixture, Check, str]]:
    """The checks for the kinds of input that the norm takes. Errors: ConfigError for what is no norm."""
    if wrong := no_norm(make):
        raise ConfigError(wrong)
    fixture = Fixture(make, dict(settings))
    for kind in inputs_of(make):
        for check in CHECKS:
            yield fixture, check, kind


def _result(fixture: Fixture, check: Check, kind: str) -> Result:
    name, expected = f"{check.name}[{kind}]", _expected(fixture, check, kind)
    try:
        _Bound(fixture, check, kind)()
    except Broken as error:
        return Result(name, check.promise, False, str(error), expected)
    stale = f"it keeps this, and says that it does not: leave it out of expected_failures ({expected})"
    return Result(name, check.promise, True, stale if expected else "", expected)


def _expected(fixture: Fixture, check: Check, kind: str) -> str:
    """Why the norm is expected to fail, empty where it is not."""
    reasons = failures_expected_of(fixture.make)
    return str(reasons.get(f"{check.name}[{kind}]", reasons.get(check.name, "")))
