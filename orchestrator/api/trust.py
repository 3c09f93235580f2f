"""Which scanners may run, as functions: what `scanmatrix lock` and `scanmatrix distrust` call.

    for change in lock(config):            # writes scanmatrix.lock
        print(change.scan, change.what)
    distrust(config, DistrustSection(scan="general", reason="CVE-2026-33634"))

Every function raises `UsageError` for what the caller got wrong and other `ScanmatrixError`s for what broke.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from orchestrator.api.locking import LockOutdatedError, changes, make_lock, registry_lookup, signer_lookup
from orchestrator.catalog.loading import load_catalog
from orchestrator.catalog.lock_file import LOCK, read_lock, spell_lock
from orchestrator.config.scanners import DISTRUSTED
from orchestrator.images.registry.client import RegistryClient
from orchestrator.kit.advice import ours
from orchestrator.model.documents import spell_time
from orchestrator.scanners.rules import read_distrusted, rules_of
from orchestrator.volume.layout import write_atomic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.catalog.lock_file import LockChange
    from orchestrator.config.loading import Config
    from orchestrator.config.scanners import DistrustSection


def lock(
    config: Config, *, only: Sequence[str] = (), offline: bool = False, check: bool = False
) -> tuple[LockChange, ...]:
    """Look up the digest of every scan's image, and write them into `scanmatrix.lock` beside the configuration.

    Nothing is written where nothing changed, or when any image cannot be looked up.

    Args:
        config: names templates, registries, caches, and scanners that are not trusted.
        only: scans to look up; the entries of the others stay as they are.
        offline: ask no registry: what is locked stays, and what is new must be named by digest.
        check: write nothing.

    Returns:
        Every scan, and what became of it.

    Raises:
        LockOutdatedError: with `check`, the file is not what it would be now.
        LockRefusedError: an image is denied or distrusted, or not signed by whom its template names.
        LockFailedError: an image cannot be looked up.
        UsageError: the configuration or the file has mistakes, or there is no such scan.
    """
    scans = load_catalog(config, locked=False).values()
    before = read_lock(config.base)
    now, rules = spell_time(datetime.now(UTC)), rules_of(config)
    if offline:
        after = make_lock(scans, before, None, rules=rules, now=now, only=only)
    else:
        with RegistryClient(insecure=config.insecure, retries=config.limits.retries) as client:
            look_up = registry_lookup(config, client)
            verify = signer_lookup(config, client)
            after = make_lock(scans, before, look_up, rules=rules, now=now, only=only, verify=verify)
    found = changes(before, after)
    data = spell_lock(after)
    path = config.base / LOCK
    if check:
        if differ := [f"{one.scan} ({one.what})" for one in found if one.what != "same"]:
            raise LockOutdatedError(f"{path} is out of date: {', '.join(differ)}; run {ours('lock')}")
    elif not path.exists() or path.read_bytes() != data:
        write_atomic(path, data)
    return found


def distrusted(config: Config) -> tuple[DistrustSection, ...]:
    """Scanners that are not trusted, by the configuration and by the file of `distrust`."""
    return (*config.scanners.distrusted, *read_distrusted(config.base).distrusted)


def distrust(config: Config, section: DistrustSection) -> bool:
    """Stop trusting a scanner: it runs no more, and its results are suspect; written beside the configuration.

    Returns:
        False when that very entry was there already.
    """
    present = read_distrusted(config.base).distrusted
    if section in present:
        return False
    _write(config, [*present, section])
    return True


def trust(config: Config, scan: str) -> int:
    """Take back what `distrust` wrote about a scan; what stands in the configuration itself stays.

    Args:
        config: beside which the file is.
        scan: as the entries have it.

    Returns:
        Number of entries taken out.
    """
    present = read_distrusted(config.base).distrusted
    left = [section for section in present if section.scan != scan]
    if len(left) != len(present):
        _write(config, left)
    return len(present) - len(left)


def _write(config: Config, sections: Sequence[DistrustSection]) -> None:
    import yaml

    data = [section.model_dump(by_alias=True, exclude_none=True) for section in sections]
    head = "# Written by `scanmatrix distrust`; docs/supply-chain.md explains it.\n"
    text = yaml.safe_dump(data, sort_keys=False, allow_unicode=True)
    write_atomic(config.base / DISTRUSTED, (head + text).encode())
