"""The typed description of one run, its validation and its id. Imports nothing heavy: `--help` needs this."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import math
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from omegaconf import MISSING, DictConfig, OmegaConf

OmegaConf.register_new_resolver("times", lambda a, b: a * b, replace=True)  # for the arms of Figure 3
OmegaConf.register_new_resolver("over", lambda a, b: max(1, round(a / b)), replace=True)  # steps of so many examples
OmegaConf.register_new_resolver("part", lambda a, b: min(1.0, a / b), replace=True)  # of averages over so many steps
OmegaConf.register_new_resolver("groups_for", lambda model: 10 if model == "mlp" else 4, replace=True)

TRAINED = ("all", "norms")
DECAYED = ("all", "hidden")
PROBES = (
    "input_shift",
    "gradient_shift",
    "landscape",
    "jacobian",
    "weights",
    "signal",
    "gaussian",
    "robustness",
    "adaptation",
)
TUNING = 1000
"""The seed from which on runs serve to choose settings and are judged by no claim."""

NORMS = ("none", "batch", "noisy_batch", "batch_renorm", "layer", "group", "instance", "zca", "naive", "module")
PLACEMENTS = ("before", "after", "input", "hidden_input")
STATISTICS = ("population", "moving", "batch")
PIXELS = ("raw", "standardised", "whitened")
CELLS = ("tanh", "lstm")
SCANS = ("rows", "pixels")
NORMED = ("inputs", "all")
TRANSFERS = ("new", "frozen", "recomputed")
OUTSIDE = ("mean", "both", "averages")
SCHEMES = ("gaussian", "xavier", "he", "orthogonal", "equal_biases")
OPTIMIZERS = ("sgd", "momentum", "adam", "adagrad")
ACTIVATIONS = ("sigmoid", "tanh", "relu")
MODULES = ("3a", "3b", "3c", "4a", "4b", "4c", "4d", "4e", "5a", "5b")
OF_FILES = ("mnist", "digits", "cifar10", "cifar10_jpeg", "digits_32", "tiny_imagenet")
"""Data sets that are read from files of their own."""

DATASETS = ("auto", *OF_FILES, "pictures", "imagenet", "folders")

RESOLVED = {
    "auto": ("mnist", "digits"),
    "pictures": ("cifar10", "cifar10_jpeg", "digits_32"),
    "cifar10": ("cifar10_jpeg",),
}
"""What `data.resolve` may put in place of a name."""

STAND_INS = {"digits": "MNIST", "digits_32": "CIFAR-10"}
"""Data sets on which experiments can be tried, and in place of which; their reports say so, and lie apart."""

DEVICES = ("auto", "cpu", "cuda")
FIGURES = ("png", "pdf")
SPACINGS = ("log", "even")
PRECISIONS = ("float32", "bfloat16")
MOST_STEPS = 1_000_000_000
MOST_IMAGES = 1_000_000_000
MOST_WEIGHTS = 1_000_000_000
"""Of one network: 4 GB, and as much again for the gradients."""

ENGINE = 1
"""Raised by hand when the same settings train to other numbers: the runs of an older engine then count as others.
`tests/test_golden.py` tells when that is."""

LATER = {"later": True}
"""Metadata of a setting that came after the first runs: left out of a run's fields at its default, so that it changes
no id."""


class ConfigError(ValueError):
    """A setting that cannot be used; the message says which, why and what to do instead."""


def data_root() -> str:
    """Where data sets are looked for if nothing is said."""
    return os.environ.get("BNEXP_DATA") or "./data"


@dataclass
class DataConfig:
    """What the networks are trained on."""

    name: str = "auto"
    """`mnist`, `digits` (the stand-in that comes with scikit-learn), or `auto`: MNIST, else the stand-in; `cifar10`:
    the original, else `cifar10_jpeg`, its JPEG copies; `tiny_imagenet`. With `folder` or `target`, a name of one's own;
    `imagenet` and `folders` are presets of a `folder`."""
    folder: str | None = field(default=None, metadata=LATER)
    """Pictures in `<root>/<folder>/train/CLASS/` and `val/CLASS/`. Says where, not what: `source` is part of the id."""
    side: int = field(default=256, metadata=LATER)
    """With `folder`: pixels to which pictures are scaled on their shorter side; the middle square is kept."""
    target: str | None = field(default=None, metadata=LATER)
    """`package.module:function`, which returns a `bnexp.data.Dataset`."""
    settings: dict[str, Any] = field(default_factory=dict, metadata=LATER)
    """With `target`: what it is called with, by name: `data.settings.size=16`."""
    source: str | None = field(default=None, metadata=LATER)
    """With `folder` or `target`: digest of what is read, and of the files that define `target`; it is filled in."""
    binarize: bool = False
    """Pixels of 0 or 1, as in §4.1, in place of grey values in [0, 1]."""
    contrast: bool = field(default=False, metadata=LATER)
    """Ask for an image's contrast, one of four, in place of what it shows: a task in which the scale matters (§2)."""
    pixels: str = field(default="raw", metadata=LATER)
    """Inputs as they are (`raw`), each pixel `standardised` over the training images, or all `whitened` (ZCA; §2)."""
    examples: int | None = None
    """Training examples used, drawn anew for each seed; by default all."""
    validation: int = 0
    """Training images set aside, the same for every seed, for choosing settings without a look at test data."""
    monitored: int | None = None
    """Test images on which evaluations before the last are made; by default all."""
    crop: int | None = None
    """Side of the square that a network sees: drawn anew in training, the middle one in tests; by default all of it."""
    padding: int = 0
    """Pixels of the mean colour around an image before it is cropped; only together with `crop`."""
    flip: bool = False
    """Mirror every second training image, drawn anew."""
    distortion: float = 0.0
    """Photometric distortion of training images: brightness, contrast and saturation change by up to this part."""
    classes_per_batch: int | None = field(default=None, metadata=LATER)
    """Classes in a training mini-batch, drawn anew for each, equally many examples of each (Ioffe 2017, §4.3); by
    default examples are drawn whatever their class. The mini-batches of Algorithm 2 stay so."""
    first_classes: int | None = field(default=None, metadata=LATER)
    """Train on the examples of the first so many classes in the first half of the steps, and on those of the others in
    the second; tests and validation are on these others, and so are the mini-batches of Algorithm 2."""
    reshuffle: bool = True
    """Draw new mini-batches in every epoch (§4.2.1); otherwise an example always has the same companions."""
    root: str = field(default_factory=data_root)
    """Folder of the data sets, by default `BNEXP_DATA`, else `./data`. Says where, not what: no part of a run's id."""


