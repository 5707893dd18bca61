"""The typed description of one run, its validation and its id. Imports nothing heavy: `--help` needs this."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

NORMS = ("none", "batch", "module")
STATISTICS = ("population", "moving")
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
    root: str = MISSING
    """Folder of the data sets. Says where, not what, so it is no part of a run's id."""


@dataclass
class ModelConfig:
    """The network without its normalisation."""

    name: str = "mlp"
    """Only `mlp`, a stack of fully connected layers."""
    hidden: list[int] = field(default_factory=lambda: [100, 100, 100])
    """Units of each hidden layer (§4.1: three of 100)."""
    activation: str = "sigmoid"
    """The nonlinearity: `sigmoid` (§4.1), `tanh` or `relu`."""


@dataclass
class NormConfig:
    """The normalisation between each hidden layer's affine map and its nonlinearity (§3.2)."""

    name: str = "batch"
    """`none`, `batch`, or `module`: any `nn.Module`, named by `target`."""
    target: str | None = None
    """For `module`: `package.module:Class`, called with the number of features."""
    eps: float = 1e-5
    """ε of Algorithm 1."""
    statistics: str = "population"
    """At inference: `population` (Algorithm 2, at the current weights) or `moving` averages, which lag behind."""
    batches: int = 100
    """For `population`: mini-batches averaged over."""
    momentum: float = 0.1
    """For `moving`: weight of the newest mini-batch."""


@dataclass
class InitConfig:
    """The initial weights; biases start at zero."""

    scale: float = 0.05
    """Standard deviation of the Gaussian."""


@dataclass
class RunConfig:
    """One run: one network, one seed. Two runs with equal fields are the same run, however launched."""

    seed: int = 0
    """Seed of every random stream: initial weights, batch order, batches for population statistics."""
    steps: int = 10_000
    """Training steps (one mini-batch each)."""
    batch: int = 60
    """Examples in a mini-batch."""
    lr: float = 0.1
    """Learning rate of plain SGD."""
    evaluations: int = 100
    """Evaluations after step 0, log-spaced over the steps."""
    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    norm: NormConfig = field(default_factory=NormConfig)
    init: InitConfig = field(default_factory=InitConfig)


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
    if config.norm.name == "none":  # nothing else of `norm` has any effect
        values["norm"] = {"name": "none"}
    return values


def from_fields(values: dict[str, Any], root: str = "") -> RunConfig:
    """The run that `run_fields` describes; the inverse of it up to the data root."""
    nested = {"data": DataConfig, "model": ModelConfig, "norm": NormConfig, "init": InitConfig}
    built = {k: nested[k](**v) if k in nested else v for k, v in values.items()}
    config = RunConfig(**built)
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
    _choice("data", config.data.name, DATASETS)
    _choice("model.activation", config.model.activation, ACTIVATIONS)
    _choice("norm", config.norm.name, NORMS)
    _choice("norm.statistics", config.norm.statistics, STATISTICS)
    _choice("device", config.device, DEVICES)
    _check("seed", config.seed, config.seed >= 0, "a whole number of at least 0")
    _check("steps", config.steps, config.steps >= 1, "at least 1 step")
    _check("batch", config.batch, config.batch >= 1, "at least 1 example")
    _check("lr", config.lr, 0 < config.lr < float("inf"), "a learning rate above 0")
    _check("evaluations", config.evaluations, config.evaluations >= 1, "at least 1")
    _check("init.scale", config.init.scale, 0 <= config.init.scale < float("inf"), "a standard deviation of at least 0")
    _check("norm.eps", config.norm.eps, config.norm.eps > 0, "a number above 0")
    _check("norm.batches", config.norm.batches, config.norm.batches >= 1, "at least 1 mini-batch")
    _check("norm.momentum", config.norm.momentum, 0 < config.norm.momentum <= 1, "a number in (0, 1]")
    hidden = config.model.hidden
    _check("model.hidden", hidden, bool(hidden) and min(hidden) >= 1, "one or more layers of at least 1 unit each")
    processes = config.processes
    _check("processes", processes, processes is None or processes >= 1, "at least 1, or null for one per core")
    if config.norm.name == "batch" and config.batch == 1:
        raise ConfigError(
            "batch=1 with norm=batch: a mini-batch of one example has variance 0; use batch=2 or more, or norm=none"
        )
    if (config.norm.name == "module") != (config.norm.target is not None):
        raise ConfigError(
            f"norm={config.norm.name} with norm.target={config.norm.target}: a layer of your own needs both, "
            "norm=module and norm.target=package.module:Class"
        )


def _choice(key: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ConfigError(f"{key}={value}: choose from {', '.join(choices)}")


def _check(key: str, value: object, holds: bool, wanted: str) -> None:
    if not holds:
        raise ConfigError(f"{key}={value} is out of range: give {wanted}")
