"""Files by their first bytes: what turns up in place of a tar is named."""

import bz2
import io
import lzma
import tarfile
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.kit.signatures import HEAD, is_page, kind_of

TEXT = b"some text, over and over " * 100


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("image.tar", TEXT)
    return buffer.getvalue()


def _tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a"))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (lzma.compress(TEXT), "xz"),
        (lzma.compress(TEXT, format=lzma.FORMAT_ALONE), "lzma"),
        (bz2.compress(TEXT), "bzip2"),
        (_zip(), "zip"),
        (b"\x04\x22\x4d\x18\x64\x40\xa7", "lz4"),
        (b"7z\xbc\xaf\x27\x1c\x00\x04", "7z"),
        (b"\x1f\x9d\x90", "compress"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "git lfs pull"),
        (b"#!/usr/bin/env run-singularity\n\0SIF_MAGIC\0", "SIF"),
        (b"<!DOCTYPE html><html>", "HTML"),
    ],
)
def test_what_a_file_is(data: bytes, word: str) -> None:
    assert word in kind_of(data)
    assert word in kind_of(data[:HEAD])


def test_a_tar_and_the_unknown_have_no_name() -> None:
    for data in (_tar(), b"", b"{}", b"hello", bytes(2000)):
        assert kind_of(data) == ""


@pytest.mark.parametrize(
    ("head", "page"),
    [
        (b"<!doctype html>", True),
        (b"\n\n  <HTML lang=en>", True),
        (b"\xef\xbb\xbf<!DOCTYPE HTML PUBLIC>", True),
        (b"<!-- a proxy --><!-- that talks --> <html>", True),
        (b'<?xml version="1.0"?>\n<!DOCTYPE html><html xmlns="x">', True),
        (b"<head><title>Sign in</title>", True),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', False),
        (b'{"a": "<html>"}', False),
        (b"<!-- without end", False),
        (b"", False),
    ],
)
def test_pages(head: bytes, page: bool) -> None:
    assert is_page(head) is page


@given(st.binary(max_size=2 * HEAD))
def test_any_bytes_are_something_or_nothing(data: bytes) -> None:
    assert kind_of(data) == kind_of(data[:HEAD])