@dataclass(frozen=True)
class ModelKind:
    """What a model takes, and how its networks are trained."""

    fields: tuple[str, ...]
    """The settings that have an effect on it."""
    stacked: bool = False
    """Whether many of its networks are trained as one (`engine/population.py`), or each alone (`engine/single.py`)."""
    without: tuple[str, ...] = ()
    """Settings of a norm that have no effect in it."""
    inputs: str = "flat"
    """What its norms are given, as norms say what they take: "flat" features, or feature "maps"."""


INCEPTION = ModelKind(("activation", "dropout", "modules", "multiplier", "lrn"), inputs="maps")
MODELS = {
    "mlp": ModelKind(("depth", "width", "activation", "residual", "skip_init", "dropout"), stacked=True),
    "inception": INCEPTION,
    "inception_small": INCEPTION,
    "recurrent": ModelKind(("width", "cell", "scan", "normed", "first_gamma"), without=("placement", "per_activation")),
    "module": ModelKind(("target", "settings", "source"), without=("placement", "per_activation")),
}
"""By name; `models.BUILDERS` makes them."""


@dataclass
class ModelConfig:
    """The network without its normalisation."""

    name: str = "mlp"
    """`mlp`, fully connected layers (§4.1); `recurrent` (§5); `inception` (Figure 5, for 224 pixels);
    `inception_small`, its modules behind a first convolution for images of 32 or 64 pixels; or `module`: any
    `nn.Module`, that of `target`."""
    target: str | None = field(default=None, metadata=LATER)
    """`package.module:function`, called with an image's shape, the number of classes and a maker of norms; where no
    model is chosen it chooses `module`."""
    settings: dict[str, Any] = field(default_factory=dict, metadata=LATER)
    """For `module`: what `target` is called with besides, by name: `model.settings.width=64`."""
    source: str | None = field(default=None, metadata=LATER)
    """For `module`: digest of the files that define `target`; it is filled in."""
    depth: int = 3
    """Hidden layers (§4.1: three)."""
    width: int = 100
    """Units of each hidden layer (§4.1: 100)."""
    activation: str = "sigmoid"
    """The nonlinearity: `sigmoid` (§4.1), `tanh` or `relu`."""
    residual: bool = False
    """Add each hidden layer's input to its output, from the second on."""
    skip_init: bool = field(default=False, metadata=LATER)
    """Multiply what is added to by a learnt factor, 0 at first (De & Smith 2020)."""
    cell: str = "tanh"
    """Of `recurrent`: `tanh`, or `lstm`."""
    scan: str = "rows"
    """Of `recurrent`: what is read in a time step: `rows` of the image, or `pixels` of one of half the size."""
    normed: str = "all"
    """Of `recurrent`: norms on what comes from the `inputs`, or on `all`: from the last state, too, and on an LSTM's
    cell (Cooijmans et al. 2016)."""
    first_gamma: float = 0.1
    """Of `recurrent` with BN: what γ begins with; at 1 a tanh saturates, and gradients vanish (Cooijmans et al. 2016,
    §4)."""
    dropout: float = 0.0
    """Probability with which an output of a hidden layer, in `inception` an input of the last layer, is left out."""
    modules: list[str] = field(default_factory=lambda: list(MODULES))
    """Of `inception`: the rows of Figure 5's table that are there."""
    multiplier: float = 1.0
    """Of `inception`: factor on the table's widths, which are then rounded to multiples of 8."""
    lrn: bool = False
    """Of `inception`: local response normalisation behind the first layers, as without BN (§4.2.1)."""

    @property
    def stacked(self) -> bool:
        """Whether many of these networks are trained as one."""
        return MODELS[self.name].stacked


