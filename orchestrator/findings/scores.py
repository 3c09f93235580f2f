"""CVSS vectors into base scores: what reports give that name only the vector (OSV), or a score of no known version.

Specifications: CVSS 2.0, 3.0, 3.1 and 4.0 of FIRST (https://www.first.org/cvss/); computed by Red Hat's `cvss`.
"""

from functools import lru_cache

from orchestrator.kit.remembering import SPELLINGS
from orchestrator.model import Cvss

# The longest vector there is, CVSS 4.0 with every metric, has about 200 characters.
_LONGEST = 400


@lru_cache(maxsize=SPELLINGS)
def cvss_of(vector: str, version: str = "") -> Cvss | None:
    """The rating that a vector stands for.

    Args:
        vector: `CVSS:3.1/AV:N/…`; one without its prefix (CVSS 2.0 has none) is one of `version`.
        version: `2.0`, `3.0`, `3.1` or `4.0`; used only where the vector does not say it, and then guessed without it.

    Returns:
        The base score, its version and the vector as it was given; None where the vector is not valid.
    """
    if not vector or len(vector) > _LONGEST:
        return None
    from cvss import (  # type: ignore[import-not-found, import-untyped, unused-ignore] # noqa: PLC0415 - rarely needed
        CVSS2,
        CVSS3,
        CVSS4,
        CVSSError,
    )

    plain = vector.strip().strip("()")
    if not plain.startswith("CVSS:"):
        guessed = "2.0" if "/Au:" in plain else "3.1"
        version = version if version in {"2.0", "3.0", "3.1", "4.0"} else guessed
        plain = plain if version == "2.0" else f"CVSS:{version}/{plain}"
    else:
        version = plain[5:8]
    kinds = {"2.0": CVSS2, "3.0": CVSS3, "3.1": CVSS3, "4.0": CVSS4}
    if version not in kinds:
        return None
    try:
        score = float(kinds[version](plain).base_score)
    except CVSSError:
        return None
    return Cvss(score=score, version=version, vector=vector)


def score_of(value: object) -> float | None:
    """A base score, which some tools write as text; None for anything that is no number from 0 to 10."""
    if not isinstance(value, (int, float, str)) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if 0 <= number <= 10 else None  # noqa: PLR2004 - CVSS scores end at 10
