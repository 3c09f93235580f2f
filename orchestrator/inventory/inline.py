"""Targets written into the configuration itself: `image:` and `archive:`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from orchestrator.config.targets import REGISTRY, STDIN
from orchestrator.inventory.interface import HEAD, Context, Entry
from orchestrator.model import TargetKind
from orchestrator.model.image import FOLDER

if TYPE_CHECKING:
    from orchestrator.config.targets import TargetSource


def read_image(source: TargetSource, context: Context) -> list[Entry]:
    """One image, of its registry or of a tool on this machine."""
    entry = _entry(source, context, source.image or "", local=False)
    return [entry if source.look_in == (REGISTRY,) else msgspec.structs.replace(entry, look_in=source.look_in)]


def read_archive(source: TargetSource, context: Context) -> list[Entry]:
    """One OCI archive, OCI layout folder or `docker save` tar; whether it is one shows when it is planned."""
    if source.archive == STDIN:
        return [_entry(source, context, STDIN, local=True)]
    path = os.path.abspath(context.base / Path(source.archive or "").expanduser())  # noqa: PTH100 - without `..`, links kept
    return [_entry(source, context, path, local=True)]


def read_folder(source: TargetSource, context: Context) -> list[Entry]:
    """A plain folder, scanned as a repository; whether it is one shows when it is planned."""
    path = os.path.abspath(context.base / Path(source.dir or "").expanduser())  # noqa: PTH100 - as above
    entry = _entry(source, context, f"{FOLDER}{path}", local=False)
    return [msgspec.structs.replace(entry, kind=TargetKind.REPOSITORY, ref=HEAD)]


def _entry(source: TargetSource, context: Context, reference: str, *, local: bool) -> Entry:
    return Entry(
        reference=reference,
        scans=source.scans,
        owner=source.owner,
        labels=source.labels,
        origin=context.origin,
        local=local,
    )
