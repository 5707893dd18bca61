"""A sweep in TensorBoard: its best arms as means over the seeds with their bands, HParams, figures, verdicts.

TensorBoard shows nothing of more than 40 runs until they are chosen by hand, so that few stand in the view of a sweep:
of every norm the arms that end highest, a real run of each, and their HParams; not of runs by which settings were
chosen. HParams of all runs are in a folder beside it.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
import os
import re
import shutil
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import image
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.plugins.custom_scalar import layout_pb2, metadata
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams, scalar

from bnexp.claims import Judgement
from bnexp.claims.stability import typical_unit
from bnexp.judging import matching
from bnexp.judging.measures import diverged, final_accuracy
from bnexp.report.tables import markdown
from bnexp.runs.folder import LONGEST
from bnexp.runs.records import Record, Records
from bnexp.stats import PERCENTILES

ARMS = 12
"""Arms shown at most: each is three runs of TensorBoard's, and a report one more."""

BANDS = ("accuracy", "loss", "train_loss")
"""Metrics that are drawn with the band of their seeds, from the least to the most."""

UNIT = "typical_unit_of_last_hidden_layer"


def summarise(gathered: Records, judgements: Sequence[Judgement], figures: Mapping[str, bytes], folder: Path) -> None:
    """Write `tensorboard` and `hparams` in the folder of a sweep anew.

    Custom scalars have, of every arm on shared axes, the mean over the seeds with its band; and by arm the 15th, 50th
    and 85th percentile of the unit that Figure 1(b, c) shows.
    """
    board, sessions = folder / "tensorboard", folder / "hparams"
    for old in (board, sessions):
        shutil.rmtree(old, ignore_errors=True)
    judged = matching.shown(gathered)
    axes, every_axis = judged.axes(), gathered.axes()
    named = _named(judged, axes)
    shown = {name: named[name] for name in _best(named, gathered.label)}
    for name, runs in shown.items():
        with SummaryWriter(str(board / _path(name))) as writer:
            _write_arm(writer, name, runs)
        _link(runs[0], folder.parent / "runs", board / "runs" / _path(f"{name} seed={runs[0].seed}"))
        _write_session(board / "hparams" / _path(f"{name} seed={runs[0].seed}"), runs[0], axes)
    for name, runs in _named(gathered, every_axis).items():
        for run in runs:
            _write_session(sessions / _path(f"{name} seed={run.seed}"), run, every_axis)
    with SummaryWriter(str(board / "report")) as writer:
        writer.file_writer.add_summary(_layout(shown))
        for stem, png in figures.items():
            writer.add_image(stem, image.imread(io.BytesIO(png))[:, :, :3], dataformats="HWC")
        if judgements:
            # a column of verdicts alone would be so narrow that they break
            rows = [(f"**{j.verdict}**: {j.sentence}", j.outcome.measured, j.outcome.why) for j in judgements]
            table = markdown(("verdict on the claim", "measured", "why"), rows)
            writer.add_text("verdict", "\n".join([gathered.caption, "", *table]))


def _named(records: Records, axes: Sequence[str]) -> dict[str, Sequence[Record]]:
    """The arms by their names."""
    label = records.label
    return {_name(label, axes, key): runs for key, runs in records.arms(label, *axes).items()}


def _name(label: str, axes: Sequence[str], key: Sequence[Any]) -> str:
    """An arm by its norm or its own name, and what was swept."""
    return " ".join(
        [str(key[0]), *(f"{axis}={value}" for axis, value in zip(axes, key[1:], strict=True) if axis != label)]
    )


def _path(name: str) -> str:
    """The name as a folder, which TensorBoard shows; a long one is cut, with a digest in place of the rest."""
    path = re.sub(r"[^\w.,=-]+", "_", name.replace("=", "-"))
    return path if len(path) <= LONGEST else f"{path[: LONGEST - 9]}-{hashlib.sha256(path.encode()).hexdigest()[:8]}"


def _best(named: Mapping[str, Sequence[Record]], label: str) -> list[str]:
    """Of each norm in turn the arm that ends highest of those left, `ARMS` in all; all as they are where they fit."""
    if len(named) <= ARMS:
        return list(named)
    ends = {name: statistics.fmean(map(final_accuracy, runs)) for name, runs in named.items()}
    ranked: dict[Any, list[str]] = {}
    for name in sorted(named, key=lambda name: -ends[name]):
        ranked.setdefault(named[name][0].value(label), []).append(name)
    in_turn = itertools.chain.from_iterable(itertools.zip_longest(*ranked.values()))
    return list(filter(None, in_turn))[:ARMS]


