"""What a step of GitHub Actions shows of a run."""

import msgspec
import pytest

from orchestrator.api.results import judge
from orchestrator.api.step_summary import MOST, append_summary
from orchestrator.config.loading import default_config
from orchestrator.model import Severity
from tests.exports import put_run


@pytest.fixture
def run(tmp_path):
    results = put_run(tmp_path / "volume")
    (results.folder / "summary.md").write_text("# Run run-1\n\nPolicy: passed.\n")
    return default_config(environment={}, volume={"path": str(tmp_path / "volume")}), results.ledger


def append(run, path, ledger=None):
    return append_summary(run[0], ledger or run[1], {"GITHUB_STEP_SUMMARY": str(path)})


def test_nothing_is_written_where_nobody_asks(run):
    assert append_summary(*run, {}) == append_summary(*run, {"GITHUB_STEP_SUMMARY": ""}) == ""


def test_it_is_appended(run, tmp_path):
    path = tmp_path / "summary"
    path.write_text("before\n")
    assert append(run, path) == ""
    assert path.read_text() == "before\n# Run run-1\n\nPolicy: passed.\n"


def test_a_verdict_of_the_command_alone_is_added(run, tmp_path):
    config, ledger = run
    append(run, tmp_path / "summary", judge(config, ledger, Severity.HIGH))
    text = (tmp_path / "summary").read_text()
    assert "With `--fail-on`: **broken**." in text
    assert "1 finding is high or worse" in text


@pytest.mark.parametrize("there", [0, MOST // 2, MOST, MOST + 5])
def test_it_is_never_larger_than_github_shows(run, tmp_path, there):
    results = tmp_path / "volume" / "results" / run[1].run
    (results / "summary.md").write_text("a line\n" * (MOST // 6))
    path = tmp_path / "summary"
    path.write_bytes(b"x" * there)
    said = append(run, path)
    text = path.read_text()
    assert len(text) <= max(MOST, there)  # beyond it GitHub shows nothing at all, nor what other runs have written
    assert "left out" in (said if there >= MOST else text[-100:])


def test_the_verdict_of_the_command_is_not_what_is_left_out(run, tmp_path):
    (tmp_path / "volume" / "results" / run[1].run / "summary.md").write_text("a line\n" * (MOST // 6))
    append(run, tmp_path / "summary", judge(*run, Severity.HIGH))
    text = (tmp_path / "summary").read_text()
    assert len(text) <= MOST
    assert "left out" in text
    assert "With `--fail-on`: **broken**." in text


def test_what_cannot_be_written_is_said_and_costs_nothing(run, tmp_path):
    assert "GITHUB_STEP_SUMMARY" in append(run, tmp_path)
    other = msgspec.structs.replace(run[1], run="other")
    assert "summary cannot be written" in append(run, tmp_path / "summary", other)
