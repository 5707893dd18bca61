"""The report on a candidate: the contract, the profile at a glance, every claim with several norms in BN's place."""

from __future__ import annotations

import json
import shutil
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from bnexp import claims
from bnexp.claims import BN, PLAIN, Judgement, Records
from bnexp.files import write_atomically
from bnexp.judge.asked import LAGS, USUAL, Request
from bnexp.judge.candidate import Candidate
from bnexp.judge.picture import claim_figure, profile_figure
from bnexp.judge.profile import Entry, beside, text_of
from bnexp.judge.trial import Contract
from bnexp.judging import rules
from bnexp.judging.matching import shown
from bnexp.judging.words import arm_label, arm_name, tally
from bnexp.report import effects
from bnexp.report.pictures import save, title
from bnexp.report.readme import common_stamp
from bnexp.report.tables import markdown

CLAIMS = "claims"
"""The folder of a figure for each claim, by experiment."""


def write(
    folder: Path,
    request: Request,
    contract: Contract,
    entries: Sequence[Entry],
    gathered: Sequence[Records],
    missing: Mapping[str, int],
    kind: str = "png",
) -> None:
    """Write `README.md`, `verdict.json`, `profile.png`, what each experiment's subjects draw, and a figure a claim.

    Figures of an earlier report go. `missing` has, by experiment that is not judged, how many runs it lacks; `kind` is
    that of the figures.
    """
    candidate = request.candidate
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("figures", *(f"{CLAIMS}/{records.experiment}" for records in gathered)):
        (folder / name).mkdir(parents=True, exist_ok=True)
    verdict = {
        "norm": candidate.target,
        "settings": dict(candidate.settings),
        "scale": request.scale,
        "dataset": ", ".join(dict.fromkeys(records.dataset["title"] for records in gathered)),
        "command": request.command,
        "stamp": common_stamp(run for records in gathered for run in records.runs),
        "contract": [vars(result) for result in contract.results],
        "lags": contract.lags,
        "left_out": dict(request.left_out),
        "missing": dict(missing),
        "claims": [_entry(entry) for entry in entries],
    }
    write_atomically(folder / "verdict.json", json.dumps(verdict, indent=1, ensure_ascii=False) + "\n")
    drawn = {records.experiment: _figures(records, entries) for records in gathered}
    by_name = {records.experiment: records for records in gathered}
    of_claims = {
        _place(entry): figure
        for entry in entries
        if (figure := claim_figure(entry, by_name[entry.experiment], candidate.target, candidate.name)) is not None
    }
    pictures = {name: {stem: title(figure) for stem, figure in made.items()} for name, made in drawn.items()}
    write_atomically(folder / "README.md", _readme(request, contract, entries, gathered, missing, pictures, of_claims))
    for made in drawn.values():
        for stem, figure in made.items():
            save(figure, folder / "figures" / stem, kind)
    for place, of_claim in of_claims.items():
        save(of_claim, folder / place, kind)
    if entries:
        save(profile_figure(candidate.name, candidate.target, request.scale, entries), folder / "profile", kind)


def summary(request: Request, entries: Sequence[Entry], missing: Mapping[str, int]) -> list[str]:
    """What came of it, in a few sentences."""
    name, judged = request.candidate.name, [entry.judgements[request.candidate.target] for entry in entries]
    sentences = []
    if judged:
        sentences += [
            *_where_bn_is_reproduced(request.candidate, entries),
            f"In BN's place, of {len(judged)} claims, with {name}: {tally(j.verdict for j in judged)}; "
            f"with BN: {tally(entry.judgements[BN].verdict for entry in entries if BN in entry.judgements)}.",
            f"{name} against BN: {tally(entry.against_bn.verdict for entry in entries)}.",
            "Verdicts are those that hold after Holm over all that was asked of a norm.",
        ]
        if max(judgement.outcome.n for judgement in judged) < rules.FEWEST:
            sentences.append(f"On fewer than three seeds nothing is judged; scale={USUAL} has six.")
    sentences += [
        f"{experiment} is not judged: {lacking} of its runs {'is' if lacking == 1 else 'are'} not finished."
        for experiment, lacking in missing.items()
    ]
    return sentences


def _where_bn_is_reproduced(candidate: Candidate, entries: Sequence[Entry]) -> list[str]:
    """Where BN itself is undecided, the same of another norm says little."""
    asked = [entry for entry in entries if BN in entry.judgements and entry.judgements[BN].verdict == "reproduced"]
    if not asked:
        return []
    alike = tally(entry.judgements[candidate.target].verdict for entry in asked)
    return [f"Of the {len(asked)} claims that are reproduced with BN, with {candidate.name}: {alike}."]


