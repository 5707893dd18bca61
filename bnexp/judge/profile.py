"""What becomes of every claim with the candidate in BN's place: beside BN and layer norm, and against BN itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from bnexp import claims
from bnexp.claims import BN, PLAIN, TREATED, Claim, Judgement, Of, Records
from bnexp.judging.judgement import after_holm, judge

BESIDE = (BN, "layer")
"""The norms beside which the candidate is shown, where they were trained."""

OTHER_MACHINE = "other machine"

ASKED = "all that is asked of a norm"
"""Over which its verdicts are adjusted together."""


@dataclass(frozen=True)
class Entry:
    """A claim with several norms in BN's place."""

    experiment: str
    subject: str
    claim: Claim
    judgements: Mapping[str, Judgement]
    """By norm, the candidate last."""
    against_bn: Judgement
    """The candidate held against BN, by the same measure."""


def beside(entries: Iterable[Entry]) -> list[str]:
    """The norms beside which the candidate is shown, in any of the entries."""
    known = {norm for entry in entries for norm in entry.judgements}
    return [norm for norm in BESIDE if norm in known]


def text_of(entry: Entry) -> str:
    """The sentence that is asked, with its epochs."""
    return entry.judgements.get(BN, entry.against_bn).sentence


def asked(subject: str) -> Iterator[Claim]:
    """The claims of a subject that can be asked of any norm: of BN alone, or of BN and no norm."""
    for claim in claims.REGISTRY[subject].claims:
        if not isinstance(claim, Claim) or claim.treated.get("norm") != TREATED:
            continue
        if claim.best_of not in (None, {"norm": PLAIN}):
            continue  # no norm would be seen at other settings for each that is asked of
        if any(name != "norm" and not name.startswith("norm.") for name in claim.treated):
            continue  # it differs in more than the norm
        of_norms = {name: value for name, value in {**claim.treated, **claim.among}.items() if name.startswith("norm.")}
        if claim.reference in (None, {"norm": PLAIN}) and all(map(_can_be_absent, of_norms.values())):
            yield claim


def _can_be_absent(value: object) -> bool:
    """Whether a norm without such a setting fits."""
    return value is None or (isinstance(value, Of) and None in value.values)


def profile(records: Records, subjects: Iterable[str], candidate: str, elsewhere: bool) -> list[Entry]:
    """Every claim of these subjects; `elsewhere` where BN and no norm were trained on another machine."""
    present = {run.norm for run in records.runs}
    shown = [*(norm for norm in BESIDE if norm in present), candidate]
    entries = []
    for subject in subjects:
        for claim in asked(subject):
            judged = {norm: judge(claim, records, norm) for norm in shown}
            against = judge(against_bn(claim), records, candidate)
            if elsewhere:
                judged[candidate], against = (_marked(each) for each in (judged[candidate], against))
            entries.append(Entry(records.experiment, subject, claim, judged, against))
    return entries


def together(entries: Sequence[Entry]) -> list[Entry]:
    """With the verdicts of each norm, and of the candidate against BN, that hold after Holm over all that was asked.

    Without it more than every second norm that does nothing would have a wrong verdict on something.
    """
    held = after_holm([entry.against_bn for entry in entries], ASKED)
    adjusted = [replace(entry, against_bn=judgement) for entry, judgement in zip(entries, held, strict=True)]
    for norm in dict.fromkeys(norm for entry in entries for norm in entry.judgements):
        places = [i for i, entry in enumerate(adjusted) if norm in entry.judgements]
        held = after_holm([adjusted[i].judgements[norm] for i in places], ASKED)
        for i, judgement in zip(places, held, strict=True):
            adjusted[i] = replace(adjusted[i], judgements={**adjusted[i].judgements, norm: judgement})
    return adjusted


def against_bn(claim: Claim) -> Claim:
    """The claim's measure, of the candidate beside BN: which has more of what the claim says."""
    kind = claim.rule.kind if claim.rule.kind in ("time", "range", "rate") else "difference"
    rule = replace(claim.rule, kind=kind, target=0.0)
    bn = {**claim.treated, "norm": BN}  # by the same statistics
    paper = replace(claim.paper, effect=None)  # that is of BN against no norm
    return replace(claim, id=f"{claim.id}-against-bn", rule=rule, reference=bn, primary=False, paper=paper)


def _marked(judgement: Judgement) -> Judgement:
    return judgement.flagged(**{OTHER_MACHINE: "the networks that it is held against were trained on another machine"})


def subjects(names: Sequence[str]) -> list[str]:
    """Those that have a claim to ask, of an experiment's."""
    return [name for name in names if name in claims.REGISTRY and any(True for _ in asked(name))]
