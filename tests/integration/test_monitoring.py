"""What `argo-install/monitoring` has: alerts that promtool tries out, a dashboard, and only metrics that there are."""

import json
import re
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from tests.served import configured, served, volume_in
from tests.tools import require

FOLDER = Path(__file__).parents[2] / "argo-install" / "monitoring"
RULES = yaml.safe_load((FOLDER / "rules.yaml").read_text())
DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text())
_NAME = re.compile(r"\b(?:scanmatrix|http)_[a-z_]+")


def series(name, values, *labels):
    """A series from each minute to the next, as promtool spells it; labels like `path=/x`."""
    spelt = ",".join('{}="{}"'.format(*label.split("=")) for label in labels)
    return {f"{name}{{{spelt}}}" if labels else name: f"{values}x600"}


def answers(status, rate, path="/x"):
    return series("http_responses_total", f"0+{rate}", f"path={path}", f"status={status}")


def took(path, within, rate):
    return series("http_response_duration_seconds_bucket", f"0+{rate}", f"path={path}", f"le={within}")


def cells(outcome, freshness, count):
    return series("scanmatrix_cells", count, "scan=grype", f"outcome={outcome}", f"freshness={freshness}")


def gauge(name, value, *labels):
    return series(f"scanmatrix_{name}", value, *labels)


_TAKEN = gauge("snapshot_timestamp_seconds", "0+60")
_LASTED, _WAITING = "pod_to_result_seconds", gauge("pods_waiting", 1)
#: Of each alert: series by which it fires, and others, often just below, by which it does not.
CASES = {
    "ScanmatrixGone": ({}, _TAKEN),
    "ScanmatrixMetricsOld": (gauge("snapshot_timestamp_seconds", 0), _TAKEN),
    "ScanmatrixErrors": (answers(503, 1) | answers(200, 9), answers(404, 5) | answers(200, 9)),
    "ScanmatrixSlow": (
        took("/x", "2.5", 1) | took("/x", "5", 9) | took("/x", "+Inf", 9),
        took("/api/v1/events", "2.5", 0) | took("/api/v1/runs/{run}/progress/events", "+Inf", 9),
    ),
    "ScanmatrixCellsFail": (
        cells("failed", "stale", 3) | cells("ok", "fresh", 7),
        cells("failed", "stale", 1) | cells("ok", "fresh", 9),
    ),
    "ScanmatrixStale": (
        cells("ok", "stale", 1) | cells("none", "never", 1) | cells("ok", "fresh", 8),
        cells("ok", "stale", 1) | cells("ok", "fresh", 9),
    ),
    "ScanmatrixCoverage": (gauge("coverage_ratio", 0.94), gauge("coverage_ratio", 0.95)),
    "ScanmatrixQueueStuck": (gauge("oldest_waiting_seconds", 21601), gauge("oldest_waiting_seconds", 21600)),
    "ScanmatrixEventsStuck": (gauge("events_oldest_seconds", 3601), gauge("events_oldest_seconds", 3600)),
    "ScanmatrixPodsUnscanned": (
        gauge(_LASTED, 3601, "quantile=0.95") | _WAITING,
        gauge(_LASTED, 9000, "quantile=1") | _WAITING,
    ),
    "ScanmatrixDatabaseOld": (
        gauge("database_age_seconds", 604801, "scan=grype"),
        gauge("database_age_seconds", 604800, "scan=grype"),
    ),
    "ScanmatrixSeriesDropped": (gauge("series_dropped", 1), gauge("series_dropped", 0)),
}
#: What the dashboard shows by another one.
UNSEEN = {"scanmatrix_runs", "scanmatrix_targets_covered"}


def promtool(*words, **more):
    done = subprocess.run([require("promtool"), *words], check=False, capture_output=True, text=True, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The metrics of a real service, in the words that Prometheus reads."""
    with served(configured(volume_in(tmp_path_factory.mktemp("metrics")))) as client:
        end = time.monotonic() + 60
        while "scanmatrix_targets " not in (text := client.get("/metrics").text):
            assert time.monotonic() < end
            time.sleep(0.05)
        return text


def test_the_page_is_as_prometheus_wants_it(page):
    promtool("check", "metrics", input=page)


def test_alerts_and_dashboard_name_only_what_there_is(page):
    there = {line.split()[2] for line in page.splitlines() if line.startswith("# TYPE")}
    expressions = [rule["expr"] for group in RULES["spec"]["groups"] for rule in group["rules"]]
    expressions += [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    named = {re.sub(r"_(bucket|count|sum)$", "", name) for each in expressions for name in _NAME.findall(each)}
    assert named <= there
    # What nobody looks at is worth no metric.
    assert {name for name in there if name.startswith("scanmatrix_")} - named <= UNSEEN


def test_each_alert_fires_when_it_should_and_else_does_not(tmp_path):
    groups = RULES["spec"]["groups"]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}))
    rules = {rule["alert"]: rule for group in groups for rule in group["rules"]}
    assert rules.keys() == CASES.keys()
    for rule in rules.values():
        assert {"summary", "description"} <= rule["annotations"].keys()
        assert rule["labels"]["severity"] in {"warning", "critical"}
    tests = [
        {
            "name": f"{name}, {'firing' if fires else 'quiet'}",
            "interval": "1m",
            "input_series": [{"series": series, "values": values} for series, values in given.items()],
            "promql_expr_test": [
                {
                    "expr": f'count(ALERTS{{alertname="{name}",alertstate="firing"}})',
                    "eval_time": "8h",
                    "exp_samples": [{"labels": "{}", "value": 1}] if fires else [],
                }
            ],
        }
        for name, cases in CASES.items()
        for fires, given in zip((True, False), cases, strict=True)
    ]
    # Less often than each minute: of eight hours, each evaluation of each rule costs.
    plan = {"rule_files": ["rules.yaml"], "evaluation_interval": "5m", "tests": tests}
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump(plan))
    promtool("check", "rules", str(tmp_path / "rules.yaml"))
    promtool("test", "rules", str(tmp_path / "tests.yaml"))


def test_the_dashboard_is_one():
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    taken = {
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in DASHBOARD["panels"]
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    }
    assert len(taken) == sum(panel["gridPos"]["w"] * panel["gridPos"]["h"] for panel in DASHBOARD["panels"])
    assert max(x for x, _ in taken) < 24
    sources = {target["datasource"]["uid"] for panel in DASHBOARD["panels"] for target in panel["targets"]}
    assert sources == {"${datasource}"}
