"""Which cells of a plan read a stored SBOM, which SBOMs are made, and why an image is scanned itself."""

from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest

from orchestrator.argo.sbom_batches import sbom_batches
from orchestrator.catalog.question import question_of
from orchestrator.model import BomSource, Decision, OnSbom, Scan, StoredSbom, TargetKind
from orchestrator.model.plan import matched, pending
from orchestrator.planning.venue import CLUSTER, HERE
from orchestrator.volume.sboms import StoredSbomError
from tests.planned import plan_here
from tests.unit.planning.samples import NOW, Table, config, digest, entry, image, located

UBUNTU, CENTOS = "docker.io/library/ubuntu:20.04", "docker.io/library/centos:8"
MAKER = Scan("packages", "syft:1", ("syft", "{tarball}", "{report}"), "syft", stored=True)
READER = Scan(
    "dependency",
    "grype:1",
    ("grype", "{tarball}", "{report}"),
    "grype",
    sbom=OnSbom("packages", ("grype", "{sbom}", "{report}"), cataloguers=("1.42.3", "1.42.4"), not_for=("maven",)),
)
SECRETS = Scan("secrets", "trivy:1", ("trivy", "{tarball}", "{report}"), "trivy")
CATALOG = {scan.name: scan for scan in (READER, MAKER, SECRETS)}
ASKED = question_of(MAKER, TargetKind.IMAGE)


def stored(name=UBUNTU, *, age=0, cataloguer="syft 1.42.3", **changes):
    made = (NOW - timedelta(seconds=age)).isoformat(timespec="seconds")
    source = BomSource(bom=digest("sbom"), made=made, cataloguer=cataloguer)
    return msgspec.structs.replace(StoredSbom(digest(name), "packages", ASKED, source, 10, ("deb",)), **changes)


def plan(*scans, lookup=lambda *_: None, names=(UBUNTU,), history=None, only=None, **options):
    entries = [entry(name.rpartition("/")[2], *(scans or ("dependency",))) for name in names]
    table = Table({name: (located(image(name)),) for name in names})
    keys = {"sboms": {"store": True}} | options.pop("keys", {})
    return plan_here(
        config(**keys), entries, CATALOG, run="r1", now=NOW, resolver=table, lookup=lookup, history=history, only=only,
        **options,
    )  # fmt: skip


def cells(made):
    return {cell.scan: cell for cell in made.cells}


def test_what_has_none_is_scanned_itself_and_catalogued():
    made = cells(plan("dependency", "secrets"))
    assert set(made) == {"dependency", "packages", "secrets"}
    assert all(cell.decision is Decision.RUN and cell.source is None for cell in made.values())
    assert "stored yet" in made["dependency"].unmatched
    assert made["packages"].unmatched == made["secrets"].unmatched == ""


def test_what_has_one_is_answered_from_it_and_not_pulled():
    asked = []

    def lookup(image_digest, question):
        asked.append((image_digest, question))
        return stored()

    made = plan("dependency", "secrets", lookup=lookup)
    assert set(cells(made)) == {"dependency", "secrets"}
    assert cells(made)["dependency"].source == stored().source
    assert cells(made)["secrets"].source is None  # no SBOM answers that
    assert [list(scans) for scans in pending(made).values()] == [["secrets"]]
    assert len(asked) == 1
    assert asked[0][1] == ASKED
    alone = plan("dependency", lookup=lookup)
    assert pending(alone) == {}
    assert len(matched(alone)) == alone.budget.matched == alone.budget.cells == 1
    assert (alone.budget.images, alone.budget.pull_bytes, alone.budget.volume_bytes) == (0, 0, 0)
    assert (alone.budget.saved_images, alone.budget.saved_pods) == (1, 2)


@pytest.mark.parametrize(
    ("sbom", "word", "again"),
    [
        (stored(age=31 * 86400), "fullScanAfter", True),
        (stored(gaps=("/x cannot be read",)), "/x cannot be read", False),
        (stored(cataloguer="syft 1.18.1"), "syft 1.18.1", False),
        (stored(types=("deb", "maven")), "maven", False),
        (StoredSbomError("it is damaged"), "damaged", True),
    ],
)
def test_what_speaks_against_one_is_said(sbom, word, again):
    def lookup(*_):
        if isinstance(sbom, Exception):
            raise sbom
        return sbom

    made = cells(plan(lookup=lookup))
    assert made["dependency"].source is None
    assert word in made["dependency"].unmatched
    assert ("packages" in made) is again


