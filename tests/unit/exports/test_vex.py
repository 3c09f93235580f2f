"""VEX exports: valid, always the same, and read back they suppress the same rows."""

import json
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.analysis.suppression import Suppressor, vex
from orchestrator.config.loading import default_config
from orchestrator.exports import cyclonedx_vex, load, openvex
from orchestrator.exports.interface import ExportRefusedError
from orchestrator.model import (
    JUSTIFICATIONS,
    Ledger,
    LedgerRow,
    MergedFinding,
    Outcome,
    Suppressed,
    Suppression,
)
from orchestrator.model.documents import encode
from orchestrator.results.bom.validity import validator
from orchestrator.results.run import RunResults
from orchestrator.results.tables.writing import MergedWriter
from orchestrator.volume.layout import Volume, atomic_file
from tests.examples import examples

FINISHED = "2026-01-01T10:00:00Z"
NOW = datetime(2026, 1, 10, tzinfo=UTC)
CONFIG = default_config(environment={})
BOTH = pytest.mark.parametrize("module", [openvex, cyclonedx_vex], ids=lambda module: module.name)
TARGETS = {
    "image": (("ghcr.io/team/app:1.2",), "sha256:" + "a" * 64),
    "other": (("docker.io/library/nginx:1", "docker.io/library/nginx:latest"), "sha256:" + "b" * 64),
    "local": (("/builds/app.tar",), "sha256:" + "c" * 64),
    "github": (("https://github.com/team/shop#main",), "git:" + "d" * 40),
    "git": (("https://git.example/team/shop",), "git:" + "e" * 40),
}
INDEXES: dict[str, tuple[str, ...]] = {}
IGNORED = Suppressed(by="ignore.yaml:2", reason="not called", status="ignored", until="2026-04-01T00:00:00Z")
FIXED = Suppressed(by="v.json", reason="patched", status="fixed")
NOT_AFFECTED = Suppressed(by="v.json", reason="no", status="not_affected", justification=JUSTIFICATIONS[1])


def finding(target="image", id_="CVE-2020-1", package="openssl", version="1.1", **fields):
    purl = f"pkg:deb/debian/{package}@{version}" if package else ""
    base = {"key": f"{id_} {package}", "kind": "vulnerability", "purl": purl, "locations": ("/usr",)}
    return MergedFinding(target=target, id=id_, package=package, version=version, **(base | fields))


def results(folder: Path, findings, run="run-1"):
    """A run that has ended with these findings."""
    volume = Volume(folder)
    where = volume.results(run)
    rows = {
        target: LedgerRow(
            cell=f"{target}/s",
            target=target,
            scan="s",
            references=references,
            outcome=Outcome.OK,
            digest=digest,
            indexes=INDEXES.get(target, ()),
            platform="" if digest.startswith("git:") else "linux/amd64",
        )
        for target, (references, digest) in TARGETS.items()
    }
    with (
        atomic_file(where / "merged.parquet") as parquet,
        atomic_file(where / "merged.csv") as csv,
        MergedWriter(run, parquet, csv) as writer,
    ):
        for target, row in rows.items():
            writer.add(row, [each for each in findings if each.target == target])
    ledger = Ledger(run=run, created=FINISHED, finished=FINISHED, rows=tuple(rows.values()))
    (where / "ledger.json").write_bytes(encode(ledger))
    return RunResults(volume, run)


def write(module, run):
    path = Path(module.export(run, CONFIG))
    return path, json.loads(path.read_bytes())


def read_back(path, findings):
    """The same findings as somebody sees them who knows nothing but the document."""
    document = vex.parse(path.read_bytes(), path.name)
    assert document.problems == []
    made = Suppressor(Suppression(statements=tuple(document.statements)), now=NOW, first_used={})
    plain = [msgspec.structs.replace(each, suppressed=None, vex="") for each in findings]
    return [
        after
        for target, (references, digest) in TARGETS.items()
        for after in made.apply(references, (), digest, [each for each in plain if each.target == target])
    ]


INDEX = "sha256:" + "f" * 64


def test_the_digest_of_the_index_is_named_with_the_architecture(tmp_path, monkeypatch):
    monkeypatch.setitem(INDEXES, "image", (INDEX,))
    run = results(tmp_path, [finding(suppressed=IGNORED)])
    assert [list(each) for each in run.merged["indexes"]] == [[INDEX]]
    path, document = write(openvex, run)
    ids = [product["@id"] for product in document["statements"][0]["products"]]
    assert len(ids) == 2
    assert "arch=amd64" in ids[1]
    statements = tuple(vex.parse(path.read_bytes(), path.name).statements)
    made = Suppressor(Suppression(statements=statements), now=NOW, first_used={})
    for platform, suppressed in (("linux/amd64", True), ("linux/arm64", False)):
        [judged] = made.apply(["docker.io/elsewhere:1"], (), "", [finding()], platform=platform, indexes=[INDEX])
        assert (judged.suppressed is not None) is suppressed
    _, document = write(cyclonedx_vex, run)
    assert validator().is_valid(document)
    [component] = document["components"]
    assert INDEX.partition(":")[2] in component["properties"][0]["value"]


@BOTH
def test_runs_of_versions_that_did_not_know_the_index(module, tmp_path):
    run = results(tmp_path, [finding(suppressed=IGNORED)])
    file = Volume(tmp_path).results("run-1") / "merged.parquet"
    pq.write_table(pq.read_table(file).drop_columns(["indexes"]), file)
    assert [list(each) for each in run.merged["indexes"]] == [[]]
    assert write(module, run)


def in_order(findings):
    return [each for target in TARGETS for each in findings if each.target == target]


