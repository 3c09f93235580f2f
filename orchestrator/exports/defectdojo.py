"""Merged findings to DefectDojo: the file format "Generic Findings Import", sent to `reimport-scan` of its API v2.

A test there is brought up to date by each export: what is new is opened, what is gone is closed, what people decided
there stays. What a run did not look at is never closed.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import msgspec

from orchestrator.errors import UsageError
from orchestrator.exports.client import client_of
from orchestrator.exports.defectdojo_findings import LEAST, findings
from orchestrator.exports.interface import ExportRefusedError
from orchestrator.exports.targets import run_targets
from orchestrator.model import Document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from orchestrator.config.exports import DefectDojoSection
    from orchestrator.config.loading import Config
    from orchestrator.exports.client import Client, Field
    from orchestrator.exports.targets import RunTarget
    from orchestrator.model import MergedRow
    from orchestrator.results.run import RunResults

name = "defectdojo"
description = "the merged findings to DefectDojo, a test for each target"
text = False

_log = logging.getLogger(__name__)
_PATH = "/api/v2/reimport-scan/"
_FORMAT = "Generic Findings Import"


class _Test(Document, frozen=True):
    """Where findings belong in DefectDojo; targets with the same names share one."""

    product_type: str
    product: str
    engagement: str
    test: str


def export(results: RunResults, config: Config, to: str = "") -> str:
    """Send the findings; see `orchestrator.exports.interface.Export`.

    Args:
        results: of a run that has ended.
        config: its `exports.defectdojo` says where to.
        to: must be empty; where to is the configuration's affair.

    Returns:
        URL of the test, or of DefectDojo when there are several.
    """
    section = config.exports.defectdojo
    if section is None or section.token is None:
        key = "exports.defectdojo" if section is None else "exports.defectdojo.token"
        raise UsageError(f"{key} is not set; the token may be given in SCANMATRIX_EXPORTS__DEFECTDOJO__TOKEN")
    if to:
        raise UsageError(f"{name} writes no file; leave {to!r} out")
    service = client_of(section, {"Authorization": f"Token {section.token.get_secret_value()}"}, config)
    tests = _tests(section, run_targets(results))
    with results.open_merged() as merged:
        rows_of = merged.by_target()
        made = [_send(service, section, test, targets, rows_of) for test, targets in tests.items()]
    return made[0] if len(made) == 1 else section.url


def _send(
    service: Client,
    section: DefectDojoSection,
    test: _Test,
    targets: list[RunTarget],
    rows_of: Callable[[str], list[MergedRow]],
) -> str:
    """Bring one test up to date; gives its URL."""
    documents = [
        one for target in targets for one in findings(section, target, [row.finding for row in rows_of(target.id)])
    ]
    body = msgspec.json.encode({"findings": documents})
    fields = [*_fields(section, test, targets), ("file", ("scanmatrix.json", body, "application/json"))]
    answer = service.post_multipart(_PATH, fields).json()
    number = answer.get("test_id") or answer.get("test") if isinstance(answer, dict) else None
    if not isinstance(number, int):
        raise ExportRefusedError(f"{section.url}: took the findings, but names no test; is it a DefectDojo?")
    _log.info("%s: %d findings in test %d of %s", name, len(documents), number, section.url)
    return f"{section.url}/test/{number}"


def _tests(section: DefectDojoSection, targets: Iterable[RunTarget]) -> dict[_Test, list[RunTarget]]:
    """Which targets go where; those of which nothing is known stay as they are there."""
    tests: dict[_Test, list[RunTarget]] = {}
    for target in targets:
        if target.scanned:
            test = _Test(
                product_type=target.name(section.product_type),
                product=target.name(section.product),
                engagement=target.name(section.engagement),
                test=target.name(section.test),
            )
            tests.setdefault(test, []).append(target)
    return tests


def _fields(section: DefectDojoSection, test: _Test, targets: list[RunTarget]) -> list[Field]:
    """The form without its file."""
    first = targets[0]
    only = len(targets) == 1
    values: dict[str, Any] = {
        "scan_type": _FORMAT,
        "auto_create_context": True,
        "product_type_name": test.product_type,
        "product_name": test.product,
        "engagement_name": test.engagement,
        "test_title": test.test,
        "environment": section.environment,
        "minimum_severity": LEAST[section.minimum_severity],
        "close_old_findings": section.close_old_findings and all(target.whole for target in targets),
        "build_id": first.run,
        "version": first.name("{tag}")[:100] if only else "",
    }
    tags = dict.fromkeys(target.name(tag) for tag in section.tags for target in targets)
    spelt = {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in values.items()}
    return [*((key, value) for key, value in spelt.items() if value), *(("tags", tag) for tag in tags)]
