"""A page for every experiment in docs/experiments/, from its config, its claims and its results."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from bnexp import claims, norms, paths
from bnexp.claims import Claim, Peculiar, Subject
from bnexp.config import NORMS, NormConfig
from bnexp.engine.probes import PROBES
from bnexp.judging.judgement import unfilled
from bnexp.judging.words import difference_in
from bnexp.models import MLP, Inception
from bnexp.models.recurrent import Recurrent
from bnexp.report import experiments, verdicts
from bnexp.report.score import counted
from bnexp.report.tables import markdown

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "experiments"

LOGGED = (
    "Accuracy and loss on test images and in training; by layer the norm of the gradient, the share of saturated units "
    "and percentiles, mean and variance of the nonlinearity's input; the noise that companions make; which test images "
    "are classified correctly at the end"
)
"""Of every run."""

SCALES = {
    "smoke": "seconds: does it work?",
    "laptop": "minutes: a first look; the default",
    "overnight": "hours: the committed results",
    "gpu": "larger and longer",
    "paper": "as long as the paper's",
}

NETWORKS = {"mlp": MLP, "inception": Inception, "recurrent": Recurrent}
"""By how the names of models begin."""

DIFFERING = {"mlp": "The MNIST network", "inception": "Inception", "recurrent": "Recurrent networks"}
"""The headings in docs/experiments.md under which it stands how they differ from the paper's."""

ALSO = {
    "shape": "skewness and kurtosis of the nonlinearities' inputs",
    "predictions": "the class probabilities of all test images, of one crop and of ten",
}
"""What is logged where a setting says so."""


def pages() -> dict[Path, str]:
    """By path, the text of every page."""
    return {FOLDER / f"{name}.md": page(name, path) for name, path in paths.experiments().items()}


def page(name: str, path: Path) -> str:
    """The question, the command, what is done and logged, how it is judged, results, deviations."""
    experiment = experiments.read(path)
    lines = [f"# {name}", "", f"{experiment.title}.", "", f"**Question.** {experiment.question}", "", "## Command", ""]
    lines += ["```", *commands(name, experiments.scales(path)), "```", ""]
    lines += ["## What is done", "", experiments.header(path), ""]
    lines += [f"Every value is in [{path.name}](../../configs/experiment/{path.name}).", ""]
    values = experiments.values_of(path)
    lines += ["Implementation: " + ", ".join(implementation(values, network_of(path))) + ".", ""]
    kept = "; ".join(logged(values))
    lines += ["## What is logged", "", f"{kept}.", "", "## How it is judged", ""]
    for subject in claims.resolve(experiment.claims or ()):
        lines += [f"{subject.about} ([{subject.name}.py](../../bnexp/claims/{subject.name}.py))", ""]
        lines += [*judged(subject), ""]
    lines += ["[When a verdict may be believed](../protocol.md).", "", "## Result", "", result(name), ""]
    lines += ["## Deviations", "", *deviations(network_of(path)), ""]
    lines.append("[Where we differ from the paper](../experiments.md#where-we-differ-from-the-paper).")
    return "\n".join(lines) + "\n"


def commands(name: str, scales: Sequence[str]) -> Iterator[str]:
    """A line for each scale that it has, the quickest first."""
    for scale in SCALES:
        if scale in scales:
            yield f"bnexp run experiment={name} scale={scale}{' ' * (9 - len(scale))}  # {SCALES[scale]}"


def implementation(values: dict[str, Any], network: str) -> Iterator[str]:
    """Links to what an experiment trains, one of `NETWORKS`, and normalises by, and to its probes."""
    yield f"the networks {linked(NETWORKS[network])}"
    sweeper = values.get("hydra", {}).get("sweeper", {})
    axes = [values, *sweeper.get("grids", []), sweeper.get("params") or {}]
    swept = [str(each[key]) for each in axes for key in ("norm", "norm.name") if isinstance(each.get(key), str)]
    named = dict.fromkeys(["batch", *(name for line in swept for name in line.split(","))])
    for name in named:
        if name in NORMS and name not in ("none", "module"):
            yield f"`norm={name}` {linked(type(norms.factory(NormConfig(name, groups=1))(8)))}"
    yield from (f"`probes=[{name}]` {linked(type(PROBES[name]()))}" for name in probes_of(values))


def network_of(path: Path) -> str:
    """Which of `NETWORKS` an experiment trains."""
    name = experiments.model(path)
    return next(network for network in NETWORKS if name.startswith(network))


