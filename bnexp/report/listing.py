"""What `bnexp list` prints, of experiments, claims and models, and `bnexp data`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from rich.markup import escape
from rich.padding import Padding
from rich.table import Column, Table

from bnexp import claims, paths
from bnexp.config import STAND_INS, ConfigError, ModelConfig, NormConfig
from bnexp.console import out
from bnexp.judging.judgement import unfilled
from bnexp.judging.words import arm_label, difference_in
from bnexp.report import ReportError, verdicts
from bnexp.report.experiments import Experiment, header, known, scales
from bnexp.report.printing import COLOURS

SCALES = ("smoke", "laptop", "gpu", "overnight", "paper")
"""From the least to the most that is spent on an experiment of its size."""

if TYPE_CHECKING:
    from bnexp import data  # imports PyTorch


def print_experiments(results: Path, config_dir: Path | None) -> None:
    """Two lines an experiment: what it shows, and the weightiest verdicts under `results` in numbers."""
    for name, experiment in known(results, config_dir).items():
        out.print(f"[bold]{name}[/]: {escape(experiment.title)}", soft_wrap=True)
        out.print(f"  {_state(name, results)}", soft_wrap=True)
    out.print("\nMore: bnexp list EXPERIMENT, bnexp list claims, bnexp list models", style="dim", soft_wrap=True)


def _state(name: str, results: Path) -> str:
    """The verdicts in numbers, on which data and scale, and where else there are some."""
    try:
        reports = _found(name, results)
    except ReportError as error:
        return f"[bold red]{escape(str(error))}[/]"
    if not reports:
        return "[dim]not run yet[/]"
    first, *others = reports
    given = Counter(judgement["verdict"] for judgement in first.verdict["claims"])
    counts = {word: given[word] for word in COLOURS if word in given}
    words = ", ".join(f"[{COLOURS[word]}]{n} {word}[/]" for word, n in counts.items())
    also = f"[dim]; also {'; '.join(other.where for other in others)}[/]" if others else ""
    return f"{first.where}: {words or 'no claim to judge'}{also}"


@dataclass(frozen=True)
class _Report:
    folder: Path
    verdict: dict[str, Any]

    @property
    def where(self) -> str:
        partial = self.verdict.get("partial")
        part = f", partial ({partial['finished']} of {partial['planned']} runs)" if partial else ""
        old = ", by old rules" if verdicts.is_old(self.verdict) else ""
        return f"{self.verdict['dataset']['name']}, {self.verdict['scale']}{part}{old}"

    @property
    def weight(self) -> tuple[bool, bool, bool, int, str]:
        """By what reports are ordered: rules, data, completeness, scale, and then the runs begun last."""
        started = (self.verdict.get("stamp") or {}).get("started", "")
        return (
            not verdicts.is_old(self.verdict),
            self.verdict["dataset"]["name"] not in STAND_INS,
            not self.verdict.get("partial"),
            SCALES.index(self.verdict["scale"]) if self.verdict["scale"] in SCALES else -1,
            max([started] if isinstance(started, str) else started, default=""),
        )


def _found(name: str, results: Path) -> list[_Report]:
    """The reports of an experiment, the weightiest first. Errors: ReportError where some are damaged."""
    found = [_Report(path.parent, verdicts.read(path)) for path in results.rglob(f"{name}/verdict.json")]
    return sorted(found, key=lambda report: report.weight, reverse=True)


def print_experiment(name: str, results: Path, config_dir: Path | None) -> None:
    """An experiment with its claims: what the paper says and what was measured, or what would be judged."""
    experiment = known(results, config_dir)[name]
    out.print(f"[bold]{name}[/]: {escape(experiment.title)}", soft_wrap=True)
    if experiment.path is not None:
        of_scales = ", ".join(scales(experiment.path))
        words = f"{header(experiment.path)}\n\nScales: {of_scales}\nFile: {experiment.path}"
        out.print(words, markup=False, soft_wrap=True)
    reports = _found(name, results)
    if not reports:
        out.print(f"Not run yet: bnexp run experiment={name}", markup=False, soft_wrap=True)
        _print_claims(experiment)
        return
    for i, report in enumerate(reports):
        what = "also" if i else "Verdicts"
        out.print(f"{what} on {report.where}: {report.folder / 'README.md'}", markup=False, soft_wrap=True)
    for judgement in reports[0].verdict["claims"]:
        word = judgement["verdict"]
        source = judgement.get("source") or f"§{judgement['section']}"
        out.print(f"\n[{COLOURS[word]}]{word}[/] {escape(source)}: {escape(judgement['claim'])}")
        text = f"the paper: {judgement['paper']}\nmeasured: {judgement['measured']}"
        out.print(Padding(escape(text), (0, 0, 0, 2)))


def _print_claims(experiment: Experiment) -> None:
    """The claims that would be judged."""
    for name in experiment.claims or ():
        try:
            for claim in (claim for subject in claims.resolve([name]) for claim in subject.claims):
                out.print(f"  {claim.id}: {unfilled(claim.sentence)}", markup=False, soft_wrap=True)
        except ConfigError as error:
            out.print(f"  {error}", style="bold red", markup=False, soft_wrap=True)


def print_claims(results: Path, config_dir: Path | None) -> None:
    """Every claim by subject: the sentence, who says so, its rule, arms and cells; and where it is judged."""
    judged_in: dict[str, list[str]] = {name: [] for name in claims.REGISTRY}
    for name, experiment in known(results, config_dir).items():
        for subject in experiment.claims or ():
            judged_in.setdefault(subject, []).append(name)
    for subject, experiments in judged_in.items():
        about = claims.REGISTRY[subject].about if subject in claims.REGISTRY else "of your own"
        out.print(f"[bold]{escape(subject)}[/]: {escape(about)}", soft_wrap=True)
        out.print(f"  judged in {', '.join(experiments) or 'no experiment'}", markup=False, soft_wrap=True)
        for claim in claims.REGISTRY[subject].claims if subject in claims.REGISTRY else ():
            main = ", a main claim" if claim.primary else ""
            out.print(f"  {claim.id} ({claim.source}{main}): {unfilled(claim.sentence)}", markup=False, soft_wrap=True)
            out.print(f"    {_deciding(claim)}", style="dim", markup=False, soft_wrap=True)


def _deciding(claim: claims.Claim | claims.Peculiar) -> str:
    """What decides a claim, in a line."""
    if isinstance(claim, claims.Peculiar):
        return claim.decides
    rule, arms = claim.rule, [claim.treated, *([claim.reference] if claim.reference is not None else [])]
    target = f", target {rule.target:g}" if rule.target else ""
    margin = difference_in(rule.margin, claim.quantity.unit).removeprefix("+")
    parts = [f"{rule.kind}, margin {margin}{target}: {claim.quantity.name}"]
    parts.append(" against ".join(arm_label(arm, claims.BN) or "all" for arm in arms))
    parts += [f"among {arm_label(claim.among, claims.BN)}"] if claim.among else []
    parts += (
        [f"in {'every' if rule.universal else 'the mean over each'} {', '.join(claim.cells)}"] if claim.cells else []
    )
    parts += ["seed by seed"] if rule.paired else []
    whose = "its own" if claim.best_of is None else f"the {arm_label(claim.best_of, claims.BN)} arm's"
    parts += [f"at {whose} best {', '.join(claim.selected)}"] if claim.selected else []
    return "; ".join(parts)


def print_models() -> None:
    """Every `model=` with its parameters, without and with BN, and what the paper says of its own."""
    from bnexp import models  # imports PyTorch
    from bnexp.models.inception import PAPER_PARAMETERS, PRINTED

    for file in sorted((paths.configs() / "model").glob("*.yaml")):
        name = file.stem
        shape, classes = ((3, 224, 224), 1000) if name == "inception" else ((3, 32, 32), 10)
        shape = (1, 28, 28) if not name.startswith("inception") else shape
        if name == "module":
            out.print(f"[bold]{name}[/]: {escape(header(file))}", soft_wrap=True)
            continue
        plain, bn = (
            f"{models.parameters(_model(name), NormConfig(norm), shape, classes):,}" for norm in ("none", "batch")
        )
        out.print(f"[bold]{name}[/]: {escape(header(file))}", soft_wrap=True)
        inputs = "×".join(map(str, shape))
        out.print(f"  {inputs}, {classes:,} classes: {plain} parameters without BN, {bn} with", soft_wrap=True)
    out.print()
    printed = models.parameters(_model("inception"), NormConfig("none"), (3, 224, 224), 1000, PRINTED)
    out.print(
        f"The paper says {PAPER_PARAMETERS / 1e6:.1f} million parameters of its network (Figure 5). The table as "
        f"printed gives about {printed / 1e6:.1f} million, with biases and without BN, and no reading of it that we "
        "tried gives more. Its modules 4c and 4d add up to 608 outputs and not the 576 printed beside them; "
        "model=inception has a projection of 96 there instead of 128, and 576."
    )


def _model(name: str) -> ModelConfig:
    """The settings of a preset."""
    values: dict[str, Any] = {}
    while name:
        preset = yaml.safe_load((paths.configs() / "model" / f"{name}.yaml").read_text(encoding="utf-8"))
        (name,) = preset.pop("defaults", [""])
        values = preset | values
    return ModelConfig(**values)


def print_data(files: Mapping[str, Sequence[data.FileStatus]], root: str) -> None:
    """The files of each data set, their state and what it was found by."""
    table = Table("data set", Column("file", overflow="fold"), "state", "bytes", "checked by")
    base = Path(root).expanduser()
    for name, statuses in files.items():
        for file in statuses:
            path = file.path.relative_to(base) if file.path.is_relative_to(base) else file.path
            size = f"{file.size:,}" if file.size else "–"
            table.add_row(name, str(path), file.state, size, "–" if file.state == "missing" else file.check)
    out.print(table)
    out.print(f"Looked for under {root}: data.root, or BNEXP_DATA. What is there but unchecked is read as it is.")
