"""Which runs of an experiment the candidate has, and which others it is held against."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bnexp import paths
from bnexp.config import MODELS, Config, run_id
from bnexp.judge.candidate import Candidate, stands_for
from bnexp.report import experiments
from bnexp.runs import records
from bnexp.runs.records import Record

EXPERIMENTS = {
    "smoke": ("mnist_activations", "lr_tolerance", "init_robustness", "batch_size", "saturating"),
    "laptop": (
        *("mnist_activations", "mnist_table", "lr_tolerance", "init_robustness", "saturating", "gradient_flow"),
        *("batch_size", "optimizers", "regularisation", "gap"),
    ),
}
"""By scale, what a norm is put to where nothing else is asked for."""

HELD_AGAINST = ("none", "batch", "layer")


def inputs(experiment: str) -> str:
    """What the networks of an experiment give a norm: "flat" features, or feature "maps"."""
    return MODELS[experiments.model(paths.experiments()[experiment])].inputs


def of(configs: Iterable[Config], candidate: Candidate) -> list[Config]:
    """The runs that it is held against, and its own, each of them in BN's place."""
    kept: list[Config] = []
    own: list[Config] = []
    for config in configs:
        if config.norm.name in HELD_AGAINST and (config.norm.name != "batch" or stands_for(config)):
            kept.append(config)
        if stands_for(config):
            own.append(candidate.in_place_of_bn(config))
    return [*kept, *own]


def references(names: Sequence[str], scale: str) -> dict[str, Record]:
    """By id, the runs of these experiments that come with bnexp."""
    found: dict[str, Record] = {}
    for name in names:
        folder = paths.references(scale, name)
        if (folder / "runs.json").exists():
            found |= {run.id: run for run in records.load(folder).runs}
    return found


def fitting(configs: Sequence[Config], elsewhere: Mapping[str, Record]) -> list[str]:
    """How many of the runs that a norm is held against have records `elsewhere`, and why if none has; in sentences."""
    against = [config for config in configs if config.norm.name in HELD_AGAINST]
    if not (against and elsewhere):
        return []
    fit = sum(run_id(config) in elsewhere for config in against)
    if fit:
        some = f"all {fit} runs" if fit == len(against) else f"{fit} of the {len(against)} runs"
        return [f"Records of {some} that it is held against come along."]
    data, of_records = against[0].data.name, next(iter(elsewhere.values())).fields["data.name"]
    other = f"{of_records}, this is {data}" if data != of_records else "other settings, or of another engine"
    return [f"None of the records that come along fits: they are of {other}."]
