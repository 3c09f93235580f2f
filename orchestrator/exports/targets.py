"""The targets of a run as other systems want them: one thing with names, and whether all of it was looked at."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING

from orchestrator.images.reference import InvalidReference, parse
from orchestrator.kit.placeholders import fill
from orchestrator.model import Document, LedgerRow, Outcome, Plan
from orchestrator.model.documents import DocumentError, read

if TYPE_CHECKING:
    from orchestrator.results.run import RunResults

_NAME_LIMIT = 255


class RunTarget(Document, frozen=True):
    """One target of a run.

    Attributes:
        rows: its rows of the ledger.
        whole: every cell that could find something ended ok and is believed, so what is not found any more is gone.
    """

    id: str
    run: str
    rows: tuple[LedgerRow, ...]
    whole: bool

    @property
    def reference(self) -> str:
        """Its first name."""
        references = self.rows[0].references
        return references[0] if references else self.id

    @property
    def scanned(self) -> bool:
        """Whether any scan of it ended ok, and is believed; of others nothing is known."""
        return any(row.holds for row in self.rows)

    def name(self, form: str) -> str:
        """A name in a form with the placeholders of `orchestrator.config.exports.NAME_FIELDS`.

        Returns:
            One line of at most 255 printable characters; the target's first name, should nothing else be left.
        """
        row = self.rows[0]
        repository, tag = split_reference(self.reference)
        values = {
            "reference": self.reference,
            "repository": repository,
            "tag": tag or row.digest or "unknown",
            "digest": row.digest,
            "platform": row.platform,
            "owner": row.owners[0] if row.owners else "",
            "target": self.id,
            "run": self.run,
        }
        return _line(fill(form, values)) or _line(self.reference)


def run_targets(results: RunResults) -> tuple[RunTarget, ...]:
    """Every target of a run, in the order of its ledger.

    Raises:
        NoResultsError: the run has no ledger.
    """
    rows: dict[str, list[LedgerRow]] = {}
    for row in results.ledger.rows:
        rows.setdefault(row.target, []).append(row)
    planned = _planned(results)
    return tuple(
        RunTarget(id=target, run=results.run, rows=tuple(own), whole=all(_settled(row, planned) for row in own))
        for target, own in rows.items()
    )


@lru_cache(maxsize=1024)
def split_reference(reference: str) -> tuple[str, str]:
    """What stays the same when a target changes, and what names this state of it.

    Returns:
        Of an image its repository and tag, of a source repository (`https://…#ref`) its URL and ref; the tag is empty
        where there is none. Of anything else (an archive's path) all of it, and nothing.
    """
    if "://" in reference or "#" in reference:
        url, _, ref = reference.partition("#")
        return url, ref
    try:
        name = parse(reference)
    except InvalidReference:
        return reference, ""
    return f"{name.registry}/{name.repository}", name.tag


def fingerprint(reference: str, key: str) -> str:
    """A name for a finding that stays the same from run to run and from tag to tag, 64 hexadecimal digits.

    Args:
        reference: of its target.
        key: of the merged finding.
    """
    repository, _ = split_reference(reference)
    return hashlib.sha256(f"{repository}\0{key}".encode(errors="surrogatepass")).hexdigest()


def _planned(results: RunResults) -> dict[str, str] | None:
    """For each cell the run whose result still stands for it, out of the plan; None when the plan is gone."""
    try:
        plan = read(results.volume.plan(results.run), Plan)
    except (DocumentError, OSError):
        return None
    return {cell.id: cell.standing for cell in plan.cells}


def _settled(row: LedgerRow, planned: dict[str, str] | None) -> bool:
    """Whether this run says all there is to say of a cell: it ran, or it is left out for good.

    What was skipped because an earlier result is still fresh has findings that are not among this run's.
    """
    if row.outcome is Outcome.SKIPPED and planned is not None:
        return not planned.get(row.cell, "")
    return row.holds


def _line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_NAME_LIMIT]
