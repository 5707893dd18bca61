"""The contract of a norm, as named checks; each that fails says what is wrong and what to do.

A norm may say of itself, as attributes of its class: `inputs`, the kinds of input that it takes, ("flat", "maps") by
default; `random = True`, where its outputs in training are drawn; `expected_failures`, by check why it fails.
"""

from __future__ import annotations

import contextlib
import copy
import io
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from bnexp import targets

FEATURES = 24
SHAPES = {"flat": (), "maps": (4, 3)}
"""Of an input `[batch, features, …]`, what follows the features."""

EXAMPLES = 8

CLOSE = 1e-4
"""Of float32 outputs of size 1: what the order of sums makes is less."""


class Broken(AssertionError):
    """A promise that a norm does not keep; the message says what is wrong, and what to do."""


@dataclass(frozen=True)
class Candidate:
    """A norm that is put to the test."""

    make: Callable[..., nn.Module]
    """Called with the number of features, and `spatial` where it has such a parameter."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    device: str = "cpu"

    def norm(self, kind: str) -> nn.Module:
        """A new one, in training, in float32."""
        spatial = {"spatial": kind == "maps"} if "spatial" in targets.signature(self.make).parameters else {}
        return self.make(FEATURES, **spatial, **self.settings).to(self.device).train()

    @property
    def random(self) -> bool:
        """Whether it says that its outputs in training are drawn."""
        return bool(getattr(self.make, "random", False))

    def x(self, kind: str, examples: int = EXAMPLES, seed: int = 0) -> Tensor:
        """An input away from mean 0 and variance 1."""
        draw = torch.Generator().manual_seed(seed)
        shape = (examples, FEATURES, *SHAPES[kind])
        return (torch.randn(*shape, generator=draw) * 2 + 1).to(self.device)


@dataclass(frozen=True)
class Check:
    """A promise, and how it is tried on one kind of input."""

    name: str
    promise: str
    run: Callable[[Candidate, str], None]


def _needs(holds: bool, wrong: str, remedy: str) -> None:
    if not holds:
        raise Broken(f"{wrong}; {remedy}")


def _close(a: Tensor, b: Tensor) -> bool:
    return bool(torch.allclose(a, b, rtol=CLOSE, atol=CLOSE, equal_nan=True))


# ---- The checks


def keeps_shape(c: Candidate, kind: str) -> None:
    """Outputs have the shape of inputs."""
    for norm in (c.norm(kind), c.norm(kind).eval()):
        y = norm(c.x(kind))
        wrong = f"it returns a {type(y).__name__}"
        _needs(isinstance(y, Tensor), wrong, "return a tensor: is the `return` missing?")
        shapes = f"it maps {list(c.x(kind).shape)} to {list(y.shape)}"
        _needs(y.shape == c.x(kind).shape, shapes, "return as many values as came in, in the same places")


def keeps_dtype(c: Candidate, kind: str) -> None:
    """Outputs are of the inputs' type: float32, float64 or bfloat16."""
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        norm = c.norm(kind).to(dtype)
        y = norm(c.x(kind).to(dtype))
        wrong = f"it maps {dtype} to {y.dtype}".replace("torch.", "")
        _needs(y.dtype == dtype, wrong, "make constants of the input's type: x.new_zeros(…), torch.zeros(…).to(x)")
        _needs(bool(y.isfinite().all()), f"outputs of {dtype} are not finite", "add ε where it divides")


def finite_gradients(c: Candidate, kind: str) -> None:
    """Gradients reach the input and every parameter, and are finite."""
    norm, x = c.norm(kind), c.x(kind).requires_grad_()
    norm(x).square().sum().backward()
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


def constant_input(c: Candidate, kind: str) -> None:
    """An input without any variance gives finite outputs and gradients."""
    for value in (0.0, 3.0):
        norm, x = c.norm(kind), torch.full_like(c.x(kind), value).requires_grad_()
        y = norm(x)
        y.sum().backward()
        assert x.grad is not None
        finite = bool(y.isfinite().all() and x.grad.isfinite().all())
        _needs(
            finite,
            f"where every input is {value:g}, outputs or gradients are not finite",
            "add ε to what it divides by",
        )


