"""Databases of this machine, where a cluster is to scan."""

import pytest
from msgspec.structs import replace

from orchestrator.argo.items import fit_for_cluster
from orchestrator.argo.reach import OutOfReachError, require_reach
from orchestrator.catalog.loading import load_catalog
from orchestrator.config.loading import default_config
from orchestrator.model import Cell, Decision, Plan, Platform, Target

TARGET = Target("t", "image:1", "sha256:" + "a" * 64, Platform("linux", "amd64"), "registry.example/image@sha256:aa")


def plan(path):
    config = default_config(environment={}, databases={"paths": {"virus": path}})
    catalog = load_catalog(config)
    scans = (catalog["root-user"], catalog["virus"])
    cells = tuple(Cell("t", scan.name, Decision.RUN) for scan in scans)
    return Plan("r", "2026-01-01T00:00:00Z", "1", scans, (TARGET,), cells)


def test_a_folder_of_this_machine_is_refused_and_its_cells_fail():
    made = plan("/srv/clamav")
    with pytest.raises(OutOfReachError, match=r"databases\.paths\.virus: /srv/clamav"):
        require_reach(made)
    decisions = {cell.scan: (cell.decision, cell.reason) for cell in fit_for_cluster(made).cells}
    assert decisions["root-user"] == (Decision.RUN, "")
    assert decisions["virus"][0] is Decision.FAIL
    assert "/volume/" in decisions["virus"][1]


def test_a_folder_on_the_volume_is_reached():
    made = plan("/volume/own/clamav")
    require_reach(made)
    assert fit_for_cluster(made).cells == made.cells


def test_nobody_scans_with_it():
    made = plan("/srv/clamav")
    require_reach(replace(made, cells=tuple(replace(cell, decision=Decision.SKIP) for cell in made.cells)))
