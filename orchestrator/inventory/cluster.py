"""Images that run in Kubernetes clusters now, as targets."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import msgspec

from orchestrator.cluster.errors import (
    ExpiredError,
    ForbiddenError,
    NoClusterError,
    ObjectNotFoundError,
    RejectedError,
    UnreachableError,
)
from orchestrator.git.errors import SourceBrokenError, SourceUnavailableError
from orchestrator.inventory import labels
from orchestrator.inventory.interface import Context, Entry
from orchestrator.inventory.landscape import Landscape

if TYPE_CHECKING:
    from orchestrator.config.targets import TargetSource
    from orchestrator.inventory.running import RunningImage


def read_cluster(source: TargetSource, context: Context) -> list[Entry]:
    """Entries of what runs in clusters now; see `Reader`."""
    section = source.cluster
    assert section is not None  # noqa: S101 - the reader is chosen by this key
    entries: dict[tuple[object, ...], Entry] = {}
    for name in section.contexts or (None,):
        where = f"{context.origin}: cluster {name or '(current)'}"
        try:
            with closing(Landscape(section, name, context.scans, patience=context.patience)) as landscape:
                for entry in (each for image in landscape.images() for each in as_entries(image, source)):
                    # Many pods of a workload run the same, and say the same: one line is enough for all of them.
                    entries.setdefault((entry.said, entry.origin, entry.scans), entry)
        except (NoClusterError, ForbiddenError, ObjectNotFoundError, RejectedError) as error:
            raise SourceUnavailableError(f"{where}: {error}") from error
        except (UnreachableError, ExpiredError) as error:
            raise SourceBrokenError(f"{where}: {error}") from error
    return list(entries.values())


def as_entries(image: RunningImage, source: TargetSource) -> list[Entry]:
    """As a source of targets has it; where nothing is asked for in the cluster, the source's own keys hold.

    Where nobody may leave an image out, nobody may leave out scans of it either: what is asked for comes to the usual.
    """
    asked = _as_entry(image, source)
    if image.scans and source.cluster is not None and not source.cluster.allow_skip:
        return [msgspec.structs.replace(asked, scans=source.scans), asked]
    return [asked]


def _as_entry(image: RunningImage, source: TargetSource) -> Entry:
    said = {
        labels.CLUSTER: image.cluster,
        labels.NAMESPACE: image.namespace,
        labels.WORKLOAD: image.workload,
        labels.CONTAINER: image.container,
        labels.VOLUME: image.volume,
        labels.CONTACT: image.contact,
        labels.MAX_LIFETIME: image.max_lifetime,
    }
    return Entry(
        reference=image.reference,
        scans=image.scans or source.scans,
        owner=image.owner or source.owner,
        labels=source.labels | {key: value for key, value in said.items() if value},
        origin=f"{image.cluster}/{image.namespace}/{image.workload}",
        platform=image.platform,
        skip=image.skip,
        note=image.note,
        also_called=image.also_called,
        listed=bool(image.volume),  # a volume may hold any artifact
    )
