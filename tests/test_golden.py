"""The numbers that today's engine trains to. Run as a script, it writes those of a new engine into `golden.json`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from bnexp import config, data
from bnexp.config import DataConfig, InitConfig, ModelConfig, NormConfig, OptimizerConfig, RunConfig, from_fields
from bnexp.engine.train import train

GOLDEN = Path(__file__).with_name("golden.json")

MEASURED = ("loss", "train_loss", "companion_noise")

DIGITS = DataConfig(name="digits", examples=1000)
PICTURES = replace(DIGITS, crop=8, padding=1, flip=True, distortion=0.2)

INCEPTION = RunConfig(
    steps=4,
    batch=16,
    lr=0.005,
    l2=0.1,
    evaluations=2,
    data=PICTURES,
    model=ModelConfig("inception_small", activation="relu", modules=["3a", "3c", "5b"], multiplier=0.0625, dropout=0.2),
    norm=NormConfig(batches=3, groups=4, warmup=2),
    init=InitConfig("he", 1.0),
    optimizer=OptimizerConfig("momentum"),
)

MLP = RunConfig(steps=24, evaluations=3, data=DIGITS, init=InitConfig(scale=0.2), norm=NormConfig(batches=5, warmup=4))

NORMS: dict[str, dict[str, Any]] = {
    **{name: {"name": name} for name in ("none", "batch", "batch_renorm", "layer", "group")},
    "moving averages": {"statistics": "moving"},
    "after": {"placement": "after"},
    "input": {"placement": "input"},
}

CHANGES: dict[str, dict[str, Any]] = {
    "tanh, orthogonal": {"model": {"activation": "tanh"}, "init": {"scheme": "orthogonal"}},
    "relu, residual, dropout": {"model": {"activation": "relu", "residual": True, "dropout": 0.3}},
    "momentum, l2, decay": {"optimizer": {"name": "momentum"}, "l2": 1e-3, "decay": 2.0},
    "adam, same mini-batches": {"optimizer": {"name": "adam"}, "lr": 0.01, "data": {"reshuffle": False}},
    "batch's own statistics, binary": {"norm": {"statistics": "batch"}, "data": {"binarize": True}},
}


def cases() -> dict[str, list[RunConfig]]:
    """The networks of each case, which are trained together."""
    stacks = {f"mlp, {name}": [_changed(MLP, {"norm": norm})] for name, norm in NORMS.items()}
    stacks |= {f"mlp, {name}": [_changed(MLP, change)] for name, change in CHANGES.items()}
    # each with another seed, learning rate and norm
    stacks["mlp, stacked"] = [
        _changed(MLP, {"seed": seed, "lr": 0.1 * (seed + 1), "norm": {"name": name}})
        for seed, name in enumerate(("none", "batch", "layer"))
    ]
    for name in ("none", "batch", "batch_renorm", "instance"):
        stacks[f"inception_small, {name}"] = [_changed(INCEPTION, {"norm": {"name": name}})]
    return stacks


def _changed(run: RunConfig, change: dict[str, Any]) -> RunConfig:
    groups = {
        key: replace(getattr(run, key), **value) if isinstance(value, dict) else value for key, value in change.items()
    }
    return replace(run, **groups)


def numbers(runs: list[RunConfig]) -> list[list[float]]:
    """What is measured at each evaluation, network by network."""
    rows = train(runs, data.load(runs[0].data))
    return [[round(row.metrics[name], 7) for name in MEASURED] for row in rows]


@pytest.fixture(scope="module")
def golden() -> Iterator[dict[str, Any]]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield json.loads(GOLDEN.read_text(encoding="utf-8"))
    torch.set_num_threads(threads)


@pytest.mark.parametrize("case", cases())
def test_the_numbers_are_those_of_this_engine(golden: dict[str, Any], case: str) -> None:
    """A tolerance for other machines' rounding; an algorithm that is changed, however little, is beyond it."""
    new = (
        "the same settings train to other numbers: if that is meant, raise ENGINE in bnexp/config.py and run this file"
    )
    assert golden["engine"] == config.ENGINE, new
    for measured, expected in zip(numbers(cases()[case]), golden["numbers"][case], strict=True):
        assert measured == pytest.approx(expected, rel=1e-4, abs=1e-6), new


def test_an_id_knows_its_engine_but_not_the_first() -> None:
    ids = [config.run_id(MLP, engine) for engine in (1, 2, 3)]
    assert len(set(ids)) == 3
    assert config.run_id(RunConfig(), 1) == "0b99da945e78"


def test_a_later_setting_at_its_default_changes_no_id(monkeypatch: pytest.MonkeyPatch) -> None:
    before = config.run_id(MLP)
    schema = {field.name: field for field in NormConfig.__dataclass_fields__.values()}
    monkeypatch.setattr(schema["eps"], "metadata", config.LATER)
    without = config.run_fields(MLP)
    assert "eps" not in without["norm"]
    assert from_fields(without).norm.eps == MLP.norm.eps
    assert config.run_id(MLP) != before, "it is not in the hash"
    other = replace(MLP, norm=replace(MLP.norm, eps=0.5))
    assert config.run_fields(other)["norm"]["eps"] == 0.5


LATER: list[dict[str, Any]] = [
    {"early_evaluations": 2, "early_steps": 5},
    {"early_evaluations": 2, "early_steps": 5, "early_spacing": "log"},
    {"shape": True},
    {"norm": {"ghost": 30}},
    {"data": {"classes_per_batch": 2}},
]


@pytest.mark.parametrize("change", LATER, ids=str)
def test_a_setting_that_came_later_makes_another_run_where_it_is_given(change: dict[str, Any]) -> None:
    run = _changed(MLP, change)
    assert config.run_id(run) != config.run_id(MLP)
    assert config.run_id(from_fields(config.run_fields(run))) == config.run_id(run)


def write() -> None:
    """Write the numbers of this engine."""
    torch.set_num_threads(1)
    measured = {case: numbers(runs) for case, runs in cases().items()}
    lines = [f"  {json.dumps(case)}: {json.dumps(rows)}" for case, rows in measured.items()]
    text = f'{{\n "engine": {config.ENGINE},\n "numbers": {{\n' + ",\n".join(lines) + "\n }\n}\n"
    GOLDEN.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
