"""What a file is by its first bytes, in words for people: archives and other things that turn up in place of a tar.

Numbers as in the `file` command's magic, and in each format's own specification.
"""

import codecs
from typing import Final

#: Bytes of a file's beginning that are looked at.
HEAD: Final = 512

_KINDS: Final = (
    (b"\xfd7zXZ\0", "compressed by xz"),
    (b"BZh", "compressed by bzip2"),
    (b"\x1f\x8b", "compressed by gzip"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd"),
    (b"\x04\x22\x4d\x18", "compressed by lz4"),
    (b"\x02\x21\x4c\x18", "compressed by lz4"),
    (b"\x5d\0\0", "compressed by lzma"),
    (b"LZIP", "compressed by lzip"),
    (b"\x89LZO\0", "compressed by lzop"),
    (b"\x1f\x9d", "compressed by compress"),
    (b"\xff\x06\0\0sNaPpY", "compressed by snappy"),
    (b"PK\x03\x04", "a zip archive"),
    (b"PK\x05\x06", "a zip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a rar archive"),
    (b"MSCF\0\0\0\0", "a cabinet archive"),
    (b"xar!", "a xar archive"),
    (b"070701", "a cpio archive"),
    (b"070702", "a cpio archive"),
    (b"070707", "a cpio archive"),
    (b"!<arch>\n", "an ar archive, as Debian's packages are"),
    (b"\xed\xab\xee\xdb", "an RPM package"),
    (b"hsqs", "a SquashFS file system"),
    (b"\xe2\xe1\xf5\xe0", "an EROFS file system"),
    (b"QFI\xfb", "a qcow2 disk"),
    (b"KDMV", "a VMDK disk"),
    (b"\x7fELF", "an ELF program"),
    (b"%PDF-", "a PDF document"),
    (b"version https://git-lfs.github.com/spec/", "a pointer of Git LFS; fetch the file itself by `git lfs pull`"),
)
_PAGES: Final = (b"<!doctype html", b"<html", b"<head", b"<body", b"<script", b"<meta")
_SIF: Final = b"SIF_MAGIC\0"


def kind_of(head: bytes) -> str:
    """What a file is.

    Args:
        head: its first bytes; more than `HEAD` of them make no difference.

    Returns:
        Words such as `compressed by xz`, `a zip archive` or `an HTML page`; empty for a tar, and for what is not known.
    """
    if is_page(head):
        return "an HTML page"
    if head[32:42] == _SIF:
        return "an image of Singularity (SIF)"
    return next((words for magic, words in _KINDS if head.startswith(magic)), "")


def is_page(head: bytes) -> bool:
    """Whether a document begins as HTML does, by the rules browsers have for that (WHATWG, "MIME Sniffing", 7.1)."""
    text = head[:HEAD].removeprefix(codecs.BOM_UTF8).lstrip(b" \t\r\n\f").lower()
    while text.startswith(b"<!--") and (end := text.find(b"-->")) >= 0:
        text = text[end + 3 :].lstrip(b" \t\r\n\f")
    if text.startswith(b"<?xml") and b"<html" in text:
        return True
    return text.startswith(_PAGES)
