"""How large the networks of an experiment are: layers and parameters, from the settings in the records."""

from __future__ import annotations

import dataclasses
from typing import Any

from bnexp import models
from bnexp.config import ModelConfig, NormConfig
from bnexp.runs.records import Record, Records

INPUTS = {"mnist": (1, 28, 28), "digits": (1, 8, 8)}
"""Shapes of the images of data sets that are not cropped."""

DECIDING = ("model.", "norm.", "data.")
"""Groups of the settings that decide how large a network is; of thousands of runs few differ in these."""


def model_size(gathered: Records) -> dict[str, Any] | None:
    """`layers` and `parameters`, each the smallest and the largest; None for networks of the user's."""
    different = {
        repr(sorted((k, run.fields[k]) for k in run.fields if k.startswith(DECIDING))): run for run in gathered.runs
    }
    sizes = {_size(run) for run in different.values()}
    if None in sizes or not sizes:
        return None
    layers, parameters = zip(*(size for size in sizes if size is not None), strict=True)
    return {"layers": [min(layers), max(layers)], "parameters": [min(parameters), max(parameters)]}


def _size(run: Record) -> tuple[int, int] | None:
    """Affine maps from input to output on the longest way, and parameters."""
    model, norm = ModelConfig(**_settings(run, "model", ModelConfig)), NormConfig(**_settings(run, "norm", NormConfig))
    if "module" in (model.name, norm.name):
        return None
    crop = run.fields.get("data.crop")
    shape = (3, crop, crop) if crop else INPUTS.get(str(run.fields.get("data.name")))
    if shape is None or run.summary.get("classes") is None:
        return None
    parameters = models.parameters(model, norm, shape, int(run.summary["classes"]))
    return models.layers(model), parameters


def _settings(run: Record, group: str, of: type[ModelConfig] | type[NormConfig]) -> dict[str, Any]:
    """Those of a group that the run's record has."""
    names = (f.name for f in dataclasses.fields(of))
    return {name: run.fields[key] for name in names if (key := f"{group}.{name}") in run.fields}
