"""§4.2 on other pictures: how Inception ends with and without BN, within so few epochs that it may not learn at all."""

from __future__ import annotations

from bnexp.claims import inception
from bnexp.claims.figure_3 import LEARNS, share
from bnexp.judging.claim import Control

SHOWS_TUNING = inception.SHOWS_TUNING

HIGHER = [claim for claim in inception.CLAIMS if claim.id != "at-one-rate"]
"""Inception's learning rate here is the one that suits it on other pictures, so BN's at that rate is not asked for."""

CLAIMS = [
    *HIGHER,
    share(
        "inception-learns",
        "Inception learns.",
        "inception",
        LEARNS,
        "–",
        Control(
            "What others gain over a network that learns nothing would be no figure.",
            guards=tuple(c.id for c in HIGHER),
        ),
    ),
]

figures, tables = inception.figures, inception.tables
