"""Batches of stored SBOMs whose pods are killed on a real cluster: what was done stays, and the rest is done."""

from collections import Counter
from collections.abc import Iterator

import pytest

from orchestrator.argo import names as labels
from orchestrator.argo.nodes import nodes
from orchestrator.model import Outcome
from orchestrator.model.endings import RecordState
from orchestrator.volume.records import Records
from tests.cluster import faults
from tests.cluster.state import State
from tests.e2e import quick
from tests.e2e.site import Site, await_, make_site
from tests.tools.upstream import Upstream

IMAGES = ("batch-a", "batch-b", "batch-c")
#: What an image holds, as Syft would say it: nothing.
_LISTS = """
import json, pathlib, sys
known = dict(artifacts=[], descriptor=dict(name="syft", version="1.0"))
pathlib.Path(sys.argv[1]).write_text(json.dumps(known))
"""


@pytest.fixture(scope="module")
def site(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    quick.push(upstream, *IMAGES)
    slow = [*quick.scan("reads", "time.sleep(8)")["command"][:-1], "{sbom}"]
    lists = quick.scan("lists", format="syft", stored=True, kinds=[])
    lists["command"][2] = _LISTS
    scans = {
        "lists": lists,
        "reads": quick.scan("reads", sbom={"scan": "lists", "command": slow, "cataloguers": ["1.0"]}),
    }
    settings = {
        "sboms": {"store": True},
        "scans": {"templates": [f"{name}.yaml" for name in scans], "default": ["reads"]},
        "limits": {"deadline": "10m"},
    }
    csv = "\n".join(["image", *(f"{name}:1" for name in IMAGES), ""])
    folder = tmp_path_factory.mktemp("batches")
    with make_site(folder, "e2e-batches", upstream, csv=csv, templates=scans, settings=settings) as found:
        yield found


def states(site: Site, run: str) -> Counter[RecordState]:
    """How many cells of a run stand so, by their records."""
    records = Records(site.volume, run)
    found = site.volume.run(run).glob("*/reads.record.json")
    return Counter(records.look(path.parent.name, "reads").state for path in found if path.parent.name[:5] != "sboms")


def test_a_batch_that_is_killed_loses_nothing_that_was_done(site: Site, state: State):
    first = site.submit()
    assert site.wait(first) == "Succeeded"
    assert {(row.outcome, row.source) for row in site.ledger(first).rows} == {(Outcome.OK, None)}
    run = site.submit()
    await_(lambda: states(site, run) == {RecordState.ENDED: 1, RecordState.BEGUN: 1}, 240, "the second SBOM to be read")
    (pod,) = quick.pods(site, run, "scan")
    faults.kill_container(state, site.namespace, pod, labels.MAIN)
    assert site.wait(run) == "Succeeded"
    rows = site.ledger(run).rows
    assert {row.outcome for row in rows} == {Outcome.OK}
    (itself,) = (row for row in rows if row.source is None)
    assert "its scanner had not ended when its pod did" in itself.note
    assert itself.attempts == 2
    assert [(row.attempts, row.note) for row in rows if row is not itself] == [(1, "")] * 2
    found = nodes(site.cluster.workflow(run)).values()
    used = Counter(node.template_name for node in found if node.type == "Pod")
    assert used == {"plan": 1, "sboms-reads": 2, "left": 1, "pull": 1, "scan-reads": 1, "aggregate": 1}
