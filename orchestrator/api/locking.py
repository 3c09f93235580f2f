"""Making `scanmatrix.lock`: each scan's image looked up, and compared with what was locked before."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol

import msgspec

from orchestrator.admission.signatures.verifying import Signed, Signers
from orchestrator.admission.subjects import Subject, Subjects
from orchestrator.catalog.lock_file import SCHEMA, LockChange, Locked, LockFile
from orchestrator.errors import PermanentError, ScanmatrixError, TemporaryError, UsageError
from orchestrator.images.reference import parse
from orchestrator.images.registry.pin import Pinned, pin
from orchestrator.kit.matching import any_glob
from orchestrator.scanners.distrust import why_refused

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from orchestrator.config.loading import Config
    from orchestrator.images.registry.client import RegistryClient
    from orchestrator.model import Distrust, Scan

#: Images looked up at the same time.
_PARALLEL = 8


class LockFailedError(PermanentError):
    """Images could not be looked up; the lock file stays as it is."""


class LockRefusedError(UsageError):
    """Images must not be locked: their scanners are denied or distrusted."""


class LockOutdatedError(UsageError):
    """The lock file is not what it would be if it was made now."""


class Lookup(Protocol):
    """Finds the digest of an image."""

    def __call__(self, image: str) -> Pinned:
        """Look an image up by its name.

        Raises:
            ScanmatrixError: it cannot be found.
        """
        ...


class Verify(Protocol):
    """Finds who signed an image."""

    def __call__(self, scan: Scan, digest: str) -> str:
        """Who of the signers of a scan's template signed its image; empty where the template names none.

        Raises:
            ScanmatrixError: nobody of them did, or that cannot be found out.
        """
        ...


def make_lock(
    scans: Iterable[Scan],
    before: LockFile | None,
    look_up: Lookup | None,
    *,
    rules: Collection[Distrust],
    now: str,
    only: Collection[str] = (),
    verify: Verify | None = None,
) -> LockFile:
    """The lock file as it is to be.

    An entry whose image and digest stay the same stays as it is, with the moment it was looked up; so the file is the
    same as long as nothing changed.

    Args:
        scans: of the catalog, with their images as the templates name them; checks of our own have none to lock.
        before: the file so far.
        look_up: asked once for each image; None to ask nobody: then only what is locked, or named by digest, is known.
        rules: scanners that are denied or distrusted.
        now: RFC 3339 in UTC.
        only: names of the scans to look up; the entries of the others stay. All without any.
        verify: asked for the signer of each image; None to ask nobody: then a signer is known only of what was locked.

    Raises:
        LockRefusedError: images are denied or distrusted, or not signed by whom their templates name.
        LockFailedError: images cannot be found; the message names each scan.
    """
    own = {scan.name: scan for scan in scans if not scan.builtin}
    if unknown := sorted(set(only) - own.keys()):
        raise UsageError(f"no scan with an image is named {', '.join(unknown)}; there are {', '.join(sorted(own))}")
    old = dict(before.scans) if before else {}
    chosen = {name: scan for name, scan in own.items() if not only or name in only}
    kept = {name: entry for name, entry in old.items() if name in own and name not in chosen}
    found, failed = _look_up_all(chosen, old, look_up)
    if failed:
        raise LockFailedError("; ".join(f"scan {name} ({own[name].image}): {error}" for name, error in failed.items()))
    made = {name: _entry(own[name].image, pinned, old.get(name), now) for name, pinned in found.items()}
    _refuse(own, made, rules, now)
    made = _verified(own, made, verify) if verify else made
    return LockFile(schema=SCHEMA, scans=dict(sorted((kept | made).items())))


def changes(before: LockFile | None, after: LockFile) -> tuple[LockChange, ...]:
    """What is otherwise in the one lock file than in the other, every scan of either, by name."""
    old, new = (before.scans if before else {}), after.scans
    return tuple(_change(name, old.get(name), new.get(name)) for name in sorted(old.keys() | new.keys()))


class NotSignedByError(PermanentError):
    """Nobody of those whom a template names has signed its image."""


def signer_lookup(config: Config, client: RegistryClient) -> Verify:
    """A look-up of signers where `registry_lookup` finds images; documents are read once for scans of one image."""
    caches = [cache for cache in config.cache if not cache.installed]
    subjects = Subjects(client, caches=caches, insecure=config.insecure, budget=config.limits.lookup)
    signers, known = Signers(config.base), dict[str, Subject]()

    def verify(scan: Scan, digest: str) -> str:
        if not scan.signers or any_glob([scan.name], config.scanners.unsigned):
            return ""
        signers.check(scan.signers)
        name = scan.image if "@" in scan.image else f"{scan.image}@{digest}"
        if name not in known:
            known[name] = subjects.of(parse(name))
        answer = known[name].find(signers, scan.signers)
        if isinstance(answer, Signed):
            return str(answer.by)
        wanted = " or ".join(map(str, scan.signers))
        raise NotSignedByError(
            f"{digest} is not signed by {wanted}: {answer}; where a mirror has no signatures, name the scan in"
            " scanners.unsigned"
        )

    return verify


def registry_lookup(config: Config, client: RegistryClient) -> Lookup:
    """A look-up that reads what pulls would: through the caches of the configuration.

    Those of an install answer within its cluster only, and the digest is the same upstream.
    """
    caches = [cache for cache in config.cache if not cache.installed]

    def look_up(image: str) -> Pinned:
        return pin(parse(image), client, caches=caches, insecure=config.insecure)

    return look_up


def _look_up_all(
    scans: Mapping[str, Scan], old: Mapping[str, Locked], look_up: Lookup | None
) -> tuple[dict[str, Pinned], dict[str, str]]:
    """Every scan's digest, or why there is none; each image is asked for once."""
    images = sorted({scan.image for scan in scans.values()})
    answers: dict[str, Pinned | str] = {}
    if look_up is None:
        answers = {scan.image: _known(scan.image, old.get(name)) for name, scan in scans.items()}
    else:
        asked = look_up

        def ask(image: str) -> Pinned | str:
            try:
                return asked(image)
            except ScanmatrixError as error:
                return str(error)

        with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="lock") as pool:
            answers = dict(zip(images, pool.map(ask, images), strict=True))
    found, failed = {}, {}
    for name, scan in scans.items():
        answer = answers[scan.image]
        if isinstance(answer, Pinned):
            found[name] = answer
        else:
            failed[name] = answer
    return found, failed


