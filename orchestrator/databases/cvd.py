"""ClamAV's containers of signatures (`.cvd`): a header of 512 bytes, then a compressed tar that the header signs.

Two signatures are verified, as libclamav does. That in the header is plain RSA of the MD5 of all that follows (dsig.c,
`cli_versig`); that in the tar's `.info` is RSA-PSS of its own SHA-256 (`cli_versig2`), and that names the SHA-256 of
every file, which clamscan compares when it loads them. Both are written in base 64 with the lowest digit first. The
header itself is not signed: what it says of version and age counts only once the `.info` says the same.
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

    from orchestrator.databases.interface import FetchLimit

HEADER = 512
_MAGIC = "ClamAV-VDB"
_DIGITS = {digit: value for value, digit in enumerate(string.ascii_letters + string.digits + "+/")}
_SHA256 = 32
_PSS_END = 0xBC
#: More than a modulus of 2048 bits needs, less than would cost anything.
_SIGNATURE = re.compile(r"[A-Za-z0-9+/]{100,400}")
_NUMBER = re.compile(r"[0-9]{1,9}")
_SECONDS = re.compile(r"[0-9]{1,11}")
_MD5 = re.compile(r"[0-9a-f]{32}")
_INFO_LIMIT = 1024 * 1024


class SigningKey(NamedTuple):
    """The public half of a key that databases are signed with."""

    modulus: int
    exponent: int


class SigningKeys(NamedTuple):
    """What a maker signs with.

    Attributes:
        content: of the MD5 of what follows the header.
        facts: of the SHA-256 of the `.info` in it, which names the SHA-256 of every file.
    """

    content: SigningKey
    facts: SigningKey


#: Of ClamAV, as every libclamav has them built in (dsig.c, CLI_NSTR; readdb.c, INFO_NSTR).
CLAMAV_KEYS = SigningKeys(
    content=SigningKey(
        int(
            "1186409955516453426030700016584531897515277744120277437465994057432431426074641447673610606406558447"
            "4976078889002228342492276248891756555100246777110966959818941043469903453223222862159108950817859142"
            "8456220796841621637175567590476666928698770143328137383952820383197532047771780196576957695822641224"
            "262693037"
        ),
        100001027,
    ),
    facts=SigningKey(
        int(
            "1108889498304854547365955610662719492392894179179504762059165869741358104332271591217249680652538105"
            "5880964520618400224333320534660299233983755341740679502866829909679955734391392668378361221524205396"
            "6310901051516412708572770803107343209516537005089417174191687239425078907029047027075874516216910507"
            "5430785038339986534648720379846417853739221140278648135982446119723110289541509377039421666632448459"
            "3935762408468516826633192140826667923494822045805347809932848454845886971706424360558667862775876072"
            "0594377033653802091016977385775154769350854694552799941131459779940846183284821510131423933733163375"
            "19977244732747977"
        ),
        100002049,
    ),
)


class CvdHeader(NamedTuple):
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


def read_header(data: bytes, *, origin: str) -> CvdHeader:
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
    return CvdHeader(int(version), int(signatures), int(level), md5, signature, int(seconds))


def verify(path: Path, name: str, *, keys: SigningKeys, origin: str, limit: int, watch: FetchLimit) -> CvdHeader:
    """Make sure that a container is what its maker signed, and is the database of this name.

    Args:
        path: of the container.
        name: of the database: `daily`.
        keys: of its maker.
        origin: for messages.
        limit: most bytes that what comes before its `.info` may unpack to.
        watch: when to stop.

    Raises:
        DatabaseRefused: it is damaged, not signed by those keys, or its header says other things than what is signed.
    """
    with path.open("rb") as file:
        header = read_header(file.read(HEADER), origin=origin)
        found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != header.md5:
        raise DatabaseRefused(f"{origin}: is damaged: its content has MD5 {found}, its header says {header.md5}")
    if _decrypt(header.signature, keys.content) != int(header.md5, 16):
        raise DatabaseRefused(f"{origin}: its signature is not that of ClamAV's makers; do not use this mirror")
    info = read_member(path, f"{name}.info", limit=limit, most=_INFO_LIMIT, origin=origin, watch=watch, skip=HEADER)
    if not _is_signed(info, keys.facts):
        raise DatabaseRefused(
            f"{origin}: {name}.info in it has no signature of ClamAV's makers; do not use this mirror"
        )
    line = io.BytesIO(info).readline().decode("ascii", "replace").rstrip("\r\n").split(":")
    signed = [line[index] for index in (2, 3, 4, 8)] if len(line) > 8 and line[0] == _MAGIC else []  # noqa: PLR2004
    if signed != [str(each) for each in (header.version, header.signatures, header.level, header.seconds)]:
        raise DatabaseRefused(f"{origin}: its header says other things than what is signed; do not use this mirror")
    return header


def _decrypt(signature: str, key: SigningKey) -> int:
    """What somebody who has the private half has signed."""
    number = sum(_DIGITS[digit] << (6 * place) for place, digit in enumerate(signature))
    return pow(number, key.exponent, key.modulus)


def _is_signed(info: bytes, key: SigningKey) -> bool:
    """Whether an `.info` ends with the signature of all before it: EMSA-PSS-VERIFY of RFC 8017 with SHA-256."""
    facts, mark, rest = info.rpartition(b"\nDSIG:")
    signature = rest.partition(b"\n")[0].strip().decode("ascii", "replace")
    if not mark or not _SIGNATURE.fullmatch(signature):
        return False
    length = (key.modulus.bit_length() + 7) // 8
    encoded = _decrypt(signature, key).to_bytes(length, "big")
    masked, digest = encoded[: -_SHA256 - 1], encoded[-_SHA256 - 1 : -1]
    mask = b"".join(hashlib.sha256(digest + count.to_bytes(4, "big")).digest() for count in range(length // _SHA256))
    padded = bytes(one ^ other for one, other in zip(masked, mask, strict=False))
    padded = bytes([padded[0] & 0x7F]) + padded[1:]
    padding, salt = padded[:-_SHA256], padded[-_SHA256:]
    if encoded[-1] != _PSS_END or padding.lstrip(b"\0") != b"\x01":
        return False
    return hashlib.sha256(bytes(8) + hashlib.sha256(facts + b"\n").digest() + salt).digest() == digest
