"""How the database is reached: its URL, its engine, and its errors in our words."""

from __future__ import annotations

import os
import ssl
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from orchestrator.kit import masking
from orchestrator.kit.advice import ours
from orchestrator.kit.extras import installing
from orchestrator.store import deadlines, scope
from orchestrator.store.documents import StoreError, StoreGoneError, StoreUrlError
from orchestrator.volume.layout import PRIVATE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection, Engine

_DRIVERS = {
    "sqlite": ("sqlite", ""),
    "postgresql": ("postgresql+psycopg", "postgresql"),
    "postgres": ("postgresql+psycopg", "postgresql"),
    "mysql": ("mysql+pymysql", "mysql"),
    "mariadb": ("mariadb+pymysql", "mariadb"),
}
#: Parameters of MySQL and MariaDB for TLS: those that PyMySQL's `ssl` has as texts, and those that are flags.
_TLS_FILES = {
    "ssl_ca": "ca",
    "ssl_capath": "capath",
    "ssl_cert": "cert",
    "ssl_key": "key",
    "ssl_key_password": "password",
    "ssl_cipher": "cipher",
}
_TLS_CHECKS = {"ssl_verify_cert", "ssl_verify_identity", "ssl_check_hostname"}
_CONNECT_SECONDS = 10


def parse_url(url: str) -> URL:
    """The URL of a database, with the driver this project uses.

    Raises:
        StoreUrlError: it is none, or of a database that is not supported.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise StoreUrlError("store.url: this is not a URL; write postgresql://user:password@host/database") from error
    name = parsed.drivername.partition("+")[0]
    if name not in _DRIVERS:
        raise StoreUrlError(f"store.url: {name!r} is not supported; there are sqlite, postgresql, mysql and mariadb")
    return parsed.set(drivername=_DRIVERS[name][0]) if name != "sqlite" else parsed


def make_engine(url: URL) -> Engine:
    """An engine that connects when it is first used.

    Raises:
        StoreUrlError: the driver is not installed.
    """
    options: dict[str, Any] = {}
    if url.get_backend_name() == "postgresql":
        options = {"connect_args": {"connect_timeout": _CONNECT_SECONDS}}
    elif url.get_backend_name() in {"mysql", "mariadb"}:
        url, tls = _mysql_tls(url)
        # As in the other databases: what others have committed is seen by the next statement.
        options = {"connect_args": {"connect_timeout": _CONNECT_SECONDS} | tls, "isolation_level": "READ COMMITTED"}
    try:
        engine = create_engine(url, **options)
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        extra = _DRIVERS[url.get_backend_name()][1]
        raise StoreUrlError(
            f"store.url: no driver for {url.get_backend_name()} is installed; {installing(extra)}"
        ) from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "do_connect", _make_private)
        event.listen(engine, "connect", _prepare_sqlite)
    elif engine.dialect.name == "postgresql":
        event.listen(engine, "connect", _prepare_postgresql)
    deadlines.watch(engine)
    scope.watch(engine)
    return engine


@contextmanager
def bearing_damage(connection: Connection) -> Iterator[None]:
    """Read texts that a damaged SQLite file has spoilt, which otherwise fail whatever is read with them.

    Bytes that are no UTF-8 are read as lone surrogates. Servers do not give such texts out.
    """
    driver = connection.connection.dbapi_connection
    if connection.dialect.name != "sqlite" or driver is None:
        yield
        return
    driver.text_factory = lambda data: data.decode(errors="surrogateescape")
    try:
        yield
    finally:
        driver.text_factory = str


def _mysql_tls(url: URL) -> tuple[URL, dict[str, Any]]:
    """The URL without its parameters for TLS, and these as PyMySQL takes them.

    Left to SQLAlchemy, `ssl_ca` beside `ssl_verify_identity` is lost, and the texts `false` and `0` are true. An
    authority is for being verified: the certificate and its host name are, unless the URL says no.

    Raises:
        StoreUrlError: a parameter is not known, or there is nothing to verify by.
    """
    given = {name: value for name, value in url.query.items() if name.lower().startswith("ssl")}
    if unknown := sorted(set(given) - _TLS_FILES.keys() - _TLS_CHECKS):
        known = ", ".join(sorted({*_TLS_FILES, *_TLS_CHECKS}))
        raise StoreUrlError(f"store.url: {unknown[0]!r} is no parameter of this database; there are {known}")
    if not given:
        return url, {}
    checks = {name: _flag(name, value) for name, value in given.items() if name in _TLS_CHECKS}
    authority = given.keys() & {"ssl_ca", "ssl_capath"}
    if any(checks.values()) and not authority:
        raise StoreUrlError("store.url: name the authority's file (ssl_ca=…), by which the certificate is verified")
    tls: dict[str, Any] = {_TLS_FILES[name]: value for name, value in given.items() if name in _TLS_FILES}
    if authority:
        _check_authority(tls.get("ca"), tls.get("capath"))
        tls["verify_mode"] = checks.get("ssl_verify_cert", True)
        # What is not verified at all has no name to be verified.
        names = [checks[name] for name in ("ssl_verify_identity", "ssl_check_hostname") if name in checks]
        tls["check_hostname"] = all(names) and tls["verify_mode"]
    return url.difference_update_query(list(given)), {"ssl": tls}


def _check_authority(file: str | None, folder: str | None) -> None:
    try:
        ssl.create_default_context(cafile=file, capath=folder)
    except OSError as error:  # of the file, or of what is in it
        raise StoreUrlError(f"store.url: {file or folder} cannot be read as certificates: {error.strerror}") from error


def _flag(name: str, value: object) -> bool:
    flags = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    if (found := flags.get(str(value).lower())) is None:
        raise StoreUrlError(f"store.url: {name} is true or false")
    return found


def _make_private(_dialect: object, _record: object, arguments: Sequence[Any], _options: object) -> None:
    """The file holds findings, and secrets among them: SQLite would open it to all, and gives its journals its mode."""
    path = str(arguments[0]) if arguments else ""
    if not path or path.startswith((":", "file:")):
        return
    # Never opened here: closing it would give up the locks that other connections of this process hold on it.
    with suppress(OSError):  # SQLite has the better words for a file that cannot be made
        if not Path(path).exists():
            os.mknod(path, stat.S_IFREG | PRIVATE)
        elif (mode := stat.S_IMODE(Path(path).stat().st_mode)) & ~PRIVATE:
            Path(path).chmod(mode & PRIVATE)


def _prepare_sqlite(connection: Any, _record: object) -> None:
    """Readers beside a writer, no sync for each commit (a power cut costs the last of them, never the file)."""
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=30000", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _prepare_postgresql(connection: Any, _record: object) -> None:
    """For questions of some thousand rows, found by an index, that are over before help of other processes pays."""
    for setting in ("random_page_cost = 1.1", "max_parallel_workers_per_gather = 0", "jit = off"):
        connection.execute(f"SET {setting}")
    connection.commit()


@contextmanager
def translated(url: URL) -> Iterator[None]:
    """Whatever the database or its driver raises, as one of our errors, without its password.

    Raises:
        StoreGoneError: it does not answer, or went away.
        StoreSlowError: the question took longer than its deadline.
        StoreError: it refused a statement.
    """
    try:
        yield
    except (DBAPIError, PoolTimeoutError) as error:
        if isinstance(error, DBAPIError) and deadlines.was_too_slow(error):
            raise deadlines.too_slow() from error
        words = str(getattr(error, "orig", None) or error).strip().replace("\n", " ")
        words = masking.mask(words, *_secrets(url))
        if isinstance(error, (OperationalError, PoolTimeoutError)) or getattr(error, "connection_invalidated", False):
            raise StoreGoneError(
                f"{mask(url)}: the database does not answer: {words}; no result is lost, they lie on the volume: see"
                f" that it runs, then {ours('store', 'import')} imports them"
            ) from error
        raise StoreError(f"{mask(url)}: the database refused a statement: {words}") from error


def mask(url: URL) -> str:
    """The URL for messages, without the passwords in it: before the host, and among the parameters of its driver."""
    url = url.set(drivername=url.get_backend_name())
    return masking.mask(url.render_as_string(hide_password=True))


def _secrets(url: URL) -> tuple[str, ...]:
    """Passwords of a URL: its own, and those that drivers take as parameters (`?password=`, `?sslpassword=`)."""
    given = [
        value
        for name, values in url.query.items()
        if masking.is_secret_name(name)
        for value in ([values] if isinstance(values, str) else values)
    ]
    return tuple(map(str, filter(None, [url.password, *given])))
