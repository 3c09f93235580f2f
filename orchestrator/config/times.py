"""When a CronWorkflow starts: a cron expression and its time zone, as Argo Workflows understands them.

Argo parses with robfig/cron v3 (`ParseStandard`), and writes the time zone before the expression. `cronsim` judges
ranges and names; it is of Debian's cron, so what the two read differently is settled here first:

| | robfig/cron | cronsim |
|---|---|---|
| `@daily`, `@every 1h30m`, … | yes | no |
| `?` | as `*` | no |
| `1,,2` | as `1,2` | no |
| `7` as a day of the week | no | Sunday |
| `L`, `LW`, `5L`, `1#2` | no | yes |
| six fields | no | with seconds |
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

from orchestrator.kit.sources import suggest

_LONGEST = 200
_SATURDAY = 6
_FIELDS = ("minute", "hour", "day of the month", "month", "day of the week")
_TERM = re.compile(r"([*?]|[A-Za-z]{3}|[0-9]{1,4})(-([A-Za-z]{3}|[0-9]{1,4}))?(/[0-9]{1,4})?")
_NAMED = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
# Go's time.ParseDuration without parts of seconds: robfig/cron makes a second of less. It holds 2^63 nanoseconds.
_EVERY = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)([hms])")
_EVERY_SECONDS = {"h": 3600, "m": 60, "s": 1}
_MOST_SECONDS = 2**63 // 10**9
_HELP = "write five fields such as '0 3 * * *', or @daily, @hourly, '@every 6h'"


def check_cron(text: str) -> str:
    """A cron expression without blanks around it, if Argo takes it and it ever comes true.

    Raises:
        ValueError: it does not.
    """
    text = text.strip()
    if len(text) > _LONGEST:
        raise ValueError(f"is longer than {_LONGEST} characters; {_HELP}")
    if text.startswith(("TZ=", "CRON_TZ=")):
        raise ValueError("names a time zone; write that into argo.timezone")
    if text.startswith("@"):
        if text not in _NAMED and not (text.startswith("@every ") and _is_interval(text[len("@every ") :])):
            raise ValueError(f"{text!r} is unknown{suggest(text, _NAMED)} ({_HELP})")
        return text
    fields = text.split()
    if len(fields) != len(_FIELDS):
        raise ValueError(f"{text!r} has {len(fields)} fields instead of {len(_FIELDS)}; {_HELP}")
    _simulate([_as_cronsim(name, field) for name, field in zip(_FIELDS, fields, strict=True)], text)
    return text


def next_time(text: str, timezone: str, after: datetime) -> datetime | None:
    """The first moment of a cron expression after another one; None for `@every`, which counts from Argo's own start.

    Args:
        text: as `check_cron` takes it.
        timezone: as `check_timezone` takes it.
        after: with a time zone.
    """
    from cronsim import CronSim  # noqa: PLC0415 - only where there is a schedule

    fields = _NAMED.get(text, text).split()
    if len(fields) != len(_FIELDS):
        return None
    there = " ".join(_as_cronsim(name, field) for name, field in zip(_FIELDS, fields, strict=True))
    found: datetime = next(CronSim(there, after.astimezone(ZoneInfo(timezone))))
    return found.astimezone(UTC)


def check_timezone(text: str) -> str:
    """A name of the IANA time zone database.

    Raises:
        ValueError: it is none.
    """
    if text not in _zones():
        raise ValueError(
            f"{text[:80]!r} is no time zone{suggest(text[:80], _zones())} (write an IANA name such as Europe/Berlin)"
        )
    return text


@cache
def _zones() -> frozenset[str]:
    """The names of the package `tzdata`, the same on every machine, whatever the system has."""
    return frozenset(files("tzdata").joinpath("zones").read_text(encoding="utf-8").split())


def _is_interval(text: str) -> bool:
    terms = _EVERY.findall(text)
    seconds = sum(float(number) * _EVERY_SECONDS[unit] for number, unit in terms)
    return "".join(number + unit for number, unit in terms) == text and 1 <= seconds < _MOST_SECONDS


def _as_cronsim(name: str, field: str) -> str:
    """A field of robfig/cron as cronsim has it."""
    terms = [term for term in field.split(",") if term]
    for term in terms:
        if not _TERM.fullmatch(term) or (term[0] in "*?" and "-" in term):
            raise ValueError(f"the {name} {term!r} is nothing that Argo knows; {_HELP}")
        if name == _FIELDS[-1] and any(
            day.isdigit() and int(day) > _SATURDAY for day in term.partition("/")[0].split("-")
        ):
            raise ValueError(f"the {name} {term!r} is not from 0 (Sunday) to {_SATURDAY}")
    return ",".join(terms).replace("?", "*")


def _simulate(fields: list[str], text: str) -> None:
    """See that an expression means something, and comes true one day."""
    from cronsim import CronSim, CronSimError  # noqa: PLC0415 - only where there is a schedule

    try:
        next(CronSim(" ".join(fields), datetime(2001, 1, 1, tzinfo=UTC)))
    except CronSimError as error:
        raise ValueError(f"{text!r}: {str(error).lower()}; {_HELP}") from None
    except StopIteration:
        raise ValueError(f"{text!r} never comes true") from None
