"""The tar reader alone; `tests/integration/test_tar_reader.py` has it beside Go's."""

import io
import time

import pytest

from orchestrator.kit.tar import TarEntry, TarError, TarReader
from tests.odd_tars import BLOCK, END, base256, file, header, long, padded, pax, raw_pax, sparse_old, sparse_pax


def entries(data: bytes) -> list[TarEntry]:
    """As a stream, and as a file that can be sought in: both must say the same."""
    streamed = list(TarReader(io.BufferedReader(io.BytesIO(data))))
    assert list(TarReader(io.BytesIO(data), length=len(data))) == streamed
    return streamed


def names(data: bytes) -> list[str]:
    return [entry.name for entry in entries(data)]


SHELL = file(b"bin/sh", b"#!", mode=b"0000755\0") + END


@pytest.mark.parametrize(
    "odd",
    [
        header(b"bin/notes", size=b"\0" + b"0000000001\0") + padded(b"x"),
        header(b"bin/notes", style="nul first"),
        header(b"bin/notes", size=b"\0" + b"0000000001\0", style="nul first") + padded(b"x"),
        header(b"bin/notes", style="signed", fields={20: b"\xff"}),
        header(b"bin/notes", size=base256(1)) + padded(b"x"),
        header(b"bin/notes", kind=b"S", magic=b"ustar  \0"),
    ],
)
def test_what_stands_behind_an_odd_header_is_read(odd):
    assert names(file(b"bin/readme") + odd + SHELL)[-1] == "bin/sh"


@pytest.mark.parametrize(
    "bad",
    [
        header(b"bin/notes")[:-1] + b"\1",
        b"rubbish".ljust(BLOCK, b"\1"),
        bytes(BLOCK),
        header(b"bin/notes", size=b"00000000008\0"),
        header(b"bin/notes", size=b"-0000000001\0"),
        header(b"bin/notes", size=base256(-1)),
        header(b"bin/notes", size=base256(1 << 87)),
        header(b"bin/notes", mode=b"rwxr-xr-"),
        raw_pax(b"8 path=y\n"),
        raw_pax(b"13 path=a\0bcd\n"),
        pax({b"size": b"1_0"}) + header(b"bin/notes"),
        pax({b"size": b"\xd9\xa1"}) + header(b"bin/notes"),
        header(b"bin/notes", kind=b"S"),
        sparse_old(b"bin/notes", [(0, b"abc"), (1, b"d")], 9),
    ],
)
def test_a_bad_header_is_damage_and_never_the_end(bad):
    with pytest.raises(TarError):
        names(file(b"bin/readme") + bad + SHELL)


def test_a_type_of_nul_is_a_folder_if_the_name_ends_with_a_slash_wherever_that_stands():
    for before, name in ((pax({b"path": b"x/"}), b"n"), (long(b"L", b"x/"), b"n"), (b"", b"x/")):
        first, second = entries(before + header(name, kind=b"\0", size=512) + SHELL)
        assert (first.kind, first.name, first.stored, second.name) == ("5", "x/", 0, "bin/sh")
    assert entries(header(b"x/", kind=b"0", size=0) + SHELL)[0].is_file


def test_sparse_files_of_all_four_forms_are_filled_with_zeros():
    parts = [(3, b"ab"), (600, b"c"), *((1000 + 10 * number, b"d") for number in range(30))]
    expected = bytearray(2000)
    for offset, data in parts:
        expected[offset : offset + len(data)] = data
    for archive in (sparse_old(b"s", parts, 2000), *(sparse_pax(b"s", parts, 2000, f) for f in ("0.0", "0.1", "1.0"))):
        reader = TarReader(io.BytesIO(archive + SHELL))
        assert next((e.name, e.size, reader.read(e)) for e in reader) == ("s", 2000, bytes(expected))


def test_extended_headers_in_a_row_cost_what_they_are_long():
    assert names(pax({b"path": b"x"}) * 4000 + SHELL) == ["x"]


def test_names_and_headers_are_bounded():
    for bad in (raw_pax(b"x" * ((1 << 20) + 1)), long(b"L", b"n" * (1 << 20)), header(kind=b"x", size=1 << 33)):
        with pytest.raises(TarError):
            names(bad + SHELL)
    with pytest.raises(TarError, match="extended headers"):
        names((long(b"L", b"n" * 1_000_000) + file(b"x")) * 20 + SHELL)


@pytest.mark.parametrize("length", [None, 2 * BLOCK])
def test_a_size_of_exabytes_ends_with_the_archive(length):
    start = time.process_time()
    with pytest.raises(TarError):
        list(TarReader(io.BytesIO(header(size=base256((1 << 63) - 1)) + bytes(BLOCK)), length=length))
    assert time.process_time() - start < 10


def test_what_follows_the_end_belongs_to_nobody():
    assert names(file(b"a") + END + SHELL) == ["a"]
    assert names(file(b"a")) == ["a"]
    assert names(b"") == []
