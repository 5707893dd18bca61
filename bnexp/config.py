"""The typed description of one run, its validation and its id. Imports nothing heavy: `--help` needs this."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

NORMS = ("none", "batch", "batch_renorm", "layer", "group", "instance", "module")
PLACEMENTS = ("before", "after", "input")
STATISTICS = ("population", "moving", "batch")
SCHEMES = ("gaussian", "xavier", "he", "orthogonal", "equal_biases")
OPTIMIZERS = ("sgd", "momentum", "adam")
ACTIVATIONS = ("sigmoid", "tanh", "relu")
DATASETS = ("auto", "mnist", "digits")
DEVICES = ("auto", "cpu", "cuda")


class ConfigError(ValueError):
    """A setting that cannot be used; the message says which, why and what to do instead."""


@dataclass
class DataConfig:
    """What the networks are trained on."""

    name: str = "auto"
    """`mnist`, `digits` (the stand-in that comes with scikit-learn), or `auto`: MNIST, else the stand-in."""
    binarize: bool = False
    """Pixels of 0 or 1, as in §4.1, in place of grey values in [0, 1]."""
    examples: int | None = None
    """Training examples used, drawn anew for each seed; by default all."""
    root: str = MISSING
    """Folder of the data sets. Says where, not what, so it is no part of a run's id."""


@dataclass
class ModelConfig:
    """The network without its normalisation."""

    name: str = "mlp"
    """Only `mlp`, a stack of fully connected layers."""
    depth: int = 3
    """Hidden layers (§4.1: three)."""
    width: int = 100
    """Units of each hidden layer (§4.1: 100)."""
    activation: str = "sigmoid"
    """The nonlinearity: `sigmoid` (§4.1), `tanh` or `relu`."""
    residual: bool = False
    """Add each hidden layer's input to its output, from the second on."""
    dropout: float = 0.0
    """Probability with which an output of a hidden layer is left out (§4.2.1)."""


@dataclass
class NormConfig:
    """The normalisation of the hidden layers."""

    name: str = "batch"
    """`none`, `batch`, `batch_renorm`, `layer`, `group`, `instance`; or `module`: any `nn.Module`, that of `target`."""
    placement: str = "before"
    """`before` the nonlinearity (§3.2), `after` it, or on the layer's `input`."""
    target: str | None = None
    """For `module`: `package.module:Class`, called with the number of features."""
    eps: float = 1e-5
    """ε of Algorithm 1."""
    statistics: str = "population"
    """Of `batch` at inference: `population` (Algorithm 2, at the current weights), `moving` averages, which lag behind,
    or those of the `batch` of test examples itself."""
    batches: int = 100
    """For `population`: mini-batches averaged over."""
    momentum: float = 0.1
    """For moving averages: weight of the newest mini-batch."""
    groups: int = 10
    """For `group`: groups into which the features are divided."""
    r_max: float = 3.0
    """For `batch_renorm`: r is kept within [1/r_max, r_max]."""
    d_max: float = 5.0
    """For `batch_renorm`: d is kept within [−d_max, d_max]."""
    warmup: int = 500
    """For `batch_renorm`: steps as plain BN, r = 1 and d = 0, before the limits open."""
    r_ramp: int = 3500
    """For `batch_renorm`: steps in which r's limit then grows to `r_max`, linearly."""
    d_ramp: int = 2000
    """For `batch_renorm`: steps in which d's limit then grows to `d_max`, linearly."""


NORM_FIELDS: dict[str, tuple[str, ...]] = {
    "none": (),
    "batch": ("placement", "eps", "statistics"),
    "batch_renorm": ("placement", "eps", "momentum", "r_max", "d_max", "warmup", "r_ramp", "d_ramp"),
    "layer": ("placement", "eps"),
    "group": ("placement", "eps", "groups"),
    "instance": ("placement", "eps"),
    "module": ("placement", "target"),
}
"""The settings that have an effect on each norm; `_norm_fields` adds those of BN's statistics."""


@dataclass
class InitConfig:
    """The initial weights; biases start at zero, but for `equal_biases`."""

    scheme: str = "gaussian"
    """`gaussian`, `xavier` (variance 2/(inputs + outputs)), `he` (2/inputs), `orthogonal`, or `equal_biases`: Gaussian
    weights and every bias at 1."""
    scale: float = 0.05
    """Standard deviation for `gaussian` and `equal_biases`; for the others a factor on the scheme's own."""


