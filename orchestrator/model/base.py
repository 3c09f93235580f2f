"""What all frozen types have in common."""

import msgspec


class Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of all frozen types: immutable, named fields only, unknown fields refused when read."""
