"""Tar archives block by block: what no library writes, and what attackers do."""

import io
import random
import tarfile
from collections.abc import Iterator

BLOCK = 512
END = bytes(2 * BLOCK)


def checked(block: bytes | bytearray, *, style: str = "usual") -> bytes:
    """A header block with its checksum set, in one of the styles readers differ over."""
    data = bytearray(block)
    data[148:156] = b" " * 8
    total = sum(data)
    if style == "signed":
        total = sum(byte - 256 if byte > 127 else byte for byte in data)
    data[148:156] = {
        "usual": b"%06o\0 " % total,
        "nul first": b"\0%06o " % total,
        "spaces": b"%7o " % total,
        "all digits": b"%08o" % total,
        "signed": b"%06o\0 " % total,
    }[style]
    return bytes(data)


def header(
    name: bytes = b"file",
    *,
    kind: bytes = b"0",
    size: int | bytes = 0,
    mode: bytes = b"0000644\0",
    link: bytes = b"",
    magic: bytes = b"ustar\x0000",
    prefix: bytes = b"",
    fields: dict[int, bytes] | None = None,
    style: str = "usual",
) -> bytes:
    """One header; `size` as bytes goes into the field as it is, `fields` are bytes by their offset."""
    block = bytearray(BLOCK)

    def put(offset: int, data: bytes) -> None:
        block[offset : offset + len(data)] = data

    put(0, name[:100])
    put(100, mode)
    put(108, b"0000000\0" * 2)
    put(124, size if isinstance(size, bytes) else b"%011o\0" % size)
    put(136, b"%011o\0" % 0)
    put(156, kind)
    put(157, link[:100])
    put(257, magic)
    put(345, prefix)
    for offset, data in (fields or {}).items():
        put(offset, data)
    return checked(block, style=style)


def padded(data: bytes) -> bytes:
    """Content filled up to a block."""
    return data + bytes(-len(data) % BLOCK)


def file(name: bytes, content: bytes = b"", **fields: object) -> bytes:
    """A header and its content."""
    return header(name, size=len(content), **fields) + padded(content)  # type: ignore[arg-type]


def pax(records: dict[bytes, bytes] | list[tuple[bytes, bytes]], kind: bytes = b"x") -> bytes:
    """An extended header with these records."""
    pairs = records.items() if isinstance(records, dict) else records
    return raw_pax(b"".join(record(key, value) for key, value in pairs), kind)


def raw_pax(data: bytes, kind: bytes = b"x") -> bytes:
    """An extended header with this text."""
    return file(b"PaxHeaders/x", data, kind=kind)


def record(key: bytes, value: bytes) -> bytes:
    """A record, its length counted in."""
    rest = b" " + key + b"=" + value + b"\n"
    length = len(rest)
    while length != len(rest) + len(str(length)):
        length = len(rest) + len(str(length))
    return str(length).encode() + rest


def long(kind: bytes, text: bytes) -> bytes:
    """GNU's long name (`L`) or long link (`K`)."""
    return file(b"././@LongLink", text + b"\0", kind=kind, magic=b"ustar  \0")


def base256(value: int, size: int = 12) -> bytes:
    """A number in base 256."""
    data = bytearray((value % (1 << (8 * size))).to_bytes(size, "big"))
    data[0] = data[0] | 0x80 if value >= 0 else 0xFF
    return bytes(data)


def sparse_old(name: bytes, parts: list[tuple[int, bytes]], size: int) -> bytes:
    """A sparse file as GNU tar wrote it before PAX: its map in the header, and in blocks after it."""

    def pairs(some: list[tuple[int, bytes]]) -> bytes:
        return b"".join(b"%011o\0%011o\0" % (offset, len(data)) for offset, data in some)

    stored = sum(len(data) for _, data in parts)
    first, rest = parts[:4], parts[4:]
    fields = {386: pairs(first), 482: b"\1" if rest else b"\0", 483: b"%011o\0" % size}
    block = header(name, kind=b"S", size=stored, magic=b"ustar  \0", fields=fields)
    while rest:
        some, rest = rest[:21], rest[21:]
        block += pairs(some).ljust(504, b"\0") + (b"\1" if rest else b"\0") + bytes(7)
    return block + padded(b"".join(data for _, data in parts))


