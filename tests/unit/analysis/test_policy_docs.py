"""`docs/policy.md` and `docs/differences.md` say what the code does, and their examples run."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrator.analysis.feeds import Feeds
from orchestrator.analysis.policy import Judge
from orchestrator.catalog.loading import load_catalog
from orchestrator.config.loading import load_config
from orchestrator.model import Ledger, PolicyRule, Severity
from orchestrator.model.documents import encode, spell_time
from orchestrator.model.policy import BUILT_IN
from orchestrator.queries.difference import STATUSES, Difference
from orchestrator.results.ledger import read_ledger
from orchestrator.results.provisional import LEDGER
from orchestrator.results.tables.columns import names_of
from orchestrator.volume.layout import Volume
from tests.differences import Run, since_last
from tests.unit.results.test_docs import DTYPES

DOCS = Path(__file__).resolve().parents[3] / "docs"
POLICY = (DOCS / "policy.md").read_text()
DIFFERENCES = (DOCS / "differences.md").read_text()


def _blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


@pytest.fixture
def volume(tmp_path, monkeypatch):
    """That of the configuration in the working directory."""
    monkeypatch.chdir(tmp_path)
    Path("scanmatrix.yaml").write_text("volume: {path: data}\n")
    return Volume(tmp_path / "data")


def test_the_example_of_a_policy(tmp_path):
    (text,) = _blocks(POLICY, "yaml")
    file = tmp_path / "scanmatrix.yaml"
    file.write_text(text)
    config = load_config(file, environment={})
    assert load_catalog(config)
    plain = PolicyRule(name="")
    fields = PolicyRule.__struct_fields__
    assert {
        name for rule in config.policy.rules for name in fields if getattr(rule, name) != getattr(plain, name)
    } == set(fields)
    assert all(f"`{name}`" in POLICY for name in BUILT_IN)


def test_the_example_of_a_verdict(volume, tmp_path, capsys):
    file = tmp_path / "scanmatrix.yaml"
    policy = load_config(file.parent / _policy(tmp_path), environment={}).policy
    run = Run("nightly-20250301", "2025-03-01T10:00:00Z").cell("app", "general", owners=["team"])
    for number in range(11):
        run.find("app", f"CVE-2021-{number:04}", "general", fixed_version="2", first_seen="2025-01-01T00:00:00Z")
    judge = Judge(policy, now=datetime(2025, 3, 1, tzinfo=UTC), feeds=Feeds({}, frozenset(), {}))
    run.found["app"] = judge.look(["team"], run.found["app"])
    run.write(volume)
    ledger = read_ledger(volume, run.id)
    judged = Ledger(
        run=run.id,
        created=ledger.created,
        finished=ledger.finished,
        rows=ledger.rows,
        verdict=judge.verdict(ledger.rows),
    )
    (volume.results(run.id) / LEDGER).write_bytes(encode(judged))
    (code,) = _blocks(POLICY, "python")
    exec(code, {})
    said = capsys.readouterr().out
    assert "overdue 11" in said
    assert re.search(r"zlib +11", said)


def _policy(folder):
    """The page's own policy, as a file."""
    (folder / "policy.yaml").write_text(_blocks(POLICY, "yaml")[0])
    return "policy.yaml"


def test_columns_of_a_difference(volume):
    Run("r1", "2025-03-01T10:00:00Z").cell("app", "general").find("app", "CVE-1", "general").write(volume)
    documented = {}
    (table,) = re.findall(r"^\| column \|.*\n(?:\|.*\n)*", DIFFERENCES, re.MULTILINE)
    for names, dtype in re.findall(r"^\| (`[^|]*`) \| ([^|]+) \|", table, re.MULTILINE):
        written = dtype.strip().strip("`")
        documented |= dict.fromkeys(re.findall(r"`(\w+)`", names), DTYPES.get(written, written))
    frame = since_last(volume, "r1")
    assert list(documented) == list(names_of(Difference))
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == documented
    assert all(f"`{status}`" in DIFFERENCES for status in STATUSES)


def test_the_example_of_differences(volume, capsys):
    names = {"one": ["docker.io/library/ubuntu:20.04"], "two": ["docker.io/library/ubuntu:24.04"]}
    for age, found in ((10, ["CVE-1", "CVE-2"]), (1, ["CVE-1", "CVE-9"])):
        run = Run(f"r{age}", spell_time(datetime.now(UTC) - timedelta(days=age)))
        for target, references in names.items():
            run.cell(target, "general", names=references)
        for id_ in found:
            run.find("one", id_, "general", severity=Severity.CRITICAL)
        run.write(volume)
    (code,) = _blocks(DIFFERENCES, "python")
    results = {}
    exec(code, results)
    assert list(results["week"]["id"]) == ["CVE-9", "CVE-2", "CVE-1"]
    assert set(results["upgrade"]["id"]) == {"CVE-1", "CVE-9"}
    assert set(results["upgrade"]["status"]) == {"fixed"}
    assert "CVE-9" in capsys.readouterr().out
