"""How a run's end is reported: its verdict, the rows that broke it, and the exit status."""

import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from orchestrator.cli import POLICY
from orchestrator.cli.app import app
from orchestrator.cli.here import AnswersHere
from orchestrator.cli.runs import show_ledger
from orchestrator.config.loading import default_config
from orchestrator.errors import UsageError
from orchestrator.model import Ledger, Verdict, Violation

BROKEN = Violation(
    rule="exploited", message="exploited: 7 findings …", count=7, rows=tuple(f"app k{n}" for n in range(7))
)


def _ledger(**verdict):
    broken = {"broken": (BROKEN.message,), "rules": (BROKEN,)} if verdict.pop("broken", False) else {}
    return Ledger(run="r1", created="", finished="", rows=(), verdict=Verdict(**broken | verdict))


def test_a_broken_policy_is_reported_with_its_first_rows_and_fails(capsys):
    with pytest.raises(typer.Exit) as ended:
        show_ledger(_ledger(broken=True, passed=False), AnswersHere.of(default_config(environment={})), table=False)
    assert ended.value.exit_code == POLICY
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "policy: exploited: 7 findings …"
    assert [line.split()[-1] for line in told[1:6]] == ["k0", "k1", "k2", "k3", "k4"]
    assert "2 more" in told[6]


@pytest.mark.parametrize(("broken", "lines"), [(True, 7), (False, 0)])
def test_one_that_only_warns_is_reported_and_passes(capsys, broken, lines):
    show_ledger(_ledger(broken=broken, passed=True), AnswersHere.of(default_config(environment={})), table=False)
    assert len(capsys.readouterr().err.splitlines()) == lines


@pytest.mark.parametrize("words", [("retry", "r1"), ("run", "--resume", "r1")], ids=" ".join)
def test_a_severity_that_nobody_would_judge_by_is_refused(tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, [*words, "--engine", "argo", "--detach", "--fail-on", "high"])
    assert isinstance(done.exception, UsageError)
    assert "`scanmatrix fetch r1 --fail-on high" in str(done.exception)


def test_a_reader_that_has_enough_is_no_failure():
    code = (
        "import io; from orchestrator.cli.output import print_file; from orchestrator.cli.pipe import outlive_readers;"
        "outlive_readers(); print_file(io.BytesIO(b'x' * 1_000_000))"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0
