"""Where targets come from: one file per source.

To add a source, give `orchestrator.config.targets.TargetSource` its key, write a function as `Reader` describes, and
list it here.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from orchestrator.catalog.loading import load_catalog
from orchestrator.git.errors import SourceBrokenError, SourceUnavailableError
from orchestrator.inventory.csv_file import read_csv
from orchestrator.inventory.inline import read_archive, read_folder, read_image
from orchestrator.inventory.interface import HEAD, Context, Entry, InventoryError, Reader
from orchestrator.inventory.repository import read_repository
from orchestrator.inventory.selection import chosen, of_named, theirs
from orchestrator.kit.guarding import guarded
from orchestrator.model import TargetKind
from orchestrator.net.allowance import Allowance

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from orchestrator.config.loading import Config
    from orchestrator.config.targets import TargetSource
    from orchestrator.kit.sources import Problem
    from orchestrator.model import Scan

__all__ = [
    "HEAD",
    "READERS",
    "Entry",
    "InventoryError",
    "SourceBrokenError",
    "SourceUnavailableError",
    "collect",
    "scans_for",
]

_log = logging.getLogger(__name__)

#: Seconds to wait for what a cluster says of images that people name, which are scanned without it, too.
_PATIENCE = 2.0


def _read_cluster(source: TargetSource, context: Context) -> list[Entry]:
    from orchestrator.inventory.cluster import read_cluster  # noqa: PLC0415 - kubernetes takes long to import

    return read_cluster(source, context)


def _read_registry(source: TargetSource, context: Context) -> list[Entry]:
    from orchestrator.inventory.registry import read_registry  # noqa: PLC0415 - most configurations need none of it

    return read_registry(source, context)


def _kind(source: TargetSource) -> str:
    return next(key for key in READERS if getattr(source, key) is not None)


def _reader(source: TargetSource) -> Reader:
    return READERS[_kind(source)]


def _means_named(source: TargetSource, named: Sequence[Entry], context: Context) -> list[Entry]:
    from orchestrator.inventory.registry import read_named  # noqa: PLC0415 - likewise

    return read_named(source, named, context)


READERS: dict[str, Reader] = {
    "csv": read_csv, "image": read_image, "archive": read_archive, "repository": read_repository,
    "dir": read_folder, "cluster": _read_cluster, "registry": _read_registry,
}  # fmt: skip
"""The sources by their key in the configuration's `targets`."""


def collect(
    config: Config, base: Path | None = None, *, catalog: Mapping[str, Scan] | None = None, here: bool = False
) -> tuple[Entry, ...]:
    """Every entry of every configured source, in their order; or those that the configuration's selection means.

    Entries that say the same of the same image are merged into the first of them, with the scans of all.

    Args:
        config: names the sources.
        base: folder that relative paths start from, instead of the configuration's own.
        catalog: the scans there are; loaded when left out.
        here: whether only those sources are read that stand on this machine; for who names no targets itself.

    Raises:
        CatalogError: the catalog had to be loaded and has mistakes.
        InventoryError: files of targets have mistakes; those of all files are reported at once.
        SourceUnavailableError: a source cannot be read as configured.
        SourceBrokenError: a source did not answer properly; trying again may help.
        UsageError: the selection means no target, or a name in it may be several.
        NotTheirsError: a name in it is of others than the owners that it is for.
    """
    catalog = catalog if catalog is not None else load_catalog(config, base=base)
    every = {kind: scans_for(kind, catalog) for kind in TargetKind}
    default = {kind: _written_out(config.scans.default_for(kind), every[kind]) for kind in TargetKind}
    base, scans, selection = base or config.base, tuple(catalog), config.selection
    if not selection.named:
        entries = merge(_read_all(config, base, scans, here=here), every, default)
        if selection.owners is not None:
            entries = tuple(entry for entry in entries if entry.owner in selection.owners)
        return chosen(entries, selection.globs) if selection.globs else entries
    context = _context(config, base, scans, "an event" if selection.pushed else "the command line")
    named = [entry for source in selection.named for entry in _reader(source)(source, context)]
    if selection.pushed:
        # One source, of one entry; a push does not say that it is an image.
        named = [msgspec.structs.replace(entry, digest=selection.pushed.digest, listed=True) for entry in named]
    known = merge(_read_all(config, base, scans, named=named), every, default)
    found = of_named(named, known)
    if selection.owners is not None:
        found = theirs(found, selection.owners, selection.lent)
    return merge(found, every, default)


