"""Checksums as S3 makes them, of files in parts and in one."""

import base64
import hashlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.exports import s3_checksums
from orchestrator.exports.s3_checksums import sum_file


def sha(data):
    return hashlib.sha256(data).digest()


@given(data=st.binary(max_size=60), part_size=st.integers(1, 20))
def test_of_parts_and_of_the_whole(tmp_path_factory, data, part_size):
    path = tmp_path_factory.mktemp("sums") / "file"
    path.write_bytes(data)
    total = sum_file(path, part_size)
    edges = [*range(0, len(data), part_size), len(data)]
    parts = [sha(data[begin:end]) for begin, end in pairwise(edges)]
    in_parts = f"{base64.b64encode(sha(b''.join(parts))).decode()}-{len(parts)}"
    assert total.checksum == (in_parts if len(data) >= part_size else base64.b64encode(sha(data)).decode())
    assert (total.size, total.whole) == (len(data), sha(data).hex())


@pytest.mark.parametrize(("size", "part_size"), [(10, 5), (11, 10), (40, 20)])
def test_parts_grow_until_there_are_few_enough(tmp_path, monkeypatch, size, part_size):
    monkeypatch.setattr(s3_checksums, "_PART_LIMIT", 2)
    (tmp_path / "file").write_bytes(b"x" * size)
    total = sum_file(tmp_path / "file", 5)
    assert total.part_size == part_size
    assert int(total.checksum.rpartition("-")[2]) <= 2