def few_examples(c: Candidate, kind: str) -> None:
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


def alone_at_inference(c: Candidate, kind: str) -> None:
    """At inference what becomes of an example depends on no other."""
    norm, x = c.norm(kind), c.x(kind)
    norm(x)
    norm.eval()
    whole, alone = norm(x), torch.cat([norm(part) for part in torch.split(x, 1)])
    wrong = "at inference an example's output depends on the others in the mini-batch"
    _needs(_close(whole, alone), wrong, "use population statistics there, kept in buffers: `if not self.training`")


def order_is_nothing(c: Candidate, kind: str) -> None:
    """The order of the examples in a mini-batch changes nothing but the order of the outputs."""
    if c.random:
        return
    x = c.x(kind)
    straight, turned = (_copy(c.norm(kind))(part) for part in (x, x.flip(0)))
    wrong = "in another order the examples have other outputs"
    _needs(_close(straight, turned.flip(0)), wrong, "take statistics over all examples alike")


def inference_changes_nothing(c: Candidate, kind: str) -> None:
    """Inference leaves parameters and buffers as they are, and gives the same every time."""
    norm, x = c.norm(kind), c.x(kind)
    norm(x)
    norm.eval()
    before = {name: tensor.clone() for name, tensor in norm.state_dict().items()}
    first, again = norm(x), norm(x)
    moved = [name for name, tensor in norm.state_dict().items() if not torch.equal(tensor, before[name])]
    _needs(not moved, f"inference changes {', '.join(moved)}", "update statistics only `if self.training`")
    _needs(torch.equal(first, again), "inference gives another output the second time", "draw nothing there")


def state_round_trip(c: Candidate, kind: str) -> None:
    """All that it knows is in its parameters and buffers: a new one with its state does the same at inference."""
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
    wrong = "a new norm with its state gives another output"
    _needs(_close(norm.eval()(x), other.eval()(x)), wrong, "keep what it remembers in register_buffer(…)")


def leaves_input(c: Candidate, kind: str) -> None:
    """It does not change its input."""
    for norm in (c.norm(kind), c.norm(kind).eval()):
        x = c.x(kind)
        before = x.clone()
        norm(x)
        _needs(torch.equal(x, before), "it changes its input in place", "write x = x - mean in place of x -= mean")


def no_global_randomness(c: Candidate, kind: str) -> None:
    """It takes nothing from PyTorch's generator, so that arms with it and without see the same mini-batches."""
    norm = c.norm(kind)
    before = torch.get_rng_state()
    norm(c.x(kind))
    norm.eval()(c.x(kind))
    same = torch.equal(before, torch.get_rng_state())
    _needs(same, "it draws from PyTorch's generator", "draw from a torch.Generator of its own, with a seed")


def can_be_copied(c: Candidate, kind: str) -> None:
    """A deep copy of it, after training steps, does the same."""
    norm, x = c.norm(kind), c.x(kind).requires_grad_()
    y = norm(x)
    if y.requires_grad:
        y.sum().backward()
    try:
        other = _copy(norm)
    except Exception as error:
        raise Broken(
            f"it cannot be copied ({error}); keep no tensors with gradients in attributes: .detach()"
        ) from error
    _needs(_close(norm.eval()(x), other.eval()(x)), "a copy gives another output", "keep its state in buffers")


def stacks(c: Candidate, kind: str) -> None:
    """Many networks at once, by torch.func.vmap, have the outputs that each has alone; or each is computed alone."""
    norms = [c.norm(kind) for _ in range(3)]
    x = torch.stack([c.x(kind, seed=seed) for seed in range(3)])
    alone = torch.stack([_copy(norm)(part) for norm, part in zip(norms, x, strict=True)])
    tensors = [dict(norm.named_parameters()) | dict(norm.named_buffers()) for norm in norms]
    stacked = {name: torch.stack([of[name].detach() for of in tensors]) for name in tensors[0]}
    one = _copy(norms[0])
    try:
        together = torch.func.vmap(lambda t, part: functional_call(one, t, (part,)), randomness="different")(stacked, x)
    except Exception:  # it is then computed for one network at a time, which takes longer
        return
    if c.random:
        return
    wrong = "for several networks at once it computes something else than for each"
    _needs(_close(together, alone), wrong, "keep no tensors in attributes; use buffers, and replace them whole")