@dataclass
class OptimizerConfig:
    """How a gradient becomes a step."""

    name: str = "sgd"
    """`sgd`, `momentum` (the heavy ball), or `adam`."""
    momentum: float = 0.9
    """For `momentum`: part of the last step that is kept; for `adam`: β₁."""
    beta2: float = 0.999
    """For `adam`: part of the mean square that is kept."""
    eps: float = 1e-8
    """For `adam`: added to the root of the mean square."""


OPTIMIZER_FIELDS: dict[str, tuple[str, ...]] = {
    "sgd": (),
    "momentum": ("momentum",),
    "adam": ("momentum", "beta2", "eps"),
}
"""The settings that have an effect on each optimizer."""


@dataclass
class RunConfig:
    """One run: one network, one seed. Two runs with equal fields are the same run, however launched."""

    seed: int = 0
    """Seed of every random stream: initial weights, batch order, dropout, batches for population statistics."""
    steps: int = 10_000
    """Training steps (one mini-batch each)."""
    batch: int = 60
    """Examples in a mini-batch."""
    lr: float = 0.1
    """Learning rate."""
    l2: float = 0.0
    """Weight of half the squared norm of the weights (not of biases, γ or β) in the loss."""
    evaluations: int = 100
    """Evaluations after step 0, log-spaced over the steps."""
    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    norm: NormConfig = field(default_factory=NormConfig)
    init: InitConfig = field(default_factory=InitConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)


@dataclass
class Config(RunConfig):
    """All that Hydra composes: the run, and how it is launched and judged (no part of a run's id)."""

    experiment: str | None = None
    """Name of the experiment, set by its file."""
    title: str = ""
    """What the experiment shows, in a line."""
    claims: list[str] = field(default_factory=list)
    """Claims judged on its records."""
    budget: dict[str, Any] = field(default_factory=dict)
    """What the experiment spends at each scale; its other values refer to it."""
    scale: str = MISSING
    """`smoke`, `laptop`, `gpu` or `paper`."""
    device: str = "auto"
    """`cpu`, `cuda`, or `auto`: CUDA when present."""
    processes: int | None = None
    """Stacks trained at a time; by default one per core, and one on a GPU."""
    compile: bool = False
    """Run the training step under `torch.compile`. On CPUs it does not pay: the step is written out by hand."""
    outputs: str = "outputs"
    """Folder of the runs."""
    results: str = "results"
    """Folder of the experiments' verdicts, tables and figures."""
    dry_run: bool = False
    """Print what would be trained, its time and its disk, and train nothing."""


def run_fields(config: RunConfig) -> dict[str, Any]:
    """The values that make a run what it is: its fields, without the folder of the data."""
    whole = dataclasses.asdict(config)
    values = {f.name: whole[f.name] for f in dataclasses.fields(RunConfig)}
    del values["data"]["root"]
    for group, effective in (
        ("norm", _norm_fields(config.norm)),
        ("optimizer", OPTIMIZER_FIELDS[config.optimizer.name]),
    ):
        values[group] = {name: values[group][name] for name in ("name", *effective)}
    return values


def _norm_fields(norm: NormConfig) -> tuple[str, ...]:
    """The settings that have an effect on this norm."""
    if norm.name != "batch":
        return NORM_FIELDS[norm.name]
    return *NORM_FIELDS["batch"], *{"population": ("batches",), "moving": ("momentum",), "batch": ()}[norm.statistics]


def from_fields(values: dict[str, Any], root: str = "") -> RunConfig:
    """The run that `run_fields` describes; the inverse of it up to the data root."""
    config = RunConfig()
    for name, value in values.items():
        own = getattr(config, name)
        setattr(config, name, dataclasses.replace(own, **value) if isinstance(value, dict) else value)
    config.data.root = root
    return config


