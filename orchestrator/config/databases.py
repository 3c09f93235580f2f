"""The key `database` of a scan template: how the scanner's database is fetched by our own code, or by its command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints

from orchestrator import model
from orchestrator.config.described import ValueKind
from orchestrator.config.kinds import Reference
from orchestrator.config.section import Keys, Section
from orchestrator.kit.quantities import DURATION, parse_duration
from orchestrator.model.scan import FOLDER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pydantic import GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema

    from orchestrator.kit.sources import Location


def _max_age(value: str) -> str:
    """A duration as it is written, for it may be a placeholder."""
    if value and "{" not in value:
        parse_duration(value)
    return value


MaxAge = Annotated[
    str, AfterValidator(_max_age), ValueKind("duration", {"type": "string", "pattern": rf"^$|\{{|^\s*{DURATION}\s*$"})
]


class TrivySection(Section):
    """Trivy's databases, OCI artifacts.

    Attributes:
        repository: of the database
        java_repository: of the index of Java libraries; without it Trivy refuses images that contain a jar
        max_age: one built longer ago is refused; empty for any
    """

    repository: Reference
    java_repository: Annotated[str, ValueKind("reference")] = ""
    max_age: MaxAge = ""


class GrypeSection(Section):
    """Grype's database, by its listing.

    Attributes:
        url: of the folder that contains `v6/latest.json`, or of that file itself
        max_age: one built longer ago is refused; empty for any
    """

    url: Annotated[str, Field(min_length=1), ValueKind("URL")]
    max_age: MaxAge = ""


class ClamavSection(Section):
    """ClamAV's `main.cvd`, `daily.cvd` and `bytecode.cvd`, signed by its makers.

    Attributes:
        mirror: of the folder that serves them; a plain host is used with HTTPS
        max_age: a `daily.cvd` built longer ago is refused; empty for any
        user_agent: sent to the mirror; ClamAV's own mirror only answers its own tools
    """

    mirror: Annotated[str, Field(min_length=1), ValueKind("host or URL")]
    max_age: MaxAge = ""
    user_agent: str = ""


class FolderSection(Section):
    """A database that you have, copied from a folder; `database: /folder` is short for it.

    Attributes:
        path: the folder, absolute; in a cluster on the volume: `/volume/…`
        scanner: whose database it is (`trivy`, `grype`, `clamav`), so that a folder without one is refused
    """

    path: Annotated[
        str,
        StringConstraints(pattern=r"^[/{]"),
        ValueKind("path", help="write an absolute path", schema={"type": "string", "pattern": "^[/{]"}),
    ]
    scanner: Literal["", "trivy", "grype", "clamav"] = ""


#: The kinds of databases, and their keys; each has its module in `orchestrator.databases`.
KINDS: dict[str, type[Section]] = {
    "trivy": TrivySection,
    "grype": GrypeSection,
    "clamav": ClamavSection,
    FOLDER: FolderSection,
}


def _build(values: dict[str, Any]) -> model.DatabaseFetch:
    ((kind, section),) = ((kind, values[kind]) for kind in KINDS if values[kind] is not None)
    return model.DatabaseFetch(kind=kind, settings=section.model_dump(), limit=values["limit"])


class _DatabaseKeys(Keys[model.Database]):
    """The keys of a database, or the one folder that has it."""

    def _made(self, value: Any, handler: Callable[[Any], Section]) -> model.Database:
        return super()._made({"fetch": {FOLDER: {"path": value}}} if isinstance(value, str) else value, handler)

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [handler(core), {"type": "string", "pattern": "^[/{]"}]}


FETCH = Keys(
    model.DatabaseFetch,
    without=("kind", "settings", "given_by"),
    beside={kind: (section | None, None) for kind, section in KINDS.items()},
    build=_build,
    one_of=tuple(KINDS),
)
DATABASE = _DatabaseKeys(model.Database, without=("update",), nested=(FETCH,))


def words(database: model.Database) -> Iterator[tuple[Location, str]]:
    """Every text that may hold placeholders, with its place below the key `database`."""
    yield from ((("refresh", index), word) for index, word in enumerate(database.refresh))
    yield from ((("load", index), word) for index, word in enumerate(database.load))
    yield from ((("environment", key), word) for key, word in database.environment.items())
    if fetch := database.fetch:
        known = KINDS[fetch.kind].model_fields
        given = ((known[name].alias or name, value) for name, value in fetch.settings.items() if value)
        yield from ((("fetch", fetch.kind, key), value) for key, value in given)


def problems(database: model.Database) -> Iterator[tuple[Location, str]]:
    """What single keys do not show, with its place below the key `database`."""
    if database.incremental and not database.refresh:
        yield ("incremental",), "only a command of the scanner's own, 'refresh', starts from a copy of what there was"
    if bool(database.refresh) == (database.fetch is not None):
        yield (), "give it either 'fetch', so that our own code gets it, or 'refresh', a command of the scanner's"
    elif database.load and not database.fetch:
        yield ("load",), "there is nothing to load: 'refresh' fills {database} itself"
    used = [(location, word) for location, word in words(database) if location[0] != "fetch"]
    for placeholder, needed in (("{database}", database.refresh or database.load), ("{fetched}", database.load)):
        if needed and not any(placeholder in word for _, word in used):
            key = "refresh" if database.refresh else "load"
            yield (key,), f"the command never names {placeholder}, so it would fill no folder of anything"
