"""What CycloneDX says of a vulnerability in a version: the one table, for VEX documents and for reports alike.

https://cyclonedx.org/docs/1.6/json/: `vulnerabilities[].analysis.state` and `affects[].versions[]`, each of which is a
version or a range (`vers`) with a `status`. Official examples write `not_affected` beside versions with the status
`unaffected`, and beside versions with the status `affected`: there the versions only say what the state is about.

| state                          | `affected`, or no status | `unaffected` | `unknown`, or any other word |
|--------------------------------|--------------------------|--------------|------------------------------|
| none, or any other word        | affected                 | not affected | under investigation          |
| exploitable                    | affected                 | not affected | under investigation          |
| in_triage                      | under investigation      | not affected | under investigation          |
| not_affected, false_positive   | not affected (*)         | not affected | under investigation          |
| resolved(_with_pedigree)       | fixed (*)                | fixed        | under investigation          |

(*) But `affected` where the same vulnerability lists versions as `affected` and others as `unaffected`: then the
statuses tell the versions apart, and a state that is about some of them must not hide the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from orchestrator.model import VexStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

STATES = {
    "resolved": VexStatus.FIXED,
    "resolved_with_pedigree": VexStatus.FIXED,
    "exploitable": VexStatus.AFFECTED,
    "in_triage": VexStatus.UNDER_INVESTIGATION,
    "false_positive": VexStatus.NOT_AFFECTED,
    "not_affected": VexStatus.NOT_AFFECTED,
}
"""The states of an analysis in VEX's words."""

JUSTIFICATIONS = {
    "code_not_present": "vulnerable_code_not_present",
    "code_not_reachable": "vulnerable_code_not_in_execute_path",
    "requires_configuration": "vulnerable_code_not_in_execute_path",
    "requires_dependency": "vulnerable_code_not_in_execute_path",
    "requires_environment": "vulnerable_code_cannot_be_controlled_by_adversary",
    "protected_by_compiler": "inline_mitigations_already_exist",
    "protected_at_runtime": "inline_mitigations_already_exist",
    "protected_at_perimeter": "inline_mitigations_already_exist",
    "protected_by_mitigating_control": "inline_mitigations_already_exist",
}
"""The justifications of an analysis in VEX's words, as near as they come."""

CAUTION = (VexStatus.AFFECTED, VexStatus.UNDER_INVESTIGATION, VexStatus.FIXED, VexStatus.NOT_AFFECTED)
"""Of several that are said of the same, the first of these holds: contradictions must not hide anything."""

AFFECTED, UNAFFECTED, UNKNOWN = "affected", "unaffected", "unknown"
STATUSES = (AFFECTED, UNAFFECTED, UNKNOWN)
"""The statuses of a version."""


class _Part(msgspec.Struct, gc=False, rename="camel"):
    """A partial structure of the document; what it does not name is skipped unread."""


class AffectedVersion(_Part):
    """A version, or a range of versions."""

    version: str | None = None
    range: str | None = None
    status: str | None = None


class Affect(_Part):
    """One thing that a vulnerability is about, by its reference."""

    ref: str
    versions: list[AffectedVersion] | None = None


def word_of(text: str | None) -> str:
    """A state, status or justification as the specification writes it: `Not Affected` means `not_affected`."""
    return (text or "").strip().casefold().replace(" ", "_").replace("-", "_")


def is_mixed(affects: Iterable[Affect]) -> bool:
    """Whether versions are listed as affected, and others as unaffected: see the table."""
    said = {word_of(each.status) for affect in affects for each in affect.versions or ()}
    return {AFFECTED, UNAFFECTED} <= said


def status_of(state: VexStatus | None, status: str | None, *, mixed: bool) -> VexStatus:
    """What the table says.

    Args:
        state: one of `STATES`; None for none.
        status: of a version; None where no status, or no version, is given.
        mixed: as `is_mixed` says.
    """
    word = word_of(status)
    if word == UNAFFECTED:
        return VexStatus.FIXED if state is VexStatus.FIXED else VexStatus.NOT_AFFECTED
    if word not in {"", AFFECTED}:
        return VexStatus.UNDER_INVESTIGATION
    if state is None or (word == AFFECTED and mixed and state.suppresses):
        return VexStatus.AFFECTED
    return state


def most_cautious(said: Iterable[VexStatus]) -> VexStatus:
    """Which of several statuses of the same thing holds; at least one."""
    return min(said, key=CAUTION.index)
