"""Durations (`90s`, `15m`, `6h`, `14d`) and sizes (`500M`, `100Gi`) as people write them, held as seconds and bytes."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field

_DURATION = re.compile(r"([0-9]{1,9}) *(s|m|h|d|w)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_SPELT = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))
_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,3})?) *([KMGTP]i?)?B?")
# As Kubernetes quantities have them: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
_BYTES = {"": 1} | {
    unit + suffix: base**power
    for power, unit in enumerate("KMGTP", start=1)
    for suffix, base in (("", 1000), ("i", 1024))
}


def parse_duration(text: str) -> int:
    """Seconds of a duration such as `15m`.

    Raises:
        ValueError: not a whole number with one of the units s, m, h, d, w.
    """
    if not (match := _DURATION.fullmatch(text.strip())):
        raise ValueError(f"{text!r} is not a duration; write a whole number and a unit, such as 90s, 15m, 6h or 14d")
    return int(match[1]) * _SECONDS[match[2]]


def spell_duration(seconds: float) -> str:
    """Seconds in their largest whole unit, for people: `3d`, `5h`, `12m`, `0s`."""
    return next((f"{int(seconds // size)}{unit}" for size, unit in _SPELT if seconds >= size), "0s")


def parse_size(text: str) -> int:
    """Bytes of a size such as `100Gi` (1024³) or `500M` (1000²).

    Raises:
        ValueError: not a number with one of the units K, M, G, T, P or Ki, Mi, Gi, Ti, Pi.
    """
    if not (match := _SIZE.fullmatch(text.strip())):
        raise ValueError(f"{text!r} is not a size; write a number and a unit, such as 500M or 100Gi")
    return int(float(match[1]) * _BYTES[match[2] or ""]) if "." in match[1] else int(match[1]) * _BYTES[match[2] or ""]


def parse_cpus(text: str) -> float:
    """CPUs of a Kubernetes quantity such as `500m` or `2`.

    Raises:
        ValueError: not a number, with `m` behind it for thousandths.
    """
    number, thousandths = (text[:-1], 1000) if text.endswith("m") else (text, 1)
    return float(number) / thousandths


def _duration(value: object) -> object:
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, int) and not isinstance(value, bool):
        raise ValueError(f"{value} has no unit; write {value}s for seconds")  # noqa: TRY004 - pydantic expects ValueError
    return value


def _size(value: object) -> object:
    return parse_size(value) if isinstance(value, str) else value


Duration = Annotated[int, BeforeValidator(_duration), Field(ge=0)]
"""Seconds, written with a unit."""

Size = Annotated[int, BeforeValidator(_size), Field(ge=0)]
"""Bytes, written plainly or with a unit."""