def test_one_that_is_nearly_too_old_and_another_version_that_was_shown_are_used():
    for sbom in (stored(age=30 * 86400 - 1), stored(cataloguer="syft 1.42.4")):
        assert cells(plan(lookup=lambda *_, sbom=sbom: sbom))["dependency"].source is not None


def test_a_cataloguer_that_somebody_asks_for_always_runs():
    made = cells(plan("dependency", "packages", lookup=lambda *_: stored()))
    assert made["packages"].decision is Decision.RUN
    assert made["dependency"].source is not None


def test_a_fresh_report_is_no_stored_sbom():
    class _Past:
        run, finished, asked = "r0", (NOW - timedelta(hours=1)).isoformat(), ASKED

    target = next(iter(plan().targets)).id
    keys = {"rescan_after": {"packages": "30d"}}
    made = cells(plan(history={(target, "packages"): _Past()}, keys=keys))
    assert made["packages"].decision is Decision.RUN
    assert made["packages"].standing == ""


def test_a_cataloguer_that_may_not_run_is_left_out_and_said():
    keys = {"scans": {"exclude": [{"image": "*", "scans": ["packages"], "reason": "not here"}]}}
    made = cells(plan(keys=keys))
    assert set(made) == {"dependency"}
    assert made["dependency"].decision is Decision.RUN
    assert "not here" in made["dependency"].unmatched


def test_cells_that_are_named_bring_their_cataloguer():
    target = next(iter(plan().targets)).id
    assert set(cells(plan(only={(target, "dependency")}))) == {"dependency", "packages"}


def test_a_cluster_runs_them_in_batches_and_the_pods_that_saves_are_said():
    names = [f"docker.io/library/i{number}:1" for number in range(400)]
    made = plan(names=names, lookup=lambda image_digest, _: stored(digest=image_digest), venue=CLUSTER)
    assert len(matched(made)) == 400
    assert [(each.number, len(each.cells)) for each in sbom_batches(made)] == [("001", 200), ("002", 200)]
    assert (made.budget.pods, made.budget.saved_pods) == (2 + 2, 800 - 2)


def test_elsewhere_and_unless_it_is_asked_for_every_image_is_scanned_itself():
    elsewhere = replace(HERE, reads_sboms=False)
    for made in (
        plan(lookup=None),
        plan(lookup=lambda *_: stored(), venue=elsewhere),
    ):
        assert set(cells(made)) == {"dependency"}
        assert cells(made)["dependency"].source is None
        assert cells(made)["dependency"].unmatched == ""
        assert made.sboms is None


def test_an_image_that_is_too_large_to_pull_is_answered_all_the_same():
    keys = {"volume": {"budget": 1}}
    made = cells(plan("dependency", "secrets", lookup=lambda *_: stored(), keys=keys))
    assert made["dependency"].decision is Decision.RUN


def test_one_that_came_with_the_image_is_used_like_our_own_and_any_other_is_said():
    asked = []

    def attached(answer):
        def take(*question):
            asked.append(question)
            return answer

        return take

    taken = plan(attached=attached(stored()), names=(UBUNTU, CENTOS))
    assert {cell.scan for cell in taken.cells} == {"dependency"}
    assert [cell.source for cell in taken.cells] == [stored().source] * 2
    assert [cell.target for cell in taken.cells] == [target.id for target in taken.targets]
    assert [question[1:] for question in asked] == [(MAKER, READER.sbom, ASKED)] * 2
    refused = cells(plan(attached=attached("signed by nobody")))
    assert set(refused) == {"dependency", "packages"}
    assert "stored yet, and none that came with it is used: signed by nobody" in refused["dependency"].unmatched
    assert cells(plan(attached=attached("")))["dependency"].unmatched == cells(plan())["dependency"].unmatched


def test_nobody_looks_for_others_where_there_is_one_of_ours():
    def attached(*_):
        raise AssertionError

    assert cells(plan(lookup=lambda *_: stored(), attached=attached))["dependency"].source is not None
    assert (
        "fullScanAfter"
        in cells(plan(lookup=lambda *_: stored(age=40 * 86400), attached=attached))["dependency"].unmatched
    )