def _known(image: str, entry: Locked | None) -> Pinned | str:
    """What is known of an image without asking anybody."""
    if entry is not None and entry.image == image:
        return Pinned(digest=entry.digest, platforms=entry.platforms)
    digest = parse(image).digest
    return Pinned(digest=digest) if digest else "it is not locked yet, and nobody is asked with --offline"


def _entry(image: str, pinned: Pinned, old: Locked | None, now: str) -> Locked:
    if old is not None and old.image == image and old.digest == pinned.digest:
        return msgspec.structs.replace(old, platforms=pinned.platforms)
    return Locked(image=image, digest=pinned.digest, platforms=pinned.platforms, resolved=now)


def _verified(scans: Mapping[str, Scan], made: Mapping[str, Locked], verify: Verify) -> dict[str, Locked]:
    """The entries with their signers; each template may name other ones of the same image.

    Raises:
        LockRefusedError: images are not signed by whom their templates name.
        LockFailedError: a registry does not answer.
    """
    found, refused, failed = {}, [], []
    for name, entry in made.items():
        try:
            found[name] = msgspec.structs.replace(entry, signer=verify(scans[name], entry.digest))
        except TemporaryError as error:
            failed.append(f"scan {name} ({entry.image}): whether it is signed: {error}")
        except UsageError:
            raise
        except PermanentError as error:
            refused.append(f"scan {name} ({entry.image}): {error}")
    if refused:
        raise LockRefusedError("; ".join(refused))
    if failed:
        raise LockFailedError("; ".join(failed))
    return found


def _refuse(scans: Mapping[str, Scan], made: Mapping[str, Locked], rules: Collection[Distrust], now: str) -> None:
    """See that nothing is locked that must not run."""
    locked = (
        msgspec.structs.replace(scans[name], image=entry.reference, digests=entry.digests)
        for name, entry in made.items()
    )
    refused = [f"scan {scan.name} ({scan.image}): {why}" for scan in locked if (why := why_refused(scan, rules, now))]
    if refused:
        raise LockRefusedError("; ".join(refused))


def _change(name: str, old: Locked | None, new: Locked | None) -> LockChange:
    if new is None:
        return LockChange(scan=name, what="gone", image=old.image if old else "", before=old.digest if old else "")
    if old is None:
        return LockChange(scan=name, what="new", image=new.image, now=new.digest, signer=new.signer)
    same = "same" if old.signer == new.signer else "signed"
    what = "renamed" if old.image != new.image else "moved" if old.digest != new.digest else same
    return LockChange(scan=name, what=what, image=new.image, before=old.digest, now=new.digest, signer=new.signer)
