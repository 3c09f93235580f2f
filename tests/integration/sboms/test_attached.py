"""SBOMs that came with images, in a real registry, for the real Grype and Trivy: whose word counts, and whose not."""

import json
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from orchestrator.catalog.loading import load_catalog
from orchestrator.catalog.question import question_of
from orchestrator.config.loading import Config, load_config
from orchestrator.images.registry.client import RegistryClient
from orchestrator.model import LedgerRow, Name, Plan, StoredSbom, Target, TargetKind
from orchestrator.model.plan import matched
from orchestrator.planning.attached import AttachedLookup
from orchestrator.volume.layout import Volume
from tests.integration.sboms.runs import found, rows, scanned
from tests.tools import sigstore
from tests.tools.cosigned import FORMS, cosigner
from tests.tools.images import Image
from tests.tools.layers import layer
from tests.tools.proxy import Proxy
from tests.tools.servers import Registry
from tests.tools.sigstore import DSSE, IDENTITY, ISSUER, statement

KEY, STRANGER = sigstore.new_key(), sigstore.new_key()
SYFT, CYCLONEDX = "https://syft.dev/bom", "https://cyclonedx.org/bom"
#: The scans that read SBOMs: who makes what they read, and its type as a predicate.
READ = {"dependency": ("packages", SYFT), "general": ("packages-trivy", CYCLONEDX)}
DEFAULT = {"default": list(READ)}


def attest(registry: Registry, name: str, image: Image, told: list[bytes], *, key: Any = KEY) -> None:
    """Attach statements to an image, as cosign 2 does."""
    signed = [json.dumps(sigstore.envelope(each, sigstore.sign(key, sigstore.pae(each)))).encode() for each in told]
    made = sigstore.layers(DSSE, *((each, {}) for each in signed))
    registry.push(f"{name}:{image.digest.replace(':', '-')}.att", made)


def hostile(digest: str) -> list[bytes]:
    """What nobody should sign, signed by who is trusted: cut off, and full of what terminals and parsers choke on."""
    name = "\x1b[31m\u202e\0" + "a" * 100_000
    deep: Any = {}
    for _ in range(500):
        deep = {"artifacts": deep}
    documents = [{"artifacts": [{"name": name}], "descriptor": {"name": name, "version": name}}, deep]
    whole = [statement(digest, kind, document) for document in documents for _, kind in READ.values()]
    return [whole[0][:-20], *whole]


def test_those_of_trusted_signers_spare_the_first_pull_and_any_other_costs_its_own_cells(
    configured: Callable[..., Config], images: dict[str, Image], registry: Registry, proxy: Proxy, tmp_path: Path
) -> None:
    config = configured(*images, scans=_scans(configured))
    _, first = scanned(config)
    before = {row for row in found(config, first) if row[1] in READ}
    sboms = {
        (name, kind): json.loads(report_of(tmp_path, first.run, row).read_bytes())
        for maker, kind in READ.values()
        for name, row in rows(first, maker).items()
    }
    shutil.rmtree(tmp_path / "pv")
    named = {
        name.rpartition("/")[2]: (name.partition("/")[2].rpartition(":")[0], each) for name, each in images.items()
    }

    def told(name: str) -> list[bytes]:
        return [statement(named[name][1].digest, kind, sboms[name, kind]) for _, kind in READ.values()]

    attest(registry, *named["java:1"], told("java:1"))
    attest(registry, *named["debian:1"], told("debian:1"), key=STRANGER)
    attest(registry, *named["none:1"], told("java:1"))
    attest(registry, *named["unknown:1"], hostile(named["unknown:1"][1].digest))
    (tmp_path / "key.pub").write_bytes(sigstore.pem(KEY))
    trusting = {"store": True, "attached": {"signers": [{"key": "key.pub"}]}}
    config = configured(*images, scans=_scans(configured), sboms=trusting)
    proxy.log.clear()
    plan, ledger = scanned(config)
    assert {(_name(plan, cell.target), cell.scan) for cell in matched(plan)} == {("java:1", scan) for scan in READ}
    layers = {name: {each.digest for each in image.layers} for name, (_, image) in named.items()}
    assert not set(proxy.log.blob_reads()) & (layers["java:1"] - layers["debian:1"])
    assert set(proxy.log.blob_reads()) >= layers["debian:1"]
    assert {row.reason for row in ledger.rows} == {""}
    for scan in READ:
        of_scan = rows(ledger, scan)
        assert {name for name, row in of_scan.items() if row.source} == {"java:1"}
        assert of_scan["java:1"].source.signer == "key key.pub"
        notes = {name: row.note for name, row in of_scan.items()}
        assert "not signed with it" in notes["debian:1"]
        assert "it is about another image" in notes["none:1"]
        assert "is not" in notes["unknown:1"]
        assert max(map(len, notes.values())) < 1500
    assert {row for row in found(config, ledger) if row[1] in READ} == before
    plan, _ = scanned(config)
    assert "none that came with it" not in "".join(cell.unmatched for cell in plan.cells)  # now there is one of ours


def report_of(folder: Path, run: str, row: LedgerRow) -> Path:
    return folder / "pv" / "runs" / run / row.target / row.scan / load_catalog()[row.scan].report


def _scans(configured: Callable[..., Config]) -> Mapping[str, Any]:
    return DEFAULT | {"parameters": {"dependency": dict(configured().scans.parameters["dependency"])}}


def _name(plan: Plan, target: str) -> str:
    return plan.targets_by_id[target].reference.rpartition("/")[2]


@pytest.mark.campaign
@pytest.mark.parametrize("name", [name for name, form in FORMS.items() if form.attests])
def test_what_real_cosigns_attest_is_taken(registry: Registry, repository: str, tmp_path: Path, name: str) -> None:
    image = Image.build([layer({"app": name})])
    tagged = registry.push(f"{repository}:1", image)
    scan = load_catalog()["packages"]
    bom = {
        "artifacts": [{"name": "openssl", "version": "3", "purl": "pkg:deb/debian/openssl@3"}],
        "descriptor": {"name": "syft", "version": "1.42.3"},
        "source": {"type": "image", "metadata": {"manifestDigest": image.digest}},
    }
    (tmp_path / "bom.json").write_text(json.dumps(bom))
    with cosigner(tmp_path) as signer:
        signer.sign(FORMS[name], f"{registry.host}/{repository}@{image.digest}")
        signer.attest(FORMS[name], f"{registry.host}/{repository}@{image.digest}", SYFT, "bom.json")
    trusted = {"issuer": ISSUER, "identity": IDENTITY, "trustRoot": "root.json"}
    trusted = trusted if FORMS[name].keyless else {"key": "cosign.pub"}
    keys = {"sboms": {"store": True, "attached": {"signers": [trusted]}}}
    (tmp_path / "scanmatrix.yaml").write_text(json.dumps(keys))
    config = load_config(tmp_path / "scanmatrix.yaml", environment={})
    volume = Volume(tmp_path / "pv")
    place = f"{registry.url}/{repository}"
    target = Target("app", (Name(tagged),), digest=image.digest, pull=place)
    way = load_catalog()["dependency"].sbom
    assert way is not None
    with RegistryClient(retries=0) as client:
        look = AttachedLookup(config, volume, "r1", datetime.now(UTC), client)
        taken = look(target, scan, way, question_of(scan, TargetKind.IMAGE))
    assert isinstance(taken, StoredSbom), taken
    assert (taken.source.cataloguer, taken.types) == ("syft 1.42.3", ("deb",))
