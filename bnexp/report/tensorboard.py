"""A sweep's summary in TensorBoard: a run per arm, the bands of Figure 1(b, c), the figures and the verdicts."""

from __future__ import annotations

import io
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import image
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams, scalar

from bnexp.claims import Judgement
from bnexp.claims.stability import typical_unit
from bnexp.judging.measures import diverged, final_accuracy
from bnexp.runs.records import Record, Records
from bnexp.stats import PERCENTILES

BANDS = "typical_unit_of_last_hidden_layer"
ARMS = 16
"""Arms shown at most: the hparams view is for larger sweeps."""


def summarise(gathered: Records, judgements: Sequence[Judgement], figures: Mapping[str, bytes], folder: Path) -> None:
    """Write the summary anew.

    Bands are the 15th, 50th and 85th percentile of the unit that Figure 1(b, c) shows, a chart for each
    arm, in the custom scalars; accuracies are means over seeds.
    """
    shutil.rmtree(folder, ignore_errors=True)
    axes = gathered.axes()
    by_arm = gathered.arms(gathered.label, *axes)
    named = {
        " ".join([str(key[0]), *(f"{axis}={value}" for axis, value in zip(axes, key[1:], strict=True))]): replicates
        for key, replicates in list(by_arm.items())[:ARMS]
    }
    layout = {f"{BANDS}: {arm}": ["Margin", [f"{BANDS}/{arm}/p{p}" for p in (50, 15, 85)]] for arm in named}
    for arm, replicates in named.items():
        with SummaryWriter(str(folder / arm.replace("=", "-").replace(" ", "_"))) as writer:
            writer.add_custom_scalars({"Figure 1(b, c)": layout})
            steps = replicates[0].metrics["step"]
            accuracy = np.mean([run.metrics["accuracy"] for run in replicates], axis=0)
            for step, mean in zip(steps, accuracy, strict=True):
                writer.add_scalar("accuracy_mean_over_seeds", mean, step)
            percentiles = replicates[0].percentiles
            if percentiles is None:  # a run taken over from records that do not have them
                continue
            for step, band in zip(steps, percentiles[:, typical_unit(percentiles)], strict=True):
                for p, value in zip(PERCENTILES, band, strict=True):
                    writer.add_scalar(f"{BANDS}/{arm}/p{p}", value, step)
    for run in gathered.runs:
        with SummaryWriter(str(folder / "hparams" / run.id)) as writer:
            for summary in _hparams(run, axes):
                writer.file_writer.add_summary(summary)
    with SummaryWriter(str(folder / "report")) as writer:
        for stem, png in figures.items():
            writer.add_image(stem, image.imread(io.BytesIO(png))[:, :, :3], dataformats="HWC")
        if judgements:
            rows = [f"| {j.claim} | {j.measured} | **{j.verdict}** | {j.why} |" for j in judgements]
            head = f"{gathered.caption}\n\n| claim | measured | verdict | why |\n|---|---|---|---|\n"
            writer.add_text("verdict", head + "\n".join(rows))


def _hparams(run: Record, axes: Sequence[str]) -> list[Any]:
    """What the table and the parallel coordinates of HParams show: what was swept, and how the run ended.

    A NaN would have no place on an axis: a run that diverged is at chance, as everywhere.
    """
    values = {axis: run.fields.get(axis) for axis in axes} | {"norm": run.norm, "seed": str(run.seed)}  # a name
    if "arm" in run.fields:
        values["arm"] = run.fields["arm"]
    settings = {name: v if isinstance(v, (int, float)) else str(v) for name, v in values.items()}
    ends = {"final/accuracy": final_accuracy(run), "final/diverged": float(diverged(run))}
    return [*hparams(settings, ends), *(scalar(name, end) for name, end in ends.items())]  # type: ignore[no-untyped-call]
