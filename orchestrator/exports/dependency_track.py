"""Each target's BOM to Dependency-Track (API v1), as a project there.

`POST /api/v1/bom` takes a form with the BOM as a file, which has no limit of its own (the JSON of `PUT` has one of
20 million characters). Dependency-Track does not read vulnerabilities out of a BOM: it looks for them itself.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from orchestrator.errors import UsageError
from orchestrator.exports.client import client_of
from orchestrator.exports.interface import ExportRefusedError, ExportUnavailableError
from orchestrator.exports.targets import run_targets
from orchestrator.results.bom.split import target_boms

if TYPE_CHECKING:
    from orchestrator.config.exports import DependencyTrackSection
    from orchestrator.config.loading import Config
    from orchestrator.exports.client import Client, Field
    from orchestrator.exports.targets import RunTarget
    from orchestrator.results.run import RunResults

name = "dependency-track"
description = "each target's BOM to Dependency-Track"
text = False

_log = logging.getLogger(__name__)
_PATH = "/api/v1/bom"
_PAUSE = 2.0


def export(results: RunResults, config: Config, to: str = "") -> str:
    """Send the BOMs; see `orchestrator.exports.interface.Export`.

    Args:
        results: of a run that has ended.
        config: its `exports.dependencyTrack` says where to.
        to: must be empty; where to is the configuration's affair.

    Returns:
        Its URL.
    """
    section = config.exports.dependency_track
    if section is None or section.api_key is None:
        key = "exports.dependencyTrack" if section is None else "exports.dependencyTrack.apiKey"
        raise UsageError(f"{key} is not set; the key may be given in SCANMATRIX_EXPORTS__DEPENDENCY_TRACK__API_KEY")
    if to:
        raise UsageError(f"{name} writes no file; leave {to!r} out")
    service = client_of(section, {"X-Api-Key": section.api_key.get_secret_value()}, config)
    targets = {target.id: target for target in run_targets(results)}
    tokens: list[str] = []
    sent = 0
    for target, bom in target_boms(results.bom, vulnerabilities=False):
        if target not in targets or not targets[target].scanned:
            continue  # nothing is known of it, which must not replace what is known there
        answer = service.post_multipart(_PATH, _fields(section, targets[target], bom)).json()
        if not isinstance(answer, dict):
            raise ExportRefusedError(
                f"{section.url}: its answer is not Dependency-Track's; "
                "set exports.dependencyTrack.url to its API server, not to its web page"
            )
        tokens += [str(answer["token"])] if answer.get("token") else []
        sent += 1
    _log.info("%s: %d BOMs sent to %s", name, sent, section.url)
    if section.wait:
        _wait(service, section, tokens)
    return section.url


def _fields(section: DependencyTrackSection, target: RunTarget, bom: bytes) -> list[Field]:
    """The form of one BOM."""
    values = {
        "projectName": target.name(section.project),
        "projectVersion": target.name(section.version),
        "autoCreate": str(section.auto_create).lower(),
        "projectTags": ",".join(target.name(tag).replace(",", " ") for tag in section.tags),
        "parentName": target.name(section.parent) if section.parent else "",
        "parentVersion": target.name(section.parent_version) if section.parent_version else "",
    }
    fields: list[Field] = [(key, value) for key, value in values.items() if value]
    return [*fields, ("bom", ("bom.json", bom, "application/vnd.cyclonedx+json"))]


def _wait(service: Client, section: DependencyTrackSection, tokens: list[str]) -> None:
    """Wait until no BOM is being processed any more."""
    end = time.monotonic() + section.wait
    for token in tokens:
        while _processing(service.get(f"{_PATH}/token/{token}").json()):
            if time.monotonic() + _PAUSE > end:
                raise ExportUnavailableError(
                    f"{section.url}: has the BOMs, but has not processed them within {section.wait} s; "
                    "raise exports.dependencyTrack.wait, or leave it out"
                )
            time.sleep(_PAUSE)


def _processing(answer: Any) -> bool:
    return isinstance(answer, dict) and answer.get("processing") is True
