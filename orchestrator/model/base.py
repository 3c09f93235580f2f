"""What all frozen types have in common."""

from typing import Annotated

import msgspec


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of all frozen types: immutable, unknown fields refused when read, defaults left out when written.

    Fields may be given by position: `orchestrator.results.tables.rows` makes rows so, column by column. msgspec
    hands `kw_only` down to no type; one that wants its fields named says so itself, as `Finding` does.
    """


SCHEMA_VERSION = "schema_version"
"""Key of a document's first field where others read it, too (`docs/json.md`): a number, the `tag` of its type.

It is raised where a field goes, or changes its type or meaning; a document without one is of version 1.
"""

Moment = Annotated[str, msgspec.Meta(extra={"moment": True})]
"""RFC 3339 in UTC, or empty; a date in a DataFrame."""
