"""Plans and scanners that are not trusted: skipped with the reason, told, refused where a tag will not do."""

import msgspec
import pytest
import yaml

from orchestrator.argo.items import fit_for_cluster
from orchestrator.config.loading import load_config
from orchestrator.model import Decision, Distrust
from orchestrator.scanners.pinning import UnpinnedError
from orchestrator.workflows import render
from orchestrator.workflows.kinds import ManifestKind
from tests.planned import plan_here
from tests.unit.planning.samples import CATALOG, NOW, Table, config, entry, image, located

UBUNTU = "docker.io/library/ubuntu:20.04"
TABLE = Table({UBUNTU: (located(image(UBUNTU)),)})
TRIVY = msgspec.structs.replace(CATALOG["general"], image="mirror.corp/aquasec/trivy:0.69.4")
GRYPE = CATALOG["dependency"]
DIGEST = f"sha256:{'a' * 64}"


def plan(*scans, catalog=CATALOG, **overrides):
    return plan_here(config(**overrides), [entry("ubuntu:20.04", *scans)], catalog, run="r1", now=NOW, resolver=TABLE)


def decisions(made):
    return {cell.scan: (cell.decision, cell.reason) for cell in made.cells}


def test_a_denied_scanner_is_skipped_with_the_reason_and_told(caplog):
    made = plan("general", "virus", catalog=CATALOG | {"general": TRIVY})
    decision, reason = decisions(made)["general"]
    assert decision is Decision.SKIP
    assert "CVE-2026-33634" in reason
    assert decisions(made)["virus"] == (Decision.RUN, "")
    assert "general" in caplog.text
    assert made.budget.cells == 1


def test_no_image_is_taken_from_the_list_by_allowing_it():
    made = plan("general", catalog={"general": TRIVY}, allow={"images": ["mirror.corp/*"]})
    assert "CVE-2026-33634" in decisions(made)["general"][1]


def test_a_distrusted_scanner_is_skipped_and_the_plan_carries_the_rule():
    made = plan("general", "virus", scanners={"distrusted": [{"scan": "virus", "reason": "odd"}]})
    assert decisions(made) == {"general": (Decision.RUN, ""), "virus": (Decision.SKIP, "scanner distrusted: odd")}
    assert made.distrusted == (Distrust(reason="odd", scan="virus"),)


def test_a_rule_about_the_past_stops_nobody_now():
    period = {"scan": "virus", "from": "2025-03-01", "to": "2025-03-02", "reason": "odd"}
    assert decisions(plan("virus", scanners={"distrusted": [period]}))["virus"][0] is Decision.RUN


def test_strict_refuses_tags_of_what_runs_and_of_nothing_else():
    locked = msgspec.structs.replace(CATALOG["general"], image=f"aquasec/trivy:1@{DIGEST}")
    catalog = CATALOG | {"general": locked}
    strict = {"strict": True}
    assert plan("general", "image-lifetime", catalog=catalog, scanners=strict).cells
    with pytest.raises(UnpinnedError, match="virus"):
        plan("general", "virus", catalog=catalog, scanners=strict)
    dropped = strict | {"distrusted": [{"scan": "virus", "reason": "odd"}]}
    assert plan("general", "virus", catalog=catalog, scanners=dropped).cells


def test_the_template_of_a_strict_configuration_has_no_tags(tmp_path):
    (tmp_path / "scanmatrix.yaml").write_text("scanners: {strict: true}\n")
    loaded = load_config(tmp_path / "scanmatrix.yaml", environment={})
    with pytest.raises(UnpinnedError, match="general"):
        render(plan("image-lifetime"), loaded, kind=ManifestKind.TEMPLATE)


def test_the_database_of_a_denied_scanner_is_not_refreshed():
    """Its refresh would run the very image that is denied, and with a network."""
    denied = [{"image": "anchore/grype", "reason": "odd"}]
    made = fit_for_cluster(plan("general", "dependency", scanners={"deny": denied}))
    assert decisions(made)["dependency"][0] is Decision.SKIP
    assert "anchore/grype" not in render(made, config())
    assert "anchore/grype" in render(fit_for_cluster(plan("general", "dependency")), config())


def test_a_locked_image_is_what_the_workflow_starts():
    locked = msgspec.structs.replace(GRYPE, image=f"{GRYPE.image}@{DIGEST}", named=GRYPE.image, digests=(DIGEST,))
    text = render(fit_for_cluster(plan("dependency", catalog=CATALOG | {"dependency": locked})), config())
    found = {
        container.get("image")
        for one in yaml.safe_load(text)["spec"]["templates"]
        for container in (one.get("container", {}), *one.get("initContainers", ()))
    }
    assert f"{GRYPE.image}@{DIGEST}" in found
    assert GRYPE.image not in found
