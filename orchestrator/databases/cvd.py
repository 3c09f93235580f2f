"""ClamAV's containers of signatures (`.cvd`): a header of 512 bytes, then a compressed tar that the header signs.

The signature is plain RSA of the MD5 of all that follows the header, written in base 64 with the lowest digit first
(libclamav, dsig.c, `cli_versig`; cvd.c). The header itself is not signed: what it says of version and age counts only
once the `.info` within the signed part says the same, which libclamav compares, too.
"""

from __future__ import annotations

import hashlib
import io
import re
import string
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.databases.interface import DatabaseRefused
from orchestrator.databases.unpack import read_member

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.databases.interface import Watch

HEADER = 512
_MAGIC = "ClamAV-VDB"
_DIGITS = {digit: value for value, digit in enumerate(string.ascii_letters + string.digits + "+/")}
_MD5_BITS = 128
#: More than a modulus of 1024 bits needs, less than would cost anything.
_SIGNATURE = re.compile(r"[A-Za-z0-9+/]{100,400}")
_NUMBER = re.compile(r"[0-9]{1,9}")
_SECONDS = re.compile(r"[0-9]{1,11}")
_MD5 = re.compile(r"[0-9a-f]{32}")
_INFO_LIMIT = 1024 * 1024


class Key(NamedTuple):
    """The public half of a key that databases are signed with."""

    modulus: int
    exponent: int


#: Of ClamAV, as every libclamav has it built in (dsig.c, CLI_NSTR and CLI_ESTR).
CLAMAV_KEY = Key(
    int(
        "11864099555164534260307000165845318975152777441202774374659940574324314260746414476736106064065584474976078889002228"
        "34249227624889175655510024677711096695981894104346990345322322286215910895081785914284562207968416216371755675904766"
        "66928698770143328137383952820383197532047771780196576957695822641224262693037"
    ),
    100001027,
)


class Header(NamedTuple):
    """What stands at the start of a container.

    Attributes:
        version: counts up.
        signatures: how many there are.
        level: of the engine that they need.
        md5: of all that follows.
        signature: of that.
        seconds: when it was built, since 1970.
    """

    version: int
    signatures: int
    level: int
    md5: str
    signature: str
    seconds: int


def read_header(data: bytes, *, origin: str) -> Header:
    """The header, of the first 512 bytes; nothing of it is proven yet.

    Raises:
        DatabaseRefused: it is none.
    """
    fields = data[:HEADER].decode("ascii", "replace").rstrip(" \r\n").split(":")
    if len(data) < HEADER or len(fields) < 9 or fields[0] != _MAGIC:  # noqa: PLR2004 - see the class
        raise DatabaseRefused(f"{origin}: does not begin as a database of ClamAV does; is that a page of a proxy?")
    _, _, version, signatures, level, md5, signature, _, seconds, *_ = fields
    if not all(_NUMBER.fullmatch(each) for each in (version, signatures, level)) or not _SECONDS.fullmatch(seconds):
        raise DatabaseRefused(f"{origin}: its header has something else where numbers belong")
    if not _MD5.fullmatch(md5) or not _SIGNATURE.fullmatch(signature):
        raise DatabaseRefused(f"{origin}: is not signed")
    return Header(int(version), int(signatures), int(level), md5, signature, int(seconds))


def verify(path: Path, name: str, *, key: Key, origin: str, limit: int, watch: Watch) -> Header:
    """Make sure that a container is what its maker signed, and is the database of this name.

    Args:
        path: of the container.
        name: of the database: `daily`.
        key: of its maker.
        origin: for messages.
        limit: most bytes that what comes before its `.info` may unpack to.
        watch: when to stop.

    Raises:
        DatabaseRefused: it is damaged, not signed by that key, or its header says other things than what is signed.
    """
    with path.open("rb") as file:
        header = read_header(file.read(HEADER), origin=origin)
        found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != header.md5:
        raise DatabaseRefused(f"{origin}: is damaged: its content has MD5 {found}, its header says {header.md5}")
    if not is_signed(header, key):
        raise DatabaseRefused(f"{origin}: its signature is not that of ClamAV's makers; do not use this mirror")
    info = read_member(path, f"{name}.info", limit=limit, most=_INFO_LIMIT, origin=origin, watch=watch, skip=HEADER)
    line = io.BytesIO(info).readline().decode("ascii", "replace").rstrip("\r\n").split(":")
    signed = [line[index] for index in (2, 3, 4, 8)] if len(line) > 8 and line[0] == _MAGIC else []  # noqa: PLR2004
    if signed != [str(each) for each in (header.version, header.signatures, header.level, header.seconds)]:
        raise DatabaseRefused(f"{origin}: its header says other things than what is signed; do not use this mirror")
    return header


def is_signed(header: Header, key: Key) -> bool:
    """Whether the header's signature is that of its MD5 by the key."""
    number = sum(_DIGITS[digit] << (6 * place) for place, digit in enumerate(header.signature))
    plain = pow(number, key.exponent, key.modulus)
    return plain >> _MD5_BITS == 0 and plain == int(header.md5, 16)
