"""Stored SBOMs on the volume: whole or not there, each its own, and gone when nobody reads them."""

import os
import threading
import time

import msgspec
import pytest
import zstandard

from orchestrator.model import BomSource, StoredSbom
from orchestrator.volume import sboms
from orchestrator.volume.layout import Volume
from orchestrator.volume.sboms import StoredSbomError, find_sbom, keep_sbom, open_sbom, prune_sboms
from tests.tools.layers import sha256

IMAGE, ASKED = sha256(b"an image"), "0" * 32
DATA = b'{"artifacts": []}' * 100


def stored(data: bytes = DATA, *, digest: str = IMAGE, asked: str = ASKED) -> StoredSbom:
    source = BomSource(bom=sha256(data), made="2026-01-01T00:00:00Z", cataloguer="syft 1.42.3")
    return StoredSbom(digest, "packages", asked, source, len(data))


@pytest.fixture
def volume(tmp_path) -> Volume:
    return Volume(tmp_path / "pv")


def test_what_is_stored_is_found_and_read(volume, tmp_path):
    assert find_sbom(volume, IMAGE, ASKED) is None
    keep_sbom(volume, stored(), DATA)
    found = find_sbom(volume, IMAGE, ASKED)
    assert found == stored()
    open_sbom(volume, IMAGE, found.source, tmp_path / "sbom.json")
    assert (tmp_path / "sbom.json").read_bytes() == DATA
    assert find_sbom(volume, IMAGE, "1" * 32) is None
    assert find_sbom(volume, sha256(b"another"), ASKED) is None


@pytest.mark.parametrize(
    "bad",
    [
        b"", b"{", b"[]", b'{"schema_version": 1}', b"\0" * 2_000_000, b"[" * 100_000,
        msgspec.json.encode(stored(digest=sha256(b"another"))), msgspec.json.encode(stored(asked="1" * 32)),
    ],
    ids=["empty", "cut", "list", "fields", "large", "deep", "another image", "another question"],
)  # fmt: skip
def test_what_is_known_of_one_may_be_anything(volume, bad):
    keep_sbom(volume, stored(), DATA)
    (volume.sboms(IMAGE) / f"{ASKED}.json").write_bytes(bad)
    with pytest.raises(StoredSbomError):
        find_sbom(volume, IMAGE, ASKED)


@pytest.mark.parametrize("bad", ["", "sha256:", f"sha256:{'0' * 63}", f"sha256:../{'0' * 61}", f"md5:{'0' * 64}"])
def test_a_digest_leads_nowhere_else(volume, tmp_path, bad):
    with pytest.raises(StoredSbomError, match="no digest"):
        open_sbom(volume, IMAGE, BomSource(bom=bad), tmp_path / "sbom.json")


@pytest.mark.parametrize("wrong", ["cut", "other", "gone", "plain rubbish", "longer"])
def test_other_bytes_are_not_read(volume, tmp_path, wrong):
    keep_sbom(volume, stored(), DATA)
    (content,) = volume.sboms(IMAGE).glob("*.zst")
    if wrong == "cut":
        os.truncate(content, content.stat().st_size - 3)
    elif wrong == "gone":
        content.unlink()
    else:
        other = {
            "other": zstandard.compress(b"{}"),
            "plain rubbish": b"rubbish",
            "longer": zstandard.compress(DATA * 2),
        }
        content.write_bytes(other[wrong])
    with pytest.raises(StoredSbomError):
        open_sbom(volume, IMAGE, stored().source, tmp_path / "sbom.json")
    assert list(tmp_path.glob("*.json")) == list(tmp_path.glob(".*.tmp")) == []


def test_a_bomb_is_not_unfolded(volume, tmp_path, monkeypatch):
    monkeypatch.setattr(sboms, "MOST_BYTES", 1 << 20)
    keep_sbom(volume, stored(), DATA)
    (content,) = volume.sboms(IMAGE).glob("*.zst")
    content.write_bytes(zstandard.compress(bytes(64 << 20)))
    with pytest.raises(StoredSbomError, match="more than"):
        open_sbom(volume, IMAGE, stored().source, tmp_path / "sbom.json")
    with pytest.raises(StoredSbomError, match="at most"):
        keep_sbom(volume, stored(bytes(2 << 20)), bytes(2 << 20))


def test_two_that_store_the_same_at_once_leave_one_whole_one(volume, tmp_path):
    texts = [f"made by {number}".encode() * 1000 for number in range(8)]
    threads = [
        threading.Thread(target=keep_sbom, args=(volume, stored(text), text)) for text in texts for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = find_sbom(volume, IMAGE, ASKED)
    open_sbom(volume, IMAGE, found.source, tmp_path / "sbom.json")
    assert (tmp_path / "sbom.json").read_bytes() in texts


def test_what_nobody_reads_goes_and_so_does_what_is_too_much(volume):
    now = time.time()
    for number in range(4):
        data = os.urandom(1000)
        digest = sha256(bytes([number]))
        keep_sbom(volume, stored(data, digest=digest), data)
        (content,) = volume.sboms(digest).glob("*.zst")
        os.utime(content, (now - 100 * number, now - 100 * number))
    left = [sha256(bytes([number])) for number in range(4)]
    assert prune_sboms(volume, unused_after=250, budget=1 << 20, now=now) == 1
    assert [find_sbom(volume, digest, ASKED) is not None for digest in left] == [True, True, True, False]
    assert prune_sboms(volume, unused_after=250, budget=2500, now=now) == 1
    assert [find_sbom(volume, digest, ASKED) is not None for digest in left] == [True, True, False, False]
    assert not volume.sboms(left[3]).exists()


def test_bytes_that_nothing_names_go_once_nobody_can_be_writing_them(volume):
    keep_sbom(volume, stored(), DATA)
    keep_sbom(volume, stored(b"newer"), b"newer")
    assert len(list(volume.sboms(IMAGE).glob("*.zst"))) == 2
    prune_sboms(volume, unused_after=1e9, budget=1 << 30)
    assert len(list(volume.sboms(IMAGE).glob("*.zst"))) == 2
    prune_sboms(volume, unused_after=1e9, budget=1 << 30, now=time.time() + 7200)
    assert [path.stem for path in volume.sboms(IMAGE).glob("*.zst")] == [sha256(b"newer").removeprefix("sha256:")]
    assert find_sbom(volume, IMAGE, ASKED) == stored(b"newer")
