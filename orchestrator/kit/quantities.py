"""Durations, sizes and CPUs as people write them: `15m`, `14d`, `500M`, `100Gi`, `500m`."""

from __future__ import annotations

import re

#: A duration and a size as `parse_duration` and `parse_size` take them.
DURATION = r"([0-9]{1,9}) *(s|m|h|d|w)"
SIZE = r"([0-9]{1,19}(?:\.[0-9]{1,3})?) *(k|[KMGTP]i?)?B?"

#: The longest duration, a hundred years: dates that far from now can still be computed.
MOST_SECONDS = 36500 * 86400
#: The largest size, 1 EiB: it fits wherever a number of 64 bits does.
MOST_BYTES = 2**60

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_SPELT = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))
# As Kubernetes quantities have them: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
_BYTES = (
    {"": 1}
    | {
        unit + suffix: base**power
        for power, unit in enumerate("KMGTP", start=1)
        for suffix, base in (("", 1000), ("i", 1024))
    }
    | {"k": 1000}
)  # as Kubernetes writes it


def parse_duration(text: str) -> int:
    """Seconds of a duration such as `15m`.

    Raises:
        ValueError: not a whole number with one of the units s, m, h, d, w; or too long.
    """
    if not (match := re.fullmatch(DURATION, text.strip())):
        raise ValueError(
            f"{text[:80]!r} is not a duration; write a whole number and a unit, such as 90s, 15m, 6h or 14d"
        )
    seconds = int(match[1]) * _SECONDS[match[2]]
    if seconds > MOST_SECONDS:
        raise ValueError(f"{text!r} is too long a duration; write {write_duration(MOST_SECONDS)} at most")
    return seconds


def spell_duration(seconds: float) -> str:
    """Seconds in their largest whole unit, for people: `3d`, `5h`, `12m`, `0s`."""
    return next((f"{int(seconds // size)}{unit}" for size, unit in _SPELT if seconds >= size), "0s")


def write_duration(seconds: int) -> str:
    """The shortest text that `parse_duration` reads back as these seconds: `1d`, `90s`."""
    return next((f"{seconds // size}{unit}" for size, unit in _SPELT if seconds and seconds % size == 0), "0s")


def parse_size(text: str) -> int:
    """Bytes of a size such as `100Gi` (1024³) or `500M` (1000²).

    Raises:
        ValueError: not a number with one of the units K (or k), M, G, T, P or Ki, Mi, Gi, Ti, Pi; or too large.
    """
    if not (match := re.fullmatch(SIZE, text.strip())):
        raise ValueError(f"{text[:80]!r} is not a size; write a number and a unit, such as 500M or 100Gi")
    unit = _BYTES[match[2] or ""]
    size = int(float(match[1]) * unit) if "." in match[1] else int(match[1]) * unit
    if size > MOST_BYTES:
        raise ValueError(f"{text!r} is too large a size; write {write_size(MOST_BYTES)} at most")
    return size


def write_size(size: int) -> str:
    """The shortest text that `parse_size` reads back as these bytes, by powers of 1024: `100Gi`, `1`."""
    units = [(f"{unit}i", _BYTES[f"{unit}i"]) for unit in "PTGMK"]
    return next((f"{size // factor}{unit}" for unit, factor in units if size and size % factor == 0), str(size))


def spell_size(size: int) -> str:
    """Bytes for people, by powers of 1024 as `volume.budget` is written: `512 B`, `1.5 GiB`."""
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:  # noqa: PLR2004  (the factor between binary units)
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def parse_cpus(text: str) -> float:
    """CPUs of a Kubernetes quantity such as `500m` or `2`.

    Raises:
        ValueError: not a number, with `m` behind it for thousandths.
    """
    number, thousandths = (text[:-1], 1000) if text.endswith("m") else (text, 1)
    return float(number) / thousandths
