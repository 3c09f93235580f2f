"""The summary: a golden page, and pages that stay bounded and harmless."""

from pathlib import Path

from orchestrator.analysis.summary import summarise
from orchestrator.model import Ledger, LedgerRow, Outcome, Severity, Verdict, Violation
from tests.golden import check_golden

GOLDEN = Path(__file__).parent / "golden"


def _row(reference, scan, outcome=Outcome.OK, reason="", *, findings=None, others=(), platform="linux/amd64"):
    target = reference.replace("/", "-").replace(":", "-")
    return LedgerRow(
        cell=f"{target}/{scan}",
        target=target,
        scan=scan,
        references=(reference, *others),
        outcome=outcome,
        reason=reason,
        platform=platform,
        findings=findings if outcome is Outcome.OK else None,
    )


def _ledger(*rows, verdict=None):
    return Ledger(
        run="run-1",
        created="2025-03-01T09:00:00Z",
        finished="2025-03-01T10:00:05Z",
        rows=rows,
        verdict=verdict or Verdict(),
    )


def test_a_run_on_one_page():
    rows = (
        _row("docker.io/library/ubuntu:20.04", "general", findings=3),
        _row("docker.io/library/ubuntu:20.04", "virus", findings=0),
        _row("docker.io/library/centos:8", "general", findings=1, others=("quay.io/centos:8",)),
        _row(
            "docker.io/library/centos:8",
            "virus",
            Outcome.SKIPPED,
            "fresh: scanned 2d ago",
            others=("quay.io/centos:8",),
        ),
        _row("registry.example/java-tool:12", "general", Outcome.FAILED, "grype not found", platform="linux/arm64"),
        _row("registry.example/java-tool:12", "sbom", findings=0, platform="linux/arm64"),
    )
    counts = {
        rows[0].target: {Severity.CRITICAL: 1, Severity.LOW: 2},
        rows[2].target: {Severity.CRITICAL: 1, None: 3},
    }
    broken = (
        Violation(rule="coverage", message="coverage: 83.33 % of the cells …", count=1, rows=(rows[4].cell,)),
        Violation(
            rule="severity",
            message="severity: 7 findings are critical …",
            count=7,
            rows=tuple(f"{rows[0].target} vulnerability|CVE-2021-{number}|<zlib>" for number in range(7)),
        ),
    )
    verdict = Verdict(passed=False, broken=tuple(rule.message for rule in broken), rules=broken)
    page = summarise(_ledger(*rows, verdict=verdict), counts, ["something was left out"])
    check_golden(GOLDEN / "summary.md", page)


def test_a_large_run_stays_one_page():
    rows = [_row(f"app:{number}", "virus", Outcome.FAILED, "x" * 400) for number in range(5000)]
    page = summarise(_ledger(*rows), {row.cell: {Severity.HIGH: 1} for row in rows})
    assert len(page) < 100_000
    assert "4900 more" in page


def test_foreign_text_stays_text():
    row = _row("a|b<script>", "virus", Outcome.FAILED, "| <img src=x> [x](y) `z`\n# heading")
    page = summarise(_ledger(row), {})
    assert "<script>" not in page
    assert "<img" not in page
    assert "\n# heading" not in page
    assert "[x](y)" not in page


def test_an_empty_run():
    assert "| 0 | 0 | 0 | 0 | 100 % | 0 |" in summarise(_ledger(), {})