@dataclass
class NormConfig:
    """The normalisation of the hidden layers."""

    name: str = "batch"
    """`none`, `batch`, `noisy_batch`, `batch_renorm`, `layer`, `group`, `instance`, `zca`, `naive`; or `module`: any
    `nn.Module`, that of `target`."""
    placement: str = "before"
    """`before` the nonlinearity (§3.2), `after` it, on the layer's `input`, or for `mlp` on the `hidden_input`: as
    `input`, but not in the first layer, for pixels that hardly vary become huge when they are normalised."""
    target: str | None = None
    """`package.module:Class`, called with the number of features; where no norm is chosen it chooses `module`."""
    settings: dict[str, Any] = field(default_factory=dict, metadata=LATER)
    """For `module`: what `target` is called with besides, by name: `norm.settings.groups=4`."""
    source: str | None = field(default=None, metadata=LATER)
    """For `module`: digest of the files that define `target`; it is filled in."""
    eps: float = 1e-5
    """ε of Algorithm 1."""
    statistics: str = "population"
    """Of `batch` at inference: `population` (Algorithm 2, at the current weights), `moving` averages, which lag behind,
    or those of the `batch` of test examples itself."""
    batches: int = 100
    """For `population`, and for a `module` made of `batch`: mini-batches averaged over."""
    momentum: float = 0.1
    """For moving averages: weight of the newest mini-batch."""
    groups: int = 10
    """For `group` and `zca`: groups into which the features are divided; 10, in `inception` 4."""
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
    schedule: float | None = field(default=None, metadata=LATER)
    """For `batch_renorm`: the part of the training after which both limits are open, of which `warmup`, `r_ramp` and
    `d_ramp` are then the proportions (Ioffe 2017, §4: 5, 35 and 20 thousand steps); by default they are steps."""
    per_activation: bool = False
    """For `batch` in `inception`: in the last two modules, statistics of each activation alone (§4.2.3)."""
    ghost: int | None = field(default=None, metadata=LATER)
    """For `batch`: examples in each part of a mini-batch that is normalised by itself in training, a ghost batch
    (Hoffer et al. 2017); by default the whole mini-batch. Algorithm 2 then averages over ghost batches."""
    outside: str = field(default="mean", metadata=LATER)
    """For `naive`: what is computed outside the gradient step: the mini-batch's `mean`, `both` it and the variance, or
    moving `averages` of both."""
    drift: int | None = field(default=None, metadata=LATER)
    """For `noisy_batch`: steps that its noise lasts, which then is there at inference, too, so that what follows has
    inputs that drift; by default each mini-batch draws its own, in training alone."""
    transfer: str = field(default="new", metadata=LATER)
    """For `batch`, with `data.first_classes`: in the second half `new` statistics, of its mini-batches; or as constants
    the population statistics of the first half's examples (`frozen`) or of its own (`recomputed`)."""
    affine: bool = field(default=True, metadata=LATER)
    """Whether γ and β are learnt; they stay at 1 and 0 otherwise."""
    weights: float = field(default=1.0, metadata=LATER)
    """For `mlp`: factor on the initial weights in front of it, whose scale then does not matter (§3.3)."""
    rate: float = field(default=1.0, metadata=LATER)
    """For `mlp`: factor on the learning rate of these weights."""
    sync: bool = False
    """For `batch` in a network over several processes: statistics of the whole mini-batch, not of each one's part."""


RAMPS = ("warmup", "r_ramp", "d_ramp")
"""The settings of `batch_renorm` that say when its limits open."""

NORM_FIELDS: dict[str, tuple[str, ...]] = {
    "none": (),
    "batch": ("placement", "eps", "statistics", "ghost", "transfer"),
    "noisy_batch": ("placement", "eps", "batches", "drift"),
    "batch_renorm": ("placement", "eps", "momentum", "r_max", "d_max", *RAMPS, "schedule"),
    "layer": ("placement", "eps"),
    "group": ("placement", "eps", "groups"),
    "instance": ("placement", "eps"),
    "zca": ("placement", "eps", "groups", "batches"),
    "naive": ("placement", "eps", "outside"),
    "module": ("placement", "target", "settings", "source", "batches"),
}
"""The settings that have an effect on each norm; `_norm_fields` adds those of BN's statistics."""

BY_BATCH = ("batch", "noisy_batch", "batch_renorm", "zca", "naive")
"""The norms of ours that take statistics over a mini-batch."""

WITHOUT_AFFINE = ("none", "naive", "module")
"""Those without γ and β of ours."""


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
    """`sgd`, `momentum` (the heavy ball), `adam`, or `adagrad`."""
    momentum: float = 0.9
    """For `momentum`: part of the last step that is kept; for `adam`: β₁."""
    beta2: float = 0.999
    """For `adam`: part of the mean square that is kept."""
    eps: float = 1e-8
    """Added to the root: for `adam` of the mean square, for `adagrad` of the sum of squares."""


