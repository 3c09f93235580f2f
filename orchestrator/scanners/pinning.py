"""What strict means: a scanner's image is named by digest, so that nobody can put another one under its tag."""

from collections.abc import Iterable

from orchestrator.errors import UsageError
from orchestrator.kit.advice import ours
from orchestrator.model import Decision, Plan, Scan


class UnpinnedError(UsageError):
    """Images of scanners are named by tags, where only digests will do."""


def require_digests(scans: Iterable[Scan]) -> None:
    """See that every scan's image is named by digest; checks of our own run in the orchestrator's image.

    Raises:
        UnpinnedError: some are not.
    """
    tagged = [f"{scan.name} ({scan.image})" for scan in scans if not scan.builtin and "@" not in scan.image]
    if tagged:
        raise UnpinnedError(
            f"strict: scanner images must be named by digest, these have a tag: {', '.join(tagged)};"
            f" run {ours('lock')}, or give the digest in the template"
        )


def require_digests_of(plan: Plan) -> None:
    """The same of the scans that a plan is to run.

    Raises:
        UnpinnedError: some are not.
    """
    runs = {cell.scan for cell in plan.cells if cell.decision is Decision.RUN}
    require_digests(scan for scan in plan.scans if scan.name in runs)
