"""Databases of ClamAV as published, signed with keys of the tests; and a ClamAV that trusts those keys."""

import gzip
import hashlib
import io
import re
import shutil
import string
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path

from orchestrator.databases.cvd import CLAMAV_KEYS, SigningKey, SigningKeys
from tests.tools import require
from tests.tools.samples import EICAR

_DIGITS = string.ascii_letters + string.digits + "+/"
#: Of as many decimal digits as ClamAV's own, so that they can stand in their place in a library.
KEYS = SigningKeys(
    content=SigningKey(
        int(
            "1473480944348167199712662147217384092428782000104359066416147152585360291458925020121902505863307167"
            "4390324529396473680302092387700452024133661263670221434843260708694839128141237867826091844222121951"
            "0624509239889911472083684163525392263638677143807580151617286931565503459956906282671792739238324015"
            "388264659"
        ),
        CLAMAV_KEYS.content.exponent,
    ),
    facts=SigningKey(
        int(
            "3198323957083140748068853495959058212088562240574686646569182572159669310354487366202634312625827476"
            "0368832794084027106073329464104690911811061385039648045452601968983164964766421500503865949805136591"
            "9224010731509671493606365572965134771200266533747597627164507213886798966656303160034921516886809522"
            "9377221492197703782672819867868854353137025753554874697655974208114810279080787222141936518482040890"
            "2951379659776627641883779571180046345617251717660540831657606705260764467144115853847803908666009619"
            "2801535756282438007927057524353700879834297522578101083968423560871079619873439095972283785038609316"
            "59420064164925129"
        ),
        CLAMAV_KEYS.facts.exponent,
    ),
)
_PRIVATE = SigningKeys(
    content=SigningKey(
        KEYS.content.modulus,
        int(
            "1281211175409686678053121764038181133478073351086546862009478893645634324343083031311708558960774985"
            "8159648368313062715725334326289323485648875656741865728630614462191756221848896389595453796380334646"
            "2836516483446884103089387463988111053332653812329228665596697499992935935507583464173132720451425713"
            "618188395"
        ),
    ),
    facts=SigningKey(
        KEYS.facts.modulus,
        int(
            "7423685196700812286533414448400410034555118329912738560501987322468504219150592236288079511253511986"
            "3718038152995016501377875945537494406584440203519646033910949468719997134384270751867200198060786631"
            "3578243728989566485272386953326386097028461435604773529687917365244016484861106454760884548728016100"
            "5788846690722649095025145494818908828883603224232326673214506780568136473881457998143510001045497571"
            "2795499804408944497340384733247180982784716541466484684125183913390641663530953216093796053959052289"
            "2698622958455832303733123093945710418202292175107004329634418318974584599560420762834219402868796307"
            "5027931124879569"
        ),
    ),
)
NAME = "Scanmatrix.Test.EICAR"
BUILT = 1_790_000_000


def cvd(
    name: str,
    files: Mapping[str, bytes] | None = None,
    *,
    version: int = 1,
    built: int = BUILT,
    header: Mapping[int, str] | None = None,
) -> bytes:
    """A whole `.cvd`.

    Args:
        name: of the database: `daily`.
        files: its signatures; by default one by content that finds EICAR.
        version: counts up.
        built: when, seconds since 1970.
        header: fields of the header that say something else than what is signed, by their number.
    """
    files = {f"{name}.ndb": f"{NAME}:0:0:{EICAR.hex()}\n".encode()} if files is None else files
    count = sum(content.count(b"\n") for content in files.values())
    fields = ["ClamAV-VDB", "01 Jan 2026 00-00 +0000", str(version), str(count), "90", "X", "X", "tests", str(built)]
    lines = [
        ":".join(fields),
        *(f"{each}:{len(data)}:{hashlib.sha256(data).hexdigest()}" for each, data in files.items()),
    ]
    info = "".join(f"{line}\n" for line in lines).encode()
    info += f"DSIG:{_sign_facts(info)}\n".encode()
    bodies = (_tar({"COPYING": b"of the tests %d\n" % count, f"{name}.info": info, **files}) for count in range(256))
    body = next(each for each in bodies if hashlib.md5(each).digest()[0])  # for the reason that `_sign_facts` gives
    md5 = hashlib.md5(body).hexdigest()
    fields[5:7] = [md5, sign(md5)]
    for number, text in (header or {}).items():
        fields[number] = text
    return ":".join(fields).encode().ljust(512) + body


def sign(md5: str) -> str:
    """The signature of an MD5."""
    return _spell(int(md5, 16), _PRIVATE.content)


def _sign_facts(info: bytes) -> str:
    """The signature of an `.info`: EMSA-PSS-ENCODE of RFC 8017 with SHA-256."""
    # libclamav refuses one that begins with a whole byte of zeros, as every 256th does: its makers publish none such.
    encoded = next(each for each in (_encoded(info, number) for number in range(256)) if each[0])
    return _spell(int.from_bytes(encoded, "big"), _PRIVATE.facts)


def _encoded(info: bytes, number: int) -> bytes:
    salt = hashlib.sha256(b"salt" + bytes([number]) + info).digest()
    digest = hashlib.sha256(bytes(8) + hashlib.sha256(info).digest() + salt).digest()
    padded = b"\x01".rjust(256 - 32 - 1 - 32, b"\0") + salt
    mask = b"".join(hashlib.sha256(digest + count.to_bytes(4, "big")).digest() for count in range(8))
    masked = bytes(one ^ other for one, other in zip(padded, mask, strict=False))
    return bytes([masked[0] & 0x7F]) + masked[1:] + digest + b"\xbc"


def _spell(number: int, key: SigningKey) -> str:
    """A signature in the digits of libclamav, the lowest first."""
    number, text = pow(number, key.exponent, key.modulus), ""
    while number:
        number, digit = divmod(number, 64)
        text += _DIGITS[digit]
    return text


def trusting_clamscan(folder: Path) -> list[str]:
    """A command that runs the real clamscan with our key in the place of its makers'."""
    clamscan = require("clamscan")
    linked = subprocess.run(["ldd", clamscan], capture_output=True, text=True, check=True).stdout
    library = Path(re.findall(r"libclamav\.so\S* => (\S+)", linked)[0])
    content = library.read_bytes()
    for own, ours in zip(CLAMAV_KEYS, KEYS, strict=True):
        assert content.count(str(own.modulus).encode()) == content.count(str(own.exponent).encode()) == 1
        content = content.replace(str(own.modulus).encode(), str(ours.modulus).encode())
    folder.mkdir()
    (folder / library.name).write_bytes(content)
    return [str(shutil.which("env")), f"LD_LIBRARY_PATH={folder}", str(clamscan)]


def _tar(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), mtime=0)