FINDINGS = [
    finding(suppressed=IGNORED, aliases=("GHSA-2c4m-59x9-fr2g",)),
    finding(package="zlib", suppressed=IGNORED),
    finding(package="curl"),
    finding("other"),
    finding("other", "CVE-2020-2", suppressed=FIXED, vex="fixed"),
    finding("other", "CVE-2020-2", version="1.2"),
    finding("other", "CVE-2020-3", vex="affected", fixed_version="2.0"),
    finding("other", "CVE-2020-4", vex="under_investigation"),
    finding("other", "CVE-2020-5", vex="affected", suppressed=IGNORED),
    finding("local", suppressed=NOT_AFFECTED, vex="not_affected"),
    finding("local", "CVE-2020-6", package="thing", purl="", suppressed=IGNORED),
    finding("local", "CVE-2020-7", package="", version="", suppressed=IGNORED),
    finding("github", suppressed=IGNORED),
    finding("git", "CVE-2020-2", suppressed=NOT_AFFECTED),
]


@BOTH
def test_read_back_it_suppresses_the_same_rows(module, tmp_path):
    path, _ = write(module, results(tmp_path, FINDINGS))
    before, after = in_order(FINDINGS), read_back(path, FINDINGS)
    assert [bool(each.suppressed) for each in after] == [bool(each.suppressed) for each in before]
    for old, new in zip(before, after, strict=True):
        if old.suppressed:
            assert new.vex == ("fixed" if old.suppressed.status == "fixed" else "not_affected")
            assert old.suppressed.reason in new.suppressed.reason
        else:
            assert new.vex == old.vex


@BOTH
def test_the_same_run_gives_the_same_bytes(module, tmp_path):
    first, _ = write(module, results(tmp_path / "a", FINDINGS))
    other, _ = write(module, results(tmp_path / "b", FINDINGS))
    assert first.read_bytes() == other.read_bytes()
    again, _ = write(module, results(tmp_path / "c", FINDINGS, run="run-2"))
    assert again.read_bytes() != other.read_bytes()


def test_cyclonedx_is_valid(tmp_path):
    _, document = write(cyclonedx_vex, results(tmp_path, FINDINGS))
    assert list(validator().iter_errors(document)) == []
    _, empty = write(cyclonedx_vex, results(tmp_path / "empty", [finding()]))
    assert validator().is_valid(empty)
    assert empty["vulnerabilities"] == []


def test_openvex_keeps_the_rules_of_its_specification(tmp_path):
    _, document = write(openvex, results(tmp_path, FINDINGS))
    assert document["@context"] == "https://openvex.dev/ns/v0.2.0"
    assert document["author"] == CONFIG.suppression.author
    assert {"@id", "timestamp"} < document.keys()
    assert document["version"] >= 1
    statements = document["statements"]
    assert len({json.dumps(each, sort_keys=True) for each in statements}) == len(statements) > 0
    for each in statements:
        assert each["vulnerability"]["name"]
        assert each["products"]
        if each["status"] == "not_affected":
            assert each.get("justification") in JUSTIFICATIONS or each["impact_statement"]
        if each["status"] == "affected":
            assert each["action_statement"]


def test_rules_are_named_with_their_end(tmp_path):
    _, document = write(openvex, results(tmp_path, FINDINGS))
    notes = " ".join(each.get("status_notes", "") for each in document["statements"])
    assert "ignore.yaml:2" in notes
    assert "2026-04-01T00:00:00Z" in notes


def test_openvex_has_no_empty_document(tmp_path):
    with pytest.raises(ExportRefusedError):
        openvex.export(results(tmp_path, [finding()]), CONFIG)


@BOTH
def test_secrets_and_what_cannot_be_distinguished_are_left_out(module, tmp_path):
    findings = [
        finding(suppressed=IGNORED),
        finding(kind="secret", id_="aws-key", package="", suppressed=IGNORED),
        finding(id_="CVE-2020-9", package="", version="", suppressed=IGNORED),
        finding(id_="CVE-2020-9"),
    ]
    path, _ = write(module, results(tmp_path, findings))
    assert [each.id for each in read_back(path, findings) if each.suppressed] == ["CVE-2020-1"]


@BOTH
def test_to_a_path(module, tmp_path):
    to = tmp_path / "deep" / "vex.json"
    assert module.export(results(tmp_path, FINDINGS), CONFIG, str(to)) == str(to)
    assert vex.parse(to.read_bytes(), "x").statements


def test_they_are_registered():
    assert load("openvex").name == "openvex"
    assert load("cyclonedx-vex").name == "cyclonedx-vex"


_SAID = [
    {},
    {"suppressed": IGNORED},
    {"suppressed": FIXED},
    {"suppressed": NOT_AFFECTED},
    {"vex": "affected"},
    {"suppressed": IGNORED, "vex": "under_investigation"},
]


@settings(max_examples=examples(8), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    said=st.lists(st.sampled_from(_SAID), min_size=1, max_size=12),
    names=st.lists(
        st.text(st.sampled_from("aB1.-_+/@:% é"), min_size=1, max_size=6).filter(str.strip), min_size=3, max_size=3
    ),
)
@BOTH
def test_any_rows(module, said, names, tmp_path_factory):
    places = [(target, id_, name) for target in ("image", "other") for id_ in ("CVE-1", "CVE-2") for name in names]
    findings = [
        finding(target, id_, name, purl="", **fields)
        for (target, id_, name), fields in zip(dict.fromkeys(places), said, strict=False)
    ]
    run = results(tmp_path_factory.mktemp("run"), findings)
    if not any(each.suppressed or each.vex for each in findings):
        return
    path, _ = write(module, run)
    expected = [bool(each.suppressed) for each in in_order(findings)]
    assert [bool(each.suppressed) for each in read_back(path, findings)] == expected