def sparse_pax(name: bytes, parts: list[tuple[int, bytes]], size: int, form: str) -> bytes:
    """A sparse file in one of GNU's three forms in PAX headers: `0.0`, `0.1` or `1.0`."""
    data = b"".join(data for _, data in parts)
    count = str(len(parts)).encode()
    if form == "1.0":
        lines = [count, *(str(number).encode() for offset, part in parts for number in (offset, len(part)))]
        data = padded(b"".join(line + b"\n" for line in lines)) + data
        records = [(b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.name", name)]
        records.append((b"GNU.sparse.realsize", str(size).encode()))
    else:
        records = [(b"GNU.sparse.size", str(size).encode()), (b"GNU.sparse.numblocks", count)]
        if form == "0.0":
            for offset, part in parts:
                records += [(b"GNU.sparse.offset", b"%d" % offset), (b"GNU.sparse.numbytes", b"%d" % len(part))]
        else:
            text = b",".join(b"%d,%d" % (offset, len(part)) for offset, part in parts)
            records += [(b"GNU.sparse.map", text), (b"GNU.sparse.name", name)]
    return pax(records) + file(b"GNUSparseFile.0/x" if form != "0.0" else name, data)


def written_by_python(form: int) -> bytes:
    """An archive of the standard library's, with what stretches each format."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        for name in ("a", "d" * 90 + "/" + "e" * 90, "n" * 180, "ümläut", "d/"):
            info = tarfile.TarInfo(name)
            info.mtime = -5 if form == tarfile.GNU_FORMAT else 1
            if name == "d/":
                info.type = tarfile.DIRTYPE
            info.size = 0 if name == "d/" else 700
            tar.addfile(info, io.BytesIO(b"x" * info.size))
        info = tarfile.TarInfo("link")
        info.type, info.linkname = tarfile.SYMTYPE, "t" * 150
        if form != tarfile.USTAR_FORMAT:
            tar.addfile(info)
    return buffer.getvalue()


def handmade() -> Iterator[tuple[str, bytes]]:
    """Archives by what is odd about them; some Go reads, some it refuses."""
    for some in (_ends, _numbers, _kinds, _formats, _records, _extensions, _sparse, _broken_sparse):
        yield from some()


_TAIL = file(b"bin/sh", b"#!", mode=b"0000755\0") + END
_BEFORE = file(b"bin/readme", b"text")


def _within(name: str, *middle: bytes) -> tuple[str, bytes]:
    """An archive with something odd in its middle, and a shell behind it."""
    return name, _BEFORE + b"".join(middle) + _TAIL


def _ends() -> Iterator[tuple[str, bytes]]:
    """Where an archive ends."""
    yield "empty", b""
    yield "end only", END
    yield "one zero block", END[:BLOCK]
    yield "no end", file(b"a", b"1")
    yield "one zero block, then the end of the stream", file(b"a", b"1") + END[:BLOCK]
    yield "a zero block between entries", _BEFORE + END[:BLOCK] + _TAIL
    yield "two zero blocks between entries", _BEFORE + END + _TAIL
    yield "half a zero block", _BEFORE + END[: BLOCK // 2]
    yield "three halves of a zero block", _BEFORE + END[: BLOCK * 3 // 2]
    yield "padding of the last file cut", header(b"a", size=3) + b"abc"
    yield "content cut", header(b"a", size=900) + bytes(512)
    yield "header cut", _BEFORE + header(b"a")[:300]
    yield "padded to 10 KiB", _BEFORE + END + bytes(10240)
    yield "rubbish after the end", _BEFORE + END + b"rubbish"


def _numbers() -> Iterator[tuple[str, bytes]]:
    """Checksums, sizes, modes, times, owners and devices."""
    for style in ("usual", "nul first", "spaces", "all digits", "signed"):
        yield _within(f"checksum {style}", header(b"n\xf6tes", style=style))
    yield _within("wrong checksum", header(b"notes")[:-1] + b"\1")
    sizes = [b"\0" + b"0000000001\0", b" 0000000001\0", b"           1", b"000000000001", b"0000000001 \0", b"1\0" * 6]
    sizes += [b"0x000000001\0", b"-0000000001\0", b"+0000000001\0", b"0_000000001\0", b"00000000008\0", bytes(12)]
    sizes += [
        b" " * 12,
        b"1 1".ljust(12),
        b"0o00000001\0\0",
        base256(1),
        base256(-1),
        base256(1 << 62),
        base256(1 << 87),
    ]
    sizes += [b"\x80" + b"\0" * 10 + b"\1", b"\xc0" + bytes(11), b"\xff" * 12, b"\t0000000001\0", base256(1 << 63)]
    for size in sizes:
        yield _within(f"size {size!r}", header(b"notes", size=size), padded(b"x"))
        yield _within(f"size of a folder {size!r}", header(b"notes", size=size, kind=b"5"))
        yield _within(f"mode {size[:8]!r}", header(b"notes", mode=size[:8]))
        yield _within(f"time {size!r}", header(b"notes", fields={136: size}))
        yield _within(f"owner {size[:8]!r}", header(b"notes", fields={108: size[:8]}))
        yield _within(f"device {size[:8]!r}", header(b"notes", fields={329: size[:8]}))
        yield _within(f"GNU's time {size!r}", header(b"notes", magic=b"ustar  \0", fields={345: size}))


def _kinds() -> Iterator[tuple[str, bytes]]:
    """Type flags, and names that end with a slash."""
    for number in range(256):
        kind = bytes([number])
        yield _within(f"type {kind!r}", header(b"notes", kind=kind, size=5), padded(b"5 a=\n"))
        yield _within(f"type {kind!r} of a name with a slash", header(b"notes/", kind=kind, size=3), padded(b"abc"))
    for kind in (b"\0", b"0", b"7", b"5"):
        yield _within(f"slash in PAX, {kind!r}", pax({b"path": b"x/"}), header(b"n", kind=kind, size=3), padded(b"abc"))
        yield _within(f"slash only in the header, {kind!r}", pax({b"path": b"x"}), header(b"n/", kind=kind))
        yield _within(f"slash in a long name, {kind!r}", long(b"L", b"x/"), header(b"n", kind=kind, size=0))


def _formats() -> Iterator[tuple[str, bytes]]:
    """Magic numbers and prefixes."""
    for magic in (b"ustar\x0000", b"ustar  \0", b"ustar \0 ", b"ustar\0  ", b"USTAR\x0000", bytes(8), b"ustar  0"):
        for trailer in (b"", b"tar\0"):
            fields = {508: trailer, 476: b"00000000000\0" * 2} if trailer else {}
            yield _within(f"{magic!r} {trailer!r}", header(b"n", magic=magic, prefix=b"pre/fix", fields=fields))
            bad = header(b"n", magic=magic, prefix=b"p", fields={508: trailer, 476: b"zzz"})
            yield _within(f"{magic!r} {trailer!r} bad time", bad)
    yield _within("prefix beyond ASCII in GNU", header(b"n", magic=b"ustar  \0", prefix=b"\xfcpre"))
    yield _within("name without its NUL", header(b"n" * 100), header(b"n", link=b"l" * 100, kind=b"2"))
    for form, name in ((tarfile.USTAR_FORMAT, "ustar"), (tarfile.GNU_FORMAT, "gnu"), (tarfile.PAX_FORMAT, "pax")):
        yield f"Python's {name}", written_by_python(form) if form != tarfile.USTAR_FORMAT else written_ustar()


def _records() -> Iterator[tuple[str, bytes]]:
    """PAX records."""
    for value in (b"4", b"+4", b"-4", b" 4", b"4 ", b"0_4", b"0004", b"9" * 25, b"0" * 30 + b"4", b"4.0", b"", b"0x4"):
        yield _within(f"PAX size {value!r}", pax({b"size": value}), header(b"notes", size=2), padded(b"abcd"))
        for key in (b"uid", b"mtime", b"atime", b"gid", b"ctime"):
            yield _within(f"PAX {key!r} {value!r}", pax({key: value}), header(b"notes"))
    for value in (b"1.", b".5", b"1.5", b"-1.5", b"1.x", b"1.123456789123", b"1.1.1"):
        yield _within(f"PAX time {value!r}", pax({b"mtime": value}), header(b"notes"))
    texts = [b"", b"\n", b"5 a=\n", b"4 a=", b"6 a=b", b"6 a=\n\n", b"5 =a\n", b"5 ab\n", b"9 a=b\n", b"+6 a=b\n"]
    texts += [b"-6 a=b\n", b"06 a=b\n", b"007 a=b\n", b"7 a=b=\n", b"6 a=b\n\0\0", b"6 a=b\n x", b"999999 a=b\n"]
    texts += [b"11 path=\0\0\n", b"12 path=a\0b\n", b"11 a\0bc=xy\n", b"13 comment=\0\n", b"6\ta=b\n", b"6  =b\n"]
    texts += [b"8 path=x\n", b"9 path=x\n9 path=y\n", b"9 path=x\n8 path=\n", b"12 linkpath=\n", b"5 a=\n" * 1000]
    for text in texts:
        yield _within(f"PAX text {text[:30]!r}", raw_pax(text), header(b"notes"))
        yield _within(f"global PAX text {text[:30]!r}", raw_pax(text, b"g"), header(b"notes"))


def _extensions() -> Iterator[tuple[str, bytes]]:
    """Headers that extend others, in a row."""
    yield _within("PAX after PAX", pax({b"path": b"one"}), pax({b"linkpath": b"two"}), header(b"notes", kind=b"2"))
    yield _within("PAX after a long name", long(b"L", b"long"), pax({b"path": b"pax"}), header(b"notes"))
    yield _within("a long name after PAX", pax({b"path": b"pax"}), long(b"L", b"long"), header(b"notes"))
    yield _within("an empty long name", long(b"L", b"one"), long(b"L", b""), header(b"notes"))
    yield _within("a long name with NUL", long(b"L", b"one\0two"), header(b"notes"))
    yield _within("a long link", long(b"K", b"t" * 300), long(b"L", b"n" * 300), header(b"notes", kind=b"2"))
    yield _within("a global header between", pax({b"path": b"one"}), pax({b"comment": b"c"}, b"g"), header(b"notes"))
    yield _within("a global path", pax({b"path": b"one"}, b"g"), header(b"notes"))
    yield _within("a global size", pax({b"size": b"512"}, b"g"), header(b"notes"))
    yield "PAX at the end", _BEFORE + pax({b"path": b"one"}) + END
    yield "many PAX headers", _BEFORE + pax({b"path": b"one"}) * 3000 + _TAIL
    yield "a large PAX header", _BEFORE + raw_pax(record(b"comment", b"c" * ((1 << 20) - 40))) + _TAIL
    yield "too large a PAX header", _BEFORE + raw_pax(record(b"comment", b"c" * (1 << 20))) + _TAIL
    yield "too long a name", _BEFORE + long(b"L", b"n" * (1 << 20)) + _TAIL


def _sparse() -> Iterator[tuple[str, bytes]]:
    """Sparse files of all four forms."""
    parts = [(512 * number, b"p%03d" % number) for number in range(1, 60, 2)]
    for some, size in ((parts, 40000), (parts[:4], 4000), (parts[:5], 5000), ([], 0), ([], 4000), ([(0, b"abc")], 3)):
        yield _within(f"old sparse {len(some)} {size}", sparse_old(b"sparse", some, size))
        for form in ("0.0", "0.1", "1.0"):
            yield _within(f"sparse {form} {len(some)} {size}", sparse_pax(b"sparse", some, size, form))


def _broken_sparse() -> Iterator[tuple[str, bytes]]:
    """Sparse files with maps that are none."""
    bad = [([(0, b"abc")], 2), ([(9, b"a"), (0, b"b")], 20), ([(0, b"abc"), (1, b"d")], 20)]
    for some, size in bad:
        yield _within(f"bad old sparse {some}", sparse_old(b"sparse", some, size))
        for form in ("0.0", "0.1", "1.0"):
            yield _within(f"bad sparse {form} {some}", sparse_pax(b"sparse", some, size, form))
    for major, minor in ((b"1", b"1"), (b"0", b"2"), (b"", b"0"), (b"2", b"0"), (b"1", b"")):
        records = {b"GNU.sparse.major": major, b"GNU.sparse.minor": minor, b"GNU.sparse.name": b"other",
                   b"GNU.sparse.map": b"0,1"}  # fmt: skip
        yield _within(f"sparse {major!r}.{minor!r}", pax(records), file(b"notes", b"1\n0\n1\n"))
    for text in (
        b"1\n0\n1\n",
        b"1\n0\n",
        b"x\n",
        b"-1\n",
        b"99999999999\n",
        b"",
        b"0\n",
        b"2\n0\n1\n1\n1\n",
        b"1\n+0\n1\n",
    ):
        records = {b"GNU.sparse.major": b"1", b"GNU.sparse.minor": b"0", b"GNU.sparse.realsize": b"5"}
        yield _within(f"sparse map {text!r}", pax(records), file(b"notes", padded(text) + b"x"))
        yield _within(f"short sparse map {text!r}", pax(records), file(b"notes", text + b"x"))
        yield _within(f"sparse folder {text!r}", pax(records), header(b"notes", kind=b"5"))
    for text, count in ((b"0,1", b"1"), (b"0,1,", b"1"), (b"0", b"1"), (b"", b"0"), (b"0,1", b""), (b"0,1", b"2")):
        records = {b"GNU.sparse.map": text, b"GNU.sparse.numblocks": count, b"GNU.sparse.size": b"5"}
        yield _within(f"sparse map {text!r} {count!r}", pax(records), file(b"notes", b"x"))
    yield _within("missing sparse data", sparse_old(b"s", [(0, b"abc")], 600)[:BLOCK])


def written_ustar() -> bytes:
    """What the oldest format can say."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in ("a", "d" * 90 + "/" + "e" * 90):
            tar.addfile(tarfile.TarInfo(name))
    return buffer.getvalue()


def mutated(seeds: list[bytes], number: int, seed: int) -> Iterator[bytes]:
    """Archives with a few bytes changed, most of them in headers whose checksum is set right again."""
    chance = random.Random(seed)
    usual = [
        b"\0",
        b" ",
        b"0",
        b"7",
        b"/",
        b"\x80",
        b"\xff",
        b"=",
        b"\n",
        b"8",
        b"x",
        b"L",
        b"S",
        b"g",
        b"1",
        b",",
        b".",
    ]
    places = [0, 99, 100, 107, 124, 125, 134, 135, 148, 149, 154, 155, 156, 156, 157, 257, 262, 263, 264, 345, 386, 482,
              483, 508, 511]  # fmt: skip
    for _ in range(number):
        data = bytearray(chance.choice(seeds))
        if not data:
            continue
        for _ in range(chance.randint(1, 3)):
            block = chance.randrange(max(1, len(data) // BLOCK)) * BLOCK
            place = block + (chance.choice(places) if chance.random() < 0.7 else chance.randrange(BLOCK))
            if place >= len(data):
                continue
            data[place : place + 1] = chance.choice(usual) if chance.random() < 0.8 else bytes([chance.randrange(256)])
            if chance.random() < 0.85 and not 148 <= place - block < 156 and b"ustar" in data[block : block + BLOCK]:
                data[block : block + BLOCK] = checked(data[block : block + BLOCK])
        if chance.random() < 0.1:
            del data[chance.randrange(len(data)) :]
        if chance.random() < 0.05:
            del data[(cut := chance.randrange(len(data) // BLOCK + 1) * BLOCK) : cut + BLOCK]
        yield bytes(data)
