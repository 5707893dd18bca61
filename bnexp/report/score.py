"""How many claims came out how, in words; controls, which check our measuring and not BN, are counted apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bnexp.judging.words import count, tally

HELD = {True: "as they should be", False: "not", None: "undecided"}
"""Controls, by whether they hold."""


def counted(claims: Sequence[Mapping[str, Any]], main: str = "main claim", further: str = "further claim") -> list[str]:
    """Of claims as `verdict.json` has them: the main ones, the others and the controls, as far as there are any."""
    parts = []
    of_bn = [claim for claim in claims if not claim.get("control")]
    for primary, noun in ((True, main), (False, further)):
        verdicts = [claim["verdict"] for claim in of_bn if bool(claim.get("primary")) == primary]
        if verdicts:
            parts.append(f"{count(len(verdicts), noun)}: {tally(verdicts)}")
    held = [claim.get("held") for claim in claims if claim.get("control")]
    if held:
        told = ", ".join(f"{held.count(state)} {word}" for state, word in HELD.items() if held.count(state))
        parts.append(f"{count(len(held), 'control')}: {told}")
    return parts