def _read_all(
    config: Config, base: Path, scans: tuple[str, ...], *, named: Sequence[Entry] | None = None, here: bool = False
) -> list[Entry]:
    """The entries of all configured sources.

    Args:
        config: names the sources.
        base: folder that relative paths start from.
        scans: names of every scan there is.
        named: what is to be known is only what the sources say of these: no registry is listed for that, and a source
            that cannot be reached is reported, and the rest is read.
        here: whether only those are read that stand on this machine.
    """
    entries: list[Entry] = []
    problems: list[Problem] = []
    allowance = Allowance(config.limits.planning, "limits.planning")
    for index, source in enumerate(config.targets):
        if here and not source.is_here:
            continue
        where = config.problem(("targets", index), "")
        origin = f"{where.file}:{where.line}" if where.line else where.file
        context = replace(_context(config, base, scans, origin), allowance=allowance)
        if named is not None:
            context = replace(context, retries=0, patience=_PATIENCE)
        try:
            with guarded(f"reading the targets of {origin} ({_kind(source)})"):
                if named is not None and source.registry is not None:
                    entries += _means_named(source, named, context)
                else:
                    entries += _reader(source)(source, context)
        except InventoryError as error:
            problems += error.problems
        except OSError as error:
            raise SourceUnavailableError(f"{origin}: {error}") from error
        except (SourceUnavailableError, SourceBrokenError) as error:
            if named is None:
                raise
            _log.warning("%s; owner, labels and scans from there are not known", error)
    if problems:
        raise InventoryError(problems)
    return entries


def _context(config: Config, base: Path, scans: tuple[str, ...], origin: str) -> Context:
    return Context(
        base,
        scans,
        origin,
        config.cache,
        config.insecure,
        retries=config.limits.retries,
        listing=config.limits.listing,
    )


def scans_for(kind: TargetKind, catalog: Mapping[str, Scan]) -> tuple[str, ...]:
    """Every scan that can read targets of a kind: what `*` stands for. Those that store SBOMs run of themselves."""
    return tuple(name for name, scan in catalog.items() if scan.reads(kind) and not scan.stored)


def merge(
    entries: Iterable[Entry],
    every: Mapping[TargetKind, tuple[str, ...]],
    default: Mapping[TargetKind, tuple[str, ...]],
) -> tuple[Entry, ...]:
    """Entries with `*` written out, and those alike but for their scans made one, in the order of first occurrence.

    Args:
        entries: of all sources.
        every: what `*` stands for, by kind of target.
        default: scans of an entry that names none, likewise.
    """
    merged: dict[tuple[object, ...], Entry] = {}
    for entry in entries:
        wanted = _written_out(entry.scans, every[entry.kind])
        key = entry.said
        first = merged.get(key)
        if first is not None and first.scans != wanted:
            usual = default[entry.kind]
            wanted = tuple(dict.fromkeys((*(first.scans or usual), *(wanted or usual))))
        listed = entry.listed and (first is None or first.listed)
        merged[key] = msgspec.structs.replace(first or entry, scans=wanted, listed=listed)
    return tuple(merged.values())


def _written_out(names: tuple[str, ...], every: tuple[str, ...]) -> tuple[str, ...]:
    """Names of scans, each once, with all of them for `*`."""
    return tuple(dict.fromkeys(part for name in names for part in (every if name == "*" else (name,))))
