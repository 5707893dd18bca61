"""Write bnexp/claims/rules.json: what decides each claim, as a digest, so that git tells when it last changed."""

from __future__ import annotations

import json
from pathlib import Path

from bnexp import claims
from bnexp.judging.identity import digest


def main() -> None:
    """Write the file anew."""
    path = Path(claims.__file__).with_name("rules.json")
    path.write_text(json.dumps(digests(), indent=1) + "\n", encoding="utf-8")


def digests() -> dict[str, str]:
    """By subject and id, of every claim that comes with bnexp."""
    return {
        f"{subject.name}/{claim.id}": digest(claim) for subject in claims.REGISTRY.values() for claim in subject.claims
    }


if __name__ == "__main__":
    main()