OPTIMIZER_FIELDS: dict[str, tuple[str, ...]] = {
    "sgd": (),
    "momentum": ("momentum",),
    "adam": ("momentum", "beta2", "eps"),
    "adagrad": ("eps",),
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
    decayed: str = field(default="all", metadata=LATER)
    """Whose weights those are: of `all` layers, or of the `hidden` ones, which is all but the last."""
    decay: float = 0.0
    """The learning rate falls exponentially, to exp(−decay) of itself after all the steps (§4.2)."""
    evaluations: int = 100
    """Evaluations after step 0."""
    spacing: str = "log"
    """Of the evaluations over the steps: `log` or `even`."""
    early_evaluations: int = field(default=0, metadata=LATER)
    """Further evaluations up to `early_steps`; those of an `even` spacing then begin there."""
    early_steps: int = field(default=0, metadata=LATER)
    """The last step of the early evaluations; those beyond the last step of all are left out."""
    early_spacing: str = field(default="even", metadata=LATER)
    """Of the early evaluations: `even` or `log`."""
    predictions: bool = False
    """Keep the class probabilities of all test images, of one crop and averaged over ten (§4.2.3)."""
    shape: bool = field(default=False, metadata=LATER)
    """Measure, too, how far the nonlinearities' inputs are from normal distributions: `skewness/…`, `kurtosis/…`."""
    probes: list[str] = field(default_factory=list, metadata=LATER)
    """What else to measure at every evaluation: `input_shift`, `gradient_shift`, `landscape`, `jacobian`, `weights`,
    `signal`, `gaussian`; at the end alone `robustness`, `adaptation`. bnexp/engine/probes says what each is."""
    trained: str = field(default="all", metadata=LATER)
    """What is trained: `all`, or the `norms` alone, their γ and β, while all else stays as it was drawn."""
    precision: str = "float32"
    """Of `inception`: `float32`, or `bfloat16` where PyTorch's autocast thinks it safe."""
    nproc: int = 1
    """Of `inception`: processes that train one network, each on an equal part of every mini-batch."""
    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    norm: NormConfig = field(default_factory=NormConfig)
    init: InitConfig = field(default_factory=InitConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)


@dataclass
class BaseConfig:
    """What the arms of Figure 3 take multiples of."""

    lr: float = 0.0015
    """Learning rate of Inception."""
    l2: float = 0.0001
    """L2 weight of Inception."""
    decay: float = 3.0
    """Decay of Inception's learning rate."""


@dataclass
class Config(RunConfig):
    """All that Hydra composes: the run, and how it is launched and judged (no part of a run's id)."""

    experiment: str | None = None
    """Name of the experiment, set by its file."""
    arm: str | None = None
    """Name of an arm of Figure 3, set by its file: a label for what the run's settings are."""
    base: BaseConfig = field(default_factory=BaseConfig)
    title: str = ""
    """What the experiment shows, in a line."""
    question: str = ""
    """What the experiment helps to answer, by which overviews group it."""
    claims: list[str] = field(default_factory=list)
    """Claims judged on its records."""
    budget: dict[str, Any] = field(default_factory=dict)
    """What the experiment spends at each scale; its other values refer to it."""
    scale: str = MISSING
    """`smoke`, `laptop`, `overnight`, `gpu` or `paper`."""
    device: str = "auto"
    """`cpu`, `cuda`, or `auto`: CUDA when present."""
    processes: int | None = None
    """Stacks trained at a time; by default one per core, and one on a GPU."""
    checkpoint: int = 500
    """Steps between two checkpoints of `inception`, from which it goes on when it was cut short."""
    patience: int = 600
    """Seconds after which a process that says nothing any more is stopped, and its runs count as failed."""
    compile: bool = False
    """Run the training step under `torch.compile`. On CPUs it does not pay: the step is written out by hand."""
    outputs: str = "outputs"
    """Folder of the runs."""
    results: str = "results"
    """Folder of the experiments' verdicts, tables and figures."""
    figures: str = "png"
    """Of the reports: `png`, or `pdf` for both, for print."""
    reuse: bool = False
    """Take over finished runs of the same settings, engine and data from the experiment's records under `results`."""
    dry_run: bool = False
    """Print what would be trained, its time and its disk, and train nothing."""


LAUNCH = (
    *("data.root", "device", "processes", "patience", "checkpoint", "compile"),
    *("outputs", "results", "figures", "reuse", "dry_run"),
)
"""The settings that say where and how, not what: they are no part of a run and go for the whole command."""

ARMS = (
    *("inception", "bn_baseline", "bn_x5", "bn_x30", "bn_x5_sigmoid", "inception_x5", "inception_sigmoid"),
    *("inception_changes", "inception_changes_x1", "inception_decayed", "inception_sigmoid_x5", "inception_x1"),
    *("inception_x9", "bn_x30_half", "bn_x30_fifth"),
)
"""The rows of Figure 3 (§4.2) and our controls, which are networks of the Inception kind."""


def schema() -> DictConfig:
    """`Config` for Hydra: a setting that there is not is refused, but in the free `settings`, which need no `+`."""
    node: DictConfig = OmegaConf.structured(Config)
    for group in (node.norm, node.model, node.data):
        OmegaConf.set_struct(group.settings, False)
    return node


def choose_module(config: Config, overrides: Iterable[str]) -> None:
    """Let `norm.target` choose norm=module, and `model.target` model=module, where nothing else chooses.

    Other choices are an override, and for the norm an arm of Figure 3.
    """
    chosen = {line.lstrip("+~").partition("=")[0] for line in overrides}
    if config.norm.target is not None and config.arm is None and chosen.isdisjoint(("norm", "norm.name")):
        config.norm.name = "module"
    if config.model.target is not None and chosen.isdisjoint(("model", "model.name")):
        config.model.name = "module"


def run_fields(config: RunConfig) -> dict[str, Any]:
    """The values that make a run what it is: its fields, without the folder of the data."""
    values = _without_later_defaults(config, RunConfig)
    del values["data"]["root"]
    values["data"].pop("folder", None)
    if config.model.stacked:
        del values["precision"], values["nproc"]
    for group, effective in (
        ("model", MODELS[config.model.name].fields),
        ("norm", _norm_fields(config)),
        ("optimizer", OPTIMIZER_FIELDS[config.optimizer.name]),
    ):
        values[group] = {name: values[group][name] for name in ("name", *effective) if name in values[group]}
    return values


def _without_later_defaults(node: Any, schema: type) -> dict[str, Any]:
    """The schema's fields of a node as plain values, without those marked `LATER` that are at their default."""
    values: dict[str, Any] = {}
    for f in dataclasses.fields(schema):
        value = getattr(node, f.name)
        default = f.default_factory() if f.default_factory is not dataclasses.MISSING else f.default
        if f.metadata.get("later") and value == default:
            continue
        nested = dataclasses.is_dataclass(value) and not isinstance(value, type)
        values[f.name] = _without_later_defaults(value, type(value)) if nested else copy.deepcopy(value)
    return values


def _norm_fields(config: RunConfig) -> tuple[str, ...]:
    """The settings that have an effect on this norm in this model."""
    norm = config.norm
    fields = NORM_FIELDS[norm.name]
    if norm.name == "batch":
        fields += {"population": ("batches",), "moving": ("momentum",), "batch": ()}[norm.statistics]
        fields += () if config.model.stacked else ("per_activation",)
        fields += ("sync",) if config.nproc > 1 else ()
    if norm.name == "naive":
        fields += ("momentum",) if norm.outside == "averages" else ("batches",)
    fields += ("affine",) if norm.name not in WITHOUT_AFFINE else ()
    fields += ("weights", "rate") if norm.name != "none" else ()
    return tuple(name for name in fields if name not in MODELS[config.model.name].without)


def from_fields(values: dict[str, Any]) -> RunConfig:
    """The run that `run_fields` describes; the inverse of it, without the folder of the data."""
    config = RunConfig()
    for name, value in values.items():
        default = getattr(config, name)
        setattr(config, name, dataclasses.replace(default, **value) if isinstance(value, dict) else value)
    config.data.root = ""
    return config


def run_id(config: RunConfig, engine: int = ENGINE) -> str:
    """Twelve hexadecimal digits of the SHA-256 of the run's fields and of its engine, but for the first."""
    fields = run_fields(config) | ({} if engine == 1 else {"engine": engine})
    canonical = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings under the dotted names in which a user writes them."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


CHOICES: dict[str, tuple[str, ...]] = {
    "model.name": tuple(MODELS),
    "model.activation": ACTIVATIONS,
    "norm.name": NORMS,
    "norm.placement": PLACEMENTS,
    "norm.statistics": STATISTICS,
    "norm.outside": OUTSIDE,
    "norm.transfer": TRANSFERS,
    "init.scheme": SCHEMES,
    "optimizer.name": OPTIMIZERS,
    "data.pixels": PIXELS,
    "spacing": SPACINGS,
    "early_spacing": SPACINGS,
    "trained": TRAINED,
    "decayed": DECAYED,
    "precision": PRECISIONS,
    "device": DEVICES,
    "figures": FIGURES,
}
"""By setting, all the values that there are, whatever the model and the data."""


def validate(config: Config) -> None:
    """Raise `ConfigError` for the first value that is out of range."""
    model, norm, init, optimizer = config.model, config.norm, config.init, config.optimizer
    _check_data(config.data)
    for key, choices in CHOICES.items():
        _choice(key.removesuffix(".name").removesuffix(".scheme"), attrgetter(key)(config), choices)
    if not norm.affine and norm.name in WITHOUT_AFFINE:
        raise ConfigError(f"norm.affine=false with norm={norm.name}: it is for the norms of ours that have γ and β")
    if config.trained == "norms" and (norm.name in ("none", "naive") or not norm.affine):
        raise ConfigError("trained=norms needs a norm with γ and β to learn: norm=batch, and norm.affine=true")
    for name in config.probes:
        _choice("probes", name, PROBES)
    if config.probes != [name for name in PROBES if name in config.probes]:
        raise ConfigError(f"probes={','.join(config.probes)}: name each once, in the order {', '.join(PROBES)}")
    if config.probes and config.precision != "float32":
        raise ConfigError(f"probes={','.join(config.probes)} are measured in float32: leave precision as it is")
    if config.probes and config.nproc > 1:
        raise ConfigError(f"probes={','.join(config.probes)} measure one process's network: leave nproc at 1")
    _check("seed", config.seed, 0 <= config.seed < 2**63, "a whole number from 0 to 2⁶³ − 1")
    _count("steps", config.steps, 1, MOST_STEPS, "step")
    _count("batch", config.batch, 1, 1_000_000, "example")
    _check("lr", config.lr, 0 < config.lr < float("inf"), "a learning rate above 0")
    _check("l2", config.l2, 0 <= config.l2 < float("inf"), "a weight of at least 0")
    _check("decay", config.decay, 0 <= config.decay < float("inf"), "a number of at least 0")
    _count("evaluations", config.evaluations, 1, 100_000, "evaluation")
    _count("early_evaluations", config.early_evaluations, 0, 100_000, "evaluation")
    _count("early_steps", config.early_steps, 0, MOST_STEPS, "step")
    _check_early(config)
    _check("checkpoint", config.checkpoint, config.checkpoint >= 1, "at least 1 step")
    _check("patience", config.patience, config.patience >= 1, "at least 1 second")
    _count("nproc", config.nproc, 1, 1024, "process")
    _count("model.depth", model.depth, 1, 1000, "hidden layer")
    _count("model.width", model.width, 1, 100_000, "unit")
    _check("model.dropout", model.dropout, 0 <= model.dropout < 1, "a probability in [0, 1)")
    _check("init.scale", init.scale, 0 <= init.scale < float("inf"), "a number of at least 0")
    _check("norm.eps", norm.eps, 0 < norm.eps < float("inf"), "a number above 0")
    _count("norm.batches", norm.batches, 1, 100_000, "mini-batch")
    _check("norm.momentum", norm.momentum, 0 < norm.momentum <= 1, "a number in (0, 1]")
    _check("norm.groups", norm.groups, norm.groups >= 1, "at least 1 group")
    _check("norm.r_max", norm.r_max, 1 <= norm.r_max < float("inf"), "a limit of at least 1")
    _check("norm.d_max", norm.d_max, 0 <= norm.d_max < float("inf"), "a limit of at least 0")
    for name in RAMPS:
        _count(f"norm.{name}", getattr(norm, name), 0, MOST_STEPS, "step")
    _check(
        "norm.schedule",
        norm.schedule,
        norm.schedule is None or 0 < norm.schedule <= 1,
        "a part of the training in (0, 1], or null for norm.warmup, norm.r_ramp and norm.d_ramp in steps",
    )
    _check("optimizer.momentum", optimizer.momentum, 0 <= optimizer.momentum < 1, "a number in [0, 1)")
    _check("optimizer.beta2", optimizer.beta2, 0 <= optimizer.beta2 < 1, "a number in [0, 1)")
    _check("optimizer.eps", optimizer.eps, 0 < optimizer.eps < float("inf"), "a number above 0")
    processes = config.processes
    _check("processes", processes, processes is None or processes >= 1, "at least 1, or null for one per core")
    for key in ("outputs", "results"):
        if not getattr(config, key).strip():
            raise ConfigError(f"{key}={getattr(config, key)!r}: name a folder, or leave it out for ./{key}")
    if config.reuse and config.experiment is None:
        raise ConfigError(
            "reuse=true takes runs over from an experiment's records; add experiment=NAME, or leave it out"
        )
    if model.stacked:
        _check_mlp(config)
    else:
        _check_single(config)
        checks = {"module": _check_own_model, "recurrent": _check_recurrent}
        checks.get(model.name, _check_inception)(config)
    _check_norm(config)
    _check_classes(config)


def _check_early(config: Config) -> None:
    early, until = config.early_evaluations, config.early_steps
    if bool(early) != bool(until):
        missing = "early_steps" if early else "early_evaluations"
        raise ConfigError(
            f"early_evaluations={early} with early_steps={until}: so many evaluations are made up to so many steps; "
            f"give {missing} too, or neither"
        )
    if config.early_spacing != "even" and not early:
        raise ConfigError(
            f"early_spacing={config.early_spacing}: there are no early evaluations; give early_evaluations and "
            "early_steps, too"
        )


def _check_data(data: DataConfig) -> None:
    _count("data.examples", data.examples, 1, MOST_IMAGES, "example", "null for all")
    _count("data.validation", data.validation, 0, MOST_IMAGES, "image")
    _count("data.monitored", data.monitored, 1, MOST_IMAGES, "image", "null for all")
    _count("data.crop", data.crop, 1, 4096, "pixel", "null for the whole image")
    _count("data.padding", data.padding, 0, 256, "pixel")
    if data.padding and data.crop is None:
        raise ConfigError(
            f"data.padding={data.padding} without data.crop: the border is there to be cropped at random; "
            "give the side of the square as data.crop, or data.padding=0"
        )
    if data.pixels != "raw" and (data.crop or data.flip or data.distortion):
        raise ConfigError(
            f"data.pixels={data.pixels} with data.crop, data.flip or data.distortion: it takes statistics of every "
            "pixel, which must stay in its place; leave them out"
        )
    if data.contrast and data.binarize:
        raise ConfigError("data.contrast=true with data.binarize=true: binary images have one contrast; leave one out")
    _check("data.distortion", data.distortion, 0 <= data.distortion < 1, "a part in [0, 1)")
    _count("data.side", data.side, 1, 4096, "pixel")
    places = {"data.folder": data.folder, "data.target": data.target}
    given = [f"{key}={value}" for key, value in places.items() if value is not None]
    if len(given) > 1:
        raise ConfigError(f"{' with '.join(given)}: the data can be read from one of them; leave the other out")
    if not given:
        _choice("data", data.name, DATASETS)
        if data.name in ("folders", "imagenet"):
            raise ConfigError(
                f"data={data.name} without data.folder: name the folder, under data.root, that has train/CLASS/… and "
                "val/CLASS/…"
            )
    elif data.name in OF_FILES:
        raise ConfigError(f"data={data.name} with {given[0]}: {data.name} has files of its own; leave one of them out")
    elif not re.fullmatch(r"[\w.-]+", data.name):
        raise ConfigError(f"data.name={data.name}: it becomes part of a file's name; use letters, digits, - and _")
    if data.settings and data.target is None:
        raise ConfigError(f"data.settings={data.settings} without data.target: they are what it is called with")
    if data.side != 256 and data.folder is None:
        raise ConfigError(f"data.side={data.side} without data.folder: it is for pictures in folders; see data.crop")
    if data.source is not None:
        raise ConfigError(f"data.source={data.source}: it is filled in from what is read; leave it out")


def _check_classes(config: Config) -> None:
    """Mini-batches of few classes, and trainings on some classes first."""
    _check_transfer(config)
    classes = config.data.classes_per_batch
    if classes is None:
        return
    if classes < 1 or config.batch % classes:
        raise ConfigError(
            f"data.classes_per_batch={classes} with batch={config.batch}: a mini-batch must have equally many examples "
            "of each class, at least 1"
        )
    if not config.data.reshuffle:
        raise ConfigError(
            f"data.classes_per_batch={classes} with data.reshuffle=false: classes are drawn anew for every mini-batch; "
            "leave one of them out"
        )


def _check_transfer(config: Config) -> None:
    first, norm = config.data.first_classes, config.norm
    if norm.transfer != "new" and (first is None or norm.name != "batch" or norm.statistics != "population"):
        raise ConfigError(
            f"norm.transfer={norm.transfer} with data.first_classes={first}, norm={norm.name}, "
            f"norm.statistics={norm.statistics}: it is for population statistics of norm=batch where classes change"
        )
    if first is None:
        return
    _check("data.first_classes", first, first >= 1, "at least 1 class")
    for key, value in (
        ("data.examples", config.data.examples),
        ("data.classes_per_batch", config.data.classes_per_batch),
        ("probes", config.probes),
    ):
        if value:
            raise ConfigError(f"data.first_classes={first} with {key}={value}: leave one of them out")
    if not config.model.stacked:
        raise ConfigError(f"data.first_classes={first} with model={config.model.name}: it is for model=mlp")


def _check_mlp(config: Config) -> None:
    norm, width, depth = config.norm, config.model.width, config.model.depth
    if depth * width**2 > MOST_WEIGHTS:
        raise ConfigError(
            f"model.depth={depth} with model.width={width}: {depth * width**2:,} weights; at most {MOST_WEIGHTS:,}"
        )
    if config.arm in ARMS:
        raise ConfigError(
            f"arm={config.arm} with model=mlp: it is one of Figure 3's Inceptions; add model=inception_small "
            "data=cifar10, or model=inception data=imagenet"
        )
    for key, value, default in (("nproc", config.nproc, 1), ("precision", config.precision, "float32")):
        if value != default:
            raise ConfigError(
                f"{key}={value} with model=mlp: many such networks are trained as one, in float32; "
                "it is for model=inception and model=inception_small"
            )
    if config.model.skip_init and not config.model.residual:
        raise ConfigError("model.skip_init=true without model.residual=true: it is a factor on residual branches")
    if norm.placement == "hidden_input" and depth == 1 and norm.name != "none":
        raise ConfigError(
            "norm.placement=hidden_input with model.depth=1: the only hidden layer is the first, whose input is left "
            "as it is; give model.depth=2 or more, or norm=none"
        )
    if norm.per_activation or norm.sync:
        key = "norm.per_activation" if norm.per_activation else "norm.sync"
        raise ConfigError(f"{key}=true with model=mlp: it is for model=inception and model=inception_small")
    if norm.name == "instance":
        raise ConfigError(
            f"norm=instance with model={config.model.name}: instance normalisation takes its statistics over a feature "
            "map's locations, and a unit of a fully connected layer has but one, so variance 0; use norm=layer or "
            "norm=group"
        )
    if norm.name in ("group", "zca") and (width % norm.groups or width == norm.groups):
        raise ConfigError(
            f"norm.groups={norm.groups} with model.width={width}: the units must divide into equal groups of at least 2"
        )


def _check_single(config: Config) -> None:
    """A network that is trained alone."""
    norm = config.norm
    if config.batch % config.nproc:
        raise ConfigError(
            f"batch={config.batch} with nproc={config.nproc}: the mini-batch must divide into equal parts"
        )
    for key, value in (("norm.per_activation", norm.per_activation), ("norm.sync", norm.sync)):
        if value and norm.name != "batch":
            raise ConfigError(f"{key}=true with norm={norm.name}: it is an option of norm=batch")
    if norm.name == "batch" and norm.statistics == "moving" and config.nproc > 1:
        raise ConfigError(
            f"norm.statistics=moving with nproc={config.nproc}: each process would have averages of its own; "
            "use norm.statistics=population"
        )


def _check_inception(config: Config) -> None:
    model, norm = config.model, config.norm
    if norm.placement == "hidden_input":
        raise ConfigError(f"norm.placement=hidden_input with model={model.name}: it is for model=mlp; use input")
    if norm.name == "zca":
        raise ConfigError(
            f"norm=zca with model={model.name}: it whitens the units of fully connected layers, model=mlp"
        )
    for name in model.modules:
        _choice("model.modules", name, MODULES)
    _check(
        "model.modules",
        model.modules,
        list(model.modules) == [m for m in MODULES if m in model.modules],
        "each once, in order",
    )
    _check("model.modules", model.modules, len(model.modules) > 0, "at least one module")
    _check("model.multiplier", model.multiplier, 0 < model.multiplier <= 8, "a factor above 0, at most 8")
    if norm.name == "group" and 8 % norm.groups:
        raise ConfigError(
            f"norm.groups={norm.groups} with model={model.name}: feature maps come in multiples of 8; use 1, 2, 4 or 8"
        )


def _check_recurrent(config: Config) -> None:
    model, norm = config.model, config.norm
    _choice("model.cell", model.cell, CELLS)
    _choice("model.scan", model.scan, SCANS)
    _choice("model.normed", model.normed, NORMED)
    if not 0 < model.first_gamma < math.inf:
        raise ConfigError(f"model.first_gamma={model.first_gamma}: it must be a number above 0")
    if norm.name not in ("none", "batch", "layer"):
        raise ConfigError(f"norm={norm.name} with model=recurrent: choose from none, batch, layer")
    if norm.placement != "before":
        raise ConfigError(f"norm.placement={norm.placement} with model=recurrent: see model.normed")
    if config.arm in ARMS:
        raise ConfigError(f"arm={config.arm} with model=recurrent: it is one of Figure 3's Inceptions")
    if config.data.crop:
        raise ConfigError(f"data.crop={config.data.crop} with model=recurrent: it reads whole images")


def _check_own_model(config: Config) -> None:
    model, norm = config.model, config.norm
    if model.target is None:
        raise ConfigError(
            "model=module without model.target: name a network of your own, model.target=package.module:function"
        )
    if model.source is not None:
        raise ConfigError(f"model.source={model.source}: it is filled in from the files of model.target; leave it out")
    for key, value, default in (
        ("placement", norm.placement, "before"),
        ("per_activation", norm.per_activation, False),
    ):
        if value != default:
            raise ConfigError(f"norm.{key}={value} with model=module: a network of your own places its norms itself")


def _check_norm(config: Config) -> None:
    norm = config.norm
    if norm.name in BY_BATCH and config.batch // config.nproc == 1:
        raise ConfigError(
            f"batch={config.batch} with norm={norm.name}: a mini-batch of one example has variance 0; use "
            f"batch={2 * config.nproc} or more, or norm=none"
        )
    if norm.ghost is not None:
        _check_ghost(config, norm.ghost)
    if norm.drift is not None:
        _check("norm.drift", norm.drift, norm.drift >= 1, "at least 1")
        if norm.name != "noisy_batch":
            raise ConfigError(f"norm.drift={norm.drift} with norm={norm.name}: it is an option of norm=noisy_batch")
    _check_invariance(config)
    if norm.name in ("group", "zca") and norm.placement == "input":
        raise ConfigError(
            f"norm.placement=input with norm={norm.name}: pixels make no equal groups; use norm=layer or another "
            "placement"
        )
    if norm.name == "module" and norm.target is None:
        raise ConfigError("norm=module without norm.target: name a layer of your own, norm.target=package.module:Class")
    if norm.source is not None:
        raise ConfigError(f"norm.source={norm.source}: it is filled in from the files of norm.target; leave it out")


def _check_invariance(config: Config) -> None:
    """What is asked of weights in front of a norm."""
    norm = config.norm
    for key, value in (("norm.weights", norm.weights), ("norm.rate", norm.rate)):
        _check(key, value, 0 < value < float("inf"), "a factor above 0")
        if value != 1 and (norm.name == "none" or norm.placement != "before" or config.model.name != "mlp"):
            raise ConfigError(
                f"{key}={value} with norm={norm.name}, norm.placement={norm.placement}, model={config.model.name}: "
                "it is for weights right in front of a norm, in model=mlp"
            )


def _check_ghost(config: Config, ghost: int) -> None:
    norm, part = config.norm, config.batch // config.nproc
    if norm.name != "batch":
        raise ConfigError(f"norm.ghost={ghost} with norm={norm.name}: it is an option of norm=batch")
    if norm.sync:
        raise ConfigError(
            f"norm.ghost={ghost} with norm.sync=true: the one divides a mini-batch, the other joins its parts; "
            "choose one of them"
        )
    if norm.statistics == "batch":
        raise ConfigError(
            f"norm.ghost={ghost} with norm.statistics=batch: test examples come in mini-batches of any size; "
            "use norm.statistics=population or norm.statistics=moving"
        )
    if ghost < 2 or part % ghost:
        of = f"batch={config.batch}" if config.nproc == 1 else f"batch={config.batch} and nproc={config.nproc}"
        raise ConfigError(
            f"norm.ghost={ghost} with {of}: {part} examples must divide into ghost batches of equal size, at least 2"
        )


def _choice(key: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ConfigError(f"{key}={value}: choose from {', '.join(choices)}")


def _count(key: str, value: int | None, least: int, most: int, unit: str, otherwise: str = "") -> None:
    """`otherwise` says what null means, where it may be given."""
    wanted = f"at least {least} {unit}{'' if least == 1 else 's'}, at most {most:,}"
    holds = bool(otherwise) if value is None else least <= value <= most
    _check(key, value, holds, f"{wanted}, or {otherwise}" if otherwise else wanted)


def _check(key: str, value: object, holds: bool, wanted: str) -> None:
    if not holds:
        raise ConfigError(f"{key}={value} is out of range: give {wanted}")
