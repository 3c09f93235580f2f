"""How a CycloneDX document rates a vulnerability: which of several ratings counts.

https://cyclonedx.org/docs/1.6/json/#vulnerabilities_items_ratings
"""

from collections.abc import Sequence
from typing import Any

from orchestrator.findings.cyclonedx_components import CycloneDxPart
from orchestrator.findings.decoding import severity, severity_of
from orchestrator.findings.scores import cvss_of, score_of
from orchestrator.model import Cvss, Severity

_METHODS = {"CVSSv2": "2.0", "CVSSv3": "3.0", "CVSSv31": "3.1", "CVSSv4": "4.0"}


class RatingSource(CycloneDxPart):
    """Who says it."""

    name: str | None = None


class GivenRating(CycloneDxPart):
    """One rating of several."""

    source: RatingSource | None = None
    score: Any = None
    severity: str | None = None
    method: str | None = None
    vector: str | None = None


def best_rating(ratings: Sequence[GivenRating], source: RatingSource | None) -> Cvss | None:
    """The rating of the highest CVSS version, of the vulnerability's own source before others."""
    best: tuple[str, bool] = ("", False)
    found = None
    for rating in ratings:
        rated = _rated(rating)
        order = (rated.version, _same(source, rating.source)) if rated else best
        if rated and (found is None or order > best):
            best, found = order, rated
    return found


def _rated(rating: GivenRating) -> Cvss | None:
    """A rating of a CVSS method; its score is that of the vector where there is none."""
    vector = rating.vector or ""
    version = vector[5:8] if vector.startswith("CVSS:") else _METHODS.get(rating.method or "", "")
    if not version:
        return None
    score = score_of(rating.score)
    return cvss_of(vector, version) if score is None else Cvss(score=score, version=version, vector=vector)


def severity_by(ratings: Sequence[GivenRating], source: RatingSource | None, cvss: Cvss | None) -> Severity:
    """As the vulnerability's own source rates it, else the highest given, else that of its score.

    A score without a method is one of CVSS, of no known version.
    """
    rated = [(severity(rating.severity), _same(source, rating.source)) for rating in ratings]
    own = [word for word, same in rated if same and word is not Severity.UNKNOWN]
    if own:
        return own[0]
    worst = max((word for word, _ in rated), key=lambda word: word.rank, default=Severity.UNKNOWN)
    if worst is not Severity.UNKNOWN or cvss is not None:
        return severity_of(cvss) if worst is Severity.UNKNOWN else worst
    scores = [score for rating in ratings if not rating.method and (score := score_of(rating.score))]
    return severity_of(Cvss(score=max(scores))) if scores else Severity.UNKNOWN


def _same(one: RatingSource | None, other: RatingSource | None) -> bool:
    return one is not None and other is not None and one.name == other.name
