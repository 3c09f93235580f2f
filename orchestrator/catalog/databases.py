"""What the configuration says of scanners' databases, filled into the scans."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from orchestrator.config.databases import KINDS
from orchestrator.kit.placeholders import PARAMETER, placeholders
from orchestrator.model import DatabaseFetch
from orchestrator.model.ages import DEFAULT
from orchestrator.model.scan import FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orchestrator import model
    from orchestrator.config.loading import Config
    from orchestrator.kit.sources import Location


def with_keys(fetch: model.DatabaseFetch, scan: str) -> model.DatabaseFetch:
    """How a template fetches a database, with where people set each setting; no parameters are filled in yet."""
    known = KINDS[fetch.kind].model_fields
    named = {setting: _keys(value, f"database.fetch.{fetch.kind}.{known[setting].alias or setting}", scan)
             for setting, value in fetch.settings.items()}  # fmt: skip
    return replace(fetch, given_by=named)


def with_configured(scan: model.Scan, config: Config) -> model.Scan:
    """A scan with its database as the configuration wants it: how long it is used, and whether there is one already."""
    if scan.database is None:
        return scan
    wanted = config.databases
    database = replace(scan.database, max_age=wanted.age_for(scan.name, scan.database.max_age), update=wanted.update)
    if own := wanted.paths.get(scan.name):
        database = replace(
            database,
            refresh=(),
            load=(),
            environment={},
            incremental=False,
            fetch=_from_folder(scan, database.fetch, config.base / Path(own).expanduser()),
        )
    return replace(scan, database=database)


def of_databases(config: Config, templates: Mapping[str, model.Scan]) -> Iterator[tuple[Location, str, str]]:
    """What the configuration says of databases that there are not: its place, the scan, and what is wrong.

    That is empty for a scan that does not exist.
    """
    places: list[tuple[Location, str]] = [(("databases", "paths", name), name) for name in config.databases.paths]
    places += [(("databases", "maxAge", name), name) for name in config.databases.max_age if name != DEFAULT]
    for location, name in places:
        if name not in templates:
            yield location, name, ""
        elif templates[name].database is None:
            with_one = ", ".join(sorted(each for each, scan in templates.items() if scan.database))
            yield location, name, f"scan {name!r} has no database (these have one: {with_one})"


def _from_folder(scan: model.Scan, fetch: model.DatabaseFetch | None, path: Path) -> model.DatabaseFetch:
    """A folder in the place of what a template fetches."""
    scanner = fetch.kind if fetch and fetch.kind != FOLDER else ""
    limit = {"limit": fetch.limit} if fetch else {}
    settings = {"path": str(path), "scanner": scanner}
    return DatabaseFetch(FOLDER, settings, given_by={"path": f"databases.paths.{scan.name}"}, **limit)


def _keys(value: str, key: str, scan: str) -> str:
    """Where people set a value of a template: by its parameters, or in the template itself."""
    names = [name.removeprefix(PARAMETER) for name in placeholders(value) if name.startswith(PARAMETER)]
    return " and ".join(f"scans.parameters.{scan}.{name}" for name in names) or f"{key} in the template of {scan}"
