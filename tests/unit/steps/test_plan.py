"""The plan on the volume, and as text."""

import base64
import zlib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.argo import packed
from orchestrator.argo.packed import pack, unpack
from orchestrator.model import Cell, Name, Plan, Scan, Target
from orchestrator.model.documents import DocumentError
from orchestrator.upkeep.plans import PlanExists, read_plan, write_plan
from orchestrator.volume.layout import Volume

PLAN = Plan(
    run="r1",
    created="2025-06-01T12:00:00Z",
    version="0",
    scans=(Scan(name="virus", image="clamav:1", command=("clamscan",), format="clamav"),),
    targets=(Target(id="sha256-00", names=(Name(reference="docker.io/library/ümlaut:1"),)),),
    cells=(Cell(target="sha256-00", scan="virus"),),
)


def test_a_plan_is_written_once_and_read_back(tmp_path: Path) -> None:
    volume = Volume(tmp_path)
    write_plan(PLAN, volume)
    first = volume.plan("r1").stat().st_mtime_ns
    write_plan(PLAN, volume)
    assert volume.plan("r1").stat().st_mtime_ns == first
    assert read_plan("r1", volume) == PLAN


def test_another_plan_of_the_same_run_is_refused(tmp_path: Path) -> None:
    volume = Volume(tmp_path)
    write_plan(PLAN, volume)
    with pytest.raises(PlanExists, match="r1"):
        write_plan(msgspec.structs.replace(PLAN, created="2025-06-02T12:00:00Z"), volume)
    assert read_plan("r1", volume) == PLAN


def test_a_run_without_plan(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="r1"):
        read_plan("r1", Volume(tmp_path))


def test_packed_and_unpacked() -> None:
    assert unpack(pack(PLAN)) == PLAN
    assert pack(PLAN) == pack(PLAN)


@given(st.one_of(st.text(), st.binary().map(lambda data: base64.b64encode(data).decode())))
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(DocumentError):
        unpack(text)


@given(st.integers(min_value=0, max_value=len(pack(PLAN)) - 1))
def test_a_cut_off_text_is_refused(length: int) -> None:
    with pytest.raises(DocumentError):
        unpack(pack(PLAN)[:length])


def test_a_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "UNPACK_LIMIT", 1 << 20)
    bomb = base64.b64encode(zlib.compress(b" " * (8 << 20), 9)).decode()
    with pytest.raises(DocumentError, match="more than"):
        unpack(bomb)
