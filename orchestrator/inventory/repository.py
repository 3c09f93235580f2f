"""A source repository written into the configuration itself: `repository: {url: …, ref: …}`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.inventory.interface import Context, Entry
from orchestrator.model import TargetKind

if TYPE_CHECKING:
    from orchestrator.config.targets import TargetSource


def read_repository(source: TargetSource, context: Context) -> list[Entry]:
    """One repository at one ref; whether it is there shows when it is planned."""
    section = source.repository
    assert section is not None  # noqa: S101 - the reader is chosen by this key
    return [
        Entry(
            reference=section.url,
            scans=source.scans,
            owner=source.owner,
            labels=source.labels,
            origin=context.origin,
            kind=TargetKind.REPOSITORY,
            ref=section.ref,
        )
    ]
