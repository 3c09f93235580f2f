"""The key `database` of a scan template: how the scanner's database is fetched by our own code, or by its command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field, StringConstraints

from orchestrator import model
from orchestrator.config.section import Section
from orchestrator.kit.quantities import Duration, Size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.kit.yaml_source import Location

Words = Annotated[tuple[str, ...], Field(min_length=1)]
Variable = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Variables = dict[Variable, str]
_Text = Annotated[str, Field(min_length=1)]


class TrivySection(Section):
    """Trivy's databases, OCI artifacts; see `orchestrator.databases.trivy`.

    Attributes:
        repository: of the database, `registry/repository:tag` or with a digest.
        java_repository: of the index of Java libraries; without it Trivy refuses every image that holds a jar.
        max_age: a database built longer ago is refused; empty for any.
    """

    repository: _Text
    java_repository: str = ""
    max_age: str = ""


class GrypeSection(Section):
    """Grype's database as its listing names it; see `orchestrator.databases.grype`.

    Attributes:
        url: below which `v6/latest.json` lies, or of that file itself.
        max_age: a database built longer ago is refused; empty for any.
    """

    url: _Text
    max_age: str = ""


class ClamavSection(Section):
    """ClamAV's signed databases; see `orchestrator.databases.clamav`.

    Attributes:
        mirror: host, or URL of the folder, that serves `main.cvd`, `daily.cvd` and `bytecode.cvd`.
        max_age: a `daily.cvd` built longer ago is refused; empty for any.
        user_agent: as which the mirror is asked; ClamAV's own refuses most names but those of its tools.
    """

    mirror: _Text
    max_age: str = ""
    user_agent: str = ""


class FetchSection(Section):
    """One of the kinds that there are, and how large it may be; see `orchestrator.model.Fetch`."""

    trivy: TrivySection | None = None
    grype: GrypeSection | None = None
    clamav: ClamavSection | None = None
    limit: Annotated[Size, Field(ge=1)] = model.Fetch(kind="").limit

    def kinds(self) -> dict[str, Section]:
        """What is given, by the name of its kind."""
        given = {name: getattr(self, name) for name in KINDS}
        return {name: section for name, section in given.items() if section is not None}

    def document(self) -> model.Fetch:
        """What a plan holds of it, its placeholders not yet filled in; exactly one kind is given."""
        ((kind, section),) = self.kinds().items()
        return model.Fetch(kind=kind, settings=section.model_dump(), limit=self.limit)


#: The kinds of databases; each has its module in `orchestrator.databases`.
KINDS = tuple(name for name in FetchSection.model_fields if name != "limit")


class DatabaseSection(Section):
    """See `orchestrator.model.Database`."""

    refresh: tuple[str, ...] = ()
    fetch: FetchSection | None = None
    load: tuple[str, ...] = ()
    environment: Variables = Field(default_factory=dict)
    timeout: Annotated[Duration, Field(ge=1)] = model.Database().timeout

    def words(self) -> Iterator[tuple[Location, str]]:
        """Every text that may hold placeholders, with its place below the key `database`."""
        yield from ((("refresh", index), word) for index, word in enumerate(self.refresh))
        yield from ((("load", index), word) for index, word in enumerate(self.load))
        yield from ((("environment", key), word) for key, word in self.environment.items())
        for kind, section in self.fetch.kinds().items() if self.fetch else ():
            fields = type(section).model_fields
            yield from ((("fetch", kind, fields[name].alias or name), str(value)) for name, value in section if value)

    def problems(self) -> Iterator[tuple[Location, str]]:
        """What single keys do not show, with its place below the key `database`."""
        if bool(self.refresh) == (self.fetch is not None):
            yield (), "give it either 'fetch', so that our own code gets it, or 'refresh', a command of the scanner's"
        elif self.fetch and len(self.fetch.kinds()) != 1:
            yield ("fetch",), f"give it one of {', '.join(KINDS)}"
        elif self.load and not self.fetch:
            yield ("load",), "there is nothing to load: 'refresh' fills {database} itself"
        used = [(location, word) for location, word in self.words() if location[0] != "fetch"]
        for placeholder, needed in (("{database}", self.refresh or self.load), ("{fetched}", self.load)):
            if needed and not any(placeholder in word for _, word in used):
                what = "refresh" if self.refresh else "command 'load'"
                yield (), f"the {what} never names {placeholder}, so it would fill no folder of anything"
