"""What is asked of a kind of database, and what is known of what it fetched.

Nothing that a mirror serves is believed: it is verified, unpacked within bounds, and never older than what was there.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from orchestrator.errors import Cancelled, PermanentError, TemporaryError
from orchestrator.kit.quantities import parse_duration
from orchestrator.model.documents import spell_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from orchestrator.model import Cache, DatabasePart

#: Seconds by which a mirror's clock may be ahead of ours.
_AHEAD = timedelta(days=1)


class DatabaseRefused(PermanentError):  # noqa: N818 - the name says what happened
    """What a mirror serves is damaged, forged, too large, too old, or not a database of the kind."""


class OutOfTime(TemporaryError):  # noqa: N818 - the name says what happened
    """Fetching it took longer than the template allows."""

    most_retries = 0


@dataclass(frozen=True)
class FetchLimit:
    """When to stop.

    Attributes:
        deadline: on the clock of `time.monotonic`.
        stopped: why to stop at once, empty as long as there is no reason.
    """

    deadline: float
    stopped: Callable[[], str] = str

    def seconds_left(self) -> float:
        """Until the deadline."""
        return max(0.0, self.deadline - time.monotonic())

    def check(self) -> None:
        """Stop here if it is time.

        Raises:
            OutOfTime: it is.
            Cancelled: somebody asked for it.
        """
        if reason := self.stopped():
            raise Cancelled(reason)
        if time.monotonic() > self.deadline:
            raise OutOfTime("took longer than the time-out of the template's `database`")


@dataclass(frozen=True)
class Order:
    """What is wanted.

    Attributes:
        settings: of the kind, as `orchestrator.config.databases` names them; placeholders are filled in.
        folder: where it goes; empty at first.
        limit: most bytes that it may unpack to.
        watch: when to stop.
        before: the parts of the version from before, by name.
        previous: its folder; None where its files are not those that were fetched, or there is none.
        sums: SHA-256 of the files in it.
        caches: what registries are read through.
        insecure: hosts (`host[:port]`) spoken to without TLS verification.
        retries: further attempts after a connection that broke.
        now: the present, with a time zone.
        named: where people set a setting, by its name.
    """

    settings: Mapping[str, str]
    folder: Path
    limit: int
    watch: FetchLimit
    before: Mapping[str, DatabasePart] = field(default_factory=dict)
    previous: Path | None = None
    sums: Mapping[str, str] = field(default_factory=dict)
    caches: Sequence[Cache] = ()
    insecure: Sequence[str] = ()
    retries: int = 4
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    named: Mapping[str, str] = field(default_factory=dict)

    def key(self, setting: str) -> str:
        """What people know a setting as, for messages that say what to change."""
        return self.named.get(setting, setting)

    def reuse(self, part: DatabasePart) -> DatabasePart | None:
        """Take over a part that is still the same, by hard links where there are any; None if it has to be fetched."""
        known = self.before.get(part.name)
        if known is None or self.previous is None or not known.files:
            return None
        if (known.origin, known.digest) != (part.origin, part.digest):
            return None
        if not all(sum_of(self.previous / name) == self.sums.get(name) for name in known.files):
            return None  # somebody has changed it, or removed it
        for name in known.files:
            link_or_copy(self.previous / name, self.folder / name)
        return known

    def judge(self, part: DatabasePart) -> None:
        """Refuse what is older than what there is, or than the template allows.

        Only parts of one origin are compared: another mirror may be behind, and was configured on purpose.

        Raises:
            DatabaseRefused: it is.
        """
        known = self.before.get(part.name)
        if known is not None and known.origin == part.origin:
            older = part.number < known.number or bool(part.built and known.built and _time(part) < _time(known))
            if older:
                raise DatabaseRefused(
                    f"{part.origin}: serves {_spell(part)}, older than {_spell(known)} which it served before; that "
                    "stays in use. If its maker took the newer one back, remove that from the volume"
                )
        if not part.built:
            return
        if _time(part) > self.now + _AHEAD:
            raise DatabaseRefused(f"{part.origin}: {_spell(part)} is from the future; check its maker, and our clock")
        longest = self.settings.get("max_age", "")
        if longest and _time(part) < self.now - timedelta(seconds=_seconds(longest)):
            raise DatabaseRefused(
                f"{part.origin}: {_spell(part)} is older than {longest}; does the mirror still follow its maker? "
                f"Otherwise allow more by {self.key('max_age')}"
            )


class DatabaseKind(Protocol):
    """One kind of database; `name` is that of its key in templates."""

    name: str

    def offers(self, order: Order) -> Sequence[DatabasePart]:
        """What there is at the moment, found out at little cost; `files` are still empty, `built` may be.

        Raises:
            ScanmatrixError: nobody can tell, or it is no such database.
        """
        ...

    def fetch(self, order: Order, part: DatabasePart) -> DatabasePart:
        """Fetch and verify a part that was offered, into the order's folder.

        Raises:
            DatabaseRefused: it is not what was promised.
            ScanmatrixError: it cannot be fetched.
        """
        ...


def link_or_copy(source: Path, target: Path) -> None:
    """A file under a second name; a copy where there are no hard links."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copyfile(source, target, follow_symlinks=False)


def spell(moment: float | datetime) -> str:
    """A moment, or seconds since 1970, as `DatabasePart.built` has it."""
    return spell_time(moment if isinstance(moment, datetime) else datetime.fromtimestamp(moment, UTC))


def parse_moment(text: str, *, origin: str) -> str:
    """A moment in a mirror's words (RFC 3339, any fraction of a second) as `DatabasePart.built` has it.

    Raises:
        DatabaseRefused: it is none.
    """
    whole, _, rest = text.partition(".")
    try:
        moment = datetime.fromisoformat(whole + rest.lstrip("0123456789"))
        if moment.tzinfo is not None:
            return spell(moment)
    except (ValueError, OverflowError) as error:
        raise DatabaseRefused(f"{origin}: {text[:40]!r} is not a moment in time") from error
    raise DatabaseRefused(f"{origin}: {text[:40]!r} has no time zone")


def _time(part: DatabasePart) -> datetime:
    return datetime.fromisoformat(part.built)


def _spell(part: DatabasePart) -> str:
    said = " ".join(word for word in (part.version, f"of {part.built}" if part.built else "") if word)
    return f"{part.name} {said}".strip()


def _seconds(text: str) -> int:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise DatabaseRefused(f"maxAge: {error}") from error


def sum_of(path: Path) -> str:
    """SHA-256 of a file; empty for what is none, links among them."""
    if path.is_symlink() or not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
