"""Claims held against records, a file for each subject; and the door for claims of one's own.

A subject names the claims that belong together, and draws what they are about. An experiment names the subjects that
are judged on its runs: those of `REGISTRY`, or `module:name` for a `Claim`, a `Subject` or a sequence of them, of one's
own.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from types import ModuleType

from bnexp import targets
from bnexp.config import ConfigError
from bnexp.judging.claim import (
    BN,
    LARGEST,
    PLAIN,
    SMALLEST,
    TREATED,
    Claim,
    Control,
    Of,
    Outcome,
    Paper,
    Peculiar,
    Quantity,
    Rule,
    Subject,
    Verdict,
    of_run,
)
from bnexp.judging.judgement import Judgement, adjusted, with_controls
from bnexp.judging.judgement import judge as judge_claim
from bnexp.runs.records import Record, Records

__all__ = [
    "BN",
    "LARGEST",
    "PLAIN",
    "REGISTRY",
    "SMALLEST",
    "TREATED",
    "Claim",
    "ClaimError",
    "Control",
    "Judgement",
    "Of",
    "Outcome",
    "Paper",
    "Peculiar",
    "Quantity",
    "Record",
    "Records",
    "Rule",
    "Subject",
    "Verdict",
    "asking",
    "judge",
    "of_run",
    "resolve",
]


def _subject(module: ModuleType) -> Subject:
    """The subject of a file: its name is the file's, what it is about the first line of its docstring."""
    return Subject(
        name=module.__name__.rpartition(".")[2],
        claims=module.CLAIMS,
        figures=getattr(module, "figures", lambda records: {}),
        tables=getattr(module, "tables", lambda records: {}),
        reads=getattr(module, "READS", ()),
        shown=getattr(module, "SHOWN", {}),
        shows_tuning=getattr(module, "SHOWS_TUNING", False),
        about=(module.__doc__ or "").partition("\n")[0],
    )


NAMES = (
    *("accuracy", "speed", "stability", "figure_1", "table"),
    *("lr_tolerance", "init_robustness", "saturating", "gradient_flow", "batch_size"),
    *("optimizers", "placement", "regularisation", "gap", "statistics", "placebo"),
    *("inception", "inception_steps", "figure_3", "inception_controls", "inception_tuned"),
    *("norms", "ablation", "ensemble", "tiny"),
    *("covariate_shift", "noisy_norm", "drifting_norm", "landscape", "step_size"),
    *(
        "jacobian",
        "random_matrices",
        "signal_depth",
        "skip_init",
        "more_gaussian",
        "affine",
        "robustness",
        "adaptation",
    ),
    *("naive_norm", "scale_invariance", "whitening", "absolute_scale", "noise", "fine_tuning", "recurrent"),
)
"""The files of the subjects that come with bnexp."""

REGISTRY: dict[str, Subject] = {name: _subject(importlib.import_module(f"bnexp.claims.{name}")) for name in NAMES}
"""The subjects that come with bnexp, by name."""


class ClaimError(Exception):
    """A claim that fails on records; the message says which, how and where in its file."""


def resolve(names: Iterable[str]) -> list[Subject]:
    """The subjects that an experiment names, in order; `module:name` is imported.

    Errors: ConfigError for a name that is none.
    """
    return [_resolve(name) for name in names]


def _resolve(name: str) -> Subject:
    if name in REGISTRY:
        return REGISTRY[name]
    if ":" not in name:
        raise ConfigError(
            f"claims: there is no {name!r}; choose from {', '.join(REGISTRY)}, or write module:name for one of your own"
        )
    value = targets.load("claims", name)
    if isinstance(value, Subject):
        return value
    claims = [value] if isinstance(value, (Claim, Peculiar)) else value
    if not (isinstance(claims, Sequence) and claims and all(isinstance(c, (Claim, Peculiar)) for c in claims)):
        raise ConfigError(f"claims={name} is of {type(value)}: give a bnexp.claims.Claim, a list of them, or a Subject")
    return Subject(name, claims)


@contextlib.contextmanager
def asking(name: str) -> Iterator[None]:
    """Whatever the claim or the subject of this name raises meanwhile is a ClaimError."""
    try:
        yield
    except Exception as error:
        raise ClaimError(f"the claim {name} failed: {targets.place(error)}") from error


def judge(records: Records, names: Iterable[str], treated: str = BN) -> list[Judgement]:
    """The judgements of these subjects, with flags where the data set is a stand-in, and where runs are missing.

    `treated` is the norm that is put to the test.

    Errors: ConfigError for an unknown name, ClaimError.
    """
    claims = [claim for subject in resolve(names) for claim in subject.claims]
    judgements: list[Judgement] = []
    for claim in claims:
        with asking(claim.id):
            judgements.append(judge_claim(claim, records, treated))
    judgements = with_controls(adjusted(judgements))
    if records.partial:
        judgements = [_marked(each, "partial", f"on {records.partial} alone") for each in judgements]
    if records.stands_in_for:
        sentence = f"on {records.dataset['title']}, not on {records.stands_in_for}"
        judgements = [_marked(each, "stand-in", sentence) for each in judgements]
    return judgements


def _marked(judgement: Judgement, flag: str, sentence: str) -> Judgement:
    outcome = replace(judgement.outcome, flags={flag: sentence} | dict(judgement.flags))
    return replace(judgement, sentence=f"{judgement.sentence} [{flag}]", outcome=outcome)
