"""The JSON structures that registries and their token servers answer with.

Sources: OCI distribution-spec 1.1 ("Content Discovery", "Error Codes") and the token specification of Docker's
registry. Read them with `orchestrator.kit.foreign_json.decode`.
"""

from typing import Any

import msgspec


class TagList(msgspec.Struct, frozen=True):
    """Answer of `/v2/<name>/tags/list`; a repository without tags has null for them."""

    name: str = ""
    tags: tuple[str, ...] | None = None


class Catalogue(msgspec.Struct, frozen=True):
    """Answer of `/v2/_catalog`."""

    repositories: tuple[str, ...] | None = None


class Token(msgspec.Struct, frozen=True):
    """Answer of a token server; `access_token` is OAuth's name for `token`, which counts if both are there."""

    token: str = ""
    access_token: str = ""
    expires_in: Any = None
    issued_at: Any = None
    refresh_token: Any = None
    scope: Any = None


class ErrorEntry(msgspec.Struct, frozen=True):
    """One of the errors a registry gives."""

    code: str = ""
    message: str = ""
    detail: Any = None


class Errors(msgspec.Struct, frozen=True):
    """A registry's answer when it refuses."""

    errors: tuple[ErrorEntry, ...] | None = None
