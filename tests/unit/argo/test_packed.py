"""A packed plan: small enough for a Workflow, whole or refused, and never more than a pod can hold."""

import base64
import hashlib
import lzma

import msgspec
import pytest

from orchestrator.api.plan import with_spec_size
from orchestrator.argo import packed
from orchestrator.argo.packed import MOST_BYTES, MOST_SUBMITTED, oversize, pack, unpack
from orchestrator.config.loading import default_config
from orchestrator.model import Cell, Name, Plan, Target
from orchestrator.model.documents import DocumentError, encode
from orchestrator.workflows import ManifestKind, render, spec_bytes
from orchestrator.workflows.settings import RenderError
from tests.unit.steps.plans import SCANS


def large(images: int) -> Plan:
    """A plan as registries have it: nothing of one digest is in another."""
    digests = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(images)]
    names = [f"registry.example.com/team-{number % 97}/service-{number}:1.{number}" for number in range(images)]
    targets = tuple(
        Target(id=f"sha256-{digest[:32]}", digest=f"sha256:{digest}", names=(Name(reference=name),), pull=name, size=1)
        for digest, name in zip(digests, names, strict=True)
    )
    cells = tuple(Cell(target=target.id, scan=scan.name) for target in targets for scan in SCANS)
    return Plan(run="r", created="2025-06-01T00:00:00Z", version="0", scans=SCANS, targets=targets, cells=cells)


def test_ten_thousand_cells_fit_one_submission():
    made = large(5000)
    assert unpack(pack(made)) == made
    assert spec_bytes(made, default_config(environment={}), submitted=True) < MOST_SUBMITTED


def test_a_plan_that_argo_cannot_hold_is_refused_before_anything_is_submitted(monkeypatch, caplog):
    made, config = large(30), default_config(environment={}, engine="argo")
    monkeypatch.setattr(packed, "MOST_SUBMITTED", 1000)
    with pytest.raises(RenderError, match=r"^run r: the plan makes a Workflow of .* let the cluster make the plan"):
        render(made, config, kind=ManifestKind.SUBMISSION)
    assert with_spec_size(made, config).budget.spec_bytes > 1000  # `plan` shows all there is, and warns
    assert "let the cluster make the plan" in caplog.text
    monkeypatch.setattr(packed, "MOST_BYTES", 1000)
    with pytest.raises(RenderError, match=r"lower limits\.cellsPerShard"):
        render(made, config)


def test_the_limits_themselves_are_taken():
    assert not oversize(MOST_BYTES, submitted=False)
    assert oversize(MOST_BYTES + 1, submitted=False)
    assert not oversize(MOST_SUBMITTED, submitted=True)
    assert oversize(MOST_SUBMITTED + 1, submitted=True)


@pytest.fixture(scope="module")
def text() -> str:
    """A plan that is packed as large ones are."""
    return base64.b64encode(lzma.compress(encode(large(20)))).decode()


def test_a_large_one_that_is_cut_off_is_refused(text):
    assert unpack(text) == large(20)
    for length in range(0, len(text), 41):
        with pytest.raises(DocumentError):
            unpack(text[:length])


def test_a_large_one_that_unfolds_to_more_or_takes_more_memory_is_refused(monkeypatch, text):
    monkeypatch.setattr(packed, "UNPACK_LIMIT", 1000)
    with pytest.raises(DocumentError, match="more than"):
        unpack(text)
    greedy = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 29}]
    with pytest.raises(DocumentError, match="not what"):
        unpack(base64.b64encode(lzma.compress(b" " * 100, filters=greedy)).decode())


def test_a_small_one_is_packed_as_ever():
    made = msgspec.structs.replace(large(3))
    assert not base64.b64decode(pack(made)).startswith(b"\xfd7zXZ")
    assert unpack(pack(made)) == made
