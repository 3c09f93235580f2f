"""The one way from a configuration to a plan: what the Python API, a pod and the scheduler get of it."""

from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from orchestrator.argo.agreed import MOUNT
from orchestrator.catalog.loading import load_catalog
from orchestrator.config.loading import Config, load_config
from orchestrator.inventory import collect
from orchestrator.model import Decision, Ledger, LedgerRow, Outcome
from orchestrator.model.documents import encode, spell_time
from orchestrator.planning import plan_run
from orchestrator.planning.venue import CLUSTER, HERE
from orchestrator.volume.layout import Volume, write_atomic
from tests.unit.planning.samples import NOW

DIGEST = "1" * 64
TARGET = f"sha256-{DIGEST[:32]}"

plan_here = partial(plan_run, venue=HERE)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "scanmatrix.yaml").write_text(
        f"targets: [{{image: 'busybox@sha256:{DIGEST}', scans: [virus, root-user]}}]\n"
        "rescanAfter: {virus: 7d}\n"
        "volume: {path: data}\n"
    )
    return load_config(tmp_path / "scanmatrix.yaml", environment={})


def put_result(volume: Path, days: int) -> None:
    """Good results of both scans, this many days old."""
    ended = spell_time(NOW - timedelta(days=days))
    rows = tuple(
        LedgerRow(cell=f"{TARGET}/{scan}", target=TARGET, scan=scan, references=("busybox",), outcome=Outcome.OK,
                  started=ended, finished=ended, findings=0)
        for scan in ("root-user", "virus")
    )  # fmt: skip
    ledger = Ledger(run="earlier", created=ended, finished=ended, rows=rows)
    write_atomic(Volume(volume).results("earlier") / "ledger.json", encode(ledger))


def decisions(plan) -> dict[str, tuple[Decision, str]]:
    return {cell.scan: (cell.decision, cell.standing) for cell in plan.cells}


def test_a_fresh_result_on_the_volume_of_the_configuration_spares_its_scan(config):
    put_result(config.volume.path, days=6)
    assert decisions(plan_here(config, run="r", now=NOW, offline=True)) == {
        "root-user": (Decision.RUN, ""), "virus": (Decision.SKIP, "earlier"),
    }  # fmt: skip


@pytest.mark.parametrize("days", [7, 8])
def test_an_old_one_does_not(config, days):
    put_result(config.volume.path, days=days)
    assert decisions(plan_here(config, run="r", now=NOW, offline=True))["virus"] == (Decision.RUN, "")


def test_a_pod_looks_at_the_volume_that_it_has(config, tmp_path):
    put_result(tmp_path / "mounted", days=1)
    made = plan_here(config, run="r", now=NOW, offline=True, volume=tmp_path / "mounted")
    assert decisions(made)["virus"] == (Decision.SKIP, "earlier")
    assert decisions(plan_here(config, run="r", now=NOW, offline=True))["virus"] == (Decision.RUN, "")


def test_who_names_cells_has_decided_that_they_are_due(config):
    put_result(config.volume.path, days=1)
    catalog = load_catalog(config)
    entries = collect(config, catalog=catalog)
    made = plan_here(config, run="r", now=NOW, offline=True, entries=entries, catalog=catalog, only={(TARGET, "virus")})
    assert decisions(made) == {"virus": (Decision.RUN, "")}
    assert made.partial


def test_scans_that_are_given_make_the_plan_partial(config):
    made = plan_here(config, run="r", now=NOW, offline=True, scans=["distroless"])
    assert (set(decisions(made)), made.partial) == ({"distroless"}, True)
    assert not plan_here(config, run="r", now=NOW, offline=True).partial


def test_sources_without_targets_are_a_plan_without_any(tmp_path):
    (tmp_path / "scanmatrix.yaml").write_text("targets: [{csv: {path: none.csv}}]\n")
    (tmp_path / "none.csv").write_text("image\n")
    made = plan_here(load_config(tmp_path / "scanmatrix.yaml", environment={}), run="r", now=NOW, offline=True)
    assert (made.targets, made.waves, made.budget.cells) == ((), (), 0)


def test_what_is_stored_in_a_cluster_is_known_where_its_volume_is_and_nowhere_else(config, tmp_path, caplog):
    stored = config.sboms.model_copy(update={"store": True})
    only = config.scans.model_copy(update={"default": ("dependency",)})
    config = config.model_copy(update={"sboms": stored, "scans": only})

    def scans(**where) -> set[str]:
        plan = plan_run(config, run="r", now=NOW, offline=True, venue=CLUSTER, scans=["dependency"], **where)
        return {cell.scan for cell in plan.cells}

    assert scans(volume=tmp_path / "mounted") == {"dependency", "packages"}
    assert caplog.text == ""
    assert scans() == {"dependency"}
    assert "not known here" in caplog.text
    config = config.model_copy(update={"volume": config.volume.model_copy(update={"path": MOUNT})})
    assert scans() == {"dependency", "packages"}
