"""What there is to tell: ledgers, differences and configurations, each in a line."""

import msgspec

from orchestrator.config.loading import default_config
from orchestrator.model import Ledger, LedgerRow, Outcome, Verdict
from orchestrator.queries.difference import Difference

SHOP, PLATFORM = "shop@example.com", "platform@example.com"
SMTP = {"host": "mail.example.com", "from": "scanmatrix@example.com"}
SLACK = {"slack": {"url": "https://hooks.example.com/services/T000/B000/very-secret-token"}}
WEBHOOK = {"webhook": {"url": "https://tickets.example.com/in", "secret": "0123456789abcdef"}}


def section(*routes, **keys):
    return default_config(environment={}, notify={"routes": list(routes), **keys}).notify


def difference(status="new", number=1, **changes):
    row = {
        "status": status,
        "key": f"vulnerability|CVE-2025-{number}|pkg:deb/openssl",
        "reference": "docker.io/library/shop:1",
        "platform": "linux/amd64",
        "kind": "vulnerability",
        "id": f"CVE-2025-{number}",
        "severity": "high",
        "package": "openssl",
        "version_before": "" if status == "new" else "3.0.1",
        "version_after": "3.0.2" if status in {"new", "changed", "still there"} else "",
        "count_before": None if status == "new" else 1,
        "count_after": 1 if status in {"new", "changed", "still there"} else None,
        "fixed_version": "3.0.9",
        "found_by": ["general"],
        "owners": [SHOP],
        "suppressed_before": "",
        "suppressed_after": "",
        "run_before": "run-1",
        "run_after": "run-2",
        "why": "",
        "target": "shop-1",
    }
    return msgspec.convert(row | changes, Difference)


def table(*rows):
    return list(rows)


def cell(scan="general", outcome=Outcome.OK, reference="docker.io/library/shop:1", **changes):
    target = reference.rsplit("/", 1)[-1].replace(":", "-")
    fields = {"owners": (SHOP,), "platform": "linux/amd64", "digest": "sha256:" + "0" * 64}
    fields |= {"findings": 0 if outcome is Outcome.OK else None}
    reason = "" if outcome is Outcome.OK else "the scanner broke"
    fields |= {"cell": f"{target}/{scan}", "target": target, "references": (reference,), "reason": reason}
    return LedgerRow(scan=scan, outcome=outcome, **(fields | changes))


def ledger(*rows, run="run-2", verdict=None):
    return Ledger(
        run=run,
        created="2025-03-01T09:00:00Z",
        finished="2025-03-01T10:00:00Z",
        rows=rows,
        verdict=verdict or Verdict(),
    )