def _figures(records: Records, entries: Sequence[Entry]) -> dict[str, Figure]:
    """What the subjects draw, the candidate among the arms."""
    figures: dict[str, Figure] = {}
    for name in dict.fromkeys(entry.subject for entry in entries if entry.experiment == records.experiment):
        subject = claims.REGISTRY[name]
        figures |= subject.figures(records if subject.shows_tuning else shown(records))
    return figures


def _entry(entry: Entry) -> dict[str, Any]:
    return {
        "experiment": entry.experiment,
        "id": entry.claim.id,
        "norms": {norm: judgement.as_dict() for norm, judgement in entry.judgements.items()},
        "against_bn": entry.against_bn.as_dict(),
    }


def _readme(
    request: Request,
    contract: Contract,
    entries: Sequence[Entry],
    gathered: Sequence[Records],
    missing: Mapping[str, int],
    pictures: Mapping[str, Mapping[str, str]],
    of_claims: Container[str],
) -> str:
    candidate = request.candidate
    broken = [result for result in contract.results if not result.passed]
    kept = f"It keeps {len(contract.results) - len(broken)} of the {len(contract.results)} promises of a norm."
    told = [f"- {sentence}" for sentence in summary(request, entries, missing)]
    told += [f"- {name} is left out: {why}." for name, why in request.left_out.items()]
    lines = [f"# {candidate.name}", "", f"`{candidate.target}` in the place of batch normalisation", ""]
    lines += [f"    {request.command}", "", *told, f"- {kept}"]
    for result in broken:
        expected = f" Expected: {result.expected}." if result.expected else ""
        lines.append(f"  - `{result.check}`: {result.sentence}.{expected}")
    lines += [f"- {LAGS}"] if contract.lags else []
    if entries:
        lines += ["", "![Every claim with several norms in BN's place](profile.png)"]
    for records in gathered:
        of_experiment = [entry for entry in entries if entry.experiment == records.experiment]
        lines += ["", f"## {records.title}", "", f"`{records.experiment}`: {shown(records).caption}.", ""]
        lines += _table(candidate, of_experiment, of_claims)
        of_pictures = pictures[records.experiment].items()
        lines += [line for stem, caption in of_pictures for line in ("", f"![{caption}](figures/{stem}.png)")]
    rows = [(f"`{r.check}`", r.promise, "yes" if r.passed else f"**no**: {r.sentence}") for r in contract.results]
    lines += ["", "<details><summary>The contract</summary>", "", *markdown(("check", "promise", "kept"), rows)]
    return "\n".join([*lines, "", "</details>"]) + "\n"


def _table(candidate: Candidate, entries: Sequence[Entry], of_claims: Container[str]) -> list[str]:
    if not entries:
        return ["It has no claim that can be asked of another norm."]
    norms = [*beside(entries), candidate.target]
    heads = [candidate.name if norm == candidate.target else arm_name(norm) for norm in norms]
    rows = []
    for entry in entries:
        judged = [(entry.judgements.get(norm), arm_label(entry.claim.treated, norm)) for norm in norms]
        cells = ["–" if judgement is None else _cell(judgement, arm) for judgement, arm in judged]
        place = _place(entry)
        sentence = f"[{text_of(entry)}]({place}.png)" if place in of_claims else text_of(entry)
        rows.append([sentence, _without(entry), *cells, _cell(entry.against_bn)])
    return markdown(("claim", arm_name(PLAIN), *heads, f"{candidate.name} against BN"), rows)


def _without(entry: Entry) -> str:
    """What was measured without a norm; of cells from the least to the largest."""
    judgement, reference = next(iter(entry.judgements.values())), entry.claim.reference
    return effects.level(judgement.as_dict(), arm_label(reference, PLAIN)) if reference else "–"


def _place(entry: Entry) -> str:
    """Of a claim's figure, within the report."""
    return f"{CLAIMS}/{entry.experiment}/{entry.claim.id}"


def _cell(judgement: Judgement, arm: str = "") -> str:
    """The verdict, with what the arm measures."""
    claim = judgement.as_dict()
    size = "" if judgement.size == "no figure" else f" ({judgement.size})"
    level = effects.level(claim, arm)
    effect = " ".join(filter(None, (effects.effect(claim), effects.certainty(claim))))
    found = ", ".join(filter(None, (level, effect)))
    flags = [f"*{flag}*" for flag in judgement.flags if flag != "exploratory"]
    parts = [f"**{judgement.verdict}**{size}", found, f"n = {judgement.outcome.n}", ", ".join(flags)]
    return "<br>".join(filter(None, parts))
