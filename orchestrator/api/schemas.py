"""JSON Schemas of the files that people write and the documents that programs read; they are in `docs/schemas/`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.api.json_documents import DOCUMENTS, document_schema
from orchestrator.errors import UsageError

if TYPE_CHECKING:
    from orchestrator.config.section import Section

#: What each schema is of.
TITLES = {
    "configuration": "scanmatrix.yaml: the configuration",
    "template": "templates/<scan>.yaml: a scan template",
    "job": "job/config.yaml: jobs that events start",
    "job-older": "job/config.yaml: the older form, of which an action is its task",
    "plugin": "plugins/<name>.yaml: a plugin that tasks of jobs may name",
    "targets-row": "A row of a CSV of targets, by the names of its columns",
    "ignore": "An ignore file",
    "lock": "scanmatrix.lock",
    "deny": "The file of scanners.denyFile",
    "distrusted": "scanmatrix.distrusted.yaml",
    **DOCUMENTS,
}


def schema(name: str) -> dict[str, Any]:
    """One of them, draft 2020-12.

    Args:
        name: one of `TITLES`.

    Raises:
        UsageError: it is none.
    """
    from orchestrator.analysis.suppression.rules import IgnoreFile
    from orchestrator.catalog.lock_file import LockFile
    from orchestrator.catalog.template import TEMPLATE
    from orchestrator.config.json_schema import schema_of, schema_of_document
    from orchestrator.config.loading import Config
    from orchestrator.config.scanners import DenyFile, DistrustFile
    from orchestrator.inventory.csv_row import CsvRow
    from orchestrator.jobs.keys import JOB
    from orchestrator.jobs.older_schema import older_schema
    from orchestrator.jobs.plugins import PLUGIN
    from orchestrator.kit.sources import no_such

    title = TITLES.get(name, "")
    if name in DOCUMENTS:
        return document_schema(name)
    match name:
        case "deny":
            return schema_of(DenyFile, title, key="deny")
        case "distrusted":
            return schema_of(DistrustFile, title, key="distrusted")
        case "lock":
            return schema_of_document(LockFile, title)
        case "job-older":
            return older_schema(title)
    sections: dict[str, type[Section]] = {
        "configuration": Config,
        "template": TEMPLATE.section,
        "job": JOB.section,
        "plugin": PLUGIN.section,
        "targets-row": CsvRow,
        "ignore": IgnoreFile,
    }
    if name not in sections:
        raise UsageError(no_such("schema", name, TITLES))
    return schema_of(sections[name], title)
