"""The gauges of the matrix cost little: findings are counted when something changed, not at every look."""

import time
from typing import get_args

import pytest
from pydantic import ValidationError
from sqlalchemy import insert, select

from orchestrator.api import store as store_api
from orchestrator.config.metrics import FindingKind, MetricSection
from orchestrator.model import KINDS
from orchestrator.model.documents import encode
from orchestrator.service.rest.metrics import gauges
from orchestrator.service.rest.metrics.families import GaugeFamily, Snapshot, take
from orchestrator.service.rest.metrics.gauges import MatrixGauges
from orchestrator.service.rest.state import serving
from orchestrator.store import schema
from orchestrator.store.backlog.tables import wanted
from orchestrator.upkeep.claims import RunClaim
from orchestrator.volume.layout import write_atomic
from tests.served import NAMES, QUICK
from tests.stored_runs import LOG4J, day, write_run


@pytest.fixture
def counted(monkeypatch):
    """How often findings were counted."""
    asked = []
    ask = store_api.overview_now
    monkeypatch.setattr(store_api, "overview_now", lambda config: (asked.append(1), ask(config))[1])
    return asked


def test_findings_are_counted_again_only_when_something_changed(config, volume, counted):
    with serving(config, QUICK) as state, state.kept.here():
        state.kept.refresh()
        first, again = take(state), take(state)
        assert len(counted) == 1
        assert findings(first) == findings(again)
        write_run(volume, "run-3", day(3), {"a/general": [LOG4J]}, names={"a": NAMES["a"]})
        state.kept.refresh()
        assert findings(take(state)) != findings(first)
        assert len(counted) == 2


def findings(snapshot):
    return next(dict(family.values) for family in snapshot.families if family.name == "findings")


@pytest.fixture
def taken(config, volume):
    """The gauges of a volume, by their names; with a configuration's own metrics."""

    def take_(*metrics):
        own = tuple(MetricSection.model_validate(metric) for metric in metrics)
        with serving(config.model_copy(update={"metrics": own}), QUICK) as state, state.kept.here():
            state.kept.refresh()
            return {family.name: dict(family.values) for family in take(state).families}

    return take_


def test_own_metrics_are_counted_by_their_labels_and_filters(taken):
    found = taken(
        {"name": "by_team", "labels": ["owner", "severity"], "severity": "critical"},
        {"name": "fixable", "labels": ["fixable", "kind"], "owner": "bank"},
        {"name": "elsewhere", "labels": ["id"], "owner": "nobody"},
    )
    assert found["custom_by_team"] == {("shop", "critical"): 1.0}
    assert found["custom_fixable"] == {("true", "vulnerability"): 1.0}
    assert found["custom_elsewhere"] == {}
    assert found["coverage_ratio"] == {(): 2 / 3}


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "Upper", "labels": ["owner"]},
        {"name": "x", "labels": []},
        {"name": "x", "labels": ["colour"]},
        {"name": "x", "labels": ["owner"], "severity": "bad"},
    ],
)
def test_own_metrics_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValidationError):
        MetricSection.model_validate(wrong)


def test_own_metrics_may_have_every_kind_of_finding():
    assert get_args(FindingKind) == KINDS


def test_too_many_series_are_cut_off_and_counted_and_duplicates_are_one(monkeypatch):
    monkeypatch.setattr(gauges, "MOST_SERIES", 3)
    values = [((f"CVE-{number}",), 1.0) for number in (*range(5), 0, 0)]
    collector = MatrixGauges()
    collector.snapshot = Snapshot(1.0, (GaugeFamily("custom_x", "y", ("id",), values),))
    found = {metric.name: [sample.value for sample in metric.samples] for metric in collector.collect()}
    assert found["scanmatrix_custom_x"] == [1.0] * 3
    assert (found["scanmatrix_series_dropped"], found["scanmatrix_series_limit"]) == ([2.0], [3])


def test_what_waits_is_counted(config, volume):
    """What began to run a minute ago and was scanned before waited for nothing; what never was waits still."""
    with serving(config, QUICK) as state, state.kept.here():
        state.kept.refresh()
        now = int(time.time())
        with state.kept.store._engine.begin() as connection:
            workload = {"cluster": "c", "namespace": "n", "kind": "Pod", "name": "p", "first_at": now, "last_at": now}
            [number] = connection.execute(insert(schema.workloads).values(workload)).inserted_primary_key
            ids = dict(connection.execute(select(schema.targets.c.target, schema.targets.c.id)).all())
            for target in ("a", "c"):
                row = {"workload_id": number, "target_id": ids[target], "container": target}
                moments = {"first_at": now - 60, "last_at": now}
                connection.execute(insert(schema.workload_targets).values(row | moments))
            [waiting] = connection.execute(select(schema.states.c.id).where(schema.states.c.ok_at == 0).limit(1)).all()
            fresh = {"state_id": waiting[0], "target_id": ids["c"], "look": 1, "due_at": 0, "submission_id": 0}
            connection.execute(insert(wanted).values(fresh | {"refusals": 0, "tried_at": 0, "refusal": ""}))
        write_atomic(volume.claim("run-9", ""), encode(RunClaim(run="run-9")))
        found = {family.name: dict(family.values) for family in take(state).families}
    assert found["pods_waiting"] == {(): 1.0}
    assert found["pod_to_result_seconds"][("0.5",)] == 0
    assert 60 <= found["pod_to_result_seconds"][("1",)] < 600
    assert found["runs_in_flight"] == {(): 1.0}
    assert {labels[1] for labels, cells in found["backlog_cells"].items() if cells} == {"due"}
    assert found["oldest_waiting_seconds"][()] > 86_400