def steps_on(c: Candidate, kind: str) -> None:
    """A step of gradient descent goes through it on every device at hand."""
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    for device in devices:
        here = Candidate(c.make, c.settings, device)
        norm = here.norm(kind)
        layer = nn.Conv2d(FEATURES, FEATURES, 1) if kind == "maps" else nn.Linear(FEATURES, FEATURES)
        network = nn.Sequential(layer.to(device), norm)
        network(here.x(kind)).square().mean().backward()
        with torch.no_grad():
            for p in network.parameters():
                if p.grad is not None:
                    p.sub_(p.grad, alpha=0.1)
        finite = bool(network(here.x(kind)).isfinite().all())
        _needs(finite, f"after a step on {device} outputs are not finite", "add ε to what it divides by")


def is_quiet(c: Candidate, kind: str) -> None:
    """It prints nothing."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        c.norm(kind)(c.x(kind))
    _needs(not printed.getvalue(), f"it prints {printed.getvalue().strip()[:40]!r}", "leave out print(…)")


CHECKS = tuple(
    Check(run.__name__, (run.__doc__ or "").rstrip("."), run)
    for run in (
        *(keeps_shape, keeps_dtype, finite_gradients, constant_input, few_examples, alone_at_inference),
        *(order_is_nothing, inference_changes_nothing, state_round_trip, leaves_input, no_global_randomness),
        *(can_be_copied, stacks, steps_on, is_quiet),
    )
)


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
        return self.passed or bool(self.expected)


def results(make: Callable[..., nn.Module], settings: Mapping[str, Any] | None = None) -> list[Result]:
    """Every check that is for this norm, run."""
    return [_result(candidate, check, kind) for candidate, check, kind in _chosen(make, settings or {})]


def checks(make: Callable[..., nn.Module], **settings: Any) -> Sequence[Any]:
    """The checks as parameters of a pytest: `@pytest.mark.parametrize("check", checks(MyNorm))`, then `check()`.

    Those that the norm is expected to fail are marked so.
    """
    import pytest

    cases = []
    for candidate, check, kind in _chosen(make, settings):
        reason = _expected(candidate, check, kind)
        marks = [pytest.mark.xfail(reason=reason, raises=Broken, strict=True)] if reason else []
        cases.append(pytest.param(_Bound(candidate, check, kind), id=f"{check.name}[{kind}]", marks=marks))
    return cases


@dataclass(frozen=True)
class _Bound:
    """A check of a candidate on one kind of input; to be called."""

    candidate: Candidate
    check: Check
    kind: str

    def __call__(self) -> None:
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.check.run(self.candidate, self.kind)


def _chosen(make: Callable[..., nn.Module], settings: Mapping[str, Any]) -> Iterator[tuple[Candidate, Check, str]]:
    """The checks for the kinds of input that the norm takes."""
    candidate = Candidate(make, dict(settings))
    for kind in getattr(make, "inputs", tuple(SHAPES)):
        if kind not in SHAPES:
            raise ValueError(f"inputs={kind!r}: a norm takes {' or '.join(map(repr, SHAPES))}")
        for check in CHECKS:
            yield candidate, check, kind


def _result(candidate: Candidate, check: Check, kind: str) -> Result:
    name, expected = f"{check.name}[{kind}]", _expected(candidate, check, kind)
    try:
        _Bound(candidate, check, kind)()
    except Broken as error:
        return Result(name, check.promise, False, str(error), expected)
    except (Exception, SystemExit) as error:
        sentence = f"it fails: {type(error).__name__}: {error}; see that forward takes {kind} inputs"
        return Result(name, check.promise, False, sentence, expected)
    return Result(name, check.promise, True, expected=expected)


def _expected(candidate: Candidate, check: Check, kind: str) -> str:
    """Why the norm is expected to fail, empty where it is not."""
    reasons = getattr(candidate.make, "expected_failures", {})
    return str(reasons.get(f"{check.name}[{kind}]", reasons.get(check.name, "")))


def _copy(norm: nn.Module) -> nn.Module:
    return copy.deepcopy(norm)
