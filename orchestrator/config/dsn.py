"""`DATABASE_TYPE` and `DSN`, the variables with the database of other scanning services.

They are understood beside `store.url`, which wins. A DSN is spelt as the drivers of Go spell it:

    DATABASE_TYPE=postgres  DSN="host=db user=scan password=… dbname=scans port=5432 sslmode=disable"
    DATABASE_TYPE=mysql     DSN="scan:…@tcp(db:3306)/scans?charset=utf8mb4"
    DATABASE_TYPE=sqlite    DSN=/data/scans.db
"""

from __future__ import annotations

import os
import re
import shlex
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from pydantic import SecretStr

from orchestrator.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.config.loading import Config

TYPE, DSN = "DATABASE_TYPE", "DSN"
_MYSQL = re.compile(
    r"(?:(?P<user>[^:@/]*)(?::(?P<password>.*))?@)?(?:tcp\((?P<host>[^)]+)\)|(?P<plain>[^(/]*))/(?P<database>[^?]*)(?:\?.*)?"
)
#: Parameters of PostgreSQL that keep their name in a URL.
_KEPT = ("sslmode", "sslrootcert", "sslcert", "sslkey", "connect_timeout", "application_name", "options")


def with_dsn(config: Config, environment: Mapping[str, str] | None = None) -> Config:
    """The configuration with the database of `DATABASE_TYPE` and `DSN`, unless it names one itself.

    Args:
        config: as it was read.
        environment: instead of the process's own.

    Raises:
        UsageError: only one of both is set, or they cannot be understood.
    """
    given = os.environ if environment is None else environment
    kind, dsn = given.get(TYPE, "").strip(), given.get(DSN, "").strip()
    if config.store.url is not None or not (kind or dsn):
        return config
    if not (kind and dsn):
        raise UsageError(f"{TYPE if dsn else DSN}: set both {TYPE} and {DSN}, or store.url")
    url = SecretStr(url_of(kind, dsn))
    return config.model_copy(update={"store": config.store.model_copy(update={"url": url})})


def url_of(kind: str, dsn: str) -> str:
    """The URL of a database, as `store.url` has it.

    Args:
        kind: `sqlite`, `postgres` or `mysql`, or another name of one of these.
        dsn: as Go's drivers spell it, or a URL already.

    Raises:
        UsageError: it cannot be understood; the message has no part of the DSN, which may hold a password.
    """
    match kind.lower():
        case "sqlite" | "sqlite3":
            path = dsn.removeprefix("sqlite:///").removeprefix("file:").partition("?")[0]
            return f"sqlite:///{path}"
        case "postgres" | "postgresql":
            return dsn if "://" in dsn else _postgres(dsn)
        case "mysql" | "mariadb":
            return dsn if "://" in dsn else _mysql(kind.lower(), dsn)
    raise UsageError(f"{TYPE}: {kind!r} is not supported; there are sqlite, postgres and mysql")


def _postgres(dsn: str) -> str:
    try:
        words = [word.partition("=") for word in shlex.split(dsn)]
    except ValueError as error:
        raise UsageError(f"{DSN}: a quotation mark is not closed") from error
    parts = {key.strip(): value for key, _, value in words}
    if "" in parts or not all(equals for _, equals, _ in words) or not parts.get("dbname"):
        raise UsageError(f"{DSN}: write `host=… user=… password=… dbname=… port=5432`, or postgresql://…")
    host = parts.get("host", "localhost")
    query = {key: parts[key] for key in _KEPT if key in parts}
    if host.startswith("/"):
        query["host"], host = host, ""
    login = parts.get("user", ""), parts.get("password", "")
    return _url("postgresql", login, f"{host}:{parts.get('port', '5432')}", parts["dbname"], query)


def _mysql(kind: str, dsn: str) -> str:
    found = _MYSQL.fullmatch(dsn)
    if found is None or not found["database"]:
        raise UsageError(f"{DSN}: write `user:password@tcp(host:3306)/database`, or mysql://…")
    login = found["user"] or "", found["password"] or ""
    return _url(kind, login, found["host"] or found["plain"] or "localhost", found["database"], {})


def _url(kind: str, login: tuple[str, str], place: str, database: str, query: Mapping[str, str]) -> str:
    user, password = (quote(each, safe="") for each in login)
    login_part = f"{user}:{password}@" if password else f"{user}@" if user else ""
    more = f"?{urlencode(query)}" if query else ""
    return f"{kind}://{login_part}{place}/{quote(database, safe='')}{more}"
