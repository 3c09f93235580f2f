"""Every answer and export about runs says of which targets nothing is known."""

import json

import pyarrow.parquet as pq
import pytest

from orchestrator.cli.app import app
from orchestrator.errors import NotKnownError
from orchestrator.model import Name
from orchestrator.steps.aggregate import aggregate
from orchestrator.volume.layout import Volume
from tests.aggregation import make_plan, put_clean_run
from tests.stored_runs import day, finding, write_run

WEB, JOB = (f"registry.example/{name}:1.0" for name in ("shop/web", "job"))
UNKNOWN = [{"target": "b", "references": [JOB], "why": "dependency failed"}]
SENTENCE = f"covers 1 of 2 targets; nothing is known of 1: {JOB}: dependency failed"


@pytest.fixture
def results(tmp_path, capfd):
    """Nobody ever had a result of `b`; the last run had none at all."""
    volume = Volume(tmp_path)
    names = {"a": [Name(WEB)], "b": [Name(JOB)]}
    write_run(volume, "run-1", day(1), {"a/dependency": [finding(1)], "b/dependency": "it crashed"}, names=names)
    write_run(volume, "run-2", day(2), {"b/dependency": "it crashed"}, names={"b": names["b"]})
    config = tmp_path / "scanmatrix.yaml"
    config.write_text(f"volume: {{path: '{tmp_path}'}}\n")

    def ask(*words):
        status = app(["results", *words, "--config", str(config)], standalone_mode=False)
        told = capfd.readouterr()
        return told.out, told.err, status

    return ask


def test_what_changed_says_what_its_newer_side_covers(results):
    out, _, status = results("diff", "run-1")
    assert out.splitlines()[-1] == f"the newer side {SENTENCE}"
    assert status in {0, None}
    told = json.loads(results("diff", "run-1", "-o", "json")[0])
    assert (told["coverage"], told["unknown"]) == ({"targets": 2, "covered": 1}, UNKNOWN)
    assert [row["status"] for row in told["differences"]] == ["new"]


def test_what_changed_with_a_run_without_any_result_is_not_known(results):
    out, _, status = results("diff", "run-2")
    assert f"nothing is known of 1: {JOB}: dependency failed" in out
    assert status == 4


def test_what_changed_since_a_time_covers_what_is_there_now(results):
    told = json.loads(results("diff", "--since", "2025-01-01", "-o", "json")[0])
    assert told["coverage"] == {"targets": 1, "covered": 0}  # the last run no longer has the other image
    assert results("diff", "--since", "2025-01-01")[2] == 4


def test_what_is_different_between_two_names_covers_these(results):
    told = json.loads(results("diff", "--between", "job:1.0", "shop/web:1.0", "-o", "json")[0])
    assert told["coverage"] == {"targets": 2, "covered": 1}
    assert [each["references"] for each in told["unknown"]] == [[JOB]]
    assert results("diff", "--between", "job:1.0", "job:1.0")[2] == 4


def test_a_misspelt_name_or_run_is_not_known(results):
    with pytest.raises(NotKnownError, match=r"did you mean 'shop/web:1\.0'"):
        results("diff", "--between", "shop/wed:1.0", "job:1.0")
    with pytest.raises(NotKnownError, match=r"did you mean 'run-1'\? \(the latest that did: run-2"):
        results("diff", "rum-1")


def test_the_list_of_runs_tells_of_how_many_targets_each_has_a_result(results):
    assert "1 of 2" in results("list")[0]
    runs = json.loads(results("list", "-o", "json")[0])["runs"]
    assert [(one["targets"], one["covered"]) for one in runs] == [(1, 0), (2, 1)]


def test_exports_say_what_they_cover(results, tmp_path):
    told = {}
    for name in ("csv", "parquet", "sarif", "html"):
        path = tmp_path / f"out.{name}"
        out, err, _ = results("export", name, "run-1", "--to", str(path))
        assert out.strip() == str(path)
        assert err == f"the export {SENTENCE}\n"
        told[name] = path
    expected = {"coverage": {"targets": 2, "covered": 1}, "unknown": UNKNOWN}
    assert json.loads((tmp_path / "out.coverage.json").read_bytes()) == expected
    assert json.loads(pq.read_metadata(told["parquet"]).metadata[b"scanmatrix.coverage"]) == expected
    [run] = json.loads(told["sarif"].read_bytes())["runs"]
    assert expected.items() <= run["properties"].items()
    notes = [note["message"]["text"] for note in run["invocations"][0]["toolExecutionNotifications"]]
    assert f"this log {SENTENCE}" in notes
    assert f"This report {SENTENCE}." in told["html"].read_text()


def test_the_table_of_a_run_says_it_as_the_run_wrote_it(tmp_path):
    volume = Volume(tmp_path)
    plan = make_plan()
    put_clean_run(volume, plan)
    ledger = aggregate(plan, volume)
    told = pq.read_metadata(volume.results(plan.run) / "merged.parquet").metadata[b"scanmatrix.coverage"]
    targets = len({row.target for row in ledger.rows})
    assert json.loads(told) == {"coverage": {"targets": targets, "covered": targets}, "unknown": []}