def deviations(model: str) -> list[str]:
    """From docs/experiments.md, in what a network and its training are not the paper's, a line for each."""
    text = (ROOT / "docs" / "experiments.md").read_text(encoding="utf-8")
    listed = text.split(f"\n### {DIFFERING[model]}\n", 1)[1].split("\n#", 1)[0]
    return [f"- {' '.join(item.split())}" for item in listed.split("\n- ")[1:]]


def linked(made: type) -> str:
    """A class, with a link to where it begins."""
    path = Path(inspect.getfile(made)).relative_to(ROOT)
    _, line = inspect.getsourcelines(made)
    return f"[{made.__name__}](../../{path.as_posix()}#L{line})"


def probes_of(values: dict[str, Any]) -> list[str]:
    """The probes that an experiment has on in any of its runs."""
    grids = values.get("hydra", {}).get("sweeper", {}).get("grids", [])
    named = [name for each in (values, *grids) for name in yaml.safe_load(str(each.get("probes", "[]")))]
    return list(dict.fromkeys(named))


def logged(values: dict[str, Any]) -> Iterator[str]:
    """What an experiment's runs keep, in words."""
    yield LOGGED
    if values.get("data", {}).get("validation") or experiments.group_of(values, "data").get("validation"):
        yield "accuracy on images taken out of the training set"
    yield from (words for setting, words in ALSO.items() if values.get(setting))
    if probes := probes_of(values):
        yield f"what the probes {', '.join(probes)} measure ([bnexp/engine/probes](../../bnexp/engine/probes))"


def judged(subject: Subject) -> list[str]:
    """A row for each claim, with a link to the line where it stands."""
    source = (ROOT / "bnexp" / "claims" / f"{subject.name}.py").read_text(encoding="utf-8").splitlines()
    first = next(i for i, line in enumerate(source, 1) if line.startswith("CLAIMS"))
    rows = []
    for claim in subject.claims:
        names = (f'"{claim.id}"', f'"{claim.id.partition("-")[2]}"')
        lines = [i for name in names for i, text in enumerate(source, 1) if i > first and name in text]
        line = lines[0] if lines else first
        link = f"[`{claim.id}`](../../bnexp/claims/{subject.name}.py#L{line})"
        main = " **(main)**" if claim.primary else ""
        words = unfilled(claim.sentence, "the epochs of the scale")
        rows.append((f"{link}{main}: {words}", rule(claim), claim.source))
    return markdown(("claim", "rule", "source"), rows)


def rule(claim: Claim | Peculiar) -> str:
    """The rule in a few words."""
    if isinstance(claim, Peculiar):
        return f"[a function of its own](../../bnexp/claims) ({inspect.unwrap(claim.judge).__name__.strip('_')})"
    size = difference_in(claim.rule.margin, claim.quantity.unit).removeprefix("+")
    margin = f", m = {size}" if claim.rule.margin else ""
    return f"`{claim.rule.kind}`{margin}{', in each cell' if claim.rule.universal and claim.cells else ''}"


def result(name: str) -> str:
    """A link to the committed result, with its score."""
    path = ROOT / "results" / name / "verdict.json"
    part = ROOT / "results" / "partial" / name / "verdict.json"
    if not path.exists() and part.exists():
        finished, planned = (verdicts.read(part)["partial"][key] for key in ("finished", "planned"))
        return f"At scale `overnight` [{finished} of {planned} runs](../../results/partial/{name}/README.md) so far."
    if not path.exists():
        return f"Not committed yet at scale `overnight`.{first_look(name)}"
    found = "; ".join(counted(verdicts.read(path)["claims"]))
    return f"[{found}](../../results/{name}/README.md), at scale `overnight`."


def first_look(name: str) -> str:
    """A link to the result at `laptop`, where there is one."""
    report = ROOT / "results" / "laptop" / name / "README.md"
    if not report.exists():
        return ""
    old = ", by old rules" if verdicts.is_old(verdicts.read(report.with_name("verdict.json"))) else ""
    return f" A first look, at scale `laptop`{old}: [report](../../results/laptop/{name}/README.md)."


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    made = pages()
    for old in set(FOLDER.glob("*.md")) - set(made):
        old.unlink()
    for path, text in made.items():
        path.write_text(text, encoding="utf-8")
    sys.stdout.write(f"{len(made)} pages in {FOLDER.relative_to(ROOT)}\n")
