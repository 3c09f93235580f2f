"""The JSON that programs read from us, as JSON Schemas: what it promises is in `docs/json.md`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from orchestrator.model.base import SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.model import Document, MergedRow
    from orchestrator.results.coverage import Coverage

#: Of answers that are rows with the columns of their type; the other documents have theirs as the `tag` of their type.
ROWS_VERSIONS = {"findings": 1, "differences": 1}

#: The documents, and what each is; `orchestrator.api.schemas` has the files that people write as well.
DOCUMENTS = {
    "plan": "The plan of a run: plans/<run>.json, scanmatrix plan --output json",
    "ledger": "The ledger of a run: results/<run>/ledger.json, scanmatrix run --output json",
    "status": "The status of a run: scanmatrix status RUN --output json; without RUN a list of them",
    "findings": "Findings: scanmatrix results show and who-has --output json",
    "differences": "What changed: scanmatrix results diff --output json",
    "stale": "What should be scanned again: scanmatrix store stale --output json",
    "targets": "The known targets: scanmatrix store targets --output json",
    "overview": "How every scan stands: scanmatrix store overview --output json",
    "history": "When findings came and went: scanmatrix store history --output json",
    "imported": "What was imported: scanmatrix store import --output json",
    "pruned": "What was deleted: scanmatrix store prune --output json",
    "runs": "Runs that have finished: scanmatrix results list --output json",
    "deliveries": "Who was notified: scanmatrix results notify --output json",
    "diagnosis": "What is installed: scanmatrix doctor --output json",
    "scans": "The scans: scanmatrix templates --output json",
    "plugins": "The plugins: scanmatrix plugins --output json",
    "explanations": "What keys of files mean: scanmatrix explain FIELD --output json",
    "problems": "Mistakes in files: scanmatrix lint --output json",
    "locked": "What became of scanmatrix.lock: scanmatrix lock --output json",
    "admission": "Which images may run: scanmatrix admit --output json",
    "distrust": "Scanners that are not trusted: scanmatrix distrust --output json",
    "backlog": "How fresh the results are: scanmatrix schedule --show --output json",
}


def document_schema(name: str) -> dict[str, Any]:
    """The schema of a document, draft 2020-12; fields that it does not name are allowed.

    Args:
        name: one of `DOCUMENTS`.
    """
    from orchestrator.api import printed
    from orchestrator.api.answers import HistoryAnswer, OverviewAnswer, StaleAnswer, TargetsAnswer
    from orchestrator.api.doctor.diagnosis import Diagnosis
    from orchestrator.config.json_schema import schema_of_document
    from orchestrator.model import Ledger, MergedRow, Plan, RunStatus
    from orchestrator.notifications.interface import DeliveriesList
    from orchestrator.queries.difference import Difference
    from orchestrator.results.overview import RunsList
    from orchestrator.store.backlog.messages import Backlog
    from orchestrator.store.documents import Pruned, TakenInAll

    rows: dict[str, type[Document]] = {"findings": MergedRow, "differences": Difference}
    if name in rows:
        return _rows(name, rows[name])
    kinds: dict[str, type[Document]] = {
        "plan": Plan,
        "ledger": Ledger,
        "status": RunStatus,
        "stale": StaleAnswer,
        "targets": TargetsAnswer,
        "overview": OverviewAnswer,
        "history": HistoryAnswer,
        "imported": TakenInAll,
        "pruned": Pruned,
        "runs": RunsList,
        "deliveries": DeliveriesList,
        "diagnosis": Diagnosis,
        "scans": printed.ScansList,
        "plugins": printed.PluginsList,
        "explanations": printed.ExplanationsList,
        "problems": printed.ProblemsList,
        "locked": printed.LockedList,
        "admission": printed.AdmissionsList,
        "distrust": printed.DistrustedList,
        "backlog": Backlog,
    }
    found = schema_of_document(kinds[name], DOCUMENTS[name])
    for definition in found["$defs"].values():
        if definition.get("additionalProperties") is False:
            del definition["additionalProperties"]
    return found


def _rows(name: str, kind: type[Document]) -> dict[str, Any]:
    """Rows with the columns of their type, and what the answer covers."""
    from orchestrator.config.json_schema import DIALECT, schema_of_document
    from orchestrator.results.coverage import NotCovered
    from orchestrator.results.tables.columns import columns_of

    unknown = schema_of_document(NotCovered, "")["$defs"]["NotCovered"]
    unknown.pop("additionalProperties")
    count = {"type": "integer", "minimum": 0}
    columns = {column.name: _column(column) for column in columns_of(kind)}
    properties: dict[str, Any] = {
        SCHEMA_VERSION: {"enum": [ROWS_VERSIONS[name]]},
        "coverage": {
            "description": "Targets that were asked about, and those of them with a result that could tell.",
            "type": "object",
            "properties": {"targets": count, "covered": count},
            "required": ["targets", "covered"],
        },
        "unknown": {"type": "array", "items": {"$ref": "#/$defs/NotCovered"}},
        name: {"type": "array", "items": {"$ref": f"#/$defs/{kind.__name__}"}},
    }
    row = {"type": "object", "properties": columns, "required": list(columns)}
    return {
        "$schema": DIALECT,
        "title": DOCUMENTS[name],
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "$defs": {kind.__name__: row, "NotCovered": unknown},
    }


def _column(column: Any) -> dict[str, Any]:
    from orchestrator.config.json_schema import plain_text
    from orchestrator.results.tables.columns import ColumnKind

    types: dict[ColumnKind, dict[str, Any]] = {
        ColumnKind.TEXT: {"type": "string"},
        ColumnKind.MOMENT: {"type": "string", "format": "date-time"},
        ColumnKind.WORD: {"type": "string"},
        ColumnKind.NUMBER: {"type": "number"},
        ColumnKind.COUNT: {"type": "integer"},
        ColumnKind.TRUTH: {"type": "boolean"},
    }
    found: dict[str, Any] = types.get(column.kind, {"type": "array", "items": {"type": "string"}})
    if column.kind is ColumnKind.WORD and column.item is not str:
        found["enum"] = [*column.item, *([""] if column.lacking else [])]
    if column.kind is ColumnKind.MOMENT or column.default is None:
        found = {"anyOf": [found, {"type": "null"}]}
    return {"description": plain_text(column.doc)} | found


def plain(value: Any) -> Any:
    """Documents as plain mappings; unlike the files we write, with the fields that hold their default."""
    import msgspec

    if isinstance(value, msgspec.Struct):
        kind = value.__struct_config__
        version = {} if kind.tag_field is None else {kind.tag_field: kind.tag}
        fields = zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True)
        return version | {key: plain(getattr(value, field)) for field, key in fields}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {msgspec.to_builtins(key): plain(item) for key, item in value.items()}
    return msgspec.to_builtins(value)


def rows_document(name: str, rows: Sequence[Document], kind: type[Document], coverage: Coverage) -> dict[str, Any]:
    """An answer that is rows: `coverage` and `unknown`, which say what is known, and the rows under their name.

    Args:
        name: one of `ROWS_VERSIONS`.
        rows: all of a kind.
        kind: their type.
        coverage: what the answer rests on.
    """
    return {SCHEMA_VERSION: ROWS_VERSIONS[name], **coverage.document(), name: mappings(rows, kind)}


def findings_document(rows: Sequence[MergedRow], coverage: Coverage) -> dict[str, Any]:
    """Findings, with what is known: see `rows_document`."""
    from orchestrator.model import MergedRow

    return rows_document("findings", rows, MergedRow, coverage)


def mappings(rows: Sequence[Document], row: type[Document]) -> list[dict[str, Any]]:
    """Rows as mappings with the columns of their type, moments as RFC 3339 and what is missing as null."""
    from orchestrator.results.tables.columns import ColumnKind, columns_of, values_at

    columns: dict[str, list[Any]] = {}
    for column in columns_of(row):
        values = values_at(rows, column)
        columns[column.name] = list(map(_moment, values)) if column.kind is ColumnKind.MOMENT else values
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _moment(text: str | None) -> str | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):  # what is no date is missing, as in a DataFrame
        return None
