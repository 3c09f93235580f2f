"""A result that was put goes into the store out of memory: the same as out of its table on the volume."""

import json

import pytest
from sqlalchemy import create_engine, select

from orchestrator.api.external import put_result
from orchestrator.queries.kept import keeping
from orchestrator.queries.store import Store
from orchestrator.store.columns import metadata
from orchestrator.volume.layout import Volume
from tests.served import configured

TABLES = (
    "boms", "cells", "fact_ids", "facts", "findings", "names", "run_tags", "runs", "scores", "states", "tags", "targets"
)  # fmt: skip
DIGEST = "rows_digest"  # of bytes that depend on the way, so that the next import compares the findings themselves
IMAGE = "registry.example/a:1"


def bom(*vulnerabilities):
    return json.dumps({
        "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
        "components": [
            {"type": "library", "bom-ref": f"r{n}", "name": f"n{n}", "version": "1", "purl": f"pkg:deb/debian/n{n}@1"}
            for n in range(4)
        ],
        "vulnerabilities": list(vulnerabilities),
    }).encode()  # fmt: skip


def vulnerability(number, *refs, **more):
    return {"id": f"CVE-2025-{number}", "affects": [{"ref": ref} for ref in refs], **more}


RATED = {"ratings": [{"severity": "high", "score": 7.5, "method": "CVSSv31", "vector": "CVSS:3.1/AV:N"}]}
BOMS = {
    "nothing": bom(),
    "some": bom(
        vulnerability(1, "r0", "r1", **RATED), vulnerability(2, "r2", recommendation="Upgrade n2 to version 3")
    ),
    "with other names": bom(
        vulnerability(1, "r0", references=[{"id": f"GHSA-{n}", "source": {"name": "x"}} for n in (2, 1)])
    ),
    "suppressed": bom(
        vulnerability(1, "r0", analysis={"state": "not_affected", "justification": "code_not_present"}),
        vulnerability(2, "r3", description="a\x00b"),
    ),
}


def rows_of(url):
    engine = create_engine(url)
    with engine.connect() as connection:
        found = {
            name: sorted(
                json.dumps({key: value for key, value in row.items() if key != DIGEST}, sort_keys=True)
                for row in connection.execute(select(metadata.tables[name])).mappings()
            )
            for name in TABLES
        }
    engine.dispose()
    return found


@pytest.mark.parametrize("what", BOMS)
def test_what_was_put_is_in_the_store_as_an_import_from_the_volume_has_it(tmp_path, what):
    volume = Volume(tmp_path / "volume")
    config = configured(volume)
    with keeping(volume, config) as kept, kept.here():
        kept.refresh()
        put_result(config, IMAGE, BOMS["some"], by="t")
        put_result(config, IMAGE, BOMS[what], by="t")
        put = rows_of(f"sqlite:///{volume.root}/store.sqlite3")
    other = f"sqlite:///{tmp_path}/other.sqlite3"
    with Store(other) as store:
        store.migrate()
        for run in sorted(path.name for path in (volume.root / "results").iterdir()):
            store.take_in(volume, run)
    assert put == rows_of(other)
    assert len(put["cells"]) == (1 if what == "some" else 2)


def test_what_was_put_and_is_imported_again_changes_nothing(tmp_path):
    volume = Volume(tmp_path / "volume")
    config = configured(volume)
    with keeping(volume, config) as kept, kept.here():
        kept.refresh()
        put = put_result(config, IMAGE, BOMS["some"], by="t")
        before = rows_of(f"sqlite:///{volume.root}/store.sqlite3")
        ledger = volume.results(put.run) / "ledger.json"
        ledger.write_bytes(ledger.read_bytes() + b"\n")  # written again: it is read again
        kept.refresh()
        after = rows_of(f"sqlite:///{volume.root}/store.sqlite3")
    assert {name: before[name] for name in TABLES if name != "runs"} == {
        name: after[name] for name in TABLES if name != "runs"
    }
