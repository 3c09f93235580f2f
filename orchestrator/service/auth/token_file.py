"""The file of tokens: read again when it changes, and what is wrong with it lets nobody in."""

from __future__ import annotations

import time
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from orchestrator.errors import TemporaryError, UsageError
from orchestrator.kit.advice import ours
from orchestrator.model import Document
from orchestrator.model.documents import spell_time
from orchestrator.service.auth.tokens import KeptToken, holds, make_token, split_token
from orchestrator.service.rest.caller import Caller, Role
from orchestrator.service.rest.problems import UnauthenticatedError
from orchestrator.store.scope import checked_owners
from orchestrator.volume.layout import write_atomic
from orchestrator.volume.locks import held

if TYPE_CHECKING:
    from pathlib import Path

_MOST_BYTES, _MOST_TOKENS = 4 * 1024 * 1024, 10_000
_OTHERS_WRITE = 0o002
_LOOK_SECONDS = 1.0
_PRIVATE = 0o600
_LONGEST_NAME = 200


class TokenFileError(TemporaryError):
    """The file of tokens cannot be read as such; until it can, nobody is let in."""


class KeptTokens(Document, frozen=True):
    """What the file has."""

    tokens: tuple[KeptToken, ...] = ()


class TokenFile:
    """The tokens of a file, looked at no more often than once in a second."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._looked = 0.0
        self._stamp: tuple[int, ...] = ()
        self._known: dict[str, KeptToken] = {}
        self._trouble = ""

    def caller(self, token: str) -> Caller:
        """Who has a token.

        Raises:
            UnauthenticatedError: nobody, or it has expired.
            TokenFileError: the file cannot be read.
        """
        parts = split_token(token)
        if parts is None:
            raise UnauthenticatedError("this is no token of this service")
        self._look()
        kept = self._known.get(parts[0])
        if kept is None or not holds(parts[1], kept):
            raise UnauthenticatedError("this token does not hold here: it was never given, or was taken back")
        if kept.expires and _moment(kept.expires) <= datetime.now(UTC):
            raise UnauthenticatedError(f"this token ({kept.id}) expired on {kept.expires}")
        owners = None if kept.owners is None else frozenset(kept.owners)
        return Caller(f"token:{kept.name}", Role[kept.role.upper()], owners)

    def check(self) -> None:
        """See that the file can be read.

        Raises:
            TokenFileError: it cannot.
        """
        self._looked = 0.0
        self._look()

    def _look(self) -> None:
        now = time.monotonic()
        if not self._looked or now - self._looked >= _LOOK_SECONDS:
            self._looked = now
            try:
                found = self._path.stat()
                stamp = (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_mode)
                if stamp != self._stamp or self._trouble:
                    self._known = {kept.id: kept for kept in read_tokens(self._path).tokens}
                    self._stamp, self._trouble = stamp, ""
            except (OSError, TokenFileError) as error:
                self._known, self._stamp = {}, ()
                self._trouble = str(error.strerror if isinstance(error, OSError) else error)
        if self._trouble:
            raise TokenFileError(f"the tokens of this service cannot be read, so nobody is let in: {self._trouble}")


def read_tokens(path: Path) -> KeptTokens:
    """The tokens of a file.

    Raises:
        OSError: it cannot be read.
        TokenFileError: it is no such file.
    """
    if path.stat().st_mode & _OTHERS_WRITE:
        raise TokenFileError(f"{path.name}: everybody may write it; take that right away (chmod o-w)")
    with path.open("rb") as file:
        data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise TokenFileError(f"{path.name}: it is larger than {_MOST_BYTES} bytes")
    try:
        found = msgspec.json.decode(data, type=KeptTokens)
        for kept in found.tokens:
            _check(kept)
    except (msgspec.DecodeError, ValueError, UsageError) as error:
        way = f"put the file right, or move it away: {ours('token', 'NAME')} makes another"
        raise TokenFileError(f"{path.name}: {error}; {way}") from error
    if len(found.tokens) > _MOST_TOKENS:
        raise TokenFileError(f"{path.name}: it has more than {_MOST_TOKENS} tokens")
    if len({kept.id for kept in found.tokens}) < len(found.tokens):
        raise TokenFileError(f"{path.name}: two tokens have the same id")
    return found


def add_token(path: Path, name: str, role: str, *, owners: tuple[str, ...] | None, seconds: int | None) -> str:
    """Make a token and write what is kept of it into a file, which is made when it is not there.

    Args:
        path: of the file.
        name: whose it is, or what for.
        role: what it may do.
        owners: as `KeptToken` has them.
        seconds: for how long it holds; None without an end.

    Returns:
        The token, which nobody can find out later.

    Raises:
        UsageError: the name is empty or too long, or the owners are too many.
        TokenFileError: the file is no file of tokens.
    """
    if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
        raise UsageError(f"a token needs a name of at most {_LONGEST_NAME} visible characters: who or what uses it")
    now = datetime.now(UTC)
    expires = "" if seconds is None else spell_time(datetime.fromtimestamp(int(now.timestamp()) + seconds, UTC))
    limited = None if owners is None else checked_owners(owners)
    made = make_token(name, role, owners=limited, created=spell_time(now), expires=expires)
    with ExitStack() as stack:
        stack.enter_context(held(path.with_name(f".{path.name}.lock"), patience=10))
        known = read_tokens(path).tokens if path.exists() else ()
        whole = KeptTokens((*known, made.kept))
        data = msgspec.json.format(msgspec.json.encode(whole), indent=2)
        write_atomic(path, data + b"\n")
        path.chmod(_PRIVATE)
    return made.text


def _check(kept: KeptToken) -> None:
    if kept.role.upper() not in Role.__members__:
        raise ValueError(f"token {kept.id}: there is no role {kept.role!r}; there are read, submit and admin")
    if len(bytes.fromhex(kept.key)) < 16 or len(bytes.fromhex(kept.hash)) != 32:  # noqa: PLR2004 - bytes
        raise ValueError(f"token {kept.id}: its key or hash is too short")
    if kept.owners is not None:
        checked_owners(kept.owners)
    if kept.expires:
        _moment(kept.expires)


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
