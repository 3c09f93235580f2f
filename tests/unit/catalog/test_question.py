"""What a scan asks: another question is another digest, and the same one always the same."""

import msgspec
import pytest

from orchestrator.catalog.loading import load_catalog
from orchestrator.catalog.question import question_of, questions_of
from orchestrator.model import Database, Scan, Signer, TargetKind
from orchestrator.model.scan import DatabaseFetch, OnRepository, OnSbom, Warm

SCAN = Scan(
    name="general",
    image="registry.example/scanner:1",
    command=("scanner", "{image}", "{parameter.level}"),
    format="grype",
    environment={"A": "1"},
    parameters={"level": "low"},
    database=Database(fetch=DatabaseFetch("grype", {"url": "https://mirror.example"})),
    repository=OnRepository(command=("scanner", "{checkout}")),
)
#: Another value of every field: `True` where that is another question to ask of an image.
OTHERS = {
    "name": ("virus", True),
    "image": ("registry.example/scanner:2", True),
    "command": (("scanner", "{image}"), True),
    "format": ("sarif", True),
    "named": ("registry.example/scanner:1", False),
    "digests": (("sha256:1",), False),
    "kinds": (("vulnerability",), False),
    "description": ("otherwise", False),
    "report": ("other.json", True),
    "environment": ({"A": "2"}, True),
    "database": (Database(fetch=DatabaseFetch("grype", {"url": "https://other.example"})), True),
    "resources": (msgspec.structs.replace(SCAN.resources, cpu="2"), False),
    "success_codes": ((0, 1), True),
    "timeout": (1, False),
    "retries": (2, False),
    "platforms": (("linux",), False),
    "compressions": (("gzip",), False),
    "report_limit": (1, False),
    "scratch_limit": (1, False),
    "parameters": ({"level": "high"}, True),
    "builtin": (True, True),
    "install": ("otherwise", False),
    "report_from_stdout": (True, True),
    "signers": ((Signer(key="cosign.pub"),), False),
    "sbom": (OnSbom(scan="packages", command=("scanner", "{sbom}"), cataloguers=("1",)), False),
    "stored": (True, False),
    "warm": (Warm(start=("server",), command=("client", "{layers}"), ready=("client", "--ping")), True),
    "repository": (OnRepository(command=("scanner", "{checkout}", "-v")), False),
}


def test_every_field_is_decided():
    assert set(OTHERS) == set(Scan.__struct_fields__)


@pytest.mark.parametrize("field", OTHERS)
def test_what_changes_the_answer_changes_the_question(field):
    value, is_other = OTHERS[field]
    changed = msgspec.structs.replace(SCAN, **{field: value})
    asked = question_of(SCAN, TargetKind.IMAGE)
    assert (question_of(changed, TargetKind.IMAGE) != asked) is is_other
    again = msgspec.json.decode(msgspec.json.encode(SCAN), type=Scan)
    assert question_of(again, TargetKind.IMAGE) == asked


def test_a_database_that_only_may_take_longer_is_the_same():
    changed = msgspec.structs.replace(SCAN, database=msgspec.structs.replace(SCAN.database, timeout=5))
    assert question_of(changed, TargetKind.IMAGE) == question_of(SCAN, TargetKind.IMAGE)


def test_every_kind_of_target_is_asked_its_own_question():
    for scan in load_catalog().values():
        asked = questions_of(scan)
        assert len(asked) == sum(map(scan.reads, TargetKind)) + bool(scan.repository and scan.repository.online)
        for kind in filter(scan.reads, TargetKind):
            assert question_of(scan, kind) in asked