def _write_arm(writer: SummaryWriter, name: str, runs: Sequence[Record]) -> None:
    """Every metric's mean over the seeds, under the names that runs have; bands and percentiles, under the arm's."""
    steps = runs[0].metrics["step"]
    alike = [run for run in runs if run.metrics["step"].equals(steps)]
    for metric in runs[0].metrics.columns.drop("step"):
        table = np.array([run.metrics[metric] for run in alike if metric in run.metrics], dtype=float)
        for step, values in zip(steps, table.T, strict=True):
            known = values[np.isfinite(values)]  # a run that diverged is left out from then on
            if not known.size:
                continue
            writer.add_scalar(metric, known.mean(), step)
            if metric in BANDS:
                for tag, value in zip(_band(metric, name), (known.mean(), known.min(), known.max()), strict=True):
                    writer.add_scalar(tag, value, step)
    percentiles = runs[0].percentiles
    if percentiles is None:  # a run taken over from records that do not have them
        return
    for step, band in zip(steps, percentiles[:, typical_unit(percentiles)], strict=True):
        for p, value in zip(PERCENTILES, band, strict=True):
            writer.add_scalar(f"{UNIT}/{name}/p{p}", value, step)


def _band(metric: str, arm: str) -> tuple[str, str, str]:
    """The scalars of a band: its middle, its lower and its upper end."""
    middle, low, high = (f"over_seeds/{metric}/{arm}/{what}" for what in ("mean", "least", "most"))
    return middle, low, high


def _layout(shown: Mapping[str, Sequence[Record]]) -> Summary:
    """The charts of the custom scalars; PyTorch's own call allows one band a chart."""
    bands = [_chart(metric, [_band(metric, name) for name in shown]) for metric in BANDS]
    units = [
        _chart(name, [(f"{UNIT}/{name}/p50", f"{UNIT}/{name}/p15", f"{UNIT}/{name}/p85")])
        for name, runs in shown.items()
        if runs[0].percentiles is not None
    ]
    category = [layout_pb2.Category(title="Means over the seeds, from the least to the most", chart=bands)]
    if units:
        category.append(layout_pb2.Category(title="Figure 1(b, c)", chart=units))
    written = layout_pb2.Layout(category=category).SerializeToString()
    plugin = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=metadata.PLUGIN_NAME))
    tensor = TensorProto(dtype="DT_STRING", string_val=[written], tensor_shape=TensorShapeProto())
    return Summary(value=[Summary.Value(tag=metadata.CONFIG_SUMMARY_TAG, tensor=tensor, metadata=plugin)])


def _chart(title: str, bands: Iterable[tuple[str, str, str]]) -> layout_pb2.Chart:
    series = [layout_pb2.MarginChartContent.Series(value=v, lower=low, upper=high) for v, low, high in bands]
    return layout_pb2.Chart(title=title, margin=layout_pb2.MarginChartContent(series=series))


def _link(run: Record, runs: Path, link: Path) -> None:
    """Have a run's own folder in the view, with its gradients and histograms.

    One taken over has none, and not every file system has links.
    """
    folder = next(runs.glob(f"*-{run.id}"), None)
    if folder is not None:
        with contextlib.suppress(OSError):
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(os.path.relpath(folder.resolve(), link.parent.resolve()), target_is_directory=True)


def _write_session(folder: Path, run: Record, axes: Sequence[str]) -> None:
    """What the table and the parallel coordinates of HParams show: what was swept, and how the run ended.

    A NaN would have no place on an axis: a run that diverged is at chance, as everywhere.
    """
    values = {axis: run.fields.get(axis) for axis in axes} | {"norm": run.norm, "seed": str(run.seed)}  # a name
    if "arm" in run.fields:
        values["arm"] = run.fields["arm"]
    settings = {name: v if isinstance(v, (int, float)) else str(v) for name, v in values.items()}
    ends = {"final/accuracy": final_accuracy(run), "final/diverged": float(diverged(run))}
    with SummaryWriter(str(folder)) as writer:
        for summary in (*hparams(settings, ends), *(scalar(name, end) for name, end in ends.items())):  # type: ignore[no-untyped-call]
            writer.file_writer.add_summary(summary)
