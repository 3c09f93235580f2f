"""What all frozen types have in common."""

from typing import Annotated

import msgspec


class Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of all frozen types: immutable, named fields only, unknown fields refused when read."""


Moment = Annotated[str, msgspec.Meta(extra={"moment": True})]
"""RFC 3339 in UTC, or empty; a date in a DataFrame."""