def run_id(config: RunConfig) -> str:
    """Twelve hexadecimal digits of the SHA-256 of the run's fields."""
    canonical = json.dumps(run_fields(config), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def arm_fields(config: RunConfig) -> dict[str, Any]:
    """Every setting of a run but its seed; runs with equal arms are replicates."""
    values = run_fields(config)
    del values["seed"]
    return values


def flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings under the dotted names in which a user writes them."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def validate(config: Config) -> None:
    """Raise `ConfigError` for the first value that is out of range."""
    model, norm, init, optimizer = config.model, config.norm, config.init, config.optimizer
    _choice("data", config.data.name, DATASETS)
    _choice("model.activation", model.activation, ACTIVATIONS)
    _choice("norm", norm.name, NORMS)
    _choice("norm.placement", norm.placement, PLACEMENTS)
    _choice("norm.statistics", norm.statistics, STATISTICS)
    _choice("init", init.scheme, SCHEMES)
    _choice("optimizer", optimizer.name, OPTIMIZERS)
    _choice("device", config.device, DEVICES)
    _check("seed", config.seed, config.seed >= 0, "a whole number of at least 0")
    _check("steps", config.steps, config.steps >= 1, "at least 1 step")
    _check("batch", config.batch, config.batch >= 1, "at least 1 example")
    _check("lr", config.lr, 0 < config.lr < float("inf"), "a learning rate above 0")
    _check("l2", config.l2, 0 <= config.l2 < float("inf"), "a weight of at least 0")
    _check("evaluations", config.evaluations, config.evaluations >= 1, "at least 1")
    examples = config.data.examples
    _check("data.examples", examples, examples is None or examples >= 1, "at least 1 example, or null for all")
    _check("model.depth", model.depth, model.depth >= 1, "at least 1 hidden layer")
    _check("model.width", model.width, model.width >= 1, "at least 1 unit")
    _check("model.dropout", model.dropout, 0 <= model.dropout < 1, "a probability in [0, 1)")
    _check("init.scale", init.scale, 0 <= init.scale < float("inf"), "a number of at least 0")
    _check("norm.eps", norm.eps, norm.eps > 0, "a number above 0")
    _check("norm.batches", norm.batches, norm.batches >= 1, "at least 1 mini-batch")
    _check("norm.momentum", norm.momentum, 0 < norm.momentum <= 1, "a number in (0, 1]")
    _check("norm.groups", norm.groups, norm.groups >= 1, "at least 1 group")
    _check("norm.r_max", norm.r_max, norm.r_max >= 1, "a limit of at least 1")
    _check("norm.d_max", norm.d_max, norm.d_max >= 0, "a limit of at least 0")
    for name in ("warmup", "r_ramp", "d_ramp"):
        _check(f"norm.{name}", getattr(norm, name), getattr(norm, name) >= 0, "a number of steps, at least 0")
    _check("optimizer.momentum", optimizer.momentum, 0 <= optimizer.momentum < 1, "a number in [0, 1)")
    _check("optimizer.beta2", optimizer.beta2, 0 <= optimizer.beta2 < 1, "a number in [0, 1)")
    _check("optimizer.eps", optimizer.eps, optimizer.eps > 0, "a number above 0")
    processes = config.processes
    _check("processes", processes, processes is None or processes >= 1, "at least 1, or null for one per core")
    _check_norm(config)


def _check_norm(config: Config) -> None:
    norm, width = config.norm, config.model.width
    if norm.name in ("batch", "batch_renorm") and config.batch == 1:
        raise ConfigError(
            f"batch=1 with norm={norm.name}: a mini-batch of one example has variance 0; use batch=2 or more, or "
            "norm=none"
        )
    if norm.name == "instance":
        raise ConfigError(
            f"norm=instance with model={config.model.name}: instance normalisation takes its statistics over a feature "
            "map's locations, and a unit of a fully connected layer has but one, so variance 0; use norm=layer or "
            "norm=group"
        )
    if norm.name == "group" and (width % norm.groups or width == norm.groups):
        raise ConfigError(
            f"norm.groups={norm.groups} with model.width={width}: the units must divide into equal groups of at least 2"
        )
    if norm.name == "group" and norm.placement == "input":
        raise ConfigError(
            "norm.placement=input with norm=group: pixels make no equal groups; use norm=layer or another placement"
        )
    if (norm.name == "module") != (norm.target is not None):
        raise ConfigError(
            f"norm={norm.name} with norm.target={norm.target}: a layer of your own needs both, "
            "norm=module and norm.target=package.module:Class"
        )


def _choice(key: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ConfigError(f"{key}={value}: choose from {', '.join(choices)}")


def _check(key: str, value: object, holds: bool, wanted: str) -> None:
    if not holds:
        raise ConfigError(f"{key}={value} is out of range: give {wanted}")
