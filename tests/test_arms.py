"""The arms of Figure 3 resolve to the settings that the paper gives them, each change a switch of its own."""

from __future__ import annotations

from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

from bnexp import config, paths

EXPERIMENTS = ("inception", "inception_tuned", "norms", "ablation", "ensemble", "inception_tiny", "paper")
QUICK = ("inception", "ensemble", "paper")
"""Those with a scale for a laptop."""


def resolved(*overrides: str) -> dict[str, Any]:
    """The settings that a command has."""
    ConfigStore.instance().store(name="schema", node=config.Config, provider="bnexp")
    with initialize_config_dir(version_base="1.3", config_dir=str(paths.configs().resolve())):
        composed = compose("config", overrides=list(overrides))
    found = OmegaConf.to_container(composed, resolve=True)
    assert isinstance(found, dict)
    return config.flatten({str(key): value for key, value in found.items()})


def test_the_arms_are_those_that_have_a_file() -> None:
    assert set(config.ARMS) == {path.stem for path in (paths.configs() / "arm").glob("*.yaml")}


TIMES = {
    "inception": 1, "bn_baseline": 1, "bn_x5": 5, "bn_x30": 30, "bn_x5_sigmoid": 5, "inception_x5": 5,
    "inception_x9": 9, "inception_sigmoid": 1, "inception_changes": 5,
    "inception_changes_x1": 1, "inception_x1": 1, "bn_x30_fifth": 30,
}  # fmt: skip
CHANGED = ("bn_x5", "bn_x30", "bn_x30_fifth", "bn_x5_sigmoid", "inception_changes", "inception_changes_x1")


@pytest.mark.parametrize("arm", TIMES)
def test_an_arm_is_what_figure_3_says(arm: str) -> None:
    own = resolved(f"arm={arm}", "model=inception", "data=imagenet")
    changed = arm in CHANGED
    assert own["arm"] == arm
    assert own["lr"] == pytest.approx(0.0015 * TIMES[arm])
    assert own["norm.name"] == ("batch" if arm.startswith("bn") else "none")
    assert own["norm.placement"] == "before"
    assert own["model.activation"] == ("sigmoid" if arm.endswith("sigmoid") else "relu")
    assert own["model.dropout"] == (0 if changed else 0.4)
    assert own["model.lrn"] is not changed
    assert own["l2"] == pytest.approx(0.0001 / (5 if changed else 1))
    assert own["decay"] == pytest.approx(3.0 * (6 if changed else 1))
    assert own["data.reshuffle"] is changed
    assert (own["data.distortion"] < 0.4) is changed


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("lr=0.0015", "lr", 0.0015), ("model.dropout=0.4", "model.dropout", 0.4), ("l2=0.0001", "l2", 0.0001),
        ("decay=3.0", "decay", 3.0), ("model.lrn=true", "model.lrn", True),
        ("data.reshuffle=false", "data.reshuffle", False), ("data.distortion=0.4", "data.distortion", 0.4),
    ],
)  # fmt: skip
def test_each_change_is_a_switch_of_its_own(override: str, key: str, value: object) -> None:
    before, after = resolved("arm=bn_x5"), resolved("arm=bn_x5", override)
    assert after[key] == value
    assert {name for name in before if before[name] != after[name]} == {key}


def test_the_arms_follow_the_base_rate() -> None:
    assert resolved("arm=bn_x30", "base.lr=0.01")["lr"] == pytest.approx(0.3)


def test_another_norm_can_be_put_in_an_arm() -> None:
    own = resolved("arm=bn_x5", "norm=group")
    assert (own["norm.name"], own["lr"]) == ("group", pytest.approx(0.0075))


@pytest.mark.parametrize(
    ("experiment", "scale"),
    [(name, scale) for name in EXPERIMENTS for scale in ("smoke", "overnight", "gpu", "paper")]
    + [(name, "laptop") for name in QUICK],
)
def test_experiments_have_their_scales(experiment: str, scale: str) -> None:
    own = resolved(f"experiment={experiment}", f"scale={scale}", "arm=bn_x5")
    assert own["steps"] >= 4
    assert own["experiment"] == experiment
    if experiment == "paper":
        assert (own["steps"], own["batch"], own["data.crop"]) == (6_200_000, 32, 224)
        assert resolved("experiment=paper", "arm=inception")["steps"] == 31_000_000
