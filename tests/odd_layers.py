"""Stacks of layers: odd ones that honest tools write, and random ones that nobody does."""

import random

from tests.odd_tars import END, base256, file, header, long, pax, sparse_pax

NAMES = (b"a", b"b", b"c", b"d", b"bin", b"sh")


def stack(seed: int) -> list[bytes]:
    """The tars of an image's layers; the same for one seed."""
    chance = random.Random(seed)
    return [
        b"".join(_entry(chance) for _ in range(chance.randint(1, 7))) + END for _ in range(chance.choice([1, 2, 2, 3]))
    ]


def _path(chance: random.Random) -> bytes:
    parts = [chance.choice(NAMES) for _ in range(chance.choice([1, 1, 2, 2, 3]))]
    if chance.random() < 0.05:
        parts.insert(0, b"..")
    lead = chance.choice([b"", b"", b"", b"./", b"/"])
    return lead + b"/".join(parts)


def _target(chance: random.Random) -> bytes:
    target = b"/".join(chance.choice((*NAMES, b"..", b".")) for _ in range(chance.choice([1, 1, 2])))
    return chance.choice([b"", b"/", b"../"]) + target


def _entry(chance: random.Random) -> bytes:
    path = _path(chance)
    folder, _, name = path.rpartition(b"/")
    below = folder + b"/" if folder else b""
    mode = chance.choice([b"0000644\0", b"0000755\0"])
    usual = [
        *[file(path, b"x" * chance.choice([0, 1, 600]), mode=mode)] * 3,
        *[header(path + chance.choice([b"", b"/"]), kind=b"5", mode=b"0000755\0")] * 2,
        *[header(path, kind=b"2", link=_target(chance), mode=b"0000777\0")] * 2,
        header(path, kind=b"1", link=_path(chance), mode=mode),
        header(below + b".wh." + name, mode=mode),
        header(path + b"/.wh..wh..opq", mode=mode),
    ]
    if chance.random() < 0.9:
        return chance.choice(usual)
    return chance.choice(
        [
            pax({b"path": path}) + file(b"short", b"x", mode=mode),
            pax({b"path": path + b"/"}) + header(b"n", kind=b"\0", size=512, mode=b"0000755\0"),
            long(b"L", path) + file(b"short", b"x", mode=mode, magic=b"ustar  \0"),
            file(path, b"x", kind=b"\0", mode=mode, magic=bytes(8)),
            header(path, size=b"\0" + b"0000000001\0", mode=mode) + b"x".ljust(512, b"\0"),
            header(path, kind=b"6"),
            header(path, kind=b"3", fields={329: b"0000001\0", 337: b"0000003\0"}),
            pax({b"comment": b"0" * 40}, b"g"),
            header(path, kind=b"g"),
            sparse_pax(path, [(3, b"x")], 700, "1.0"),
            header(below + b".wh.." + name),
            header(below + b".wh..wh." + name),
        ]
    )


def curated() -> dict[str, list[bytes]]:
    """Stacks that honest tools write, by what is odd about them."""
    program = b"0000755\0"

    def folder(name: bytes) -> bytes:
        return header(name, kind=b"5", mode=program)

    base = folder(b"bin/") + file(b"bin/sh", b"#!", mode=program) + file(b"etc/passwd", b"root:x:0:0")
    return {
        "plain": [base + END],
        "no end": [base],
        "padded to 10 KiB": [base + bytes(10240)],
        "empty layers": [END, base + END, b"", bytes(10240)],
        "names with a dot": [folder(b"./") + folder(b"./bin") + file(b"./bin/sh", mode=program) + END],
        "absolute names": [file(b"/bin/sh", mode=program) + END],
        "version 7": [file(b"sh", b"#!", mode=program, magic=bytes(8), kind=b"\0") + header(b"d/", kind=b"\0") + END],
        "owner in base 256": [header(b"a", fields={108: base256(1 << 31, 8), 116: base256(-2, 8)}) + END],
        "before 1970": [header(b"a", fields={136: base256(-86400)}) + END],
        "long names": [long(b"L", b"d" * 120 + b"/" + b"e" * 120) + file(b"x", b"1", magic=b"ustar  \0") + END],
        "long links": [long(b"K", b"t" * 200) + header(b"x", kind=b"2", magic=b"ustar  \0") + END],
        "PAX names": [pax({b"path": "ü".encode() * 90, b"mtime": b"1.5"}) + file(b"x", b"1") + END],
        "prefix": [file(b"sh", b"#!", mode=program, prefix=b"usr/bin") + END],
        "attributes": [pax({b"SCHILY.xattr.user.note": b"\0\1binary"}) + file(b"a", b"1") + END],
        "a global header": [file(b"pax_global_header", b"", kind=b"g") + base + END],
        "git archive": [pax({b"comment": b"0" * 40}, b"g") + base + END],
        "a hard link": [base + header(b"bin/bash", kind=b"1", link=b"bin/sh", mode=program) + END],
        "a hard link to a link": [base + header(b"l", kind=b"2", link=b"b") + header(b"m", kind=b"1", link=b"l") + END],
        "a hard link with a dot": [base + header(b"./bash", kind=b"1", link=b"./bin/sh", mode=program) + END],
        "sparse": [sparse_pax(b"s", [(512, b"x")], 4096, "1.0") + sparse_pax(b"t", [(512, b"x")], 4096, "0.1") + END],
        "a device and a pipe": [header(b"p", kind=b"6") + header(b"d", kind=b"3", fields={329: b"0000001\0"}) + END],
        "whiteouts": [base + END, header(b"bin/.wh.sh") + header(b".wh.etc") + file(b"new") + END],
        "an opaque folder": [base + END, folder(b"bin") + header(b"bin/.wh..wh..opq") + file(b"bin/new") + END],
        "a folder over a link": [base + header(b"l", kind=b"2", link=b"bin") + END, folder(b"l") + file(b"l/x") + END],
        "a link over a folder": [base + file(b"d/x") + END, header(b"d", kind=b"2", link=b"bin") + END],
        "a file over a folder": [base + END, file(b"etc") + END],
        "parents without entries": [file(b"opt/app/lib/x") + END],
        "folders after files": [file(b"opt/x") + folder(b"opt") + END],
        "merged usr": [folder(b"usr") + folder(b"usr/bin") + header(b"bin", kind=b"2", link=b"usr/bin") + END,
                       file(b"usr/bin/sh", b"#!", mode=program) + END],
        "an absolute link": [base + header(b"sh", kind=b"2", link=b"/bin/sh") + END],
        "names beyond ASCII": [file(b"caf\xe9") + file("café".encode()) + END],
    }  # fmt: skip
