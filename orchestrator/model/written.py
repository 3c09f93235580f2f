"""How people write a value of a frozen type, beside what the program has of it."""

from typing import NamedTuple


class Written(NamedTuple):
    """What `orchestrator.config` holds a value to that people write; stands in `Annotated`, beside the type.

    JSON of ours is not held to it, so that a plan of a version with other bounds can still be read.

    Attributes:
        kind: name in `orchestrator.config.kinds.BY_NAME` (`duration`, `size`, …); empty for just the type.
        least: smallest number.
        most: largest number.
        length: fewest characters, or items.
        pattern: regular expression that a text must match.
        key: the key, where it is not the field's name in camelCase.
    """

    kind: str = ""
    least: float | None = None
    most: float | None = None
    length: int | None = None
    pattern: str | None = None
    key: str = ""
